# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Log pages, features, registers and asynchronous events of the target, byte by byte.

Rows of the list of faults: each test names its own.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import nvme_wire as wire
from csd_live import BLOCK, CsdTarget, Subsystem
from nvme_wire import Wire

PORT = 26220
DISCOVERY_LOG = 0x70
CC, CSTS, AQA = 0x14, 0x1C, 0x24
ALL = 0xFFFFFFFF
SUCCESS, INVALID_FIELD, INVALID_NAMESPACE = (0, 0), (0, 0x02), (0, 0x0B)
INVALID_PROPERTY, NOT_NAMESPACE_SPECIFIC = (1, 0x82), (1, 0x0F)
STRANGER = "nqn.2026-11.io.hello-ebpf:stranger"


@dataclass
class World:
    """One target with one subsystem."""

    target: CsdTarget
    subsystem: Subsystem

    def admin(self, *, hostid: bytes | None = None) -> Wire:
        return wire.admin_queue(self.subsystem.port, self.subsystem.nqn, self.subsystem.host_nqn, hostid=hostid)

    def discovery(self) -> Wire:
        return wire.admin_queue(self.subsystem.port, wire.DISCOVERY, STRANGER, cc=wire.CC_ENABLE)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("wire-log")
    with CsdTarget(folder, PORT) as target:
        yield World(target, target.add_subsystem("log", bytes(1 << 20)))


def get_log(queue: Wire, log: int, length: int, offset: int = 0, *, nsid: int = 0) -> tuple[wire.Completion, bytes]:
    """Get Log Page with a buffer of just its length."""
    number = length // 4 - 1
    sqe = wire.command(
        wire.GET_LOG_PAGE,
        queue.cid(),
        nsid,
        sgl=(0, length, wire.SGL_TRANSPORT),
        dw10=log | (number & 0xFFFF) << 16,
        dw11=number >> 16,
        dw12=offset & 0xFFFFFFFF,
        dw13=offset >> 32,
    )
    return queue.call(sqe)


# ---- the discovery log


@pytest.mark.holds("base-2", "wire-2", "wire-3")
@pytest.mark.parametrize("offset", [4096, 0x10000, 0x7FFFFFFF0000, 0x400000000000, 0xFFFFFFFFFFFFFFFC])
def test_a_discovery_log_has_nothing_behind_its_end(world: World, offset: int) -> None:
    with world.discovery() as queue:
        done, data = get_log(queue, DISCOVERY_LOG, 4096, offset)
        assert (done.status, data) == (INVALID_FIELD, b"")
        # The log itself is as it was: the target lives.
        done, data = get_log(queue, DISCOVERY_LOG, 4096)
        assert done.status == SUCCESS
        assert len(data) == 4096


@pytest.mark.holds("base-2")
def test_a_discovery_log_is_read_in_parts_and_ends_in_zeroes(world: World) -> None:
    with world.discovery() as queue:
        # One record, of the listener: its subsystem admits no stranger, so that the stranger sees none.
        _, whole = get_log(queue, DISCOVERY_LOG, 4096)
        assert struct.unpack_from("<Q", whole, 8) == (0,)
        assert not any(whole[1024:])
        for offset in (0, 8, 1020):
            done, part = get_log(queue, DISCOVERY_LOG, 1024, offset)
            assert done.status == SUCCESS
            assert part == whole[offset : offset + 1024]
        done, part = get_log(queue, DISCOVERY_LOG, 4096, 1024)
        assert (done.status, part) == (SUCCESS, bytes(4096))


# ---- registers


def get_property(queue: Wire, offset: int) -> int:
    done, _ = queue.call(wire.property_get(queue.cid(), offset))
    assert done.status == SUCCESS
    return done.dw0


def set_property(queue: Wire, offset: int, value: int) -> tuple[int, int]:
    done, _ = queue.call(wire.property_set(queue.cid(), offset, value))
    return done.status


@pytest.mark.holds("base-51")
@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(1 << 1, id="reserved below"),
        pytest.param(1 << 25, id="reserved above"),
        pytest.param(1 << 7, id="page size"),
        pytest.param(1 << 11, id="arbitration"),
        pytest.param(3 << 14, id="shutdown"),
        pytest.param(2 << 4, id="command set"),
    ],
)
@pytest.mark.parametrize("begun", [0, 1 << 14 | 1, 0x00550001])
def test_cc_is_taken_as_a_whole_or_not_at_all(world: World, wrong: int, begun: int) -> None:
    """What comes with the wrong field: a disable, a shutdown, other entry sizes. Nothing of it happens."""
    if wrong == 3 << 14:
        begun &= ~wrong
    with world.admin() as queue:
        before = get_property(queue, CC), get_property(queue, CSTS)
        assert before == (wire.CC_ENABLE_ALL_SETS, 1)
        assert set_property(queue, CC, begun | wrong) == INVALID_PROPERTY
        assert (get_property(queue, CC), get_property(queue, CSTS)) == before


@pytest.mark.holds("base-51")
@pytest.mark.parametrize("value", [0xF01FF01F, 0x1000001F, 0x001F1000, 0x00800080])
def test_aqa_takes_no_reserved_bits_and_no_more_than_the_queues_have(world: World, value: int) -> None:
    with world.admin() as queue:
        assert set_property(queue, AQA, 0x001F001F) == SUCCESS
        assert set_property(queue, AQA, value) == INVALID_PROPERTY
        assert get_property(queue, AQA) == 0x001F001F


