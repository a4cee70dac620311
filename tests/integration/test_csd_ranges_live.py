# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Ranges that a program writes to: all that it wrote comes back when its run has ended well, and else nothing."""

from __future__ import annotations

import os
import random
import signal
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible.module_utils.hello_ebpf.errors import LabError

from csd import commands, results
from csd.commands import MemoryRange
from csd.spdk import SpdkTransport
from csd_compute_target import COMPUTE, DATA, RAM, SLM, WorkerTarget, compiled
from waiting import until

PORT = 24175
MEGABYTE = 1 << 20
FAULT, TIME, INTERRUPTED, ABORTED = 0x7C0, 0x7C1, 0x021, 0x007
INVALID_RANGES, OVERLAPPING = 0x18C, 0x197

# Counts the bytes of its input by their values, in range 0. Then it does what cparam1 says: 1 reads where nothing is; 2
# loops until range 1, which it only reads, says so, and counts that in range 0, at value 1; 3 writes into range 1;
# 4 writes cparam2 bytes behind that; 5 stops; 6 adds one to each byte of ranges 0 and 2, and counts none.
TABLE = """
#include "csd_bpf.h"
struct totals { __u64 bytes; __u64 ranges; };
CSD_STATE(struct totals);
CSD_WRITABLE(CSD_RANGE(0) | CSD_RANGE(2));
static __attribute__((noinline)) void add(const struct csd_range *range)
{
	for (__u64 i = 0; i < range->bytes; i++)
		range->begin[i]++;
}
CSD_BUFFER_PROGRAM
int table(struct csd_context *context)
{
	__u64 what = csd_parameters.cparam1;
	__u64 *counts = (__u64 *)context->ranges[0].begin;
	csd_state.ranges = context->range_count;
	csd_state.bytes += context->end - context->begin;
	if (what == 6) {
		add(&context->ranges[0]);
		add(&context->ranges[2]);
		return 0;
	}
	for (const __u8 *at = context->begin; at < context->end; at++)
		counts[*at]++;
	if (what == 1)
		csd_state.bytes = *(volatile __u64 *)0x123456789000ULL;
	if (what == 2)
		while (!*(volatile __u8 *)context->ranges[1].begin)
			counts[1]++;
	if (what == 3)
		*(volatile __u8 *)context->ranges[1].begin = 1;
	if (what == 4)
		*(volatile __u8 *)(context->ranges[1].begin + csd_parameters.cparam2) = 1;
	return what == 5 ? CSD_STOP : 0;
}
"""
# Gives out its input, and counts in range 0 how often it was called.
FILLS = """
#include "csd_bpf.h"
CSD_STATE(__u64);
CSD_WRITABLE(CSD_RANGE(0));
CSD_BUFFER_PROGRAM
int fills(struct csd_context *context)
{
	const __u8 *at = context->begin;
	++*(__u64 *)context->ranges[0].begin;
	for (; context->end - at >= 1024 && csd_emit(at, 1024) == 0; at += 1024)
		csd_state++;
	context->consumed = at - context->begin;
	return 0;
}
"""
# In SLM: input, output, the table, what is only read; each with other bytes around it.
INPUT, OUTPUT, COUNTS, READ = (
    MemoryRange(SLM, 0, 64 << 10),
    MemoryRange(SLM, 128 << 10, 4096),
    MemoryRange(SLM, (256 << 10) + 4, 2048),
    MemoryRange(SLM, 512 << 10, 64),
)
RANGES = (INPUT, OUTPUT, COUNTS, READ)
NOTHING = bytes(2048)


class PatientTarget(WorkerTarget):
    """One that ends no command by itself before the test hangs, and deactivates nothing."""

    cpu_milliseconds = 600_000


