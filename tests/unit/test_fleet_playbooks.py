# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""What build.yml and upgrade.yml promise a fleet: the playbooks themselves, on hosts that are this machine.

Roles that change something are stand-ins that say they ran; `distribution` is the real one, and what it would do on a
node is written down instead of done.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
TARGETS = ["n1", "n2", "n3"]
RAN = "- name: It ran\n  ansible.builtin.debug: {msg: ran}\n"
# fails_on: role to hosts, of the inventory.
FAILS = """\
- name: It runs
  ansible.builtin.assert:
    that: inventory_hostname not in fails_on[role] | default([])
    fail_msg: "Asked: this. Found: that. Do: the other."
    quiet: true
  vars:
    role: {role}
"""
STAND_INS = {
    "spdk": {"main": FAILS.format(role="spdk")},
    "ebpf_toolchain": {"main": FAILS.format(role="ebpf_toolchain")},
    "ebpf_examples": {"main": RAN, "build": RAN + "  register: ebpf_examples_build_result\n"},
    "csd_target": {
        "main": RAN + "- {name: It is reached, debian_packages: {name: []}}\n",
        "build": RAN + "  register: csd_target_build_result\n",
        "healthy": FAILS.format(role="healthy").replace("([])", "([]) or distribution_install_result.back"),
    },
    "csd_host": {"main": RAN, "build": RAN + "  register: csd_host_build_result\n"},
    "csd_bench": {"main": RAN, "build": RAN + "  register: csd_bench_build_result\n"},
}
# The modules of the real role: a builder packs and its packages are fetched, a node would take what it is told to, and
# has something to go back to where fails_on says `replaced`.
TAKES = """\
import os
from ansible.plugins.action import ActionBase

class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        args = self._task.args
        name = task_vars["inventory_hostname"]
        if args.get("state") == "fetched":
            return {"changed": False, "packages": {"a": f"of {name}"}}
        folder = args.get("archive") or args.get("folder")
        with open(os.environ["TAKEN"], "a") as file:
            file.write(f"{name}|{folder}|{args['packages'].get('a', '')}\\n")
        previous = {"a": "of before"} if name in task_vars["fails_on"].get("replaced", []) else {}
        return {"changed": False, "previous": previous, "back": not folder}
"""
NOTHING = """\
from ansible.plugins.action import ActionBase

class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        return {"changed": False}
"""
# Stands for any module of the role csd_target.
# Stands for whatever the role csd_target does on its host.
REACH = """\
from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        if task_vars["inventory_hostname"] in task_vars["fails_on"].get("gone", []):
            raise AnsibleConnectionFailure("gone")
        return {"changed": False}
"""
BOTH = """\
- {name: Toolchain, ansible.builtin.import_playbook: toolchain.yml}
- {name: Build, ansible.builtin.import_playbook: build.yml}
"""
PLACES = """\
- {name: First, ansible.builtin.import_playbook: places.yml}
- {name: Again, ansible.builtin.import_playbook: places.yml}
"""


@dataclass(frozen=True)
class Ran:
    """How a playbook went: its exit code, its output, what it ran in order, which packages each node took."""

    code: int
    output: str
    tasks: list[dict[str, Any]]
    taken: dict[str, tuple[str, str]]

    def order(self, role: str, task: str) -> list[str]:
        """The hosts on which a task of a role ended well, in order."""
        return [
            entry["host"]
            for entry in self.tasks
            if (entry["role"], entry["task"], entry["status"]) == (role, task, "ok")
        ]

    @property
    def end(self) -> str:
        """The last part of the output, about hosts that failed."""
        heads = ("ONE AFTER THE OTHER", "FAILED NODES")
        lines = self.output.splitlines()
        first = next((at for at, line in enumerate(lines) if line.startswith(heads)), len(lines))
        return "\n".join(line.rstrip("* ") for line in lines[first:])


