# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""What connections may take: how many, for how long, and how much of what hosts share; strangers, and hosts let in."""

from __future__ import annotations

import contextlib
import select
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.hello_ebpf.errors import LabError

import nvme_wire as wire
from csd_live import CsdTarget, Subsystem
from open_files import open_files
from waiting import until

pytestmark = pytest.mark.holds("base-18")

PORT = 26800
BLOCK = 4096
SGL = wire.SGL_TRANSPORT
SEQUENCE_ERROR = (0, 0x0C)
SUCCESS = (0, 0)
CONTROLLER_BUSY = (1, 0x81)
OTHER = "nqn.2026-11.io.hello-ebpf:other"
#: docs/security.md tells them.
LIMITS = {
    "max_connections": 384,
    "max_connections_per_host": 160,
    "max_pending_connections": 128,
    "connect_timeout": 10_000,
    "transfer_timeout": 30_000,
}


@contextlib.contextmanager
def served(folder: Path, **transport: Any) -> Iterator[tuple[CsdTarget, Subsystem]]:
    """A target with these options of its transport, and one subsystem that lets two hosts in."""
    with CsdTarget(folder, PORT, transport=transport) as target:
        subsystem = target.add_subsystem("limits", bytes(range(256)) * 4096)
        target.call("nvmf_subsystem_add_host", {"nqn": subsystem.nqn, "host": OTHER})
        yield target, subsystem


def read_block(io: wire.Wire) -> bytes:
    done, data = io.call(wire.command(wire.READ, io.cid(), 1, sgl=(0, BLOCK, SGL), dw10=1))
    assert done.status == SUCCESS
    return data


@contextlib.contextmanager
def host(subsystem: Subsystem) -> Iterator[wire.Wire]:
    """A host that is let in, by its I/O queue."""
    place = (subsystem.port, subsystem.nqn, subsystem.host_nqn)
    with wire.admin_queue(*place) as admin, wire.io_queue(admin, *place) as io:
        yield io


def connections(target: CsdTarget) -> int:
    """How many sockets of the target have a peer, or had one, by the kernel's table."""
    inodes = {name.removeprefix("socket:[").removesuffix("]") for name in open_files(target.pid)}
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[3] in {"01", "08"} and row[9] in inodes for row in rows)


def wait_for_connections(target: CsdTarget, wanted: int) -> None:
    until(
        f"{wanted} connections",
        lambda: connections(target) == wanted,
        found=lambda: f"There are {connections(target)}",
    )


def test_before_connect_nothing_takes_a_buffer(tmp_path: Path) -> None:
    """Commands with data that come before Connect are refused, and no R2T asks for their data."""
    with served(tmp_path) as (_, subsystem), wire.Wire(subsystem.port) as stranger:
        stranger.initialize()
        for opcode in (wire.WRITE, wire.READ, wire.IDENTIFY):
            done, data = stranger.call(wire.command(opcode, stranger.cid(), 1, sgl=(0, 65536, SGL)))
            assert (done.status, data) == (SEQUENCE_ERROR, b"")
        # SPDK's own initiator lets the target fetch Connect's data: one buffer, and no more.
        done, _ = stranger.call(wire.connect_command(stranger.cid(), sgl=(0, 1 << 17, SGL)), bytes(1 << 17))
        assert done.status[1] != SUCCESS[1]
        done, _ = stranger.call(wire.connect_command(stranger.cid(), sgl=(0, (1 << 17) + 1, SGL)))
        assert done.status == SEQUENCE_ERROR
        assert stranger.connect(subsystem.nqn, subsystem.host_nqn).status == SUCCESS


def test_the_oldest_stranger_makes_room(tmp_path: Path) -> None:
    """Of more strangers than there may be the oldest goes; hosts that are in stay, and another one comes in."""
    with contextlib.ExitStack() as stack:
        _, subsystem = stack.enter_context(served(tmp_path, max_pending_connections=4))
        io = stack.enter_context(host(subsystem))
        strangers = [stack.enter_context(wire.Wire(subsystem.port)) for _ in range(5)]
        assert strangers[0].ended() == []
        for stranger in strangers[1:]:
            stranger.initialize()
        other = stack.enter_context(host(subsystem))
        assert read_block(other) == read_block(io)


