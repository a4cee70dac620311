"""csd_tgt and what the standard says: the standard flow byte for byte, every field out of range, and who sees what."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from csd import commands, results
from csd.commands import Command, MemoryRange
from csd.device import Device
from csd.errors import LabError
from csd.spdk import SpdkTransport
from csd.statuses import describe
from csd_live import BLOCK, CsdTarget, Subsystem, program

PORT = 24132
# Of at most 16 namespaces: NONE is inactive, BEYOND and ALL are invalid.
NVM, SLM, COMPUTE, SLOW, NONE, BEYOND, ALL = 1, 2, 3, 4, 16, 17, 0xFFFFFFFF
MIB = 1 << 20
RECORDS = MIB // 64
# What the table is about: 8 slots, 0 and 7 active, 1 loaded, the others empty.
OPTIONS = {"slots": 8, "max_active": 3, "max_range_sets": 6, "max_program_bytes": 600000, "max_total_bytes": MIB}


def record(number: int) -> bytes:
    """A record of the data set's shape; temperatures 0 to 999 in a fixed order."""
    return struct.pack("<QQIi5Q", number, 1000 * number, number % 7, number * 389 % 1000, *range(5))


DATA = b"".join(record(number) for number in range(RECORDS))


@dataclass
class World:
    """A target with two subsystems, and a connection to the first."""

    target: CsdTarget
    first: Subsystem
    second: Subsystem
    device: Device
    threshold: bytes
    top: bytes

    def send(self, command: Command) -> int:
        """The status of one command, by the queue that it belongs to."""
        transport = self.device.transport
        admin = command.opcode in {0x02, 0x06, 0x85, 0x88, 0x89} and not command.nsid & 1 << 31
        return (transport.admin if admin else transport.io)(command).status


