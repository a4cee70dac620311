# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""csd_tgt --workers: programs with loops and data of their own, in the drive, in processes of their own.

The programs that users wrote first, by Scan and by Execute; programs that do what they may not; kills.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import random
import re
import signal
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from ansible.module_utils.hello_ebpf.errors import LabError

from csd import commands, results
from csd.spdk import SpdkTransport
from csd_compute_target import COMPUTE, DATA, RAM, SLM, ComputeTarget, WorkerTarget, compiled
from csd_live import BINARY, ROOT, compile_program
from waiting import until

PORT = 24118
ROOM = 131072
# Of Execute, in SLM: where it writes, and how much it may.
OUTPUT, WRITTEN = 8 << 20, 6 << 20
PROGRAMS = ROOT / "src/engine/translator/tests/programs"
FAULT, TIME, INTERRUPTED, ABORTED = 0x7C0, 0x7C1, 0x021, 0x007

# Does what cparam1 says: 0 counts, 1 reads at an address, 2 loops for ever, 3 recurses for ever.
WRONG = """
#include "csd_bpf.h"
struct record { __u64 word[8]; };
struct totals { __u64 seen; __u64 found; };
CSD_RECORD_STATE(struct record, 64, CSD_EMIT_NOTHING, struct totals);
static __u64 never = 1;
static __attribute__((noinline)) __u64 deeper(__u64 depth)
{
	volatile __u64 here = depth;
	__u64 below = *(volatile __u64 *)&never ? deeper(depth + 1) : 0;
	return below * 3 ^ here;
}
CSD_PROGRAM
int wrong(const struct record *record)
{
	csd_state.seen++;
	if (csd_parameters.cparam1 == 1)
		csd_state.found = *(volatile __u64 *)0x123456789000ULL;
	if (csd_parameters.cparam1 == 2)
		while (*(volatile __u64 *)&never)
			csd_state.found++;
	if (csd_parameters.cparam1 == 3)
		csd_state.found = deeper(record->word[0]);
	return CSD_DROP;
}
"""
# Sums the numbers of its lines, whatever is cut where; sends back the longest line.
LINES = """
#include "csd_bpf.h"
struct totals { __u64 lines; __u64 sum; };
CSD_STATE(struct totals);
CSD_BUFFER_PROGRAM
int lines(struct csd_context *context)
{
	const __u8 *line = context->begin;
	__u64 number = 0;
	context->consumed = 0;
	for (const __u8 *at = context->begin; at < context->end; at++) {
		if (*at != '\\n') {
			number = number * 10 + (*at - '0');
			continue;
		}
		csd_state.lines++;
		csd_state.sum += number;
		if (number % 1000 == 0 && csd_emit(line, at - line + 1) != 0)
			return 0;
		number = 0;
		line = at + 1;
		context->consumed = line - context->begin;
	}
	return 0;
}
"""


class PatientTarget(WorkerTarget):
    """One that ends no command by itself before the test hangs."""

    cpu_milliseconds = 600_000


@pytest.fixture
def target(tmp_path: Path) -> Iterator[WorkerTarget]:
    with WorkerTarget(tmp_path, PORT) as target:
        target.set_up(data=RAM)
        yield target


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[PatientTarget]:
    with PatientTarget(tmp_path, PORT) as target:
        target.set_up()
        yield target


