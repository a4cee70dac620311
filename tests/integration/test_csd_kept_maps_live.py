# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Maps that outlive a run: what a run that ended well left in them is what the next run of its slot finds."""

from __future__ import annotations

import os
import random
import re
import signal
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from ansible.module_utils.hello_ebpf.errors import LabError

from csd import commands, results
from csd.commands import MemoryRange
from csd.spdk import SpdkTransport
from csd_compute_target import COMPUTE, DATA, HOSTNQN, RAM, SLM, WorkerTarget, compiled
from waiting import until

PORT = 24180
OTHER_HOST = f"{HOSTNQN[:-1]}1"
MEGABYTE = 1 << 20
FAULT, TIME, INTERRUPTED, ABORTED, NOT_ACTIVE = 0x7C0, 0x7C1, 0x021, 0x007, 0x198

# Counts its runs in an array that is kept and in one that is not, and the bytes of its input by their values in a hash
# that is kept; of that it tells how many entries there are, and what was counted of the first byte. Then it does what
# cparam1 says: 1 reads where nothing is; 2 loops until range 0, which it only reads, says so; 3 stops.
COUNTER = """
#include "csd_bpf.h"
struct counts { __u64 runs; __u64 here; __u64 entries; __u64 first; };
CSD_STATE(struct counts);
#define MAP(kind, entries, of) __uint(type, kind); __uint(max_entries, entries); __type(key, of); __type(value, __u64)
struct { MAP(2, 1, __u32); __uint(map_flags, CSD_MAP_KEPT); } runs CSD_SECTION(".maps");
struct { MAP(2, 1, __u32); } here CSD_SECTION(".maps");
struct { MAP(1, 256, __u8); __uint(map_flags, CSD_MAP_KEPT); } values CSD_SECTION(".maps");
static __u64 count(void *map)
{
	__u32 first = 0;
	__u64 *number = bpf_map_lookup_elem(map, &first);
	return number != 0 ? ++*number : 0;
}
static long entry(void *map, const __u8 *key, __u64 *value, void *context)
{
	++*(__u64 *)context;
	return 0;
}
CSD_BUFFER_PROGRAM
int counter(struct csd_context *context)
{
	__u64 none = 0, entries = 0, *number;
	if (context->flags & CSD_FIRST) {
		csd_state.runs = count(&runs);
		csd_state.here = count(&here);
	}
	for (const __u8 *at = context->begin; at < context->end; at++) {
		bpf_map_update_elem(&values, at, &none, 1);
		number = bpf_map_lookup_elem(&values, at);
		if (number != 0)
			++*number;
	}
	number = bpf_map_lookup_elem(&values, context->begin);
	csd_state.first = number != 0 ? *number : 0;
	bpf_for_each_map_elem(&values, entry, &entries, 0);
	csd_state.entries = entries;
	if (csd_parameters.cparam1 == 1)
		csd_state.first = *(volatile __u64 *)0x123456789000ULL;
	if (csd_parameters.cparam1 == 2)
		while (!*(volatile __u8 *)context->ranges[0].begin)
			csd_state.first++;
	return csd_parameters.cparam1 == 3 ? CSD_STOP : 0;
}
"""
# A MiB of numbers: says the least and the greatest that it finds, and adds one to each.
MANY = """
#include "csd_bpf.h"
struct found { __u64 least; __u64 greatest; };
CSD_STATE(struct found);
struct {
	__uint(type, 2);
	__uint(max_entries, ENTRIES);
	__uint(map_flags, CSD_MAP_KEPT);
	__type(key, __u32);
	__type(value, __u64);
} numbers CSD_SECTION(".maps");
CSD_BUFFER_PROGRAM
int many(struct csd_context *context)
{
	csd_state.least = -1ULL;
	for (__u32 i = 0; i < ENTRIES; i++) {
		__u64 *number = bpf_map_lookup_elem(&numbers, &i);
		if (number == 0)
			continue;
		csd_state.least = *number < csd_state.least ? *number : csd_state.least;
		csd_state.greatest = *number > csd_state.greatest ? *number : csd_state.greatest;
		++*number;
	}
	return 0;
}
"""
# Keeps each record, and counts them in a map: more than a host takes at once.
RECORDS = """
#include "csd_bpf.h"
CSD_RECORD_STATE(__u64, 8, CSD_EMIT_RECORD, __u64);
struct {
	__uint(type, 2);
	__uint(max_entries, 1);
	__uint(map_flags, CSD_MAP_KEPT);
	__type(key, __u32);
	__type(value, __u64);
} seen CSD_SECTION(".maps");
CSD_PROGRAM
int records(const __u64 *record)
{
	__u32 first = 0;
	__u64 *number = bpf_map_lookup_elem(&seen, &first);
	if (number != 0)
		csd_state = ++*number;
	return CSD_KEEP;
}
"""
PLAIN = """
#include "csd_bpf.h"
CSD_RECORD(__u64, 8, CSD_EMIT_NOTHING);
CSD_PROGRAM
int plain(const __u64 *record)
{
	return CSD_KEEP;
}
"""
INPUT, OUTPUT, READ = MemoryRange(SLM, 0, 4096), MemoryRange(SLM, 8192, 4096), MemoryRange(SLM, 16384, 64)