def add_slow_namespace(target: CsdTarget, subsystem: Subsystem) -> None:
    """Namespace 4: each read takes a quarter of a second, so that a command is still there when another one comes."""
    target.call("bdev_malloc_create", {"name": "slow_base", "num_blocks": MIB // BLOCK, "block_size": BLOCK})
    latency = {f"{kind}_{way}_latency": 250000 for kind in ("avg", "p99") for way in ("read", "write")}
    target.call("bdev_delay_create", {"name": "slow", "base_bdev_name": "slow_base", **latency})
    target.call("nvmf_subsystem_add_ns", {"nqn": subsystem.nqn, "namespace": {"bdev_name": "slow", "nsid": SLOW}})


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("conformance")
    threshold, top = program("threshold", folder), program("top", folder)
    with CsdTarget(folder, PORT) as target:
        first = target.add_subsystem("first", DATA, slm_megabytes=1, compute=OPTIONS)
        add_slow_namespace(target, first)
        second = target.add_subsystem("second", bytes(MIB), slm_megabytes=1)
        with first.device(queues=2) as device:
            for slot in (0, 1, 7):
                device.load(COMPUTE, slot, threshold)
            device.activate(COMPUTE, 0)
            device.activate(COMPUTE, 7)
            yield World(target, first, second, device, threshold, top)


# ---- must-show 1: the standard flow, with the documented bytes


def test_the_standard_flow_with_the_documented_bytes(world: World) -> None:
    """Load in two chunks, activate, range set, copy, execute, read: each command's dwords written by hand."""
    admin, io = world.device.transport.admin, world.device.transport.io
    code = world.threshold
    half = len(code) // 8 * 4

    # Load Program into slot 5: DW10 PIND 15:0 | PTYPE 23:16 | PIT 27:25, DW11 PSIZE, DW12-13 PID, DW14 NUMB, DW15 LOFF.
    pid: dict[str, Any] = {"cdw12": 0x55667788, "cdw13": 0x11223344}
    first = Command(0x85, 3, cdw10=0x02C00005, cdw11=len(code), cdw14=half, cdw15=0, data=code[:half], **pid)
    rest = Command(
        0x85, 3, cdw10=0x02C00005, cdw11=len(code), cdw14=len(code) - half, cdw15=half, data=code[half:], **pid
    )
    assert admin(first).status == 0
    assert world.device.program(COMPUTE, 5).state == "loading"
    assert admin(rest).status == 0
    loaded = world.device.program(COMPUTE, 5)
    assert (loaded.state, loaded.bytes, loaded.pid) == ("loaded", len(code), 0x1122334455667788)

    # Program Activation Management: DW10 PIND 15:0 | SEL 19:16 = 1; twice: activating an active one succeeds.
    assert [admin(Command(0x88, 3, cdw10=0x00010005)).status for _ in range(2)] == [0, 0]

    # SLM Copy of 16 blocks from block 2: DW2-3 length, DW10-11 destination, DW12 NR 7:0 | format 11:8 = 2h.
    blocks = bytes.fromhex("01000000 00000000 0200000000000000 0f00 0000000000000000000000000000")
    assert io(Command(0x01, 2, cdw2=0x10000, cdw3=0, cdw10=0x8000, cdw11=0, cdw12=0x200, data=blocks)).status == 0
    # SLM Read: DW10-11 start, DW12 length.
    assert io(Command(0x02, 2, cdw10=0x8000, cdw12=0x10000, room=0x10000)).data == DATA[0x2000:0x12000]

    # Memory Range Set Management, create: DW11 NUMR; each NSID 3:0, LENGTH 7:4, START 15:8. RSID is in CQE DW0.
    ranges = bytes.fromhex(
        "02000000 00000100 0080000000000000 00000000000000000000000000000000"
        "02000000 00000200 0000020000000000 00000000000000000000000000000000"
    )
    made = admin(Command(0x89, 3, cdw10=0, cdw11=2, data=ranges))
    assert (made.status, made.value >> 16) == (0, 0)
    rsid = made.value
    assert rsid != 0

    # Execute Program: DW2 PIND 15:0 | RSID 31:16, DW10-11 CPARAM1. The 64-bit return value is in CQE DW0-1.
    wanted = [piece for piece in pieces(DATA[0x2000:0x12000]) if temperature(piece) >= 990]
    done = io(Command(0x01, 3, cdw2=5 | rsid << 16, cdw10=990))
    assert (done.status, done.value) == (0, len(wanted))
    read = io(Command(0x02, 2, cdw10=0x20000, cdw12=0x10000, room=0x10000)).data
    assert read[:8] == bytes.fromhex("43534452 0100 0000")
    result = results.result(read)
    assert (result.records, result.matches, result.data) == (1024, len(wanted), b"".join(wanted))
    assert (result.next, result.input_bytes) == (0x10000, 0x10000)

    # The same with the ranges in the command and DLEN given (DW4), which SPDK's initiator can and Linux cannot.
    inline = Command(0x01, 3, cdw2=5, cdw3=2, cdw4=64, cdw10=990, data=ranges)
    assert (io(inline).status, io(inline).value) == (0, len(wanted))
    # ... and DLEN 0 is the length of the transfer.
    assert io(Command(0x01, 3, cdw2=5, cdw3=2, cdw10=990, data=ranges)).value == len(wanted)

    # Output that becomes full says so in the return value.
    short = ranges[:32] + bytes.fromhex("02000000 80000000 0000020000000000 00000000000000000000000000000000")
    full = io(Command(0x01, 3, cdw2=5, cdw3=2, cdw10=990, data=short))
    assert (full.status, full.value) == (0, 1 | 1 << 63)

    # SLM Write, Fill, and Copy from memory (format 4h: SNSID 3:0, SADDR 15:8, NBYTE 19:16).
    assert io(Command(0x05, 2, cdw10=0x40000, cdw12=8, data=b"computer")).status == 0
    assert io(Command(0x05, 2, cdw10=0x40008, cdw12=16, data=b"x" * 16)).status == 0
    assert io(Command(0x04, 2, cdw10=0x40008, cdw12=8)).status == 0
    memory = bytes.fromhex("02000000 00000000 0000040000000000 10000000 000000000000000000000000")
    assert io(Command(0x01, 2, cdw2=16, cdw10=0x40010, cdw12=0x400, data=memory)).status == 0
    assert io(Command(0x02, 2, cdw10=0x40000, cdw12=32, room=32)).data == (b"computer" + bytes(8)) * 2

    # And back: delete the set, deactivate, unload (SEL 24).
    assert admin(Command(0x89, 3, cdw10=1 | rsid << 16)).status == 0
    assert admin(Command(0x88, 3, cdw10=0x00000005)).status == 0
    assert admin(Command(0x85, 3, cdw10=0x01000005)).status == 0
    assert world.device.program(COMPUTE, 5).state == "empty"


def test_a_scan_with_the_documented_bytes(world: World) -> None:
    wanted = [piece for piece in pieces(DATA) if temperature(piece) >= 990]
    # DW2 PIND, DW3 data NSID, DW10-11 first byte, DW12-13 length, DW14-15 CPARAM1
    done = world.device.transport.io(Command(0x82, 3, cdw2=0, cdw3=1, cdw12=MIB, cdw14=990, room=0x10000))
    assert (done.status, done.value) == (0, len(wanted))
    assert done.data[:8] == bytes.fromhex("43534452 0100 0000")
    assert results.result(done.data).data == b"".join(wanted)


def test_the_logs_say_what_is_there(world: World) -> None:
    slots = {program.pind: program for program in world.device.programs(COMPUTE)}
    assert len(slots) == 8
    assert [slots[slot].state for slot in (0, 1, 2, 7)] == ["active", "loaded", "empty", "active"]
    assert (slots[0].record_bytes, slots[0].stride_bytes, slots[0].emit) == (64, 64, "record")
    assert world.device.program_types(COMPUTE) == [
        results.ProgramType(kind, 1, 600000, "eBPF") for kind in (0xC0, 0x01)
    ]
    rsid = world.device.create_range_set(COMPUTE, [MemoryRange(2, 0, 64), MemoryRange(2, 64, 128)])
    [one] = world.device.range_sets(COMPUTE)
    assert one == results.RangeSet(rsid, False, (results.Range(2, 0, 64), results.Range(2, 64, 128)))
    world.device.delete_range_set(COMPUTE, rsid)
    limits = world.device.namespace(commands.CSI_COMPUTE).limits
    assert limits == results.ComputeLimits(3, 6, 4, 8, 1, 1)


# ---- must-show 1: every command, every field out of range


@dataclass(frozen=True)
class Case:
    """One field of one command, out of range, and the status that this must have."""

    command: str
    field: str
    value: str
    status: int
    dwords: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.command}: {self.field} {self.value} -> {describe(self.status)}"


def cases_of(command: str, base: dict[str, Any], *fields: tuple[str, str, int, dict[str, Any]]) -> list[Case]:
    return [Case(command, field, value, status, {**base, **changed}) for field, value, status, changed in fields]


def memory_range(nsid: int, length: int, start: int) -> bytes:
    return struct.pack("<IIQ16x", nsid, length, start)


def wrong_namespaces() -> Any:
    """Of an I/O command: SPDK's answer."""
    return [("NSID", f"{nsid:X}h", 0x00B, {"nsid": nsid}) for nsid in (0, NONE, ALL)]


def wrong_compute_namespaces() -> Any:
    """Of an admin command: one that there could be but is not is an invalid field."""
    kinds = ((0, 0x00B), (NVM, 0x00B), (SLM, 0x00B), (NONE, 0x002), (BEYOND, 0x00B), (ALL, 0x00B))
    return [("NSID", f"{nsid:X}h", status, {"nsid": nsid}) for nsid, status in kinds]


def wrong_opcodes(opcodes: tuple[int, ...]) -> Any:
    return [("opcode", f"{opcode:02X}h", 0x001, {"opcode": opcode, "data": b"", "room": 0}) for opcode in opcodes]


def wrong_ranges(prefix: bytes = b"") -> Any:
    """Fields of a memory range, in Memory Range Set Management and in Execute Program."""
    wrong = [
        ("range NSID", "0", 0x18B, (0, 64, 0)),
        ("range NSID", "of the data", 0x18B, (NVM, 64, 0)),
        ("range NSID", "of the programs", 0x18B, (COMPUTE, 64, 0)),
        ("range NSID", "that there is not", 0x18B, (NONE, 64, 0)),
        ("range NSID", "FFFFFFFFh", 0x18B, (ALL, 64, 0)),
        ("range LENGTH", "0", 0x18C, (SLM, 0, 0)),
        ("range LENGTH", "off the granularity", 0x18C, (SLM, 66, 0)),
        ("range LENGTH", "beyond the end", 0x18C, (SLM, MIB + 4, 0)),
        ("range LENGTH", "FFFFFFFCh", 0x18C, (SLM, 0xFFFFFFFC, 0)),
        ("range START", "off the granularity", 0x18C, (SLM, 64, 2)),
        ("range START", "at the end", 0x18C, (SLM, 64, MIB)),
        ("range START", "so that it ends beyond", 0x18C, (SLM, 64, MIB - 32)),
        ("range START", "FFFFFFFFFFFFFFFCh (wraps)", 0x18C, (SLM, 64, (1 << 64) - 4)),
    ]
    return [(field, value, status, {"data": memory_range(*values)}) for field, value, status, values in wrong]


LOAD: dict[str, Any] = {
    "opcode": 0x85,
    "nsid": COMPUTE,
    "cdw10": 0x00C00002,
    "cdw11": 64,
    "cdw14": 64,
    "data": bytes(64),
}
ACTIVATION: dict[str, Any] = {"opcode": 0x88, "nsid": COMPUTE, "cdw10": 0x00010001}
RANGE_SET: dict[str, Any] = {"opcode": 0x89, "nsid": COMPUTE, "cdw11": 1, "data": memory_range(SLM, 64, 0)}
EXECUTE: dict[str, Any] = {"opcode": 0x01, "nsid": COMPUTE, "cdw3": 1, "data": memory_range(SLM, 64, 0)}
SCAN: dict[str, Any] = {"opcode": 0x82, "nsid": COMPUTE, "cdw3": NVM, "cdw12": BLOCK, "room": 4096}
READ: dict[str, Any] = {"opcode": 0x02, "nsid": SLM, "cdw12": 64, "room": 64}
WRITE: dict[str, Any] = {"opcode": 0x05, "nsid": SLM, "cdw12": 64, "data": bytes(64)}
FILL: dict[str, Any] = {"opcode": 0x04, "nsid": SLM, "cdw12": 64}


def copy_blocks(nsid: int = NVM, slba: int = 0, nlb: int = 0, sopt: int = 0) -> bytes:
    return struct.pack("<IIQH4xH8x", nsid, 0, slba, nlb, sopt)


def copy_memory(nsid: int = SLM, saddr: int = 0x8000, nbyte: int = 64) -> bytes:
    return struct.pack("<IIQI12x", nsid, 0, saddr, nbyte)


COPY: dict[str, Any] = {"opcode": 0x01, "nsid": SLM, "cdw2": BLOCK, "cdw12": 0x200, "data": copy_blocks()}
COPY_MEMORY: dict[str, Any] = {"opcode": 0x01, "nsid": SLM, "cdw2": 64, "cdw12": 0x400, "data": copy_memory()}


def transfer_range(base: dict[str, Any]) -> list[tuple[str, str, int, dict[str, Any]]]:
    """Start and length of SLM Read, Write and Fill."""
    high = {"cdw10": 0xFFFFFFFC, "cdw11": 0xFFFFFFFF}
    sized: dict[str, Any] = {"cdw12": 66}
    if "room" in base:
        sized["room"] = 66
    if "data" in base:
        sized["data"] = bytes(66)
    wrong: list[tuple[str, str, int, dict[str, Any]]] = [
        ("start", "off the granularity", 0x002, {"cdw10": 2}),
        ("start", "at the end", 0x002, {"cdw10": MIB}),
        ("start", "so that it ends beyond", 0x002, {"cdw10": MIB - 32}),
        ("start", "FFFFFFFFFFFFFFFCh (wraps)", 0x002, high),
        ("length", "off the granularity", 0x002, sized),
        ("length", "FFFFFFFCh", 0x002, {"cdw12": 0xFFFFFFFC}),
    ]
    if base is FILL:
        wrong += [("reserved", f"DW{dword}", 0x002, {f"cdw{dword}": 0x2E2E2E2E}) for dword in (13, 14, 15)]
        wrong.append(("start", "off the granularity, of nothing", 0x002, {"cdw10": 2, "cdw12": 0}))
        wrong.append(("start", "beyond the end, of nothing", 0x002, {"cdw10": MIB + 4, "cdw12": 0}))
    else:
        wrong.append(("length", "more than the transfer's", 0x00F, {"cdw12": 128}))
        wrong.append(("length", "less than the transfer's", 0x00F, {"cdw12": 32}))
    return wrong


CASES = [
    *cases_of(
        "Load Program",
        LOAD,
        *wrong_compute_namespaces(),
        ("PIND", "8, of slots 0 to 7", 0x18F, {"cdw10": 0x00C00008}),
        ("PIND", "FFFFh", 0x18F, {"cdw10": 0x00C0FFFF}),
        ("PIND", "of an active program", 0x199, {"cdw10": 0x00C00000}),
        ("PIND", "of a program that is not active", 0x199, {"cdw10": 0x00C00001}),
        ("PIND", "of a program, from an offset", 0x199, {"cdw10": 0x00C00001, "cdw11": 128, "cdw15": 64}),
        *(("PTYPE", f"{kind:02X}h", 0x190, {"cdw10": kind << 16 | 2}) for kind in (0x00, 0x02, 0xBF, 0xC1, 0xFF)),
        *(("PIT", f"{pit}", 0x002, {"cdw10": 0x00C00002 | pit << 25}) for pit in range(2, 8)),
        ("PSIZE", "0", 0x18E, {"cdw11": 0}),
        ("PSIZE", "0, nothing sent", 0x18E, {"cdw11": 0, "cdw14": 0, "data": b""}),
        ("PSIZE", "above the limit of one", 0x19B, {"cdw11": 600001}),
        ("PSIZE", "FFFFFFFFh", 0x19B, {"cdw11": 0xFFFFFFFF}),
        ("NUMB", "0", 0x00F, {"cdw14": 0}),
        ("NUMB", "more than was sent", 0x00F, {"cdw11": 128, "cdw14": 128}),
        ("NUMB", "more than PSIZE", 0x19B, {"cdw11": 32}),
        ("NUMB", "FFFFFFFFh", 0x00F, {"cdw14": 0xFFFFFFFF}),
        ("LOFF", "where no load was begun", 0x18F, {"cdw11": 128, "cdw15": 64}),
        ("LOFF", "so that it ends beyond PSIZE", 0x19B, {"cdw15": 32}),
        ("LOFF", "FFFFFFFFh (wraps)", 0x19B, {"cdw15": 0xFFFFFFFF}),
        ("program", "64 bytes of zeros", 0x18E, {}),
        ("program", "of an ELF only the beginning", 0x18E, {"data": b"\x7fELF\x02\x01\x01" + bytes(57)}),
        ("program", "an encoding that is none", 0x18E, {"cdw11": 8, "cdw14": 8, "data": b"\xff" + bytes(7)}),
    ),
    *cases_of(
        "Unload Program",
        {"opcode": 0x85, "nsid": COMPUTE, "cdw10": 0x01000001},
        *wrong_compute_namespaces(),
        ("PIND", "8, of slots 0 to 7", 0x18F, {"cdw10": 0x01000008}),
        ("PIND", "FFFFh", 0x18F, {"cdw10": 0x0100FFFF}),
        ("PIND", "of an empty slot", 0x196, {"cdw10": 0x01000002}),
        ("PIND", "of an active program", 0x199, {"cdw10": 0x01000000}),
    ),
    *cases_of(
        "Program Activation Management",
        ACTIVATION,
        *wrong_compute_namespaces(),
        ("PIND", "8, of slots 0 to 7", 0x18F, {"cdw10": 0x00010008}),
        ("PIND", "FFFFh", 0x18F, {"cdw10": 0x0001FFFF}),
        ("PIND", "of an empty slot", 0x196, {"cdw10": 0x00010002}),
        ("PIND", "of an empty slot, to deactivate", 0x196, {"cdw10": 0x00000002}),
        *(("SEL", f"{sel}", 0x002, {"cdw10": 0x00000001 | sel << 16}) for sel in range(2, 16)),
    ),
    *cases_of(
        "Memory Range Set Management",
        RANGE_SET,
        *wrong_compute_namespaces(),
        *(("SEL", f"{sel}", 0x002, {"cdw10": sel}) for sel in range(2, 16)),
        ("NUMR", "0", 0x191, {"cdw11": 0}),
        ("NUMR", "9, of at most 8", 0x191, {"cdw11": 9, "data": bytes(9 * 32)}),
        ("NUMR", "255", 0x191, {"cdw11": 255, "data": bytes(255 * 32)}),
        ("NUMR", "more than was sent", 0x00F, {"cdw11": 2}),
        ("NUMR", "1, nothing sent", 0x00F, {"data": b""}),
        *wrong_ranges(),
        ("ranges", "that overlap", 0x197, {"cdw11": 2, "data": memory_range(SLM, 64, 0) + memory_range(SLM, 64, 32)}),
        ("ranges", "that are the same", 0x197, {"cdw11": 2, "data": 2 * memory_range(SLM, 64, 0)}),
        ("RSID", "0, to delete", 0x18D, {"cdw10": 1, "data": b""}),
        ("RSID", "that there is not, to delete", 0x18D, {"cdw10": 1 | 3 << 16, "data": b""}),
        ("RSID", "FFFFh, to delete", 0x18D, {"cdw10": 1 | 0xFFFF << 16, "data": b""}),
    ),
    *cases_of(
        "Execute Program",
        EXECUTE,
        *wrong_namespaces(),
        ("PIND", "8, of slots 0 to 7", 0x18F, {"cdw2": 8}),
        ("PIND", "FFFFh", 0x18F, {"cdw2": 0xFFFF}),
        ("PIND", "of an empty slot", 0x18F, {"cdw2": 2}),
        ("PIND", "of a program that is not active", 0x198, {"cdw2": 1}),
        ("RSID", "that there is not", 0x18D, {"cdw2": 3 << 16, "cdw3": 0}),
        ("RSID", "FFFFh", 0x18D, {"cdw2": 0xFFFF << 16, "cdw3": 0}),
        ("RSID and NUMR", "both", 0x002, {"cdw2": 1 << 16}),
        ("NUMR", "9, of at most 8", 0x191, {"cdw3": 9, "data": bytes(9 * 32)}),
        ("NUMR", "FFFFFFFFh", 0x191, {"cdw3": 0xFFFFFFFF}),
        ("NUMR", "more than was sent", 0x00F, {"cdw3": 2}),
        ("DLEN", "more than the transfer", 0x00F, {"cdw4": 33}),
        ("DLEN", "FFFFFFFFh", 0x00F, {"cdw4": 0xFFFFFFFF}),
        ("DLEN", "less than the ranges", 0x00F, {"cdw4": 31}),
        ("program data", "1004 bytes, of at most 1000", 0x002, {"data": memory_range(SLM, 64, 0) + bytes(1004)}),
        *wrong_ranges(),
        ("ranges", "that overlap", 0x197, {"cdw3": 2, "data": memory_range(SLM, 256, 0) + memory_range(SLM, 256, 64)}),
        (
            "output",
            "without room for one record",
            0x002,
            {"cdw3": 2, "data": memory_range(SLM, 64, 0) + memory_range(SLM, 124, 64)},
        ),
        *wrong_opcodes((0x04, 0x08, 0x0C, 0x80, 0x84, 0xFC)),
    ),
    *cases_of(
        "Scan",
        SCAN,
        *wrong_namespaces(),
        ("PIND", "8, of slots 0 to 7", 0x18F, {"cdw2": 8}),
        ("PIND", "FFFFh", 0x18F, {"cdw2": 0xFFFF}),
        ("PIND", "of an empty slot", 0x18F, {"cdw2": 2}),
        ("PIND", "of a program that is not active", 0x198, {"cdw2": 1}),
        *(("flags", f"{1 << bit:04X}h", 0x002, {"cdw2": 1 << bit + 16}) for bit in range(1, 16)),
        ("flags", "RESUME without a range set", 0x002, {"cdw2": 1 << 16}),
        ("data NSID", "0", 0x00B, {"cdw3": 0}),
        ("data NSID", "that there is not", 0x00B, {"cdw3": NONE}),
        ("data NSID", "FFFFh", 0x00B, {"cdw3": 0xFFFF}),
        ("data NSID", "of SLM", 0x185, {"cdw3": SLM}),
        ("data NSID", "of the programs", 0x185, {"cdw3": COMPUTE}),
        ("RSID", "that there is not", 0x18D, {"cdw3": NVM | 3 << 16}),
        ("RSID", "FFFFh", 0x18D, {"cdw3": NVM | 0xFFFF << 16}),
        ("first byte", "one beyond the end", 0x080, {"cdw10": MIB + 1}),
        ("first byte", "so that it ends beyond", 0x080, {"cdw10": MIB - 32}),
        ("first byte", "FFFFFFFFFFFFFFFFh (wraps)", 0x080, {"cdw10": 0xFFFFFFFF, "cdw11": 0xFFFFFFFF}),
        ("length", "one byte more than there are", 0x080, {"cdw12": MIB + 1}),
        ("length", "FFFFFFFFFFFFFFFFh", 0x080, {"cdw12": 0xFFFFFFFF, "cdw13": 0xFFFFFFFF}),
        ("buffer", "none", 0x002, {"room": 0}),
        ("buffer", "without room for the header", 0x002, {"room": 60}),
        ("buffer", "without room for one record", 0x002, {"room": 124}),
    ),
    *cases_of(
        "SLM Read",
        READ,
        *wrong_namespaces(),
        *transfer_range(READ),
        *wrong_opcodes((0x08, 0x0C, 0x80, 0xFC)),
    ),
    *cases_of("SLM Write", WRITE, *wrong_namespaces(), *transfer_range(WRITE)),
    *cases_of("SLM Fill", FILL, *wrong_namespaces(), *transfer_range(FILL)),
    *cases_of("SLM Fill at 00h", {**FILL, "opcode": 0x00}, *wrong_namespaces(), *transfer_range(FILL)),
    *cases_of(
        "SLM Copy, blocks",
        COPY,
        *wrong_namespaces(),
        *(("format", f"{form}h", 0x002, {"cdw12": form << 8}) for form in (0, 1, 3, *range(5, 16))),
        ("NR", "1, one range sent", 0x00F, {"cdw12": 0x201}),
        ("NR", "255, one range sent", 0x00F, {"cdw12": 0x2FF}),
        ("length", "0", 0x002, {"cdw2": 0}),
        ("length", "more than the ranges'", 0x002, {"cdw2": 2 * BLOCK}),
        ("length", "less than the ranges'", 0x002, {"cdw2": BLOCK - 4}),
        ("length", "off the granularity", 0x002, {"cdw2": BLOCK + 2}),
        ("length", "FFFFFFFFFFFFFFFCh", 0x002, {"cdw2": 0xFFFFFFFC, "cdw3": 0xFFFFFFFF}),
        ("destination", "off the granularity", 0x002, {"cdw10": 2}),
        ("destination", "at the end", 0x002, {"cdw10": MIB}),
        ("destination", "so that it ends beyond", 0x002, {"cdw10": MIB - BLOCK + 4}),
        ("destination", "FFFFFFFFFFFFFFFCh (wraps)", 0x002, {"cdw10": 0xFFFFFFFC, "cdw11": 0xFFFFFFFF}),
        ("source NSID", "0", 0x00B, {"data": copy_blocks(0)}),
        ("source NSID", "that there is not", 0x002, {"data": copy_blocks(NONE)}),
        ("source NSID", "that there cannot be", 0x00B, {"data": copy_blocks(BEYOND)}),
        ("source NSID", "FFFFFFFFh", 0x00B, {"data": copy_blocks(ALL)}),
        ("source NSID", "of SLM", 0x00B, {"data": copy_blocks(SLM)}),
        ("source NSID", "of the programs", 0x00B, {"data": copy_blocks(COMPUTE)}),
        ("FCO", "where the device cannot reach the memory", 0x186, {"cdw10": 4, "data": copy_blocks(sopt=1 << 15)}),
        ("SLBA", "at the end", 0x080, {"data": copy_blocks(slba=MIB // BLOCK)}),
        ("SLBA", "FFFFFFFFFFFFFFFFh (wraps)", 0x080, {"data": copy_blocks(slba=(1 << 64) - 1)}),
        ("NLB", "one more than there are", 0x080, {"cdw2": BLOCK, "data": copy_blocks(nlb=MIB // BLOCK)}),
        ("NLB", "FFFFh", 0x080, {"data": copy_blocks(nlb=0xFFFF)}),
    ),
    *cases_of(
        "SLM Copy, memory",
        COPY_MEMORY,
        ("NR", "1, one range sent", 0x00F, {"cdw12": 0x401}),
        ("length", "more than the ranges'", 0x002, {"cdw2": 128}),
        ("length", "less than the ranges'", 0x002, {"cdw2": 32}),
        ("source NSID", "0", 0x00B, {"data": copy_memory(0)}),
        ("source NSID", "of the data", 0x00B, {"data": copy_memory(NVM)}),
        ("source NSID", "of the programs", 0x00B, {"data": copy_memory(COMPUTE)}),
        ("source NSID", "that there is not", 0x002, {"data": copy_memory(NONE)}),
        ("source NSID", "that there cannot be", 0x00B, {"data": copy_memory(BEYOND)}),
        ("source NSID", "FFFFFFFFh", 0x00B, {"data": copy_memory(ALL)}),
        ("SADDR", "off the granularity", 0x002, {"data": copy_memory(saddr=0x8002)}),
        ("SADDR", "at the end", 0x002, {"data": copy_memory(saddr=MIB)}),
        ("SADDR", "so that it ends beyond", 0x002, {"data": copy_memory(saddr=MIB - 32)}),
        ("SADDR", "FFFFFFFFFFFFFFFCh (wraps)", 0x002, {"data": copy_memory(saddr=(1 << 64) - 4)}),
        ("SADDR", "in the destination", 0x187, {"data": copy_memory(saddr=0)}),
        ("SADDR", "overlapping the destination's end", 0x187, {"data": copy_memory(saddr=60)}),
        ("NBYTE", "0, of a copy of 64", 0x002, {"data": copy_memory(nbyte=0)}),
        ("NBYTE", "off the granularity", 0x002, {"data": copy_memory(nbyte=62)}),
        ("NBYTE", "FFFFFFFCh", 0x002, {"data": copy_memory(nbyte=0xFFFFFFFC)}),
    ),
    *cases_of(
        "Get Log Page",
        {"opcode": 0x02, "nsid": COMPUTE, "cdw10": 0x00030082, "room": 16},
        *(
            (f"NSID of log {lid:02X}h", f"{nsid}", status, {"nsid": nsid, "cdw10": 0x00030000 | lid})
            for lid in (0x82, 0x83, 0x84, 0xC0, 0xC1, 0xD1, 0xD2, 0xD3)
            for nsid, status in ((NVM, 0x109), (SLM, 0x109), (NONE, 0x002), (BEYOND, 0x00B))
        ),
        *(
            (f"{field} of log {lid:02X}h", value, 0x002, {"nsid": 0, "cdw10": 0x00030000 | lid, **changed})
            for lid in (0x00, 0x05, 0x12, 0x1A, 0x1B)
            for field, value, changed in (
                ("NSID", "of a namespace", {"nsid": COMPUTE}),
                ("LPO", "off the granularity", {"cdw12": 2}),
                ("LPO", "beyond the log", {"cdw12": 0x10000}),
                ("LPO", "FFFFFFFFFFFFFFFCh", {"cdw12": 0xFFFFFFFC, "cdw13": 0xFFFFFFFF}),
                ("OT", "1 (an index)", {"cdw14": 1 << 23}),
            )
        ),
        *(
            (f"NUMD of log {lid:02X}h", "more than the buffer", 0x00F, {"nsid": 0, "cdw10": 0x00040000 | lid})
            for lid in (0x00, 0x05, 0x12, 0x1A, 0x1B)
        ),
        ("LID", "FFh", 0x002, {"cdw10": 0x000300FF}),
        ("NUMD", "more than the buffer", 0x00F, {"cdw10": 0x00040082}),
        ("LPO", "off the granularity", 0x002, {"cdw12": 2}),
        ("LPO", "beyond the log", 0x002, {"cdw12": 0x10000}),
        ("LPO", "FFFFFFFFFFFFFFFCh", 0x002, {"cdw12": 0xFFFFFFFC, "cdw13": 0xFFFFFFFF}),
        ("OT", "1 (an index)", 0x002, {"cdw14": 1 << 23}),
        ("LSI of log D1h", "slot 8, of 0 to 7", 0x109, {"cdw10": 0x000300D1, "cdw11": 8 << 16}),
        ("LSI of log D3h", "slot 8, of 0 to 7", 0x109, {"cdw10": 0x000300D3, "cdw11": 8 << 16}),
        (
            "CSI of log 05h",
            "FFh",
            0x002,
            {"nsid": 0, "cdw10": 0x03FF0005, "cdw14": 0xFF << 24, "room": 4096},
        ),
    ),
    *cases_of(
        "Identify",
        {"opcode": 0x06, "nsid": COMPUTE, "cdw10": 0x05, "cdw11": 4 << 24, "room": 4096},
        ("CSI of CNS 05h", "01h", 0x002, {"cdw11": 1 << 24}),
        ("CSI of CNS 05h", "of another kind", 0x002, {"cdw11": 3 << 24}),
        ("NSID of CNS 05h", "0", 0x00B, {"nsid": 0}),
        ("NSID of CNS 05h", "17, of at most 16", 0x00B, {"nsid": 17}),
        ("NSID of CNS 03h", "that there is not", 0x00B, {"nsid": NONE, "cdw10": 0x03}),
        ("NSID of CNS 08h", "17, of at most 16", 0x00B, {"nsid": 17, "cdw10": 0x08}),
        ("NSID of CNS 07h", "FFFFFFFFh", 0x00B, {"nsid": ALL, "cdw10": 0x07}),
        ("CSI of CNS 06h", "FFh", 0x002, {"cdw10": 0x06, "cdw11": 0xFF << 24}),
        ("CSI of CNS 07h", "FFh", 0x002, {"cdw10": 0x07, "cdw11": 0xFF << 24}),
        ("CNS", "FFh", 0x002, {"cdw10": 0xFF}),
    ),
]
ADMIN = {"Load Program", "Unload Program", "Program Activation Management", "Memory Range Set Management"}
ADMIN |= {"Get Log Page", "Identify"}


def test_no_two_cases_are_the_same() -> None:
    assert len({str(case) for case in CASES}) == len(CASES)


@pytest.mark.parametrize("opcode", [0x01, 0x05], ids=["Write", "Compare"])
def test_data_that_are_not_as_long_as_their_blocks_are_refused(world: World, opcode: int) -> None:
    """Data of an NVM command are exactly as long as its blocks; no block behind them is written or looked at."""
    for blocks, status in ((2, 0x00F), (1, 0)):
        data = DATA[:BLOCK] + b"x" * BLOCK
        assert world.send(Command(opcode, NVM, cdw10=0, cdw12=0, data=data[: blocks * BLOCK])) == status
    assert world.first.image.read_bytes() == DATA


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_field_out_of_range(world: World, case: Case) -> None:
    """The documented status; and nothing has changed: no slot, no set, and a scan finds what it found."""
    before = world.device.programs(COMPUTE)
    transport = world.device.transport
    send = transport.admin if case.command in ADMIN else transport.io
    answer = send(Command(**case.dwords))
    assert describe(answer.status) == describe(case.status)
    after = world.device.programs(COMPUTE)
    states = [(program.pind, program.state, program.sha256) for program in before]
    assert [(program.pind, program.state, program.sha256) for program in after] == states
    assert world.device.range_sets(COMPUTE) == []


def test_the_limits_of_all_programs_together(world: World) -> None:
    """94h, and the room that an unfinished load has taken comes back."""
    admin = world.device.transport.admin
    begin: dict[str, Any] = {"cdw11": 600000, "cdw14": 64, "data": bytes(64)}
    assert admin(Command(0x85, 3, cdw10=0x00010002, **begin)).status == 0
    assert describe(admin(Command(0x85, 3, cdw10=0x00010003, **begin)).status) == describe(0x194)
    # An unfinished program cannot be activated, nor go on with other bytes than it began with.
    assert describe(admin(Command(0x88, 3, cdw10=0x00010002)).status) == describe(0x18E)
    for field, status, changed in (
        ("a gap", 0x18E, {"cdw15": 128}),
        ("a repetition", 0x18E, {"cdw15": 32}),
        ("another size", 0x002, {"cdw15": 64, "cdw11": 1000}),
        ("another type", 0x002, {"cdw15": 64, "cdw10": 0x00020002}),
        ("an identifier", 0x002, {"cdw15": 64, "cdw10": 0x02010002, "cdw12": 1}),
    ):
        dwords = {"cdw10": 0x00010002, **begin, **changed}
        assert (field, describe(admin(Command(0x85, 3, **dwords)).status)) == (field, describe(status))
    assert admin(Command(0x85, 3, cdw10=0x01000002)).status == 0
    assert admin(Command(0x85, 3, cdw10=0x00010003, **begin)).status == 0
    assert admin(Command(0x85, 3, cdw10=0x01000003)).status == 0


def test_the_limit_of_active_programs(world: World) -> None:
    device = world.device
    for slot in (2, 3):
        device.load(COMPUTE, slot, world.threshold)
    device.activate(COMPUTE, 2)
    assert describe(device.transport.admin(Command(0x88, 3, cdw10=0x00010003)).status) == describe(0x193)
    # Activating an active one is no further one.
    assert device.transport.admin(Command(0x88, 3, cdw10=0x00010002)).status == 0
    device.deactivate(COMPUTE, 2)
    for slot in (2, 3):
        device.unload(COMPUTE, slot)


def test_the_limit_of_range_sets(world: World) -> None:
    device = world.device
    made = [device.create_range_set(COMPUTE, [MemoryRange(SLM, 0, 64)]) for _ in range(3)]
    assert len({*made, 0}) == 4
    assert describe(world.send(Command(**RANGE_SET))) == describe(0x192)
    for rsid in made:
        device.delete_range_set(COMPUTE, rsid)


def test_ranges_that_a_scan_cannot_use(world: World) -> None:
    """Program data above 1000 bytes, a state that has no room, and nothing to resume from."""
    device = world.device
    device.load(COMPUTE, 2, world.top)
    device.activate(COMPUTE, 2)
    big = device.create_range_set(COMPUTE, [MemoryRange(SLM, 0, 1004)])
    small = device.create_range_set(COMPUTE, [MemoryRange(SLM, 0, 4), MemoryRange(SLM, 64, 68)])
    for flags, rsid in ((0, big), (0, small), (1, big)):
        command = Command(0x82, 3, cdw2=2 | flags << 16, cdw3=NVM | rsid << 16, cdw12=BLOCK, room=4096)
        assert describe(world.send(command)) == describe(0x18C)
    for rsid in (big, small):
        device.delete_range_set(COMPUTE, rsid)
    device.deactivate(COMPUTE, 2)
    device.unload(COMPUTE, 2)


def test_what_is_in_use_stays(world: World) -> None:
    """95h and 99h while commands run; afterwards both go."""
    device, transport = world.device, world.device.transport
    assert isinstance(transport, SpdkTransport)
    rsid = device.create_range_set(COMPUTE, [MemoryRange(SLM, 0, 4)])
    running = transport.submit(Command(0x82, 3, cdw2=7, cdw3=SLOW | rsid << 16, cdw12=BLOCK, cdw14=2000, room=4096))
    # On the same queue behind it, so that it has begun when this one is answered.
    assert transport.io(Command(**READ)).status == 0
    for command, status in (
        (commands.delete_range_set(COMPUTE, rsid), 0x195),
        (commands.deactivate_program(COMPUTE, 7), 0x199),
        (commands.unload_program(COMPUTE, 7), 0x199),
    ):
        assert describe(transport.admin(command).status) == describe(status)
    assert [one.in_use for one in device.range_sets(COMPUTE)] == [True]
    answer = transport.wait(running)
    assert (answer.status, answer.value) == (0, 0)
    device.delete_range_set(COMPUTE, rsid)
    device.deactivate(COMPUTE, 7)
    device.activate(COMPUTE, 7)


def test_a_running_command_is_aborted(world: World) -> None:
    """A scan and a copy that wait for slow data answer 00h/07h; one that is not there is not aborted."""
    transport = world.device.transport
    assert isinstance(transport, SpdkTransport)
    for command in (
        Command(0x82, 3, cdw2=0, cdw3=SLOW, cdw12=MIB, cdw14=2000, room=4096),
        Command(0x01, 2, cdw2=MIB, cdw12=0x200, data=copy_blocks(SLOW, nlb=MIB // BLOCK - 1)),
    ):
        running = transport.submit(command)
        assert transport.io(Command(**READ)).status == 0
        aborted = transport.abort(running)
        assert (aborted.status, aborted.value & 1) == (0, 0)
        assert describe(transport.wait(running).status) == describe(0x007)
    assert transport.abort(running).value & 1 == 1
    [counted] = [entry for entry in world.device.statistics(COMPUTE) if entry.pind == 0]
    assert counted.aborted == 1


def test_a_refused_program_says_why(world: World) -> None:
    none = bytes.fromhex("ff00000000000000")
    with pytest.raises(LabError) as refusal:
        world.device.load(COMPUTE, 4, none)
    assert "Invalid Program Data (01h/8Eh): " in refusal.value.found
    reason = world.device.reason(COMPUTE, 4)
    assert reason
    assert reason in refusal.value.found
    slot = world.device.program(COMPUTE, 4)
    assert (slot.state, slot.refused) == ("empty", True)
    [told] = [
        one
        for one in world.target.call("csd_get_programs", {"name": "first_compute"})[0]["programs"]
        if one["pind"] == 4
    ]
    assert told["reason"] == reason
    assert reason in world.target.log.read_text(errors="replace")
    # A program that is loaded there takes the reason away.
    world.device.load(COMPUTE, 4, world.threshold)
    assert world.device.reason(COMPUTE, 4) == ""
    world.device.unload(COMPUTE, 4)


# ---- must-show 5: subsystems do not see each other


def test_one_subsystems_host_cannot_see_or_run_what_belongs_to_another(world: World) -> None:
    with world.second.device() as stranger:
        assert {program.state for program in stranger.programs(COMPUTE)} == {"empty"}
        assert stranger.statistics(COMPUTE) == []
        # Programs: slot 0 runs for the first subsystem, and for the second there is nothing in it.
        mine = world.device.transport.io(Command(**{**SCAN, "cdw12": MIB}))
        assert mine.status == 0
        assert describe(stranger.transport.io(Command(**SCAN)).status) == describe(0x18F)
        assert describe(stranger.transport.io(Command(**EXECUTE)).status) == describe(0x18F)
        assert describe(stranger.transport.admin(Command(0x85, 3, cdw10=0x01000000)).status) == describe(0x196)
        assert describe(stranger.transport.admin(Command(0x88, 3, cdw10=0)).status) == describe(0x196)

        # Range sets: one of the first subsystem is none in the second.
        rsid = world.device.create_range_set(COMPUTE, [MemoryRange(SLM, 0, 64)])
        assert stranger.range_sets(COMPUTE) == []
        assert describe(stranger.transport.admin(commands.delete_range_set(COMPUTE, rsid)).status) == describe(0x18D)
        stranger.load(COMPUTE, 0, world.threshold)
        stranger.activate(COMPUTE, 0)
        assert describe(stranger.transport.io(Command(0x01, 3, cdw2=rsid << 16)).status) == describe(0x18D)
        assert [one.rsid for one in world.device.range_sets(COMPUTE)] == [rsid]
        world.device.delete_range_set(COMPUTE, rsid)

        # Memory: the same NSID and addresses, other bytes.
        world.device.write_memory(SLM, 0, b"mine")
        stranger.fill_memory(SLM, 0, MIB)
        assert stranger.read_memory(SLM, 0, 4) == bytes(4)
        assert world.device.read_memory(SLM, 0, 4) == b"mine"

        # Data: the stranger's program sees the stranger's zeros only, and cannot name the other's namespace.
        scan = Command(**{**SCAN, "cdw12": MIB, "cdw14": 1})
        assert (stranger.transport.io(scan).value, world.device.transport.io(scan).value > 0) == (0, True)
        for nsid in range(4, 18):
            assert describe(stranger.transport.io(Command(**{**SCAN, "cdw3": nsid})).status) == describe(0x00B)
            copy = Command(**{**COPY, "data": copy_blocks(nsid)})
            assert describe(stranger.transport.io(copy).status) == describe(0x002 if nsid < BEYOND else 0x00B)
            ranges = Command(**{**RANGE_SET, "data": memory_range(nsid, 64, 0)})
            assert describe(stranger.transport.admin(ranges).status) == describe(0x18B)

        # Nor does what the stranger did show in the first subsystem's programs and counters.
        assert [entry.pind for entry in stranger.statistics(COMPUTE)] == [0]
        assert world.device.program(COMPUTE, 0).state == "active"


def test_a_host_that_is_not_named_does_not_come_in(world: World) -> None:
    with (
        pytest.raises(LabError, match=r"does not allow this host \(Connect Invalid Host, 01h/84h\)"),
        world.first.device(world.second.host_nqn),
    ):
        pass


def test_a_host_loads_into_its_slots_alone(world: World) -> None:
    """Two hosts' chunks are never mixed: a load that one has begun is not gone on with by another."""
    target, first = world.target, world.first
    other = "nqn.2026-11.io.hello-ebpf:first-other"
    target.call("nvmf_subsystem_add_host", {"nqn": first.nqn, "host": other})
    begun = Command(0x85, 3, cdw10=0x00010004, cdw11=128, cdw14=64, data=bytes(64))
    with first.device(other) as second_host:
        assert world.device.transport.admin(begun).status == 0
        rest = Command(0x85, 3, cdw10=0x00010004, cdw11=128, cdw14=64, cdw15=64, data=bytes(64))
        assert describe(second_host.transport.admin(rest).status) == describe(0x199)
    world.device.unload(COMPUTE, 4)


# ---- helpers


def pieces(data: bytes) -> list[bytes]:
    return [data[at : at + 64] for at in range(0, len(data), 64)]


def temperature(piece: bytes) -> int:
    value: int = struct.unpack_from("<i", piece, 20)[0]
    return value


def test_the_target_is_as_it_was(world: World) -> None:
    """After everything above: it runs, can pause (so no command was lost), and scans right."""
    host = {"nqn": world.first.nqn, "host": "nqn.2026-11.io.hello-ebpf:after"}
    world.target.call("nvmf_subsystem_add_host", host)
    test_a_scan_with_the_documented_bytes(world)
    assert Path(world.first.image).read_bytes() == DATA
