"""csd_tgt's own commands, byte by byte from a bare client: lengths, answers, shares, ends and waiting times."""

from __future__ import annotations

import base64
import os
import statistics
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from ansible.module_utils.hello_ebpf.errors import LabError

from csd_compute_target import compiled
from csd_live import BLOCK, CsdTarget, Subsystem, processes_below, program
from nvme_wire import ABORT, Completion, Wire, admin_queue, capsule, command, io_queue
from waiting import until

PORT = 26400
NVM, SLM, COMPUTE = 1, 2, 3
MIB = 1 << 20
MOST = 128 << 10  # of one transfer
LOAD, ACTIVATE, RANGE_SET = 0x85, 0x88, 0x89
EXECUTE, SCAN = 0x01, 0x82
FLUSH = 0x00
COPY, SLM_READ, FILL, SLM_WRITE = 0x01, 0x02, 0x04, 0x05
LOG, IDENTIFY = 0x02, 0x06
SGL = 0x5A
WRONG_LENGTH = (0, 0x0F)
#: What the transport's buffers are filled with beforehand, so that bytes that nobody wrote show.
PATTERN = b"\xa5\x5aNOT YOURS\x5a\xa5!!!"


#: Over the whole of the memory it takes minutes.
SLOW = """
#include "csd_bpf.h"
struct byte { __u8 value; };
struct sums { __u64 sum; };
CSD_RECORD_STATE(struct byte, 1, CSD_EMIT_NOTHING, struct sums);
CSD_PROGRAM int slow(const struct byte *byte)
{
	__u64 value = csd_state.sum | 1, i;
	CSD_UNROLL
	for (i = 0; i < 500; i++)
		value = ~0ULL / (value | 1) + byte->value;
	csd_state.sum = value;
	return CSD_DROP;
}
"""


@dataclass
class World:
    """A target with three subsystems, and a host of the first one: both queues."""

    target: CsdTarget
    first: Subsystem
    other: Subsystem
    admin: Wire
    io: Wire
    folder: Path

    def host(self, name: str) -> str:
        """Another host that the first subsystem lets in."""
        nqn = f"nqn.2026-11.io.hello-ebpf:{name}"
        self.target.call("nvmf_subsystem_add_host", {"nqn": self.first.nqn, "host": nqn})
        return nqn

    def connect(self, host_nqn: str | None = None) -> tuple[Wire, Wire]:
        """Both queues of one more controller of the first subsystem."""
        host_nqn = host_nqn or self.first.host_nqn
        admin = admin_queue(self.first.port, self.first.nqn, host_nqn)
        return admin, io_queue(admin, self.first.port, self.first.nqn, host_nqn, sqsize=127)


def sgl(length: int) -> tuple[int, int, int]:
    return (0, length, SGL)


def memory_range(start: int, length: int, nsid: int = SLM) -> bytes:
    return struct.pack("<IIQ16x", nsid, length, start)


