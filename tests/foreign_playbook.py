"""Playbooks and an inventory of somebody else, who uses the collection and knows nothing of this project.

`foreign_playbook.py FOLDER PYTHON` writes the inventory and the playbook with all roles, for tests/fresh.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

#: Two drives on two machines; that both are this machine is the inventory's affair.
PORTS = {"red": "4431", "blue": "4432"}


def inventory(folder: Path, python: str) -> Path:
    """Groups with names of their own; each machine's drive has a prefix, a socket and a port of its own."""
    hosts = {name: {"drive": str(folder / name), "drive_port": port} for name, port in PORTS.items()}
    variables = {
        "ansible_connection": "local",
        "ansible_become": False,
        "ansible_python_interpreter": python,
        # A service reaches neither /root nor /tmp; what it makes while it runs lies in /run.
        "spdk_prefix": "{{ drive }}/spdk",
        "spdk_cache": "{{ drive }}/cache/spdk",
        "spdk_log": "{{ drive }}/spdk.log",
        "csd_target_prefix": "{{ drive }}/csd_target",
        "csd_target_spdk": "{{ drive }}/spdk/current",
        "csd_target_program": "{{ drive }}/csd_target/bin/csd_tgt",
        "csd_target_rpc_socket": "/run/{{ inventory_hostname }}/spdk.sock",
        "csd_target_config_file": "/etc/{{ inventory_hostname }}/csd_target.json",
        "csd_target_subsystems": [
            {
                "nqn": "nqn.2026-11.example:{{ inventory_hostname }}",
                "serial": "{{ inventory_hostname | upper }}",
                "hosts": ["nqn.2026-11.example:host"],
                "namespaces": [{"nsid": 1, "bdev": "csd0_data"}, {"nsid": 3, "bdev": "csd0_compute"}],
                "listeners": [{"address": "127.0.0.1", "service_id": "{{ drive_port }}"}],
            }
        ],
        "nvme_tcp_connections": [
            {
                "subsystem_nqn": "nqn.2026-11.example:{{ inventory_hostname }}",
                "address": "127.0.0.1",
                "service_id": "{{ drive_port }}",
                "host_nqn": "nqn.2026-11.example:host",
                "namespaces": [{"nsid": 1}],
            }
        ],
        "ebpf_examples_dest": "{{ drive }}/examples",
        "csd_host_prefix": "{{ drive }}/csd_host",
        "csd_host_link": "/usr/local/bin/csd-{{ inventory_hostname }}",
        "csd_bench_prefix": "{{ drive }}/csd_bench",
        "distribution_cache": "{{ drive }}/cache/distribution",
        "distribution_record": "{{ drive }}/distribution.json",
        "nvme_tcp_initiator": "spdk",
    }
    path = folder / "machines.json"
    path.write_text(json.dumps({"storage": {"hosts": hosts, "vars": variables}}))
    return path


def playbook(folder: Path, name: str) -> Path:
    """Roles and modules by their full names; roles that include others, and every kind of action plugin."""

    def role(which: str, tasks: str = "main", **variables: Any) -> dict[str, Any]:
        include = {"name": f"{name}.{which}", "tasks_from": tasks}
        return {"name": f"{which}, {tasks}", "ansible.builtin.include_role": include, "vars": variables}

    tasks = [
        # Sets its modules' defaults.
        role("spdk", spdk_state="absent"),
        # Includes csd_target, csd_host and csd_bench.
        role("distribution", distribution_state="absent"),
        role("csd_target", "preflight", csd_target_programs=[]),
        role("csd_target", "objects"),
        # Includes nvme_tcp.
        role("csd_bench", "connection"),
        {
            "name": "What a role told",
            "ansible.builtin.assert": {"that": "nvme_tcp_initiator_used == 'spdk'", "quiet": True},
        },
        {
            "name": "A module with an action plugin",
            f"{name}.debian_build": {
                "name": "ebpf_examples",
                "package": "hello-ebpf-examples",
                "rooms": ["trace", "examples"],
                "dest": "{{ drive }}/mine",
            },
            "register": "mine",
        },
        {
            "name": "A module without one",
            f"{name}.lab_file": {
                "owner": "mine",
                "files": [{"path": "{{ drive }}.txt", "content": "{{ drive_port }}\n"}],
            },
            "register": "text",
        },
        {
            "name": "Both would change something",
            "ansible.builtin.assert": {"that": ["mine is changed", "text is changed"], "quiet": True},
        },
    ]
    checked = [{"name": "Variables are right", f"{name}.check_variables": {}}]
    plays = [
        {"name": title, "hosts": "storage", "gather_facts": False, "tasks": some}
        for title, some in (("Check what was asked", checked), ("Use the collection", tasks))
    ]
    path = folder / "mine.yml"
    path.write_text(json.dumps(plays))
    return path


def roles(folder: Path, name: str) -> Path:
    """Every role as a whole, by its full name."""
    names = [
        "ebpf_toolchain",
        "ebpf_examples",
        "spdk",
        "distribution",
        "hugepages",
        "csd_target",
        "nvme_tcp",
        "csd_host",
    ]
    play = {
        "name": "All roles",
        "hosts": "storage",
        "gather_facts": False,
        "roles": [{"role": f"{name}.{role}"} for role in [*names, "csd_bench"]],
    }
    path = folder / "all.yml"
    path.write_text(json.dumps([play]))
    return path


if __name__ == "__main__":
    there = Path(sys.argv[1])
    print(inventory(there, sys.argv[2]), roles(there, "hello_ebpf.lab"))
