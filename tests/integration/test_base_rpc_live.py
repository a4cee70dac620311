# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""JSON-RPC of a real csd_tgt: changes that come together, requests that are no JSON, and options that do not fit."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.hello_ebpf.jsonrpc import RpcError

from csd_live import CsdTarget
from nvme_wire import (
    READ,
    SGL_TRANSPORT,
    Wire,
    admin_queue,
    capsule,
    command,
    connect_command,
    connect_data,
    icreq,
    io_queue,
)

PORT = 26320
NQN = "nqn.2026-11.io.hello-ebpf:base-rpc"
HOST = "nqn.2026-11.io.hello-ebpf:base-rpc-host"
BLOCK = 512


def address(port: int = PORT) -> dict[str, str]:
    return {"trtype": "TCP", "adrfam": "IPv4", "traddr": "127.0.0.1", "trsvcid": str(port)}


class Raw:
    """One connection to the RPC socket that takes any bytes; answers are the target's, one JSON value after another."""

    def __init__(self, target: CsdTarget) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(15)
        self.socket.connect(str(target.socket))
        self._received = ""

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def together(self, *calls: tuple[str, dict[str, Any]]) -> None:
        """All requests in one segment; their identifiers are 1, 2, ..."""
        self.send(b"".join(request(number, *call) for number, call in enumerate(calls, 1)))

    def answer(self) -> dict[str, Any]:
        """The next one. Raises TimeoutError, or EOFError when the target has closed the connection."""
        while True:
            try:
                value, end = json.JSONDecoder().raw_decode(self._received.lstrip())
            except ValueError:
                data = self.socket.recv(65536)
                if not data:
                    raise EOFError(self._received) from None
                self._received += data.decode()
                continue
            self._received = self._received.lstrip()[end:]
            found: dict[str, Any] = value
            return found

    def ended(self) -> None:
        """Wait until the target ends the connection. Raises TimeoutError when it does not."""
        try:
            while True:
                self.answer()
        except (EOFError, ConnectionResetError):
            return

    def answers(self, count: int) -> dict[int, dict[str, Any]]:
        """So many, by identifier."""
        found = [self.answer() for _ in range(count)]
        assert len({answer["id"] for answer in found}) == count, found
        return {answer["id"]: answer for answer in found}


def request(number: int, method: str, params: dict[str, Any] | None = None) -> bytes:
    value: dict[str, Any] = {"jsonrpc": "2.0", "id": number, "method": method}
    if params:
        value["params"] = params
    return json.dumps(value).encode()


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CsdTarget]:
    target = CsdTarget(tmp_path_factory.mktemp("base_rpc"), PORT)
    target.start()
    try:
        yield target
        target.stop()
    finally:
        target.kill()


@pytest.fixture
def raw(target: CsdTarget) -> Iterator[Raw]:
    with Raw(target) as raw:
        yield raw


@pytest.fixture
def subsystem(target: CsdTarget) -> Iterator[str]:
    """Three malloc namespaces and a listener. A test may have taken any of it away."""
    target.call("nvmf_create_subsystem", {"nqn": NQN, "serial_number": "BASERPC", "max_namespaces": 8})
    for nsid in (1, 2, 3):
        target.call("bdev_malloc_create", {"name": f"m{nsid}", "num_blocks": 2048, "block_size": BLOCK})
        target.call("nvmf_subsystem_add_ns", {"nqn": NQN, "namespace": {"bdev_name": f"m{nsid}", "nsid": nsid}})
    target.call("nvmf_subsystem_add_host", {"nqn": NQN, "host": HOST})
    target.call("nvmf_subsystem_add_listener", {"nqn": NQN, "listen_address": address()})
    yield NQN
    if subsystems(target).get(NQN) is not None:
        target.call("nvmf_delete_subsystem", {"nqn": NQN})
    for bdev in target.call("bdev_get_bdevs"):
        target.call("bdev_malloc_delete", {"name": bdev["name"]})


