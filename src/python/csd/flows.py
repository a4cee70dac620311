# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""What takes several commands: a scan that goes on where its buffer became full, and the standard flow.

The standard flow is copy into SLM, Execute Program, read the result; a scan is all that in one round trip.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from . import commands, results
from .commands import BlockSource, MemoryRange
from .device import Device, Namespace
from .errors import LabError

GRANULARITY = 4  # bytes, of starts and lengths in SLM
PAGE = 4096
MAX_COPY_BLOCKS = 1 << 16  # of one descriptor


@dataclass(frozen=True)
class Job:
    """A program over bytes of a data namespace.

    Attributes:
        compute, memory, data: the namespaces; memory may be None for a scan without data or state to carry.
        start, length: bytes of the data namespace.
        parameters: program data, of any length up to 1000 bytes.
        memory_at: where in SLM the work begins; None: a scan takes the end, the standard flow the beginning.
        room: bytes for the result, of the standard flow.
        most: bytes that a scan has to keep: it ends with the command that brings them; None: it ends with its range.
    """

    compute: Namespace
    memory: Namespace | None
    data: Namespace
    pind: int
    start: int
    length: int
    cparam1: int = 0
    cparam2: int = 0
    parameters: bytes = b""
    memory_at: int | None = None
    room: int = 1 << 20
    most: int | None = None


@dataclass
class Outcome:
    """What a job came to.

    Attributes:
        end: whole, full or stopped.
        examined: bytes that the program went through.
        commands: how many commands ran the program.
        seconds: step -> time it took, as this host saw it.
        nanoseconds: inside the program's loop, on the target.
    """

    program: results.Program
    end: str = "whole"
    records: int = 0
    matches: int = 0
    examined: int = 0
    state: bytes = b""
    data_bytes: int = 0
    nanoseconds: int = 0
    commands: int = 0
    seconds: dict[str, float] = field(default_factory=dict)

    def add(self, result: results.Result) -> None:
        self.end = results.ENDS[result.end]
        self.records += result.records
        self.matches += result.matches
        self.examined += min(result.next, result.input_bytes)
        self.state = result.state
        self.data_bytes += len(result.data)
        self.nanoseconds += result.nanoseconds
        self.commands += 1


def scan(device: Device, job: Job, keep: Callable[[bytes], object]) -> Outcome:
    """Scan a range. ``keep`` is given what the program kept, in order; offsets are bytes of the data namespace."""
    outcome = Outcome(device.program(job.compute.nsid, job.pind))
    began = time.monotonic()
    with _scan_ranges(device, job, outcome.program) as (rsid, padding):
        carries_state = rsid != 0 and outcome.program.state_bytes > 0
        start, length, resume = job.start, job.length, False
        while True:
            command = commands.scan(
                job.compute.nsid,
                job.pind,
                job.data.nsid,
                start,
                length,
                room=_scan_room(device, job, outcome),
                cparam1=job.cparam1,
                rsid=rsid,
                resume=resume and carries_state,
                padding=padding,
            )
            asked = f"scan {length} bytes at {start} of namespace {job.data.nsid} with slot {job.pind}"
            result = _result(device.io(command, asked).data, asked)
            outcome.add(result)
            keep(_absolute(result.data, start) if outcome.program.emit == "offset" else result.data)
            if result.end != results.END_FULL or (job.most is not None and outcome.data_bytes >= job.most):
                break
            if not 0 < result.next < length:
                raise LabError(asked, f"the drive says to go on at {result.next}", "report this: it would never end")
            start, length, resume = start + result.next, length - result.next, True
    outcome.seconds["scan"] = time.monotonic() - began
    return outcome


def _scan_room(device: Device, job: Job, outcome: Outcome) -> int:
    """Bytes for the next result: a drive stops where what it keeps has no more room."""
    if job.most is None:
        return device.max_transfer
    wanted = results.RESULT_BYTES + outcome.program.state_bytes + job.most - outcome.data_bytes
    return min(device.max_transfer, _up(wanted, GRANULARITY))


@contextmanager
def _scan_ranges(device: Device, job: Job, program: results.Program) -> Iterator[tuple[int, int]]:
    """The memory range set that a scan needs: for program data, and for state that survives a continuation; or 0.

    With it comes how much of its first range is padding: SLM takes multiples of 4 bytes, program data have any length.
    """
    may_continue = program.item_bytes() > 0
    if not job.parameters and not (program.state_bytes and may_continue):
        yield 0, 0
        return
    if job.memory is None:
        raise LabError(
            f"program data or state for a scan with slot {job.pind}",
            "the drive has no SLM namespace to hold them",
            "declare an SLM namespace at the target",
        )
    data = job.parameters.ljust(max(GRANULARITY, _up(len(job.parameters), GRANULARITY)), b"\0")
    state_bytes = _up(program.state_bytes, GRANULARITY)
    needed = _up(len(data), PAGE) + _up(state_bytes, PAGE)
    at = job.memory_at if job.memory_at is not None else (job.memory.bytes - needed) // PAGE * PAGE
    device.write_memory(job.memory.nsid, at, data)
    ranges = [MemoryRange(job.memory.nsid, at, len(data))]
    if state_bytes:
        ranges.append(MemoryRange(job.memory.nsid, at + _up(len(data), PAGE), state_bytes))
    with _range_set(device, job.compute.nsid, ranges) as rsid:
        yield rsid, len(data) - len(job.parameters)