class Counts(NamedTuple):
    """COUNTER's state."""

    runs: int
    here: int
    entries: int
    first: int


class PatientTarget(WorkerTarget):
    """One that ends no command by itself before the test hangs, and deactivates nothing."""

    cpu_milliseconds = 600_000


@pytest.fixture
def target(tmp_path: Path) -> Iterator[WorkerTarget]:
    with WorkerTarget(tmp_path, PORT) as target:
        target.stop()
        target.start("--program-faults", "0")
        target.set_up(data=RAM)
        target.load(0, compiled(COUNTER, target.folder, "-g"))
        yield target


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[PatientTarget]:
    """With a program that has no such map in slot 1."""
    with PatientTarget(tmp_path, PORT) as target:
        target.set_up(data=RAM)
        target.load(0, compiled(COUNTER, target.folder, "-g"))
        target.load(1, compiled(PLAIN, target.folder, "-g"))
        yield target


def write(host: SpdkTransport, memory: MemoryRange, data: bytes) -> None:
    assert len(data) == memory.length
    assert host.io(commands.slm_write(SLM, memory.start, data)).status == 0


def execute(what: int = 0, pind: int = 0) -> commands.Command:
    return commands.execute_program(COMPUTE, pind, ranges=(INPUT, OUTPUT, READ), cparam1=what)


def scan(pind: int = 0, length: int = 4096, room: int = 4096) -> commands.Command:
    return commands.scan(COMPUTE, pind, DATA, 0, length, room=room)


def counts(host: SpdkTransport, what: int = 0, pind: int = 0) -> Counts:
    """What a run says that ended well."""
    assert host.io(execute(what, pind)).status == 0
    completion = host.io(commands.slm_read(SLM, OUTPUT.start, OUTPUT.length))
    return Counts._make(struct.unpack("<4Q", results.result(completion.data).state))


def running(target: WorkerTarget, pind: int = 0) -> int:
    """Commands that run the program, or wait to: who asks to deactivate it is told. None may come meanwhile."""
    try:
        target.call("csd_deactivate_program", name="csd0_compute", pind=pind)
    except LabError as error:
        found = re.search(r"(\d+) commands run its program", str(error))
        number = int(found[1]) if found else pytest.fail(str(error))
    else:
        number = 0
    target.call("csd_activate_program", name="csd0_compute", pind=pind)
    return number


