"""Wrong variables and groups are found before the first role begins, by every playbook, with any tag: real runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PLAYBOOKS = ["site.yml", *sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("playbooks/*.yml"))]
CHECKS = [
    "Refuse a version of ansible-core that the lab was never run with",
    "It has the groups that the playbooks work on",
    "Hold variables against the roles' argument specifications",
]
LOCAL = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}


def run(tmp_path: Path, *words: str, inventory: str = "inventory/local") -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", inventory, *words]
    environment = os.environ | {"LAB_RUN_FILE": str(tmp_path / "run.jsonl"), "COLUMNS": "1000"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def preflight(tmp_path: Path, *extra: str) -> subprocess.CompletedProcess[str]:
    return run(tmp_path, "playbooks/preflight.yml", *(word for variable in extra for word in ("-e", variable)))


def begun(tmp_path: Path) -> list[str]:
    """The tasks that began, as the record of the run has them."""
    entries = map(json.loads, (tmp_path / "run.jsonl").read_text().splitlines())
    return [entry["task"] for entry in entries if entry["event"] == "start"]


def test_the_shipped_inventory_passes(tmp_path: Path) -> None:
    done = preflight(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        (
            "csd_target_memory_megabites=5",
            "Asked: variable csd_target_memory_megabites. Found: the role csd_target knows no such variable. "
            "Do: did you mean csd_target_memory_megabytes?",
        ),
        (
            "spdk_zzzzzzzz=5",
            "Asked: variable spdk_zzzzzzzz. Found: the role spdk knows no such variable. "
            "Do: see roles/spdk/defaults/main.yml for those there are",
        ),
        (
            "csd_target_ready_seconds=soon",
            "Asked: csd_target_ready_seconds. Found: argument 'csd_target_ready_seconds' is of type",
        ),
        ("csd_target_state=off", "value of csd_target_state must be one of: present, absent, got: off"),
    ],
)
def test_a_wrong_variable_is_named_with_what_to_do(tmp_path: Path, variable: str, text: str) -> None:
    done = preflight(tmp_path, variable)
    assert done.returncode != 0
    assert text in " ".join((done.stdout + done.stderr).split())


def test_all_wrong_variables_are_named_at_once(tmp_path: Path) -> None:
    done = preflight(tmp_path, "hugepages_cuont=5", "spdk_sauce=git")
    assert "did you mean hugepages_count?" in done.stdout + done.stderr
    assert "did you mean spdk_source?" in done.stdout + done.stderr


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_every_playbook_refuses_whatever_tag_is_asked_for(tmp_path: Path, playbook: str) -> None:
    wrong = {"csd_target_subsystems": [{"nqn": "nqn.2026-11.io.hello-ebpf:csd0", "listners": []}]}
    done = run(tmp_path, playbook, "--tags", "no_such_tag", "-e", json.dumps(wrong))
    assert done.returncode != 0
    assert "Asked: csd_target_subsystems[0].listners. Found: there is no such key. Do: did you mean listeners?" in (
        done.stdout
    )
    assert begun(tmp_path) == CHECKS


def test_one_run_checks_once(tmp_path: Path) -> None:
    """site.yml imports the check with each of its playbooks."""
    site = yaml.safe_load((ROOT / "site.yml").read_text())
    book = tmp_path / "twice.yml"
    one = {"ansible.builtin.import_playbook": str(ROOT / "playbooks/preflight.yml")}
    book.write_text(json.dumps([one] * len(site)))
    done = run(tmp_path, str(book))
    assert done.returncode == 0, done.stdout + done.stderr
    ended = list(map(json.loads, (tmp_path / "run.jsonl").read_text().splitlines()))
    for task in CHECKS:
        states = [entry["status"] for entry in ended if (entry["event"], entry["task"]) == ("end", task)]
        assert states == ["ok"] + ["skipped"] * (len(site) - 1)


def inventory(tmp_path: Path, **groups: list[str]) -> str:
    hosts: dict[str, Any] = {group: {"hosts": {name: {} for name in names}} for group, names in groups.items()}
    path = tmp_path / "hosts.yml"
    path.write_text(json.dumps({"all": {"children": hosts, "vars": LOCAL}}))
    return str(path)


def test_an_inventory_that_would_do_nothing_is_refused(tmp_path: Path) -> None:
    """Ansible itself passes over plays without hosts, and succeeds. More of its words: test_check_inventory.py."""
    done = run(tmp_path, "site.yml", inventory=inventory(tmp_path, lab=["a"]))
    assert done.returncode != 0, done.stdout
    assert "Do: put hosts into these groups, as inventory/fleet.example does." in done.stdout
    assert begun(tmp_path) == CHECKS[:2]