def test_no_more_connections_than_are_declared(tmp_path: Path) -> None:
    """One connection more than max_connections is closed; when one has gone, another comes in."""
    with served(tmp_path, max_connections=3) as (target, subsystem):
        with wire.Wire(subsystem.port) as third:
            third.initialize()
            with host(subsystem) as io:
                with wire.Wire(subsystem.port) as fourth:
                    assert fourth.ended() == []
                read_block(io)
        wait_for_connections(target, 0)
        with host(subsystem) as io:
            read_block(io)


@pytest.mark.parametrize("begin", ["silent", "half an ICReq", "ICReq", "half a Connect"])
def test_a_connection_has_a_deadline_for_connect(tmp_path: Path, begin: str) -> None:
    """A connection that does not come to its Connect is ended, wherever it stopped; one that discovers is not."""
    with served(tmp_path, connect_timeout=2000) as (_, subsystem):
        found = wire.admin_queue(subsystem.port, wire.DISCOVERY, subsystem.host_nqn, cc=wire.CC_ENABLE)
        with found, host(subsystem) as io, wire.Wire(subsystem.port) as stranger:
            sent = {"silent": b"", "half an ICReq": wire.icreq()[:60]}
            if begin in sent:
                stranger.send(sent[begin])
            else:
                stranger.initialize()
            if begin == "half a Connect":
                stranger.send(wire.capsule(wire.connect_command(1), bytes(1024))[:600])
            assert stranger.ended() == []
            read_block(io)
            done, _ = found.call(wire.command(wire.GET_LOG_PAGE, found.cid(), sgl=(0, 1024, SGL), dw10=0xFF0070))
            assert done.status == SUCCESS


@pytest.mark.parametrize("how", ["no H2CData", "half of them", "half a capsule", "nothing is read"])
def test_data_under_way_have_a_deadline(tmp_path: Path, how: str) -> None:
    """Data that make no progress end their connection; others go on."""
    with contextlib.ExitStack() as stack:
        _, subsystem = stack.enter_context(served(tmp_path, transfer_timeout=1000))
        io = stack.enter_context(host(subsystem))
        slow = stack.enter_context(host(subsystem))
        if how == "nothing is read":
            for cid in range(31):
                slow.send(wire.capsule(wire.command(wire.READ, cid, 1, sgl=(0, 131072, SGL), dw12=31)))
        elif how == "half a capsule":
            whole = wire.capsule(wire.command(wire.WRITE, 1, 1, sgl=(0, BLOCK, 1)), bytes(BLOCK))
            slow.send(whole[:1000])
        else:
            slow.send(wire.capsule(wire.command(wire.WRITE, 1, 1, sgl=(0, 65536, SGL), dw12=15)))
            asked = slow.pdu()
            assert asked.type == wire.R2T
            if how == "half of them":
                ttag = struct.unpack_from("<H", asked.raw, 10)[0]
                slow.send(wire.h2c_data(1, ttag, 0, bytes(4096), last=False))
        if how == "nothing is read":
            # It sees its end by what it sends: nobody takes that any more.
            until("nobody takes what it sends", lambda: not takes_more(slow), 300)
        else:
            slow.ended()
        read_block(io)


def takes_more(queue: wire.Wire) -> bool:
    try:
        queue.send(wire.capsule(wire.command(wire.FLUSH, 31, 1)) * 100)
    except (wire.ClosedError, TimeoutError):
        return False
    return True


def test_a_host_has_a_share_of_the_connections(tmp_path: Path) -> None:
    """A host that has its share of connections is told Controller Busy; another host comes in, and itself later."""
    with served(tmp_path, max_connections_per_host=3) as (target, subsystem), host(subsystem) as io:
        place = (subsystem.port, subsystem.nqn)
        third = wire.admin_queue(*place, subsystem.host_nqn)
        with third, wire.Wire(subsystem.port) as fourth, wire.admin_queue(*place, OTHER):
            fourth.initialize()
            assert fourth.connect(subsystem.nqn, subsystem.host_nqn).status == CONTROLLER_BUSY
            read_block(io)
        wait_for_connections(target, 2)
        with wire.admin_queue(*place, subsystem.host_nqn):
            read_block(io)


