# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""What a target under AddressSanitizer and UBSan is told, and what it has to be like at its end."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

#: An exit code that nothing else has; and what is undefined ends the target, like what is out of bounds.
CODE = 86
#: What AddressSanitizer fills fresh memory with: the fuzzer looks for it in answers.
FILL = 0xBE
ENVIRONMENT = {
    "ASAN_OPTIONS": f"detect_leaks=1:exitcode={CODE}:malloc_fill_byte={FILL}:max_malloc_fill_size=2097152",
    "LSAN_OPTIONS": f"exitcode={CODE}",
    "UBSAN_OPTIONS": f"halt_on_error=1:print_stacktrace=1:exitcode={CODE}",
}
_SIGNS = ("AddressSanitizer", "LeakSanitizer", "runtime error:", "Assertion `")
_SECONDS = 60


def environment() -> dict[str, str]:
    """For a target, sanitized or not; what the caller's own environment says goes first."""
    return ENVIRONMENT | os.environ


def complaints(log: Path) -> list[str]:
    """What the sanitizers, or a failed assertion, said."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return [line for line in lines if any(sign in line for sign in _SIGNS)]


def end(process: subprocess.Popen[bytes], log: Path) -> None:
    """End a target as its service does; one that has ended already is told of in the same way."""
    process.terminate()
    ended(process, log)


def ended(process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait for a target's end: it has to come with code 0, and no sanitizer may have complained."""
    try:
        code = process.wait(_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        pytest.fail(f"{process.args!r} did not end in {_SECONDS} s\n{log.read_text(errors='replace')[-6000:]}")
    said = complaints(log)
    if code != 0 or said:
        pytest.fail(f"the target ended with {code}: {said[:3]}\n{log.read_text(errors='replace')[-12000:]}")
