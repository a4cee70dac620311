#!/usr/bin/python
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""The kernel can build and run eBPF programs, and tracefs is mounted."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ebpf_kernel
short_description: The kernel offers what eBPF programs need, and tracefs is mounted
description:
  - Refuses a distribution's release that the lab was never tried on, before anything else.
  - Reads what the running kernel offers (bpf system call and the permission for it, BTF, tracefs, lockdown, the
    kernel's configuration where it can be read) and fails by the name of the kernel option that is missing.
  - Mounts tracefs on C(/sys/kernel/tracing) where nothing is mounted there. The mount carries the source
    C(hello_ebpf), so O(state=absent) takes away this one and no other. After a reboot systemd mounts tracefs itself;
    without systemd the next run does.
options:
  os_release:
    description: Where the machine says which release it runs, in the form of os-release(5).
    type: path
    default: /etc/os-release
  run_programs:
    description: Whether programs are to run here. V(false) asks only for what a build needs, and mounts nothing.
    type: bool
    default: true
  state:
    description: V(absent) unmounts the tracefs that this module mounted.
    type: str
    choices: [present, absent]
    default: present
attributes:
  check_mode: {support: full, description: "Tells what would be changed, and changes nothing."}
  diff_mode: {support: full, description: "Shows what is before and after, as text."}
author: the hello_eBPF authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: The kernel can run eBPF programs
  ebpf_kernel:

- name: Tracefs is as it was
  ebpf_kernel:
    state: absent
"""

RETURN = r"""
actions:
  description: The steps taken, or in check mode the steps that would be taken.
  returned: success
  type: list
  elements: str
  sample: [mount tracefs on /sys/kernel/tracing]
kernel:
  description: What the kernel offers.
  returned: success
  type: dict
  sample: {release: 6.1.0-44-amd64, machine: x86_64, bpf_errno: 0, btf_bytes: 5515236, has_tracefs: true,
    tracefs_source: hello_ebpf, lockdown: none}
"""

import dataclasses
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.hello_ebpf.arguments import arguments
from ansible.module_utils.hello_ebpf.ebpf_kernel import EbpfKernel, render
from ansible.module_utils.hello_ebpf.plan import converge, errors_told, exit_with
from ansible.module_utils.hello_ebpf.release import check_release


def main() -> None:
    module = AnsibleModule(arguments(DOCUMENTATION), supports_check_mode=True)
    kernel = EbpfKernel(module.run_command, run_programs=module.params["run_programs"])
    present = module.params["state"] == "present"
    plan, predict = (kernel.plan, kernel.predict) if present else (kernel.plan_absent, kernel.predict_absent)
    with errors_told(module):
        if present:
            check_release(Path(module.params["os_release"]).read_text(), "the eBPF toolchain on this machine")
        outcome = converge(kernel.read, plan, predict, check=module.check_mode)
    facts = dataclasses.asdict(outcome.after)
    del facts["options"]
    exit_with(module, outcome, render, kernel=facts)


if __name__ == "__main__":
    main()
