"""Several tasks and hosts in a real playbook run: each package is predicted once, and asked for once."""

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


INSTALLED = """\
- name: Two roles that share packages
  hosts: one
  gather_facts: false
  tasks:
    - name: First
      debian_packages:
        name: [hello-a, hello-b]
    - name: Within the first
      debian_packages:
        name: [hello-none|hello-b]
      register: within
    - name: Predicted for another machine
      debian_packages:
        name: [hello-c]
      delegate_to: two
      check_mode: true
    - name: Brings one more
      debian_packages:
        name: [hello-b, hello-c]
    - name: What stands for it
      ansible.builtin.assert:
        that:
          - within is not changed
          - "within.packages == {'hello-none|hello-b': {'name': 'hello-b', 'version': '1'}}"
"""


def played(playbook: str, folder: Path, tools: dict[str, str], *words: str) -> str:
    """What ansible-playbook prints, on two hosts that are this machine with these tools."""
    for name, script in tools.items():
        path = folder / "tools" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(stat.S_IRWXU)
    (folder / "playbook.yml").write_text(playbook)
    local = f"ansible_connection=local ansible_python_interpreter={sys.executable}"
    (folder / "hosts.ini").write_text(f"one {local}\ntwo {local}\n")
    program = str(Path(sys.executable).parent / "ansible-playbook")
    done = subprocess.run(
        [program, "-i", str(folder / "hosts.ini"), str(folder / "playbook.yml"), *words],
        cwd=ROOT,
        env=os.environ
        | {
            "PATH": f"{folder / 'tools'}:{os.environ['PATH']}",
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "LAB_RUN_FILE": str(folder / "run.jsonl"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_what_a_task_of_the_run_has_seen_is_not_asked_for_again(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    query = (
        'for name; do case $name in hello-*) names="$names $name"; printf "%s\\t1\\tinstalled\\n" "$name";; esac\n'
        f"done; echo $names >>{asked}"
    )
    played(INSTALLED, tmp_path, TOOLS | {"dpkg-query": query})
    assert asked.read_text().splitlines() == ["hello-a hello-b", "hello-c", "hello-b hello-c"]


def test_each_package_is_predicted_once_and_for_its_own_host(tmp_path: Path) -> None:
    told: dict[str, dict[str, str]] = {}
    task = ""
    for line in played(PLAYBOOK, tmp_path, TOOLS, "--check").splitlines():
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
