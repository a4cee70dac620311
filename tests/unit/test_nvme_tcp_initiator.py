# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Who connects, as the role nvme_tcp decides it, on a machine whose kernel cannot."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CANNOT = """\
from ansible.plugins.action import ActionBase

class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        return {"changed": False, "usable": False, "reason": "it has no nvme-tcp", "fix": "run another kernel"}
"""


def test_a_kernel_that_cannot_connect(tmp_path: Path) -> None:
    """Auto goes on with SPDK's initiator, kernel is an error, spdk does not ask; each says why."""
    (tmp_path / "actions").mkdir()
    (tmp_path / "actions/nvme_tcp_info.py").write_text(CANNOT)
    hosts = {name: {"nvme_tcp_initiator": name} for name in ("auto", "kernel", "spdk")}
    inventory = {"all": {"hosts": hosts, "vars": {"ansible_connection": "local", "ansible_become": False}}}
    (tmp_path / "hosts.json").write_text(json.dumps(inventory))
    include = {"name": "nvme_tcp", "tasks_from": "initiator"}
    told = {"msg": "{{ inventory_hostname }} uses {{ nvme_tcp_initiator_used }}: {{ nvme_tcp_initiator_reason }}"}
    tasks = [{"ansible.builtin.include_role": include}, {"ansible.builtin.debug": told}]
    (tmp_path / "play.yml").write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))
    environment = os.environ | {
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_ACTION_PLUGINS": str(tmp_path / "actions"),
        "LAB_RUN_FILE": str(tmp_path / "run.jsonl"),
        "COLUMNS": "1000",
    }
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(tmp_path / "hosts.json")]
    done = subprocess.run(
        [*command, str(tmp_path / "play.yml")], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stdout + done.stderr
    assert "auto uses spdk: it has no nvme-tcp" in done.stdout
    assert "spdk uses spdk: nvme_tcp_initiator is set to spdk" in done.stdout
    assert "To have the kernel connect: run another kernel." in done.stdout
    assert "kernel uses" not in done.stdout
    assert done.stdout.rpartition("FAILED NODES")[2].splitlines()[1:] == [
        "kernel failed in: nvme_tcp: Refuse a kernel that cannot connect (play: all)",
        "    Asked: nvme_tcp_initiator: kernel. Found: it has no nvme-tcp. Do: run another kernel; or set "
        "nvme_tcp_initiator: auto, which goes on with SPDK's user-space initiator.",
    ]
