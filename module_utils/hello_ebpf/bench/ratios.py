# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""What offloading saves: runs against the baseline of the same program and selectivity, and what was promised."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

Run = Mapping[str, Any]

# Of those on which programs run: one is the host's, which polls.
ENOUGH_CPUS = 2


def of_runs(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Offload, and the standard flow, against the baseline of the same host, target, program and selectivity."""
    found = []
    for offload in runs:
        if offload["name"] != "offload":
            continue
        baseline, slm = _beside(runs, offload, "baseline"), _beside(runs, offload, "slm")
        if baseline is None:
            continue
        found.append(
            {
                "host": offload["host"],
                "target": offload["target"],
                "program": offload["program"],
                "selectivity": offload["selectivity"],
                **_ratio(offload, baseline),
                "slm": None if slm is None else _ratio(slm, baseline),
            }
        )
    return found


def _beside(runs: Sequence[Run], run: Run, name: str) -> Run | None:
    what = ("host", "target", "program", "selectivity")
    same = [one for one in runs if one["name"] == name and all(one[key] == run[key] for key in what)]
    return same[0] if same else None


def _ratio(run: Run, baseline: Run) -> dict[str, Any]:
    """Each figure of the run by the baseline's. The spread pairs the slowest with the fastest, and the other way."""
    return {
        "throughput": round(baseline["seconds"]["median"] / run["seconds"]["median"], 4),
        "throughput_spread": {
            "min": round(baseline["seconds"]["min"] / run["seconds"]["max"], 4),
            "median": round(baseline["seconds"]["median"] / run["seconds"]["median"], 4),
            "max": round(baseline["seconds"]["max"] / run["seconds"]["min"], 4),
        },
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


def claims(
    runs: Sequence[Run], engine: Sequence[Mapping[str, Any]], memory_by_label: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """What offloading is to show, with what was found; only what was measured."""
    found = []
    for offload in runs:
        if (offload["name"], offload["program"], offload["selectivity"]) != ("offload", "threshold", 0.01):
            continue
        pair = {"host": offload["host"], "target": offload["target"]}
        best = best_baseline(runs, offload)
        if best is not None:
            seconds = offload["seconds"]
            speed = {
                least: offload["scanned_bytes"] / seconds[most] / best
                for least, most in (("min", "max"), ("median", "median"), ("max", "min"))
            }
            found.append(pair | _claim("scan at 1 % against the baseline's best", "at least", 5.0, speed, "x"))
        if offload["wire_bytes_to_host"] is not None and offload["matched_bytes"]:
            counts = [sample["wire_bytes_to_host"] / offload["matched_bytes"] for sample in offload["samples"]]
            found.append(
                pair
                | _claim("bytes to the host at 1 % against the matched bytes", "at most", 1.11, _spread(counts), "x")
            )
        memory = memory_by_label.get(f"{offload['host']} -> {offload['target']}", {}).get("bytes_per_s")
        if memory is not None and offload.get("target_scan_s"):
            # Both in bytes a second, so that more is better.
            rates = {
                "min": offload["scanned_bytes"] / offload["target_scan_s"]["max"] / memory["max"],
                "median": offload["scanned_bytes"] / offload["target_scan_s"]["median"] / memory["median"],
                "max": offload["scanned_bytes"] / offload["target_scan_s"]["min"] / memory["min"],
            }
            found.append(pair | _claim("scan inside the target against reading memory", "at least", 0.7, rates, "x"))
    return found + _program_claims(engine)


def _program_claims(engine: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """All programs against the same source compiled natively, by pair; of the threshold, at 1 %.

    A spread is that of the ratios within a repeat: of the mean, that of all programs at their least and most.
    """
    found = []
    for pair in dict.fromkeys((entry["host"], entry["target"]) for entry in engine):
        speeds = {
            f"{entry['program']} {entry.get('parameters') or ''}".strip(): entry["speed_of_native"]
            for entry in engine
            if (entry["host"], entry["target"]) == pair
            and "speed_of_native" in entry
            and (entry["program"] != "threshold" or entry.get("selectivity") in {None, 0.01})
        }
        if not speeds:
            continue
        who = {"host": pair[0], "target": pair[1]}
        mean = {
            name: statistics.geometric_mean(speed[name] for speed in speeds.values())
            for name in ("min", "median", "max")
        }
        slowest = min(speeds, key=lambda name: float(speeds[name]["median"]))
        found.append(who | _claim("programs against native C, geometric mean", "at least", 0.9, mean, "x"))
        what = f"the slowest program against native C ({slowest})"
        found.append(who | _claim(what, "at least", 0.7, speeds[slowest], "x"))
    return found


def worker_claims(workers_by_label: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Two workers against one, where the target has CPUs for both and one for the host beside them."""
    found = []
    for label, measured in workers_by_label.items():
        rates = {scan["workers"]: scan["bytes_per_s"] for scan in measured["scans"]}
        if len(measured["cpus"] or []) <= ENOUGH_CPUS or not {1, 2} <= rates.keys():
            continue
        one, two = rates[1], rates[2]
        speed = {
            "min": two["min"] / one["max"],
            "median": two["median"] / one["median"],
            "max": two["max"] / one["min"],
        }
        host, _, target = label.partition(" -> ")
        found.append(
            {"host": host, "target": target} | _claim("scans by two workers against one", "at least", 1.7, speed, "x")
        )
    return found


def _claim(what: str, sense: str, asked: float, found: Mapping[str, float], unit: str) -> dict[str, Any]:
    """Met by the median; the spread says how surely."""
    met = found["median"] >= asked if sense == "at least" else found["median"] <= asked
    rounded = {name: round(value, 4) for name, value in found.items()}
    return {"claim": what, "sense": sense, "asked": asked, "found": rounded, "unit": unit, "met": met}


def _spread(values: Sequence[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {"min": ordered[0], "median": ordered[len(ordered) // 2], "max": ordered[-1]}
