# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Data of another length than the command's fields say, bytes that are not the asker's, and work without end.

Rows of the list of faults: each test names its own.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

import nvme_wire as wire
from csd_live import BLOCK, CsdTarget, Subsystem
from nvme_wire import SGL_IN_CAPSULE, SGL_TRANSPORT, Wire

PORT = 26050
SUCCESS, INVALID_OPCODE, INVALID_FIELD = (0, 0), (0, 0x01), (0, 0x02)
LENGTH_INVALID, LBA_OUT_OF_RANGE, SIZE_LIMIT_EXCEEDED = (0, 0x0F), (0, 0x80), (1, 0x83)
INVALID_PROPERTY = (1, 0x82)
WRITE_ZEROES, RESERVATION_REPORT = 0x08, 0x0E
MAX_IO = 1 << 20
UNIT = 128 << 10
#: Namespaces besides csd_live's 1 to 3: a malloc device, and a null device.
FILE, MALLOC, NULL = 1, 4, 5
MALLOC_BLOCKS, FILE_BLOCKS = 64 << 8, 256
#: What buffers are filled with before foreign bytes are looked for.
POISON = 0xA5


@dataclass
class World:
    """One target with one subsystem, and a host of it."""

    target: CsdTarget
    subsystem: Subsystem

    def admin(self) -> Wire:
        return wire.admin_queue(self.subsystem.port, self.subsystem.nqn, self.subsystem.host_nqn)

    def io(self, admin: Wire, *, qid: int = 1) -> Wire:
        place = self.subsystem
        return wire.io_queue(admin, place.port, place.nqn, place.host_nqn, qid=qid)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("wire-data")
    with CsdTarget(folder, PORT, transport={"max_io_size": MAX_IO, "io_unit_size": UNIT}) as target:
        subsystem = target.add_subsystem("data", b"\x11" * (FILE_BLOCKS * BLOCK))
        devices = {MALLOC: ("malloc", MALLOC_BLOCKS), NULL: ("null", 1 << 20)}
        for nsid, (kind, blocks) in devices.items():
            target.call(f"bdev_{kind}_create", {"name": kind, "num_blocks": blocks, "block_size": BLOCK})
            namespace = {"bdev_name": kind, "nsid": nsid}
            target.call("nvmf_subsystem_add_ns", {"nqn": subsystem.nqn, "namespace": namespace})
        yield World(target, subsystem)


@pytest.fixture
def admin(world: World) -> Iterator[Wire]:
    with world.admin() as queue:
        yield queue


@pytest.fixture
def queue(world: World, admin: Wire) -> Iterator[Wire]:
    with world.io(admin) as opened:
        yield opened


def io_command(  # noqa: PLR0917 - in the order of the command's fields
    opcode: int, cid: int, nsid: int, lba: int, blocks: int, length: int
) -> bytes:
    """Of those that name blocks; ``length`` is the SGL's."""
    sgl = (0, length, SGL_TRANSPORT)
    return wire.command(opcode, cid, nsid, sgl=sgl, dw10=lba & 0xFFFFFFFF, dw11=lba >> 32, dw12=blocks - 1)


def ranges(*parts: tuple[int, int]) -> bytes:
    """Data of Dataset Management: (first block, count of blocks) each."""
    return b"".join(struct.pack("<IIQ", 0, blocks, lba) for lba, blocks in parts)


def deallocate(cid: int, data: bytes, count: int, *, nsid: int = MALLOC, offset: int = 0) -> bytes:
    """Dataset Management with its data in the capsule."""
    sgl = (offset, len(data), SGL_IN_CAPSULE)
    return wire.command(wire.DATASET_MANAGEMENT, cid, nsid, sgl=sgl, dw10=count - 1, dw11=4)


def poison(queue: Wire) -> None:
    """Every data buffer that the target uses next has held the pattern: by Writes of a megabyte, all at a time."""
    room = {cid: bytes([POISON]) * MAX_IO for cid in range(0x100, 0x118)}
    for place, cid in enumerate(room):
        blocks = MAX_IO // BLOCK
        queue.send(wire.capsule(io_command(wire.WRITE, cid, MALLOC, place * blocks, blocks, MAX_IO)))
    for _ in room:
        done, _ = queue.answer(room)
        assert done.status == SUCCESS


def log_page(cid: int, lid: int, dwords: int, length: int, nsid: int = 0) -> bytes:
    sgl = (0, length, SGL_TRANSPORT)
    numdl, numdu = (dwords - 1) & 0xFFFF, (dwords - 1) >> 16
    return wire.command(wire.GET_LOG_PAGE, cid, nsid, sgl=sgl, dw10=numdl << 16 | lid, dw11=numdu)


