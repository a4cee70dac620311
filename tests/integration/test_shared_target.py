"""The role csd_target in a target that others use too: what is foreign survives everything that the lab does."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.hello_ebpf.jsonrpc import Client

from lab import ROOT, Run, ended
from live_target import LiveTarget

FOREIGN = "nqn.2014-08.org.example:foreign"
OURS = "nqn.2026-11.io.hello-ebpf:shared"


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Path]:
    """A target that somebody else started, with a subsystem and a bdev of theirs. Yields its RPC socket."""
    with LiveTarget(tmp_path) as live:
        with Client(str(live.socket)) as client:
            client.call("nvmf_create_transport", {"trtype": "TCP", "c2h_success": False})
            client.call("bdev_malloc_create", {"name": "foreign0", "num_blocks": 2048, "block_size": 512})
            client.call("nvmf_create_subsystem", {"nqn": FOREIGN, "serial_number": "FOREIGN"})
            client.call("nvmf_subsystem_add_ns", {"nqn": FOREIGN, "namespace": {"bdev_name": "foreign0"}})
        yield live.socket


def play(tmp_path: Path, state: str, rpc: Path, **variables: Any) -> Run:
    """Run the role csd_target against the shared target."""
    asked = {
        "csd_target_manage_service": False,
        "csd_target_transports": [{"type": "TCP", "c2h_success": False}],
        "csd_target_programs": [],
        "csd_target_rpc_socket": str(rpc),
        "csd_target_bdevs": [{"type": "malloc", "name": "ours0", "size_megabytes": 8, "block_size": 512}],
        "csd_target_subsystems": [
            {
                "nqn": OURS,
                "serial": "OURS",
                "model": "hello_eBPF CSD",
                "hosts": [],
                "namespaces": [{"nsid": 1, "bdev": "ours0"}],
                "listeners": [{"address": "127.0.0.1", "service_id": "4522"}],
            }
        ],
    }
    record = tmp_path / "run.jsonl"
    book = tmp_path / "play.yml"
    roles = [{"role": "csd_target", "vars": {"csd_target_state": state}}]
    book.write_text(json.dumps([{"hosts": "targets", "gather_facts": False, "roles": roles}]))
    done = subprocess.run(
        [".venv/bin/ansible-playbook", "-i", "inventory/local", str(book), "-e", json.dumps(asked | variables)],
        cwd=ROOT,
        env=os.environ | {"LAB_RUN_FILE": str(record), "COLUMNS": "1000", "ANSIBLE_ROLES_PATH": str(ROOT / "roles")},
        capture_output=True,
        text=True,
        check=False,
    )
    return Run(done.returncode, done.stdout + done.stderr, ended(record))


def objects(rpc: Path) -> tuple[set[str], set[str]]:
    """NQNs and bdev names in the target."""
    with Client(str(rpc)) as client:
        subsystems, bdevs = client.call("nvmf_get_subsystems"), client.call("bdev_get_bdevs")
    return {subsystem["nqn"] for subsystem in subsystems}, {bdev["name"] for bdev in bdevs}


def test_foreign_objects_survive_and_ours_come_and_go(target: Path, tmp_path: Path) -> None:
    foreign = objects(target)
    assert play(tmp_path, "present", target).succeeded().changed
    assert objects(target) == (foreign[0] | {OURS}, foreign[1] | {"ours0"})
    assert play(tmp_path, "present", target).succeeded().changed == set()
    assert play(tmp_path, "absent", target).succeeded().changed
    assert objects(target) == foreign
    assert play(tmp_path, "absent", target).succeeded().changed == set()


def test_wrong_declarations_are_refused_before_anything_is_changed(target: Path, tmp_path: Path) -> None:
    foreign = objects(target)
    bdev = {"type": "malloc", "name": "foreign0", "size_megabytes": 8, "block_size": 512}
    wrong_size = play(tmp_path, "present", target, csd_target_bdevs=[bdev], csd_target_subsystems=[])
    assert wrong_size.code != 0
    assert "foreign0" in wrong_size.output
    subsystem = {"nqn": OURS, "serial": "OURS"}
    twice = play(tmp_path, "present", target, csd_target_subsystems=[subsystem, subsystem])
    assert twice.code != 0
    assert OURS in twice.output
    for run in (wrong_size, twice):
        assert "Asked: " in run.output
        assert "Found: " in run.output
        assert "Do: " in run.output
    assert objects(target) == foreign


def test_a_port_that_another_process_holds_is_refused_by_name(target: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 4522)):
        run = play(tmp_path, "present", target)
    assert run.code != 0
    assert "4522" in run.output
    assert str(os.getpid()) in run.output
