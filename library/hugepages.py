#!/usr/bin/python
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Hugepages of the lab's own are reserved, now and at boot, on top of those of others; hugetlbfs is mounted."""

from __future__ import annotations

DOCUMENTATION = r"""
module: hugepages
short_description: Hugepages on top of those of others, now and after a reboot
description:
  - Adds pages to the kernel's pool, on top of what was found there, and takes back exactly those. What is the lab's is
    written to C(/var/lib/hello_ebpf/hugepages.json) before the pool grows, so a run that was cut off, a changed
    request and other users that grow or shrink the pool meanwhile are told apart.
  - After a reboot a systemd unit adds them again to whatever others reserved earlier in the boot, by the kernel's
    command line, sysctl.d or in another way.
  - Mounts hugetlbfs where nobody did.
  - Refuses, before anything is changed, what the machine does not have (page size, NUMA node, memory). When the kernel
    grants the pages only in part, memory is compacted once; then the pool goes back to what it was and the module
    fails.
options:
  state:
    description:
      - V(absent) takes the lab's pages, boot script and mount back. Pages that are in use or reserved stay, with a
        warning that names who holds them, and go at a later run.
    choices: [present, absent]
    default: present
    type: str
  size_kilobytes:
    description: Size of a page.
    default: 2048
    type: int
  count:
    description:
      - Pages to add, spread evenly over NUMA nodes. One of O(count), O(megabytes) and O(nodes) is needed unless
        O(state=absent).
    type: int
  megabytes:
    description: Memory to add, rounded up to whole pages.
    type: int
  nodes:
    description: "Pages to add by NUMA node: a dictionary of node to pages."
    type: dict
  mount:
    description: Where hugetlbfs of this page size is mounted.
    default: /dev/hugepages
    type: path
  reserve_megabytes:
    description: Available memory that must be left after the pages are added.
    default: 512
    type: int
  manage:
    description:
      - Off, the pool is somebody else's (a container's host). It is not changed; the module checks that enough pages
        are free or held by the lab's own processes, and mounts hugetlbfs.
      - Not given, it is on, but off in a container.
    type: bool
attributes:
  check_mode:
    support: full
    description: Every check is made. Whether the kernel can find the memory in whole pages, only the real run shows.
  diff_mode:
    support: full
    description: Pools by size (and node, where nodes are asked for), hugetlbfs mounts, boot script and fstab.
author: the hello_eBPF authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: 1536 MiB in pages of 2 MiB
  hugepages:
    megabytes: 1536
  become: true

- name: One page of 1 GiB on each of two NUMA nodes
  hugepages:
    size_kilobytes: 1048576
    nodes: {0: 1, 1: 1}
    mount: /mnt/hugepages_1g
  become: true

- name: Give them back
  hugepages:
    state: absent
  become: true
"""

RETURN = r"""
actions:
  description: The steps taken, or in check mode the steps that would be taken.
  returned: success
  type: list
  elements: str
  sample: ["add 768 pages of 2048 kB: 0 -> 768"]
pools:
  description: The asked pool, and those in which pages of the lab are left, as the kernel shows them after the run.
  returned: success
  type: list
  elements: dict
  sample: [{size_kilobytes: 2048, pages: 768, lab_pages: 768, nodes: {"0": 768}}]
mount:
  description: Where hugetlbfs of the asked size is mounted; empty when it is not.
  returned: success
  type: str
  sample: /dev/hugepages
survives_reboot:
  description: Something on this machine adds the pages again after a reboot.
  returned: success
  type: bool
  sample: true
"""

from contextlib import nullcontext

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.hello_ebpf.arguments import arguments
from ansible.module_utils.hello_ebpf.hugepages import Hugepages
from ansible.module_utils.hello_ebpf.hugepages_boot import LINK
from ansible.module_utils.hello_ebpf.hugepages_host import Host
from ansible.module_utils.hello_ebpf.hugepages_request import Request
from ansible.module_utils.hello_ebpf.plan import converge, errors_told, exit_with


def main() -> None:
    module = AnsibleModule(arguments(DOCUMENTATION), supports_check_mode=True)
    host = Host(module.run_command)
    with errors_told(module):
        hugepages = Hugepages(Request.of(module.params), host)
        with nullcontext() if module.check_mode else host.alone():
            outcome = converge(hugepages.read, hugepages.plan, hugepages.predict, check=module.check_mode)
    for warning in hugepages.warnings(outcome.after, changed=outcome.changed):
        module.warn(warning)
    after = outcome.after
    mounted = after.mounted(hugepages.request.mount)
    exit_with(
        module,
        outcome,
        hugepages.render,
        pools=hugepages.pools(after),
        mount=mounted.path if mounted and mounted.filesystem == "hugetlbfs" else "",
        survives_reboot=host.systemd() and LINK in after.boot,
    )


if __name__ == "__main__":
    main()
