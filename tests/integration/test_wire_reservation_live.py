# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Reservations, byte by byte: who is registered, who holds, who is told, and who may do what.

Rows of the list of faults: each test names its own.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

import nvme_wire as wire
from csd_live import BLOCK, CsdTarget, Subsystem
from nvme_wire import Wire

PORT = 26240
MIB = 1 << 20
REGISTER, REPORT, ACQUIRE, RELEASE = 0x0D, 0x0E, 0x11, 0x15
SUCCESS, INVALID_FIELD, CONFLICT = (0, 0), (0, 0x02), (0, 0x83)
#: Actions: of Register, of Acquire, of Release.
NEW_KEY, UNREGISTER, REPLACE = 0, 1, 2
TAKE, PREEMPT, PREEMPT_ABORT = 0, 1, 2
FREE, CLEAR = 0, 1
WRITE_EXCLUSIVE, EXCLUSIVE_ACCESS, WRITE_EXCLUSIVE_REGISTRANTS, WRITE_EXCLUSIVE_ALL = 1, 2, 3, 5
#: CPTPL of Register: registrations survive.
PERSIST = 3
PATTERN, ROOM = b"\xa5", 131072


@dataclass
class Host:
    """A controller of a host identifier, with one I/O queue."""

    admin: Wire
    io: Wire
    hostid: bytes

    def io_call(self, opcode: int, nsid: int, data: bytes, *, dw10: int = 0) -> tuple[int, int]:
        sgl = (0, len(data), wire.SGL_IN_CAPSULE)
        done, _ = self.io.call(wire.command(opcode, self.io.cid(), nsid, sgl=sgl, dw10=dw10), data, in_capsule=True)
        return done.status

    def send(self, nsid: int, *asked: tuple[int, bytes, int]) -> None:
        """Send commands in one segment: opcode, data, dw10. Their identifiers count from 0."""
        parts = []
        for cid, (opcode, data, dw10) in enumerate(asked):
            sgl = (0, len(data), wire.SGL_IN_CAPSULE)
            parts.append(wire.capsule(wire.command(opcode, cid, nsid, sgl=sgl, dw10=dw10), data))
        self.io.send(*parts)

    def answers(self, number: int) -> dict[int, tuple[int, int]]:
        """The statuses of so many commands, by identifier."""
        return {done.cid: done.status for done, _ in (self.io.answer() for _ in range(number))}

    def register(
        self, nsid: int, key: int, *, action: int = NEW_KEY, current: int = 0, ignore: bool = False, cptpl: int = 0
    ) -> tuple[int, int]:
        dw10 = action | int(ignore) << 3 | cptpl << 30
        return self.io_call(REGISTER, nsid, struct.pack("<QQ", current, key), dw10=dw10)

    def acquire(self, nsid: int, key: int, kind: int, *, action: int = TAKE, victim: int = 0) -> tuple[int, int]:
        return self.io_call(ACQUIRE, nsid, struct.pack("<QQ", key, victim), dw10=action | kind << 8)

    def release(self, nsid: int, key: int, kind: int, *, action: int = FREE) -> tuple[int, int]:
        return self.io_call(RELEASE, nsid, struct.pack("<Q", key), dw10=action | kind << 8)

    def report(self, nsid: int, room: int = 4096, *, numd: int | None = None) -> bytes:
        number = room // 4 - 1 if numd is None else numd
        sgl = (0, room, wire.SGL_TRANSPORT)
        done, data = self.io.call(wire.command(REPORT, self.io.cid(), nsid, sgl=sgl, dw10=number, dw11=1))
        assert done.status == SUCCESS
        return data

    def write(self, nsid: int, data: bytes) -> tuple[int, int]:
        sgl = (0, len(data), wire.SGL_TRANSPORT)
        done, _ = self.io.call(
            wire.command(wire.WRITE, self.io.cid(), nsid, sgl=sgl, dw12=len(data) // BLOCK - 1), data
        )
        return done.status

    def read(self, nsid: int) -> tuple[int, int]:
        sgl = (0, BLOCK, wire.SGL_TRANSPORT)
        done, _ = self.io.call(wire.command(wire.READ, self.io.cid(), nsid, sgl=sgl))
        return done.status

    def close(self) -> None:
        self.io.close()
        self.admin.close()


@dataclass(frozen=True)
class Registrant:
    """One entry of a report."""

    holds: bool
    hostid: bytes
    key: int


def parse(report: bytes) -> tuple[int, list[Registrant]]:
    """The reservation's type, and who is registered (extended data structure)."""
    kind, number = struct.unpack_from("<BH", report, 4)
    entries = [struct.unpack_from("<HB5xQ16s", report, 64 + 64 * index) for index in range(number)]
    return kind, [Registrant(bool(status & 1), hostid, key) for _, status, key, hostid in entries]


@dataclass
class World:
    """One target with one subsystem; each test takes a namespace of its own."""

    target: CsdTarget
    subsystem: Subsystem
    folder: Path
    numbers: Iterator[int]

    def host(self, number: int) -> Host:
        hostid = number.to_bytes(16, "big")
        nqn, name, port = self.subsystem.nqn, self.subsystem.host_nqn, self.subsystem.port
        admin = wire.admin_queue(port, nqn, name, hostid=hostid)
        return Host(admin, wire.io_queue(admin, port, nqn, name, hostid=hostid), hostid)

    @contextmanager
    def hosts(self, number: int) -> Iterator[list[Host]]:
        with ExitStack() as stack:
            made = []
            for each in range(1, number + 1):
                made.append(self.host(each))
                stack.callback(made[-1].close)
            yield made

    @contextmanager
    def namespace(self, *, kept: bool = False) -> Iterator[int]:
        """A namespace on memory; ``kept``: its registrations are kept in a file."""
        nsid, name = 4, f"reservation{next(self.numbers)}"
        self.target.call("bdev_malloc_create", {"name": name, "num_blocks": MIB // BLOCK, "block_size": BLOCK})
        wanted = {"bdev_name": name, "nsid": nsid}
        if kept:
            wanted["ptpl_file"] = str(self.folder / f"{name}.json")
        self.target.call("nvmf_subsystem_add_ns", {"nqn": self.subsystem.nqn, "namespace": wanted})
        try:
            yield nsid
        finally:
            self.target.call("nvmf_subsystem_remove_ns", {"nqn": self.subsystem.nqn, "nsid": nsid})
            self.target.call("bdev_malloc_delete", {"name": name})


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("wire-reservation")
    with CsdTarget(folder, PORT) as target:
        yield World(target, target.add_subsystem("reservation", bytes(MIB)), folder, count())


# ---- the report


@pytest.mark.holds("base-5")
def test_a_report_has_room_for_registrants_that_have_gone(world: World) -> None:
    with world.namespace() as nsid:
        for number in range(1, 13):
            host = world.host(number)
            assert host.register(nsid, 100 + number) == SUCCESS
            if number < 12:
                host.close()
        kind, found = parse(host.report(nsid))
        assert kind == 0
        assert found == [Registrant(False, number.to_bytes(16, "big"), 100 + number) for number in range(1, 13)]
        host.close()


@pytest.mark.holds("base-5")
@pytest.mark.parametrize(("room", "numd"), [(ROOM, 0), (ROOM, 15), (4096, 0xFFFFFFFF), (4, 1023)])
def test_a_report_brings_nothing_of_anybody_else(world: World, room: int, numd: int) -> None:
    """Behind what was asked for there are zeroes, though the buffers have held another host's data."""
    with world.namespace() as nsid, world.hosts(2) as (first, second):
        assert first.register(nsid, 7) == SUCCESS
        for _ in range(8):
            assert second.write(1, PATTERN * ROOM) == SUCCESS
        whole = struct.pack("<IBH", 1, 0, 1).ljust(64, b"\0") + struct.pack("<HB5xQ16s32x", 0xFFFF, 0, 7, first.hostid)
        length = min(room, (numd + 1) * 4)
        assert first.report(nsid, room, numd=numd) == whole[:length].ljust(room, b"\0")


# ---- registrants


@pytest.mark.holds("base-12")
@pytest.mark.parametrize("kept", [False, True])
def test_the_seventeenth_registrant_is_refused_and_stops_nobody(world: World, kept: bool) -> None:
    with world.namespace(kept=kept) as nsid, world.hosts(17) as hosts:
        cptpl = PERSIST if kept else 0
        assert [host.register(nsid, 1 + n, cptpl=cptpl) for n, host in enumerate(hosts[:16])] == [SUCCESS] * 16
        assert hosts[16].register(nsid, 17, cptpl=cptpl) == CONFLICT
        assert len(parse(hosts[16].report(nsid))[1]) == 16
        # The subsystem still pauses and resumes, and serves.
        host = {"nqn": world.subsystem.nqn, "host": "nqn.2026-11.io.hello-ebpf:later"}
        world.target.call("nvmf_subsystem_add_host", host)
        world.target.call("nvmf_subsystem_remove_host", host)
        assert hosts[16].read(nsid) == SUCCESS
        # One that goes makes room.
        assert hosts[0].register(nsid, 0, action=UNREGISTER, current=1) == SUCCESS
        assert hosts[16].register(nsid, 17, cptpl=cptpl) == SUCCESS


# ---- the rules


def registered(hosts: list[Host], nsid: int, *keys: int) -> None:
    for host, key in zip(hosts, keys, strict=True):
        assert host.register(nsid, key) == SUCCESS


def keys(host: Host, nsid: int) -> dict[int, bool]:
    """By key: whether it holds. For registrants with different keys."""
    return {found.key: found.holds for found in parse(host.report(nsid))[1]}


def generation(host: Host, nsid: int) -> int:
    return int.from_bytes(host.report(nsid)[:4], "little")


@pytest.mark.holds("base-50")
def test_a_reservation_has_a_type(world: World) -> None:
    with world.namespace() as nsid, world.hosts(2) as hosts:
        one, two = hosts
        registered(hosts, nsid, 1, 2)
        for kind in (0, 7, 255):
            assert one.acquire(nsid, 1, kind) == INVALID_FIELD
            assert one.acquire(nsid, 1, kind, action=PREEMPT, victim=2) == INVALID_FIELD
        assert keys(one, nsid) == {1: False, 2: False}
        assert two.acquire(nsid, 2, WRITE_EXCLUSIVE) == SUCCESS


@pytest.mark.holds("base-50")
def test_preempting_the_holder_ends_all_with_its_key_but_never_the_asker(world: World) -> None:
    with world.namespace() as nsid, world.hosts(4) as hosts:
        one, two, three, four = hosts
        registered(hosts, nsid, 10, 20, 20, 40)
        assert two.acquire(nsid, 20, WRITE_EXCLUSIVE) == SUCCESS
        assert one.acquire(nsid, 10, EXCLUSIVE_ACCESS, action=PREEMPT, victim=20) == SUCCESS
        assert parse(one.report(nsid))[0] == EXCLUSIVE_ACCESS
        assert keys(one, nsid) == {10: True, 40: False}
        assert [host.read(nsid) for host in (one, two, three, four)] == [SUCCESS, CONFLICT, CONFLICT, CONFLICT]
        # By its own key, whose holder is another one with the same key: it stays.
        assert two.register(nsid, 10) == SUCCESS
        assert two.acquire(nsid, 10, WRITE_EXCLUSIVE, action=PREEMPT, victim=10) == SUCCESS
        assert parse(two.report(nsid)) == (
            WRITE_EXCLUSIVE,
            [Registrant(False, four.hostid, 40), Registrant(True, two.hostid, 10)],
        )


@pytest.mark.holds("base-50")
def test_preempting_by_a_key_that_nobody_has_is_a_conflict(world: World) -> None:
    with world.namespace() as nsid, world.hosts(2) as hosts:
        one, two = hosts
        registered(hosts, nsid, 1, 2)
        for victim, expected in ((9, CONFLICT), (0, INVALID_FIELD)):
            assert one.acquire(nsid, 1, WRITE_EXCLUSIVE, action=PREEMPT, victim=victim) == expected
        assert two.acquire(nsid, 2, WRITE_EXCLUSIVE) == SUCCESS
        for victim, expected in ((9, CONFLICT), (0, INVALID_FIELD)):
            assert one.acquire(nsid, 1, EXCLUSIVE_ACCESS, action=PREEMPT, victim=victim) == expected
        assert parse(one.report(nsid))[0] == WRITE_EXCLUSIVE
        assert keys(one, nsid) == {1: False, 2: True}


@pytest.mark.holds("base-50")
def test_preempting_all_registrants_makes_the_reservation_anew(world: World) -> None:
    with world.namespace() as nsid, world.hosts(3) as hosts:
        one, two, three = hosts
        registered(hosts, nsid, 1, 2, 3)
        assert one.acquire(nsid, 1, WRITE_EXCLUSIVE_ALL) == SUCCESS
        # All hold, and all are told to.
        assert keys(one, nsid) == {1: True, 2: True, 3: True}
        assert two.acquire(nsid, 2, EXCLUSIVE_ACCESS, action=PREEMPT, victim=0) == SUCCESS
        assert parse(two.report(nsid))[0] == EXCLUSIVE_ACCESS
        assert keys(two, nsid) == {2: True}
        assert [host.read(nsid) for host in (one, two, three)] == [CONFLICT, SUCCESS, CONFLICT]


@pytest.mark.holds("base-50")
def test_a_holder_that_replaces_its_key_is_preempted_by_the_new_one(world: World) -> None:
    with world.namespace() as nsid, world.hosts(2) as hosts:
        one, two = hosts
        registered(hosts, nsid, 1, 2)
        assert one.acquire(nsid, 1, WRITE_EXCLUSIVE) == SUCCESS
        assert one.register(nsid, 11, action=REPLACE, current=1) == SUCCESS
        assert two.acquire(nsid, 2, WRITE_EXCLUSIVE, action=PREEMPT, victim=1) == CONFLICT
        assert two.acquire(nsid, 2, WRITE_EXCLUSIVE, action=PREEMPT, victim=11) == SUCCESS
        assert keys(two, nsid) == {2: True}


@pytest.mark.holds("base-50")
def test_a_release_by_one_that_does_not_hold_is_nothing(world: World) -> None:
    with world.namespace() as nsid, world.hosts(2) as hosts:
        one, two = hosts
        registered(hosts, nsid, 1, 2)
        assert one.acquire(nsid, 1, WRITE_EXCLUSIVE_REGISTRANTS) == SUCCESS
        assert two.release(nsid, 2, WRITE_EXCLUSIVE) == SUCCESS
        assert one.release(nsid, 1, WRITE_EXCLUSIVE) == INVALID_FIELD
        assert keys(one, nsid) == {1: True, 2: False}
        assert one.release(nsid, 1, WRITE_EXCLUSIVE_REGISTRANTS) == SUCCESS
        assert keys(one, nsid) == {1: False, 2: False}


@pytest.mark.holds("base-50")
def test_the_generation_counts_commands(world: World) -> None:
    """Register, clear and preempt by one each, whatever number of registrants they are about; the others by none."""
    with world.namespace() as nsid, world.hosts(3) as hosts:
        one, two, three = hosts
        before = generation(one, nsid)
        registered(hosts, nsid, 1, 2, 2)
        assert one.register(nsid, 11, action=REPLACE, current=1) == SUCCESS
        assert generation(one, nsid) == before + 4
        assert one.acquire(nsid, 11, WRITE_EXCLUSIVE) == SUCCESS
        assert one.release(nsid, 11, WRITE_EXCLUSIVE) == SUCCESS
        assert generation(one, nsid) == before + 4
        assert one.acquire(nsid, 11, WRITE_EXCLUSIVE, action=PREEMPT, victim=2) == SUCCESS
        assert generation(one, nsid) == before + 5
        registered([two, three], nsid, 2, 3)
        assert one.release(nsid, 11, 0, action=CLEAR) == SUCCESS
        assert generation(one, nsid) == before + 8
        assert parse(one.report(nsid)) == (0, [])


@pytest.mark.holds("base-50")
def test_a_registration_that_is_refused_changes_nothing(world: World) -> None:
    with world.namespace(kept=True) as nsid, world.hosts(1) as (one,):
        assert one.register(nsid, 0, cptpl=PERSIST) == INVALID_FIELD
        assert one.report(nsid)[9] == 0
        assert one.register(nsid, 5, cptpl=PERSIST) == SUCCESS
        assert one.report(nsid)[9] == 1
        assert one.register(nsid, 6, cptpl=2) == CONFLICT
        assert one.report(nsid)[9] == 1


@pytest.mark.holds("base-50")
def test_hosts_that_lose_their_registration_without_a_reservation_are_told(world: World) -> None:
    with world.namespace() as nsid, world.hosts(2) as hosts:
        one, two = hosts
        registered(hosts, nsid, 1, 2)
        assert one.acquire(nsid, 1, WRITE_EXCLUSIVE, action=PREEMPT, victim=2) == SUCCESS
        done, _ = two.admin.call(wire.command(wire.ASYNC_EVENT, two.admin.cid()))
        assert done.dw0 == 0x80 << 16 | 0x00 << 8 | 0x06
        sgl = (0, 64, wire.SGL_TRANSPORT)
        _, log = two.admin.call(wire.command(wire.GET_LOG_PAGE, two.admin.cid(), dw10=0x80 | 15 << 16, sgl=sgl))
        kind, number = struct.unpack_from("<BxxxI", log, 8)
        assert (kind, number) == (1, nsid)  # registration preempted


def test_what_a_host_has_just_asked_for_counts_while_another_one_holds(world: World) -> None:
    """Register and Release in one segment, while another host holds: the second command knows of the first."""
    with world.namespace() as nsid, world.hosts(2) as hosts:
        holder, late = hosts
        registered([holder], nsid, 1)
        assert holder.acquire(nsid, 1, WRITE_EXCLUSIVE_REGISTRANTS) == SUCCESS
        late.send(
            nsid,
            (REGISTER, struct.pack("<QQ", 0, 2), NEW_KEY),
            (RELEASE, struct.pack("<Q", 2), FREE | WRITE_EXCLUSIVE_REGISTRANTS << 8),
        )
        assert late.answers(2) == {0: SUCCESS, 1: SUCCESS}
        assert keys(holder, nsid) == {1: True, 2: False}


def test_commands_of_many_hosts_at_a_time_take_turns(world: World) -> None:
    """All are answered, and what each host asks for in a row happens in that order."""
    with world.namespace() as nsid, world.hosts(8) as hosts:
        for key, host in enumerate(hosts, 1):
            host.send(
                nsid,
                (REGISTER, struct.pack("<QQ", 0, key), NEW_KEY),
                (REGISTER, struct.pack("<QQ", key, 100 + key), REPLACE),
                (ACQUIRE, struct.pack("<QQ", 100 + key, 0), TAKE | WRITE_EXCLUSIVE_REGISTRANTS << 8),
                (RELEASE, struct.pack("<Q", 100 + key), FREE | WRITE_EXCLUSIVE_REGISTRANTS << 8),
            )
        for host in hosts:
            found = host.answers(4)
            # Another host may hold just then: a conflict is an answer, too.
            assert (found[0], found[1], found[3]) == (SUCCESS, SUCCESS, SUCCESS)
            assert found[2] in {SUCCESS, CONFLICT}
        assert parse(hosts[0].report(nsid))[0] == 0
        assert keys(hosts[0], nsid) == dict.fromkeys(range(101, 109), False)
