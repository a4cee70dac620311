"""spdk_target, spdk_rpc and the JSON-RPC client against SPDK itself."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import spdk_target
import yaml
from ansible.module_utils.hello_ebpf.errors import LabError
from ansible.module_utils.hello_ebpf.jsonrpc import Call, Client, NoTargetError, RpcError
from ansible.module_utils.hello_ebpf.spdk_target import reconcile, saved
from ansible.module_utils.hello_ebpf.spdk_target.options import BDEVS
from ansible.module_utils.hello_ebpf.spdk_target.tree import declared, read_tree
from ansible.module_utils.hello_ebpf.target_start import start
from spdk.rpc.client import JSONRPCClient, JSONRPCException  # type: ignore[import-untyped]

from conftest import ROOT
from live_target import CSD_TGT, MEGABYTES, LiveTarget
from module_run import run_module
from nvme_wire import Wire
from record_transcripts import placed
from rpc_doubles import RecordingProxy, writes
from spdk_target_scenarios import (
    DRIVE_SCENARIOS,
    FOREIGN_RPCS,
    GUEST,
    HOST,
    LAB_ACTIONS,
    NQN,
    OTHER,
    RAM,
    RAM_LAB,
    SCENARIOS,
    UUID,
    Scenario,
    lab,
    listen,
)
from waiting import until

LET_IN = (0, 0)
INVALID_HOST = (1, 0x84)


@pytest.fixture
def target(tmp_path: Path) -> Iterator[LiveTarget]:
    """A target of our own."""
    with LiveTarget(tmp_path) as live:
        yield live


@pytest.fixture(scope="class")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveTarget]:
    """A csd_tgt that each test leaves empty."""
    with LiveTarget(tmp_path_factory.mktemp("drive"), CSD_TGT) as live:
        with Client(str(live.socket)) as client:
            client.call("nvmf_create_transport", {"trtype": "TCP", "c2h_success": False})
        yield live


@pytest.fixture
def port() -> int:
    """A TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def connect_status(port: int, host: str, address: str = "127.0.0.1") -> tuple[int, int]:
    """How the subsystem answers a host's Connect."""
    with Wire(port, address=address) as connection:
        connection.initialize()
        return connection.connect(NQN, host).status


def declare(target: LiveTarget, params: dict[str, Any], *, check: bool = False, **more: Any) -> dict[str, Any]:
    return run_module(spdk_target.main, {**params, "socket": str(target.socket), **more}, check=check)


def lab_at(port: int, **changes: Any) -> dict[str, Any]:
    """The lab's declaration, listening at a port."""
    return lab(**{"listeners": [{"address": "127.0.0.1", "service_id": str(port)}], **changes})


def state(target: LiveTarget) -> list[Any]:
    """All that SPDK tells about the objects."""
    with Client(str(target.socket)) as client:
        return client.batch([Call("bdev_get_bdevs"), Call("nvmf_get_subsystems"), Call("nvmf_get_transports")])


