"""The fleet's life: a node comes and goes, one dies in the middle of a run, an upgrade stops."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from fleet import (
    ADDRESSES,
    ARCHIVE,
    CONNECTIONS,
    PROGRAMS,
    SENSORS,
    SPARE,
    TARGETS,
    TRACES,
    docker,
    finished,
    listening,
    machine,
    play,
    programs,
    report,
    started,
    target,
)

from lab import ROOT
from waiting import until

# On the fleet's network, and nobody's.
NOBODY = "198.18.44.99"
GROUP_VARS = ROOT / "inventory/fleet.example/group_vars"


@pytest.fixture(scope="module")
def larger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An inventory beside the scenario's: the spare machine is a storage node, and one host connects to it."""
    path = tmp_path_factory.mktemp("larger") / "larger.json"
    sensors: dict[str, Any] = {"sensors": {"hosts": {SPARE: {}}}}
    path.write_text(json.dumps({"all": {"children": {"targets": {"children": sensors}, "fleet": {}}}}))
    (path.parent / "group_vars").mkdir()
    connects = CONNECTIONS | {"fleet-host2": [*CONNECTIONS["fleet-host2"], SPARE]}
    (path.parent / "group_vars/fleet.json").write_text(json.dumps({"connects": connects}))
    return path


def test_adding_a_node_touches_that_node_and_who_connects_to_it(tmp_path: Path, larger: Path) -> None:
    before = {name: target(name) for name in TARGETS}
    run = play(tmp_path, "site.yml", "-i", str(larger)).succeeded()
    # The report is written once, on the controller, in the name of the first host.
    touched = {(host, role) for host, role, task in run.changed if task != "The report is written"}
    assert {host for host, _ in touched} == {SPARE, "fleet-host2"}
    assert {role for host, role in touched if host == "fleet-host2"} == {"csd_bench"}
    assert {name: target(name) for name in TARGETS} == before
    assert listening(SPARE) == [ADDRESSES[SPARE]]
    assert set(programs("fleet-host2", SPARE)) == set(PROGRAMS["fleet-node1"])
    rows = [(row["host"], row["address"]) for row in report()["pairs"]]
    assert ("fleet-host2", ADDRESSES[SPARE]) in rows
    assert len(rows) == 6


def test_taking_a_node_away_leaves_the_others_undisturbed(tmp_path: Path, larger: Path) -> None:
    before = {name: target(name) for name in TARGETS}
    run = play(tmp_path, "playbooks/teardown.yml", "-i", str(larger), "--limit", SPARE).succeeded()
    assert {host for host, _, _ in run.changed} == {SPARE}
    assert {name: target(name) for name in TARGETS} == before
    assert listening(SPARE) == []
    assert [path for path in TRACES if machine(SPARE).file(path).exists] == []


