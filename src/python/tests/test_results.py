"""Answers of a computational drive: from bytes, written by hand from protocol/nvme_csd.h, to what they mean."""

from __future__ import annotations

from dataclasses import replace

import pytest

from csd import results
from csd.statuses import STATUSES, describe, fix_for

HEADER = bytes.fromhex(
    "43534452 0100 0100"  # magic, version 1, end: full
    "6400000000000000 0a00000000000000"  # 100 records, 10 matches
    "0019000000000000 0040000000000000"  # next 1900h, asked 4000h
    "08000000 04000000"  # state, data
    "e803000000000000 0000000000000000"  # 1000 ns
)


BEGINS = "a result begins with 43534452h and version 1, here are "


def test_a_result() -> None:
    found = results.result(HEADER + b"statestA" + b"data" + bytes(20))
    assert found == results.Result(1, 100, 10, 0x1900, 0x4000, 1000, b"statestA", b"data")


@pytest.mark.parametrize(
    ("buffer", "wrong"),
    [
        (HEADER[:63], "a result has at least 64 bytes, these are 63"),
        (b"XXXX" + HEADER[4:], BEGINS + "58585858h and version 1"),
        (HEADER[:4] + b"\2" + HEADER[5:], BEGINS + "52445343h and version 2"),
        (HEADER + bytes(11), "end 1, 8 bytes of state and 4 of data do not fit 75 bytes"),
        (HEADER[:6] + b"\3\0" + HEADER[8:] + bytes(12), "end 3, 8 bytes of state and 4 of data do not fit 76 bytes"),
    ],
)  # fmt: skip
def test_what_is_no_result(buffer: bytes, wrong: str) -> None:
    with pytest.raises(ValueError, match="^" + wrong.replace("(", "\\(") + "$"):
        results.result(buffer)


def test_the_programs() -> None:
    log = (
        bytes.fromhex("02000000 60000000 0700000000000000")
        + bytes.fromhex("0000 c0 03 d8030000 8877665544332211 40000000 20000000 08000000 01 01 00 01")
        + bytes(range(1, 33))
        + b"worker".ljust(24, b"\0")
        + bytes.fromhex("02 01 01 0000000000")
        + bytes.fromhex("0500 00 00 00000000 0000000000000000 00000000 00000000 00000000 00 00 01 00")
        + bytes(64)
    )
    first, second = results.programs(log)
    assert first == results.Program(
        0, 0xC0, "active", 984, 0x1122334455667788, 64, 32, 8, "offset", True, False, bytes(range(1, 33)).hex(),
        "worker", results.NOT_PROVED, "worker", True,
    )  # fmt: skip
    assert first.item_bytes() == 8
    assert (second.pind, second.state, second.refused, second.sha256, second.engine) == (5, "empty", True, "", "")
    assert (second.verdict, second.runs_in, second.deactivated) == ("", "", False)
    # A drive from before there were workers has zeros there.
    (older,) = results.programs(bytes.fromhex("01000000") + log[4 : 16 + 88] + bytes(8))
    assert (older.verdict, older.runs_in, older.deactivated) == ("", "target", False)
    # PIT 0: there is no identifier.
    assert second.pid is None
    assert results.log_length(log[:16]) == len(log) == 208


def test_entries_may_grow_in_a_later_version() -> None:
    entry = bytes.fromhex("0300 0000 02000000") + b"something"[:8]
    assert results.range_sets(bytes(32), bytes.fromhex("01000000 10000000 0100000000000000") + entry) == []


def test_program_types() -> None:
    log = bytes.fromhex("02000000") + bytes(28)
    for kind in ("c0", "01"):
        log += bytes.fromhex(kind + "01 000000000000 0000010000000000") + b"eBPF".ljust(16, b"\0")
    assert results.program_types_length(log[:32]) == len(log) == 96
    assert results.program_types(log + bytes(64)) == [
        results.ProgramType(0xC0, 1, 65536, "eBPF"),
        results.ProgramType(0x01, 1, 65536, "eBPF"),
    ]


