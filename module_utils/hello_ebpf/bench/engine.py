# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""What a record costs in the engine: csd_engine_bench's figures, where the target is on this machine."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import LabError
from .target_cpu import is_ours

TIMEOUT_S = 300.0


def measure(program: Path, folder: Path, megabytes: int, address: str, who: Mapping[str, str]) -> dict[str, Any]:
    """The report's section ``engine`` and, beside it, the memory-bound read.

    Args:
        program: csd_engine_bench.
        folder: the compiled programs.
        megabytes: memory to go through.
        address: of the target; where it is not this machine's, nothing is measured.
        who: host and target, for each entry.

    Raises:
        LabError: the program failed.
    """
    if not is_ours(address) or not program.exists():
        return {"engine": [], "memory": None}
    # Away from the first core, on which the lab's target spins.
    core = max(os.sched_getaffinity(0))
    words = ["taskset", "--cpu-list", str(core), str(program), "--json", "--megabytes", str(megabytes), str(folder)]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LabError(" ".join(words), str(error), "run it by hand to see more") from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["nothing printed"])[-1]
        found = f"exit code {done.returncode}: {last}"
        raise LabError(" ".join(words), found, "run it by hand on a quiet machine to see more")
    return section_of(json.loads(done.stdout), who, core)


def section_of(measured: Mapping[str, Any], who: Mapping[str, str], core: int) -> dict[str, Any]:
    """From what the program printed: medians under the names that the report has always had, spreads beside them."""
    entries = []
    for entry in measured["engine"]:
        best = entry["ns_per_record"] or entry["interpreter_ns_per_record"]
        entries.append(
            {
                **who,
                **entry,
                "ns_per_record": best["median"],
                "ns_per_record_spread": best,
                "native_ns_per_record": entry["native_ns_per_record"]["median"],
                "native_ns_per_record_spread": entry["native_ns_per_record"],
            }
        )
    memory = {
        "bytes_per_s": measured["memory_read_bytes_per_s"],
        "how": measured["memory_read"],
        "native_flags": measured["native_flags"],
        "core": core,
    }
    return {"engine": entries, "memory": memory}
