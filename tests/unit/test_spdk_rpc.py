"""spdk_rpc: {check, run, diff, run again} of a call that reads and of one that changes."""

from __future__ import annotations

from pathlib import Path

import spdk_rpc

from module_run import run_module
from rpc_doubles import Exchange, ReplayServer

VERSION: Exchange = {"method": "spdk_get_version", "params": {}, "result": {"version": "SPDK v20.07"}}
LIMIT: Exchange = {"method": "bdev_set_qos_limit", "params": {"name": "a", "psk": "S3"}, "result": True}


def test_a_call_that_reads_is_sent_in_check_mode_too(tmp_path: Path) -> None:
    for check in (True, False, False):
        with ReplayServer(tmp_path / "s", [VERSION]) as server:
            result = run_module(spdk_rpc.main, {"method": "spdk_get_version", "socket": str(server.path)}, check=check)
        server.check()
        assert (result["changed"], result["sent"], result["actions"]) == (False, True, [])
        assert result["result"] == {"version": "SPDK v20.07"}
        assert result["diff"] == {"before": "", "after": ""}


def test_a_call_that_changes(tmp_path: Path) -> None:
    params = {"method": LIMIT["method"], "params": LIMIT["params"], "changes": True, "socket": str(tmp_path / "s")}
    shown = 'bdev_set_qos_limit {"name": "a", "psk": "***"}'
    with ReplayServer(tmp_path / "s", [LIMIT]) as server:
        predicted = run_module(spdk_rpc.main, params, check=True)
        assert server.left == [LIMIT]
        done = run_module(spdk_rpc.main, params)
    server.check()
    assert (predicted["changed"], predicted["sent"], predicted["result"]) == (True, False, None)
    assert (done["changed"], done["sent"], done["result"]) == (True, True, True)
    assert predicted["actions"] == done["actions"] == [f"call {shown}"]
    assert predicted["diff"] == done["diff"] == {"before": f"not sent: {shown}\n", "after": f"sent: {shown}\n"}


def test_changed_is_what_the_caller_says_every_time(tmp_path: Path) -> None:
    params = {"method": LIMIT["method"], "params": LIMIT["params"], "changes": True, "socket": str(tmp_path / "s")}
    with ReplayServer(tmp_path / "s", [LIMIT, LIMIT]) as server:
        assert [run_module(spdk_rpc.main, params)["changed"] for _ in range(2)] == [True, True]
    server.check()


def test_false_is_a_failure_of_a_call_that_changes(tmp_path: Path) -> None:
    exchange = {"method": "bdev_malloc_delete", "params": {"name": "a"}, "result": False}
    params = {"method": "bdev_malloc_delete", "params": {"name": "a"}, "changes": True, "socket": str(tmp_path / "s")}
    with ReplayServer(tmp_path / "s", [exchange]):
        result = run_module(spdk_rpc.main, params)
    assert result["msg"] == (
        'Asked: bdev_malloc_delete {"name": "a"}. Found: the target answered false: it did not do it. '
        "Do: read the reason in the target's log, which says more than its answer."
    )


def test_an_error_of_the_target(tmp_path: Path) -> None:
    exchange = {"method": "nosuch", "params": {}, "error": {"code": -32601, "message": "Method not found"}}
    with ReplayServer(tmp_path / "s", [exchange]):
        result = run_module(spdk_rpc.main, {"method": "nosuch", "socket": str(tmp_path / "s")})
    assert result["msg"] == (
        "Asked: nosuch. Found: the target refused: Method not found (code -32601). "
        "Do: read the reason in the target's log, which says more than its answer."
    )


def test_without_a_target(tmp_path: Path) -> None:
    params = {"method": "spdk_get_version", "socket": str(tmp_path / "none")}
    assert run_module(spdk_rpc.main, params)["msg"] == (
        f"Asked: a connection to the target's RPC socket {tmp_path}/none. Found: no such socket. "
        "Do: start the target, or name the socket that it was given."
    )
    # An earlier task of the same play would have started it.
    result = run_module(spdk_rpc.main, params, check=True)
    assert (result["changed"], result["sent"], result["result"]) == (False, False, None)