def test_range_sets() -> None:
    log = bytes.fromhex("02000000") + bytes(28)
    log += bytes.fromhex("0300 0200") + bytes(28)
    log += bytes.fromhex("02000000 00100000 0000000001000000") + bytes(16)
    log += bytes.fromhex("02000000 40000000 0400000000000000") + bytes(16)
    log += bytes.fromhex("0700 0100") + bytes(28)
    log += bytes.fromhex("02000000 08000000 0000000000000000") + bytes(16)
    in_use = bytes.fromhex("01000000 08000000 0100000000000000 0300 0000 02000000")
    assert results.range_sets(log + bytes(64), in_use) == [
        results.RangeSet(3, True, (results.Range(2, 0x100000000, 0x1000), results.Range(2, 4, 64))),
        results.RangeSet(7, False, (results.Range(2, 0, 8),)),
    ]


def test_how_much_of_the_range_sets_is_still_to_be_read() -> None:
    """Each set says how long it is: of what was not read yet, at least a descriptor is to come."""
    log = bytes.fromhex("02000000") + bytes(28)
    log += bytes.fromhex("0300 0200") + bytes(28 + 64)
    log += bytes.fromhex("0700 0100") + bytes(28 + 32)
    assert [results.range_sets_length(log[:read]) for read in (32, 64, 128, 160, 192)] == [96, 160, 160, 192, 192]
    assert results.range_sets_length(bytes(32)) == 32


def test_statistics() -> None:
    numbers = b"".join(number.to_bytes(8, "little") for number in range(1, 10))
    head = bytes.fromhex("01000000 80000000 0100000000000000 0400") + bytes(6) + numbers
    older = results.Statistics(4, 1, 2, 3, 4, 5, 6, 7, 8, 9)
    assert results.statistics(head + bytes(48)) == [older]
    faults = bytes.fromhex("0a00000000000000 0b00000000000000 0c00000000000000 0d000000 02") + bytes(19)
    assert results.statistics(head + faults) == [replace(results.Statistics(4, *range(1, 14)), fault_kind="time")]
    assert results.statistics(head + faults[:28] + b"\x09" + bytes(19))[0].fault_kind == "kind 9"


def test_identify() -> None:
    compute = bytes.fromhex("0400 1000 0200 08 00 0100000000000000 02") + bytes(4079)
    assert results.compute_limits(compute) == results.ComputeLimits(4, 16, 4, 8, 1, 4)
    slm = bytes.fromhex("0000000400000000 02 00 0001") + bytes(4084)
    assert results.slm_size(slm) == results.SlmSize(64 << 20, 4, 256)
    nvm = bytearray(4096)
    nvm[0:8] = (1000).to_bytes(8, "little")
    nvm[26] = 1
    nvm[132:136] = bytes.fromhex("00000c00")
    assert results.nvm_size(bytes(nvm)) == results.NvmSize(1000, 4096)
    controller = bytearray(4096)
    assert results.max_transfer(bytes(controller)) == 0
    controller[77] = 5
    assert results.max_transfer(bytes(controller)) == 131072


def test_namespaces_and_their_command_sets() -> None:
    listed = bytes.fromhex("01000000 02000000 05000000").ljust(4096, b"\0")
    assert results.active_namespaces(listed) == [1, 2, 5]
    assert results.active_namespaces(bytes(4096)) == []
    described = (bytes.fromhex("03100000") + bytes(range(16)) + bytes.fromhex("04010000 04")).ljust(4096, b"\0")
    assert results.descriptors(described) == {3: bytes(range(16)), 4: b"\4"}
    assert results.descriptors(bytes(4096)) == {}
    assert results.descriptors(b"\4\1\0\0\3") == {4: b"\3"}


def test_every_status_of_the_command_sets_has_a_name_and_something_to_do() -> None:
    command_specific = [0x83, 0x85, 0x86, 0x87, 0x88, *range(0x8A, 0x9C)]
    assert all(0x100 | code in STATUSES for code in command_specific)
    assert describe(0x198) == "Program Not Activated (01h/98h)"
    assert fix_for(0x198) == "activate it first (csd activate)"
    assert describe(0x7C1) == "Program Time (07h/C1h)"
    assert describe(0x7C9) == "a vendor specific status without a name here (07h/C9h)"
    assert fix_for(0x7C9) == "look at the target's log"
