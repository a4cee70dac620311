"""spdk_rpc_bench beside the objects of others, on a real target with SPDK's own rpc.py."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import spdk_rpc_bench
import spdk_target
from ansible.module_utils.hello_ebpf import rpc_bench
from ansible.module_utils.hello_ebpf.jsonrpc import Call, Client

from live_target import BINARY, LiveTarget
from module_run import run_module
from spdk_target_scenarios import FOREIGN_RPCS

# In the installed SPDK; in a build tree: HELLO_EBPF_RPC_PY.
RPC_PY = os.environ.get("HELLO_EBPF_RPC_PY", str(BINARY.parents[1] / "scripts" / "rpc.py"))


@pytest.fixture
def target(tmp_path: Path) -> Iterator[LiveTarget]:
    """A target with a transport and somebody's objects."""
    with LiveTarget(tmp_path) as live:
        with Client(str(live.socket)) as client:
            client.call("nvmf_create_transport", {"trtype": "TCP", "c2h_success": False})
            for method, params in FOREIGN_RPCS:
                client.call(method, params)
        yield live


@pytest.fixture
def params(target: LiveTarget) -> dict[str, Any]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    return {"socket": str(target.socket), "rpc_py": RPC_PY, "service_id": port, "repeats": 5}


def state(target: LiveTarget) -> list[Any]:
    with Client(str(target.socket)) as client:
        return client.batch([Call("bdev_get_bdevs"), Call("nvmf_get_subsystems")])


def test_measures_and_leaves_nothing(target: LiveTarget, params: dict[str, Any]) -> None:
    before = state(target)
    result = run_module(spdk_rpc_bench.main, params)
    assert result["changed"] is False
    figures = result["rpc"]
    assert (figures["rpcs"], figures["repeats"]) == (6, 5)
    for name in ("one_connection_s", "process_per_rpc_s", "python_start_s"):
        assert 0 < figures[name]["min"] <= figures[name]["median"] <= figures[name]["max"]
    assert figures["ratio"] > figures["ratio_with_python_start"] > 0
    assert state(target) == before


def test_takes_over_what_a_cut_off_measurement_left(target: LiveTarget, params: dict[str, Any]) -> None:
    before = state(target)
    left = rpc_bench.scratch_tree("127.0.0.1", params["service_id"])
    rpc_bench.configure(params["socket"], left)
    assert state(target) != before
    # It does not count as somebody else's.
    assert run_module(spdk_target.main, {"socket": params["socket"]})["foreign"] == [
        "subsystem nqn.2019-01.com.example:other",
        "bdev other_data",
    ]
    assert run_module(spdk_rpc_bench.main, params)["rpc"]["repeats"] == 5
    assert state(target) == before


def test_absent(target: LiveTarget, params: dict[str, Any]) -> None:
    before = state(target)
    left = rpc_bench.scratch_tree("127.0.0.1", params["service_id"])
    rpc_bench.configure(params["socket"], left)
    gone = {**params, "state": "absent"}
    predicted = run_module(spdk_rpc_bench.main, gone, check=True)
    done = run_module(spdk_rpc_bench.main, gone)
    assert predicted["actions"] == done["actions"] != []
    assert state(target) == before
    assert run_module(spdk_rpc_bench.main, gone)["changed"] is False


def test_an_rpc_that_rpc_py_cannot_do(target: LiveTarget, params: dict[str, Any], tmp_path: Path) -> None:
    before = state(target)
    broken = tmp_path / "rpc.py"
    broken.write_text("import sys; sys.exit('cannot')")
    message = run_module(spdk_rpc_bench.main, {**params, "rpc_py": str(broken)})["msg"]
    assert "Found: exit code 1: cannot." in message
    assert state(target) == before
