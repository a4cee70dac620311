# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Fused commands, Compare and Write: two halves that follow one another, whatever each of them waits for."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import nvme_wire as wire
from csd_live import BLOCK, CsdTarget, Subsystem
from nvme_wire import Wire

PORT = 26260
FIRST, SECOND = 0x41, 0x42  # byte 1: FUSE beside PSDT
NVM, MEMORY, COMPUTE, OTHER, BROKEN, NOTHING = 1, 2, 3, 4, 5, 15
SUCCESS, MISSING, FAILED_OTHER, DIFFERENT = (0, 0), (0, 0x0A), (0, 0x09), (2, 0x85)
DEVICE_ERROR = (0, 0x06)
OLD, NEW = b"\x11" * BLOCK, b"\x22" * BLOCK
IN_CAPSULE, ASKED_FOR = wire.SGL_IN_CAPSULE, wire.SGL_TRANSPORT


@dataclass
class World:
    """One target with one subsystem, and an I/O queue."""

    target: CsdTarget
    subsystem: Subsystem
    admin: Wire
    queue: Wire

    def read(self) -> bytes:
        done, data = self.queue.call(wire.command(wire.READ, 900, NVM, sgl=(0, BLOCK, ASKED_FOR)))
        assert done.status == SUCCESS
        return data

    def collect(self, *cids: int) -> dict[int, tuple[int, int]]:
        """The statuses of these commands; an R2T in between is an error."""
        found = {done.cid: done.status for done, _ in (self.queue.answer() for _ in cids)}
        assert sorted(found) == sorted(cids)
        return found


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[CsdTarget, Subsystem]]:
    folder: Path = tmp_path_factory.mktemp("wire-fused")
    with CsdTarget(folder, PORT) as made:
        subsystem = made.add_subsystem("fused", bytes(1 << 20))
        for name in ("other", "broken"):
            made.call("bdev_malloc_create", {"name": name, "num_blocks": 256, "block_size": BLOCK})
        made.call("bdev_error_create", {"base_name": "broken"})
        for nsid, name in ((OTHER, "other"), (BROKEN, "EE_broken")):
            made.call("nvmf_subsystem_add_ns", {"nqn": subsystem.nqn, "namespace": {"bdev_name": name, "nsid": nsid}})
        yield made, subsystem


@pytest.fixture
def world(target: tuple[CsdTarget, Subsystem]) -> Iterator[World]:
    """The first block holds OLD."""
    made, subsystem = target
    with (
        wire.admin_queue(subsystem.port, subsystem.nqn, subsystem.host_nqn) as admin,
        wire.io_queue(admin, subsystem.port, subsystem.nqn, subsystem.host_nqn) as queue,
    ):
        done, _ = queue.call(wire.command(wire.WRITE, 901, NVM, sgl=(0, BLOCK, ASKED_FOR)), OLD)
        assert done.status == SUCCESS
        yield World(made, subsystem, admin, queue)


def half(sqe: bytes, data: bytes, sgl: int) -> bytes:
    """A capsule, with its data where they are not asked for."""
    return wire.capsule(sqe, data if sgl == IN_CAPSULE else b"")


def compare(cid: int, data: bytes, sgl: int = IN_CAPSULE, nsid: int = NVM) -> bytes:
    return half(wire.command(wire.COMPARE, cid, nsid, flags=FIRST, sgl=(0, BLOCK, sgl)), data, sgl)


def write(cid: int, data: bytes, sgl: int = IN_CAPSULE, nsid: int = NVM) -> bytes:
    return half(wire.command(wire.WRITE, cid, nsid, flags=SECOND, sgl=(0, BLOCK, sgl)), data, sgl)


def give(queue: Wire, cid: int, data: bytes) -> bytes:
    """Take the R2T that comes for this command; the H2CData that answers it."""
    pdu = queue.pdu()
    assert pdu.type == wire.R2T, f"PDU of type {pdu.type:#x} in place of an R2T: {pdu.raw.hex()}"
    found, ttag, offset, length = struct.unpack_from("<HHII", pdu.raw, 8)
    assert (found, offset, length) == (cid, 0, BLOCK)
    return wire.h2c_data(cid, ttag, 0, data)


@pytest.mark.parametrize("second", [IN_CAPSULE, ASKED_FOR])
@pytest.mark.parametrize("first", [IN_CAPSULE, ASKED_FOR])
@pytest.mark.holds("base-26")
def test_a_pair_runs_in_order_whichever_half_has_its_data_first(world: World, first: int, second: int) -> None:
    """Where both are asked for, the second's data come first."""
    queue = world.queue
    queue.send(compare(1, OLD, first), write(2, NEW, second))
    answers = []
    if first == ASKED_FOR:
        answers.append(give(queue, 1, OLD))
    if second == ASKED_FOR:
        answers.append(give(queue, 2, NEW))
    for answer in reversed(answers):
        queue.send(answer)
    assert world.collect(1, 2) == {1: SUCCESS, 2: SUCCESS}
    assert world.read() == NEW


