"""What a run says at its end about nodes that failed: real playbooks on hosts that are this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

FAILS_ON = """\
- name: Work
  hosts: {hosts}
  gather_facts: false
  any_errors_fatal: {fatal}
  serial: {serial}
  tasks:
    - name: Look
      ansible.builtin.assert:
        that: inventory_hostname != 'b'
        fail_msg: "Asked: this. Found: that. Do: the other."
        quiet: true
    - name: Go on
      ansible.builtin.debug:
        msg: gone on
"""

BROKEN = """\
DOCUMENTATION = "name: broken\\nshort_description: reaches nobody"
from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection.local import Connection as Local

class Connection(Local):
    transport = "broken"

    def _connect(self):
        raise AnsibleConnectionFailure("nobody answers")
"""


def end_of_run(folder: Path, playbook: str, hosts: str = "a,b,c,d") -> tuple[int, str]:
    """The exit code, and what is printed from the first heading after the recap on."""
    (folder / "playbook.yml").write_text(playbook)
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", hosts, "-c", "local", "playbook.yml"]
    environment = os.environ | {
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "LAB_RUN_FILE": str(folder / "run.jsonl"),
        "COLUMNS": "60",
    }
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    heads = [number for number, line in enumerate(lines) if line.startswith(("ONE AFTER", "FAILED NODES"))]
    text = "\n".join(line.rstrip("* ") for line in lines[heads[0] :]) if heads else ""
    return done.returncode, text.strip()


def test_a_run_without_failures_says_nothing(tmp_path: Path) -> None:
    assert end_of_run(tmp_path, FAILS_ON.format(hosts="a:c", fatal="false", serial="0")) == (0, "")


def test_a_failed_node_is_named_with_task_and_reason_and_the_others_go_on(tmp_path: Path) -> None:
    code, text = end_of_run(tmp_path, FAILS_ON.format(hosts="all", fatal="false", serial="0"))
    assert code == 2
    assert text == ("FAILED NODES\nb failed in: Look (play: Work)\n    Asked: this. Found: that. Do: the other.")
    assert '"task": "Go on", "host": "d", "status": "ok"' in (tmp_path / "run.jsonl").read_text()


def test_one_after_the_other_tells_who_is_through_and_who_was_not_touched(tmp_path: Path) -> None:
    _, text = end_of_run(tmp_path, FAILS_ON.format(hosts="all", fatal="true", serial="1"))
    assert text.startswith(
        "ONE AFTER THE OTHER: Work\ndone: a\nfailed: b\nnot touched: c, d\n\nFAILED NODES\nb failed in:"
    )


def test_who_was_begun_beside_the_failed_one_is_not_done(tmp_path: Path) -> None:
    _, text = end_of_run(tmp_path, FAILS_ON.format(hosts="all", fatal="true", serial="2"), hosts="c,d,a,b,e")
    assert text.startswith(
        "ONE AFTER THE OTHER: Work\ndone: c, d\nfailed: b\nbegun, and stopped with it: a\nnot touched: e\n"
    )


def test_an_unreachable_node_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "connection_plugins").mkdir()
    (tmp_path / "connection_plugins/broken.py").write_text(BROKEN)
    playbook = """\
- name: Work
  hosts: all
  gather_facts: false
  tasks:
    - name: Look
      ansible.builtin.ping:
      vars:
        ansible_connection: broken
"""
    code, text = end_of_run(tmp_path, playbook, hosts="b,")
    assert code == 4
    assert text.startswith("FAILED NODES\nb failed in: Look (play: Work)\n    Not reached: ")
    assert "nobody answers" in text
    assert "Do: see that the machine is up and that Ansible reaches it (ansible -m ping), then run again" in text


def test_of_a_loop_the_items_that_failed_are_told(tmp_path: Path) -> None:
    playbook = """\
- name: Work
  hosts: all
  gather_facts: false
  tasks:
    - name: Look
      ansible.builtin.assert: {that: item != 2, fail_msg: "no {{ item }}", quiet: true}
      loop: [1, 2, 3]
"""
    assert end_of_run(tmp_path, playbook, hosts="b,")[1] == "FAILED NODES\nb failed in: Look (play: Work)\n    no 2"


def test_of_a_module_that_died_its_end_is_told(tmp_path: Path) -> None:
    (tmp_path / "library").mkdir()
    # Ansible wraps what mentions its basic module as it does any module.
    dies = "#!/usr/bin/python3\nfrom ansible.module_utils.basic import AnsibleModule\nimport os, sys\n"
    dies += "sys.stderr.write('no memory')\nsys.stderr.flush()\nos._exit(9)\n"
    (tmp_path / "library/dies.py").write_text(dies)
    playbook = "- {name: Work, hosts: all, gather_facts: false, tasks: [{name: Look, dies: }]}\n"
    code, text = end_of_run(tmp_path, playbook, hosts="b,")
    assert code == 2
    assert text.startswith(
        "FAILED NODES\nb failed in: Look (play: Work)\n"
        "    The module gave no answer (exit code 9): it died, or the machine did.\n    no memory\n    Do: see that "
    )
