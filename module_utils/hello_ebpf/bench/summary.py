# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""A report for people, in a few lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import ratios

Run = Mapping[str, Any]

EMULATED = "on an emulated processor, whose figures say nothing of any drive and are not compared"


def summary(report: Mapping[str, Any]) -> list[str]:
    """The data set, a line for each program and selectivity, the headline figures and what they mean."""
    dataset = report["dataset"]
    lines = [
        f"Data set: {dataset['records']} records, {dataset['bytes'] / 1e6:.1f} MB, SHA-256 {dataset['sha256'][:16]}…"
    ]
    pairs = list(dict.fromkeys((run["host"], run["target"]) for run in report["runs"]))
    for host, target in pairs:
        runs = [run for run in report["runs"] if (run["host"], run["target"]) == (host, target)]
        emulated = report.get("hosts", {}).get(f"{host} -> {target}", {}).get("emulated", False)
        lines.append(f"{host} -> {target}:" + (f" {EMULATED}" if emulated else ""))
        keys = dict.fromkeys((run["program"], run["selectivity"]) for run in runs)
        of_key = [[run for run in runs if (run["program"], run["selectivity"]) == key] for key in keys]
        lines += [_line(same, runs, compared=not emulated) for same in of_key]
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
            lines.append(f"Not measured: {row['host']} -> {row['target']}")
        elif len(rows) > 1:
            agree = "digests agree" if row["digests_agree"] else "DIGESTS DIFFER"
            programs = ", ".join(row["programs"])
            lines.append(f"Measured: {row['host']} -> {row['target']}: {programs}; {agree}")
    return lines


def _headline(headline: Mapping[str, Any]) -> str:
    found = headline["found"]
    spread = f"{found['median']:.2f} {headline['unit']} [{found['min']:.2f}-{found['max']:.2f}]"
    figure = str(headline["figure"])
    return f"{figure[0].upper()}{figure[1:]}: {spread}. {headline['meaning']}"


def _line(runs: Sequence[Run], others: Sequence[Run], *, compared: bool) -> str:
    """One program and selectivity, in all ways that were measured; `others`: all runs of the same pair."""
    by_way = {run["name"]: run for run in runs}
    first = runs[0]
    name = first["program"] + ("" if first["selectivity"] is None else f" {first['selectivity'] * 100:g} %")
    baseline, offload = by_way.get("baseline"), by_way.get("offload")
    if baseline is None or offload is None or not compared:
        return f"  {name}: {', '.join(_alone(run) for run in runs)}; matches equal the known answer"
    best = ratios.best_baseline(others, offload) or baseline["scanned_bytes_per_s"]
    parts = [
        f"offload {_rate(offload)}, baseline {_rate(baseline)} (at best {best / 1e9:.2f}): "
        f"{offload['scanned_bytes_per_s'] / best:.1f}x the best"
    ]
    if offload["wire_bytes_to_host"] is not None and baseline["wire_bytes_to_host"] is not None:
        parts.append(f"{_size(offload)} to the host instead of {_size(baseline)}")
    if slm := by_way.get("slm"):
        parts.append(f"standard flow {_rate(slm)}")
    return f"  {name}: {'; '.join(parts)}; matches equal"


def _alone(run: Run) -> str:
    fastest, slowest = (run["scanned_bytes"] / run["seconds"][name] / 1e9 for name in ("min", "max"))
    return f"{run['name']} {_rate(run)} median [{slowest:.2f}-{fastest:.2f}], {run['matches']} matches"


def _rate(run: Run) -> str:
    return f"{run['scanned_bytes_per_s'] / 1e9:.2f} GB/s"


def _size(run: Run) -> str:
    count = float(run["wire_bytes_to_host"])
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"
