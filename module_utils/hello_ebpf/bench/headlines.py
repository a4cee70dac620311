# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""The few figures that a report begins with, each with a sentence that says what it means; only what was measured."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from . import spread
from .ratios import best_baseline, label_of

Entry = Mapping[str, Any]

# Two workers, and one more that the host keeps busy by polling.
ENOUGH_CPUS = 3

SCAN_ON_LOOPBACK = (
    "Host and drive are one machine and share its cores, so this is memory speed over loopback speed: 2.4 on one "
    "machine, 5.2 on another; over a link shaped to 10 Gbit/s it was 9.5, to 1 Gbit/s 80."
)
SCAN_OVER_A_LINK = (
    "The baseline goes no faster than the link; a scan sends only what it selects, so the drive sets its pace."
)
BYTES = "1 would be the selected records alone; what is above it are the headers of commands and results."
MEMORY = "1 would be as fast as one core only reads the same memory; the rest is the program's own work."
NATIVE = "1 is as fast as the same source compiled natively; what is missing is the price of confining a program."
SLOWEST = "The program that confinement slows most; 1 would be as fast as its source compiled natively."
WORKERS = "2 would be twice as fast; what is missing is what two cores lose by sharing memory."


def on_loopback(target: str) -> bool:
    """Whether host and target are one machine."""
    return "127.0.0.1" in target


def headlines(
    runs: Sequence[Entry], engine: Sequence[Entry], memory: Mapping[str, Entry], workers: Mapping[str, Entry]
) -> list[dict[str, Any]]:
    """Of all pairs of host and target, from the sections of a report."""
    found = []
    for run in runs:
        if (run["name"], run["program"], run["selectivity"]) == ("offload", "threshold", 0.01):
            found += _scan(run, best_baseline(runs, run), memory.get(label_of(run)))
    for pair in dict.fromkeys((entry["host"], entry["target"]) for entry in engine):
        found += _programs(pair, [entry for entry in engine if (entry["host"], entry["target"]) == pair])
    for label, measured in workers.items():
        found += _workers(label, measured)
    return found


def _scan(run: Entry, best: float | None, memory: Entry | None) -> list[dict[str, Any]]:
    pair, size = (run["host"], run["target"]), run["scanned_bytes"]
    found = []
    if best is not None:
        speed = spread.quotient(spread.rate(size, run["seconds"]), spread.of([best]))
        meaning = SCAN_ON_LOOPBACK if on_loopback(run["target"]) else SCAN_OVER_A_LINK
        found.append(_headline(pair, "scan at 1 % against the baseline's best", speed, meaning))
    if run["wire_bytes_to_host"] is not None and run["matched_bytes"]:
        counts = spread.of([sample["wire_bytes_to_host"] / run["matched_bytes"] for sample in run["samples"]])
        found.append(_headline(pair, "bytes to the host at 1 % against the matched bytes", counts, BYTES))
    if memory is not None and run.get("target_scan_s"):
        speed = spread.quotient(spread.rate(size, run["target_scan_s"]), memory["bytes_per_s"])
        found.append(_headline(pair, "scan inside the target against reading memory", speed, MEMORY))
    return found


def _programs(pair: tuple[str, str], engine: Sequence[Entry]) -> list[dict[str, Any]]:
    """Programs against the same source compiled natively; of the threshold, at 1 %.

    A spread is that of the ratios within a repeat: of the mean, that of all programs at their least and most.
    """
    speeds = {
        f"{entry['program']} {entry.get('parameters') or ''}".strip(): entry["speed_of_native"]
        for entry in engine
        if "speed_of_native" in entry and (entry["program"] != "threshold" or entry.get("selectivity") in {None, 0.01})
    }
    if not speeds:
        return []
    mean = {name: statistics.geometric_mean(one[name] for one in speeds.values()) for name in ("min", "median", "max")}
    slowest = min(speeds, key=lambda name: float(speeds[name]["median"]))
    return [
        _headline(pair, "programs against native C, geometric mean", mean, NATIVE),
        _headline(pair, f"the slowest program against native C ({slowest})", speeds[slowest], SLOWEST),
    ]


def _workers(label: str, measured: Entry) -> list[dict[str, Any]]:
    """Two workers against one, where the target has CPUs for both and one for the host beside them."""
    rates = {scan["workers"]: scan["bytes_per_s"] for scan in measured["scans"]}
    if len(measured["cpus"] or []) < ENOUGH_CPUS or not {1, 2} <= rates.keys():
        return []
    host, _, target = label.partition(" -> ")
    speed = spread.quotient(rates[2], rates[1])
    return [_headline((host, target), "scans by two workers against one", speed, WORKERS)]


def _headline(pair: tuple[str, str], figure: str, found: spread.Spread, meaning: str) -> dict[str, Any]:
    rounded = {name: round(value, 4) for name, value in found.items()}
    return {"host": pair[0], "target": pair[1], "figure": figure, "found": rounded, "unit": "x", "meaning": meaning}
