"""spdk_rpc_bench where there is nothing to measure."""

from __future__ import annotations

from pathlib import Path

import spdk_rpc_bench

from module_run import run_module


def test_check_mode_measures_nothing(tmp_path: Path) -> None:
    result = run_module(spdk_rpc_bench.main, {"socket": str(tmp_path / "none")}, check=True)
    assert (result["changed"], result["rpc"]) == (False, None)


def test_absent_without_a_target(tmp_path: Path) -> None:
    for check in (True, False):
        params = {"socket": str(tmp_path / "none"), "state": "absent"}
        assert run_module(spdk_rpc_bench.main, params, check=check)["changed"] is False


def test_too_few_repeats(tmp_path: Path) -> None:
    assert run_module(spdk_rpc_bench.main, {"repeats": 4})["msg"] == (
        "Asked: 4 repeats. Found: a median needs 5. Do: ask for at least 5."
    )


def test_no_rpc_py(tmp_path: Path) -> None:
    assert run_module(spdk_rpc_bench.main, {"rpc_py": str(tmp_path / "rpc.py")})["msg"] == (
        f"Asked: a measurement with {tmp_path}/rpc.py. Found: no such file. "
        "Do: name scripts/rpc.py of the installed SPDK."
    )


def test_no_target(tmp_path: Path) -> None:
    (tmp_path / "rpc.py").touch()
    params = {"rpc_py": str(tmp_path / "rpc.py"), "socket": str(tmp_path / "none")}
    assert "Found: no such socket." in run_module(spdk_rpc_bench.main, params)["msg"]