def subsystems(target: CsdTarget) -> dict[str, dict[str, Any]]:
    return {found["nqn"]: found for found in target.call("nvmf_get_subsystems")}


def bdevs(target: CsdTarget) -> set[str]:
    return {bdev["name"] for bdev in target.call("bdev_get_bdevs")}


def namespaces(target: CsdTarget) -> list[int]:
    return [namespace["nsid"] for namespace in subsystems(target)[NQN]["namespaces"]]


@pytest.mark.holds("base-16")
def test_bdevs_of_one_subsystem_that_are_deleted_together(target: CsdTarget, raw: Raw, subsystem: str) -> None:
    raw.together(*(("bdev_malloc_delete", {"name": f"m{nsid}"}) for nsid in (1, 2, 3)))
    assert all(answer["result"] is True for answer in raw.answers(3).values())
    assert namespaces(target) == []
    assert bdevs(target) == set()


@pytest.mark.holds("base-16")
def test_changes_of_one_subsystem_that_come_together(target: CsdTarget, raw: Raw, subsystem: str) -> None:
    """Each waits for its turn, with a host's command under way too."""
    target.call("bdev_malloc_create", {"name": "m4", "num_blocks": 2048, "block_size": BLOCK})
    with admin_queue(PORT, NQN, HOST) as admin, io_queue(admin, PORT, NQN, HOST) as queue:
        queue.send(*(capsule(command(READ, queue.cid(), 2, sgl=(0, BLOCK, SGL_TRANSPORT))) for _ in range(16)))
        raw.together(
            ("bdev_malloc_delete", {"name": "m1"}),
            ("nvmf_subsystem_add_host", {"nqn": NQN, "host": f"{HOST}-2"}),
            ("nvmf_subsystem_add_ns", {"nqn": NQN, "namespace": {"bdev_name": "m4", "nsid": 4}}),
            ("nvmf_subsystem_add_listener", {"nqn": NQN, "listen_address": address(PORT + 1)}),
            ("nvmf_subsystem_remove_ns", {"nqn": NQN, "nsid": 3}),
            ("bdev_malloc_delete", {"name": "m3"}),
            ("nvmf_subsystem_allow_any_host", {"nqn": NQN, "allow_any_host": True}),
            ("nvmf_subsystem_remove_host", {"nqn": NQN, "host": f"{HOST}-2"}),
            ("nvmf_subsystem_remove_listener", {"nqn": NQN, "listen_address": address(PORT + 1)}),
        )
        answers = raw.answers(9)
        assert [answers[number].get("result") for number in sorted(answers)] == [*(True, True, 4, *(True,) * 6)]
        for _ in range(16):
            done, _ = queue.answer()
            assert done.status == (0, 0)
    found = subsystems(target)[NQN]
    assert [namespace["nsid"] for namespace in found["namespaces"]] == [2, 4]
    assert [host["nqn"] for host in found["hosts"]] == [HOST]
    assert [listener["trsvcid"] for listener in found["listen_addresses"]] == [str(PORT)]
    assert bdevs(target) == {"m2", "m4"}


@pytest.mark.holds("base-16")
def test_changes_that_come_with_the_end_of_their_subsystem(target: CsdTarget, raw: Raw, subsystem: str) -> None:
    """All are answered; what waits for a subsystem that goes is refused, and its bdevs can still be deleted."""
    with admin_queue(PORT, NQN, HOST):
        raw.together(
            ("nvmf_subsystem_add_host", {"nqn": NQN, "host": f"{HOST}-2"}),
            ("nvmf_delete_subsystem", {"nqn": NQN}),
            ("nvmf_delete_subsystem", {"nqn": NQN}),
            ("bdev_malloc_delete", {"name": "m1"}),
            ("nvmf_subsystem_add_host", {"nqn": NQN, "host": f"{HOST}-3"}),
        )
        answers = raw.answers(5)
    assert [answers[number].get("result") for number in sorted(answers)] == [True, True, None, True, None]
    assert NQN not in subsystems(target)
    assert bdevs(target) == {"m2", "m3"}