@pytest.mark.holds("wire-9")
@pytest.mark.parametrize("opcode", [wire.WRITE, wire.READ], ids=["Writes without data", "Reads that nobody takes"])
def test_a_host_has_a_share_of_the_buffers(tmp_path: Path, opcode: int) -> None:
    """One host asks for more buffers than there are; another one's commands go on, and in the end all are answered."""
    with contextlib.ExitStack() as stack:
        _, subsystem = stack.enter_context(served(tmp_path, num_shared_buffers=32, buf_cache_size=8))
        io = stack.enter_context(host(subsystem))
        place = (subsystem.port, subsystem.nqn, OTHER)
        greedy = stack.enter_context(wire.admin_queue(*place))
        # What nobody takes must stay with the target, not in the kernel's memory.
        queues = [
            stack.enter_context(wire.io_queue(greedy, *place, qid=qid, sqsize=127, receive_buffer=65536))
            for qid in (1, 2)
        ]
        for queue in queues:
            queue.send(
                *(wire.capsule(wire.command(opcode, cid, 1, sgl=(0, 131072, SGL), dw12=31)) for cid in range(60))
            )
        for _ in range(100):
            read_block(io)
        # Its share has gone to the one or the other of its queues.
        for _ in range(2 * 60):
            ready, _, _ = select.select([queue.socket for queue in queues], [], [], wire.TIMEOUT)
            assert ready, "no queue of the greedy host goes on"
            queue = next(queue for queue in queues if queue.socket is ready[0])
            done, data = queue.answer(dict.fromkeys(range(60), bytes(131072)))
            assert (done.status, len(data)) == (SUCCESS, 131072 if opcode == wire.READ else 0)


def test_buffers_of_a_connect_go_back_to_whom_they_came_from(tmp_path: Path) -> None:
    """A Connect takes its buffer before its connection is a host's: both shares are right afterwards, however often."""
    with served(tmp_path, num_shared_buffers=32, buf_cache_size=8) as (_, subsystem), host(subsystem) as io:
        names = wire.connect_data(subsystem.nqn, subsystem.host_nqn)
        for _ in range(20):
            with wire.Wire(subsystem.port) as queue:
                queue.initialize()
                done, _ = queue.call(wire.connect_command(queue.cid(), sgl=(0, 1024, SGL)), names)
                assert done.status == SUCCESS
                read_block(io)


def test_a_connect_that_waits_while_another_is_answered(tmp_path: Path) -> None:
    """It waits for a buffer of those who are in no subsystem, and gets it, though its connection is in one by then."""
    with served(tmp_path, num_shared_buffers=32, buf_cache_size=8) as (_, subsystem), host(subsystem) as io:
        names = wire.connect_data(subsystem.nqn, subsystem.host_nqn)
        with wire.Wire(subsystem.port) as queue:
            with wire.Wire(subsystem.port) as stranger:
                stranger.initialize()
                stranger.send(*(wire.capsule(wire.connect_command(cid, sgl=(0, 1024, SGL))) for cid in range(16)))
                assert [stranger.pdu().type for _ in range(16)] == [wire.R2T] * 16
                queue.initialize()
                queue.send(
                    wire.capsule(wire.connect_command(1, sgl=(0, 1024, SGL))),
                    wire.capsule(wire.connect_command(2), names),
                )
                done, _ = queue.answer()
                assert (done.cid, done.status) == (2, SUCCESS)
                read_block(io)
            done, _ = queue.answer({1: names})
            assert done.cid == 1
            assert done.status != SUCCESS
            read_block(io)


def test_a_limit_of_nothing_is_refused(tmp_path: Path) -> None:
    """A limit or timeout of 0 makes no transport, and leaves the one that is there."""
    with served(tmp_path) as (target, subsystem):
        for option in LIMITS:
            with pytest.raises(LabError, match="nvmf_create_transport"):
                target.call("nvmf_create_transport", {"trtype": "TCP", option: 0})
        [transport] = target.call("nvmf_get_transports")
        assert {name: transport[name] for name in LIMITS} == LIMITS
        assert transport["max_buffers_per_host"] == transport["num_shared_buffers"] // 2
        with host(subsystem) as io:
            read_block(io)
