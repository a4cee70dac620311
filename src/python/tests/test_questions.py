# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Questions: what their programs are, what a drive is sent for them, and what is refused, in which words."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import numpy as np
import pytest

import csd
from csd.commands import CSI_SLM
from csd.device import Device
from csd.errors import LabError
from csd.questions import elf
from csd.questions.grammar import MAX_CONSTANTS, Grouped, Summarized
from csd.questions.program import MAX_INSTRUCTIONS
from csd.questions.record import MAX_RECORD_BYTES, Record, record
from csd.questions.summary import MAX_GROUPS
from csd.questions.table import Table, compiled, parameters_at
from csd.tool import connect
from csd_double import DriveDouble, Slots, result

LIST = [
    ("device", "<u2", 4),
    ("temperature", "<i4", 8),
    ("ns", ">u8", 16),
    ("name", "S13", 24),
    ("short", "<f4", 40),
    ("long", ">f8", 44),
]
RECORD = record(LIST, 64)
DTYPE = np.dtype(
    {
        "names": [name for name, _, _ in LIST],
        "formats": [form for _, form, _ in LIST],
        "offsets": [offset for _, _, offset in LIST],
        "itemsize": 64,
    }
)


# ---- programs


def test_questions_that_differ_in_constants_alone_are_one_program() -> None:
    """Constants are parameters: the first is cparam1, the others are program data."""
    one = compiled("temperature >= 70000 and device in (3, 5) and name == 'error'", RECORD)
    other = compiled("temperature >= -1 and device in (9, 9) and name == ''", RECORD)
    assert one.sha256 == other.sha256
    assert (one.cparam1, other.cparam1) == (70000, (1 << 64) - 1)
    words = [int.from_bytes(b"error\0\0\0", "big"), 0, 0]
    assert (one.parameters, other.parameters) == (struct.pack("<5Q", 3, 5, *words), struct.pack("<5Q", 9, 9, 0, 0, 0))
    assert compiled("temperature > 70000", RECORD).sha256 != one.sha256
    assert compiled("temperature >= 1", RECORD).parameters == b""


def test_what_is_calculated_from_constants_alone_is_one_constant_and_exact() -> None:
    assert compiled("ns == (1 << 63) * 4 // 3 - 5 % 3", RECORD).cparam1 == (1 << 63) * 4 // 3 - 2


def test_the_same_record_is_described_with_and_without_numpy() -> None:
    assert compiled("long < 2 or name > 'a'", record(DTYPE)) == compiled("long < 2 or name > 'a'", RECORD)
    assert record(LIST).bytes == 52
    assert record(RECORD) is RECORD


def test_a_program_declares_what_it_reads_and_emits() -> None:
    for emit in (elf.EMIT_RECORD, elf.EMIT_NOTHING):
        content = compiled(None, RECORD, emit).content
        assert struct.pack("<8I", 1, 64, 64, 0, emit, 0, 0, 0) in content
        assert content[:20] == b"\x7fELF\2\1\1".ljust(16, b"\0") + struct.pack("<HH", 1, 247)


# ---- what is refused

NAMES = "device, temperature, ns, name, short, long"
KINDS = "compare integers with integers, floats with floats of the same width or a constant, texts with texts"