# ---- lengths


@pytest.mark.holds("base-15", "wire-1")
@pytest.mark.parametrize(
    ("blocks", "length"), [(1, MAX_IO), (1, 2 * BLOCK), (1, BLOCK + 1), (1, BLOCK - 1), (1, 0), (33, UNIT)]
)
@pytest.mark.parametrize("nsid", [FILE, MALLOC, NULL])
def test_a_read_of_another_length_than_its_blocks_is_refused(
    world: World, queue: Wire, nsid: int, blocks: int, length: int
) -> None:
    """At the device's end, where a longer one would reach behind it."""
    size = {FILE: FILE_BLOCKS, MALLOC: MALLOC_BLOCKS, NULL: 1 << 20}[nsid]
    poison(queue)
    done, data = queue.call(io_command(wire.READ, 1, nsid, size - blocks, blocks, length))
    assert (done.status, data) == (LENGTH_INVALID, b"")
    done, data = queue.call(io_command(wire.READ, 2, nsid, size - blocks, blocks, blocks * BLOCK))
    assert (done.status, len(data)) == (SUCCESS, blocks * BLOCK)


@pytest.mark.parametrize(("blocks", "length"), [(1, 2 * BLOCK), (2, BLOCK), (1, BLOCK + 1)])
@pytest.mark.parametrize("opcode", [wire.WRITE, wire.COMPARE])
def test_data_to_the_device_of_another_length_than_its_blocks_are_refused(
    queue: Wire, opcode: int, blocks: int, length: int
) -> None:
    done, _ = queue.call(io_command(opcode, 1, MALLOC, MALLOC_BLOCKS - 2, blocks, length), bytes(length))
    assert done.status == LENGTH_INVALID


@pytest.mark.holds("base-15")
@pytest.mark.parametrize("blocks", [1, 32, 33, 256])
def test_a_null_device_is_read_as_zeros(queue: Wire, blocks: int) -> None:
    poison(queue)
    done, data = queue.call(io_command(wire.READ, 1, NULL, 7, blocks, blocks * BLOCK))
    assert done.status == SUCCESS
    assert data == bytes(blocks * BLOCK)


@pytest.mark.holds("wire-1")
@pytest.mark.parametrize("length", [0, 16, 4092, 4100, 8192, MAX_IO])
@pytest.mark.parametrize("cns", [0x00, 0x01, 0x02, 0x03, 0x05, 0x06, 0x07, 0x08, 0x1C])
def test_identify_is_4096_bytes(admin: Wire, cns: int, length: int) -> None:
    done, data = admin.call(wire.command(wire.IDENTIFY, 1, 1, sgl=(0, length, SGL_TRANSPORT), dw10=cns | 0xFFFF0000))
    assert (done.status, data) == (LENGTH_INVALID, b"")