def load(wire: Wire, slot: int, code: bytes) -> None:
    """Load and activate."""
    sent = command(LOAD, wire.cid(), COMPUTE, sgl=sgl(len(code)), dw10=slot | 0x10000, dw11=len(code), dw14=len(code))
    for sqe, data in ((sent, code), (command(ACTIVATE, wire.cid(), COMPUTE, dw10=slot | 0x10000), b"")):
        assert wire.call(sqe, data)[0].status == (0, 0)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("wire")
    with CsdTarget(folder, PORT) as target:
        first = target.add_subsystem("first", bytes(4 * MIB), slm_megabytes=4)
        other = target.add_subsystem("other", PATTERN * (MIB // 16), slm_megabytes=4)
        admin = admin_queue(first.port, first.nqn, first.host_nqn)
        with admin, io_queue(admin, first.port, first.nqn, first.host_nqn, sqsize=127) as io:
            load(admin, 0, program("threshold", folder))
            slow = compiled(SLOW, folder)
            for slot in (1, 2):
                load(admin, slot, slow)
            yield World(target, first, other, admin, io, folder)


# ---- W1: lengths, and bytes that nobody wrote


@dataclass(frozen=True)
class Sized:
    """A command with the one length of data that its fields say."""

    name: str
    length: int
    opcode: int
    nsid: int
    fields: dict[str, int]
    admin: bool = False
    data: bytes | None = None  # to the controller; None: from it

    def __str__(self) -> str:
        return self.name


COPY_ONE = struct.pack("<IIQH14x", NVM, 0, 0, 0)
SIZED = [
    Sized("SLM Read", 4096, SLM_READ, SLM, {"dw12": 4096}),
    Sized("SLM Write", 4096, SLM_WRITE, SLM, {"dw12": 4096}, data=b""),
    Sized("SLM Copy", 32, COPY, SLM, {"dw2": BLOCK, "dw12": 0x200}, data=COPY_ONE),
    Sized("Load Program", 64, LOAD, COMPUTE, {"dw10": 0x10009, "dw11": 4096, "dw14": 64}, True, b""),
    Sized("Unload Program", 0, LOAD, COMPUTE, {"dw10": 0x1000009}, True, b""),
    Sized("Memory Range Set, create", 32, RANGE_SET, COMPUTE, {"dw11": 1}, True, memory_range(0, 64)),
    Sized("Memory Range Set, delete", 0, RANGE_SET, COMPUTE, {"dw10": 1 | 1 << 16}, True, b""),
    Sized("Execute, DLEN", 32, EXECUTE, COMPUTE, {"dw3": 1, "dw4": 32}, data=memory_range(0, 64)),
    Sized("Execute, DLEN with program data", 40, EXECUTE, COMPUTE, {"dw3": 1, "dw4": 40}, data=memory_range(0, 64)),
    *(Sized(f"Identify {cns & 0xFF:02X}h, CSI {csi}", 4096, IDENTIFY, nsid, {"dw10": cns, "dw11": csi << 24}, True)
      for cns, nsid, csi in ((0, NVM, 0), (1, 0, 0), (3, SLM, 0), (5, SLM, 3), (5, COMPUTE, 4), (6, 0, 4), (7, 0, 4),
                             (8, COMPUTE, 0), (0xFFFF001C, 0, 0))),
    *(Sized(f"Log {lid:02X}h", 4096, LOG, nsid, {"dw10": lid | 1023 << 16}, True)
      for nsid, lids in ((0, (0x00, 0x05, 0x12, 0x1A, 0x1B)), (COMPUTE, (0x82, 0x83, 0x84, 0xC0, 0xC1, 0xD1, 0xD2)))
      for lid in lids),
]  # fmt: skip


def wrong_lengths(right: int) -> list[int]:
    """Shorter and longer, up to what the transport takes."""
    return sorted({0, right // 2, right - 4, right + 4, 2 * right, MOST} - {right, -4})


def send_sized(world: World, sized: Sized, length: int) -> tuple[tuple[int, int], bytes]:
    wire = world.admin if sized.admin else world.io
    sqe = command(sized.opcode, wire.cid(), sized.nsid, sgl=sgl(length), **sized.fields)
    data = b"" if sized.data is None else sized.data.ljust(length, b"\0")[:length]
    done, came = wire.call(sqe, data)
    return done.status, came


@pytest.mark.holds("wire-1")
@pytest.mark.parametrize("sized", SIZED, ids=str)
def test_data_of_another_length_than_the_fields_say(world: World, sized: Sized) -> None:
    """Shorter and longer: Data SGL Length Invalid, and not a byte comes."""
    for length in wrong_lengths(sized.length):
        assert send_sized(world, sized, length) == (WRONG_LENGTH, b""), length


@pytest.mark.holds("wire-1")
def test_execute_with_fewer_bytes_than_its_ranges_take(world: World) -> None:
    """DLEN 0 is the length of the transfer; ranges have to be in it."""
    for length in (0, 28, 32, 60):
        sqe = command(EXECUTE, world.io.cid(), COMPUTE, sgl=sgl(length), dw3=2)
        assert world.io.call(sqe, memory_range(0, 64).ljust(64, b"\0")[:length])[0].status == WRONG_LENGTH


def fill_the_pool(world: World) -> None:
    """Leave another subsystem's bytes in every buffer of the transport: more Reads at a time than there are buffers."""
    other = world.other
    with (
        admin_queue(other.port, other.nqn, other.host_nqn) as admin,
        io_queue(admin, other.port, other.nqn, other.host_nqn, sqsize=127) as io,
    ):
        sent = [
            capsule(command(0x02, io.cid(), NVM, sgl=sgl(128 << 10), dw10=at % 8 * 32, dw12=31)) for at in range(100)
        ]
        io.send(*sent)
        for _ in sent:
            done, came = io.answer()
            assert (done.status, came[:16]) == ((0, 0), PATTERN)


@pytest.mark.holds("wire-1")
def test_no_answer_has_a_byte_that_nobody_wrote(world: World) -> None:
    """Every command that reads, after the buffers were somebody else's: its answer has nothing of them."""
    fill_the_pool(world)
    for sized in (one for one in SIZED if one.data is None):
        status, came = send_sized(world, sized, sized.length)
        assert (status, len(came)) == ((0, 0), sized.length), sized
        assert PATTERN[2:11] not in came, sized
    # Long ones: the effects log is 4 KiB, and what is asked for beyond it reads as zeros.
    fill_the_pool(world)
    long = command(LOG, world.admin.cid(), 0, sgl=sgl(64 << 10), dw10=0x05 | 0x3FFF << 16)
    done, came = world.admin.call(long)
    assert (done.status, len(came)) == ((0, 0), 64 << 10)
    assert PATTERN[2:11] not in came
    assert not any(came[4096:])
    for room in (128, 132, 4096, MOST - 4, MOST):
        fill_the_pool(world)
        scan = command(SCAN, world.io.cid(), COMPUTE, sgl=sgl(room), dw3=NVM, dw12=MIB, dw14=0)
        done, came = world.io.call(scan)
        assert done.status == (0, 0)
        (data_bytes,) = struct.unpack_from("<I", came, 44)
        assert len(came) == 64 + data_bytes
        assert not any(came[64:])  # its records are zeros


# ---- long commands: ends, turns and shares


def execute(wire: Wire, slot: int, *, length: int = 4 * MIB, nsid: int = COMPUTE) -> tuple[int, bytes]:
    """The identifier and the capsule of a run over the memory."""
    cid = wire.cid()
    data = memory_range(0, length)
    return cid, capsule(command(EXECUTE, cid, nsid, sgl=(0, len(data), 1), dw2=slot, dw3=1), data)


def abort(admin: Wire, cid: int, queue: int = 1) -> bool:
    """Whether the target says that it aborted."""
    done, _ = admin.call(command(ABORT, admin.cid(), dw10=queue | cid << 16))
    assert done.status == (0, 0)
    return done.dw0 & 1 == 0


@contextmanager
def busy(world: World, count: int = 100) -> Iterator[list[int]]:
    """So many long runs of the world's own host; aborted at the end."""
    sent = [execute(world.io, 1) for _ in range(count)]
    world.io.send(*(run for _, run in sent))
    cids = [cid for cid, _ in sent]
    until("a run", lambda: stats(world, 1)["runs"] > 0)
    yield cids
    assert all(abort(world.admin, cid) for cid in cids), "a run came to its end: it was not long enough"
    assert {world.io.answer()[0].status for _ in cids} == {(0, 7)}


def stats(world: World, slot: int) -> dict[str, int]:
    [told] = world.target.call("csd_get_stats", {"name": "first_compute"})
    return next(one for one in told["programs"] if one["pind"] == slot)


def deactivates(world: World, slot: int) -> bool:
    try:
        world.target.call("csd_deactivate_program", {"name": "first_compute", "pind": slot})
    except LabError as error:
        if "commands run its program" not in str(error):
            raise
        return False
    world.target.call("csd_activate_program", {"name": "first_compute", "pind": slot})
    return True


@pytest.mark.holds("wire-10", "target-3")
def test_runs_that_wait_are_gone_with_their_connection(world: World) -> None:
    """Others' long runs are before them, and take minutes; nobody waits for them any more, so they end at once."""
    with busy(world):
        for _ in range(3):
            admin, io = world.connect()
            io.send(*(execute(io, 2)[1] for _ in range(64)))
            # What came before it on this queue is taken by now.
            flushed = io.cid()
            assert io.call(command(FLUSH, flushed, COMPUTE))[0].cid == flushed
            assert not deactivates(world, 2)
            io.close()
            until("all of them gone", lambda: deactivates(world, 2))
            admin.close()


@pytest.mark.holds("target-3", "wire-9")
def test_a_host_with_a_hundred_long_runs_leaves_others_their_share(world: World) -> None:
    """Another host's run begins at once, and has every second turn."""
    admin, io = world.connect(world.host("quick"))
    with busy(world), admin, io:
        for _ in range(3):
            cid, run = execute(io, 0, length=MIB)
            io.send(run)
            done, _ = io.answer()
            assert (done.cid, done.status) == (cid, (0, 0))


def workers_seconds(world: World) -> list[float]:
    """CPU time of each worker that has begun to work."""
    found = []
    for pid in processes_below(world.target.pid, "csd_worker"):
        with suppress(OSError):
            ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11])
            found += [ticks / os.sysconf("SC_CLK_TCK")] if ticks else []
    return found


def ran(pid: int) -> float:
    """Seconds that a process has run: the clock that clock_getcpuclockid(3) gives, true to a tick of the scheduler.

    It says what the target does meanwhile. The clock on the wall says how busy the machine is, too.
    """
    return time.clock_gettime(~pid << 3 | 2)


def reading_takes(world: World, io: Wire, nsid: int, times: int = 60) -> float:
    """How long the target runs for a read of one block, on the average, in seconds."""
    began = ran(world.target.pid)
    read_blocks(io, nsid, times)
    return (ran(world.target.pid) - began) / times


def read_blocks(io: Wire, nsid: int, times: int) -> None:
    for _ in range(times):
        done, came = io.call(command(0x02, io.cid(), nsid, sgl=sgl(BLOCK)))
        assert (done.status, len(came)) == ((0, 0), BLOCK)


def round_takes(world: World, io: Wire, nsid: int) -> float:
    """How long a round of the thread is, in seconds by the target's own clock: the median of 51.

    A read of the memory disk is completed in the round after the one that began it. How busy other CPUs are, and when
    this host gets one, is no part of it.
    """

    def waited() -> float:
        told = world.target.call("bdev_get_iostat", {"name": "fast"})
        return float(told["bdevs"][0]["read_latency_ticks"] / told["tick_rate"])

    takes = []
    for _ in range(51):
        before = waited()
        read_blocks(io, nsid, 1)
        takes.append(waited() - before)
    return statistics.median(takes)


@pytest.fixture(scope="module")
def memory_disk(world: World) -> int:
    """A namespace whose reads are completed by a message of the thread, as those of many devices are."""
    target = world.target
    target.call("bdev_malloc_create", {"name": "fast", "num_blocks": 256, "block_size": BLOCK})
    target.call("nvmf_subsystem_add_ns", {"nqn": world.first.nqn, "namespace": {"bdev_name": "fast", "nsid": 5}})
    return 5


@pytest.mark.holds("wire-11", "target-4")
def test_a_thousand_fills_do_not_hold_up_a_read(world: World, memory_disk: int) -> None:
    """A read waits for one slice, not for one of each Fill: twenty are done before half of the Fills' work is.

    A Fill of 4 MiB is 16 slices: behind one of each, eight reads would take as long.
    """
    admin, io = world.connect(world.host("reader"))
    with ExitStack() as stack:
        stack.enter_context(admin)
        stack.enter_context(io)
        filling = stack.enter_context(admin_queue(world.first.port, world.first.nqn, world.first.host_nqn))
        queues = []
        for qid in range(1, 9):
            queue = io_queue(filling, world.first.port, world.first.nqn, world.first.host_nqn, qid=qid, sqsize=127)
            queues.append(stack.enter_context(queue))
        for queue in queues:
            queue.send(*(capsule(command(FILL, queue.cid(), SLM, dw12=4 * MIB)) for _ in range(125)))
        reading = 20 * reading_takes(world, io, memory_disk, 20)
        read = ran(world.target.pid)
        assert {queue.answer()[0].status for queue in queues for _ in range(125)} == {(0, 0)}
        assert reading < ran(world.target.pid) - read


@pytest.mark.holds("target-5")
def test_eight_busy_compute_namespaces_take_no_more_of_a_round_than_one(world: World, memory_disk: int) -> None:
    code = base64.b64encode(compiled(SLOW, world.folder)).decode()
    name = {"nqn": world.first.nqn}
    for nsid in range(8, 15):
        world.target.call("bdev_csd_compute_create", {"name": f"compute{nsid}"})
        namespace = {"bdev_name": f"compute{nsid}", "nsid": nsid}
        world.target.call("nvmf_subsystem_add_ns", {**name, "namespace": namespace})
        world.target.call("csd_load_program", {"name": f"compute{nsid}", "pind": 0, "program": code})
        world.target.call("csd_activate_program", {"name": f"compute{nsid}", "pind": 0})
    admin, io = world.connect(world.host("patient"))
    with admin, io, busy(world, 1):
        one = round_takes(world, io, memory_disk)
        runs = [execute(world.io, 0, nsid=nsid) for nsid in range(8, 15)]
        world.io.send(*(run for _, run in runs))
        until("eight programs", lambda: len(workers_seconds(world)) >= 8)
        eight = round_takes(world, io, memory_disk)
        assert all(abort(world.admin, cid) for cid, _ in runs)
        assert {world.io.answer()[0].status for _ in runs} == {(0, 7)}
    # A slice of each would be 25 us and more.
    assert eight < 2 * one + 0.00005, (one, eight)


@pytest.mark.holds("target-8")
def test_who_is_told_aborted_sees_it_aborted(world: World) -> None:
    """The last read of a Copy is under way when the abort comes."""
    latency = {f"{kind}_{way}_latency": 250000 for kind in ("avg", "p99") for way in ("read", "write")}
    world.target.call("bdev_malloc_create", {"name": "base", "num_blocks": 256, "block_size": BLOCK})
    world.target.call("bdev_delay_create", {"name": "late", "base_bdev_name": "base", **latency})
    namespace = {"bdev_name": "late", "nsid": 6}
    world.target.call("nvmf_subsystem_add_ns", {"nqn": world.first.nqn, "namespace": namespace})
    for _ in range(3):
        cid = world.io.cid()
        source = struct.pack("<IIQH14x", 6, 0, 0, 0)
        world.io.send(capsule(command(COPY, cid, SLM, sgl=(0, 32, 1), dw2=BLOCK, dw12=0x200), source))
        aborted = abort(world.admin, cid)
        done = Completion(cid, (0, 7) if aborted else (0, 0), False, 0, 0)
        found, _ = world.io.answer()
        assert (found.cid, found.status) == (done.cid, done.status)
        assert aborted


# ---- what a host leaves behind


def load_piece(wire: Wire, slot: int, code: bytes, begin: int, end: int) -> tuple[int, int]:
    part = code[begin:end]
    fields = {"dw10": slot | 0x10000, "dw11": len(code), "dw14": len(part), "dw15": begin}
    done, _ = wire.call(command(LOAD, wire.cid(), COMPUTE, sgl=sgl(len(part)), **fields), part)
    return done.status


def states(world: World) -> dict[int, str]:
    [told] = world.target.call("csd_get_programs", {"name": "first_compute"})
    return {one["pind"]: one["state"] for one in told["programs"]}


@pytest.mark.holds("target-9")
def test_a_half_done_load_ends_with_its_controller(world: World) -> None:
    """Whoever comes next, as a rule with a controller at the same address, cannot go on with it."""
    code = program("top", world.folder)
    half = len(code) // 8 * 4
    for _ in range(5):
        admin, io = world.connect()
        assert load_piece(admin, 5, code, 0, half) == (0, 0)
        assert states(world)[5] == "loading"
        io.close()
        admin.close()
        until("the half load gone", lambda: 5 not in states(world))
        admin, io = world.connect()
        assert load_piece(admin, 5, code, half, len(code)) == (1, 0x8F)  # no load was begun
        io.close()
        admin.close()
    # The controller that began it goes on with its own, whoever else comes and goes.
    assert load_piece(world.admin, 5, code, 0, half) == (0, 0)
    for wire in world.connect():
        wire.close()
    assert load_piece(world.admin, 5, code, half, len(code)) == (0, 0)
    done, _ = world.admin.call(command(LOAD, world.admin.cid(), COMPUTE, dw10=5 | 1 << 24))
    assert done.status == (0, 0)


def make_set(wire: Wire) -> tuple[tuple[int, int], int]:
    done, _ = wire.call(command(RANGE_SET, wire.cid(), COMPUTE, sgl=sgl(32), dw11=1), memory_range(0, 64))
    return done.status, done.dw0


def delete_set(wire: Wire, rsid: int) -> tuple[int, int]:
    return wire.call(command(RANGE_SET, wire.cid(), COMPUTE, dw10=1 | rsid << 16))[0].status


TOO_MANY = (1, 0x92)


@pytest.mark.holds("target-10")
def test_range_sets_are_shared_out_among_hosts(world: World) -> None:
    """Of 16 one host may make 8, a second one 4; the last 4 are for hosts that have none."""
    with ExitStack() as stack:
        made: dict[str, list[int]] = {}
        for name, may in (("a", 8), ("b", 4), ("c", 1), ("d", 1), ("e", 1), ("f", 1)):
            host = world.host(f"sets-{name}")
            # Two controllers of one host are one host.
            wires = [stack.enter_context(world.connect(host)[0]) for _ in range(2)]
            answers = [make_set(wires[at % 2]) for at in range(may + 1)]
            assert [status for status, _ in answers] == [(0, 0)] * may + [TOO_MANY], name
            made[name] = [rsid for _, rsid in answers[:may]]
        assert sorted(rsid for rsids in made.values() for rsid in rsids) == list(range(1, 17))
        assert make_set(world.admin)[0] == TOO_MANY
        # A set serves every host of the subsystem, as before; and what is deleted is free.
        assert delete_set(world.admin, made["a"][0]) == (0, 0)
        status, rsid = make_set(world.admin)
        assert (status, rsid) == ((0, 0), made["a"][0])
        assert delete_set(world.admin, rsid) == (0, 0)


@pytest.mark.holds("target-10")
def test_range_sets_of_controllers_that_have_gone_make_room(world: World) -> None:
    """They stay until their place is needed (a tool connects for each step); then the oldest goes first."""
    host = world.host("comes-and-goes")
    before = {at for at in range(1, 17) if delete_set(world.admin, at) == (0, 0)}
    assert len(before) == 15  # of the test before: its hosts have gone, their sets have not
    first: list[int] = []
    for _ in range(6):
        admin, io = world.connect(host)
        status, rsid = make_set(admin)
        assert status == (0, 0)
        first.append(rsid)
        io.close()
        admin.close()
    assert first == [1, 2, 3, 4, 5, 6]
    assert delete_set(world.admin, 4) == (0, 0)
    with world.connect(host)[0] as admin, world.connect(world.host("another"))[0] as other:
        # The free places first, then those that were left behind, in their order.
        assert [make_set(admin) for _ in range(8)] == [((0, 0), at) for at in (4, *range(7, 14))]
        assert [make_set(other) for _ in range(4)] == [((0, 0), at) for at in (14, 15, 16, 1)]
        assert make_set(admin)[0] == make_set(other)[0] == TOO_MANY
        assert [delete_set(world.admin, at) for at in range(1, 17)] == [(0, 0)] * 16


@pytest.mark.holds("target-12")
def test_refusals_fill_no_log(world: World) -> None:
    def lines() -> list[str]:
        return [line for line in world.target.log.read_text().splitlines() if "slot 15: " in line or "left out" in line]

    before = len(lines())
    for _ in range(500):
        done, _ = world.admin.call(command(ACTIVATE, world.admin.cid(), COMPUTE, dw10=15 | 1 << 16))
        assert done.status == (1, 0x96)
    assert len(lines()) - before <= 3 * 20 + 3  # 20 in 10 s, should it take so long


# ---- how long a slice takes at most


DEAR = """
#include "csd_bpf.h"
struct byte { __u8 value; };
struct sums { __u64 sum; };
CSD_RECORD_STATE(struct byte, 1, CSD_EMIT_NOTHING, struct sums);
CSD_PROGRAM int dear(const struct byte *byte)
{
	__u64 value = csd_state.sum | 1, i;
	if (byte->value == 0)
		return CSD_DROP;
	CSD_UNROLL
	for (i = 0; i < 800; i++)
		value = ~0ULL / (value | 1) + byte->value;
	csd_state.sum = value;
	return CSD_DROP;
}
"""


@pytest.mark.holds("wire-8", "target-1")
def test_a_program_that_becomes_dear_holds_nobody_up(world: World, memory_disk: int) -> None:
    """Cheap records first, so that a program looks harmless; then dear ones."""
    cheap = 64 + 256 + 1024 + 4096 + 16384 + 30 * 65536
    load(world.admin, 6, compiled(DEAR, world.folder))
    assert world.io.call(command(FILL, world.io.cid(), SLM, dw12=4 * MIB))[0].status == (0, 0)
    for at in range(cheap, cheap + 8 * MOST, MOST):
        written = command(SLM_WRITE, world.io.cid(), SLM, sgl=sgl(MOST), dw10=at, dw12=MOST)
        assert world.io.call(written, b"\1" * MOST)[0].status == (0, 0)
    admin, io = world.connect(world.host("waits"))
    with admin, io:
        cid, run = execute(world.io, 6, length=cheap + 8 * MOST)
        world.io.send(run)
        # A second of it is far more than the cheap ones take.
        until("the dear ones", lambda: sum(workers_seconds(world)) > 1)
        slowest = max(reading_takes(world, io, memory_disk, 1) for _ in range(500))
        aborted = abort(world.admin, cid)
        status = world.io.answer()[0].status
    assert slowest < 0.15
    assert (aborted, status) == (True, (0, 7))
