#!/usr/bin/python
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""A namespace of a connected subsystem carries a file system that is mounted, now and at boot."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nvme_tcp_filesystem
short_description: A connected namespace carries a file system that is mounted, now and at boot
description:
  - The namespace is found by subsystem, namespace id and UUID, the file system is mounted by its own UUID. No device
    is ever named by its number.
  - The device is formatted only when it is empty - C(blkid) recognises nothing on it and its first and last MiB are
    zero - or where O(format=replace) says that its data may go.
  - The mount gets a marked line in C(/etc/fstab), that neither delays nor fails a boot. With systemd it is also tied
    to its device, so that a target that comes late, or comes back, finds it mounted again.
  - Removing it unmounts and takes the line away. The file system and its data stay.
options:
  state:
    description: Whether it is mounted.
    choices: [present, absent]
    default: present
    type: str
  mount:
    description: Mount point. It is made when missing; at removal it is removed when empty.
    type: str
    required: true
  subsystem_nqn:
    description: NQN of the subsystem. Needed unless O(state=absent).
    type: str
  host_nqn:
    description: Host NQN of the connection, where there are several to the subsystem.
    type: str
  nsid:
    description: Namespace id. This, O(uuid) or both are needed unless O(state=absent).
    type: int
  uuid:
    description: UUID of the namespace.
    type: str
  type:
    description: Type of the file system.
    choices: [ext4, xfs]
    default: ext4
    type: str
  options:
    description: Mount options. Those that a network mount needs at boot are added.
    default: defaults
    type: str
  format:
    description:
      - C(if_empty) makes the file system on an empty device; C(never) takes only one that is there; C(replace) makes
        it over anything that is not a file system of this type, and destroys what was there.
    choices: [if_empty, never, replace]
    default: if_empty
    type: str
  after:
    description: Units that the mount comes after at boot and goes before at shutdown, where they exist.
    default: []
    type: list
    elements: str
attributes:
  check_mode:
    support: full
    description: A namespace that is not connected yet is taken for empty.
  diff_mode: {support: full, description: "Shows what is before and after, as text."}
author: the hello_eBPF authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: ext4 on namespace 1
  nvme_tcp_filesystem:
    subsystem_nqn: nqn.2026-11.io.hello-ebpf:csd0
    nsid: 1
    uuid: 6c1f2d7e-5a0b-4c6e-9a57-0e8bff0e0001
    mount: /mnt/csd0
"""

RETURN = r"""
actions:
  description: The changes made, or in check mode the changes that would be made, in words.
  returned: success
  type: list
  elements: str
device:
  description: Block device of the namespace; null when it is not connected.
  returned: success
  type: str
  sample: /dev/nvme0n1
filesystem_uuid:
  description: UUID by which it is mounted; in check mode that of the file system that would be made.
  returned: success
  type: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.hello_ebpf.arguments import arguments
from ansible.module_utils.hello_ebpf.nvme_connection import WantedNamespace, validated_namespace
from ansible.module_utils.hello_ebpf.nvme_filesystem import NOT_SAID, Filesystem, NvmeFilesystem
from ansible.module_utils.hello_ebpf.nvme_host import Host
from ansible.module_utils.hello_ebpf.plan import converge, errors_told, exit_with


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        arguments(DOCUMENTATION), supports_check_mode=True, required_if=[("state", "present", ("subsystem_nqn",))]
    )
    asked = dict(module.params)
    namespace = WantedNamespace(asked.pop("nsid"), asked.pop("uuid"))
    asked["after"] = tuple(asked["after"])
    with errors_told(module):
        namespace = validated_namespace(namespace) if asked["state"] == "present" else NOT_SAID
        filesystem = Filesystem(**asked, namespace=namespace)
        work = NvmeFilesystem(filesystem, Host(module.run_command), check=module.check_mode)
        outcome = converge(work.read, work.plan, work.predict, check=module.check_mode)
    exit_with(
        module,
        outcome,
        work.render,
        device=outcome.after.device,
        filesystem_uuid=outcome.after.content.uuid or None,
    )


if __name__ == "__main__":
    main()