@pytest.mark.parametrize(
    ("text", "found", "fix"),
    [
        (
            "temperature > 5 and devise == 3",
            f"line 1, character 21, devise: the record has no such field; it has {NAMES}",
            "name one of these",
        ),
        (
            "  (device == 1 or\n  temperature)",
            "line 2, character 3, temperature: this is a value, not a condition",
            "compare it, for example with != 0",
        ),
        (
            "  devise == 3",
            f"line 1, character 3, devise: the record has no such field; it has {NAMES}",
            "name one of these",
        ),
        (
            "name == 'é' and temperature / 2 > 3",
            "line 1, character 17, temperature / 2: / makes floats of integers",
            "write //, whose result is an integer, rounded down",
        ),
        (
            "(temperature > 5) + 1 == 2",
            "line 1, character 2, temperature > 5: this is a condition, not a value",
            "let and, or and not join conditions",
        ),
        (
            "len(name) > 2",
            "line 1, character 1, len(name): a question has no such expression",
            "use fields, constants, comparisons, and, or, not, in, + - * // % & | ^ ~ << >>",
        ),
        (
            "temperature > True",
            "line 1, character 15, True: it is no value of a field",
            "compare with a number or a text",
        ),
        ("temperature is 5", "line 1, character 1, temperature: it is compared by is", "compare with == or !="),
        (
            "temperature in 5",
            "line 1, character 16, 5: in takes a list of values",
            "write them in parentheses: device in (3, 5)",
        ),
        (
            "device in ()",
            "line 1, character 11, (): in takes a list of values",
            "write them in parentheses: device in (3, 5)",
        ),
        (
            "ns - temperature > 0",
            "line 1, character 1, ns - temperature: it joins an unsigned number of 64 bits and one that may be "
            "negative: no 64 bits hold every result",
            "compare the two, or calculate with each alone",
        ),
        (
            "-ns < 0",
            "line 1, character 1, -ns: it is the negative of an unsigned number of 64 bits",
            "compare the number itself",
        ),
        ("5 // 0 == device", "line 1, character 1, 5 // 0: it divides by zero", "divide by another number"),
        (
            "temperature << device > 2",
            "line 1, character 16, device: a shift is by a constant from 0 to 63",
            "write such a constant",
        ),
        (
            "ns > 18446744073709551616",
            "line 1, character 6, 18446744073709551616: it does not fit 64 bits",
            "write a number from -2**63 to 2**64 - 1",
        ),
        (
            "short + 1 > 2",
            "line 1, character 1, short: it is a float, and is calculated with",
            "compare it alone: arithmetic is for integers",
        ),
        (
            "name + 'a' == 'ba'",
            "line 1, character 1, name: it is a text, and is calculated with",
            "compare it alone: arithmetic is for integers",
        ),
        (
            "short > long",
            "line 1, character 9, long: field short, which it is compared with, is a float of 4 bytes",
            KINDS,
        ),
        (
            "name > 5",
            "line 1, character 8, 5: field name, which it is compared with, is a text of 13 bytes",
            KINDS,
        ),
        ("temperature > 2.5", "line 1, character 15, 2.5: no field of its type is compared with it", KINDS),
        ("short > 1e40", "line 1, character 9, 1e40: a float of 4 bytes cannot be so large", "write a smaller one"),
        (
            "name == 'fourteen bytes'",
            "line 1, character 9, 'fourteen bytes': it has 14 bytes, field name has 13",
            "shorten it",
        ),
        (
            " or ".join(["device == 5"] * 127),
            "line 1, character 1901, 5: it is constant 127 of the question",
            "ask with 126 at most",
        ),
        (
            " or ".join(["device // temperature > device"] * 400),
            "it takes 5205 instructions, the drive's verifier looks at 4096",
            "ask it in several questions",
        ),
        (
            "device > " + "(device + " * 90 + "1" + ")" * 90,
            "it is nested too deep",
            "ask it with fewer parentheses in one another",
        ),
        (
            "+".join(["device"] * 100_000) + " > 5",
            "it is nested too deep",
            "ask it with fewer parentheses in one another",
        ),
    ],
)
def test_what_the_grammar_cannot_say_is_refused_with_its_place(text: str, found: str, fix: str) -> None:
    with pytest.raises(LabError) as refused:
        compiled(text, RECORD)
    shown = text if len(text) <= 200 else f"{text[:200]}..."
    assert (refused.value.asked, refused.value.found, refused.value.fix) == (f"the records where {shown!r}", found, fix)


def test_what_python_cannot_read_is_refused_with_its_place_too() -> None:
    """Python's own words differ from release to release."""
    with pytest.raises(LabError) as refused:
        compiled("  temperature between 1 and 5", RECORD)
    assert refused.value.found.startswith("line 1, character 15: ")
    assert refused.value.fix == "write low <= field <= high, for what SQL calls between"
    with pytest.raises(LabError) as refused:
        compiled("temperature >= 5 or or device", RECORD)
    assert refused.value.found.startswith("line 1, character 21: ")
    assert refused.value.fix == ("write comparisons with and, or, not, in: temperature >= 70000 and device in (3, 5)")
    for text in ("", "name == '\\ud800'", "a\0b", f"device == {'9' * 5000}"):
        with pytest.raises(LabError):
            compiled(text, RECORD)


