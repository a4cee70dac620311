# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""A report for people, in a few lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import ratios, spread
from .units import percent, rate, ratio, size

Run = Mapping[str, Any]

EMULATED = "on an emulated processor, whose figures say nothing of any drive and are not compared"


def summary(report: Mapping[str, Any]) -> list[str]:
    """The data set, a line for each program and selectivity, the headline figures and what they mean."""
    dataset = report["dataset"]
    lines = [
        f"Data set: {dataset['records']} records, {dataset['bytes'] / 1e6:.1f} MB, SHA-256 {dataset['sha256'][:16]}…"
    ]
    for label in dict.fromkeys(map(ratios.label_of, report["runs"])):
        runs = [run for run in report["runs"] if ratios.label_of(run) == label]
        emulated = report.get("hosts", {}).get(label, {}).get("emulated", False)
        lines.append(f"{label}:" + (f" {EMULATED}" if emulated else ""))
        lines += [_line(ways, runs, compared=not emulated) for ways in ratios.by_way(runs)]
    lines += _fleet(report.get("pairs", []))
    lines += [_headline(one) for one in report.get("headlines", [])]
    if report.get("rpc"):
        lines.append(f"RPC: one connection is {report['rpc']['ratio']} x as fast as one process per RPC")
    return lines


def _fleet(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Of several pairs, a line each; and each that could not be measured."""
    lines = []
    for row in rows:
        if row["unavailable"]:
            lines.append(f"Not measured: {ratios.label_of(row)}")
        elif len(rows) > 1:
            agree = "digests agree" if row["digests_agree"] else "DIGESTS DIFFER"
            programs = ", ".join(row["programs"])
            lines.append(f"Measured: {ratios.label_of(row)}: {programs}; {agree}")
    return lines


def _headline(headline: Mapping[str, Any]) -> str:
    found = {name: ratio(value) for name, value in headline["found"].items()}
    figure = str(headline["figure"])
    shown = f"{found['median']} {headline['unit']} [{found['min']}-{found['max']}]"
    return f"{figure[0].upper()}{figure[1:]}: {shown}. {headline['meaning']}"


def _line(ways: Mapping[str, Run], runs: Sequence[Run], *, compared: bool) -> str:
    """One program and selectivity, in all ways that were measured; `runs`: all of the same pair."""
    speed = {way: rate(run["scanned_bytes_per_s"]) for way, run in ways.items()}
    first = next(iter(ways.values()))
    name = first["program"] if first["selectivity"] is None else f"{first['program']} {percent(first['selectivity'])}"
    if not compared or not {"baseline", "offload"} <= ways.keys():
        return f"  {name}: {', '.join(_alone(run) for run in ways.values())}; matches equal the known answer"
    baseline, offload = ways["baseline"], ways["offload"]
    best = ratios.best_baseline(runs, offload) or baseline["scanned_bytes_per_s"]
    times = offload["scanned_bytes_per_s"] / best
    parts = [f"offload {speed['offload']}, baseline {speed['baseline']} (at best {rate(best)}): {times:.1f}x the best"]
    here, there = offload["wire_bytes_to_host"], baseline["wire_bytes_to_host"]
    parts += [] if None in {here, there} else [f"{size(here)} to the host instead of {size(there)}"]
    parts += [f"standard flow {speed['slm']}"] if "slm" in speed else []
    return f"  {name}: {'; '.join(parts)}; matches equal"


def _alone(run: Run) -> str:
    speed = spread.rate(run["scanned_bytes"] / 1e9, run["seconds"])
    least_to_most = f"{speed['min']:.2f}-{speed['max']:.2f}"
    return f"{run['name']} {rate(run['scanned_bytes_per_s'])} median [{least_to_most}], {run['matches']} matches"
