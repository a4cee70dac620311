# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Questions of chance over records of chance: their programs are proved, and keep what numpy finds.

They run in the tests' interpreter of RFC 9669 and, translated and compiled, as in the drive: judge.c compares the two.
QUESTIONS=10000 asks more; QUESTIONS_SEED=7 asks others.
"""

from __future__ import annotations

import math
import os
import random
import subprocess
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from csd.errors import LabError
from csd.questions import elf, summary
from csd.questions.grammar import Grouped, Summarized
from csd.questions.record import record
from csd.questions.table import Program, compiled
from question_words import (
    Writer,
    judge_input,
    judged,
    judged_states,
    numpy_answer,
    numpy_numbers,
    random_dtype,
    random_records,
)

SRC = Path(__file__).resolve().parents[2] / "src"
QUESTIONS = int(os.environ.get("QUESTIONS", "300"))
SEED = int(os.environ.get("QUESTIONS_SEED", "1"))
RECORDS = 24
REFUSED = ("may be negative", "does not fit 64 bits", "negative of an unsigned", "divides by zero")
TRANSLATED = 60  # a C compiler takes seconds for these
COMPILER = "gcc -std=gnu11 -w -O1 -fwrapv -fno-strict-aliasing -fPIC"


@pytest.fixture(scope="module")
def judge() -> Path:
    """Built in a folder of its own: the C tests may be built meanwhile. Other processes of pytest wait for it."""
    build = SRC / "build/questions"
    build.mkdir(parents=True, exist_ok=True)
    make = ["flock", str(build / "lock"), "make", "-C", str(SRC), "BUILD=build/questions", "build/questions/judge"]
    made = subprocess.run(make, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    return build / "judge"


def accepted(text: str | None, dtype: np.dtype[Any], what: str | None = None) -> Program | None:
    """None: 64 bits do not hold it, or it compares constants alone, which chance comes to."""
    try:
        if what is not None:
            return compiled(text, record(dtype), elf.EMIT_NOTHING, Summarized("sum", what))
        return compiled(text, record(dtype), elf.EMIT_RECORD)
    except LabError as error:
        if not any(words in error.found for words in REFUSED):
            raise
    return None


def asked(count: int, seed: int) -> tuple[bytes, list[tuple[str, list[bool]]]]:
    """The input of judge for so many questions, and each with what numpy says."""
    chance = random.Random(seed)
    given: list[bytes] = []
    wanted: list[tuple[str, list[bool]]] = []
    while len(wanted) < count:
        dtype = random_dtype(chance)
        content = random_records(chance, dtype, RECORDS)
        for _ in range(3):
            text = Writer(chance, dtype).condition(chance.randint(0, 3))
            program = accepted(text, dtype)
            if program is not None:
                given.append(judge_input(program.content, program.cparam1, program.parameters, content, RECORDS))
                wanted.append((text, numpy_answer(text, np.frombuffer(content, dtype))))
    return b"".join(given), wanted


def compare(said: str, wanted: list[tuple[str, list[bool]]]) -> None:
    found = judged(said)
    assert len(found) == len(wanted)
    for (verdict, kept), (text, numpys) in zip(found, wanted, strict=True):
        assert verdict == "proved", text
        assert kept == numpys, text
    # Questions that keep everything or nothing would show little.
    assert sum(0 < sum(kept) < len(kept) for _, kept in found) > len(found) // 3


def test_a_drive_keeps_what_numpy_finds(judge: Path) -> None:
    given, wanted = asked(QUESTIONS, SEED)
    done = subprocess.run([judge], input=given, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    compare(done.stdout.decode(), wanted)


def test_translated_and_compiled_it_does_too(judge: Path, tmp_path: Path) -> None:
    given, wanted = asked(TRANSLATED, SEED + 1)
    done = subprocess.run(
        [judge, tmp_path / "asked.c", tmp_path / "asked.so", COMPILER], input=given, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    compare(done.stdout.decode(), wanted)


UNSIGNED = np.dtype([("a", "<u8"), ("b", ">u8"), ("c", "<u4")])
LARGE = np.dtype(
    {
        "names": ["a", "b", "c", "d"],
        "formats": ["<i4", ">u2", "<i8", "S8"],
        "offsets": [32758, 32761, 65520, 65528],
        "itemsize": 65536,
    }
)
SMALL = np.dtype([("a", "<i8"), ("b", "<i2"), ("s", "S3"), ("t", "S12")])
CORNERS = [
    *((UNSIGNED, text) for text in ("a >> 3 > b >> 4", "a // 3 > b", "a % 1000 > b % 1000", "a - b > 5", "a * 3 < b")),
    *(
        (UNSIGNED, text)
        for text in ("~a > b", "a & c == b & c", "c - 4 < a", "a + 9223372036854775808 > b", "a // c > 5")
    ),
    *((LARGE, text) for text in ("a < c", "b > 30000", "c >> 5 < 0", "d > 'm'")),
    # More than the registers hold.
    *((SMALL, f"a > {'(b + (a * ' * deep}(b - a){'))' * deep}") for deep in (3, 9, 30)),
    *((SMALL, text) for text in ("s == b'zz\\0\\0\\0'", "s in ('abc', 'ab')", "t <= 'error: t'", "t < 'error: tide'")),
]


def test_corners_that_chance_seldom_comes_to(judge: Path) -> None:
    chance = random.Random(SEED)
    given, wanted = [], []
    for dtype, text in CORNERS:
        content = random_records(chance, dtype, 100)
        program = compiled(text, record(dtype))
        given.append(judge_input(program.content, program.cparam1, program.parameters, content, 100))
        wanted.append((text, numpy_answer(text, np.frombuffer(content, dtype))))
    done = subprocess.run([judge], input=b"".join(given), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    compare(done.stdout.decode(), wanted)


# ---- summaries


@dataclass
class Summaries:
    """Summaries to ask judge for, each beside what Python says of the numbers that numpy finds."""

    given: list[bytes] = field(default_factory=list)
    wanted: list[tuple[str, list[int]]] = field(default_factory=list)
    unsigned: list[bool] = field(default_factory=list)

    def add(self, dtype: np.dtype[Any], content: bytes, what: str, where: str | None) -> None:
        """Nothing is added where chance came to what is refused."""
        program = accepted(where, dtype, what)
        if program is None:
            return
        rows = np.frombuffer(content, dtype)
        kept = [True] * len(rows) if where is None else numpy_answer(where, rows)
        numbers = [number for number, matches in zip(numpy_numbers(what, rows), kept, strict=True) if matches]
        self.given.append(judge_input(program.content, program.cparam1, program.parameters, content, len(rows)))
        self.wanted.append((f"{what} where {where}", numbers))
        self.unsigned.append(program.unsigned)

    def compare(self, *judge: Path | str) -> None:
        done = subprocess.run(judge, input=b"".join(self.given), capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        found = judged_states(done.stdout.decode())
        for (verdict, kept, state), (text, numbers), unsigned in zip(found, self.wanted, self.unsigned, strict=True):
            assert (verdict, sum(kept)) == ("proved", len(numbers)), text
            wanted = sum(numbers), min(numbers, default=None), max(numbers, default=None)
            assert summary.read(state, len(numbers), unsigned) == wanted, text


def summaries(count: int, seed: int) -> Summaries:
    chance = random.Random(seed)
    made = Summaries()
    while len(made.wanted) < count:
        dtype = random_dtype(chance)
        if not Writer(chance, dtype).names("iu"):
            continue
        content = random_records(chance, dtype, RECORDS)
        for depth in (0, 1, 2):
            writer = Writer(chance, dtype)
            made.add(dtype, content, writer.number(depth), chance.choice([None, writer.condition(1)]))
    return made


def test_a_summary_is_what_python_calculates(judge: Path) -> None:
    made = summaries(QUESTIONS, SEED + 2)
    made.compare(judge)
    # More than 64 bits hold, less than 0, and nothing at all have to be among them.
    sums = [sum(numbers) for _, numbers in made.wanted]
    assert min(sums) < -(1 << 63) < 1 << 64 < max(sums)
    assert sum(not numbers for _, numbers in made.wanted) > 5
    assert {True, False} == set(made.unsigned)


def test_translated_and_compiled_a_summary_is_too(judge: Path, tmp_path: Path) -> None:
    made = summaries(TRANSLATED, SEED + 3)
    made.compare(judge, tmp_path / "asked.c", tmp_path / "asked.so", COMPILER)


FLOATS = np.dtype([("a", "<f4"), ("b", ">f4"), ("c", "<f8"), ("d", ">f8"), ("n", "i1")])


def test_the_least_and_the_greatest_float_are_numpys(judge: Path) -> None:
    """NaN does not count; a place where nothing but NaN is has none."""
    chance = random.Random(SEED)
    given, wanted = [], []
    for count in (1, 1, 1, 1, 2, 3, 100, 100):
        content = random_records(chance, FLOATS, count)
        rows = np.frombuffer(content, FLOATS)
        for word, name, where in product(("minimum", "maximum"), "abcd", (None, "n > 0", "a < 0")):
            program = compiled(where, record(FLOATS), elf.EMIT_NOTHING, Summarized(word, name))
            given.append(judge_input(program.content, program.cparam1, program.parameters, content, count))
            numbers = rows[name][[True] * count if where is None else numpy_answer(where, rows)].tolist()
            wanted.append((word, program.float_bytes, [number for number in numbers if not math.isnan(number)]))
    done = subprocess.run([judge], input=b"".join(given), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    for (verdict, kept, state), (word, size, numbers) in zip(judged_states(done.stdout.decode()), wanted, strict=True):
        assert (verdict, sum(kept)) == ("proved", len(numbers))
        _, least, greatest = summary.read(state, len(numbers), False)
        found = least if word == "minimum" else greatest
        of = min if word == "minimum" else max
        assert (None if found is None else summary.floating(found, size)) == of(numbers, default=None)
    assert sum(not numbers for _, _, numbers in wanted) > 5


GROUPED = [
    ("c", range(-128, -26), "a", None),
    ("c", range(26, 128), "b - c * 3", "b < 60000"),
    ("c % 7", range(7), "d", "a > -100 and b in (1, 2, 3)"),
    ("d >> 61", range(1, 7), "a // 3", None),
    ("c % 7", range(5), "d", None),
    ("d", range(2**64 - 102, 2**64), "d", None),
    ("a", range(-(2**63), -(2**63) + 3), "a", None),
    ("b & 63", range(10, 11), "7", None),
]


def test_groups_are_pythons_and_a_record_of_another_key_is_in_none(judge: Path, tmp_path: Path) -> None:
    dtype = np.dtype([("a", "<i8"), ("b", ">u2"), ("c", "i1"), ("d", ">u8")])
    chance = random.Random(SEED)
    given, wanted = [], []
    for key, keys, what, where in GROUPED:
        content = bytearray(random_records(chance, dtype, 300))
        rows = np.frombuffer(content, dtype)
        # Keys at both ends, and right beyond them.
        rows["a"][::9] = -(2**63) + np.arange(34) % 4
        rows["d"][::9] = np.uint64(2**64 - 104) + np.arange(34, dtype=np.uint64) * 5 % 104
        program = compiled(where, record(dtype), elf.EMIT_NOTHING, Summarized("summary", what), Grouped(key, keys))
        given.append(judge_input(program.content, program.cparam1, program.parameters, bytes(content), 300))
        found: dict[int, list[int]] = {one: [] for one in keys}
        matches = [True] * 300 if where is None else numpy_answer(where, rows)
        for of, number, matching in zip(numpy_numbers(key, rows), numpy_numbers(what, rows), matches, strict=True):
            if matching and of in found:
                found[of].append(number)
        wanted.append((key, program.unsigned, sum(matches), found))
        assert any(found.values())
    for translated in ((), (tmp_path / "asked.c", tmp_path / "asked.so", COMPILER)):
        done = subprocess.run([judge, *translated], input=b"".join(given), capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        said = judged_states(done.stdout.decode())
        for (verdict, kept, state), (key, unsigned, matched, found) in zip(said, wanted, strict=True):
            assert (verdict, sum(kept)) == ("proved", matched), key
            assert summary.groups(state, unsigned) == [
                (len(numbers), sum(numbers), min(numbers, default=None), max(numbers, default=None))
                for numbers in found.values()
            ], key


EXTREMES = np.dtype([("s", "<i8"), ("u", ">u8"), ("b", "i1")])


@pytest.mark.parametrize(
    "rows",
    [
        [(-(2**63), 2**64 - 1, -128)] * 1000,
        [(2**63 - 1, 0, 127)] * 1000,
        [(2**63 - 1, 2**63, 1), (-(2**63), 2**63 - 1, -1)] * 7,
        [(-1, 1, -1), (0, 0, 0), (1, 2**64 - 1, 1)],
        [(5, 5, 5)],
    ],
    ids=["least", "greatest", "both", "around zero", "one"],
)
def test_sums_go_beyond_64_bits_and_numbers_to_both_ends(judge: Path, rows: list[tuple[int, int, int]]) -> None:
    made = Summaries()
    content = np.array(rows, EXTREMES).tobytes()
    for what in ("s", "u", "b", "-s", "~u", "s + 1", "u >> 1", "b * 3", "7", "18446744073709551615", "-1"):
        for where in (None, "b >= 0", "b > 100 and b < 0"):
            made.add(EXTREMES, content, what, where)
    assert len(made.wanted) == 33
    made.compare(judge)
