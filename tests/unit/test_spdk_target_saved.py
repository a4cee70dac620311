"""The target's saved configuration: amended, compared, and replaced in one step."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.hello_ebpf.errors import LabError
from ansible.module_utils.hello_ebpf.jsonrpc import Client
from ansible.module_utils.hello_ebpf.spdk_target import saved

from rpc_doubles import Exchange, ReplayServer

TRANSPORTS = {"TCP": {"c2h_success": False, "max_queue_depth": 64}}


def call(method: str, **params: Any) -> dict[str, Any]:
    return {"method": method, "params": params}


# As SPDK 20.07 reports it: without c2h_success, and with listeners before hosts.
REPORTED = [
    call("nvmf_create_transport", trtype="TCP", max_queue_depth=128),
    call("nvmf_create_subsystem", nqn="a"),
    call("nvmf_subsystem_add_listener", nqn="a"),
    call("nvmf_subsystem_add_host", nqn="a", host="h1"),
    call("nvmf_subsystem_add_host", nqn="a", host="h2"),
]


def running(tmp_path: Path, reported: list[dict[str, Any]]) -> saved.Config:
    """What a target that reports this would be saved as."""
    exchanges: list[Exchange] = [
        {"method": "framework_get_subsystems", "params": {}, "result": [{"subsystem": "bdev"}, {"subsystem": "nvmf"}]},
        {"method": "framework_get_config", "params": {"name": "bdev"}, "result": None},
        {"method": "framework_get_config", "params": {"name": "nvmf"}, "result": reported},
    ]
    with ReplayServer(tmp_path / "s", exchanges) as server, Client(str(server.path)) as client:
        config = saved.read_running(client, TRANSPORTS)
    server.check()
    return config


def test_fills_in_what_spdk_leaves_out_and_puts_listeners_last(tmp_path: Path) -> None:
    assert running(tmp_path, REPORTED) == {
        "bdev": [],
        "nvmf": [
            call("nvmf_create_transport", trtype="TCP", max_queue_depth=128, c2h_success=False),
            call("nvmf_create_subsystem", nqn="a"),
            call("nvmf_subsystem_add_host", nqn="a", host="h1"),
            call("nvmf_subsystem_add_host", nqn="a", host="h2"),
            call("nvmf_subsystem_add_listener", nqn="a"),
        ],
    }


def test_written_and_read_again(tmp_path: Path) -> None:
    config, path = running(tmp_path, REPORTED), tmp_path / "saved.json"
    assert saved.read_file(str(path)) == saved.SavedFile(exists=False)
    path.write_text("old")
    saved.write_file(str(path), config)
    found = saved.read_file(str(path))
    assert found == saved.SavedFile(True, config, 0o600)
    assert saved.is_current(found, config)
    assert [item["subsystem"] for item in json.loads(path.read_text())["subsystems"]] == ["bdev", "nvmf"]
    assert sorted(tmp_path.glob(".*")) == []


def test_the_order_of_hosts_is_no_difference_but_a_host_is(tmp_path: Path) -> None:
    path = tmp_path / "saved.json"
    saved.write_file(str(path), running(tmp_path, REPORTED))
    found = saved.read_file(str(path))
    assert saved.is_current(found, running(tmp_path, [*REPORTED[:3], REPORTED[4], REPORTED[3]]))
    assert not saved.is_current(found, running(tmp_path, REPORTED[:4]))


def test_a_file_that_others_can_read_is_a_difference(tmp_path: Path) -> None:
    config, path = running(tmp_path, REPORTED), tmp_path / "saved.json"
    saved.write_file(str(path), config)
    path.chmod(0o640)
    assert not saved.is_current(saved.read_file(str(path)), config)
    saved.write_file(str(path), config)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "saved.json"
    path.write_text("old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        saved.write_file(str(path), {"nvmf": REPORTED})
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["saved.json"]


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"subsystems": [1]}', b"\xff\xfe"])
def test_what_is_no_configuration_is_never_current(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "saved.json").write_bytes(text)
    found = saved.read_file(str(tmp_path / "saved.json"))
    assert (found.exists, found.config) == (True, None)
    assert not saved.is_current(found, {})


def test_a_path_that_is_not_absolute(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"Found: \. is not a folder"):
        saved.check_folder("saved.json")
