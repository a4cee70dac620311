# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Questions to a csd_tgt of its own: it answers with exactly the records that this host's own filter finds."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from csd.device import Device
from csd.errors import LabError
from csd.questions import elf
from csd.questions.grammar import Grouped, Summarized
from csd.questions.record import record
from csd.questions.table import compiled
from csd_live import CsdTarget, Subsystem

PORT = 24190
COMPUTE = 3
BYTES = 2 << 20
DTYPE = np.dtype(
    {
        "names": ["device", "flags", "status", "temperature", "pressure", "value", "exact", "ns", "delta", "name"],
        "formats": ["<u2", "u1", "i1", "<i4", ">u4", "<f4", ">f8", "<u8", ">i8", "S7"],
        "offsets": [0, 2, 3, 4, 8, 12, 16, 24, 32, 40],
        "itemsize": 48,
    }
)
NAMES = [b"", b"error", b"errors", b"warning", b"err\0or", b"\xff"]
FLOATS = [0.0, -0.0, 0.5, -0.5, float("nan"), float("inf"), float("-inf"), 1e-40]


def stored() -> bytes:
    """Records of chance, with values that questions ask for; and a piece of one at the end."""
    chance = random.Random(13)
    content = bytearray(chance.randbytes(BYTES))
    rows = np.frombuffer(memoryview(content)[: BYTES // 48 * 48], DTYPE)
    rows["device"] %= 8
    rows["temperature"] %= 100_000
    rows["name"] = chance.choices(NAMES, k=len(rows))
    rows["value"][::2] = chance.choices(FLOATS, k=len(rows[::2]))
    rows["exact"][::3] = chance.choices(FLOATS, k=len(rows[::3]))
    return bytes(content)


DATA = stored()
ROWS = np.frombuffer(DATA[: BYTES // 48 * 48], DTYPE)

# A question, and the same asked of numpy: integers as docs/questions.md promises, in 64 bits.
QUESTIONS: list[tuple[str, Callable[[Any], Any]]] = [
    ("temperature >= 70000 and device in (3, 5)", lambda r: (r["temperature"] >= 70000) & np.isin(r["device"], (3, 5))),
    ("90000 <= temperature <= 95000", lambda r: (r["temperature"] >= 90000) & (r["temperature"] <= 95000)),
    ("not (flags & 0x81 == 0x81) and status < -100", lambda r: (r["flags"] & 0x81 != 0x81) & (r["status"] < -100)),
    ("pressure // 1000 % 7 == 3", lambda r: r["pressure"].astype(np.int64) // 1000 % 7 == 3),
    (
        "temperature - pressure < -4_000_000_000",
        lambda r: r["temperature"].astype(np.int64) - r["pressure"].astype(np.int64) < -4_000_000_000,
    ),
    ("status * 3 // -7 == 20", lambda r: r["status"].astype(np.int64) * 3 // -7 == 20),
    ("ns > 18000000000000000000", lambda r: r["ns"] > np.uint64(18000000000000000000)),
    ("(ns >> 60) + device == 15", lambda r: (r["ns"] >> np.uint64(60)) + r["device"].astype(np.uint64) == 15),
    ("delta < 0 and ~delta % 5 == 0", lambda r: (r["delta"] < 0) & (~r["delta"].astype(np.int64) % 5 == 0)),
    ("value == 0", lambda r: r["value"] == 0),
    ("not value < 0.25 and device == 1", lambda r: ~(r["value"] < 0.25) & (r["device"] == 1)),
    (
        "exact != exact or exact <= -0.5 and flags < 8",
        lambda r: np.isnan(r["exact"]) | (r["exact"] <= -0.5) & (r["flags"] < 8),
    ),
    ("name == 'error'", lambda r: r["name"] == b"error"),
    ("name >= 'error' and name < b'\\xff'", lambda r: (r["name"] >= b"error") & (r["name"] < b"\xff")),
    ("temperature > 200000", lambda r: r["temperature"] > 200000),
]


# What is summarized, the same of numpy, and of which records. With two constants and more, there are program data.
SUMMARIES: list[tuple[str, Callable[[Any], Any], str, Callable[[Any], Any]]] = [
    ("temperature", lambda r: r["temperature"], *QUESTIONS[0]),
    ("delta", lambda r: r["delta"], *QUESTIONS[1]),
    ("ns", lambda r: r["ns"], *QUESTIONS[1]),
    ("status * 3 - pressure", lambda r: r["status"].astype(np.int64) * 3 - r["pressure"], *QUESTIONS[2]),
    ("ns // 1000", lambda r: r["ns"] // np.uint64(1000), *QUESTIONS[12]),
    ("flags & 15", lambda r: r["flags"] & 15, *QUESTIONS[4]),
    ("delta + 5", lambda r: r["delta"].astype(np.int64) + 5, *QUESTIONS[14]),
]


@pytest.fixture(scope="module")
def subsystem(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subsystem]:
    with CsdTarget(tmp_path_factory.mktemp("questions"), PORT) as target:
        yield target.add_subsystem("questions", DATA, slm_megabytes=2)


@pytest.fixture(scope="module")
def drive(subsystem: Subsystem) -> Iterator[Device]:
    with subsystem.device() as device:
        yield device


def states(drive: Device) -> set[str]:
    return {program.state for program in drive.programs(COMPUTE)}


def pieces(numbers: Any) -> bytes:
    """These records as they are stored."""
    return b"".join(DATA[number * 48 : (number + 1) * 48] for number in numbers)


@pytest.mark.parametrize(("where", "wanted"), QUESTIONS, ids=[where for where, _ in QUESTIONS])
def test_the_drive_finds_what_numpy_finds(drive: Device, where: str, wanted: Callable[[Any], Any]) -> None:
    found = np.flatnonzero(wanted(ROWS))
    table = drive.table(DTYPE)
    answer = table.scan(where)
    assert answer.data == pieces(found)
    assert (answer.matches, answer.records, answer.complete) == (len(found), len(ROWS), True)
    assert (answer.examined, answer.returned) == (48 * len(ROWS), 48 * len(found))
    assert table.count(where) == len(found)
    # What a question borrowed is given back.
    assert states(drive) == {"empty"}
    assert drive.range_sets(COMPUTE) == []


def test_most_questions_of_this_test_find_some_records_and_not_others() -> None:
    found = [int(np.count_nonzero(wanted(ROWS))) for _, wanted in QUESTIONS]
    assert all(0 < count < len(ROWS) // 2 for count in found[:-1])
    assert found[-1] == 0


@pytest.mark.parametrize(
    ("what", "number", "where", "wanted"), SUMMARIES, ids=[f"{what} where {where}" for what, _, where, _ in SUMMARIES]
)
def test_the_drive_sums_up_what_python_does(
    drive: Device, what: str, number: Callable[[Any], Any], where: str, wanted: Callable[[Any], Any]
) -> None:
    table = drive.table(DTYPE)
    for question, matches in ((where, wanted(ROWS)), (None, np.ones(len(ROWS), bool))):
        numbers: list[int] = number(ROWS)[matches].tolist()
        summary = table.summary(what, question)
        assert (summary.count, summary.sum) == (len(numbers), sum(numbers))
        assert (summary.minimum, summary.maximum) == (min(numbers, default=None), max(numbers, default=None))
        assert summary.mean == (sum(numbers) / len(numbers) if numbers else None)
        answer = summary.answer
        assert (answer.records, answer.examined, answer.returned) == (len(ROWS), 48 * len(ROWS), 0)
        assert answer.complete
        # The state of a run begins with zeros, whatever another has left.
        assert table.sum(what, question) == summary.sum
        assert (table.min(what, question), table.max(what, question)) == (summary.minimum, summary.maximum)
        assert table.mean(what, question) == summary.mean
    assert states(drive) == {"empty"}
    assert drive.range_sets(COMPUTE) == []


def test_some_of_these_sums_have_more_than_64_bits_and_one_is_of_nothing() -> None:
    sums = [sum(number(ROWS)[wanted(ROWS)].tolist()) for _, number, _, wanted in SUMMARIES]
    assert max(sums) > 1 << 64
    assert min(sums) < 0
    assert sums[-1] == 0


@pytest.mark.parametrize("name", ["value", "exact"])
def test_the_least_and_the_greatest_float_are_numpys(drive: Device, name: str) -> None:
    table = drive.table(DTYPE)
    for where, matches in (
        (None, np.ones(len(ROWS), bool)),
        (f"{name} < 100 and {name} > -0.25 and device in (1, 2)", np.isin(ROWS["device"], (1, 2))),
    ):
        numbers = ROWS[name][matches]
        if where is not None:
            numbers = numbers[(numbers < 100) & (numbers > -0.25)]
        assert np.isnan(ROWS[name][matches]).any()
        assert (table.min(name, where), table.max(name, where)) == (np.nanmin(numbers), np.nanmax(numbers))
    assert table.min(name, "device == 9") is None


@pytest.mark.parametrize(
    ("by", "of", "where", "matches"),
    [
        (Grouped("device", range(8)), lambda r: r["device"], None, lambda r: np.ones(len(r), bool)),
        (Grouped("temperature // 1000 - 3", range(-3, 97)), lambda r: r["temperature"] // 1000 - 3, *QUESTIONS[2]),
        (Grouped("ns >> 60", range(16)), lambda r: r["ns"] >> np.uint64(60), *QUESTIONS[0]),
    ],
    ids=["device", "temperature", "ns"],
)
def test_groups_are_pythons(
    drive: Device, by: Grouped, of: Callable[[Any], Any], where: str | None, matches: Callable[[Any], Any]
) -> None:
    wanted: dict[int, list[int]] = {}
    matching = ROWS[matches(ROWS)]
    for one, number in zip(of(matching).tolist(), matching["delta"].tolist(), strict=True):
        wanted.setdefault(one, []).append(number)
    table = drive.table(DTYPE)
    groups = table.group_by(by.text, by.keys, "delta", where)
    assert {one: (found.count, found.sum, found.minimum, found.maximum) for one, found in groups.items()} == {
        one: (len(numbers), sum(numbers), min(numbers), max(numbers)) for one, numbers in wanted.items()
    }
    counts = table.group_by(by.text, by.keys, where=where)
    assert {one: found.count for one, found in counts.items()} == {one: len(n) for one, n in wanted.items()}
    with pytest.raises(LabError, match=f"{len(wanted[by.keys[-1]])} records have another key"):
        table.group_by(by.text, by.keys[:-1], where=where)
    drive.load(COMPUTE, 3, compiled(where, record(DTYPE), elf.EMIT_NOTHING, Summarized("summary", "delta"), by).content)
    assert drive.program(COMPUTE, 3).verdict == "proved"
    drive.unload(COMPUTE, 3)


def test_a_range_is_summed_up_to_its_last_whole_record(drive: Device) -> None:
    table = drive.table(DTYPE, start=7 * 48, length=1000 * 48 + 47)
    assert table.sum("ns") == sum(ROWS["ns"][7:1007].tolist())
    assert table.max("delta", "device in (1, 2)") == max(
        ROWS["delta"][7:1007][np.isin(ROWS["device"][7:1007], (1, 2))].tolist()
    )


def test_every_record_comes_in_many_commands(drive: Device) -> None:
    answer = drive.table(DTYPE).scan()
    assert answer.data == DATA[: 48 * len(ROWS)]
    assert answer.commands > 10
    assert drive.table(DTYPE).count() == len(ROWS)


def test_a_range_begins_and_ends_anywhere(drive: Device) -> None:
    """Also records that begin where no block does, and a piece of one at the end."""
    table = drive.table(DTYPE, start=7 * 48, length=1000 * 48 + 47)
    found = 7 + np.flatnonzero(ROWS["temperature"][7:1007] >= 70000)
    assert table.scan("temperature >= 70000").data == pieces(found)
    assert table.count("temperature >= 70000") == len(found)


def test_a_limit_gives_the_first_ones_and_columns_some_of_their_fields(drive: Device) -> None:
    found = np.flatnonzero(ROWS["temperature"] >= 70000)
    answer = drive.table(DTYPE).scan("temperature >= 70000", columns=["temperature", "name"], limit=10)
    assert answer.data == pieces(found[:10])
    assert (answer.matches, answer.complete) == (10, False)
    # The drive has stopped behind the last of them.
    assert answer.examined == 48 * (int(found[9]) + 1)
    rows = answer.array()
    assert rows.dtype.names == ("temperature", "name")
    assert rows["temperature"].tolist() == ROWS["temperature"][found[:10]].tolist()
    # More than a command can bring.
    many = drive.table(DTYPE).scan("temperature >= 0", limit=6000)
    assert many.data == pieces(np.flatnonzero(ROWS["temperature"] >= 0)[:6000])
    assert many.commands > 1


def test_the_drive_proves_every_one_of_these_programs(drive: Device) -> None:
    for where, _ in QUESTIONS:
        drive.load(COMPUTE, 3, compiled(where, record(DTYPE)).content)
        assert drive.program(COMPUTE, 3).verdict == "proved", where
        drive.unload(COMPUTE, 3)
    for what, _, where, _ in SUMMARIES:
        program = compiled(where, record(DTYPE), elf.EMIT_NOTHING, Summarized("summary", what))
        drive.load(COMPUTE, 3, program.content)
        assert drive.program(COMPUTE, 3).verdict == "proved", what
        drive.unload(COMPUTE, 3)


def test_hosts_that_ask_at_a_time_get_their_own_answers(drive: Device, subsystem: Subsystem) -> None:
    """The same program with other constants and a state, all in the drive's memory: each slot has its own pages."""

    def ask(device: Device, devices: tuple[int, int]) -> list[int]:
        where = f"temperature >= 50000 and device in {devices}"
        return [device.table(DTYPE).sum("temperature", where) for _ in range(30)]

    pairs = [(1, 2), (5, 6)]
    found = [ROWS[(ROWS["temperature"] >= 50000) & np.isin(ROWS["device"], pair)] for pair in pairs]
    wanted = [int(rows["temperature"].sum(dtype=np.int64)) for rows in found]
    assert wanted[0] != wanted[1]
    with subsystem.device() as other, ThreadPoolExecutor() as pool:
        asked = [pool.submit(ask, device, pair) for device, pair in zip((drive, other), pairs, strict=True)]
        assert [one.result() for one in asked] == [[total] * 30 for total in wanted]
    assert states(drive) == {"empty"}
    assert drive.range_sets(COMPUTE) == []


def test_without_an_empty_slot_a_question_is_refused(drive: Device) -> None:
    program = compiled("device == 1", record(DTYPE)).content
    slots = [one.pind for one in drive.programs(COMPUTE)]
    for slot in slots:
        drive.load(COMPUTE, slot, program)
    with pytest.raises(LabError, match="none of compute namespace 3 is empty"):
        drive.table(DTYPE).count("device == 1")
    assert states(drive) == {"loaded"}
    for slot in slots:
        drive.unload(COMPUTE, slot)