class TestClient:
    """Ours and SPDK's own say the same."""

    def test_answers(self, target: LiveTarget) -> None:
        official = JSONRPCClient(str(target.socket))
        with Client(str(target.socket)) as ours:
            for method in ("spdk_get_version", "rpc_get_methods", "bdev_get_bdevs", "nvmf_get_subsystems"):
                assert ours.call(method) == official.call(method)
            params = {"name": "a", "num_blocks": 2048, "block_size": 512}
            assert ours.call("bdev_malloc_create", params) == "a"
            assert official.call("bdev_malloc_create", {**params, "name": "b"}) == "b"
            assert ours.call("bdev_get_bdevs") == official.call("bdev_get_bdevs")
        official.close()

    def test_errors(self, target: LiveTarget) -> None:
        official = JSONRPCClient(str(target.socket))
        calls: list[tuple[str, dict[str, Any]]] = [
            ("nosuch", {}),
            ("bdev_malloc_delete", {"name": "nosuch"}),
            ("nvmf_create_subsystem", {"nqn": "nosuch"}),
        ]
        with Client(str(target.socket)) as ours:
            for method, params in calls:
                with pytest.raises(JSONRPCException) as theirs:
                    official.call(method, dict(params))
                with pytest.raises(RpcError) as caught:
                    ours.call(method, params)
                assert f'"code": {caught.value.code}' in theirs.value.message
                assert caught.value.message in theirs.value.message
        official.close()

    def test_a_batch_of_readings(self, target: LiveTarget) -> None:
        methods = ["spdk_get_version", "nvmf_get_subsystems", "rpc_get_methods"] * 200
        with Client(str(target.socket)) as ours:
            one_by_one = {method: ours.call(method) for method in set(methods)}
            assert ours.batch([Call(method) for method in methods]) == [one_by_one[method] for method in methods]

    def test_knows_the_target(self, target: LiveTarget) -> None:
        with Client(str(target.socket)) as ours:
            assert ours.target_pid == target.pid

    def test_a_target_that_hangs(self, target: LiveTarget) -> None:
        with Client(str(target.socket), timeout=0.5) as ours:
            os.kill(target.pid, signal.SIGSTOP)
            with pytest.raises(LabError, match=r"no whole answer within 0\.5 s \(0 bytes came\)"):
                ours.call("spdk_get_version")
            os.kill(target.pid, signal.SIGCONT)

    def test_a_target_that_dies_on_a_call(self, target: LiveTarget) -> None:
        with Client(str(target.socket)) as ours:
            os.kill(target.pid, signal.SIGSTOP)

            def unread() -> int:
                """Bytes of ours that it has not read."""
                return int.from_bytes(fcntl.ioctl(ours._socket, termios.TIOCOUTQ, bytes(4)), sys.byteorder)

            def kill() -> None:
                until("the call is sent", unread)
                target.kill()

            threading.Thread(target=kill).start()
            with pytest.raises(NoTargetError, match="the target most likely died on this call"):
                ours.call("spdk_get_version")


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_scenario(scenario: Scenario, target: LiveTarget, tmp_path: Path) -> None:
    """Every scenario of the transcripts, as SPDK answers today."""
    over_check_run_and_run_again(scenario, target, tmp_path)


class TestCsdTgt:
    """Data in memory that programs read where it lies."""

    @pytest.mark.parametrize("scenario", DRIVE_SCENARIOS, ids=lambda scenario: scenario.name)
    def test_scenario(self, scenario: Scenario, drive: LiveTarget, tmp_path: Path) -> None:
        try:
            over_check_run_and_run_again(scenario, drive, tmp_path)
        finally:
            declare(drive, {"purge": True})


def over_check_run_and_run_again(scenario: Scenario, target: LiveTarget, tmp_path: Path) -> None:
    (tmp_path / "disk.img").write_bytes(bytes(1024 * 1024))
    params, actions = placed(dict(scenario.params), tmp_path), placed(list(scenario.actions), tmp_path)
    with Client(str(target.socket)) as client:
        for method, arguments in scenario.before:
            client.call(method, arguments)
    before = state(target)
    predicted = declare(target, params, check=True)
    assert state(target) == before
    done = declare(target, params)
    if scenario.error:
        assert done["msg"] == scenario.error
        assert state(target) == before
    else:
        assert predicted["actions"] == done["actions"] == actions
        with RecordingProxy(tmp_path / "proxy.sock", target.socket) as proxy:
            again = declare(target, params, socket=str(proxy.path))
        assert (again["changed"], again["actions"], writes(proxy.exchanges)) == (False, [], [])
        assert len(proxy.exchanges) == 3


