# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Compute namespaces of a real csd_tgt: the standard flow, scans of every geometry, and ends in the middle of the work.

HELLO_EBPF_CSD_TGT and HELLO_EBPF_CSD_NVME name other programs than the installed ones: a csd_tgt built with sanitizers
(tests/sanitized/build.sh) fails these tests on leaks and use after free.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.hello_ebpf.errors import LabError

import csd.errors
from csd import commands, results
from csd.spdk import SpdkTransport
from csd.transport import Completion
from csd_compute_target import COMPUTE, DATA, MALLOC, NQN, RAM, SLM, ComputeTarget, compiled
from waiting import until

PORT = 24110
ROOM = 131072
ABORTED, INTERRUPTED, IN_USE = 0x007, 0x021, 0x199

# Keeps records whose first byte is below cparam1, and counts all of them; looks at a record's last byte too.
SOURCE = """
#include "csd_bpf.h"
struct record { __u8 byte[RECORD]; };
struct totals { __u64 seen; __u64 last_bytes; };
CSD_RECORD_STATE(struct record, STRIDE, EMIT, struct totals);
CSD_PROGRAM
int below(const struct record *record)
{
	csd_state.seen++;
	csd_state.last_bytes += record->byte[RECORD - 1];
	return record->byte[0] < csd_parameters.cparam1 ? CSD_KEEP : CSD_DROP;
}
"""
# Stops at the first record whose first byte is cparam1.
STOPPER = """
#include "csd_bpf.h"
struct record { __u8 byte[16]; };
CSD_RECORD(struct record, 16, CSD_EMIT_OFFSET);
CSD_PROGRAM
int find(const struct record *record)
{
	return record->byte[0] == (__u8)csd_parameters.cparam1 ? CSD_KEEP_AND_STOP : CSD_DROP;
}
"""


@dataclass(frozen=True)
class Geometry:
    record: int
    stride: int
    emit: str = "CSD_EMIT_RECORD"

    def compile(self, folder: Path) -> bytes:
        source = SOURCE.replace("RECORD]", f"{self.record}]").replace("[RECORD", f"[{self.record}")
        return compiled(source.replace("STRIDE", str(self.stride)).replace(", EMIT", f", {self.emit}"), folder)

    def reference(self, data: bytes, limit: int) -> tuple[bytes, int, int]:
        """What the program has to come to: kept items, records seen, sum of their last bytes."""
        starts = range(0, len(data) - self.record + 1, self.stride)
        kept = [start for start in starts if data[start] < limit]
        last = sum(data[self.record - 1 : (starts[-1] if starts else -1) + self.record : self.stride])
        if self.emit == "CSD_EMIT_OFFSET":
            return b"".join(start.to_bytes(8, "little") for start in kept), len(starts), last
        if self.emit == "CSD_EMIT_NOTHING":
            return b"", len(starts), last
        return b"".join(data[start : start + self.record] for start in kept), len(starts), last


# Some 50 ns a byte: 64 MiB take seconds.
SLOW_SOURCE = """
#include "csd_bpf.h"
struct record { __u8 byte[48]; };
struct totals { __u64 seen; __u64 mixed; };
CSD_RECORD_STATE(struct record, 1, CSD_EMIT_NOTHING, struct totals);
CSD_PROGRAM
int slow(const struct record *record)
{
	__u64 mixed = csd_state.mixed;
	for (__u32 i = 0; i < 40; i++)
		mixed = mixed * 6364136223846793005ULL + record->byte[i];
	csd_state.mixed = mixed;
	csd_state.seen++;
	return CSD_DROP;
}
"""


def noise(length: int, seed: int = 7) -> bytes:
    return random.Random(seed).randbytes(length)


