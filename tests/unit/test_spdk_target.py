"""spdk_target against transcripts of a real target: {check, run, diff, run again} of every scenario."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import spdk_target
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.hello_ebpf.spdk_target import reconcile

from conftest import ROOT
from module_run import run_module
from record_transcripts import placed
from rpc_doubles import Exchange, ReplayServer, writes
from spdk_target_scenarios import LAB, SCENARIOS, Scenario

TRANSCRIPTS = ROOT / "tests" / "unit" / "transcripts"


@pytest.fixture(autouse=True)
def no_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    """What listens on the machine that runs the unit tests is not part of a transcript."""
    monkeypatch.setattr(reconcile, "check_listener", lambda listener, nqn: None)


def transcript(name: str, folder: Path) -> dict[str, list[Exchange]]:
    """A recorded conversation, by phase."""
    text = (TRANSCRIPTS / f"{name}.json").read_text(encoding="utf-8").replace("@TMP@", str(folder))
    phases: dict[str, list[Exchange]] = json.loads(text)
    return phases


def replay(params: dict[str, Any], exchanges: list[Exchange], folder: Path, *, check: bool = False) -> dict[str, Any]:
    """One run of the module against recorded answers; any other request than the recorded ones fails the test."""
    result: dict[str, Any]
    with ReplayServer(folder / "replay.sock", exchanges) as server:
        result = run_module(spdk_target.main, {**params, "socket": str(server.path)}, check=check)
    server.check()
    return result


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_check_run_and_run_again(scenario: Scenario, tmp_path: Path) -> None:
    (tmp_path / "disk.img").write_bytes(bytes(1024 * 1024))
    phases = transcript(scenario.name, tmp_path)
    params = placed(dict(scenario.params), tmp_path)
    actions = placed(list(scenario.actions), tmp_path)

    predicted = replay(params, phases["check"], tmp_path, check=True)
    done = replay(params, phases["run"], tmp_path)
    again = replay(params, phases["again"], tmp_path)

    assert not writes(phases["check"])
    assert not writes(phases["again"]) or scenario.name == "too_large"
    if scenario.error:
        assert done["msg"] == scenario.error
        assert again["msg"] == scenario.error
        # What the target alone can know (that memory does not suffice) is beyond check mode.
        assert predicted.get("msg") == (None if scenario.name == "too_large" else scenario.error)
    else:
        assert predicted["actions"] == done["actions"] == actions
        assert predicted["changed"] is done["changed"] is bool(actions)
        assert predicted["rpcs"] == done["rpcs"]
        assert [one["method"] for one in done["rpcs"]] == writes(phases["run"])
        assert (again["changed"], again["actions"], again["rpcs"]) == (False, [], [])
        assert predicted["diff"]["before"] == done["diff"]["before"]
        assert again["diff"]["before"] == again["diff"]["after"] == done["diff"]["after"]
        assert (done["diff"]["before"] != done["diff"]["after"]) is bool(actions)


def test_rolls_back_what_it_made(tmp_path: Path) -> None:
    sent = [(one["method"], one["params"]["name"]) for one in transcript("too_large", tmp_path)["run"][3:]]
    assert sent == [
        ("bdev_malloc_create", "csd0_data"),
        ("bdev_malloc_create", "huge"),
        ("bdev_malloc_delete", "csd0_data"),
    ]


def test_diff_and_tree(tmp_path: Path) -> None:
    result = replay(LAB, transcript("fresh", tmp_path)["check"], tmp_path, check=True)
    assert result["diff"]["before"] == "transports: []\nbdevs: []\nsubsystems: []\n"
    assert result["diff"]["after"] == (
        "transports:\n"
        "  - type: TCP\n"
        "    c2h_success: false\n"
        "bdevs:\n"
        "  - name: csd0_data\n"
        "    type: malloc\n"
        "    block_size: 512\n"
        "    num_blocks: 32768\n"
        "    uuid: 6c1f2d7e-5a0b-4c6e-9a57-0e8bff0eb001\n"
        "subsystems:\n"
        "  - nqn: nqn.2026-11.io.hello-ebpf:csd0\n"
        "    serial: HELLOEBPF0000001\n"
        "    model: hello_eBPF CSD\n"
        "    allow_any_host: false\n"
        "    hosts:\n"
        "      - nqn.2026-11.io.hello-ebpf:host0\n"
        "    namespaces:\n"
        "      - nsid: 1\n"
        "        bdev: csd0_data\n"
        "        uuid: 6c1f2d7e-5a0b-4c6e-9a57-0e8bff0e0001\n"
        "    listeners:\n"
        "      - transport: TCP\n"
        "        family: ipv4\n"
        "        address: 127.0.0.1\n"
        "        service_id: 4519\n"
    )
    assert result["tree"]["subsystems"][0]["hosts"] == ["nqn.2026-11.io.hello-ebpf:host0"]


def test_names_what_is_foreign(tmp_path: Path) -> None:
    result = replay(LAB, transcript("beside_foreign", tmp_path)["run"], tmp_path)
    assert result["foreign"] == ["subsystem nqn.2019-01.com.example:other", "bdev other_data"]
    result = replay({**LAB, "state": "absent"}, transcript("absent", tmp_path)["run"], tmp_path)
    assert result["foreign"] == ["subsystem nqn.2019-01.com.example:other", "bdev other_data"]


class TestWithoutTarget:
    """No target runs: the lab is not installed yet, or it is gone."""

    def test_run_refuses(self, tmp_path: Path) -> None:
        result = run_module(spdk_target.main, {**LAB, "socket": str(tmp_path / "none.sock")})
        assert result["msg"] == (
            f"Asked: a connection to the target's RPC socket {tmp_path}/none.sock. Found: no such socket. "
            "Do: start the target, or name the socket that it was given."
        )

    def test_check_plans_for_an_empty_target(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        warnings: list[str] = []
        monkeypatch.setattr(AnsibleModule, "warn", lambda module, text: warnings.append(text))
        params = {**LAB, "socket": str(tmp_path / "none.sock"), "config_file": str(tmp_path / "none" / "saved.json")}
        result = run_module(spdk_target.main, params, check=True)
        assert result["changed"]
        assert result["target_running"] is False
        assert len(result["rpcs"]) == 6
        assert result["actions"][-1] == f"save the target's configuration to {tmp_path}/none/saved.json"
        assert warnings == [f"no such socket at {tmp_path}/none.sock: planned for the target as it will start"]

    def test_check_plans_for_what_the_target_will_start_with(self, tmp_path: Path) -> None:
        params = {**LAB, "socket": str(tmp_path / "none.sock"), "config_file": str(tmp_path / "saved.json")}
        calls = [
            {"method": one["method"], "params": one["params"]}
            for one in transcript("fresh", tmp_path)["run"]
            if writes([one])
        ]
        saved = {"subsystems": [{"subsystem": "sock", "config": None}, {"subsystem": "nvmf", "config": calls}]}
        (tmp_path / "saved.json").write_text(json.dumps(saved))
        result = run_module(spdk_target.main, params, check=True)
        assert (result["changed"], result["actions"]) == (False, [])

    def test_check_takes_a_broken_file_for_an_empty_target(self, tmp_path: Path) -> None:
        for text in ("", "{", '{"subsystems": 1}', '{"subsystems": [{"subsystem": "nvmf", "config": [1]}]}'):
            (tmp_path / "saved.json").write_text(text)
            params = {**LAB, "socket": str(tmp_path / "none.sock"), "config_file": str(tmp_path / "saved.json")}
            assert len(run_module(spdk_target.main, params, check=True)["rpcs"]) == 6

    def test_absent_has_nothing_to_remove(self, tmp_path: Path) -> None:
        params = {**LAB, "socket": str(tmp_path / "none.sock"), "state": "absent"}
        for check in (True, False):
            result = run_module(spdk_target.main, params, check=check)
            assert (result["changed"], result["target_running"]) == (False, False)


def test_absent_and_purge_contradict_each_other(tmp_path: Path) -> None:
    result = run_module(spdk_target.main, {"state": "absent", "purge": True, "socket": str(tmp_path / "none")})
    assert result["msg"] == (
        "Asked: state: absent with purge: true. Found: two contrary requests. Do: for an empty target use purge alone."
    )
