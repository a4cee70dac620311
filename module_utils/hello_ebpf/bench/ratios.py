# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""What offloading saves: each run against the baseline of the same host, target, program and selectivity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import spread

Run = Mapping[str, Any]


def of_runs(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Offload, and the standard flow, against the baseline."""
    found = []
    for offload in runs:
        baseline, slm = _beside(runs, offload, "baseline"), _beside(runs, offload, "slm")
        if offload["name"] != "offload" or baseline is None:
            continue
        what = {name: offload[name] for name in ("host", "target", "program", "selectivity")}
        slm_ratio = None if slm is None else _ratio(slm, baseline)
        found.append({**what, **_ratio(offload, baseline), "slm": slm_ratio})
    return found


def _beside(runs: Sequence[Run], run: Run, name: str) -> Run | None:
    what = ("host", "target", "program", "selectivity")
    return next((one for one in runs if one["name"] == name and all(one[key] == run[key] for key in what)), None)


def _ratio(run: Run, baseline: Run) -> dict[str, Any]:
    speed = spread.quotient(baseline["seconds"], run["seconds"])
    return {
        "throughput": speed["median"],
        "throughput_spread": speed,
        "wire_bytes": _quotient(run["wire_bytes_to_host"], baseline["wire_bytes_to_host"]),
        "host_cpu": _quotient(run["host_cpu_s"], baseline["host_cpu_s"]),
    }


def _quotient(upper: float | None, lower: float | None) -> float | None:
    return None if upper is None or not lower else round(upper / lower, 6)


def best_baseline(runs: Sequence[Run], offload: Run) -> float | None:
    """Bytes a second of the fastest baseline pass of the same program on the same pair, at any selectivity.

    Loopback has slow and fast minutes (docs/benchmark.md): a slow one must not flatter what is compared with it.
    """
    what = ("host", "target", "program")
    rates = [
        run["scanned_bytes"] / run["seconds"]["min"]
        for run in runs
        if run["name"] == "baseline" and all(run[key] == offload[key] for key in what)
    ]
    return max(rates, default=None)
