"""The C program csd_bench for tests without a target: its file back-end, under AddressSanitizer and UBSan."""

from __future__ import annotations

import fcntl
import subprocess
from functools import cache
from pathlib import Path

import pytest

SOURCES = Path(__file__).resolve().parents[1] / "src"
# Not where make c-tests builds, which may run at the same time.
BUILD = SOURCES / "build/unit"


@cache
def build() -> Path:
    """Build it where it is not built yet; return its path."""
    program = BUILD / "checked/csd_bench"
    BUILD.mkdir(parents=True, exist_ok=True)
    command = ["make", "-C", str(SOURCES), f"BUILD={BUILD}", str(program)]
    with (BUILD / "turn").open("w") as turn:
        # pytest's other workers build it, too.
        fcntl.flock(turn, fcntl.LOCK_EX)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(f"csd_bench could not be built (make c-tests installs what it needs): {done.stderr[-2000:]}")
    return program
