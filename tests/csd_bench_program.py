"""The C program csd_bench for tests without a target: its file back-end, under AddressSanitizer and UBSan."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

import pytest

SOURCES = Path(__file__).resolve().parents[1] / "roles/csd_bench/files"


@cache
def build() -> Path:
    """Build it where it is not built yet; return its path."""
    name = "build/checked/csd_bench"
    done = subprocess.run(["make", "-C", str(SOURCES), name], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(f"csd_bench could not be built (make c-tests installs what it needs): {done.stderr[-2000:]}")
    return SOURCES / name
