#!/usr/bin/python
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""A connection of the kernel's NVMe/TCP host exists, or does not."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nvme_tcp_connection
short_description: A connection of the kernel's NVMe/TCP host exists, or does not
description:
  - The connection is known by its subsystem NQN, address, service id and host NQN, as sysfs shows them; other
    connections, also to the same subsystem, are left alone.
  - It is made by C(nvme connect); the kernel module is loaded when it is not. Then the module waits until the
    connection is live and shows the declared namespaces. One that does not is taken down again.
  - On a connection that is there, O(reconnect_delay) and O(ctrl_loss_tmo) are changed in place. What a connection
    keeps for life (O(host_id), O(keep_alive_tmo), more queues or deeper ones than asked for) is an error.
  - Removing it refuses while one of its devices is mounted, used as swap, or held by another device. The kernel
    module stays loaded; without connections it does nothing.
options:
  state:
    description: Whether it is there.
    choices: [present, absent]
    default: present
    type: str
  subsystem_nqn:
    description: NQN of the subsystem.
    type: str
    required: true
  address:
    description: IP address of the target.
    type: str
    required: true
  service_id:
    description: TCP port of the target.
    default: "4420"
    type: str
  host_nqn:
    description: NQN under which this machine connects.
    type: str
    required: true
  host_id:
    description:
      - Host identifier, a UUID. By default one that belongs to O(host_nqn), since newer kernels refuse one identifier
        under two NQNs; on a connection that is there, any will do then.
    type: str
  reconnect_delay:
    description: Seconds between attempts to reconnect. By default the kernel's.
    type: int
  ctrl_loss_tmo:
    description: Seconds after which the kernel gives up reconnecting; -1 is never. By default the kernel's.
    type: int
  keep_alive_tmo:
    description: Seconds after which a silent target counts as lost. By default the kernel's.
    type: int
  nr_io_queues:
    description: I/O queues asked for. The target or the number of processors may grant fewer.
    type: int
  queue_size:
    description: Depth of each I/O queue. The target may grant less.
    type: int
  namespaces:
    description: Namespaces that the connection must show, each by O(namespaces[].nsid), O(namespaces[].uuid) or both.
    type: list
    elements: dict
    default: []
    suboptions:
      nsid:
        description: Namespace id.
        type: int
      uuid:
        description: UUID of the namespace.
        type: str
  wait_seconds:
    description: How long the connection may take to be live and show its namespaces.
    default: 30
    type: int
  boot:
    description:
      - It comes back after a reboot - the kernel module is loaded at boot, and a systemd unit connects, again and
        again until the target answers. Where systemd does not run, only the module's file is written.
    default: false
    type: bool
  boot_after:
    description: Units that start before it connects, where they exist.
    default: []
    type: list
    elements: str
  unmounted_before:
    description:
      - Mount points that a task before this one takes down. In check mode they are still there, and do not stand
        against O(state=absent).
    default: []
    type: list
    elements: str
attributes:
  check_mode:
    support: full
    description: Nothing is connected, so the names of new devices are not known yet.
  diff_mode: {support: full, description: "Shows what is before and after, as text."}
author: the hello_eBPF authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Connect, now and after a reboot
  nvme_tcp_connection:
    subsystem_nqn: nqn.2026-11.io.hello-ebpf:csd0
    address: 127.0.0.1
    host_nqn: nqn.2026-11.io.hello-ebpf:host0
    reconnect_delay: 2
    namespaces:
      - nsid: 1
        uuid: 6c1f2d7e-5a0b-4c6e-9a57-0e8bff0e0001
    boot: true
  register: connection
"""

RETURN = r"""
actions:
  description: The changes made, or in check mode the changes that would be made, in words.
  returned: success
  type: list
  elements: str
controller:
  description: Kernel name of the connection; null when there is none, C((new\)) where check mode predicts one.
  returned: success
  type: str
  sample: nvme0
devices:
  description: Its namespaces.
  returned: success
  type: list
  elements: dict
  contains:
    subsystem_nqn: {type: str, description: NQN of the subsystem.}
    nsid: {type: int, description: Namespace id.}
    uuid: {type: str, description: UUID or null.}
    nguid: {type: str, description: NGUID or null.}
    eui64: {type: str, description: EUI-64 or null.}
    device:
      type: str
      description: Block device; null for a command set that has none, and in check mode before it is connected.
    generic_device: {type: str, description: Character device for passthrough or null.}
    size_bytes: {type: int, description: Size.}
  sample:
    - subsystem_nqn: nqn.2026-11.io.hello-ebpf:csd0
      nsid: 1
      uuid: 6c1f2d7e-5a0b-4c6e-9a57-0e8bff0e0001
      nguid:
      eui64:
      device: /dev/nvme0n1
      generic_device: /dev/ng0n1
      size_bytes: 536870912
boot_unit:
  description: The unit that connects at boot; null where there is none.
  returned: success
  type: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.hello_ebpf.arguments import arguments
from ansible.module_utils.hello_ebpf.nvme_connection import Connection, WantedNamespace, validated
from ansible.module_utils.hello_ebpf.nvme_host import Host
from ansible.module_utils.hello_ebpf.nvme_tcp import NvmeTcp
from ansible.module_utils.hello_ebpf.plan import converge, errors_told, exit_with


def main() -> None:
    """Entry point."""
    module = AnsibleModule(arguments(DOCUMENTATION), supports_check_mode=True)
    asked = dict(module.params)
    asked["namespaces"] = tuple(WantedNamespace(item["nsid"], item["uuid"]) for item in asked["namespaces"])
    asked["boot_after"] = tuple(asked["boot_after"])
    asked["unmounted_before"] = tuple(asked["unmounted_before"])
    with errors_told(module):
        work = NvmeTcp(validated(Connection(**asked)), Host(module.run_command), check=module.check_mode)
        outcome = converge(work.read, work.plan, work.predict, check=module.check_mode)
    exit_with(
        module,
        outcome,
        work.render,
        controller=next((controller.name for controller in outcome.after.controllers), None),
        devices=work.devices(outcome.after),
        boot_unit=work.boot.unit_of(outcome.after.boot),
    )


if __name__ == "__main__":
    main()