@pytest.mark.holds("base-16")
def test_many_changes_leave_room_for_more(target: CsdTarget, raw: Raw, subsystem: str) -> None:
    """A request that is never answered keeps one of 64 places."""
    for _ in range(4):
        raw.together(*(("nvmf_subsystem_add_host", {"nqn": NQN, "host": f"{HOST}-{at}"}) for at in range(30)))
        assert all(answer["result"] is True for answer in raw.answers(30).values())
    assert len(subsystems(target)[NQN]["hosts"]) == 31


@pytest.mark.holds("base-34")
def test_connections_that_break_with_a_request_at_work_keep_no_place(target: CsdTarget, subsystem: str) -> None:
    """The target takes 64 connections. What follows the request is no JSON, so it ends this one."""
    for at in range(130):
        with Raw(target) as raw:
            raw.send(request(1, "nvmf_subsystem_add_host", {"nqn": NQN, "host": f"{HOST}-{at}"}) + b"}")
            raw.ended()
    with Raw(target) as raw:
        raw.together(("spdk_get_version", {}))
        assert "result" in raw.answer()


@pytest.mark.holds("base-34")
def test_a_namespace_that_is_not_added_is_answered_once(target: CsdTarget, raw: Raw, subsystem: str) -> None:
    raw.together(
        ("nvmf_subsystem_add_ns", {"nqn": NQN, "namespace": {"bdev_name": "nobody"}}),
        ("nvmf_subsystem_add_ns", {"nqn": NQN, "namespace": {"bdev_name": "m1", "nsid": 9}}),
        ("spdk_get_version", {}),
    )
    answers = raw.answers(3)
    assert ["error" in answers[number] for number in (1, 2, 3)] == [True, True, False]
    assert namespaces(target) == [1, 2, 3]


@pytest.mark.holds("base-60")
@pytest.mark.parametrize(
    "number", ["18446744073709551616", "30000000000000000000", "99999999999999999999", "3e19", "0e9000000000000000000"]
)
def test_numbers_that_do_not_fit_are_refused(target: CsdTarget, raw: Raw, number: str) -> None:
    """At once: a loop over the exponent of the last one would hold the reactor."""
    params = f'{{"name": "wide", "num_blocks": {number}, "block_size": 512}}'
    raw.send(f'{{"jsonrpc": "2.0", "id": 1, "method": "bdev_null_create", "params": {params}}}'.encode())
    assert "error" in raw.answer()
    assert "wide" not in bdevs(target)


@pytest.mark.holds("base-38")
def test_bdevs_that_are_deleted_while_their_statistics_are_read(target: CsdTarget, raw: Raw, subsystem: str) -> None:
    """Reading statistics walks over the channels of all devices, which takes the target longer than the deletions."""
    statistics = request(1, "bdev_get_iostat") * 24
    for _ in range(4):
        names = [f"walked{at}" for at in range(5)]
        for name in names:
            target.call("bdev_malloc_create", {"name": name, "num_blocks": 64, "block_size": BLOCK})
            target.call("nvmf_subsystem_add_ns", {"nqn": NQN, "namespace": {"bdev_name": name}})
        readers = [Raw(target) for _ in range(6)]
        try:
            for reader in readers[:3]:
                reader.send(statistics)
            raw.together(*(("bdev_malloc_delete", {"name": name}) for name in names))
            for reader in readers:
                reader.send(statistics)
            assert all(answer["result"] is True for answer in raw.answers(5).values())
            for count, reader in zip((48, 48, 48, 24, 24, 24), readers, strict=True):
                for _ in range(count):
                    assert "result" in reader.answer()
        finally:
            for reader in readers:
                reader.socket.close()
    assert namespaces(target) == [1, 2, 3]