class TestSavedConfiguration:
    """What runs is what comes back."""

    def test_comes_back_after_a_crash(self, target: LiveTarget, tmp_path: Path, port: int) -> None:
        (tmp_path / "disk.img").write_bytes(bytes(1024 * 1024))
        saved = tmp_path / "saved.json"
        params = {
            **lab_at(port, hosts=[HOST, GUEST], namespaces=[{"nsid": 1, "bdev": "mine"}, {"nsid": 2, "bdev": "disk"}]),
            "transports": [{"num_shared_buffers": 1023, "buf_cache_size": 16}],
            "bdevs": [
                # SPDK makes up the UUIDs.
                {"name": "mine", "type": "malloc", "size_megabytes": 8},
                {"name": "nothing", "type": "null", "size_megabytes": 8},
                {"name": "disk", "type": "aio", "filename": str(tmp_path / "disk.img")},
            ],
            "config_file": str(saved),
        }
        predicted = declare(target, params, check=True)
        assert not saved.exists()
        done = declare(target, params)
        assert predicted["actions"] == done["actions"]
        assert done["actions"][-1] == f"save the target's configuration to {saved}"
        assert stat.S_IMODE(saved.stat().st_mode) == 0o600
        # Twice, because SPDK turns the order of hosts round at each restart.
        for _ in range(2):
            before = without_aio_uuid(state(target))
            target.kill()
            target.start("--json", str(saved))
            assert without_aio_uuid(state(target)) == before
            for check in (True, False):
                again = declare(target, params, check=check)
                assert (again["changed"], again["actions"]) == (False, [])
        assert connect_status(port, HOST) == LET_IN

    def test_hosts_come_back_before_listeners(self, target: LiveTarget, tmp_path: Path, port: int) -> None:
        declare(target, lab_at(port), config_file=str(tmp_path / "saved.json"))
        nvmf = saved_calls(tmp_path / "saved.json", "nvmf")
        methods = [call["method"] for call in nvmf]
        assert methods[-1] == "nvmf_subsystem_add_listener"
        [transport] = [call["params"] for call in nvmf if call["method"] == "nvmf_create_transport"]
        assert transport["c2h_success"] is False

    def test_is_written_again_only_when_it_differs(self, target: LiveTarget, tmp_path: Path, port: int) -> None:
        saved = tmp_path / "saved.json"
        action = f"save the target's configuration to {saved}"
        declare(target, lab_at(port), config_file=str(saved))
        text, inode = saved.read_text(), saved.stat().st_ino
        assert not declare(target, lab_at(port), config_file=str(saved))["changed"]
        assert saved.stat().st_ino == inode
        for spoil in (saved.unlink, lambda: saved.write_text("{"), lambda: saved.chmod(0o644)):
            spoil()
            for check in (True, False):
                result = declare(target, lab_at(port), config_file=str(saved), check=check)
                assert (result["changed"], result["actions"], result["rpcs"]) == (True, [action], [])
            assert (saved.read_text(), stat.S_IMODE(saved.stat().st_mode)) == (text, 0o600)

    def test_keeps_what_is_foreign(self, target: LiveTarget, tmp_path: Path, port: int) -> None:
        declare(target, lab_at(port), config_file=str(tmp_path / "saved.json"))
        with Client(str(target.socket)) as client:
            for method, params in FOREIGN_RPCS:
                client.call(method, params)
        result = declare(target, lab_at(port), config_file=str(tmp_path / "saved.json"))
        assert (result["changed"], result["rpcs"]) == (True, [])
        assert 'only in the target: nvmf: nvmf_create_subsystem {"allow_any_host": false' in result["diff"]["before"]
        assert OTHER in (tmp_path / "saved.json").read_text()

    def test_folder_is_missing(self, target: LiveTarget, tmp_path: Path, port: int) -> None:
        before = state(target)
        result = declare(target, lab_at(port), config_file=str(tmp_path / "none" / "saved.json"))
        assert result["msg"] == (
            f"Asked: the target's configuration in {tmp_path}/none/saved.json. Found: {tmp_path}/none is not a folder. "
            f"Do: make it first: install -d -m 0755 {tmp_path}/none."
        )
        assert state(target) == before


