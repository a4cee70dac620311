# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""The target's user and group over {run, check, run again, remove}, in a mount namespace with an /etc of the test's."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT

USER, GROUP = "csdx", "storx"
MARK = "hello_eBPF made this user"
FILES = ("passwd", "group", "shadow", "gshadow", "login.defs", "subuid", "subgid", "nsswitch.conf")


class Machine:
    """Accounts of the test's own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.etc = folder / "etc"
        self.etc.mkdir()
        for name in FILES:
            if Path("/etc", name).exists():
                shutil.copy2(Path("/etc", name), self.etc)
        (self.etc / "default").mkdir()

    def run(self, tasks_from: str, user: str, group: str, *, check: bool = False) -> tuple[int, str]:
        """Run one task file of the role; how many tasks changed something, and what ansible-playbook printed."""
        include = {"ansible.builtin.include_role": {"name": "csd_target", "tasks_from": tasks_from}}
        play = {"hosts": "localhost", "gather_facts": False, "tasks": [include]}
        (self.folder / "play.yml").write_text(json.dumps([play]))
        words = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", "-c", "local"]
        words += ["-e", f"ansible_python_interpreter={sys.executable}", *(["--check"] if check else [])]
        asked = {"csd_target_user": user, "csd_target_rpc_group": group, "ansible_become": False}
        words += ["-e", json.dumps(asked), str(self.folder / "play.yml")]
        environment = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(self.folder),
            "LAB_RUN_FILE": str(self.folder / "run.jsonl"),
            "ANSIBLE_ROLES_PATH": str(ROOT / "roles"),
            "COLUMNS": "1000",
        }
        script = f'mount --bind {self.etc} /etc && exec "$@"'
        unshare = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", script, "sh"]
        done = subprocess.run(
            [*unshare, *words], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        counts = re.search(r"changed=(\d+)", done.stdout)
        assert counts, done.stdout + done.stderr
        return int(counts[1]), done.stdout

    def accounts(self) -> dict[str, str]:
        """The comment of the user, and which of the groups are there."""
        found = {}
        for line in (self.etc / "passwd").read_text().splitlines():
            fields = line.split(":")
            if fields[0] == USER:
                found["user"] = fields[4]
        names = [line.split(":")[0] for line in (self.etc / "group").read_text().splitlines()]
        return found | {"groups": " ".join(name for name in names if name in (USER, GROUP))}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_made_noted_and_removed_without_a_trace(machine: Machine) -> None:
    before = machine.accounts()
    assert machine.run("account", USER, GROUP, check=True)[0] == 2
    assert machine.accounts() == before == {"groups": ""}
    assert machine.run("account", USER, USER)[0] == 1
    assert machine.accounts() == {"user": MARK, "groups": USER}
    assert machine.run("account", USER, GROUP)[0] == 2, "another group later is noted too"
    assert machine.accounts() == {"user": f"{MARK},{GROUP}", "groups": f"{USER} {GROUP}"}
    assert machine.run("account", USER, GROUP)[0] == 0
    assert machine.run("account_absent", USER, USER)[0] == 2
    assert machine.accounts() == before


def test_what_was_there_before_stays(machine: Machine) -> None:
    for name, line in {"passwd": f"{USER}:x:4242:4242:somebody:/:/bin/sh\n", "group": f"{GROUP}:x:4243:\n"}.items():
        with (machine.etc / name).open("a") as file:
            file.write(line)
    before = machine.accounts()
    assert machine.run("account", USER, GROUP)[0] == machine.run("account_absent", USER, GROUP)[0] == 0
    assert machine.accounts() == before


def test_a_group_beside_a_user_of_others_is_theirs_to_make(machine: Machine) -> None:
    changed, said = machine.run("account", "root", GROUP)
    assert changed == 0
    assert (
        f"Asked: group {GROUP} for user root. Found: there is no such group, and root was there before the lab. "
        f"Do: make it: groupadd --system {GROUP}." in said
    )