@pytest.mark.parametrize(
    ("what", "found", "fix"),
    [
        (
            "short",
            "line 1, character 1, short: it is a float, and eBPF has no arithmetic of floats",
            "scan, and calculate on the host",
        ),
        (
            "  name",
            "line 1, character 3, name: it is a text",
            "name a field of integers, or calculate with such",
        ),
        (
            "device > 3 and temperature > 5",
            "line 1, character 1, device > 3 and temperature > 5: this is a condition, not a number",
            "give it as where, or count what matches",
        ),
        (
            "not device",
            "line 1, character 1, not device: this is a condition, not a number",
            "give it as where, or count what matches",
        ),
        (
            "temperature + devise",
            f"line 1, character 15, devise: the record has no such field; it has {NAMES}",
            "name one of these",
        ),
        (
            "18446744073709551616",
            "line 1, character 1, 18446744073709551616: it does not fit 64 bits",
            "write a number from -2**63 to 2**64 - 1",
        ),
        (
            "+".join(["5 * device"] * 125),
            "line 1, character 1365, 5: it is constant 127 of the question",
            "ask with 126 at most",
        ),
        (
            "+".join(["temperature // device % device"] * 220),
            "it takes 5528 instructions, the drive's verifier looks at 4096",
            "ask it in several questions",
        ),
        (
            "(device + " * 90 + "1" + ")" * 90,
            "it is nested too deep",
            "ask it with fewer parentheses in one another",
        ),
    ],
)
def test_what_the_drive_cannot_sum_up_is_refused_with_its_place(what: str, found: str, fix: str) -> None:
    with pytest.raises(LabError) as refused:
        compiled("device in (1, 2)", RECORD, elf.EMIT_NOTHING, Summarized("sum", what))
    shown = what if len(what) <= 200 else f"{what[:200]}..."
    asked = f"the sum of {shown!r}"
    whole = f"{asked} of the records where 'device in (1, 2)'"
    assert (refused.value.asked, refused.value.found, refused.value.fix) == (
        asked if found.startswith("line") else whole,
        found,
        fix,
    )


@pytest.mark.parametrize(
    ("description", "words"),
    [
        ([], "Asked: a record as []. Found: it has no fields. "),
        ([("a", "<i4")], "Asked: a field as ('a', '<i4'). Found: a field is its name, its type and its offset. "),
        ([("a", "<i3", 0)], "Asked: field a of type '<i3'. Found: no question knows this type. "),
        ([("a", "<i4", 0), ("a", "<i4", 4)], "Found: there is a field of this name already. "),
        ([("a", "<i4", 62)], "Asked: field a of a record. Found: its 4 bytes at 62 are not inside the record's 64. "),
        ([("a", "<i4", -1)], "Asked: field a of a record. Found: its 4 bytes at -1 are not inside the record's 64. "),
    ],
)
def test_a_record_that_is_none_is_refused(description: object, words: str) -> None:
    with pytest.raises(LabError) as refused:
        record(description, 64)
    assert words in str(refused.value)


def test_a_record_that_no_program_can_read_is_refused() -> None:
    with pytest.raises(LabError, match=r"Asked: a record of 70000 bytes. Found: 1 to 65536 are possible. "):
        record([("a", "<i4", 0)], 70000)


def test_other_types_of_numpy_may_be_in_a_record_and_not_in_a_question() -> None:
    dtype = np.dtype([("when", "<M8[ns]"), ("several", "<i4", (2,)), ("one", "<i4")])
    assert compiled("one == 5", record(dtype)).content
    with pytest.raises(LabError, match=r"when: its type, <M8\[ns\], is none that a question knows"):
        compiled("when > 5", record(dtype))
    with pytest.raises(LabError, match="several: its type, an array, is none that a question knows"):
        compiled("several > 5", record(dtype))


# ---- asking a drive


def matching(*temperatures: int) -> bytes:
    return b"".join(struct.pack("<8xi52x", temperature) for temperature in temperatures)


def asked(drive: DriveDouble, description: object = LIST, **options: int) -> Table:
    return Device(drive).table(description, size=64, **options)


