"""Machines are reached as a user that may become root: every task says whether it needs that, or acts on no machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from conftest import ROOT

OURS = {path.stem for path in ROOT.glob("library/*.py")}
# These look, or only tell Ansible something.
NEED_NO_ROOT = {f"ansible.builtin.{name}" for name in ("assert", "debug", "fail", "set_fact", "stat", "wait_for")}
INCLUDES = {f"ansible.builtin.{name}" for name in ("include_role", "include_tasks", "import_role", "import_tasks")}
# The controller's own: they run beside ansible-playbook, as whoever started it.
ON_THE_CONTROLLER = {path.stem for path in ROOT.glob("plugins/action/check_*.py")}
# Compiles in a folder that it makes and removes, with what any user may run.
AS_ANY_USER = {"csd_program_build"}
# Words of a task that are no module.
WORDS = set(
    "apply args become changed_when check_mode delay delegate_to diff environment failed_when loop loop_control "  # noqa: SIM905
    "module_defaults name no_log notify register retries run_once tags throttle until vars when".split()
)


def tasks(content: Any) -> Iterator[dict[str, Any]]:
    """The tasks of a file, those of its blocks too."""
    for entry in content or []:
        if "block" in entry:
            for part in ("block", "rescue", "always"):
                yield from tasks(entry.get(part))
        else:
            yield entry


def wrong(task: dict[str, Any]) -> str:
    """What is wrong with a task; empty where nothing is."""
    names = set(task) - WORDS
    if len(names) != 1:
        return f"{task.get('name')}: its module is none of {sorted(names)}"
    [name] = names
    if name in NEED_NO_ROOT | INCLUDES | ON_THE_CONTROLLER | AS_ANY_USER:
        return ""
    if name not in OURS and not name.startswith("ansible.builtin."):
        return f"{task['name']}: {name} is no module of ours or of Ansible's own"
    # What is written on the controller belongs to whoever runs ansible-playbook.
    here = task.get("delegate_to") == "localhost"
    return "" if task.get("become") is (not here) else f"{task['name']}: {name} wants become: {str(not here).lower()}"


def played(path: Path) -> Iterator[dict[str, Any]]:
    """The tasks of a file of a role, or of the plays of a playbook."""
    content = yaml.safe_load(path.read_text())
    if path.parent.name != "playbooks":
        yield from tasks(content)
        return
    for play in content:
        for part in ("pre_tasks", "tasks", "post_tasks", "handlers"):
            yield from tasks(play.get(part))


FILES = [*ROOT.glob("roles/*/tasks/*.yml"), *ROOT.glob("roles/*/handlers/*.yml"), *ROOT.glob("playbooks/*.yml")]


@pytest.mark.parametrize("path", sorted(FILES), ids=lambda path: str(path.relative_to(ROOT)))
def test_what_acts_on_a_machine_becomes_root(path: Path) -> None:
    assert [found for found in map(wrong, played(path)) if found] == []


@pytest.mark.parametrize(
    ("task", "found"),
    [
        ({"name": "A", "hugepages": {}}, "A: hugepages wants become: true"),
        ({"name": "A", "hugepages": {}, "become": False}, "A: hugepages wants become: true"),
        ({"name": "A", "ansible.builtin.copy": {}, "become": True}, ""),
        (
            {"name": "A", "csd_report": {}, "delegate_to": "localhost", "become": True},
            "A: csd_report wants become: false",
        ),
        ({"name": "A", "ansible.builtin.stat": {}}, ""),
    ],
)
def test_a_task_without_it_is_found(task: dict[str, Any], found: str) -> None:
    assert wrong(task) == found


def test_no_play_becomes_root_as_a_whole() -> None:
    for path in ROOT.glob("playbooks/*.yml"):
        for play in yaml.safe_load(path.read_text()):
            assert "become" not in play, path
