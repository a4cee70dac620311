"""How the interrupt tests choose their blows, and that a blow hits what it is meant for: real runs of ansible."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/integration"))

from blows.choice import (  # noqa: E402
    HALF,
    KINDS,
    START,
    Blow,
    Moment,
    Task,
    all_blows,
    builds_spdk,
    dealt,
    not_run,
    step,
    tasks,
)
from blows.deal import MissedError, strike  # noqa: E402
from waiting import until  # noqa: E402

# Each step makes a file; the command, if there is one, runs before the last.
MODULE = """\
import subprocess
from functools import partial
from pathlib import Path
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.hello_ebpf.plan import Step, converge, exit_with

def main():
    texts = {"type": "list", "default": []}
    module = AnsibleModule(argument_spec={"paths": texts, "command": texts, "input": {"type": "str"}})
    paths = [Path(path) for path in module.params["paths"]]

    def make(path):
        told = {"input": module.params["input"], "stdout": subprocess.PIPE}
        if module.params["command"] and path == paths[-1]:
            subprocess.run(module.params["command"], check=True, text=True, **told)
        path.touch()

    def plan(_):
        return [Step(f"make {path}", partial(make, path)) for path in paths if not path.exists()]

    exit_with(module, converge(lambda: "", plan, str, check=False), str)

main()
"""
PLAYBOOK = """\
- name: Work
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Make
      steps:
        paths: [{folder}/first]
    - name: Make
      steps:
        paths: [{folder}/a, {folder}/b, {folder}/c, {folder}/d]
        command: [sh, -c, "sleep 60 & wait"]
"""
SECOND = Task(("Work", "", "Make", 1), "changed")


def dealt_to(folder: Path, blow: Blow, playbook: str = PLAYBOOK) -> set[str]:
    """Strike a run of the playbook; the files that it has made by then."""
    (folder / "library").mkdir()
    (folder / "library/steps.py").write_text(MODULE)
    (folder / "made").mkdir()
    (folder / "playbook.yml").write_text(playbook.format(folder=folder / "made"))
    program = str(Path(sys.executable).parent / "ansible-playbook")
    python = f"ansible_python_interpreter={sys.executable}"
    os.environ["ANSIBLE_LIBRARY"] = str(folder / "library")
    try:
        command = [program, "-i", "localhost,", "-c", "local", "-e", python, str(folder / "playbook.yml")]
        strike(blow, command, folder / "said")
    finally:
        del os.environ["ANSIBLE_LIBRARY"]
    return {path.name for path in (folder / "made").iterdir()}


@pytest.mark.parametrize("kind", KINDS)
def test_a_blow_at_the_start_of_a_task_finds_nothing_of_it_done(kind: str, tmp_path: Path) -> None:
    assert dealt_to(tmp_path, Blow(SECOND, START, kind)) == {"first"}


@pytest.mark.parametrize("kind", ["control_c", "kill_tree"])
def test_a_blow_within_a_task_finds_half_of_its_steps_taken(kind: str, tmp_path: Path) -> None:
    assert dealt_to(tmp_path, Blow(SECOND, HALF, kind)) == {"first", "a", "b"}


def test_what_a_killed_controller_has_started_goes_on(tmp_path: Path) -> None:
    dealt_to(tmp_path, Blow(SECOND, HALF, "kill_controller"), PLAYBOOK.replace("sleep 60", "true"))
    assert until("the module goes on", (tmp_path / "made/d").exists)


def test_a_blow_while_a_command_runs_finds_the_steps_before_it_taken(tmp_path: Path) -> None:
    blow = Blow(SECOND, Moment(runs=("sleep",)), "kill_tree")
    assert dealt_to(tmp_path, blow) == {"first", "a", "b", "c"}


BUILTIN = """\
- name: Work
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Write
      ansible.builtin.copy:
        content: text
        dest: {folder}/file
        mode: "0600"
    - name: Link
      ansible.builtin.file:
        src: file
        dest: {folder}/link
        state: link