# ---- features and logs of the controller


@pytest.mark.holds("base-52")
def test_a_feature_of_the_controller_is_not_set_for_a_namespace(world: World) -> None:
    with world.admin() as queue:
        for feature in (0x01, 0x02, 0x04, 0x05, 0x06, 0x07, 0x0A, 0x0B):
            for nsid, expected in ((1, NOT_NAMESPACE_SPECIFIC), (99, NOT_NAMESPACE_SPECIFIC), (0, SUCCESS)):
                done, _ = queue.call(wire.command(wire.SET_FEATURES, queue.cid(), nsid, dw10=feature))
                assert (feature, nsid, done.status) == (feature, nsid, expected)
            for nsid, expected in ((1, SUCCESS), (99, INVALID_NAMESPACE), (0, SUCCESS), (ALL, SUCCESS)):
                done, _ = queue.call(wire.command(wire.GET_FEATURES, queue.cid(), nsid, dw10=feature))
                assert (feature, nsid, done.status) == (feature, nsid, expected)


@pytest.mark.holds("base-52")
@pytest.mark.parametrize("log", [0x01, 0x02, 0x03, 0x04, 0x80])
def test_a_log_of_the_controller_is_no_namespaces(world: World, log: int) -> None:
    with world.admin() as queue:
        found = {nsid: get_log(queue, log, 512, nsid=nsid)[0].status for nsid in (0, ALL, 1, 99)}
        assert found == {0: SUCCESS, ALL: SUCCESS, 1: INVALID_FIELD, 99: INVALID_FIELD}


@pytest.mark.holds("base-52")
def test_compare_and_write_is_atomic_for_one_block_and_says_so(world: World) -> None:
    """ACWU and NACWU count from 0; two blocks are refused."""
    with (
        world.admin() as admin,
        wire.io_queue(admin, world.subsystem.port, world.subsystem.nqn, world.subsystem.host_nqn) as queue,
    ):
        _, controller = admin.call(wire.command(wire.IDENTIFY, admin.cid(), dw10=1, sgl=(0, 4096, 0x5A)))
        _, namespace = admin.call(wire.command(wire.IDENTIFY, admin.cid(), 1, dw10=0, sgl=(0, 4096, 0x5A)))
        assert struct.unpack_from("<H", controller, 532) == (0,)
        assert struct.unpack_from("<H", namespace, 38) == (0,)
        for blocks, expected in ((1, [SUCCESS, SUCCESS]), (2, None)):
            sgl = (0, blocks * BLOCK, wire.SGL_TRANSPORT)
            room = {cid: bytes(blocks * BLOCK) for cid in (101, 102)}
            queue.send(
                wire.capsule(wire.command(wire.COMPARE, 101, 1, flags=0x41, sgl=sgl, dw12=blocks - 1)),
                wire.capsule(wire.command(wire.WRITE, 102, 1, flags=0x42, sgl=sgl, dw12=blocks - 1)),
            )
            found = {done.cid: done.status for done, _ in (queue.answer(room) for _ in room)}
            if expected is None:
                assert SUCCESS not in found.values()
            else:
                assert [found[101], found[102]] == expected


# ---- asynchronous events


def reservation_call(queue: Wire, opcode: int, data: bytes, *, dw10: int = 0) -> tuple[int, int]:
    sgl = (0, len(data), wire.SGL_IN_CAPSULE)
    done, _ = queue.call(wire.command(opcode, queue.cid(), 1, sgl=sgl, dw10=dw10), data, in_capsule=True)
    return done.status


def test_events_that_find_no_request_wait_for_the_next_one(world: World) -> None:
    """Row 53: there are two kinds, and each has a place of its own."""
    nqn, host, port, identity = world.subsystem.nqn, world.subsystem.host_nqn, world.subsystem.port, bytes(range(16))
    register, release, clear, key = 0x0D, 0x15, 1, 7
    with (
        world.admin() as queue,
        world.admin(hostid=identity) as other,
        wire.io_queue(queue, port, nqn, host) as mine,
        wire.io_queue(other, port, nqn, host, hostid=identity) as theirs,
    ):
        for io in (mine, theirs):
            assert reservation_call(io, register, struct.pack("<QQ", 0, key)) == SUCCESS
        # The other registrants are told.
        assert reservation_call(theirs, release, struct.pack("<Q", key), dw10=clear) == SUCCESS
        world.target.call("bdev_malloc_create", {"name": "event", "num_blocks": 256, "block_size": BLOCK})
        world.target.call("nvmf_subsystem_add_ns", {"nqn": nqn, "namespace": {"bdev_name": "event", "nsid": 5}})
        found = set()
        for _ in range(2):
            done, _ = queue.call(wire.command(wire.ASYNC_EVENT, queue.cid()))
            assert done.status == SUCCESS
            found.add(done.dw0)
        # Log, information, type: changed namespaces, and reservations.
        assert found == {0x04 << 16 | 0x00 << 8 | 0x02, 0x80 << 16 | 0x00 << 8 | 0x06}