def test_csd_ram_comes_back_empty_after_a_crash(tmp_path: Path, port: int) -> None:
    """As declared, and with the UUID that was made up for it."""
    saved = tmp_path / "saved.json"
    bdev = {name: value for name, value in RAM.items() if name != "uuid"}
    params = {**lab_at(port), "bdevs": [bdev, {**bdev, "name": "more", "block_size": 4096}], "config_file": str(saved)}
    with LiveTarget(tmp_path, CSD_TGT) as drive:
        assert "failed" not in declare(drive, params)
        before = state(drive)
        assert [bdev["product_name"] for bdev in before[0]] == ["CSD RAM disk"] * 2
        assert {type(bdev["driver_specific"]["csd_ram"]["huge_pages"]) for bdev in before[0]} == {bool}
        [first, second] = [call["params"] for call in saved_calls(saved, "bdev") if "csd_ram" in call["method"]]
        assert (first["num_blocks"], first["block_size"]) == (32768, 512)
        assert (second["num_blocks"], second["block_size"]) == (4096, 4096)
        drive.kill()
        drive.start("--json", str(saved))
        assert state(drive) == before
        for check in (True, False):
            again = declare(drive, params, check=check)
            assert (again["changed"], again["actions"]) == (False, [])
        assert connect_status(port, HOST) == LET_IN


def test_a_lab_of_before_comes_up_in_less_memory(tmp_path: Path) -> None:
    """Its malloc bdev alone would take all that the start has (csd_target_memory_megabytes no longer covers data)."""
    defaults = yaml.safe_load((ROOT / "roles/csd_target/defaults/main.yml").read_text())
    file = tmp_path / "saved.json"
    malloc = {"name": "csd0_data", "num_blocks": MEGABYTES << 11, "block_size": 512}
    bdev = [{"method": "bdev_malloc_create", "params": malloc}]
    nvmf = [
        {"method": "nvmf_create_subsystem", "params": {"nqn": NQN}},
        {
            "method": "nvmf_subsystem_add_ns",
            "params": {"nqn": NQN, "namespace": {"nsid": 1, "bdev_name": "csd0_data", "uuid": UUID}},
        },
    ]
    saved.write_file(str(file), {"bdev": bdev, "nvmf": nvmf})
    bdevs: list[dict[str, Any]] = defaults["csd_target_bdevs"]
    asked = declared({"bdevs": [{**dict.fromkeys(BDEVS["options"]), **one} for one in bdevs]}, check=True)
    start(file, asked, "lose_data").write()
    drive = LiveTarget(tmp_path, CSD_TGT)
    drive.start("--json", str(file))
    try:
        names = {"transports": defaults["csd_target_transports"], "bdevs": bdevs}
        done = declare(drive, names)
        assert [call["method"] for call in done["rpcs"]] == [
            "bdev_csd_slm_create",
            "bdev_csd_compute_create",
            "nvmf_create_transport",
        ]
        [subsystem] = done["tree"]["subsystems"]
        assert [(one["bdev"], one["uuid"]) for one in subsystem["namespaces"]] == [("csd0_data", UUID)]
    finally:
        drive.stop()


def test_nvmf_tgt_has_no_csd_ram(target: LiveTarget) -> None:
    before = state(target)
    said = declare(target, RAM_LAB)["msg"]
    assert "has no bdev_csd_ram_create: it is not csd_tgt. Do: run csd_tgt" in said
    assert state(target) == before


class TestAccess:
    """Who gets in, asked by a host of our own making."""

    def test_only_declared_hosts(self, target: LiveTarget, port: int) -> None:
        declare(target, lab_at(port))
        assert connect_status(port, HOST) == LET_IN
        assert connect_status(port, GUEST) == INVALID_HOST
        declare(target, lab_at(port, hosts=[GUEST]))
        assert connect_status(port, HOST) == INVALID_HOST
        assert connect_status(port, GUEST) == LET_IN

    def test_no_host_declared(self, target: LiveTarget, port: int) -> None:
        params = lab_at(port)
        del params["subsystems"][0]["hosts"]
        declare(target, params)
        assert connect_status(port, HOST) == INVALID_HOST

    def test_every_host_when_told(self, target: LiveTarget, port: int) -> None:
        declare(target, lab_at(port, allow_any_host=True))
        assert connect_status(port, GUEST) == LET_IN

    def test_loopback_only(self, target: LiveTarget, port: int) -> None:
        declare(target, lab_at(port))
        listening = subprocess.run(["cat", "/proc/net/tcp"], capture_output=True, text=True, check=True).stdout
        addresses = [row.split()[1] for row in listening.splitlines()[1:] if f":{port:04X} 00000000:0000 0A" in row]
        assert addresses == [f"0100007F:{port:04X}"]