def test_a_program_is_in_an_empty_slot_for_as_long_as_it_is_asked() -> None:
    drive = Slots()
    drive.scans = [result(0, 4096, 4096, matches=2, data=matching(70000, 80000))]
    answer = asked(drive, start=64, length=4100).scan("temperature >= 70000", columns=["temperature", "device"])
    assert drive.slots() == [(0x85, 2), (0x88, 2), (0x82, 2), (0x88, 2), (0x85, 2)]
    [scan] = [one for one in drive.sent if one.opcode == 0x82]
    # A piece of a record at the end is none; one constant needs no memory of the drive.
    assert (scan.cdw10, scan.cdw12, scan.cdw14, scan.cdw3 >> 16) == (64, 4096, 70000, 0)
    assert (answer.matches, answer.complete, answer.examined, answer.returned) == (2, True, 4096, 128)
    assert answer.data == matching(70000, 80000)
    rows = answer.array()
    assert (rows.dtype.names, rows["temperature"].tolist()) == (("temperature", "device"), [70000, 80000])
    assert answer.sha256 == compiled("temperature >= 70000", RECORD).sha256


def test_an_array_has_the_type_that_was_given() -> None:
    drive = Slots()
    drive.scans = [result(0, 4096, 4096, matches=1, data=matching(5))]
    rows = Device(drive).table(DTYPE).scan().array()
    assert (rows.dtype, rows["temperature"].tolist()) == (DTYPE, [5])


def test_a_count_brings_no_record() -> None:
    drive = Slots()
    drive.scans = [result(0, 4096, 4096, matches=17)]
    assert asked(drive).count("temperature >= 70000 and device == 3") == 17
    # The second constant goes through the drive's memory: slot 2 has two pages, in front of other scans' two.
    assert bytes(drive.memory[0x8000:0x8008]) == struct.pack("<Q", 3)
    create = next(one for one in drive.sent if one.opcode == 0x89)
    assert struct.unpack("<IIQ16x", create.data) == (2, 8, 0x8000)
    load = next(one for one in drive.sent if one.opcode == 0x85)
    assert struct.pack("<8I", 1, 64, 64, 0, elf.EMIT_NOTHING, 0, 0, 0) in load.data


SUMMED = struct.pack("<4Q", 9, 1, (1 << 63) + 8, (1 << 63) + 4)


def test_a_summary_brings_no_record() -> None:
    drive = Slots()
    drive.scans = [result(0, 4096, 4096, matches=2, state=SUMMED)]
    summary = asked(drive).summary("temperature * 2", "device in (3, 5)")
    # Numbers are raised by 2^63 in the drive: the sum of both by 2^64.
    assert (summary.count, summary.sum, summary.minimum, summary.maximum, summary.mean) == (2, 9, -5, 8, 4.5)
    assert (summary.answer.data, summary.answer.examined, summary.answer.returned) == (b"", 4096, 0)
    # The constants of both: where's are the first.
    [scan] = [one for one in drive.sent if one.opcode == 0x82]
    assert (scan.cdw14, bytes(drive.memory[0x8000:0x8010])) == (3, struct.pack("<2Q", 5, 2))
    load = next(one for one in drive.sent if one.opcode == 0x85)
    assert struct.pack("<8I", 1, 64, 64, 32, elf.EMIT_NOTHING, 0, 0, 0) in load.data


def test_the_state_that_the_drive_writes_lies_in_the_slots_own_pages() -> None:
    """Behind the constants: it was in the page of the slot before, whose question then had other constants."""
    drive = Slots(state_bytes=32)
    drive.scans = [result(0, 4096, 4096, matches=2, state=SUMMED)]
    asked(drive).sum("temperature * 2", "device in (3, 5)")
    create = next(one for one in drive.sent if one.opcode == 0x89)
    assert struct.unpack("<IIQ16xIIQ16x", create.data) == (2, 16, 0x8000, 2, 32, 0x9000)
    program = compiled("device in (3, 5)", RECORD)
    memory = Device(drive).namespace(CSI_SLM)
    assert [parameters_at(memory, program, slot) for slot in (0, 1, 2)] == [0xC000, 0xA000, 0x8000]


