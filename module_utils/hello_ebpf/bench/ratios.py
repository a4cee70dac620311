# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""What offloading saves: each run against the baseline of the same host, target, program and selectivity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import spread

Run = Mapping[str, Any]


def label_of(entry: Mapping[str, Any]) -> str:
    """The label of the pair of host and target that an entry of a report belongs to."""
    return f"{entry.get('host')} -> {entry.get('target')}"


# What runs in several ways.
WHAT = ("host", "target", "program", "selectivity")


def by_way(runs: Sequence[Run]) -> list[dict[str, Run]]:
    """The runs of the same host, target, program and selectivity together, by way."""
    found: dict[tuple[Any, ...], dict[str, Run]] = {}
    for run in runs:
        found.setdefault(tuple(run[name] for name in WHAT), {})[run["name"]] = run
    return list(found.values())


def of_runs(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Offload, and the standard flow, against the baseline."""
    return [
        {name: ways["offload"][name] for name in WHAT}
        | _ratio(ways["offload"], ways["baseline"])
        | {"slm": _ratio(ways["slm"], ways["baseline"]) if "slm" in ways else None}
        for ways in by_way(runs)
        if {"baseline", "offload"} <= ways.keys()
    ]


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
