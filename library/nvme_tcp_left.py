#!/usr/bin/python
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Ansible module: NVMe/TCP connections and mounts that the lab made and that are not declared any longer."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nvme_tcp_left
short_description: NVMe/TCP connections and mounts that the lab made and that are not declared any longer
description:
  - Reads the lab's notes of connections, its units that connect at boot, and its lines in C(/etc/fstab).
    Changes nothing. Connections, units and mounts of others are not among them.
options:
  connections:
    description: What is declared, each with C(subsystem_nqn), C(address), C(service_id) (default 4420) and C(host_nqn).
    type: list
    elements: dict
    default: []
  mounts:
    description: The mount points that are declared.
    type: list
    elements: str
    default: []
attributes:
  check_mode: {support: full, description: "Tells what would be changed, and changes nothing."}
author: the hello_eBPF authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: See what is left over
  nvme_tcp_left:
    connections: "{{ nvme_tcp_connections }}"
  register: left
"""

RETURN = r"""
connections:
  description: The key of each connection that is left over.
  returned: success
  type: list
  elements: dict
  contains:
    subsystem_nqn: {type: str, description: NQN of the subsystem.}
    address: {type: str, description: IP address of the target.}
    service_id: {type: str, description: TCP port of the target.}
    host_nqn: {type: str, description: NQN under which this machine connects.}
mounts:
  description: Mount points that are left over.
  returned: success
  type: list
  elements: str
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.hello_ebpf.arguments import arguments
from ansible.module_utils.hello_ebpf.fstab import Fstab
from ansible.module_utils.hello_ebpf.made import Made
from ansible.module_utils.hello_ebpf.nvme_boot import connections_of_units
from ansible.module_utils.hello_ebpf.nvme_host import normal_address
from ansible.module_utils.hello_ebpf.nvme_tcp import OWNER

KEY = ("subsystem_nqn", "address", "service_id", "host_nqn")


def left(
    connections: Sequence[Mapping[str, Any]], mounts: Sequence[str], notes: Made, root: Path = Path("/")
) -> dict[str, Any]:
    """What the lab made, less what is declared, on a machine whose files lie below ``root``."""
    made = {tuple(name.split(" ")) for name in notes.of(OWNER)} | connections_of_units(root)
    declared = {
        (one["subsystem_nqn"], normal_address(str(one["address"])), str(one.get("service_id", 4420)), one["host_nqn"])
        for one in connections
    }
    return {
        "connections": [dict(zip(KEY, key, strict=True)) for key in sorted(made - declared)],
        "mounts": [mount for mount in Fstab(root / "etc/fstab").mounts() if mount not in mounts],
    }


def main() -> None:
    """Entry point."""
    module = AnsibleModule(arguments(DOCUMENTATION), supports_check_mode=True)
    module.exit_json(changed=False, **left(module.params["connections"], module.params["mounts"], Made()))


if __name__ == "__main__":
    main()