@pytest.mark.holds("base-32")
def test_a_listener_of_another_subsystem_stays(target: CsdTarget, raw: Raw, subsystem: str) -> None:
    target.call("nvmf_create_subsystem", {"nqn": f"{NQN}-2", "serial_number": "BASERPC2"})
    try:
        raw.together(("nvmf_subsystem_remove_listener", {"nqn": f"{NQN}-2", "listen_address": address()}))
        assert "error" in raw.answer()
        with admin_queue(PORT, NQN, HOST) as admin:
            assert admin.controller > 0
    finally:
        target.call("nvmf_delete_subsystem", {"nqn": f"{NQN}-2"})


@pytest.mark.holds("base-33", "base-25")
def test_options_of_a_transport_that_do_not_fit(tmp_path: Path) -> None:
    target = CsdTarget(tmp_path, PORT, megabytes=256)
    target.start(transport=False)
    try:
        for options in (
            {"io_unit_size": 0},
            {"max_io_size": 0},
            {"max_io_size": 2048, "io_unit_size": 2048},
            {"io_unit_size": 512, "max_io_size": 8192},
            {"max_io_size": 2097153, "io_unit_size": 131072},
            {"max_io_size": 1048576, "io_unit_size": 8192, "num_shared_buffers": 127, "buf_cache_size": 0},
            {"max_io_size": 1048576, "num_shared_buffers": 7, "buf_cache_size": 0},
            {"buf_cache_size": 2**31},
            {"max_queue_depth": 0},
            {"max_io_qpairs_per_ctrlr": 65535},
            {"max_io_qpairs_per_ctrlr": 0},
            {"in_capsule_data_size": 0},
            {"in_capsule_data_size": 4100},
            {"max_aq_depth": 65536},
        ):
            with pytest.raises(RpcError):
                target.call("nvmf_create_transport", {"trtype": "TCP", **options})
            assert target.call("nvmf_get_transports") == []
        fitting = {"max_io_size": 1048576, "io_unit_size": 65536, "num_shared_buffers": 64, "buf_cache_size": 8}
        assert target.call("nvmf_create_transport", {"trtype": "TCP", **fitting}) is True
    finally:
        target.kill()


@pytest.mark.holds("base-65")
def test_a_device_that_cannot_be_split(target: CsdTarget, raw: Raw, subsystem: str) -> None:
    """Nothing keeps it open: it can be deleted, and split when nobody else has it."""
    target.call("bdev_malloc_create", {"name": "whole", "num_blocks": 2048, "block_size": BLOCK})
    target.call("bdev_malloc_create", {"name": "wholep0", "num_blocks": 64, "block_size": BLOCK})
    wrong: list[dict[str, Any]] = [
        {"base_bdev": "m1", "split_count": 2},
        {"base_bdev": "whole", "split_count": 2**32 - 1},
        {"base_bdev": "whole", "split_count": 2, "split_size_mb": 2**44},
        {"base_bdev": "whole", "split_count": 2, "split_size_mb": 2},
        {"base_bdev": "whole", "split_count": 2},
    ]
    for params in wrong:
        with pytest.raises(RpcError):
            target.call("bdev_split_create", params)
    raw.together(("bdev_malloc_delete", {"name": "m1"}), ("bdev_malloc_delete", {"name": "wholep0"}))
    assert all(answer["result"] is True for answer in raw.answers(2).values())
    assert target.call("bdev_split_create", {"base_bdev": "whole", "split_count": 2}) == ["wholep0", "wholep1"]
    assert target.call("bdev_split_delete", {"base_bdev": "whole"}) is True
    raw.together(("bdev_malloc_delete", {"name": "whole"}))
    assert raw.answer()["result"] is True


