# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Memory that programs in workers see where it lies: csd_ram bdevs and SLM."""

from __future__ import annotations

import contextlib
import dataclasses
import random
import re
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible.module_utils.hello_ebpf.jsonrpc import RpcError

from csd import commands, results
from csd.spdk import Place, SpdkTransport
from csd_compute_target import COMPUTE, DATA, HOSTNQN, MALLOC, NQN, RAM, SLM, ComputeTarget, compiled
from csd_live import BINARY, BRIDGE
from waiting import until

PORT = 24119
BLOCK = 512
MEGABYTE = 1 << 20
FAULT = 0x7C0

# Sums numbers of 64 bits. With cparam1 it writes into its input, with cparam2 into the range that it sees besides.
SUM = """
#include "csd_bpf.h"
struct totals { __u64 sum; __u64 first; };
CSD_STATE(struct totals);
CSD_BUFFER_PROGRAM
int sum(struct csd_context *context)
{
	const __u64 *numbers = (const __u64 *)context->begin;
	__u64 count = (__u64)(context->end - context->begin) / 8;
	if (csd_parameters.cparam1)
		*(volatile __u8 *)context->begin = 1;
	if (csd_parameters.cparam2)
		*(volatile __u8 *)context->ranges[0].begin = 1;
	for (__u64 i = 0; i < count; i++)
		csd_state.sum += numbers[i];
	if (context->range_count > 0)
		csd_state.first = *(const __u64 *)context->ranges[0].begin + context->ranges[0].bytes;
	return 0;
}
"""


# Keeps all records, up to the one whose number is cparam1.
KEEP = """
#include "csd_bpf.h"
struct record { __u64 number; __u64 more[2]; };
struct totals { __u64 seen; };
CSD_RECORD_STATE(struct record, sizeof(struct record), CSD_EMIT_RECORD, struct totals);
CSD_PROGRAM
int keep(const struct record *record)
{
	csd_state.seen++;
	return record->number == csd_parameters.cparam1 ? CSD_KEEP_AND_STOP : CSD_KEEP;
}
"""
# Gives out each item twice: a length of 32 bits, and as many bytes. At the end it gives out how many there were.
TWICE = """
#include "csd_bpf.h"
struct totals { __u64 items; __u64 ends; };
CSD_STATE(struct totals);
CSD_BUFFER_PROGRAM
int twice(struct csd_context *context)
{
	const __u8 *at = context->begin;
	context->consumed = 0;
	while (context->end - at >= 4) {
		__u64 bytes = 4 + *(const __u32 *)at;
		if ((__u64)(context->end - at) < bytes)
			break;
		if (csd_state.items % 2 == 0 && csd_emit(at, bytes) != 0)
			return 0;
		if (csd_state.items % 2 == 0)
			csd_state.items++;
		if (csd_emit(at, bytes) != 0)
			return 0;
		csd_state.items++;
		at += bytes;
		context->consumed = at - context->begin;
	}
	if (context->flags & CSD_LAST)
		csd_state.ends++;
	return 0;
}
"""
# Reads the byte at cparam1, or writes there if cparam2 is not 0.
POKE = """
#include "csd_bpf.h"
struct totals { __u64 byte; };
CSD_STATE(struct totals);
CSD_BUFFER_PROGRAM
int poke(struct csd_context *context)
{
	volatile __u8 *at = (volatile __u8 *)csd_parameters.cparam1;
	if (csd_parameters.cparam2)
		*at = *at + 1;
	csd_state.byte = *at;
	return 0;
}
"""
ROOM = 1 << 20
# csd_layout.h, csd_blob.h: where a worker has its memories, by number; its ring; code and data of its program.
MEMORIES, MEMORY, APART = 16, 0x200_0000_0000, 0x10_0000_0000
RING = 0x8_0000_0000
OTHER = "nqn.2026-11.io.hello-ebpf:csd-other"


@pytest.fixture
def target(tmp_path: Path) -> Iterator[ComputeTarget]:
    target = ComputeTarget(tmp_path, PORT)
    try:
        target.start("--workers", str(BINARY.parent))
        target.set_up(data=RAM, transport={"max_io_size": ROOM})
        yield target
    finally:
        target.stop()