@pytest.mark.parametrize(
    ("name", "signed", "unsigned", "of_nothing"),
    [("sum", 9, (1 << 64) + 9, 0), ("min", -5, (1 << 63) - 5, None), ("max", 8, (1 << 63) + 8, None)],
)
def test_each_of_a_summarys_numbers_can_be_asked_for_alone(
    name: str, signed: int, unsigned: int, of_nothing: int | None
) -> None:
    drive = Slots()
    drive.scans = [
        result(0, 4096, 4096, matches=2, state=SUMMED),
        result(0, 4096, 4096, matches=2, state=SUMMED),
        result(0, 4096, 4096, matches=0, state=bytes(32)),
    ]
    ask = getattr(asked(drive), name)
    assert [ask("temperature"), ask("ns"), ask("device", "temperature > 5")] == [signed, unsigned, of_nothing]


def test_the_least_and_the_greatest_of_floats_are_floats() -> None:
    drive = Slots()
    ordered = struct.unpack("<Q", struct.pack("<d", 0.1))[0], -struct.unpack("<I", struct.pack("<f", 0.5))[0]
    complement = (1 << 64) - 1 - ((1 << 63) + ordered[1])
    drive.scans = [
        result(0, 4096, 4096, matches=2, state=struct.pack("<4Q", 0, 0, (1 << 63) + ordered[0], 0)),
        result(0, 4096, 4096, matches=2, state=struct.pack("<4Q", 0, 0, 0, complement)),
        result(0, 4096, 4096, matches=0, state=bytes(32)),
    ]
    table = asked(drive)
    assert [table.max("long"), table.min("short", "device == 3"), table.min("short")] == [0.1, -0.5, None]
    for text in ("short + 1", "-long"):
        with pytest.raises(LabError, match="it is a float, and"):
            table.min(text)


def group(count: int, *state: int) -> bytes:
    return struct.pack("<5Q", *state, count)


def test_groups_are_those_that_have_records() -> None:
    drive = Slots()
    seven = group(1, (1 << 63) + 7, 0, (1 << 63) + 7, (1 << 63) - 8)
    drive.scans = [result(0, 4096, 4096, matches=3, state=group(2, *struct.unpack("<4Q", SUMMED)) + bytes(40) + seven)]
    groups = asked(drive).group_by("device - 5", range(-2, 1), "temperature", "ns > 3")
    assert {key: (one.count, one.sum, one.minimum, one.maximum, one.mean) for key, one in groups.items()} == {
        -2: (2, 9, -5, 8, 4.5),
        0: (1, 7, 7, 7, 7.0),
    }
    load = next(one for one in drive.sent if one.opcode == 0x85)
    assert struct.pack("<8I", 1, 64, 64, 120, elf.EMIT_NOTHING, 0, 0, 0) in load.data


def test_without_a_number_groups_are_of_the_key_itself() -> None:
    """Which has a count too."""
    drive = Slots()
    drive.scans = [result(0, 4096, 4096, matches=0, state=bytes(80))]
    assert asked(drive).group_by("device", range(3, 5)) == {}
    load = next(one for one in drive.sent if one.opcode == 0x85)
    by = Grouped("device", range(3, 5))
    assert load.data == compiled(None, RECORD, elf.EMIT_NOTHING, Summarized("summary", "device"), by).content


def test_a_record_of_another_key_is_told() -> None:
    drive = Slots()
    drive.scans = [result(0, 4096, 4096, matches=5, state=group(2, *struct.unpack("<4Q", SUMMED)))]
    with pytest.raises(LabError) as refused:
        asked(drive).group_by("device", range(3, 4))
    assert str(refused.value) == (
        "Asked: groups by 'device', range(3, 4). Found: 3 records have another key. "
        "Do: give more keys, or ask where it is one."
    )


@pytest.mark.parametrize(
    ("key", "keys", "found"),
    [
        ("device", range(103), "the drive has room for 1 to 102 groups, of keys one behind the other"),
        ("device", range(5, 5), "the drive has room for 1 to 102 groups, of keys one behind the other"),
        ("device", range(0, 8, 2), "the drive has room for 1 to 102 groups, of keys one behind the other"),
        ("ns", range(-1, 3), "a key is from 0 to 18446744073709551615"),
        (
            "temperature",
            range((1 << 63) - 1, (1 << 63) + 1),
            "a key is from -9223372036854775808 to 9223372036854775807",
        ),
        ("name", range(3), "line 1, character 1, name: it is a text"),
        ("device == 3", range(3), "line 1, character 1, device == 3: this is a condition, not a number"),
    ],
)
def test_groups_that_the_drive_has_no_room_for_are_refused(key: str, keys: range, found: str) -> None:
    drive = Slots()
    with pytest.raises(LabError) as refused:
        asked(drive).group_by(key, keys)
    assert (refused.value.asked, refused.value.found) == (f"groups by {key!r}, {keys}", found)
    assert drive.sent == []