@pytest.fixture
def target(tmp_path: Path) -> Iterator[WorkerTarget]:
    with WorkerTarget(tmp_path, PORT) as target:
        target.stop()
        target.start("--program-faults", "0")
        target.set_up(data=RAM)
        target.load(0, compiled(TABLE, target.folder))
        yield target


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[PatientTarget]:
    with PatientTarget(tmp_path, PORT) as target:
        target.set_up()
        target.load(0, compiled(TABLE, target.folder))
        yield target


def write(host: SpdkTransport, start: int, data: bytes) -> None:
    for at in range(0, len(data), 128 << 10):
        assert host.io(commands.slm_write(SLM, start + at, data[at : at + (128 << 10)])).status == 0


def read(host: SpdkTransport, start: int, length: int) -> bytes:
    parts = []
    for at in range(start, start + length, 128 << 10):
        completion = host.io(commands.slm_read(SLM, at, min(128 << 10, start + length - at)))
        assert completion.status == 0
        parts.append(completion.data)
    return b"".join(parts)


def table(host: SpdkTransport) -> list[int]:
    return list(struct.unpack("<256Q", read(host, COUNTS.start, COUNTS.length)))


def execute(what: int = 0, ranges: tuple[MemoryRange, ...] = RANGES, cparam2: int = 0) -> commands.Command:
    return commands.execute_program(COMPUTE, 0, ranges=ranges, cparam1=what, cparam2=cparam2)


def counts(*inputs: bytes) -> list[int]:
    return [sum(data.count(value) for data in inputs) for value in range(256)]