"""


@pytest.mark.parametrize(("name", "place", "made"), [("Write", "/file", set()), ("Link", "/link", {"file"})])
def test_a_blow_before_a_file_or_a_link_is_in_place(name: str, place: str, made: set[str], tmp_path: Path) -> None:
    blow = Blow(Task(("Work", "", name, 0), "changed"), Moment(places=place), "kill_tree")
    found = dealt_to(tmp_path, blow, BUILTIN)
    assert {path for path in found if not path.startswith(".ansible_tmp")} == made


@pytest.mark.parametrize("command", ["[cat]\n        input: text", "[cat, /proc/kallsyms]"], ids=["reads", "says much"])
def test_a_command_that_waits_for_the_stopped_module_is_not_waited_for(command: str, tmp_path: Path) -> None:
    playbook = PLAYBOOK.replace('[sh, -c, "sleep 60 & wait"]', command)
    with pytest.raises(MissedError, match="the run ended before"):
        dealt_to(tmp_path, Blow(SECOND, Moment(runs=("another",)), "kill_tree"), playbook)


@pytest.mark.parametrize(
    ("task", "moment"),
    [
        (Task(("Work", "", "Make", 2), "ok"), START),
        (SECOND, Moment(runs=("another",))),
        (SECOND, Moment(places="elsewhere")),
    ],
    ids=["no such task", "no such command", "no such file"],
)
def test_a_blow_that_misses_fails(task: Task, moment: Moment, tmp_path: Path) -> None:
    with pytest.raises(MissedError, match="the run ended before"):
        dealt_to(tmp_path, Blow(task, moment, "kill_tree"), PLAYBOOK.replace("sleep 60", "true"))


def record(folder: Path) -> Path:
    """A first run with many tasks: of SPDK's build too, one skipped, two of the same names."""
    started = [("Work", "csd_host", f"Task {number}", "ok") for number in range(100)]
    started += [("Work", "spdk", f"Stage {number}", "changed") for number in range(9)]
    started += [("Work", "csd_host", "Twice", "skipped"), ("Work", "csd_host", "Twice", "changed")]
    path = folder / "lab.jsonl"
    with path.open("w") as file:
        for play, role, task, status in started:
            names = {"play": play, "role": role, "task": task}
            file.write(json.dumps({"event": "start", **names}) + "\n")
            file.write(json.dumps({"event": "end", **names, "host": "a", "status": status, "seconds": 1}) + "\n")
    return path


def test_each_task_of_the_first_run_is_struck_at_its_start_and_what_changed_also_within(tmp_path: Path) -> None:
    found = tasks(record(tmp_path))
    assert [str(task) for task in found[-2:]] == ["csd_host: Twice", "csd_host: Twice (2)"]
    blows = all_blows(record(tmp_path), "c0ffee")
    assert sorted(blow.task.names for blow in blows if blow.moment == START) == sorted(task.names for task in found)
    assert [blow.task for blow in blows if blow.moment == HALF] == [task for task in found if task.status == "changed"]
    assert {blow.kind for blow in blows} == set(KINDS)
    changes = [blow.changes for blow in blows]
    assert changes == sorted(changes, reverse=True), "a run that changes nothing comes last"


def test_ten_blows_for_a_commit_one_of_them_at_spdk_and_in_time_each_one(tmp_path: Path) -> None:
    path = record(tmp_path)
    wanted = {(task, moment, kind) for task, moment, _ in _aims(path) for kind in KINDS}
    for number in range(5000):
        chosen = dealt(all_blows(path, str(number)), str(number), 10)
        assert len(set(chosen)) == 10
        assert [blow.task.names[1] == "spdk" for blow in chosen] == [True] + [False] * 9
        assert {blow.kind for blow in dealt(all_blows(path, str(number)), str(number), 4)[1:]} == set(KINDS)
        wanted -= {(blow.task, blow.moment, blow.kind) for blow in chosen}
        if not wanted:
            break
    assert not wanted


def test_packages_are_no_stage_of_spdks_build() -> None:
    """What was kept after them would be a finished build: the stages that are struck next would have nothing to do."""
    assert not builds_spdk(Task(("Build", "spdk", "Install what it is built with", 0), "changed"))
    assert builds_spdk(Task(("Build", "spdk", "Compile DPDK", 0), "changed"))


def _aims(path: Path) -> set[tuple[Task, Moment, str]]:
    return {(blow.task, blow.moment, "") for blow in all_blows(path, "")}


def test_a_task_is_found_in_the_step_of_site_yml_that_has_its_play() -> None:
    assert step(Task(("Connect", "nvme_tcp", "Decide who connects", 0), "ok"), ROOT) == "playbooks/initiator.yml"
    [play] = [one for one in yaml.safe_load((ROOT / "playbooks/places.yml").read_text()) if "hosts" in one]
    assert step(Task((play["name"], "csd_host", "No other program has the tool's name", 1), "ok"), ROOT) == "site.yml"
    with pytest.raises(LookupError, match="no playbook with the play 'Elsewhere'"):
        step(Task(("Elsewhere", "", "Any", 0), "ok"), ROOT)


def test_tasks_that_no_run_came_to_are_named(tmp_path: Path) -> None:
    named = not_run(record(tmp_path), ROOT / "roles")
    assert "nvme_tcp: Mount the file systems (connect.yml)" in named
    assert not [name for name in named if name.endswith("(absent.yml)")]
