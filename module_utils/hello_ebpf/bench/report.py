# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Measurements into a report: pure functions. docs/report.schema.json says what a report is."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import LabError
from .target_cpu import CpuSeconds

SCHEMA = 1
PROGRAM = "threshold"


def dataset_of(answer: Mapping[str, Any]) -> dict[str, Any]:
    """The report's section on the data set, from the known answer."""
    return {
        "records": answer["records"],
        "record_bytes": answer["bytes"] // answer["records"],
        "bytes": answer["bytes"],
        "seed": answer["seed"],
        "sha256": answer["sha256"],
        "format": answer["format"],
    }


def runs_of(
    baseline: Mapping[str, Any], cpu: Mapping[float, CpuSeconds], host: str, target: str
) -> list[dict[str, Any]]:
    """The report's runs, from what the program measured and what the target spent by selectivity."""
    return [_run(baseline, run, cpu.get(run["selectivity"]), host, target) for run in baseline["runs"]]


def _run(
    baseline: Mapping[str, Any], run: Mapping[str, Any], cpu: CpuSeconds | None, host: str, target: str
) -> dict[str, Any]:
    samples: Sequence[Mapping[str, Any]] = run["samples"]
    seconds = spread([sample["seconds"] for sample in samples])
    user = statistics.median(sample["user_s"] for sample in samples)
    system = statistics.median(sample["system_s"] for sample in samples)
    received = _median(samples, "interface_bytes_received")
    return {
        "name": "baseline",
        "program": PROGRAM,
        "host": host,
        "target": target,
        "selectivity": run["selectivity"],
        "threshold": run["threshold"],
        "repeats": len(samples),
        "matches": run["matches"],
        "matches_sha256": run["matches_sha256"],
        "seconds": seconds,
        "scanned_bytes": baseline["bytes"],
        "scanned_bytes_per_s": round(baseline["bytes"] / seconds["median"]),
        "wire_bytes_to_host": _median(samples, "wire_bytes_to_host"),
        "wire_bytes_to_target": _median(samples, "wire_bytes_to_target"),
        "interface_bytes": None
        if received is None
        else {
            "interface": baseline["interface"],
            "received": received,
            "sent": _median(samples, "interface_bytes_sent"),
        },
        "host_cpu_s": round(user + system, 6),
        "host_cpu_user_s": round(user, 6),
        "host_cpu_system_s": round(system, 6),
        "machine_busy_s": round(statistics.median(sample["machine_busy_s"] for sample in samples), 6),
        "target_cpu_s": None if cpu is None else round(cpu.busy, 6),
        "target_reactor_s": None if cpu is None else round(cpu.reactor, 6),
        "io_bytes": baseline["io_bytes"],
        "queue_depth": baseline["queue_depth"],
        "samples": list(samples),
    }


def spread(values: Sequence[float]) -> dict[str, float]:
    """Least, median and greatest."""
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}


def _median(samples: Sequence[Mapping[str, Any]], name: str) -> int | None:
    """None where not every sample has it: a count that broke off is no count."""
    values = [sample[name] for sample in samples if name in sample]
    return round(statistics.median(values)) if len(values) == len(samples) else None


def check_runs(runs: Sequence[Mapping[str, Any]], known: Sequence[Mapping[str, Any]]) -> None:
    """Hold every run against the known answer.

    Raises:
        LabError: a run selected other records.
    """
    answers = {answer["selectivity"]: answer for answer in known}
    for run in runs:
        answer = answers[run["selectivity"]]
        if (run["matches"], run["matches_sha256"]) != (answer["matches"], answer["matches_sha256"]):
            raise LabError(
                asked=f"{answer['matches']} matches with SHA-256 {answer['matches_sha256']} at selectivity "
                f"{run['selectivity']}",
                found=f"{run['name']} of {run.get('host', 'this host')}: {run['matches']} matches with SHA-256 "
                f"{run['matches_sha256']}",
                fix="verify the data set (csd_dataset); the report was not written",
            )


def assemble(
    previous: Mapping[str, Any],
    measurements: Mapping[str, Mapping[str, Any]],
    labels: Sequence[str],
    *,
    created: str,
    rpc: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """A report of all pairs of host and target: the new measurements, and the previous report's for the others.

    Args:
        previous: the report before; empty where there is none.
        measurements: what was measured now, by label of the pair.
        labels: the pairs that there are, in their order. What the previous report has of others is left out.
        created: the time, in UTC.
        rpc: one RPC connection against one process per RPC, where that was measured.

    Raises:
        LabError: the pairs do not have the same data set, or a run differs from the known answer.
    """
    first = next(iter(measurements.values()))
    for label, measurement in measurements.items():
        if measurement["dataset"] != first["dataset"]:
            raise LabError(
                asked="one report on one data set",
                found=f"{label} has {measurement['dataset']}, others have {first['dataset']}",
                fix="give csd_bench_records and csd_bench_seed for all hosts alike",
            )
    kept = [label for label in labels if label not in measurements and label in previous.get("inputs", {})]
    if previous.get("dataset") != first["dataset"]:
        kept = []
    runs = [run for label in labels for run in _runs_for(label, previous if label in kept else {}, measurements)]
    check_runs(runs, first["known_answer"])
    old_hosts, old_settings = previous.get("hosts", {}), previous.get("settings", {})
    old_inputs = previous.get("inputs", {})
    return {
        "schema": SCHEMA,
        "created": created,
        "host": first["host"],
        "hosts": {label: old_hosts[label] for label in kept}
        | {label: measurement["host"] for label, measurement in measurements.items()},
        "spdk": first["spdk"],
        "initiator": first["initiator"],
        "dataset": first["dataset"],
        "known_answer": first["known_answer"],
        "engine": [],
        "runs": runs,
        "ratios": [],
        "settings": {label: old_settings[label] for label in kept}
        | {label: measurement["settings"] for label, measurement in measurements.items()},
        # A figure of an earlier run stays only beside other rows of that run.
        "rpc": previous.get("rpc") if rpc is None and kept else rpc,
        "inputs": {label: old_inputs[label] for label in kept}
        | {label: measurement["inputs"] for label, measurement in measurements.items()},
    }


def _runs_for(
    label: str, previous: Mapping[str, Any], measurements: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    if label in measurements:
        return list(measurements[label]["runs"])
    return [run for run in previous.get("runs", []) if f"{run['host']} -> {run['target']}" == label]


def summary(report: Mapping[str, Any]) -> list[str]:
    """The report for people, in a few lines."""
    dataset = report["dataset"]
    lines = [
        f"Data set: {dataset['records']} records, {dataset['bytes'] / 1e6:.1f} MB, SHA-256 {dataset['sha256'][:16]}…"
    ]
    for run in report["runs"]:
        fastest, slowest = (run["scanned_bytes"] / run["seconds"][name] / 1e9 for name in ("min", "max"))
        lines.append(
            f"{run['name']} {run['host']} -> {run['target']}, {run['selectivity'] * 100:g} %: "
            f"{run['scanned_bytes_per_s'] / 1e9:.2f} GB/s median [{slowest:.2f}-{fastest:.2f}], "
            f"{run['matches']} matches, equal to the known answer"
        )
    if report.get("rpc"):
        lines.append(f"RPC: one connection is {report['rpc']['ratio']} x as fast as one process per RPC")
    return lines
