# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Measurements into a report: pure functions. docs/report.schema.json says what a report is."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import LabError
from . import ratios, spread
from .headlines import headlines
from .pairs import pairs_of
from .ratios import label_of
from .target import CpuSeconds

SCHEMA = 1
# A measurement's parts that the report has as lists of entries with host and target.
LISTS = ("runs", "engine", "compile", "links")
# Those that it has by label of the pair, and what it calls them.
BY_LABEL = {"host": "hosts"} | {
    name: name for name in ("memory", "phases", "workers", "programs", "settings", "wire_source", "inputs")
}
# What names a run within one pair of host and target.
RunKey = tuple[str, str, float | None]


def key_of(run: Mapping[str, Any]) -> RunKey:
    """Way, program and selectivity of a run, or of an event about it."""
    return run["name"], run["program"], run["selectivity"]


def dataset_of(answer: Mapping[str, Any]) -> dict[str, Any]:
    """The report's section on the data set, from the known answer."""
    known = {name: answer[name] for name in ("records", "bytes", "seed", "sha256", "format")}
    return known | {"record_bytes": answer["bytes"] // answer["records"]}


def runs_of(
    measured: Mapping[str, Any], cpu: Mapping[RunKey, Sequence[CpuSeconds]], host: str, target: str
) -> list[dict[str, Any]]:
    """The report's runs, from what the program measured and what the target spent in each repeat."""
    return [_run(measured, run, cpu.get(key_of(run), []), host, target) for run in measured["runs"]]


def _run(
    measured: Mapping[str, Any], run: Mapping[str, Any], cpu: Sequence[CpuSeconds], host: str, target: str
) -> dict[str, Any]:
    samples: Sequence[Mapping[str, Any]] = run["samples"]
    seconds = spread.of([sample["seconds"] for sample in samples])
    user, system, busy = (
        statistics.median(sample[name] for sample in samples) for name in ("user_s", "system_s", "machine_busy_s")
    )
    scans = [sample["target_scan_s"] for sample in samples if "target_scan_s" in sample]
    received = _median(samples, "interface_bytes_received")
    known_cpu = cpu if len(cpu) == len(samples) else []
    asked = ("program", "selectivity", "threshold", "parameters", "result_bytes", "io_bytes", "queue_depth")
    counted = ("wire_bytes_to_host", "wire_bytes_to_target", "commands")
    return {
        "name": run["name"],
        "host": host,
        "target": target,
        **{name: run[name] for name in asked if name in run},
        "repeats": len(samples),
        **{name: run[name] for name in ("matches", "matches_sha256", "matched_bytes")},
        "seconds": seconds,
        "scanned_bytes": measured["bytes"],
        "scanned_bytes_per_s": round(measured["bytes"] / seconds["median"]),
        **{name: _median(samples, name) for name in counted},
        "interface_bytes": None
        if received is None
        else {
            "interface": measured["interface"],
            "received": received,
            "sent": _median(samples, "interface_bytes_sent"),
        },
        "host_cpu_s": round(user + system, 6),
        "host_cpu_user_s": round(user, 6),
        "host_cpu_system_s": round(system, 6),
        "machine_busy_s": round(busy, 6),
        "target_cpu_s": round(statistics.median(one.busy for one in known_cpu), 6) if known_cpu else None,
        "target_reactor_s": round(statistics.median(one.reactor for one in known_cpu), 6) if known_cpu else None,
        "target_scan_s": spread.of(scans) if scans else None,
        "samples": list(samples),
    }


def _median(samples: Sequence[Mapping[str, Any]], name: str) -> int | None:
    """None where not every sample has it: a count that broke off is no count."""
    values = [sample[name] for sample in samples if name in sample]
    return round(statistics.median(values)) if len(values) == len(samples) else None


def phases_of(measured: Mapping[str, Any]) -> dict[str, Any]:
    """The report's section on the steps of the standard flow, each alone."""
    names = ("load_s", "verify_s", "activate_s", "copy_s", "execute_s", "program_s", "read_s", "unload_s")
    samples = measured["samples"]
    what = ("program", "selectivity", "program_bytes", "chunk_bytes", "matched_bytes")
    return {
        **{name: measured[name] for name in what},
        "repeats": len(samples),
        "seconds": {name.removesuffix("_s"): spread.of([sample[name] for sample in samples]) for name in names},
    }


def check_runs(runs: Sequence[Mapping[str, Any]], known: Sequence[Mapping[str, Any]]) -> None:
    """Hold every run against the known answer, and every way to a result against the others.

    Raises:
        LabError: a run selected something else.
    """
    answers: dict[tuple[str, float | None], tuple[int, str, str]] = {
        ("threshold", answer["selectivity"]): (answer["matches"], answer["matches_sha256"], "the known answer")
        for answer in known
    }
    for run in runs:
        what = run["program"], run["selectivity"]
        found = run["matches"], run["matches_sha256"]
        who = f"{run['name']} of {run.get('host', 'this host')}"
        matches, sha256, whose = answers.setdefault(what, (*found, who))
        if found != (matches, sha256):
            at = "" if run["selectivity"] is None else f" at selectivity {run['selectivity']}"
            program = "" if run["program"] == "threshold" else f" of {run['program']}"
            raise LabError(
                asked=f"{matches} matches{program} with SHA-256 {sha256}{at} ({whose})",
                found=f"{who}: {run['matches']} matches with SHA-256 {run['matches_sha256']}",
                fix="verify the data set (csd_dataset); the report was not written",
            )


def assemble(
    previous: Mapping[str, Any],
    measurements: Mapping[str, Mapping[str, Any]],
    labels: Sequence[str],
    *,
    created: str,
    rpc: Mapping[str, Any] | None,
    unavailable: Mapping[str, Mapping[str, Any]] | None = None,
    absent_hosts: Sequence[str] = (),
) -> dict[str, Any]:
    """A report of all pairs of host and target: the new measurements, and the previous report's for the others.

    Args:
        previous: the report before; empty where there is none.
        measurements: what was measured now, by label of the pair.
        labels: the pairs that there are, in their order. What the previous report has of others is left out.
        created: the time, in UTC.
        rpc: one RPC connection against one process per RPC, where that was measured.
        unavailable: what csd_bench returned of pairs that could not be measured, by label.
        absent_hosts: hosts of the fleet that had no part in this run: what the previous report has of them stays.

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
    known = list(previous.get("inputs", {}))
    labels = [*labels, *(label for label in known if label.partition(" -> ")[0] in absent_hosts)]
    kept = [label for label in labels if label not in measurements and label in known]
    if previous.get("dataset") != first["dataset"]:
        kept = []
    kept_or_new = {**{label: _kept(previous, label) for label in kept}, **measurements}
    sources = {label: kept_or_new[label] for label in labels if label in kept_or_new}
    entries = {name: [entry for one in sources.values() for entry in one.get(name, [])] for name in LISTS}
    by_label = {
        section: {label: one[name] for label, one in sources.items() if one.get(name) is not None}
        for name, section in BY_LABEL.items()
    }
    check_runs(entries["runs"], first["known_answer"])
    # The figures of an emulated processor are never compared.
    emulated = {label for label, host in by_label["hosts"].items() if host.get("emulated")}
    runs, engine = ([one for one in entries[name] if label_of(one) not in emulated] for name in ("runs", "engine"))
    workers = {label: one for label, one in by_label["workers"].items() if label not in emulated}
    entries["links"] = [one | {"ratios": []} if label_of(one) in emulated else one for one in entries["links"]]
    return {
        "schema": SCHEMA,
        "created": created,
        **{name: first[name] for name in ("host", "spdk", "initiator", "dataset", "known_answer")},
        "headlines": headlines(runs, engine, by_label["memory"], workers),
        "ratios": ratios.of_runs(runs),
        "pairs": pairs_of(sources, previous, unavailable or {}, created),
        **entries,
        **by_label,
        # A figure of an earlier run stays only beside other rows of that run.
        "rpc": previous.get("rpc") if rpc is None and kept else rpc,
    }


def _kept(previous: Mapping[str, Any], label: str) -> dict[str, Any]:
    """What the previous report has of one pair, in a measurement's form."""
    lists = {name: [dict(one) for one in previous.get(name, []) if label_of(one) == label] for name in LISTS}
    return lists | {name: previous.get(section, {}).get(label) for name, section in BY_LABEL.items()}
