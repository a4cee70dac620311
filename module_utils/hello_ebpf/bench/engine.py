# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""What a program costs, run and compiled: csd_program_bench's figures, where the target is on this machine."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import LabError
from .target import is_ours

TIMEOUT_S = 600.0
COMPILER_TIMEOUT_S = 10.0
# What csd_program_bench takes; and compilations, which take longest.
MOST_REPEATS, MOST_COMPILATIONS = 100, 3


def unavailable(program: Path, address: str) -> str:
    """Why nothing can be measured here; empty where it can.

    Args:
        program: csd_program_bench, with csd_compile beside it.
        address: of the target.
    """
    if address and not is_ours(address):
        return f"the target is another machine ({address}); csd_program_bench runs where programs do"
    if not program.exists():
        return f"there is no {program}"
    compiler = program.with_name("csd_compile")
    try:
        done = subprocess.run(
            [str(compiler), "--identity"], capture_output=True, text=True, check=False, timeout=COMPILER_TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{compiler} does not run here: {error}"
    if done.returncode:
        return f"{compiler} cannot compile here: {_last(done.stderr)}"
    return ""


def measure(program: Path, megabytes: int, repeats: int, who: Mapping[str, str]) -> dict[str, Any]:
    """The report's sections ``engine`` and ``compile`` and, beside them, the memory-bound read.

    Args:
        program: csd_program_bench; the compiled programs lie in the folder ``programs`` beside its own.
        megabytes: memory to go through.
        repeats: timed passes of each way, at most 100; and compilations of each program, at most 3.
        who: host and target, for each entry.

    Raises:
        LabError: the program failed.
    """
    # Away from the first core, on which the lab's target spins.
    core = max(os.sched_getaffinity(0))
    folder = program.parent.parent / "programs"
    words = ["taskset", "--cpu-list", str(core), str(program), "--json", "--megabytes", str(megabytes)]
    words += ["--repeats", str(min(repeats, MOST_REPEATS)), "--compiles", str(min(repeats, MOST_COMPILATIONS))]
    words.append(str(folder))
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LabError(" ".join(words), str(error), "run it by hand to see more") from error
    if done.returncode:
        found = f"exit code {done.returncode}: {_last(done.stderr)}"
        raise LabError(" ".join(words), found, "run it by hand on a quiet machine to see more")
    return section_of(json.loads(done.stdout), who, core)


def section_of(measured: Mapping[str, Any], who: Mapping[str, str], core: int) -> dict[str, Any]:
    """From what the program printed: medians under the names that the report has always had, spreads beside them."""
    entries = [
        {
            **who,
            **entry,
            "ns_per_record": entry["ns_per_record"]["median"],
            "ns_per_record_spread": entry["ns_per_record"],
            "native_ns_per_record": entry["native_ns_per_record"]["median"],
            "native_ns_per_record_spread": entry["native_ns_per_record"],
        }
        for entry in measured["engine"]
    ]
    memory = {
        "bytes_per_s": measured["memory_read_bytes_per_s"],
        "how": measured["memory_read"],
        "native_flags": measured["native_flags"],
        "drive_flags": measured["drive_flags"],
        "core": core,
    }
    return {"engine": entries, "compile": [{**who, **entry} for entry in measured["compile"]], "memory": memory}


def _last(text: str) -> str:
    return (text.strip().splitlines() or ["nothing printed"])[-1]