def test_a_mean_is_the_nearest_float_and_of_nothing_none() -> None:
    drive = Slots()
    large = struct.pack("<4Q", 3, 1, 0, 0)
    drive.scans = [
        result(0, 4096, 4096, matches=3, state=large),
        result(0, 4096, 4096, matches=0, state=bytes(32)),
    ]
    assert asked(drive).mean("ns") == ((1 << 64) + 3) / 3
    assert asked(drive).mean("ns") is None


@pytest.mark.parametrize(
    ("name", "word"),
    [("summary", "summary"), ("sum", "sum"), ("min", "minimum"), ("max", "maximum"), ("mean", "mean")],
)
def test_a_refused_summary_says_what_was_asked(name: str, word: str) -> None:
    drive = Slots()
    with pytest.raises(LabError, match=f"Asked: the {word} of 'name'. Found: line 1, character 1, name: it is a text"):
        getattr(asked(drive), name)("name")
    assert drive.sent == []


def test_with_a_limit_the_drive_stops_when_it_is_reached() -> None:
    drive = Slots()
    drive.scans = [
        result(1, 2048, 4096, matches=2, data=matching(1, 2)),
        result(1, 100, 2048, matches=1, data=matching(3)),
    ]
    answer = asked(drive).scan("temperature > 0", limit=3)
    scans = [one for one in drive.sent if one.opcode == 0x82]
    assert [one.room for one in scans] == [64 + 3 * 64, 64 + 64]
    assert (answer.matches, answer.complete, answer.data) == (3, False, matching(1, 2, 3))


def test_small_records_beyond_the_limit_are_left_out() -> None:
    """A buffer is made of words of four bytes: in 64 + 4 there is room for four records of one byte."""
    drive = Slots()
    drive.scans = [result(1, 10, 4096, matches=4, data=b"abcd")]
    answer = Device(drive).table([("a", "S1", 0)]).scan(limit=3)
    assert (answer.matches, answer.complete, answer.data) == (3, False, b"abc")


def test_a_slot_that_another_host_takes_first_is_left_to_it() -> None:
    drive = Slots()
    drive.taken = {2}
    drive.scans = [result(0, 4096, 4096)]
    assert asked(drive).count("device == 1") == 0
    assert drive.slots() == [(0x85, 2), (0x85, 3), (0x88, 3), (0x82, 3), (0x88, 3), (0x85, 3)]


def test_no_empty_slot_is_refused() -> None:
    drive = Slots()
    drive.taken = {2, 3}
    with pytest.raises(LabError) as refused:
        asked(drive).count("device == 1")
    assert str(refused.value) == (
        "Asked: a slot for a question (a drive). Found: none of compute namespace 3 is empty. "
        "Do: unload a program that is not needed (csd list, csd unload)."
    )


def test_the_slot_is_given_back_after_a_refused_scan_too() -> None:
    drive = Slots()
    drive.refuse["io", 0x82] = 0x7C0
    with pytest.raises(LabError, match="Program Fault"):
        asked(drive).count("device == 1")
    assert drive.slots()[-2:] == [(0x88, 2), (0x85, 2)]


def test_without_memory_a_question_has_one_constant() -> None:
    drive = Slots(csis=(0, 1, 4))
    drive.scans = [result(0, 4096, 4096, matches=1)]
    assert asked(drive).count("device == 1") == 1
    with pytest.raises(LabError, match="the drive has no SLM namespace to hold them"):
        asked(drive).count("device in (1, 2)")


def test_a_slot_without_a_page_in_the_drives_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("csd_double.SLM_BYTES", 4 * 4096)
    with pytest.raises(LabError) as refused:
        asked(Slots()).count("device in (1, 2)")
    assert str(refused.value) == (
        "Asked: the constants of a question in slot 2. Found: SLM namespace 2 has 16384 bytes: its pages would begin "
        "16384 before it. Do: ask with one constant, or give the drive more SLM."
    )