@pytest.fixture(scope="module")
def more(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """An inventory beside the scenario's: each group has one more program in its drives."""
    folder = tmp_path_factory.mktemp("more")
    groups = {"sensors": SENSORS, "archive": ARCHIVE}
    hosts = {name: {"hosts": dict.fromkeys(names)} for name, names in groups.items()}
    (folder / "more.json").write_text(json.dumps({"all": {"children": {"targets": {"children": hosts}}}}))
    (folder / "group_vars").mkdir()
    for name, names in groups.items():
        declared = yaml.safe_load((GROUP_VARS / f"{'targets' if name == 'sensors' else name}.yml").read_text())
        added = [*declared["csd_target_programs"], {"compute": "csd0_compute", "slot": 9, "source": "histogram.bpf.c"}]
        (folder / f"group_vars/{name}.json").write_text(json.dumps({"csd_target_programs": added}))
        assert len(PROGRAMS[names[0]]) < len(added)
    return ["-i", str(folder)]


@pytest.fixture
def absent(tmp_path: Path) -> list[str]:
    """An inventory beside the scenario's, with a storage node that is switched off: nobody has its address."""
    path = tmp_path / "absent.json"
    node = {"ansible_connection": "ssh", "ansible_host": NOBODY, "target_address": NOBODY}
    sensors: dict[str, Any] = {"sensors": {"hosts": {"fleet-node5": node}}}
    path.write_text(json.dumps({"all": {"children": {"targets": {"children": sensors}, "fleet": {}}}}))
    return ["-i", str(path)]


def test_one_node_killed_in_the_middle_and_one_out_of_reach_do_not_stop_the_rest(
    tmp_path: Path, more: list[str], absent: list[str]
) -> None:
    """fleet-node2 dies when its target is about to be looked at; the others get their new program and are measured."""
    before = {name: target(name) for name in TARGETS}
    process = started(tmp_path, "site.yml", *more, *absent)
    record = tmp_path / "run.jsonl"

    def at_the_target() -> bool:
        assert process.poll() is None, "site.yml ended before it came to the target"
        return record.exists() and '"task": "Keep the target running"' in record.read_text()

    until("site.yml comes to the target", at_the_target, 600)
    docker("kill", "fleet-node2")
    run = finished(process, tmp_path)

    assert run.code != 0
    # The host that declares a connection to it says so at the end, after everything else was done.
    failed = {task["host"] for task in run.tasks if task["status"] in {"failed", "unreachable"}}
    assert failed == {"fleet-node2", "fleet-node5", "fleet-host1"}
    said = run.output.partition("\nFAILED NODES ")[2]
    assert re.search(r"^fleet-node5 failed in: .*\n +Not reached: .*No route to host", said, re.M), said
    # Who dies while a module runs on it has failed; to Ansible it was reached.
    assert re.search(r"^fleet-node2 failed in: .*\n +The module gave no answer .* or the machine did", said, re.M), said
    assert "fleet-host1 -> nqn.2026-11.io.hello-ebpf:fleet-node2" in said
    assert f"at {ADDRESSES['fleet-node2']} port 4420" in said
    for name in ("fleet-node1", "fleet-node3"):
        assert target(name) == before[name]
        assert 9 in programs("fleet-host1", name)


def test_the_run_after_it_with_the_node_back_converges(tmp_path: Path, more: list[str]) -> None:
    docker("start", "fleet-node2")
    until("the target of the node is back by itself", lambda: listening("fleet-node2") != [])
    before = {name: target(name) for name in TARGETS}
    run = play(tmp_path, "site.yml", *more).succeeded()
    assert {host for host, _, _ in run.changed} <= {"fleet-node2", "fleet-host1", "fleet-host2"}
    assert {name: target(name) for name in TARGETS} == before
    assert 9 in programs("fleet-host1", "fleet-node2")
    assert {row["unavailable"] for row in report()["pairs"]} == {None}


# Another version of what runs: each target has to be started anew.
NEWER = ["-e", "csd_target_memory_megabytes=480"]
DROP_IN = "/etc/systemd/system/csd_target.service.d"


def test_an_upgrade_stops_at_the_first_node_that_does_not_come_back(tmp_path: Path, more: list[str]) -> None:
    """On fleet-node2 somebody has limited files to 1 MiB, less than the target's trace: it dies, and that is told."""
    before = {name: target(name) for name in TARGETS}
    limit = f"mkdir {DROP_IN} && printf '[Service]\\nLimitFSIZE=1M\\n' >{DROP_IN}/limit.conf"
    machine("fleet-node2").check_output("sh -c %s", limit)
    run = play(tmp_path, "playbooks/upgrade.yml", *more, *NEWER)
    assert run.code != 0
    assert "done: fleet-node1\n" in run.output
    assert "failed: fleet-node2\n" in run.output
    assert "not touched: fleet-node3\n" in run.output
    assert "fleet-node2 failed in: csd_target: " in run.output
    assert "it has died 2 times since its start" in run.output
    assert target("fleet-node1") != before["fleet-node1"]
    assert set(programs("fleet-host1", "fleet-node1")) == {0, 1, 2, 9}
    assert target("fleet-node3") == before["fleet-node3"]
    assert set(programs("fleet-host1", "fleet-node3")) == {0, 1, 2, 9}


def test_the_upgrade_goes_on_where_it_stopped_when_the_cause_is_mended(tmp_path: Path, more: list[str]) -> None:
    before = {name: target(name) for name in ("fleet-node1",)}
    machine("fleet-node2").check_output("sh -c %s", f"rm -r {DROP_IN} && systemctl daemon-reload")
    play(tmp_path, "playbooks/upgrade.yml", *more, *NEWER).succeeded()
    assert {name: target(name) for name in before} == before
    for name in TARGETS:
        assert set(programs("fleet-host1", name)) == {0, 1, 2, 9}
