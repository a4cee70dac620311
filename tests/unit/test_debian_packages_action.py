"""Check mode over several tasks and hosts, as a real playbook run: each package is predicted once."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# dpkg that has nothing installed, and apt-cache and apt-get that know every name: a machine that stays as it is.
TOOLS = {
    "dpkg-query": "exit 1",
    "dpkg": "exit 0",
    "apt-cache": 'for name; do printf "%s:\\n  Candidate: 1\\n" "$name"; done',
    "apt-get": "exit 0",
}

PLAYBOOK = """\
- name: Two roles that share a package
  hosts: one:two
  gather_facts: false
  tasks:
    - name: First
      debian_packages:
        name: [hello-a, hello-b]
    - name: Within the first
      debian_packages:
        name: [hello-b]
    - name: Brings one more
      debian_packages:
        name: [hello-b, hello-c]
      when: inventory_hostname == 'one'
    - name: Known to one host only
      debian_packages:
        name: [hello-c]
"""


def test_each_package_is_predicted_once_and_for_its_own_host(tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, script in TOOLS.items():
        (tools / name).write_text(f"#!/bin/sh\n{script}\n")
        (tools / name).chmod(stat.S_IRWXU)
    playbook = tmp_path / "playbook.yml"
    playbook.write_text(PLAYBOOK)
    local = f"ansible_connection=local ansible_python_interpreter={sys.executable}"
    inventory = tmp_path / "hosts.ini"
    inventory.write_text(f"one {local}\ntwo {local}\n")
    done = subprocess.run(
        [Path(sys.executable).parent / "ansible-playbook", "-i", str(inventory), str(playbook), "--check"],
        cwd=ROOT,
        env=os.environ
        | {
            "PATH": f"{tools}:{os.environ['PATH']}",
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "LAB_RUN_FILE": str(tmp_path / "run.jsonl"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told: dict[str, dict[str, str]] = {}
    task = ""
    for line in done.stdout.splitlines():
        if line.startswith("TASK ["):
            task = line.removeprefix("TASK [").partition("]")[0]
        for status in ("ok", "changed"):
            for host in ("one", "two"):
                if line.startswith(f"{status}: [{host}]"):
                    told.setdefault(task, {})[host] = status
    assert told == {
        "First": {"one": "changed", "two": "changed"},
        "Within the first": {"one": "ok", "two": "ok"},
        "Brings one more": {"one": "changed"},
        "Known to one host only": {"one": "ok", "two": "changed"},
    }