def test_a_table_is_updated_in_place_by_each_command(target: WorkerTarget) -> None:
    """Two inputs, one table: what was there is counted on; around it, and in what is only read, nothing changes."""
    dice = random.Random(61)
    before = dice.randbytes(MEGABYTE)
    first, second = dice.randbytes(INPUT.length), bytes(INPUT.length // 2) + dice.randbytes(INPUT.length // 2)
    with target.host() as host:
        write(host, 0, before)
        write(host, COUNTS.start, NOTHING)
        write(host, INPUT.start, first)
        assert host.io(execute()).status == 0
        assert table(host) == counts(first)
        write(host, INPUT.start, second)
        assert host.io(execute(5)).status == 0
        assert table(host) == counts(first, second)
        found = results.result(read(host, OUTPUT.start, OUTPUT.length))
        assert found.state == struct.pack("<QQ", INPUT.length, 2)
        assert found.end == results.END_STOPPED
        # Around the table, the program's input, and what it only reads.
        behind = COUNTS.start + COUNTS.length
        assert read(host, 192 << 10, COUNTS.start - (192 << 10)) == before[192 << 10 : COUNTS.start]
        assert read(host, behind, MEGABYTE - behind) == before[behind:]
        assert read(host, INPUT.start, INPUT.length) == second


def test_a_scan_updates_a_table_over_all_of_its_parts(target: WorkerTarget) -> None:
    """More than a worker is asked for at once; and once more, where the buffer of the host became full."""
    dice = random.Random(67)
    data = dice.randbytes(5 * MEGABYTE)
    with target.host() as host:
        for at in range(0, len(data), 128 << 10):
            assert host.io(commands.write_blocks(DATA, at // 512, data[at : at + (128 << 10)], 512)).status == 0
        write(host, COUNTS.start, NOTHING)
        memory = [MemoryRange(SLM, 0, 4), MemoryRange(SLM, 4096, 64), COUNTS]
        rsid = host.admin(commands.create_range_set(COMPUTE, memory)).value
        command = commands.scan(COMPUTE, 0, DATA, 0, len(data), room=4096, rsid=rsid, padding=4)
        assert host.io(command).status == 0
        assert table(host) == counts(data)
        target.load(1, compiled(FILLS, target.folder))
        write(host, COUNTS.start, NOTHING)
        completion = host.io(commands.scan(COMPUTE, 1, DATA, 0, len(data), room=8192, rsid=rsid, padding=4))
        assert completion.status == 0
        assert results.result(completion.data).end == results.END_FULL
        assert table(host)[0] >= 1


# What the program does after it has written to its range, and how its command ends.
FAULTS = [(1, FAULT), (2, TIME), (3, FAULT), (4, FAULT)]


@pytest.mark.parametrize(("what", "status"), FAULTS, ids=["fault", "time", "write to read-only", "write to SLM itself"])
def test_nothing_comes_back_of_a_run_that_did_not_end_well(target: WorkerTarget, what: int, status: int) -> None:
    """The table is as it was before, and so is all other memory; the next command counts on."""
    before = bytearray(random.Random(71).randbytes(MEGABYTE))
    before[READ.start : READ.start + READ.length] = bytes(READ.length)
    before[COUNTS.start : COUNTS.start + COUNTS.length] = struct.pack("<256Q", *range(256))
    with target.host() as host:
        write(host, 0, bytes(before))
        # From range 1 to where the table itself lies: below it.
        to_table = (COUNTS.start - READ.start) % (1 << 64)
        assert host.io(execute(what, cparam2=to_table)).status == status
        assert read(host, 0, MEGABYTE) == bytes(before)
        assert host.io(execute()).status == 0
        data = bytes(before[INPUT.start : INPUT.start + INPUT.length])
        assert table(host) == [value + count for value, count in enumerate(counts(data))]


def test_nothing_comes_back_of_a_run_that_was_ended(patient: PatientTarget) -> None:
    """By an Abort, by a kill of its worker, and by its host, which leaves."""
    start = struct.pack("<256Q", *range(7, 263))
    with patient.host() as host:
        write(host, INPUT.start, bytes(INPUT.length))
        write(host, READ.start, bytes(READ.length))
        write(host, COUNTS.start, start)
        aborted = host.submit(execute(2))
        until("a worker works", lambda: patient.stats(0)["runs"] == 1)
        host.abort(aborted)
        assert host.wait(aborted).status == ABORTED
        assert read(host, COUNTS.start, COUNTS.length) == start
        killed = host.submit(execute(2))
        until("a worker works", lambda: patient.stats(0)["runs"] == 2)
        # A run may wait for its worker: those that are there by then are spares, and another one takes their place.
        tries = iter(range(1000))

        def ended() -> bool:
            next(tries)
            for pid in patient.processes("csd_worker"):
                os.kill(pid, signal.SIGKILL)
            return patient.stats(0)["aborted"] == 2

        until("the command ended", ended)
        assert host.wait(killed).status == INTERRUPTED
        assert read(host, COUNTS.start, COUNTS.length) == start
        host.submit(execute(2))
        until("a worker works", lambda: patient.stats(0)["runs"] == 3)
    until("the command ended", lambda: patient.stats(0)["aborted"] == 3)
    with patient.host() as host:
        assert read(host, COUNTS.start, COUNTS.length) == start


def test_others_see_the_range_as_it_was_until_the_run_ends(patient: PatientTarget) -> None:
    """What they write to it meanwhile is not seen by the program, and lost when its copy comes back."""
    with patient.host() as host:
        write(host, INPUT.start, bytes(INPUT.length))
        write(host, READ.start, bytes(READ.length))
        write(host, COUNTS.start, struct.pack("<256Q", *range(256)))
        running = host.submit(execute(2))
        until("a worker works", lambda: len(busy(patient)) == 1)
        assert table(host) == list(range(256))
        write(host, COUNTS.start, b"\xff" * COUNTS.length)
        assert table(host) == [(1 << 64) - 1] * 256
        write(host, READ.start, b"\1\0\0\0")
        assert host.wait(running).status == 0
        found = table(host)
        assert (found[0], found[2:]) == (INPUT.length, list(range(2, 256)))
        assert found[1] > 1


def busy(target: WorkerTarget) -> list[int]:
    """Workers that have taken more CPU time than a start takes: their program loops."""
    found = []
    for pid in target.processes("csd_worker"):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        if int(fields[11]) + int(fields[12]) > os.sysconf("SC_CLK_TCK") // 4:
            found.append(pid)
    return found


def test_a_command_writes_to_a_megabyte_and_no_more(target: WorkerTarget) -> None:
    """All of it comes back, in slices; more is refused before anything runs. What is only read does not count."""
    dice = random.Random(73)
    before = dice.randbytes(8 * MEGABYTE)
    half = (MEGABYTE // 2) - 36
    large = MemoryRange(SLM, 4 * MEGABYTE, 3 * MEGABYTE)
    beyond = MemoryRange(SLM, 8 * MEGABYTE, 8 * MEGABYTE)

    def ranges(more: int) -> tuple[MemoryRange, ...]:
        first, second = (MEGABYTE + 12, half), (2 * MEGABYTE, MEGABYTE - half + more)
        return INPUT, OUTPUT, MemoryRange(SLM, *first), large, MemoryRange(SLM, *second)

    expected = bytearray(before)
    for part in (ranges(0)[2], ranges(0)[4]):
        expected[part.start : part.start + part.length] = bytes(
            (byte + 1) % 256 for byte in before[part.start : part.start + part.length]
        )
    with target.host() as host:
        write(host, 0, before)
        assert host.io(execute(6, ranges(4))).status == INVALID_RANGES
        assert host.io(execute(6, (*ranges(0)[:4], beyond))).status == INVALID_RANGES
        assert target.stats(0)["runs"] == 0
        assert read(host, 0, len(before)) == before
        assert host.io(execute(6, ranges(0))).status == 0
        behind = OUTPUT.start + OUTPUT.length
        assert read(host, behind, len(before) - behind) == bytes(expected[behind:])


def test_an_abort_leaves_all_or_nothing(target: WorkerTarget) -> None:
    """Whenever it comes: also between two slices of what is copied. The status says which of both it is."""
    dice = random.Random(79)
    half = MEGABYTE // 2
    ranges = (INPUT, OUTPUT, MemoryRange(SLM, MEGABYTE, half), READ, MemoryRange(SLM, 2 * MEGABYTE, half))
    done, turns = 0, 150
    with target.host() as host:
        write(host, MEGABYTE, bytes(half))
        write(host, 2 * MEGABYTE, bytes(half))
        for _ in range(turns):
            running = host.submit(execute(6, ranges))
            # Up to about twice the time that the command takes.
            for _ in range(dice.randrange(60_000)):
                pass
            host.abort(running)
            status = host.wait(running).status
            assert status in (0, ABORTED)
            done += status == 0
            assert read(host, MEGABYTE, half) == bytes([done]) * half
            assert read(host, 2 * MEGABYTE, half) == bytes([done]) * half
    print(f"{turns - done} of {turns} commands were aborted")
    assert 0 < done < turns


def test_a_command_may_have_fewer_ranges_and_none_that_overlap(target: WorkerTarget) -> None:
    """The program declared three: what is not there is not written to."""
    with target.host() as host:
        write(host, INPUT.start, bytes(INPUT.length))
        write(host, COUNTS.start, NOTHING)
        assert host.io(execute(ranges=RANGES[:3])).status == 0
        assert table(host) == [INPUT.length, *[0] * 255]
        overlapping = MemoryRange(SLM, COUNTS.start + 4, 4)
        assert host.io(execute(ranges=(*RANGES[:3], overlapping))).status == OVERLAPPING
        assert host.io(execute(ranges=(INPUT, OUTPUT, MemoryRange(SLM, 4, 4)))).status == OVERLAPPING
        assert table(host) == [INPUT.length, *[0] * 255]


def test_a_range_that_cannot_be_is_refused_at_load(target: WorkerTarget) -> None:
    with pytest.raises(LabError, match=r"ranges 0x40: CSD_RANGE\(0\) to CSD_RANGE\(5\) exist"):
        target.load(2, compiled(FILLS.replace("CSD_RANGE(0)", "CSD_RANGE(6)"), target.folder))
    assert target.stats(2)["refused"] == 1