def write(host: SpdkTransport, offset: int, data: bytes) -> None:
    assert host.io(commands.write_blocks(DATA, offset // BLOCK, data, BLOCK)).status == 0


def read(host: SpdkTransport, offset: int, length: int) -> bytes:
    completion = host.io(commands.read_blocks(DATA, offset // BLOCK, length // BLOCK, BLOCK))
    assert completion.status == 0
    return completion.data


def summed(host: SpdkTransport, length: int, cparam1: int = 0) -> bytes:
    completion = host.io(commands.scan(COMPUTE, 0, DATA, 0, length, room=4096, cparam1=cparam1))
    assert completion.status == 0, f"{completion.status:03x}h"
    return results.result(completion.data).state


def everything(host: SpdkTransport, pind: int, length: int, cparam1: int = 0) -> results.Result:
    """By scans that go on where the one before was full: all that was kept, and the last state."""
    memory = [commands.MemoryRange(SLM, 0, 4), commands.MemoryRange(SLM, 4096, 4096)]
    rsid = host.admin(commands.create_range_set(COMPUTE, memory)).value
    start, records, kept = 0, 0, []
    while True:
        command = commands.scan(
            COMPUTE,
            pind,
            DATA,
            start,
            length - start,
            room=ROOM,
            cparam1=cparam1,
            rsid=rsid,
            resume=start > 0,
            padding=4,
        )
        completion = host.io(command)
        assert completion.status == 0, f"{completion.status:03x}h"
        result = results.result(completion.data)
        kept.append(result.data)
        start, records = start + result.next, records + result.records
        if result.end != results.END_FULL:
            return dataclasses.replace(result, data=b"".join(kept), records=records, next=start)
        # No more than an item is missing.
        assert len(completion.data) > ROOM - 8192


def shared_maps(target: ComputeTarget) -> list[set[tuple[str, str, str]]]:
    """Of each worker: name, rights and inode of what it shares with the target beside its own."""
    found = []
    for pid in target.processes("csd_worker"):
        with contextlib.suppress(OSError):
            text = Path(f"/proc/{pid}/maps").read_text()
            lines = [line.split() for line in text.splitlines() if re.search("/memfd:csd_(ram|slm)", line)]
            found.append({(line[5].removeprefix("/memfd:"), line[1], line[4]) for line in lines})
    return found


def test_blocks_are_what_was_written(target: ComputeTarget) -> None:
    """Written, zeroed, deallocated, compared; and zeros where nobody wrote."""
    dice = random.Random(31)
    expected = bytearray(4 * MEGABYTE)
    with target.host() as host:
        for _ in range(64):
            at = dice.randrange(len(expected) // BLOCK) * BLOCK
            data = dice.randbytes(min(dice.randrange(1, 256) * BLOCK, len(expected) - at))
            write(host, at, data)
            expected[at : at + len(data)] = data
        # Write Zeroes (08h), more than is zeroed at once
        blocks = 3 * MEGABYTE // BLOCK
        zeroes = commands.Command(0x08, DATA, cdw10=1024, cdw12=blocks - 1)
        assert host.io(zeroes).status == 0
        expected[1024 * BLOCK : 1024 * BLOCK + 3 * MEGABYTE] = bytes(3 * MEGABYTE)
        # Dataset Management (09h): deallocate
        assert host.io(commands.Command(0x09, DATA, cdw11=4, data=struct.pack("<IIQ", 0, 8, 16))).status == 0
        expected[16 * BLOCK : 24 * BLOCK] = bytes(8 * BLOCK)
        found = b"".join(read(host, at, 128 << 10) for at in range(0, len(expected), 128 << 10))
        assert found == bytes(expected)


def test_it_comes_back_with_its_configuration(target: ComputeTarget) -> None:
    calls = target.call("framework_get_config", name="bdev")
    (made,) = [call["params"] for call in calls if call["method"] == "bdev_csd_ram_create"]
    assert (made["name"], made["num_blocks"], made["block_size"]) == ("csd0_data", RAM["num_blocks"], BLOCK)
    (shown,) = target.call("bdev_get_bdevs", name="csd0_data")
    assert (shown["product_name"], shown["uuid"]) == ("CSD RAM disk", made["uuid"])
    assert shown["driver_specific"]["csd_ram"]["huge_pages"] in (True, False)
    target.call("bdev_csd_ram_create", **{**made, "name": "other", "uuid": "6c1f2d7e-5a0b-4c6e-9a57-0e8bff0e1234"})
    assert target.call("bdev_csd_ram_delete", name="other") is True
    assert not target.has_bdev("other")


REFUSED: tuple[tuple[dict[str, object], str], ...] = (
    ({"block_size": 1024}, "block_size is 1024: give 512 or 4096"),
    ({"num_blocks": 0}, "num_blocks is 0: give 1 to 67108864, which are 32 GiB"),
    ({"num_blocks": 1 << 60}, "num_blocks is 1152921504606846976: give 1 to 67108864, which are 32 GiB"),
    ({"name": ""}, "name is empty"),
    ({"uuid": "x"}, "'x' is no UUID"),
    ({"name": "csd0_data"}, "there is a bdev csd0_data already"),
    ({"num_blocks": "many"}, "expected: name (string), num_blocks (number), block_size (number), uuid"),
)


def test_what_cannot_be_made_is_refused(target: ComputeTarget) -> None:
    """By words that say what was asked; and what another kind of bdev made is not deleted."""
    for asked, words in REFUSED:
        with pytest.raises(RpcError, match=re.escape(words)):
            target.call("bdev_csd_ram_create", **{"name": "more", "num_blocks": 8, "block_size": BLOCK, **asked})
    with pytest.raises(RpcError, match=r"no csd_ram bdev is named csd0_memory"):
        target.call("bdev_csd_ram_delete", name="csd0_memory")
    assert not target.has_bdev("more")


def test_a_worker_sees_its_subsystem_where_it_lies_and_changes_nothing(target: ComputeTarget) -> None:
    """Data and SLM are mapped read-only, and nothing else of the target is; who writes there ends by a fault."""
    numbers = [random.Random(5).randrange(1 << 64) for _ in range(1 << 19)]
    packed = struct.pack(f"<{len(numbers)}Q", *numbers)
    target.load(0, compiled(SUM, target.folder))
    with target.host() as host:
        for at in range(0, len(packed), 128 << 10):
            write(host, at, packed[at : at + (128 << 10)])
        assert summed(host, len(packed)) == struct.pack("<QQ", sum(numbers) % (1 << 64), 0)
        kinds = [{(name, rights) for name, rights, _ in maps} for maps in shared_maps(target)]
        whole = {("csd_ram", "r--s"), ("csd_slm", "r--s")}
        # A spare may still be setting up.
        assert whole in kinds
        assert all(kind <= whole for kind in kinds)
        assert host.io(commands.scan(COMPUTE, 0, DATA, 0, 4096, room=4096, cparam1=1)).status == FAULT
        assert summed(host, len(packed)) == struct.pack("<QQ", sum(numbers) % (1 << 64), 0)
        assert read(host, 0, 4096) == packed[:4096]


def test_a_program_sees_the_ranges_of_its_command(target: ComputeTarget) -> None:
    """Execute: input, output, and a third range, which is read-only."""
    target.load(0, compiled(SUM, target.folder))
    inputs = struct.pack("<4Q", 1, 2, 3, 4)
    places = ((0, 32), (4096, 4096), (8192, 64))
    ranges = [commands.MemoryRange(SLM, start, length) for start, length in places]
    with target.host() as host:
        assert host.io(commands.slm_write(SLM, 0, inputs)).status == 0
        assert host.io(commands.slm_write(SLM, 8192, struct.pack("<Q", 1000))).status == 0
        assert host.io(commands.execute_program(COMPUTE, 0, ranges=ranges)).status == 0
        found = results.result(host.io(commands.slm_read(SLM, 4096, 4096)).data)
        assert found.state == struct.pack("<QQ", 10, 1000 + 64)
        assert host.io(commands.execute_program(COMPUTE, 0, ranges=ranges, cparam2=1)).status == FAULT
        assert host.io(commands.slm_read(SLM, 8192, 8)).data == struct.pack("<Q", 1000)


def test_a_namespace_that_left_is_seen_by_no_worker_that_answers(target: ComputeTarget) -> None:
    """Its data may be another subsystem's next. What takes its place is seen, and what cannot be seen is copied."""
    target.load(0, compiled(SUM, target.folder))
    with target.host() as host:
        write(host, 0, struct.pack("<64Q", *range(64)))
        assert summed(host, 512) == struct.pack("<QQ", sum(range(64)), 0)
        before = {inode for maps in shared_maps(target) for name, _, inode in maps if name == "csd_ram"}
        assert before
    target.call("nvmf_subsystem_remove_ns", nqn=NQN, nsid=DATA)
    target.call("bdev_csd_ram_delete", name="csd0_data")
    target.call("bdev_malloc_create", name="csd0_data", num_blocks=MALLOC["num_blocks"], block_size=BLOCK)
    target.call("nvmf_subsystem_add_ns", nqn=NQN, namespace={"bdev_name": "csd0_data", "nsid": DATA})
    with target.host() as host:
        write(host, 0, struct.pack("<64Q", *range(1, 65)))
        assert summed(host, 512) == struct.pack("<QQ", sum(range(1, 65)), 0)

        def gone() -> bool:
            return not {inode for maps in shared_maps(target) for _, _, inode in maps} & before

        until("no worker sees what has left", gone)


def test_what_fills_the_host_s_memory_many_times_comes_whole_and_once(target: ComputeTarget) -> None:
    """A worker works on while its output is copied: also then it stops where it should, and sees the end once."""
    dice = random.Random(23)
    target.load(0, compiled(KEEP, target.folder))
    target.load(1, compiled(TWICE, target.folder))
    records = b"".join(struct.pack("<QQQ", number, dice.randrange(1 << 64), 0) for number in range(200_000))
    items = [dice.randbytes(dice.randrange(4000)) for _ in range(1500)]
    packed = [struct.pack("<I", len(item)) + item for item in items]
    with target.host() as host:
        for at in range(0, len(records), 128 << 10):
            part = records[at : at + (128 << 10)]
            write(host, at, part + bytes(-len(part) % BLOCK))
        for last in (0, 1, 10_922, 43_690, 150_000, 199_999, 1 << 40):
            seen = min(last + 1, 200_000)
            result = everything(host, 0, len(records), last)
            assert (result.records, result.state) == (seen, struct.pack("<Q", seen)), last
            assert result.data == records[: 24 * seen], last
        text = b"".join(packed)
        for at in range(0, len(text), 128 << 10):
            part = text[at : at + (128 << 10)]
            write(host, at, part + bytes(-len(part) % BLOCK))
        result = everything(host, 1, len(text))
        assert result.state == struct.pack("<QQ", 2 * len(items), 1)
        assert result.data == b"".join(2 * item for item in packed)


def other_subsystem(target: ComputeTarget, data: bytes) -> SpdkTransport:
    """Another drive in the same target, with data of its own."""
    target.call("bdev_csd_ram_create", name="other_data", num_blocks=8192, block_size=BLOCK)
    target.call("bdev_csd_slm_create", name="other_memory", megabytes=4)
    target.call("nvmf_create_subsystem", nqn=OTHER, allow_any_host=True, max_namespaces=16, serial_number="OTHER")
    for bdev in ("other_data", "other_memory"):
        target.call("nvmf_subsystem_add_ns", nqn=OTHER, namespace={"bdev_name": bdev})
    address = {"trtype": "TCP", "adrfam": "IPv4", "traddr": "127.0.0.1", "trsvcid": str(target.port)}
    target.call("nvmf_subsystem_add_listener", nqn=OTHER, listen_address=address)
    host = SpdkTransport(
        Place("127.0.0.1", str(target.port), OTHER, HOSTNQN),
        program=BRIDGE,
        core=0,
        memory_megabytes=64,
        timeout_seconds=60,
    )
    for at in range(0, len(data), 128 << 10):
        write(host, at, data[at : at + (128 << 10)])
    assert host.io(commands.slm_write(SLM, 0, data[: 128 << 10])).status == 0
    return host


def test_a_program_reaches_no_memory_but_its_own(tmp_path: Path) -> None:
    """Every place where a worker may have memory is read and written to: data and SLM, its own and others', stay."""
    dice = random.Random(47)
    own, others = dice.randbytes(MEGABYTE), dice.randbytes(4 * MEGABYTE)
    target = ComputeTarget(tmp_path, PORT)
    try:
        target.start("--workers", str(BINARY.parent), "--program-faults", "0")
        target.set_up(data=RAM, slm_megabytes=4)
        target.load(0, compiled(POKE, target.folder))
        with contextlib.closing(other_subsystem(target, others)) as other, target.host() as host:
            for at in range(0, len(own), 128 << 10):
                write(host, at, own[at : at + (128 << 10)])
            assert host.io(commands.slm_write(SLM, 0, own[: 128 << 10])).status == 0

            def poke(address: int, change: bool) -> int:
                ranges = [commands.MemoryRange(SLM, 0, 4096)]
                command = commands.execute_program(COMPUTE, 0, ranges=ranges, cparam1=address, cparam2=int(change))
                return host.io(command).status

            # Data, SLM, window, output: that alone is for writing. Behind them, and far away, there is nothing.
            expected = {number: (0 if number < 4 else FAULT, 0 if number == 3 else FAULT) for number in range(MEMORIES)}
            found = {
                number: (poke(MEMORY + number * APART, False), poke(MEMORY + number * APART, True))
                for number in expected
            }
            assert found == expected
            ends = [
                MEMORY - 1,
                MEMORY + RAM["num_blocks"] * BLOCK,
                MEMORY + APART + 4 * MEGABYTE,
                RING - 1,
                0,
                1 << 46,
                (1 << 64) - 1,
            ]
            assert [poke(address, change) for address in ends for change in (False, True)] == [FAULT] * 2 * len(ends)
            assert poke(MEMORY, False) == 0
            for drive, data, name in ((host, own, "own"), (other, others, "others")):
                read_back = b"".join(read(drive, at, 128 << 10) for at in range(0, len(data), 128 << 10))
                assert read_back == data, name
                assert drive.io(commands.slm_read(SLM, 0, 128 << 10)).data == data[: 128 << 10], name
    finally:
        target.stop()
