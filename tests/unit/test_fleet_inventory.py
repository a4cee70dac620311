"""inventory/fleet.example: a fleet that the roles accept as it is, and in which each fact follows from one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "inventory/fleet.example"
SHIPPED = {"threshold", "search", "aggregate", "histogram", "sample", "top"}

SHOW = [
    {
        "hosts": "all",
        "gather_facts": False,
        "tasks": [
            {
                "ansible.builtin.debug": {"msg": "SHOWN {{ shown | to_json }}"},
                "vars": {
                    "names": [
                        "nvme_tcp_connections",
                        "csd_bench_connections",
                        "csd_target_subsystems",
                        "csd_target_programs",
                    ],
                    "there": "{{ names | select('in', vars) | list }}",
                    "shown": "{{ {'host': inventory_hostname} "
                    "| combine(dict(there | zip(query('ansible.builtin.vars', *there)))) }}",
                },
            }
        ],
    }
]


def run(folder: Path, *words: str) -> str:
    environment = {
        **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "LAB_RUN_FILE": str(folder / "run.jsonl"),
        "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
        "COLUMNS": "1000",
    }
    done = subprocess.run(
        [str(Path(sys.executable).with_name(words[0])), "-i", str(EXAMPLE), *words[1:]],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(tmp_path_factory.mktemp("i"), "ansible-inventory", "--list"))
    return found


def test_the_groups_are_those_that_the_playbooks_name(inventory: dict[str, Any]) -> None:
    assert len(inventory["builder"]["hosts"]) == 1
    assert set(inventory["targets"]["children"]) == {"sensors", "archive"}
    assert len(inventory["initiators"]["hosts"]) == 2


def test_the_roles_know_every_variable(tmp_path: Path) -> None:
    """The production check before anything is changed, host by host; it needs no connection."""
    said = run(tmp_path, "ansible-playbook", "playbooks/preflight.yml")
    assert "failed=0" in said
    assert "unreachable=1" not in said


@pytest.fixture(scope="module")
def variables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What the roles get, by host, evaluated."""
    folder = tmp_path_factory.mktemp("v")
    book = folder / "show.yml"
    book.write_text(json.dumps(SHOW))
    found = {}
    for line in run(folder, "ansible-playbook", str(book)).splitlines():
        if '"msg": "SHOWN ' in line:
            said = json.loads("{" + line.strip().rstrip(",") + "}")["msg"].removeprefix("SHOWN ")
            shown = json.loads(said)
            found[shown["host"]] = shown
    return found


def test_a_host_is_on_the_list_of_exactly_the_targets_that_it_connects_to(variables: dict[str, dict[str, Any]]) -> None:
    subsystems = {
        subsystem["nqn"]: subsystem
        for node in variables.values()
        for subsystem in node.get("csd_target_subsystems", [])
    }
    assert len(subsystems) == 3
    asked = {
        (connection["subsystem_nqn"], connection["host_nqn"])
        for host in variables.values()
        for connection in host.get("nvme_tcp_connections", [])
    }
    allowed = {(nqn, host) for nqn, subsystem in subsystems.items() for host in subsystem["hosts"]}
    assert asked == allowed
    assert len(asked) == 5


def test_a_connection_is_what_its_target_offers(variables: dict[str, dict[str, Any]]) -> None:
    offered = {
        subsystem["nqn"]: (subsystem["listeners"], subsystem["namespaces"][0]["uuid"])
        for node in variables.values()
        for subsystem in node.get("csd_target_subsystems", [])
    }
    for host in variables.values():
        for connection in host.get("nvme_tcp_connections", []):
            [listener], uuid = offered[connection["subsystem_nqn"]]
            assert (connection["address"], connection["service_id"]) == (listener["address"], listener["service_id"])
            assert connection["namespaces"] == [{"nsid": 1, "uuid": uuid}]
    addresses = [listeners[0]["address"] for listeners, _ in offered.values()]
    assert len(set(addresses)) == len(addresses)


def test_what_is_measured_at_a_target_is_what_it_runs(variables: dict[str, dict[str, Any]]) -> None:
    runs = {
        subsystem["nqn"]: {
            program["source"].removesuffix(".bpf.c"): program["slot"]
            for program in node["csd_target_programs"]
            if "source" in program and program.get("state", "active") == "active"
        }
        for node in variables.values()
        for subsystem in node.get("csd_target_subsystems", [])
    }
    assert len({json.dumps(programs) for programs in runs.values()}) == 2, "the groups run different programs"
    for host in variables.values():
        for connection in host.get("csd_bench_connections", []):
            assert connection["programs"].items() <= runs[connection["subsystem_nqn"]].items()
            assert set(connection["programs"]) <= SHIPPED
            assert "threshold" in connection["programs"]


def test_every_program_is_there(variables: dict[str, dict[str, Any]]) -> None:
    for node in variables.values():
        for program in node.get("csd_target_programs", []):
            source = program.get("source", "threshold.bpf.c")
            folders = [EXAMPLE / "programs", ROOT / "src/programs"]
            assert any((folder / source).is_file() for folder in folders), source
