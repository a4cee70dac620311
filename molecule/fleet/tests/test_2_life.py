"""The fleet's life: a node comes and goes, one dies in the middle of a run, an upgrade stops, and all is removed."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from fleet import (
    ADDRESSES,
    BUILDER,
    HOSTS,
    PROGRAMS,
    SPARE,
    TARGETS,
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

TRACES = ["/opt/hello_ebpf", "/etc/hello_ebpf", "/var/cache/hello_ebpf", "/var/lib/hello_ebpf", "/var/log/hello_ebpf"]
TRACES += ["/run/hello_ebpf", "/etc/systemd/system/csd_target.service", "/usr/local/bin/csd"]


@pytest.fixture(scope="module")
def larger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An inventory beside the scenario's: the spare machine is a storage node, and one host connects to it."""
    path = tmp_path_factory.mktemp("larger") / "larger.json"
    sensors = {"hosts": {SPARE: {}}}
    initiators = {"hosts": {"fleet-host2": {}}}
    path.write_text(
        json.dumps({"all": {"children": {"targets": {"children": {"sensors": sensors}}, "initiators": initiators}}})
    )
    (path.parent / "host_vars").mkdir()
    declared = {"connects_to": ["fleet-node1", "fleet-node3", SPARE]}
    (path.parent / "host_vars/fleet-host2.json").write_text(json.dumps(declared))
    return path


def test_adding_a_node_touches_that_node_and_who_connects_to_it(tmp_path: Path, larger: Path) -> None:
    before = {name: target(name) for name in TARGETS}
    run = play(tmp_path, "site.yml", "-i", str(larger)).succeeded()
    assert {host for host, _, _ in run.changed} == {SPARE, "fleet-host2"}
    assert {role for host, role, _ in run.changed if host == "fleet-host2"} == {"csd_bench"}
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


# What the run with the dead node changes on the living: one more program in each drive.
MORE = [
    {"compute": "csd0_compute", "slot": slot, "source": f"{name}.bpf.c"}
    for slot, name in {**PROGRAMS["fleet-node1"], 9: "histogram"}.items()
]


def test_a_node_killed_in_the_middle_does_not_stop_the_rest(tmp_path: Path) -> None:
    """fleet-node2 dies when its target is about to be looked at; the others get their new program and are measured."""
    before = {name: target(name) for name in TARGETS}
    process = started(tmp_path, "site.yml", "-e", json.dumps({"csd_target_programs": MORE}))
    record = tmp_path / "run.jsonl"
    deadline = time.monotonic() + 300
    while not (record.exists() and '"task": "Keep the target running"' in record.read_text()):
        assert process.poll() is None, "site.yml ended before it came to the target"
        assert time.monotonic() < deadline, "site.yml never came to the target"
        time.sleep(0.05)
    docker("kill", "fleet-node2")
    run = finished(process, tmp_path)

    assert run.code != 0
    assert any("fleet-node2" in line and "UNREACHABLE" in line for line in run.output.splitlines())
    status = {task["host"]: task["status"] for task in run.tasks if task["status"] in {"failed", "unreachable"}}
    # The host that declares a connection to it says so at the end, after everything else was done.
    assert status == {"fleet-node2": "unreachable", "fleet-host1": "failed"}
    assert "fleet-host1 -> nqn.2026-11.io.hello-ebpf:fleet-node2" in run.output
    assert f"at {ADDRESSES['fleet-node2']} port 4420" in run.output
    for name in ("fleet-node1", "fleet-node3"):
        assert target(name) == before[name]
        assert 9 in programs("fleet-host1", name)


def test_the_run_after_it_with_the_node_back_converges(tmp_path: Path) -> None:
    docker("start", "fleet-node2")
    deadline = time.monotonic() + 60
    while listening("fleet-node2") == []:
        assert time.monotonic() < deadline, "the target of the node did not come back by itself"
        time.sleep(0.2)
    before = {name: target(name) for name in TARGETS}
    run = play(tmp_path, "site.yml", "-e", json.dumps({"csd_target_programs": MORE})).succeeded()
    assert {host for host, _, _ in run.changed} <= {"fleet-node2", "fleet-host1", "fleet-host2"}
    assert {name: target(name) for name in TARGETS} == before
    assert 9 in programs("fleet-host1", "fleet-node2")
    assert all(row["unavailable"] is None for row in report()["pairs"])


def test_removal_leaves_nothing_on_any_machine(tmp_path: Path) -> None:
    play(tmp_path, "playbooks/teardown.yml").succeeded()
    for name in [BUILDER, *TARGETS, *HOSTS]:
        assert [path for path in TRACES if machine(name).file(path).exists] == [], name
        assert listening(name) == []
        assert machine(name).check_output("systemctl --failed --no-legend --plain") == "", name