def execute(device: Device, job: Job, keep: Callable[[bytes], object]) -> Outcome:
    """The standard flow: SLM Copy, Memory Range Set, Execute Program, SLM Read. Offsets are as in ``scan``."""
    if job.memory is None:
        raise LabError(
            f"run slot {job.pind} in the standard flow",
            "the drive has no SLM namespace",
            "declare one at the target",
        )
    outcome = Outcome(device.program(job.compute.nsid, job.pind))
    plan = _layout(job, job.memory)
    asked = f"run slot {job.pind} over {job.length} bytes at {job.start} of namespace {job.data.nsid}"
    with _timed(outcome, "copy"):
        _copy(device, job, job.memory, plan)
    with _range_set(device, job.compute.nsid, [plan.input, plan.output]) as rsid:
        with _timed(outcome, "execute"):
            device.io(
                commands.execute_program(
                    job.compute.nsid,
                    job.pind,
                    rsid=rsid,
                    data=job.parameters,
                    cparam1=job.cparam1,
                    cparam2=job.cparam2,
                ),
                asked,
            )
        with _timed(outcome, "read"):
            result = _read_result(device, plan.output, asked)
    outcome.add(result)
    keep(_absolute(result.data, job.start) if outcome.program.emit == "offset" else result.data)
    return outcome


@dataclass(frozen=True)
class _Layout:
    """Where in SLM the standard flow works."""

    at: int
    first_block: int
    blocks: int
    input: MemoryRange
    output: MemoryRange


def _layout(job: Job, memory: Namespace) -> _Layout:
    block = job.data.block_bytes
    at = job.memory_at or 0
    if job.start % GRANULARITY or job.length % GRANULARITY:
        raise LabError(
            f"{job.length} bytes at {job.start} in the standard flow",
            f"memory ranges begin at, and are, multiples of {GRANULARITY} bytes",
            "choose such a range, or use csd scan, which takes any",
        )
    first, end = job.start // block, -(-(job.start + job.length) // block)
    output_at = at + _up((end - first) * block, PAGE)
    room = min(_up(job.room, GRANULARITY), memory.bytes - output_at)
    if room < results.RESULT_BYTES:
        raise LabError(
            f"{job.length} bytes and their result in SLM namespace {memory.nsid}, from {at}",
            f"it has {memory.bytes} bytes; copied input ends at {output_at}",
            "take a smaller range (--length), or use csd scan, which copies nothing",
        )
    return _Layout(
        at,
        first,
        end - first,
        MemoryRange(memory.nsid, at + job.start % block, job.length),
        MemoryRange(memory.nsid, output_at, room),
    )


def _copy(device: Device, job: Job, memory: Namespace, plan: _Layout) -> None:
    """Blocks into SLM, with as few commands as the drive's limits allow."""
    most = memory.slm.max_copy_ranges if memory.slm and memory.slm.max_copy_ranges else 1
    sources = [
        BlockSource(job.data.nsid, plan.first_block + at, min(MAX_COPY_BLOCKS, plan.blocks - at))
        for at in range(0, plan.blocks, MAX_COPY_BLOCKS)
    ]
    to = plan.at
    for i in range(0, len(sources), most):
        part = sources[i : i + most]
        command = commands.slm_copy_blocks(memory.nsid, to, part, job.data.block_bytes)
        device.io(command, f"copy {plan.blocks} blocks at {plan.first_block} of namespace {job.data.nsid} into SLM")
        to += sum(source.blocks for source in part) * job.data.block_bytes


def _read_result(device: Device, output: MemoryRange, asked: str) -> results.Result:
    """The header, then as much as it says."""
    head = device.read_memory(output.nsid, output.start, results.RESULT_BYTES)
    state_bytes, data_bytes = struct.unpack_from("<II", head, 40)
    more = _up(state_bytes + data_bytes, GRANULARITY)
    if results.RESULT_BYTES + more > output.length:
        raise LabError(asked, f"its result says it has {more} bytes, more than its memory", "look at the target's log")
    body = device.read_memory(output.nsid, output.start + results.RESULT_BYTES, more) if more else b""
    return _result(head + body, asked)


@contextmanager
def _range_set(device: Device, nsid: int, ranges: list[MemoryRange]) -> Iterator[int]:
    """A memory range set for as long as it is needed."""
    rsid = device.create_range_set(nsid, ranges)
    try:
        yield rsid
    finally:
        # After a lost connection this fails too: what was lost is the error that counts.
        with suppress(LabError):
            device.transport.admin(commands.delete_range_set(nsid, rsid))


@contextmanager
def _timed(outcome: Outcome, step: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    outcome.seconds[step] = time.monotonic() - began


def _result(buffer: bytes, asked: str) -> results.Result:
    try:
        return results.result(buffer)
    except ValueError as error:
        raise LabError(asked, f"what came back is no result: {error}", "look at the target's log") from None


def _absolute(offsets: bytes, start: int) -> bytes:
    """Offsets count from where their command began; here they become bytes of the namespace."""
    return struct.pack(f"<{len(offsets) // 8}Q", *(start + at for (at,) in struct.iter_unpack("<Q", offsets)))


def _up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