def test_a_run_finds_what_the_one_before_it_left(target: WorkerTarget) -> None:
    """An array and a hash, whoever runs it, deactivated meanwhile or not. What is not declared so begins empty."""
    with target.host() as host:
        write(host, INPUT, bytes([5]) * INPUT.length)
        assert counts(host) == Counts(1, 1, 1, INPUT.length)
        assert counts(host, 3) == Counts(2, 1, 1, 2 * INPUT.length)
        write(host, INPUT, bytes([7, 8]) * (INPUT.length // 2))
        assert counts(host) == Counts(3, 1, 3, INPUT.length // 2)
        target.call("csd_deactivate_program", name="csd0_compute", pind=0)
        target.call("csd_activate_program", name="csd0_compute", pind=0)
    with target.host(hostnqn=OTHER_HOST) as host:
        write(host, INPUT, bytes([5]) * INPUT.length)
        assert counts(host) == Counts(4, 1, 3, 3 * INPUT.length)
    shown = target.call("csd_get_programs", name="csd0_compute")[0]["programs"][0]
    # Of the array 8 bytes; of the hash 8, 256 buckets, and 256 entries with their keys and values.
    assert shown["kept_bytes"] == 8 + 8 + 256 * 4 + 256 * (8 + 8 + 8)


def test_a_scan_over_many_parts_counts_once(target: WorkerTarget) -> None:
    """More than a worker is asked for at once; and again, where the buffer of the host became full, up to there."""
    length = 5 * MEGABYTE
    target.load(1, compiled(RECORDS, target.folder, "-g"))
    with target.host() as host:
        for at in range(0, length, 128 << 10):
            assert host.io(commands.write_blocks(DATA, at // 512, bytes([9]) * (128 << 10), 512)).status == 0
        for turn in (1, 2):
            found = results.result(host.io(scan(length=length)).data)
            assert Counts._make(struct.unpack("<4Q", found.state)) == Counts(turn, 1, 1, turn * length)
        seen = 0
        for _ in range(2):
            found = results.result(host.io(scan(1, length, 64 << 10)).data)
            assert found.end == results.END_FULL
            seen += found.records
            # The record that had no room was seen by the program, and comes again.
            assert struct.unpack("<Q", found.state)[0] >= seen > 0


@pytest.mark.parametrize(("what", "status"), [(1, FAULT), (2, TIME)], ids=["fault", "time"])
def test_a_run_that_did_not_end_well_leaves_nothing(target: WorkerTarget, what: int, status: int) -> None:
    with target.host() as host:
        write(host, INPUT, bytes([5]) * INPUT.length)
        write(host, READ, bytes(READ.length))
        assert counts(host) == Counts(1, 1, 1, INPUT.length)
        assert host.io(execute(what)).status == status
        assert counts(host) == Counts(2, 1, 1, 2 * INPUT.length)


def test_a_run_that_was_ended_leaves_nothing(patient: PatientTarget) -> None:
    """By an Abort, by a kill of its worker, and by its host, which leaves."""
    with patient.host() as host:
        write(host, INPUT, bytes([5]) * INPUT.length)
        write(host, READ, bytes(READ.length))
        assert counts(host) == Counts(1, 1, 1, INPUT.length)
        aborted = host.submit(execute(2))
        until("it runs", lambda: patient.stats(0)["runs"] == 2)
        host.abort(aborted)
        assert host.wait(aborted).status == ABORTED
        assert counts(host) == Counts(2, 1, 1, 2 * INPUT.length)
        killed = host.submit(execute(2))
        until("it runs", lambda: patient.stats(0)["runs"] == 4)

        def ended() -> bool:
            for pid in patient.processes("csd_worker"):
                os.kill(pid, signal.SIGKILL)
            return patient.stats(0)["aborted"] == 2

        until("the command ended", ended)
        assert host.wait(killed).status == INTERRUPTED
        host.submit(execute(2))
        until("it runs", lambda: patient.stats(0)["runs"] == 5)
    until("the command ended", lambda: patient.stats(0)["aborted"] == 3)
    with patient.host() as host:
        assert counts(host) == Counts(3, 1, 1, 3 * INPUT.length)


def test_of_runs_at_a_time_nothing_is_lost(tmp_path: Path) -> None:
    """On two reactors, from two hosts with two queues each: each run is counted, and each sees another number."""
    turns = 40
    with WorkerTarget(tmp_path, PORT, core_mask="0x3") as target:
        target.set_up(data=RAM)
        target.load(0, compiled(COUNTER, target.folder, "-g"))
        with (
            target.host(queues=2, core=-1, memory_megabytes=32) as one,
            target.host(queues=2, core=-1, memory_megabytes=32, hostnqn=OTHER_HOST) as two,
        ):
            tags = [(host, host.submit(scan(), queue)) for _ in range(turns) for host in (one, two) for queue in (0, 1)]
            seen = []
            for host, tag in tags:
                completion = host.wait(tag)
                assert completion.status == 0
                seen.append(struct.unpack("<4Q", results.result(completion.data).state)[0])
            assert sorted(seen) == list(range(1, 4 * turns + 1))
        assert target.stats(0)["runs"] == 4 * turns


def test_who_waits_for_its_turn_can_be_aborted_or_leave_and_keeps_no_other_program_up(patient: PatientTarget) -> None:
    with patient.host() as host:
        write(host, INPUT, bytes([5]) * INPUT.length)
        write(host, READ, bytes(READ.length))
        loops = host.submit(execute(2))
        until("it runs", lambda: patient.stats(0)["runs"] == 1)
        waits = [host.submit(execute()) for _ in range(20)]
        with patient.host(hostnqn=OTHER_HOST) as other:
            other.submit(execute())
            # A queue's commands begin in order: when this one is answered, those before it wait.
            for one in (host, other):
                assert one.io(commands.slm_read(SLM, READ.start, 4)).status == 0
            assert running(patient) == 22
            # More wait than may be under way on a thread: of the other slot, all run.
            for _ in range(20):
                assert host.io(scan(1)).status == 0
                assert other.io(scan(1)).status == 0
        until("the other host's is gone", lambda: running(patient) == 21)
        for tag in waits[:10]:
            host.abort(tag)
            assert host.wait(tag).status == ABORTED
        assert running(patient) == 11
        assert patient.stats(0)["runs"] == 1
        write(host, READ, b"\1" * READ.length)
        for tag in (loops, *waits[10:]):
            assert host.wait(tag).status == 0
        assert counts(host) == Counts(12, 1, 1, 12 * INPUT.length)
        assert running(patient) == 0


def test_who_waits_does_not_run_what_faults_deactivated(tmp_path: Path) -> None:
    with WorkerTarget(tmp_path, PORT) as target:
        target.stop()
        target.start("--program-faults", "1")
        target.set_up(data=RAM)
        target.load(0, compiled(COUNTER, target.folder, "-g"))
        with target.host() as host:
            write(host, READ, bytes(READ.length))
            tags = [host.submit(execute(2)), host.submit(execute()), host.submit(execute())]
            assert [host.wait(tag).status for tag in tags] == [TIME, NOT_ACTIVE, NOT_ACTIVE]
            target.call("csd_activate_program", name="csd0_compute", pind=0)
            assert counts(host).runs == 1


def test_a_load_anew_begins_with_empty_maps(target: WorkerTarget) -> None:
    with target.host() as host:
        write(host, INPUT, bytes([5]) * INPUT.length)
        assert [counts(host).runs for _ in range(2)] == [1, 2]
        target.call("csd_deactivate_program", name="csd0_compute", pind=0)
        target.call("csd_unload_program", name="csd0_compute", pind=0)
        target.load(0, compiled(COUNTER, target.folder, "-g"))
        assert counts(host) == Counts(1, 1, 1, INPUT.length)


def test_two_slots_with_one_program_have_nothing_in_common(target: WorkerTarget) -> None:
    target.load(1, compiled(COUNTER, target.folder, "-g"))
    with target.host() as host:
        write(host, INPUT, bytes([5]) * INPUT.length)
        assert [counts(host).runs for _ in range(3)] == [1, 2, 3]
        write(host, INPUT, bytes([6]) * INPUT.length)
        assert counts(host, pind=1) == Counts(1, 1, 1, INPUT.length)
        assert counts(host) == Counts(4, 1, 2, INPUT.length)
        assert counts(host, pind=1) == Counts(2, 1, 1, 2 * INPUT.length)


def test_an_abort_leaves_all_or_nothing(target: WorkerTarget) -> None:
    """Of all that a program may keep, whenever it comes: also between two slices of what is copied."""
    dice = random.Random(83)
    target.load(1, compiled(MANY.replace("ENTRIES", str(MEGABYTE // 8)), target.folder, "-g"))
    done, turns = 0, 100
    with target.host() as host:
        for _ in range(turns):
            running = host.submit(execute(pind=1))
            # Up to about twice the time that the command takes.
            for _ in range(dice.randrange(60_000)):
                pass
            host.abort(running)
            status = host.wait(running).status
            assert status in (0, ABORTED)
            done += status == 0
            found = results.result(host.io(scan(1)).data)
            assert struct.unpack("<QQ", found.state) == (done, done)
            done += 1
    print(f"{2 * turns - done} of {turns} commands were aborted")
    assert turns < done < 2 * turns


def test_more_than_a_program_may_keep_is_refused_by_name(target: WorkerTarget) -> None:
    words = "map numbers takes 1048584 bytes, and 0 are kept before it: a program may keep 1048576"
    with pytest.raises(LabError, match=words):
        target.load(1, compiled(MANY.replace("ENTRIES", str(MEGABYTE // 8 + 1)), target.folder, "-g"))
    assert target.stats(1)["refused"] == 1