@pytest.mark.holds("base-26")
def test_a_command_that_is_ready_earlier_does_not_part_a_pair(world: World) -> None:
    queue = world.queue
    queue.send(compare(1, OLD), write(2, NEW, ASKED_FOR), wire.capsule(wire.command(wire.FLUSH, 3, NVM)))
    data = give(queue, 2, NEW)
    assert world.collect(3) == {3: SUCCESS}
    queue.send(data)
    assert world.collect(1, 2) == {1: SUCCESS, 2: SUCCESS}
    assert world.read() == NEW


@pytest.mark.parametrize("first", [IN_CAPSULE, ASKED_FOR])
def test_a_pair_that_finds_a_difference_writes_nothing(world: World, first: int) -> None:
    world.queue.send(compare(1, NEW, first), write(2, NEW))
    if first == ASKED_FOR:
        world.queue.send(give(world.queue, 1, NEW))
    assert world.collect(1, 2) == {1: DIFFERENT, 2: FAILED_OTHER}
    assert world.read() == OLD


@pytest.mark.holds("base-26")
@pytest.mark.parametrize(("one", "two"), [(OTHER, NVM), (NVM, OTHER), (NVM, MEMORY), (NVM, NOTHING)])
def test_halves_of_different_namespaces_are_no_pair(world: World, one: int, two: int) -> None:
    """Both hold what is compared, and neither is written."""
    done, _ = world.queue.call(wire.command(wire.WRITE, 9, OTHER, sgl=(0, BLOCK, ASKED_FOR)), OLD)
    assert done.status == SUCCESS
    world.queue.send(compare(1, OLD, nsid=one), write(2, NEW, nsid=two))
    found = world.collect(1, 2)
    assert found[1] == MISSING
    assert found[2] == {MEMORY: (0, 0x02), NOTHING: (0, 0x0B)}.get(two, MISSING)
    assert world.read() == OLD


@pytest.mark.holds("base-26", "target-6")
@pytest.mark.parametrize("nsid", [NVM, MEMORY, COMPUTE, NOTHING])
@pytest.mark.parametrize("first", [IN_CAPSULE, ASKED_FOR])
def test_a_first_half_is_over_with_any_other_command(world: World, first: int, nsid: int) -> None:
    """One of memory or compute, or one that is refused, too; what comes then is a second half without a first."""
    between = wire.capsule(wire.command(0xFF, 2, nsid))
    world.queue.send(compare(1, OLD, first), between, write(3, NEW))
    if first == ASKED_FOR:
        world.queue.send(give(world.queue, 1, OLD))
    found = world.collect(1, 2, 3)
    assert (found[1], found[3]) == (MISSING, MISSING)
    assert found[2] != SUCCESS
    assert world.read() == OLD


@pytest.mark.parametrize("nsid", [NVM, MEMORY])
def test_a_first_half_that_begins_no_pair_is_refused_at_once(world: World, nsid: int) -> None:
    sqe = wire.command(wire.READ, 1, nsid, flags=FIRST, sgl=(0, BLOCK, ASKED_FOR))
    done, _ = world.queue.call(sqe)
    assert done.status == {NVM: (0, 0x01), MEMORY: (0, 0x02)}[nsid]
    world.queue.send(write(2, NEW))
    assert world.collect(2) == {2: MISSING}


def test_first_halves_in_a_row_are_answered_one_by_one(world: World) -> None:
    world.queue.send(*(compare(cid, OLD) for cid in range(1, 6)), write(6, NEW))
    assert world.collect(*range(1, 7)) == {**dict.fromkeys(range(1, 5), MISSING), 5: SUCCESS, 6: SUCCESS}
    assert world.read() == NEW


@pytest.mark.holds("base-26")
def test_a_first_half_that_waits_for_its_second_holds_up_no_change_of_the_subsystem(world: World) -> None:
    world.queue.send(compare(1, OLD), wire.capsule(wire.command(wire.READ, 2, NVM, sgl=(0, BLOCK, ASKED_FOR)))[:8])
    host = {"nqn": world.subsystem.nqn, "host": "nqn.2026-11.io.hello-ebpf:later"}
    changes = ("nvmf_subsystem_add_host", "nvmf_subsystem_remove_host")
    assert [world.target.call(change, host) for change in changes] == [True, True]
    world.queue.reset()
    assert [world.target.call(change, host) for change in changes] == [True, True]


# ---- the device


@pytest.mark.holds("base-55")
def test_a_pair_whose_device_fails_is_no_difference(world: World) -> None:
    failure = {"name": "EE_broken", "io_type": "read", "error_type": "failure", "num": 1}
    world.target.call("bdev_error_inject_error", failure)
    world.queue.send(compare(1, bytes(BLOCK), nsid=BROKEN), write(2, NEW, nsid=BROKEN))
    assert world.collect(1, 2) == {1: DEVICE_ERROR, 2: FAILED_OTHER}