class TestPorts:
    """A port that is not to be had is named before anything is changed."""

    def test_taken_by_a_process(self, target: LiveTarget, port: int) -> None:
        script = (
            f"import socket, time; s = socket.create_server(('127.0.0.1', {port})); print(flush=True); time.sleep(60)"
        )
        with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as other:
            try:
                assert other.stdout is not None
                other.stdout.readline()
                before = state(target)
                for check in (True, False):
                    assert declare(target, lab_at(port), check=check)["msg"] == (
                        f"Asked: listen on TCP 127.0.0.1:{port} for {NQN}. "
                        f"Found: the port is taken by process {other.pid} ({sys.executable} -c {script}). "
                        "Do: stop that process, or declare another service_id."
                    )
                assert state(target) == before
            finally:
                other.kill()

    def test_taken_by_another_target(self, target: LiveTarget, tmp_path: Path, port: int) -> None:
        declare(target, lab_at(port))
        (tmp_path / "second").mkdir()
        with LiveTarget(tmp_path / "second") as second:
            message = declare(second, lab_at(port))["msg"]
        # SPDK's process calls itself reactor_0; its command line does not.
        assert f"Found: the port is taken by process {target.pid} (" in message
        assert "nvmf_tgt" in message

    def test_not_an_address_of_this_machine(self, target: LiveTarget, port: int) -> None:
        listener = {"address": "192.0.2.1", "service_id": str(port)}
        assert declare(target, lab(listeners=[listener]))["msg"] == (
            f"Asked: listen on TCP 192.0.2.1:{port} for {NQN}. "
            "Found: 192.0.2.1 is not an address of this machine. "
            "Do: declare an address that 'ip address' lists here."
        )

    def test_a_port_that_the_target_itself_gives_up(self, target: LiveTarget, port: int) -> None:
        declare(target, lab_at(port, listeners=[]))
        with Client(str(target.socket)) as client:
            everywhere = listen("0.0.0.0", str(port))
            client.call("nvmf_subsystem_add_listener", {"nqn": NQN, "listen_address": everywhere})
        # The reason why such an address is refused in a declaration.
        assert connect_status(port, HOST) == INVALID_HOST
        assert declare(target, lab_at(port))["changed"]
        assert connect_status(port, HOST) == LET_IN

    def test_two_subsystems_at_one_address(self, target: LiveTarget, port: int) -> None:
        params = lab_at(port)
        second = {**params["subsystems"][0], "nqn": f"{NQN}-2", "namespaces": []}
        params["subsystems"].append(second)
        assert declare(target, params)["changed"]
        assert not declare(target, params)["changed"]
        declare(target, {"subsystems": [second], "state": "absent"})
        assert connect_status(port, HOST) == LET_IN


def test_ipv6(target: LiveTarget, port: int) -> None:
    params = lab(listeners=[{"address": "::1", "service_id": str(port)}])
    assert f"listen on TCP [::1]:{port} for {NQN}" in declare(target, params)["actions"]
    assert not declare(target, params)["changed"]
    assert connect_status(port, HOST, "::1") == LET_IN


CHANGING = [one for one in SCENARIOS if one.actions and not one.name.startswith("all_")]


