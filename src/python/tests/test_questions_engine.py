"""Questions of chance over records of chance: their programs are proved, and keep what numpy finds.

They run in the tests' interpreter of RFC 9669 and, translated and compiled, as in the drive: judge.c compares the two.
QUESTIONS=10000 asks more; QUESTIONS_SEED=7 asks others.
"""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from csd.errors import LabError
from csd.questions import elf
from csd.questions.record import record
from csd.questions.table import Program, compiled
from question_words import Writer, judge_input, judged, numpy_answer, random_dtype, random_records

SRC = Path(__file__).resolve().parents[2]
QUESTIONS = int(os.environ.get("QUESTIONS", "300"))
SEED = int(os.environ.get("QUESTIONS_SEED", "1"))
RECORDS = 24
REFUSED = ("may be negative", "does not fit 64 bits", "negative of an unsigned", "divides by zero")
TRANSLATED = 60  # a C compiler takes seconds for these


@pytest.fixture(scope="module")
def judge() -> Path:
    made = subprocess.run(["make", "-C", SRC, "build/judge"], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    return SRC / "build/judge"


def accepted(text: str, dtype: np.dtype[Any]) -> Program | None:
    """None: 64 bits do not hold it, or it compares constants alone, which chance comes to."""
    try:
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
            if program is None:
                continue
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
    compiler = ["gcc -std=gnu11 -w -O1 -fwrapv -fno-strict-aliasing -fPIC"]
    done = subprocess.run(
        [judge, tmp_path / "asked.c", tmp_path / "asked.so", *compiler], input=given, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    compare(done.stdout.decode(), wanted)