@pytest.mark.holds("base-64")
@pytest.mark.parametrize(("limit", "value"), [("rw_mbytes_per_sec", 2**44 + 1), ("rw_ios_per_sec", 2**64 - 2)])
def test_rate_limits_that_wrap_are_refused(target: CsdTarget, subsystem: str, limit: str, value: int) -> None:
    with pytest.raises(RpcError):
        target.call("bdev_set_qos_limit", {"name": "m1", limit: value})
    assert not any(target.call("bdev_get_bdevs", {"name": "m1"})[0]["assigned_rate_limits"].values())


@pytest.mark.holds("base-59")
def test_the_configuration_that_is_saved(target: CsdTarget, subsystem: str, tmp_path: Path) -> None:
    latencies = dict.fromkeys(("avg_read_latency", "p99_read_latency", "avg_write_latency", "p99_write_latency"), 10)
    file = str(tmp_path / "reservations.json")
    target.call("bdev_malloc_create", {"name": "quick", "num_blocks": 64, "block_size": BLOCK})
    target.call("bdev_delay_create", {"name": "late", "base_bdev_name": "quick", **latencies})
    namespace = {"bdev_name": "late", "nsid": 4, "ptpl_file": file}
    target.call("nvmf_subsystem_add_ns", {"nqn": NQN, "namespace": namespace})
    try:
        saved = [call for call in target.call("framework_get_config", {"name": "bdev"}) if call]
        delays = [call["params"]["base_bdev_name"] for call in saved if call["method"] == "bdev_delay_create"]
        assert delays == ["quick"]
        calls = target.call("framework_get_config", {"name": "nvmf"})
        transport = next(call["params"] for call in calls if call["method"] == "nvmf_create_transport")
        found = target.call("nvmf_get_transports")[0]
        assert {name: transport.get(name) for name in found} == found
        added = [call["params"]["namespace"] for call in calls if call["method"] == "nvmf_subsystem_add_ns"]
        assert [one.get("ptpl_file") for one in added] == [None, None, None, file]
    finally:
        target.call("bdev_delay_delete", {"name": "late"})


@pytest.mark.holds("base-67")
def test_hosts_that_connect_while_the_target_ends(tmp_path: Path) -> None:
    """The connections wait, and the signal with them: the target finds both when it goes on."""
    port = PORT + 2
    target = CsdTarget(tmp_path, port, megabytes=256)
    target.start()
    try:
        target.call("nvmf_create_subsystem", {"nqn": NQN, "serial_number": "BASERPC", "allow_any_host": True})
        target.call("nvmf_subsystem_add_listener", {"nqn": NQN, "listen_address": address(port)})
        os.kill(target.pid, signal.SIGSTOP)
        try:
            hosts = [Wire(port) for _ in range(100)]
            for host in hosts:
                host.send(icreq(), capsule(connect_command(), connect_data(NQN, HOST)))
            os.kill(target.pid, signal.SIGTERM)
        finally:
            os.kill(target.pid, signal.SIGCONT)
        target.ended()
        assert not target.socket.exists()
        for host in hosts:
            host.close()
    finally:
        target.kill()


@pytest.mark.holds("base-66")
def test_an_error_device_fails_once_unless_told_otherwise(target: CsdTarget, subsystem: str) -> None:
    target.call("bdev_malloc_create", {"name": "sound", "num_blocks": 64, "block_size": BLOCK})
    target.call("bdev_error_create", {"base_name": "sound"})
    target.call("nvmf_subsystem_add_ns", {"nqn": NQN, "namespace": {"bdev_name": "EE_sound", "nsid": 4}})
    try:
        target.call("bdev_error_inject_error", {"name": "EE_sound", "io_type": "read", "error_type": "failure"})
        with admin_queue(PORT, NQN, HOST) as admin, io_queue(admin, PORT, NQN, HOST) as queue:
            status = []
            for _ in range(2):
                done, _ = queue.call(command(READ, queue.cid(), 4, sgl=(0, BLOCK, SGL_TRANSPORT)))
                status.append(done.status == (0, 0))
        assert status == [False, True]
    finally:
        target.call("bdev_error_delete", {"name": "EE_sound"})