def write(host: SpdkTransport, data: bytes) -> None:
    data += bytes(-len(data) % 512)
    for offset in range(0, len(data), ROOM):
        part = data[offset : offset + ROOM]
        assert host.io(commands.write_blocks(DATA, offset // 512, part, 512)).status == 0


def load(target: ComputeTarget, pind: int, source: str) -> None:
    target.load(pind, compiled(source, target.folder))


def counted(host: SpdkTransport, pind: int = 0, length: int = 64 * 1000) -> None:
    """The program of WRONG does what it should."""
    completion = host.io(commands.scan(COMPUTE, pind, DATA, 0, length, room=4096, cparam1=0))
    assert completion.status == 0
    result = results.result(completion.data)
    assert (result.records, result.state) == (length // 64, struct.pack("<QQ", length // 64, 0))


def scanned(host: SpdkTransport, pind: int, length: int, cparam1: int, data: bytes) -> results.Result:
    """By Scan, as often as its buffer is full: what was kept altogether, and the last state."""
    given = data + bytes(max(4, -(-len(data) // 4) * 4) - len(data))
    memory = [commands.MemoryRange(SLM, 14 << 20, len(given)), commands.MemoryRange(SLM, 15 << 20, 4096)]
    rsid = host.admin(commands.create_range_set(COMPUTE, memory)).value
    assert host.io(commands.slm_write(SLM, 14 << 20, given)).status == 0
    kept, start = b"", 0
    while True:
        command = commands.scan(
            COMPUTE, pind, DATA, start, length - start, room=ROOM, cparam1=cparam1, rsid=rsid, resume=start > 0,
            padding=len(given) - len(data),
        )  # fmt: skip
        completion = host.io(command)
        assert completion.status == 0, f"{completion.status:03x}h"
        result = results.result(completion.data)
        kept, start = kept + result.data, start + result.next
        if result.end != results.END_FULL:
            assert host.admin(commands.delete_range_set(COMPUTE, rsid)).status == 0
            return dataclasses.replace(result, data=kept)


def executed(host: SpdkTransport, pind: int, length: int, cparam1: int, data: bytes) -> results.Result:
    """By Copy, Execute and reads of the memory that it wrote."""
    for start in range(0, length, 1 << 20):
        blocks = -(-min(length - start, 1 << 20) // 512)
        source = commands.BlockSource(DATA, start // 512, blocks)
        assert host.io(commands.slm_copy_blocks(SLM, start, [source], 512)).status == 0
    ranges = [commands.MemoryRange(SLM, 0, length), commands.MemoryRange(SLM, OUTPUT, WRITTEN)]
    completion = host.io(commands.execute_program(COMPUTE, pind, ranges=ranges, cparam1=cparam1, data=data))
    assert completion.status == 0, f"{completion.status:03x}h"
    whole = b"".join(host.io(commands.slm_read(SLM, OUTPUT + at, ROOM)).data for at in range(0, WRITTEN, ROOM))
    return results.result(whole)


@dataclass(frozen=True)
class First:
    """A program that a user wrote first, its input, and what plain Python finds there."""

    name: str
    data: bytes
    state: bytes
    kept: bytes
    cparam1: int = 0
    given: bytes = b""


def first_programs() -> Iterator[First]:
    """Whole inputs, answers from the same bytes."""
    dice = random.Random(20261127)
    visits = [(dice.randrange(1 << 61), number) for number in range(100_000)]
    hours = [0] * 24
    for time, _ in visits:
        hours[time // 3_600_000_000_000 % 24] += 1
    packed = b"".join(struct.pack("<QQ", *visit) for visit in visits)
    yield First("day_hours", packed, struct.pack("<24Q", *hours), b"")

    numbers = [dice.randrange(1 << 32) for _ in range(16 * 50_000)]
    above = sum(number > 1073741823 for number in numbers)
    packed = struct.pack(f"<{len(numbers)}I", *numbers)
    yield First("over_limit", packed, struct.pack("<Q", above), b"", cparam1=1073741823)

    items = [struct.pack("<II", dice.randrange(5000), number) for number in range(200_000)]
    keys = [3, 17, 999, 4096, 4999, *range(100, 111)]
    kept = b"".join(item for item in items if int.from_bytes(item[:4], "little") in keys)
    yield First("one_of", b"".join(items), b"", kept, given=struct.pack(f"<{len(keys)}I", *keys))

    best: tuple[int, int] | None = None
    vectors = []
    for number in range(2_000):
        features = [dice.randrange(-1 << 31, 1 << 31) for _ in range(255)]
        far = sum(abs(feature - 1000) * (1, 3, 2, 5)[place & 3] for place, feature in enumerate(features))
        best = min(best or (far, number), (far, number))
        vectors.append(struct.pack("<q255iI", number, *features, 0))
    assert best is not None
    yield First("closest", b"".join(vectors), struct.pack("<3Q", *best, 2000), b"", cparam1=1000)

    heads = [b"ERROR: disk failure, slot 7", b"ERROR: disk failure, SLOT 7", b"ERROR: disk failure, slo", b"INFO", b""]
    lines = [dice.choice(heads).ljust(64) for _ in range(100_000)]
    kept = b"".join(line for line in lines if line.startswith(b"ERROR: disk failure, slot"))
    yield First("error_line", b"".join(lines), b"", kept)


@pytest.mark.timeout(300)
def test_the_programs_that_users_wrote_first_give_the_right_numbers_on_the_drive(target: WorkerTarget) -> None:
    """Loops, an index by modulo, a list, 255 features, a comparison of strings: by Scan and by Execute."""
    with target.host() as host:
        for pind, first in enumerate(first_programs()):
            target.load(pind, compile_program(PROGRAMS / f"{first.name}.bpf.c", target.folder))
            write(host, first.data)
            for how in (scanned, executed):
                result = how(host, pind, len(first.data), first.cparam1, first.given)
                assert result.state == first.state, f"{first.name}, {how.__name__}"
                assert result.data == first.kept, f"{first.name}, {how.__name__}"
            shown = target.call("csd_get_programs", name="csd0_compute")[0]["programs"][pind]
            assert (shown["engine"], shown["pind"]) == ("worker", pind)


def test_a_buffer_program_sees_each_line_whole(target: WorkerTarget) -> None:
    """Lines lie across windows and blocks of the device; one without an end is not counted."""
    dice = random.Random(7)
    numbers = [dice.randrange(10 ** dice.randrange(1, 16)) for _ in range(400_000)]
    text = b"".join(b"%d\n" % number for number in numbers) + b"12345"
    emitted = b"".join(b"%d\n" % number for number in numbers if number % 1000 == 0)
    load(target, 0, LINES)
    with target.host() as host:
        write(host, text)
        result = scanned(host, 0, len(text), 0, b"")
        assert result.state == struct.pack("<QQ", len(numbers), sum(numbers) % (1 << 64))
        assert result.data == emitted


@pytest.mark.parametrize(
    ("cparam1", "status", "words"),
    [
        (1, FAULT, "the program ended: memory that it has not at address 0x123456789000, by instruction "),
        (2, TIME, "the program took too long; it was at "),
        (3, FAULT, "the program ended: memory that it has not at address "),
    ],
    ids=["reads memory that it has not", "loops for ever", "recurses for ever"],
)
def test_what_a_program_does_wrong_hurts_its_own_command_alone(
    target: WorkerTarget, cparam1: int, status: int, words: str
) -> None:
    """Another host's commands are right meanwhile, and the slot works again."""
    load(target, 0, WRONG)
    load(target, 1, WRONG)
    with target.host(queues=2) as host:
        write(host, bytes(64 * 1000))
        counted(host)
        wrong = host.submit(commands.scan(COMPUTE, 0, DATA, 0, 64, room=4096, cparam1=cparam1), 0)
        counted(host, pind=1)
        while target.stats(0)["failed"] == 0:
            counted(host, pind=1)
        assert host.wait(wrong).status == status
        assert words in target.log_text()
        counted(host)
        counted(host, pind=1)
    assert target.running


def test_a_fault_is_told_by_its_line(target: WorkerTarget) -> None:
    """Of an object that clang made with -g."""
    source = target.folder / "wrong.bpf.c"
    source.write_text(WRONG)
    target.load(0, compile_program(source, target.folder, "-g"))
    with target.host() as host:
        write(host, bytes(64))
        assert host.io(commands.scan(COMPUTE, 0, DATA, 0, 64, room=4096, cparam1=1)).status == FAULT
    line = next(number for number, text in enumerate(WRONG.splitlines(), 1) if "0x123456789000" in text)
    place = (
        rf"of csd/record, in wrong: wrong\.bpf\.c:{line}: csd_state\.found = \*\(volatile __u64 \*\)0x123456789000ULL;"
    )
    assert re.search(place, target.log_text())


def test_a_looping_program_is_aborted_at_once(patient: PatientTarget) -> None:
    load(patient, 0, WRONG)
    with patient.host() as host:
        write(host, bytes(64 * 1000))
        looping = host.submit(commands.scan(COMPUTE, 0, DATA, 0, 64, room=4096, cparam1=2))
        until("a worker works", lambda: patient.stats(0)["runs"] == 1)
        host.abort(looping)
        assert host.wait(looping).status == ABORTED
        counted(host)


def test_who_leaves_takes_a_looping_program_along(patient: PatientTarget) -> None:
    """Nobody waits for it: its process ends, and the slot can be emptied."""
    load(patient, 0, WRONG)
    with patient.host() as host:
        write(host, bytes(64 * 1000))
        host.submit(commands.scan(COMPUTE, 0, DATA, 0, 64, room=4096, cparam1=2))
        until("a worker works", lambda: patient.stats(0)["runs"] == 1)
    until("the command ended", lambda: patient.stats(0)["aborted"] == 1)
    patient.call("csd_deactivate_program", name="csd0_compute", pind=0)
    patient.call("csd_unload_program", name="csd0_compute", pind=0)
    until("its workers are gone", lambda: patient.processes("csd_worker") == [])


@pytest.mark.timeout(300)
def test_killed_workers_and_spawners_lose_nothing(target: WorkerTarget) -> None:
    """Each command ends, right or interrupted; the next one is right again."""
    load(target, 0, WRONG)
    dice = random.Random(3)
    interrupted = 0
    killed = {"csd_spawner": 0, "csd_worker": 0}
    with target.host() as host:
        write(host, bytes(64 * 100_000))
        for turn in range(40):
            tags = [host.submit(commands.scan(COMPUTE, 0, DATA, 0, 64 * 100_000, room=4096)) for _ in range(4)]
            name = "csd_spawner" if turn % 8 == 7 else "csd_worker"
            if found := target.processes(name):
                kill(dice.choice(found))
                killed[name] += 1
            for completion in [host.wait(tag) for tag in tags]:
                if completion.status == INTERRUPTED:
                    interrupted += 1
                else:
                    assert completion.status == 0, f"{completion.status:03x}h"
                    assert results.result(completion.data).records == 100_000
            until("a command is answered", lambda: answers(host))
        counted(host)
    print(f"{interrupted} of 160 commands were interrupted; killed: {killed}")
    assert all(killed.values())
    assert target.running
    until("one spawner is there", lambda: len(target.processes("csd_spawner")) == 1)


def answers(host: SpdkTransport) -> bool:
    """Whether a command comes to its end; one whose worker was killed a moment ago may not."""
    status = host.io(commands.scan(COMPUTE, 0, DATA, 0, 64, room=4096)).status
    assert status in (0, INTERRUPTED), f"{status:03x}h"
    return status == 0


def kill(pid: int) -> None:
    """Kill, unless it has ended by itself."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


REFUSED: list[tuple[str, str]] = [
    ("extern const __u64 nobody; CSD_PROGRAM int p(const struct r *r) { return nobody; }", "nobody"),
    ("CSD_PROGRAM int p(const struct r *r) { return ((int (*)(void))35)(); }", "calls helper 35"),
]


@pytest.mark.parametrize(("text", "words"), REFUSED, ids=["a variable that is nowhere", "a helper that is not there"])
def test_what_is_refused_is_said(target: WorkerTarget, text: str, words: str) -> None:
    head = '#include "csd_bpf.h"\nstruct r { __u64 a; };\nCSD_RECORD(struct r, 8, CSD_EMIT_NOTHING);\n'
    with pytest.raises(LabError, match=words):
        load(target, 0, head + text)
    assert target.stats(0)["refused"] == 1


def test_a_folder_without_workers_is_refused(tmp_path: Path) -> None:
    """Before SPDK starts."""
    done = subprocess.run([BINARY, "--workers", str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"csd_tgt: --workers {tmp_path}: {tmp_path}/csd_compile: No such file or directory" in done.stderr


@pytest.mark.parametrize("number", ["0", "-1", "ten", "3600001", ""])
def test_a_budget_that_is_none_is_refused(number: str) -> None:
    """Before SPDK starts."""
    done = subprocess.run([BINARY, "--program-cpu-milliseconds", number], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"csd_tgt: --program-cpu-milliseconds {number}: a number from 1 to 3600000" in done.stderr


@pytest.mark.parametrize(
    ("cpus", "why"),
    [
        ("0,,2", "CPUs by their numbers, such as 1,3-5, are wanted"),
        ("all", "CPUs by their numbers, such as 1,3-5, are wanted"),
        ("9999", "CPU 9999 does not exist, or may not be used by this process, which has 0"),
        ("0,1", "CPU 1 does not exist, or may not be used by this process, which has 0"),
    ],
)
def test_cpus_that_cannot_be_had_are_refused(cpus: str, why: str) -> None:
    """Before SPDK starts. It may use CPU 0 alone."""
    command = ["taskset", "--cpu-list", "0", str(BINARY), "--workers", str(BINARY.parent), "--worker-cpus", cpus]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert f"csd_tgt: --worker-cpus {cpus}: {why}\n" in done.stderr


def test_programs_run_where_it_was_declared_and_the_log_says_what_holds_of_them(tmp_path: Path) -> None:
    """On the reactor's CPU, which is allowed."""
    with WorkerTarget(tmp_path, PORT, core_mask="0x1") as target:
        target.stop()
        target.start("--worker-cpus", "0")
        target.set_up()
        load(target, 0, WRONG)
        with target.host(core=1) as host:
            counted(host)
        assert {frozenset(os.sched_getaffinity(pid)) for pid in target.processes("csd_worker")} == {frozenset({0})}
        log = target.log_text()
        assert "programs run on CPU 0 beside the reactor that spins there" in log
        assert "programs run in processes of their own, on CPUs 0\n" in log
        assert log.count("programs are shut in ") == 1
        found = re.search(r"programs are shut in (?:by all layers|without: ([\w, ]+))\n", log)
        assert found
        # Landlock may be missing; nothing else.
        assert all(layer.endswith(" by Landlock") for layer in (found[1] or "").split(", ") if layer)