def write(host: SpdkTransport, data: bytes, block: int = 512) -> None:
    data += bytes(-len(data) % block)
    for offset in range(0, len(data), ROOM):
        part = data[offset : offset + ROOM]
        assert host.io(commands.write_blocks(DATA, offset // block, part, block)).status == 0


def result_of(completion: Completion) -> results.Result:
    assert completion.status == 0, f"{completion.status:03x}h"
    return results.result(completion.data)


def scan_all(
    host: SpdkTransport, pind: int, start: int, length: int, *, cparam1: int, rsid: int = 0, room: int = ROOM
) -> tuple[bytes, int, int, bytes, int]:
    """Scan, going on where a buffer became full: kept items, records, matches, the last state, commands."""
    kept, records, matches, count, begun = [], 0, 0, 0, start
    while True:
        command = commands.scan(
            COMPUTE, pind, DATA, start, length, room=room, cparam1=cparam1, rsid=rsid, resume=rsid != 0 and count > 0
        )
        completion = host.io(command)
        result = result_of(completion)
        assert completion.value == result.matches
        assert result.input_bytes == length
        if start != begun and len(result.data) == 8 * result.matches:
            moved = start - begun
            kept += [
                (int.from_bytes(result.data[at : at + 8], "little") + moved).to_bytes(8, "little")
                for at in range(0, len(result.data), 8)
            ]
        else:
            kept.append(result.data)
        records, matches, count = records + result.records, matches + result.matches, count + 1
        if result.end != results.END_FULL:
            assert result.end == results.END_WHOLE
            return b"".join(kept), records, matches, result.state, count
        assert 0 < result.next < length
        start, length = start + result.next, length - result.next


@pytest.fixture
def target(tmp_path: Path) -> Iterator[ComputeTarget]:
    with ComputeTarget(tmp_path, PORT) as target:
        yield target


def slow_target(target: ComputeTarget, **options: object) -> None:
    """64 MiB that take seconds to scan."""
    target.set_up(**options)  # type: ignore[arg-type]
    target.load(0, compiled(SLOW_SOURCE, target.folder))


def slow_scan(host: SpdkTransport, queue: int = 0, length: int = 64 << 20) -> int:
    return host.submit(commands.scan(COMPUTE, 0, DATA, 0, length, room=4096), queue)


def test_standard_flow(target: ComputeTarget) -> None:
    """Load in chunks, activate, copy, execute, read: over NVMe alone."""
    geometry = Geometry(100, 100)
    data = noise(70000)
    target.set_up()
    with target.host() as host:
        write(host, data)
        program = geometry.compile(target.folder)
        for chunk in commands.load_program(COMPUTE, 3, program, chunk=301):
            assert host.admin(chunk).status == 0
        assert host.admin(commands.activate_program(COMPUTE, 3)).status == 0
        blocks = -(-len(data) // 512)
        copied = host.io(commands.slm_copy_blocks(SLM, 0, [commands.BlockSource(DATA, 0, blocks)], 512))
        assert copied.status == 0
        ranges = [commands.MemoryRange(SLM, 0, len(data)), commands.MemoryRange(SLM, 1 << 20, 1 << 20)]
        created = host.admin(commands.create_range_set(COMPUTE, ranges))
        assert created.status == 0
        assert created.value == 1
        kept, seen, last = geometry.reference(data, 40)
        for command in (
            commands.execute_program(COMPUTE, 3, rsid=1, cparam1=40),
            commands.execute_program(COMPUTE, 3, ranges=ranges, cparam1=40),
        ):
            executed = host.io(command)
            assert executed.status == 0
            assert executed.value == len(kept) // 100
            result = results.result(host.io(commands.slm_read(SLM, 1 << 20, ROOM)).data)
            assert (result.data, result.records, result.end) == (kept, seen, results.END_WHOLE)
            assert result.state == seen.to_bytes(8, "little") + last.to_bytes(8, "little")
        # Without an output range: the return value alone.
        assert host.io(commands.execute_program(COMPUTE, 3, ranges=ranges[:1], cparam1=40)).value == len(kept) // 100
        # An output range that is too small says so.
        small = [ranges[0], commands.MemoryRange(SLM, 1 << 20, 1024)]
        value = host.io(commands.execute_program(COMPUTE, 3, ranges=small, cparam1=40)).value
        assert value == results.RETURN_INCOMPLETE | (1024 - 64 - 16) // 100
        assert host.admin(commands.delete_range_set(COMPUTE, 1)).status == 0
        assert host.admin(commands.deactivate_program(COMPUTE, 3)).status == 0
        assert host.admin(commands.unload_program(COMPUTE, 3)).status == 0
        assert host.io(commands.execute_program(COMPUTE, 3, ranges=ranges)).status == 0x18F


GEOMETRIES = [
    Geometry(48, 48),
    Geometry(100, 100),
    Geometry(4097, 4097),
    Geometry(48, 1, "CSD_EMIT_OFFSET"),
    Geometry(100, 7),
    Geometry(16, 5000, "CSD_EMIT_OFFSET"),
    Geometry(512, 512, "CSD_EMIT_NOTHING"),
]


@pytest.mark.parametrize("device", ["malloc", "csd_ram 4096", "aio", "passthru over aio", "small pieces"])
def test_scan_finds_what_a_reference_finds(target: ComputeTarget, device: str) -> None:
    """Records straddle blocks, windows and buffers; start and length are no multiples of anything."""
    data = noise(9 << 20)
    transport = {}
    made: dict[str, object] = dict(MALLOC)
    if device == "csd_ram 4096":
        made = {**RAM, "num_blocks": 16384, "block_size": 4096}
    elif device == "small pieces":
        # The request's buffer comes in 16 pieces.
        transport = {"io_unit_size": 8192, "max_io_size": ROOM}
    elif device != "malloc":
        image = target.folder / "data"
        image.write_bytes(data + bytes(-len(data) % 512))
        made = {"method": "bdev_aio_create", "filename": str(image), "block_size": 512}
        if device == "passthru over aio":
            target.call("bdev_aio_create", name="below", filename=str(image), block_size=512)
            made = {"method": "bdev_passthru_create", "base_bdev_name": "below"}
    target.set_up(data=made, transport=transport)
    start, length = 12345, len(data) - 12345 - 77
    with target.host() as host:
        if made["method"] in {MALLOC["method"], RAM["method"]}:
            write(host, data, 4096 if device == "csd_ram 4096" else 512)
        memory = [commands.MemoryRange(SLM, 0, 4), commands.MemoryRange(SLM, 4096, 4096)]
        assert host.admin(commands.create_range_set(COMPUTE, memory)).value == 1
        for pind, geometry in enumerate(GEOMETRIES):
            target.load(pind, geometry.compile(target.folder))
            kept, seen, last = geometry.reference(data[start : start + length], 3)
            # Slices go on with the state; a range set carries it from one command to the next.
            found = scan_all(host, pind, start, length, cparam1=3, rsid=1)
            assert found[:2] == (kept, seen), f"{geometry} on {device}"
            assert found[3] == seen.to_bytes(8, "little") + last.to_bytes(8, "little"), f"{geometry} on {device}"
            if geometry.emit == "CSD_EMIT_NOTHING":
                assert found[4] == 1
            counted = target.stats(pind)
            assert (counted["records"], counted["matches"], counted["runs"]) == (seen, found[2], found[4])
            assert counted["failed"] == counted["aborted"] == 0


def test_small_inputs_and_their_ends(target: ComputeTarget) -> None:
    """Nothing, less than a record, exactly one, the very end of the namespace."""
    geometry = Geometry(100, 100)
    size = 131072 * 512
    target.set_up()
    target.load(0, geometry.compile(target.folder))
    target.load(1, compiled(STOPPER, target.folder))
    with target.host() as host:
        for start, length, records in ((0, 0, 0), (5, 99, 0), (5, 100, 1), (size - 250, 250, 2), (size, 0, 0)):
            result = result_of(host.io(commands.scan(COMPUTE, 0, DATA, start, length, room=4096, cparam1=0)))
            assert (result.records, result.end, result.next) == (records, results.END_WHOLE, records * 100)
        for start, length in ((0, size + 1), (size, 1), (1 << 63, 1 << 63), ((1 << 64) - 1, 2)):
            assert host.io(commands.scan(COMPUTE, 0, DATA, start, length, room=4096)).status == 0x080
        # Room for result, state and one item, or nothing goes.
        assert host.io(commands.scan(COMPUTE, 0, DATA, 0, 4096, room=64 + 16 + 99)).status == 0x002
        full = result_of(host.io(commands.scan(COMPUTE, 0, DATA, 0, 4096, room=64 + 16 + 100, cparam1=1)))
        assert (full.end, full.matches, full.next) == (results.END_FULL, 1, 100)
        # A program that stops says where to go on.
        write(host, bytes(16 * 1000) + b"\x05" + bytes(511))
        stopped = result_of(host.io(commands.scan(COMPUTE, 1, DATA, 0, size, room=4096, cparam1=5)))
        assert (stopped.end, stopped.records, stopped.next) == (results.END_STOPPED, 1001, 1001 * 16)
        assert int.from_bytes(stopped.data, "little") == 16000


def test_abort_of_running_and_queued_scans(target: ComputeTarget) -> None:
    slow_target(target)
    with target.host() as host:
        tags = [slow_scan(host) for _ in range(20)]
        until("a run", lambda: target.stats(0)["runs"] > 0)
        for tag in reversed(tags):
            assert host.abort(tag).value & 1 == 0
        assert [host.wait(tag).status for tag in tags] == [ABORTED] * 20
        assert target.stats(0)["aborted"] == target.stats(0)["runs"] <= 8
        # All is well afterwards; a command that has ended cannot be aborted.
        short = slow_scan(host, length=4096)
        assert host.wait(short).status == 0
        assert host.abort(short).value & 1 == 1


def test_abort_while_the_device_works(target: ComputeTarget) -> None:
    """The answer comes when the device has let go of the memory that it was reading into."""
    image = target.folder / "data"
    image.write_bytes(bytes(1 << 20))
    target.call("bdev_aio_create", name="below", filename=str(image), block_size=512)
    latency = {f"{what}_{how}_latency": 300000 for what in ("avg", "p99") for how in ("read", "write")}
    target.set_up(data={"method": "bdev_delay_create", "base_bdev_name": "below", **latency})
    target.load(0, compiled(SLOW_SOURCE, target.folder))
    with target.host() as host:
        tag = slow_scan(host, length=1 << 20)
        until("a run", lambda: target.stats(0)["runs"] > 0)
        assert host.abort(tag).value & 1 == 0
        assert host.wait(tag).status == ABORTED


def test_failing_device(target: ComputeTarget) -> None:
    """An error of the data's device is the command's status; and is counted."""
    image = target.folder / "data"
    image.write_bytes(bytes(4 << 20))
    target.call("bdev_aio_create", name="below", filename=str(image), block_size=512)
    target.call("bdev_error_create", base_name="below")
    target.set_up(data={"method": "bdev_passthru_create", "base_bdev_name": "EE_below"})
    target.load(0, compiled(SLOW_SOURCE, target.folder))
    with target.host() as host:
        assert host.wait(slow_scan(host, length=4 << 20)).status == 0
        target.call("bdev_error_inject_error", name="EE_below", io_type="read", error_type="failure", num=2)
        assert host.wait(slow_scan(host, length=4 << 20)).status != 0
        assert target.stats(0)["failed"] == 1


def test_disconnect_under_load(target: ComputeTarget) -> None:
    """A host that dies leaves nothing behind: the program can be taken away at once."""
    slow_target(target)
    host = target.connect()
    for _ in range(20):
        slow_scan(host)
    until("a run", lambda: target.stats(0)["runs"] > 0)
    host._process.kill()
    host.close()
    until("no run", lambda: deactivates(target))
    target.call("csd_unload_program", name="csd0_compute", pind=0)
    assert target.stats(0)["aborted"] == target.stats(0)["runs"]


def deactivates(target: ComputeTarget) -> bool:
    """Whether nothing runs the program any more; the refusal is the only one that may come."""
    try:
        target.call("csd_deactivate_program", name="csd0_compute", pind=0)
    except LabError as error:
        if "commands run its program" not in str(error):
            raise
        return False
    return True


def test_programs_in_use_stay(target: ComputeTarget) -> None:
    slow_target(target)
    program = compiled(SLOW_SOURCE, target.folder)
    with target.host() as host:
        tag = slow_scan(host)
        until("a run", lambda: target.stats(0)["runs"] > 0)
        assert host.admin(commands.deactivate_program(COMPUTE, 0)).status == IN_USE
        assert host.admin(commands.unload_program(COMPUTE, 0)).status == IN_USE
        (chunk,) = commands.load_program(COMPUTE, 0, program, chunk=len(program))
        assert host.admin(chunk).status == IN_USE
        # A memory range set that is in use stays, too.
        ranges = [commands.MemoryRange(SLM, 0, 4), commands.MemoryRange(SLM, 4096, 16)]
        rsid = host.admin(commands.create_range_set(COMPUTE, ranges)).value
        using = host.submit(commands.scan(COMPUTE, 0, DATA, 0, 64 << 20, room=4096, rsid=rsid))
        until("two runs", lambda: target.stats(0)["runs"] > 1)
        assert host.admin(commands.delete_range_set(COMPUTE, rsid)).status == 0x195
        # An administrator's deactivation is refused too, but no run begins any more, until it is taken back.
        with pytest.raises(LabError, match="slot 0: 2 commands run its program"):
            target.call("csd_deactivate_program", name="csd0_compute", pind=0)
        assert host.wait(slow_scan(host, length=4096)).status == 0x198
        target.call("csd_activate_program", name="csd0_compute", pind=0)
        assert host.wait(slow_scan(host, length=4096)).status == 0
        for running in (tag, using):
            host.abort(running)
            assert host.wait(running).status == ABORTED
        assert host.admin(commands.delete_range_set(COMPUTE, rsid)).status == 0
        assert host.admin(commands.deactivate_program(COMPUTE, 0)).status == 0
        assert host.io(commands.scan(COMPUTE, 0, DATA, 0, 4096, room=4096)).status == 0x198
        # What is loaded stays until it is unloaded.
        assert host.admin(chunk).status == IN_USE
        assert host.admin(commands.unload_program(COMPUTE, 0)).status == 0
        assert host.admin(chunk).status == 0
        assert host.admin(commands.unload_program(COMPUTE, 0)).status == 0
        assert host.io(commands.scan(COMPUTE, 0, DATA, 0, 4096, room=4096)).status == 0x18F


def test_subsystem_deleted_under_load(target: ComputeTarget) -> None:
    slow_target(target)
    with target.host() as host:
        for _ in range(12):
            slow_scan(host)
        until("a run", lambda: target.stats(0)["runs"] > 0)
        with pytest.raises(LabError, match="is a namespace of a subsystem"):
            target.call("bdev_csd_delete", name="csd0_compute")
        target.call("nvmf_delete_subsystem", nqn=NQN)
    until("no run", lambda: deactivates(target))
    target.call("bdev_csd_delete", name="csd0_compute")
    target.call("bdev_csd_delete", name="csd0_memory")
    assert not target.has_bdev("csd0_compute")
    # And once more from the beginning, under the same names.
    target.call("bdev_csd_slm_create", name="csd0_memory", megabytes=1)
    target.call("bdev_csd_compute_create", name="csd0_compute")
    target.expose()
    target.load(0, Geometry(48, 48).compile(target.folder))
    with target.host() as host:
        assert host.wait(slow_scan(host)).status == 0


def test_data_removed_under_load(target: ComputeTarget) -> None:
    """The data namespace goes: scans are interrupted, and there is nothing more to scan."""
    slow_target(target)
    with target.host() as host:
        tags = [slow_scan(host) for _ in range(12)]
        until("a run", lambda: target.stats(0)["runs"] > 0)
        target.call("bdev_malloc_delete", name="csd0_data")
        assert {host.wait(tag).status for tag in tags} <= {INTERRUPTED, 0x00B}
        assert host.wait(slow_scan(host, length=4096)).status == 0x00B
        ranges = [commands.MemoryRange(SLM, 0, 4096)]
        assert host.io(commands.execute_program(COMPUTE, 0, ranges=ranges)).status == 0


def test_target_stopped_under_load(target: ComputeTarget) -> None:
    slow_target(target)
    host = target.connect()
    for _ in range(12):
        slow_scan(host)
    until("a run", lambda: target.stats(0)["runs"] > 0)
    target.stop()
    assert not target.running
    host.close()


def test_namespace_added_under_load(target: ComputeTarget) -> None:
    """SPDK pauses the subsystem for that, and waits for what runs: it ends, and may be sent again."""
    slow_target(target)
    target.call("bdev_malloc_create", name="more", num_blocks=2048, block_size=512)
    with target.host() as host:
        tags = [slow_scan(host) for _ in range(12)]
        until("a run", lambda: target.stats(0)["runs"] > 0)
        target.call("nvmf_subsystem_add_ns", nqn=NQN, namespace={"bdev_name": "more"})
        assert INTERRUPTED in {host.wait(tag).status for tag in tags[:1]}
        for tag in tags[1:]:
            host.abort(tag)
            assert host.wait(tag).status in (INTERRUPTED, ABORTED)
        assert host.wait(slow_scan(host, length=4096)).status == 0


def test_unloaded_programs_leave_no_workers(target: ComputeTarget) -> None:
    """Threads keep workers of programs: they go with the program (a leak check sees to the rest)."""
    target.set_up()
    with target.host() as host:
        for turn in range(12):
            target.load(0, Geometry(16 + turn, 16 + turn).compile(target.folder))
            assert host.wait(slow_scan(host, length=1 << 20)).status == 0
            assert target.stats(0)["runs"] == 1
            target.call("csd_deactivate_program", name="csd0_compute", pind=0)
            target.call("csd_unload_program", name="csd0_compute", pind=0)
        until("no worker", lambda: target.processes("csd_worker") == [])


def test_other_commands_go_on_beside_scans(target: ComputeTarget) -> None:
    """A reactor that scans answers others meanwhile: fifty reads come and go before the first scan's end."""
    slow_target(target)
    with target.host(queues=2) as host:
        tags = [slow_scan(host) for _ in range(4)]
        until("a run", lambda: target.stats(0)["runs"] > 0)
        for _ in range(50):
            assert host.wait(host.submit(commands.read_blocks(DATA, 0, 8, 512), 1)).status == 0
        assert not any(tag in host._done for tag in tags)
        for tag in tags:
            host.abort(tag)
            assert host.wait(tag).status == ABORTED


def test_two_queues_on_two_reactors(tmp_path: Path) -> None:
    with ComputeTarget(tmp_path, PORT, core_mask="0x3") as target:
        slow_target(target)
        with target.host(queues=2, core=-1) as host:
            tags = [slow_scan(host, queue, 16 << 20) for queue in (0, 1, 0, 1)]
            # Each thread has a spawner of its own, whose workers run what came by its queue.
            until("workers of two threads", lambda: len({parent(pid) for pid in target.processes("csd_worker")}) == 2)
            found = [result_of(host.wait(tag)) for tag in tags]
        assert len({(result.records, result.state) for result in found}) == 1
        assert target.stats(0)["records"] == sum(result.records for result in found)


def parent(pid: int) -> int | None:
    """A process's parent; None: it has ended."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return None


def test_saved_configuration_brings_everything_back(target: ComputeTarget) -> None:
    small, large = Geometry(100, 100).compile(target.folder), compiled(padded(700), target.folder)
    assert len(large) > 16384
    bare = bytes([0xB7, 0, 0, 0, 1, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0])  # r0 = 1; exit
    geometry: dict[str, Any] = {"record_bytes": 32, "stride_bytes": 16, "state_bytes": 8, "emit": "offset"}
    target.set_up(compute={"slots": 5, "max_active": 2, "max_program_bytes": 300000, "max_total_bytes": 2 << 20})
    target.load(0, small, pid=(1 << 64) - 2)
    for offset in range(0, len(large), 20000):
        target.load(1, large[offset : offset + 20000], activate=False, size=len(large), offset=offset)
    target.load(4, bare, **geometry)
    with pytest.raises(LabError, match="2 programs are active, and no more may be"):
        target.call("csd_activate_program", name="csd0_compute", pind=1)
    programs = target.call("csd_get_programs")
    assert [program["pind"] for program in programs[0]["programs"]] == [0, 1, 4]
    assert [program["state"] for program in programs[0]["programs"]] == ["active", "loaded", "active"]
    shown = next(bdev for bdev in target.call("bdev_get_bdevs") if bdev["name"] == "csd0_compute")
    saved = target.folder / "saved.json"
    saved.write_text(json.dumps({"subsystems": subsystems(target)}))
    target.stop()
    target.start("--json", str(saved))
    assert target.call("csd_get_programs") == programs
    again = next(bdev for bdev in target.call("bdev_get_bdevs") if bdev["name"] == "csd0_compute")
    assert (again["uuid"], again["driver_specific"]) == (shown["uuid"], shown["driver_specific"])
    with target.host() as host:
        result = result_of(host.io(commands.scan(COMPUTE, 4, DATA, 0, 160, room=4096)))
        assert (result.matches, result.data[8:16]) == (9, (16).to_bytes(8, "little"))


def test_what_a_csd_tgt_with_an_engine_of_its_own_saved_is_understood(target: ComputeTarget) -> None:
    target.set_up(compute={"interpret": False})
    [compute] = target.call("csd_get_programs")
    assert "interpret" not in compute


def subsystems(target: ComputeTarget) -> list[dict[str, object]]:
    names = [subsystem["subsystem"] for subsystem in target.call("framework_get_subsystems")]
    return [{"subsystem": name, "config": target.call("framework_get_config", name=name)} for name in names]


def padded(instructions: int) -> str:
    """A program that is large: many stores to its state."""
    stores = "\n".join(f"\tcsd_state.word[{index % 64}] += {index} * record->word;" for index in range(instructions))
    return (
        '#include "csd_bpf.h"\nstruct record { __u64 word; };\nstruct totals { volatile __u64 word[64]; };\n'
        "CSD_RECORD_STATE(struct record, 8, CSD_EMIT_NOTHING, struct totals);\n"
        f"CSD_PROGRAM\nint many(const struct record *record)\n{{\n{stores}\n\treturn CSD_DROP;\n}}\n"
    )


def test_a_slow_load_does_not_block_others(target: ComputeTarget) -> None:
    """Verification is off the reactor; its slot is busy meanwhile, and only that."""
    large = compiled(padded(700), target.folder)
    target.set_up(compute={"max_program_bytes": 1 << 20})
    target.load(0, Geometry(48, 48).compile(target.folder))
    with target.host() as host:
        tags = []
        for pind in range(1, 9):
            for chunk in commands.load_program(COMPUTE, pind, large, chunk=ROOM):
                tags.append(host.submit_admin(chunk))
        assert host.wait(slow_scan(host, length=1 << 20)).status == 0
        assert [host.wait(tag).status for tag in tags] == [0] * len(tags)


def test_refused_programs_tell_why(target: ComputeTarget) -> None:
    target.set_up()
    with target.host() as host:
        (chunk,) = commands.load_program(COMPUTE, 2, b"\x05" + bytes(23), chunk=4096)
        assert host.admin(chunk).status == 0x18E
        page = host.admin(commands.get_log(results.LOG_REASON, COMPUTE, 256, specific=2)).data
        reason = page.rstrip(b"\0").decode()
        (program,) = target.call("csd_get_programs", name="csd0_compute")[0]["programs"]
        assert (program["pind"], program["state"], program["reason"]) == (2, "empty", reason)
        assert reason
        assert f"csd0_compute: slot 2: program refused: {reason}" in target.log_text()
        assert target.stats(2)["refused"] == 1
        with pytest.raises(LabError, match="slot 2: program refused"):
            target.call("csd_load_program", name="csd0_compute", pind=2, program="BQAAAAAAAAA=")
        assert target.stats(2)["refused"] == 2
        target.load(2, Geometry(48, 48).compile(target.folder))
        (program,) = target.call("csd_get_programs", name="csd0_compute")[0]["programs"]
        assert program["reason"] is None
        assert (program["verdict"], program["not_proved"]) == ("proved", None)
        assert target.stats(2)["refused"] == 2


def test_rpc_errors_say_what_is_wrong(target: ComputeTarget) -> None:
    target.set_up(compute={"slots": 2})
    for method, params, text in (
        ("bdev_csd_compute_create", {"name": "csd0_compute"}, "there is a bdev csd0_compute already"),
        ("bdev_csd_compute_create", {"name": "x", "slots": 0}, "slots: give 1 or more"),
        ("bdev_csd_compute_create", {"name": "x", "max_active": 17}, "max_active: not more than there are slots"),
        ("bdev_csd_compute_create", {"name": "x", "max_total_bytes": 1000}, "max_total_bytes: give whole MiB"),
        ("bdev_csd_compute_create", {"name": "x", "uuid": "y"}, "'y' is no UUID"),
        ("bdev_csd_compute_create", {"slots": 1}, "expected: name (string)"),
        (
            "csd_load_program",
            {"name": "csd0_data", "pind": 0, "program": ""},
            "no compute namespace is named csd0_data",
        ),
        ("csd_load_program", {"name": "csd0_compute", "pind": 0, "program": "*"}, "program is no base64"),
        ("csd_load_program", {"name": "csd0_compute", "pind": 2, "program": "AAAA"}, "slot 2: there are slots 0 to 1"),
        ("csd_load_program", {"name": "csd0_compute", "pind": 0, "program": ""}, "program is no base64"),
        (
            "csd_load_program",
            {"name": "csd0_compute", "pind": 0, "program": "AAAA", "emit": "all"},
            "emit is 'all': give record, offset or nothing",
        ),
        (
            "csd_load_program",
            {"name": "csd0_compute", "pind": 0, "program": "AAAA", "program_type": 9},
            "program type 09h: this drive runs type c0h (eBPF)",
        ),
        ("csd_activate_program", {"name": "csd0_compute", "pind": 0}, "slot 0: there is no program in it"),
        ("csd_unload_program", {"name": "csd0_compute", "pind": 0}, "slot 0: there is no program in it"),
        ("csd_get_stats", {"name": "nobody"}, "no compute namespace is named nobody"),
    ):
        with pytest.raises(LabError) as refused:
            target.call(method, **params)
        assert text in str(refused.value), f"{method} {params}: {refused.value}"


# Of each host in the test of everything at once.
CHANCE_COMMANDS = int(os.environ.get("HELLO_EBPF_CHANCE_COMMANDS", "500"))
# What may come of a command while others load, unload, abort, cut connections and change the subsystem.
POSSIBLE = {0x000, 0x002, ABORTED, 0x00B, INTERRUPTED, 0x18D, 0x18E, 0x18F, 0x192, 0x195, 0x196, 0x198, IN_USE}


def chance_command(chance: random.Random, program: bytes) -> tuple[bool, commands.Command]:
    """Whether it is an admin command; and a command that makes sense at some time."""
    pind = chance.randrange(3)
    length = chance.choice((0, 100, 5000, 1 << 20, 20 << 20))
    ranges = [commands.MemoryRange(SLM, 0, 4), commands.MemoryRange(SLM, 8192, 65536)]
    scan = commands.scan(
        COMPUTE, pind, DATA, chance.randrange(4096), length, room=ROOM, cparam1=9, rsid=chance.choice((0, 0, 1, 2))
    )
    execute = commands.execute_program(COMPUTE, pind, ranges=[commands.MemoryRange(SLM, 131072, 1 << 20), ranges[1]])
    (load,) = commands.load_program(COMPUTE, pind, program, chunk=len(program))
    return chance.choice(
        [(False, scan)] * 12
        + [(False, execute)] * 4
        + [(True, load), (True, load), (True, commands.activate_program(COMPUTE, pind))]
        + [(True, commands.activate_program(COMPUTE, pind)), (True, commands.deactivate_program(COMPUTE, pind))]
        + [(True, commands.unload_program(COMPUTE, pind)), (True, commands.create_range_set(COMPUTE, ranges))]
        + [(True, commands.delete_range_set(COMPUTE, chance.randrange(1, 4)))]
        + [(True, commands.get_log(lid, COMPUTE, 4096)) for lid in (0x82, 0x83, 0x84, 0xC0, 0xC1, 0xD2, 0xD3)]
    )


def let_in(target: ComputeTarget) -> SpdkTransport:
    """A connection. While an administrator adds or removes a namespace, the subsystem takes no new queue."""

    def look() -> SpdkTransport | None:
        try:
            return target.connect(queues=2, core=-1, memory_megabytes=32)
        except csd.errors.LabError as error:
            if "I/O queues of" in str(error):
                return None
            raise

    host = until("the subsystem takes a host's queues", look)
    assert host
    return host


def chance_host(target: ComputeTarget, chance: random.Random, program: bytes, sent: list[int], number: int) -> None:
    """A host that does whatever comes to its mind, and now and then dies: ``CHANCE_COMMANDS``, counted in ``sent``."""
    while sent[number] < CHANCE_COMMANDS:
        host = let_in(target)
        tags: list[int] = []
        for _ in range(chance.randrange(1, 150)):
            admin, command = chance_command(chance, program)
            tag = host.submit_admin(command) if admin else host.submit(command, chance.randrange(2))
            if not admin and chance.random() < 0.1:
                host.abort(tag)
            tags.append(tag)
            sent[number] += 1
            while len(tags) > 20:
                assert host.wait(tags.pop(0)).status in POSSIBLE
        if chance.random() < 0.3:
            host._process.kill()
        else:
            assert {host.wait(tag).status for tag in tags} <= POSSIBLE
        host.close()


def test_everything_at_once(tmp_path: Path) -> None:
    """Two reactors, three hosts and an administrator, each by chance."""
    seed = int(os.environ.get("HELLO_EBPF_CHANCE_SEED", str(time.time_ns() % (1 << 32))))
    print(f"HELLO_EBPF_CHANCE_SEED={seed}")
    with ComputeTarget(tmp_path, PORT, core_mask="0x3") as target:
        target.set_up(transport={"io_unit_size": 16384, "max_io_size": ROOM})
        target.call("bdev_malloc_create", name="more", num_blocks=2048, block_size=512)
        program = Geometry(100, 7).compile(tmp_path)
        with ThreadPoolExecutor() as pool:
            sent = [0, 0, 0]
            hosts = [
                pool.submit(chance_host, target, random.Random(seed + number), program, sent, number)
                for number in range(len(sent))
            ]
            chance = random.Random(seed)

            def go_on(commands: int) -> None:
                """Until they have sent so many more, or all they will."""
                goal = sum(sent) + commands
                until("the hosts go on", lambda: sum(sent) >= goal or all(host.done() for host in hosts))

            while not all(host.done() for host in hosts):
                method = chance.choice(("load", "activate", "deactivate", "unload"))
                params = {"program": base64.b64encode(program).decode()} if method == "load" else {}
                with contextlib.suppress(LabError):
                    target.call(f"csd_{method}_program", name="csd0_compute", pind=chance.randrange(3), **params)
                if chance.random() < 0.05:
                    target.call("nvmf_subsystem_add_ns", nqn=NQN, namespace={"bdev_name": "more", "nsid": 9})
                    target.call("nvmf_subsystem_remove_ns", nqn=NQN, nsid=9)
                target.call(chance.choice(("csd_get_programs", "csd_get_stats")))
                go_on(chance.randrange(20))
            for host in hosts:
                host.result()
        assert target.running
        # Nothing is left behind that would keep a program from going.
        for pind in range(3):
            with contextlib.suppress(LabError):
                target.call("csd_deactivate_program", name="csd0_compute", pind=pind)
            with contextlib.suppress(LabError):
                target.call("csd_unload_program", name="csd0_compute", pind=pind)
        shown = target.call("csd_get_programs", name="csd0_compute")[0]["programs"]
        assert [slot for slot in shown if slot["state"] != "empty"] == []