@pytest.mark.holds("wire-1")
@pytest.mark.parametrize(
    ("dwords", "length"), [(128, 516), (128, 508), (128, 0), (1, MAX_IO), (MAX_IO // 4 + 1, MAX_IO)]
)
@pytest.mark.parametrize("lid", [0x01, 0x02, 0x03, 0x04, 0x05, 0x80, 0x82, 0x83, 0x84])
def test_a_log_is_as_long_as_its_count_of_dwords(admin: Wire, lid: int, dwords: int, length: int) -> None:
    done, data = admin.call(log_page(1, lid, dwords, length, nsid=3 if lid in (0x82, 0x83, 0x84) else 0xFFFFFFFF))
    assert (done.status, data) == (LENGTH_INVALID, b"")


@pytest.mark.holds("wire-1")
@pytest.mark.parametrize("length", [15, 17, BLOCK])
def test_the_host_identifier_is_16_bytes(admin: Wire, length: int) -> None:
    sgl = (0, length, SGL_TRANSPORT)
    done, data = admin.call(wire.command(wire.GET_FEATURES, 1, sgl=sgl, dw10=0x81, dw11=1))
    assert (done.status, data) == (LENGTH_INVALID, b"")


def test_no_answer_has_bytes_of_another_command(queue: Wire, admin: Wire) -> None:
    """Whatever is asked for, in the longest transfer that its fields allow: what no handler writes is zeros."""
    poison(queue)
    whole = (0, MAX_IO, SGL_TRANSPORT)
    asked = [log_page(0, lid, MAX_IO // 4, MAX_IO, nsid) for lid in range(256) for nsid in (0xFFFFFFFF, 3)]
    asked += [wire.command(wire.IDENTIFY, 0, 1, sgl=(0, 4096, SGL_TRANSPORT), dw10=cns) for cns in range(256)]
    asked += [wire.command(wire.GET_FEATURES, 0, 1, sgl=whole, dw10=fid) for fid in range(256)]
    others = [opcode for opcode in range(2, 256, 4) if opcode not in (wire.IDENTIFY, wire.GET_LOG_PAGE)]
    asked += [wire.command(opcode, 0, 1, sgl=whole) for opcode in others]
    for sqe in asked:
        _, data = admin.call(sqe)
        assert bytes([POISON]) * 4 not in data, sqe.hex()


@pytest.mark.holds("wire-1")
def test_no_io_command_brings_bytes_of_another_one(queue: Wire) -> None:
    """Reservation Report has a test of its own."""
    poison(queue)
    for nsid in (FILE, MALLOC, NULL):
        for opcode in range(2, 256, 4):
            if opcode != RESERVATION_REPORT:
                done, data = queue.call(io_command(opcode, 1, nsid, FILE_BLOCKS - 1, 1, UNIT))
                assert done.status != SUCCESS
                assert data == b""


# ---- Dataset Management and Write Zeroes


def test_ranges_may_come_with_room_for_more_but_not_with_less(queue: Wire) -> None:
    """The Linux kernel always sends 4096 bytes."""
    one = ranges((5, 1))
    done, _ = queue.call(deallocate(1, one.ljust(4096, b"\xff"), 1), one.ljust(4096, b"\xff"), in_capsule=True)
    assert done.status == SUCCESS
    done, _ = queue.call(deallocate(2, one, 2), one, in_capsule=True)
    assert done.status == LENGTH_INVALID


def test_what_is_deallocated_or_zeroed_reads_as_zeros_and_nothing_else_does(queue: Wire) -> None:
    """Over the pieces in which a malloc device clears."""
    poison(queue)
    parts = [(1, 1), (3, 100), (200, 512)]
    data = ranges(*parts)
    done, _ = queue.call(deallocate(1, data, len(parts)), data, in_capsule=True)
    assert done.status == SUCCESS
    done, _ = queue.call(wire.command(WRITE_ZEROES, 2, MALLOC, dw10=1000, dw12=299))
    assert done.status == SUCCESS
    cleared = {lba for first, count in [*parts, (1000, 300)] for lba in range(first, first + count)}
    for begin in range(0, 1536, 256):
        _, found = queue.call(io_command(wire.READ, 3, MALLOC, begin, 256, MAX_IO))
        wanted = [bytes(BLOCK) if lba in cleared else bytes([POISON]) * BLOCK for lba in range(begin, begin + 256)]
        assert found == b"".join(wanted)


@pytest.mark.holds("base-20")
@pytest.mark.parametrize("zeroes", [False, True])
def test_others_go_on_while_a_device_is_cleared(queue: Wire, zeroes: bool) -> None:
    """Commands that clear all of the device, then one that reads: the only one that needs few turns of the reactor."""
    clear = range(2, 30)
    data = ranges((0, MALLOC_BLOCKS))
    for cid in clear:
        if zeroes:
            queue.send(wire.capsule(wire.command(WRITE_ZEROES, cid, MALLOC, dw12=MALLOC_BLOCKS - 1)))
        else:
            queue.send(wire.capsule(deallocate(cid, data, 1), data))
    queue.send(wire.capsule(io_command(wire.READ, 1, NULL, 0, 1, BLOCK)))
    answers = [queue.answer()[0] for _ in range(len(clear) + 1)]
    assert {done.status for done in answers} == {SUCCESS}
    assert sorted(done.cid for done in answers) == [1, *clear]
    assert answers[0].cid == 1, "the command that reads had to wait for others"


@pytest.mark.holds("base-20")
def test_ranges_name_no_more_blocks_than_there_are(queue: Wire, admin: Wire) -> None:
    """DMSL says how many: those of the largest namespace that can deallocate."""
    _, identified = admin.call(wire.command(wire.IDENTIFY, 1, dw10=0x06, sgl=(0, 4096, SGL_TRANSPORT)))
    assert struct.unpack_from("<Q", identified, 8) == (MALLOC_BLOCKS,)
    for parts, status in {
        ((0, MALLOC_BLOCKS),): SUCCESS,
        ((0, MALLOC_BLOCKS), (0, 1)): SIZE_LIMIT_EXCEEDED,
        ((0, MALLOC_BLOCKS),) * 256: SIZE_LIMIT_EXCEEDED,
    }.items():
        data = ranges(*parts)
        done, _ = queue.call(deallocate(2, data, len(parts)), data, in_capsule=True)
        assert done.status == status


@pytest.mark.holds("base-54")
@pytest.mark.parametrize(
    ("parts", "status"),
    [
        ([(5, 0)], SUCCESS),
        ([(MALLOC_BLOCKS, 0)], SUCCESS),
        ([(5, 0), (6, 1), (7, 0)], SUCCESS),
        ([(MALLOC_BLOCKS - 1, 2)], LBA_OUT_OF_RANGE),
        ([(6, 1), (MALLOC_BLOCKS, 1)], LBA_OUT_OF_RANGE),
        ([(2**64 - 1, 2)], LBA_OUT_OF_RANGE),
    ],
)
def test_a_range_without_blocks_is_none_and_one_behind_the_end_is_refused(
    queue: Wire, parts: list[tuple[int, int]], status: tuple[int, int]
) -> None:
    poison(queue)
    data = ranges(*parts)
    # Behind three bytes of the capsule, so that no number is aligned.
    done, _ = queue.call(deallocate(1, data, len(parts), offset=3), bytes(3) + data, in_capsule=True)
    assert done.status == status
    _, found = queue.call(io_command(wire.READ, 2, MALLOC, 6, 1, BLOCK))
    assert found[0] == (0 if status == SUCCESS and (6, 1) in parts else POISON)


@pytest.mark.holds("base-54")
def test_a_flag_of_write_zeroes_that_no_namespace_offers_is_refused(queue: Wire) -> None:
    done, _ = queue.call(wire.command(WRITE_ZEROES, 1, MALLOC, dw12=1 << 25))
    assert done.status == INVALID_FIELD


@pytest.mark.holds("base-54")
def test_a_namespace_that_cannot_deallocate_does_not_have_the_command(queue: Wire) -> None:
    data = ranges((0, 1))
    done, _ = queue.call(deallocate(1, data, 1, nsid=FILE), data, in_capsule=True)
    assert done.status == INVALID_OPCODE


# ---- commands that wait


@pytest.mark.holds("base-19")
def test_a_command_that_waited_and_is_then_refused_is_over(tmp_path_factory: pytest.TempPathFactory) -> None:
    """More Reads of a slow device than there are bdev I/Os; the controller is disabled while some of them wait.

    A queue ends when none of its commands is left, and the target without one closes its connection.
    """
    folder = tmp_path_factory.mktemp("wire-wait")
    options = {"bdev_io_pool_size": 64, "bdev_io_cache_size": 8}
    with CsdTarget(folder, PORT + 20, early=[("bdev_set_options", options)]) as target:
        subsystem = target.add_subsystem("wait", bytes(BLOCK))
        target.call("bdev_null_create", {"name": "fast", "num_blocks": 256, "block_size": BLOCK})
        latency = dict.fromkeys(
            ("avg_read_latency", "p99_read_latency", "avg_write_latency", "p99_write_latency"), 2000000
        )
        target.call("bdev_delay_create", {"name": "slow", "base_bdev_name": "fast", **latency})
        target.call("nvmf_subsystem_add_ns", {"nqn": subsystem.nqn, "namespace": {"bdev_name": "slow", "nsid": MALLOC}})
        with wire.admin_queue(subsystem.port, subsystem.nqn, subsystem.host_nqn) as admin:
            queue = wire.io_queue(admin, subsystem.port, subsystem.nqn, subsystem.host_nqn, sqsize=127)
            queue.send(*(wire.capsule(io_command(wire.READ, cid, MALLOC, 0, 1, BLOCK)) for cid in range(100)))
            done, _ = admin.call(wire.property_set(1, 0x14, wire.CC_ENABLE_ALL_SETS & ~1))
            assert done.status == SUCCESS
            # None was answered: all of them ran or waited when the controller was disabled.
            assert queue.ended() == []


# ---- arithmetic


@pytest.mark.holds("base-56")
@pytest.mark.parametrize(("asked", "kept"), [(1000, 10000), (10001, 20000), (2**32 - 1, 4294960000)])
def test_a_keep_alive_time_does_not_wrap(admin: Wire, asked: int, kept: int) -> None:
    done, _ = admin.call(wire.command(wire.SET_FEATURES, 1, dw10=0x0F, dw11=asked))
    assert done.status == SUCCESS
    done, _ = admin.call(wire.command(wire.GET_FEATURES, 2, dw10=0x0F))
    assert (done.status, done.dw0) == (SUCCESS, kept)


@pytest.mark.holds("base-56")
@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("offset", [2**32 - 1, 2**32 - 4, 2**32 - 8, 1, 2, 3, 5])
def test_there_is_no_property_at_such_an_offset(admin: Wire, offset: int, wide: bool) -> None:
    done, _ = admin.call(wire.property_get(1, offset, wide=wide))
    assert done.status == INVALID_PROPERTY