class Fleet:
    """The playbooks with stand-ins for the roles, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(ROOT / "playbooks", folder / "playbooks")
        # What was asked is held against the real roles: it is no part of this.
        (folder / "playbooks/preflight.yml").write_text("- {name: None, hosts: all, gather_facts: false, tasks: []}\n")
        for role, files in STAND_INS.items():
            for name, text in files.items():
                path = folder / "roles" / role / "tasks" / f"{name}.yml"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
        shutil.copytree(ROOT / "roles/distribution", folder / "roles/distribution")
        actions = {"debian_build": NOTHING, "debian_packages": REACH, "distribution": TAKES}
        for name, text in actions.items():
            path = folder / "actions" / f"{name}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)

    def run(
        self, playbook: str, groups: Mapping[str, Mapping[str, Mapping[str, Any]]], *words: str, **fails_on: list[str]
    ) -> Ran:
        """Run a playbook over groups of hosts with their variables; roles fail on the hosts that are named."""
        children = {name: {"hosts": hosts} for name, hosts in groups.items()}
        variables = {"ansible_connection": "local", "ansible_become": False, "fails_on": fails_on}
        inventory = self.folder / "inventory.json"
        inventory.write_text(json.dumps({"all": {"children": children, "vars": variables}}))
        record, taken = self.folder / "run.jsonl", self.folder / "taken"
        taken.write_text("")
        environment = os.environ | {
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_ROLES_PATH": str(self.folder / "roles"),
            "ANSIBLE_ACTION_PLUGINS": str(self.folder / "actions"),
            "LAB_RUN_FILE": str(record),
            "TAKEN": str(taken),
            "COLUMNS": "60",
        }
        command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(inventory)]
        done = subprocess.run(
            [*command, str(self.folder / "playbooks" / playbook), *words],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        entries = [json.loads(line) for line in record.read_text().splitlines()] if record.exists() else []
        lines = [line.split("|", 2) for line in taken.read_text().splitlines()]
        return Ran(
            done.returncode,
            done.stdout + done.stderr,
            [entry for entry in entries if entry["event"] == "end"],
            {host: (folder, version) for host, folder, version in lines},
        )


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path)


def groups(builders: list[str], targets: list[str], initiators: list[str]) -> dict[str, dict[str, dict[str, Any]]]:
    named = {"builder": builders, "targets": targets, "initiators": initiators}
    return {group: {host: {} for host in hosts} for group, hosts in named.items()}


# ---- upgrade.yml: so many at a time


@pytest.mark.parametrize(
    ("words", "turns"),
    [
        ((), [["n1"], ["n2"], ["n3"]]),
        (("-e", "upgrade_serial=2"), [["n1", "n2"], ["n3"]]),
    ],
    ids=["one", "two"],
)
def test_targets_are_upgraded_so_many_at_a_time(fleet: Fleet, words: tuple[str, ...], turns: list[list[str]]) -> None:
    """Each turn has come back healthy before the next begins; the builder is first, hosts are last."""
    ran = fleet.run("upgrade.yml", groups(["b"], TARGETS, ["h1"]), *words)
    assert ran.code == 0, ran.output
    course = [
        entry["host"]
        for entry in ran.tasks
        if entry["role"] in {"csd_target", "csd_host"} and entry["host"] != "b" and entry["status"] == "ok"
        if entry["task"] != "It is reached"
    ]
    # Of each turn first the role, on all of its hosts, and then its health.
    steps, rest = [], course
    for turn in turns:
        steps += [sorted(rest[: len(turn)]), sorted(rest[len(turn) : 2 * len(turn)])]
        rest = rest[2 * len(turn) :]
    assert steps == [hosts for turn in turns for hosts in (turn, turn)]
    assert rest == ["h1"]
    packed = [entry["host"] for entry in ran.tasks].index("b")
    assert packed < next(at for at, entry in enumerate(ran.tasks) if entry["host"] in TARGETS)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("upgrade_serial=0", "Asked: upgrade_serial, with upgrade_serial 0."),
        ("upgrade_serial=two", "Asked: upgrade_serial, with upgrade_serial two."),
        ("upgrade_serail=2", "Asked: upgrade_serail, with upgrade_serial not set."),
    ],
)
def test_how_many_is_refused_before_anything_is_compiled(fleet: Fleet, asked: str, said: str) -> None:
    ran = fleet.run("upgrade.yml", groups(["b"], ["n1"], []), "-e", asked)
    assert ran.code != 0
    assert (
        f"{said} Found: upgrade.yml knows upgrade_serial alone: a number of targets (2), or a share of them (25%). "
        "Do: correct it; nothing was changed."
    ) in ran.end
    assert [entry["role"] for entry in ran.tasks if entry["role"]] == []


def test_the_first_turn_that_does_not_come_back_ends_the_upgrade(fleet: Fleet) -> None:
    ran = fleet.run("upgrade.yml", groups(["b"], TARGETS, ["h1"]), "-e", "upgrade_serial=2", healthy=["n1"])
    assert ran.code != 0
    assert sorted(ran.order("csd_target", "It ran")) == ["b", "n1", "n2"]
    assert ran.order("csd_host", "It ran") == ["b"]
    assert ran.end.startswith(
        "ONE AFTER THE OTHER: Upgrade the targets\nfailed: n1\nbegun, and stopped with it: n2\nnot touched: n3\n"
    )


def test_a_target_that_is_out_of_reach_suddenly_ends_the_upgrade_too(fleet: Fleet) -> None:
    ran = fleet.run("upgrade.yml", groups(["b"], TARGETS, ["h1"]), "-e", "upgrade_serial=2", gone=["n1"])
    assert ran.code != 0
    assert "n3" not in ran.taken
    assert ran.order("csd_host", "It ran") == ["b"]
    assert "Found: n1 cannot be reached any more; this host is upgraded, and healthy." in ran.end


def test_a_target_that_does_not_come_back_gets_the_packages_of_before_and_ends_the_upgrade(fleet: Fleet) -> None:
    ran = fleet.run("upgrade.yml", groups(["b"], TARGETS, ["h1"]), healthy=["n2"], replaced=["n2"])
    assert ran.code != 0
    assert ran.taken["n2"] == ("None", "of before")
    # The second time with them.
    assert ran.order("csd_target", "It ran") == ["b", "n1", "n2", "n2"]
    assert "n3" not in ran.taken
    assert ran.end.startswith("ONE AFTER THE OTHER: Upgrade the targets\ndone: n1\nfailed: n2\nnot touched: n3\n")
    assert (
        "n2 failed in: It is not upgraded (play: Upgrade the targets)\n"
        "    Asked: n2 upgraded, and healthy. Found: it did not come back healthy, as told above; the packages of "
        "before are installed again, and it is healthy with them. Do: mend the cause, then run again."
    ) in ran.end


def test_an_upgrade_from_an_archive_compiles_nothing(fleet: Fleet) -> None:
    ran = fleet.run("upgrade.yml", groups(["b"], TARGETS, ["h1"]), "-e", "distribution_archive=/srv/given")
    assert ran.code == 0, ran.output
    assert ran.taken == dict.fromkeys([*TARGETS, "h1"], ("/srv/given", ""))
    assert ran.order("spdk", "It runs") == []
    # On a builder it would be what compiles.
    assert ran.order("csd_target", "It ran") == TARGETS


def test_a_builder_that_fails_ends_the_upgrade_before_any_node_is_touched(fleet: Fleet) -> None:
    ran = fleet.run("upgrade.yml", groups(["b"], TARGETS, ["h1"]), spdk=["b"])
    assert ran.code != 0
    assert {entry["host"] for entry in ran.tasks} == {"b"}


# ---- build.yml: builders, and who takes what


def test_two_builders_for_two_releases(fleet: Fleet) -> None:
    """Each node takes what its own builder packed in this run, by its version; no builder takes anything."""
    fleet_of_two = groups(["b12", "b13"], ["n12", "n13"], ["h13"])
    fleet_of_two["targets"]["n13"] = fleet_of_two["initiators"]["h13"] = {"distribution_builder": "b13"}
    ran = fleet.run("build.yml", fleet_of_two)
    assert ran.code == 0, ran.output
    kept = fleet.folder / "build/distribution"
    assert ran.taken == {
        "n12": (f"{kept}/b12", "of b12"),
        "n13": (f"{kept}/b13", "of b13"),
        "h13": (f"{kept}/b13", "of b13"),
    }
    assert set(ran.order("spdk", "It runs")) == {"b12", "b13"}


@pytest.mark.parametrize("playbook", ["build.yml", "both.yml"])
def test_a_builder_that_failed_is_named_and_its_nodes_are_left_as_they_are(fleet: Fleet, playbook: str) -> None:
    """Nodes of another builder, and those with an archive of their own, go on; in whichever play it failed."""
    (fleet.folder / "playbooks/both.yml").write_text(BOTH)
    asked = groups(["b12", "b13"], ["n12", "n13", "given"], [])
    asked["targets"]["n13"] = {"distribution_builder": "b13"}
    asked["targets"]["given"] = {"distribution_archive": "/srv/given"}
    ran = fleet.run(playbook, asked, **{"spdk" if playbook == "build.yml" else "ebpf_toolchain": ["b12"]})
    assert ran.code != 0
    assert ran.taken == {"n13": (f"{fleet.folder}/build/distribution/b13", "of b13"), "given": ("/srv/given", "")}
    assert (
        "n12 failed in: distribution: The builder has not failed (play: Compile SPDK, and bring what is compiled to "
        "where it is needed)\n"
        "    Asked: what b12 compiles, on n12. Found: b12 failed earlier in this run. Do: see above why b12 failed, "
        "mend that, and run again; this host was left as it was."
    ) in ran.end


def test_where_all_hosts_of_a_play_fail_the_run_ends_there(fleet: Fleet) -> None:
    (fleet.folder / "playbooks/both.yml").write_text(BOTH)
    ran = fleet.run("both.yml", groups(["b"], [], ["h1"]), ebpf_toolchain=["b", "h1"])
    assert ran.code != 0
    assert {entry["play"] for entry in ran.tasks} == {"Install the eBPF toolchain and the examples"}


def test_without_the_builder_in_the_run_a_node_takes_what_was_fetched_last(fleet: Fleet) -> None:
    """`--limit NODE`: no builder has failed, and the controller's plugin looks for the packages itself."""
    ran = fleet.run("build.yml", groups(["b"], ["n1", "n2"], []), "--limit", "n2")
    assert ran.code == 0, ran.output
    assert ran.taken == {"n2": (f"{fleet.folder}/build/distribution/b", "")}


def test_places_are_looked_at_once_in_a_run(fleet: Fleet) -> None:
    """The roles' own looks, whose modules are stand-ins."""
    for role in ("csd_target", "csd_host"):
        shutil.rmtree(fleet.folder / "roles" / role)
        shutil.copytree(ROOT / "roles" / role, fleet.folder / "roles" / role)
    for module in ("csd_target_service", "lab_file"):
        (fleet.folder / f"actions/{module}.py").write_text(NOTHING)
    (fleet.folder / "playbooks/twice.yml").write_text(PLACES)
    ran = fleet.run(
        "twice.yml", {"builder": {"b": {}}, "targets": {"b": {}, "n": {}}, "initiators": {"b": {}, "i": {}}}
    )
    assert ran.code == 0, ran.output
    assert sorted(ran.order("csd_target", "No other program has what the target needs")) == ["b", "n"]
    assert sorted(ran.order("csd_host", "No other program has the tool's name")) == ["b", "i"]
