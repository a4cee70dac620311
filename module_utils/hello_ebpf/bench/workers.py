# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""What the drive's workers make of a command: which settings are measured, and the report's section."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import spread

# csd_bench has no more under way (csd_stream.h).
MOST_DEPTH = 256


def depths(cpus: Sequence[int] | None) -> list[int]:
    """How many scans are under way in each measurement: 1, 2, 4, ... and as many as there are CPUs for programs.

    Each scan takes a worker, and workers are put on the CPUs by turns.
    """
    most = min(max(1, len(cpus or [])), MOST_DEPTH)
    return sorted({most, *(1 << power for power in range(most.bit_length()))})


def reason(cpus: Sequence[int] | None) -> str:
    """Why scans are measured with one worker alone; empty where they are not."""
    if cpus is None:
        return (
            "on how many CPUs this target runs programs is not known here: its RPC socket tells, to root on its machine"
        )
    if len(cpus) == 1:
        return f"this target runs programs on one CPU, {cpus[0]}: more workers would share it"
    return ""


def section_of(measured: Mapping[str, Any], cpus: Sequence[int] | None) -> dict[str, Any]:
    """From what csd_bench printed. Scans in bytes a second: the fastest pass is the most."""
    bytes_ = measured["bytes"]
    return {
        "cpus": None if cpus is None else list(cpus),
        "reason": reason(cpus),
        "program": measured["program"],
        "selectivity": measured["selectivity"],
        "rest_seconds": measured["rest_s"],
        "range_bytes": measured["range_bytes"],
        "executes": [
            {**{name: one[name] for name in ("bytes", "worker", "commands", "seconds")}, "p99_seconds": one["p99_s"]}
            for one in measured["executes"]
        ],
        "scans": [
            {
                "workers": one["workers"],
                "repeats": one["repeats"],
                "bytes_per_s": {name: round(rate) for name, rate in spread.rate(bytes_, one["seconds"]).items()},
            }
            for one in measured["scans"]
        ],
    }