def test_open_takes_the_named_drive(monkeypatch: pytest.MonkeyPatch) -> None:
    asked_for: list[str] = []

    def connected(path: str, timeout_seconds: int) -> DriveDouble:
        asked_for.append(path)
        return DriveDouble()

    monkeypatch.setattr(connect, "KernelTransport", connected)
    assert csd.open("/dev/nvme7").namespace(4).nsid == 3
    assert asked_for == ["/dev/nvme7"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"columns": ["devise"]}, "Asked: column devise. Found: the record has no such field; it has device, "),
        ({"limit": 0}, "Asked: at most 0 records. Found: this is less than one. "),
    ],
)
def test_what_no_scan_can_return_is_refused(options: dict[str, object], words: str) -> None:
    drive = Slots()
    with pytest.raises(LabError) as refused:
        asked(drive).scan("device == 1", **options)  # type: ignore[arg-type]
    assert words in str(refused.value)
    assert drive.sent == []


def test_a_range_that_is_none_is_refused() -> None:
    with pytest.raises(LabError, match=r"Asked: 64 bytes at -64. Found: a range begins at 0 or later"):
        asked(Slots(), start=-64, length=64)


# ---- docs/questions.md

PAGE = (Path(__file__).resolve().parents[3] / "docs/questions.md").read_text()
READING = record([("device", "<u4", 16), ("temperature", "<i4", 20)], 64)


def test_the_pages_example_prints_what_the_page_shows(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On the records of test_csd_tool_live.py, of which those that match are 437, 964 and 1419 at first."""
    drive = Slots()
    found = b"".join(struct.pack("<16xIi40x", number % 7, number * 389 % 1000) for number in (437, 964, 1419))
    third = [number * 389 % 1000 for number in range(65536) if number % 7 == 3]
    state = struct.pack("<4Q", *divmod(sum(third) + (len(third) << 63), 1 << 64)[::-1], 0, 0)
    drive.scans = [
        result(1, 1420 * 64, 4 << 20, matches=3, data=found),
        result(0, 4 << 20, 4 << 20, matches=655),
        result(0, 4 << 20, 4 << 20, matches=len(third), state=state),
    ]
    monkeypatch.setattr(csd, "open", {"/dev/nvme0": Device(drive)}.__getitem__)
    [example, shown] = re.findall(r"^```(?:python)?\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)[:2]
    exec(compile(example, "docs/questions.md", "exec"), {})
    assert capsys.readouterr().out == shown
    assert drive.closed


def test_the_page_shows_a_refusal_as_it_is() -> None:
    with pytest.raises(LabError) as refused:
        compiled("temperature / 2 > 500", READING)
    error = refused.value
    assert f"```\nasked: {error.asked}\nfound: {error.found}\ndo:    {error.fix}\n```" in PAGE


def refused_on_the_page(heading: str) -> list[tuple[str, str]]:
    [table] = re.findall(rf"^\| {heading} \| found \|\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    return re.findall(r"^\| `(.*)` \| ([a-z/].*) \|$", table, re.MULTILINE)


def test_what_the_page_does_not_sum_up_is_refused_for_that_reason() -> None:
    also = record([("temperature", "<i4", 20), ("pressure", "<f4", 24), ("name", "S8", 28)], 64)
    rows = refused_on_the_page("summed up")
    assert len(rows) == 3
    for text, found in rows:
        with pytest.raises(LabError) as refused:
            compiled(None, also, elf.EMIT_NOTHING, Summarized("sum", text))
        assert refused.value.found.endswith(f": {found}"), text


def test_what_the_page_calls_refused_is_refused_for_that_reason() -> None:
    rows = refused_on_the_page("question")
    assert len(rows) == 9
    for text, found in rows:
        with pytest.raises(LabError) as refused:
            compiled(text, READING)
        assert refused.value.found.endswith(f": {found}"), text


def test_the_page_says_how_large_a_question_may_be() -> None:
    assert f"more than {MAX_CONSTANTS} constants, more than {MAX_INSTRUCTIONS} instructions" in PAGE
    assert f"has up to {MAX_RECORD_BYTES} bytes" in PAGE
    assert f"a range of up to {MAX_GROUPS} integers" in PAGE


def test_a_record_may_be_made_once() -> None:
    made: Record = record(LIST, 64)
    assert Device(Slots()).table(made).record is made