@pytest.mark.parametrize("scenario", CHANGING, ids=lambda scenario: scenario.name)
def test_a_failed_run_leaves_what_it_found(
    scenario: Scenario, target: LiveTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever RPC fails, those before it are taken back; only a transport stays, as SPDK cannot remove one."""
    params = dict(scenario.params)
    with Client(str(target.socket)) as client:
        for method, arguments in scenario.before:
            client.call(method, arguments)
        before = read_tree(client)
        for failing in range(len(scenario.actions)):
            monkeypatch.setattr(reconcile, "write", failing_write(failing))
            result = declare(target, params)
            monkeypatch.undo()
            assert result["msg"].startswith("Asked: an RPC. Found: it fails")
            after = read_tree(client)
            assert (after.bdevs, after.subsystems) == (before.bdevs, before.subsystems)
            lost = [one for one in scenario.actions[:failing] if "and the data in it" in one]
            assert all(f"{one} (Asked: undo" in result["msg"] for one in lost)
            assert ("NOT undone" in result["msg"]) is bool(lost)
    done = declare(target, params)
    assert not done.get("failed"), done["msg"]
    assert not declare(target, params)["changed"]


def failing_write(number: int) -> Callable[[Client, Call], Any]:
    """A ``reconcile.write`` whose RPC of this number fails."""
    real, sent = reconcile.write, count()

    def write(client: Client, call: Call) -> Any:
        if next(sent) == number:
            raise LabError("an RPC", "it fails", "nothing")
        return real(client, call)

    return write


@pytest.mark.parametrize("cut_after", range(len(LAB_ACTIONS)))
def test_goes_on_where_a_run_was_cut_off(target: LiveTarget, tmp_path: Path, port: int, cut_after: int) -> None:
    """The connection is lost after some RPCs, so that nothing can be taken back either: the next run completes it."""
    with RecordingProxy(tmp_path / "proxy.sock", target.socket, cut_after=cut_after) as proxy:
        assert declare(target, lab_at(port), socket=str(proxy.path))["failed"]
    done = declare(target, lab_at(port))
    assert len(done["rpcs"]) == len(LAB_ACTIONS) - cut_after
    assert not declare(target, lab_at(port))["changed"]
    assert connect_status(port, HOST) == LET_IN


def test_absent_twice_and_foreign_survives(target: LiveTarget, port: int) -> None:
    with Client(str(target.socket)) as client:
        for method, params in FOREIGN_RPCS:
            client.call(method, params)
    before = state(target)[:2]
    declare(target, lab_at(port))
    gone = {**lab_at(port), "state": "absent"}
    assert declare(target, gone)["changed"]
    assert state(target)[:2] == before
    for check in (True, False):
        again = declare(target, gone, check=check)
        assert (again["changed"], again["foreign"]) == (False, [f"subsystem {OTHER}", "bdev other_data"])


def test_a_hundred_namespaces(target: LiveTarget) -> None:
    bdevs = [{"name": f"b{number}", "type": "null", "size_megabytes": 1} for number in range(1, 101)]
    namespaces = [{"nsid": number, "bdev": f"b{number}"} for number in range(1, 101)]
    params = {"bdevs": bdevs, "subsystems": [{"nqn": NQN, "namespaces": namespaces}]}
    start = time.monotonic()
    assert len(declare(target, params)["rpcs"]) == 201
    print(f"100 bdevs and namespaces in {time.monotonic() - start:.1f} s")
    assert not declare(target, params)["changed"]


def saved_calls(path: Path, name: str) -> list[dict[str, Any]]:
    """The saved calls of one of SPDK's own subsystems."""
    items = json.loads(path.read_text())["subsystems"]
    [calls] = [item["config"] for item in items if item["subsystem"] == name]
    assert isinstance(calls, list)
    return calls


def without_aio_uuid(found: list[Any]) -> list[Any]:
    """A state without what SPDK cannot keep: an aio bdev's own UUID, and the order of hosts."""
    bdevs, subsystems, transports = json.loads(json.dumps(found))
    for bdev in bdevs:
        if bdev["product_name"] == "AIO disk":
            del bdev["uuid"]
    for subsystem in subsystems:
        subsystem["hosts"].sort(key=lambda host: host["nqn"])
    return [bdevs, subsystems, transports]
