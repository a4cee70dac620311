# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""What report.html shows: a report as plain data for the role's template, section after section, its charts drawn."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from . import charts, summary, units
from . import figures_costs as costs
from . import figures_runs as runs
from .headlines import on_loopback
from .ratios import label_of
from .tables import Cell, Entry, Section, cell, column, spread
from .units import digest, percent, size
from .units import rate as speed


def page(report: Mapping[str, Any]) -> dict[str, Any]:
    """The same report gives the same page."""
    why_no_charts = charts.available()
    host, dataset = report["host"], report["dataset"]
    initiators = {"kernel": "the kernel's nvme-tcp", "spdk": "SPDK's user-space initiator"}
    return {
        "measured": report["created"] + (f", {summary.EMULATED}" if host.get("emulated") else ""),
        "spdk": report["spdk"]["version"],
        "initiator": initiators[report["initiator"]],
        "records": units.number(dataset["records"]),
        "record_bytes": dataset["record_bytes"],
        "bytes": units.size(dataset["bytes"]),
        "host": host | {"memory": units.size(host["memory_bytes"])},
        "headlines": _cards(report.get("headlines", [])),
        "why_no_charts": why_no_charts,
        "sections": [_shown(section, draw=not why_no_charts) for section in sections(report)],
        "notes": notes(report),
    }


def _cards(headlines: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Of several pairs, the first one's; all are in the sections."""
    first = {one["figure"]: one for one in reversed(headlines)}
    return [
        {
            "title": figure[0].upper() + figure[1:],
            **{name: units.ratio(value) for name, value in one["found"].items()},
            "unit": one["unit"],
            "meaning": one["meaning"],
        }
        for figure, one in reversed(first.items())
    ]


def _shown(section: Section, *, draw: bool) -> dict[str, Any]:
    chart = section.chart if draw else None
    return {
        "ident": section.ident,
        "title": section.title,
        "text": section.text,
        "chart": chart and {"svg": base64.b64encode(charts.draw(chart).encode()).decode(), "words": chart.words()},
        "head": [head for head, _ in section.columns],
        "rows": [[cell_of(entry) for _, cell_of in section.columns] for entry in section.entries],
    }


def sections(report: Entry) -> list[Section]:
    """All of a report, pair after pair of host and target."""
    labels = list(report.get("inputs", {}))
    found = _fleet(report.get("pairs", []))
    for number_of_pair, label in enumerate(labels):
        if len(labels) > 1:
            found.append(Section(f"pair{number_of_pair}", label))
        found += [replace(one, ident=f"p{number_of_pair}-{one.ident}") for one in _of_pair(report, label)]
    return [*found, _about(report)]


def _of_pair(report: Entry, label: str) -> list[Section]:
    def of_label(name: str) -> list[Entry]:
        return [one for one in report.get(name, []) if label_of(one) == label]

    measured = of_label("runs")
    found = [
        *runs.thresholds([run for run in measured if run["program"] == "threshold"]),
        runs.programs([run for run in measured if run["program"] != "threshold"]),
        *costs.phases(report.get("phases", {}).get(label)),
        *costs.workers(report.get("workers", {}).get(label)),
        *[runs.link(link) for link in of_label("links")],
        costs.engine(of_label("engine"), report.get("memory", {}).get(label)),
        costs.compiled(of_label("compile")),
        _headlines(of_label("headlines")),
    ]
    # A table of nothing was not measured.
    return [section for section in found if section.entries or not section.columns]


def _fleet(rows: Sequence[Entry]) -> list[Section]:
    """The fleet on one table; one pair that was measured needs none."""
    if len(rows) < 2 and not any(row["unavailable"] for row in rows):
        return []
    text = (
        "A row for each pair of host and target, measured one after another: nothing else of the fleet's was on the "
        "network or at the target meanwhile. Throughput and bytes are those of the named program; digests are compared "
        "for every program."
    )
    columns = [
        column("host", "host"),
        ("target", lambda row: cell(_short_target(row), row["target"])),
        column("through", "initiator", lambda initiator: "kernel" if initiator == "kernel" else "SPDK"),
        ("program", _shown_program),
        column("baseline", "baseline.scanned_bytes_per_s", speed),
        column("offload", "offload.scanned_bytes_per_s", speed),
        column("to the host, baseline", "baseline.wire_bytes_to_host", size),
        column("offload", "offload.wire_bytes_to_host", size),
        column("digests of all ways", "digests_agree", lambda agree: "agree" if agree else "differ"),
        column("SHA-256, offload", "offload.matches_sha256", digest),
        ("not told from here", _left_out),
        column("measured", "measured", absent="never"),
    ]
    return [Section("pairs", "The fleet", text, columns, rows)]


def _short_target(row: Entry) -> str:
    nqn = str(row["subsystem_nqn"] or row["target"])
    return f"{nqn.rpartition(':')[2]} at {row['address']}:{row['service_id']}" if row["address"] else nqn


def _shown_program(row: Entry) -> Cell:
    if "program" not in row:
        return cell("none")
    return cell(f"{row['program']} {percent(row['selectivity'])}", [row["program"], row["selectivity"]])


def _left_out(row: Entry) -> Cell:
    reason, again = row["unavailable"], " again" if "program" in row else ""
    words = [*row["left_out"], *([f"could not be measured{again}. {reason}"] if reason else [])]
    return cell("; ".join(words) or "nothing", row["left_out"], wide=True)


def _headlines(headlines: Sequence[Entry]) -> Section:
    text = "The spread sets the slowest of one against the fastest of the other, and the other way round."
    columns = [
        column("figure", "figure"),
        column("median (least to most)", "found", spread(lambda value: f"{value:.3g}")),
        column("what it means", "meaning", wide=True),
    ]
    return Section("headlines", "The headline figures", text, columns, headlines)


def _about(report: Entry) -> Section:
    """Data set and settings."""
    dataset, spdk = report["dataset"], report["spdk"]
    facts = {
        "data set": f"{dataset['records']:,} records from seed {dataset['seed']}, SHA-256 {dataset['sha256']}",
        "SPDK": f"{spdk['version']} ({spdk['source']}), SHA-256 {spdk['sha256']}",
    }
    for label, source in report.get("wire_source", {}).items():
        reason = f" ({source['reason']})" if source.get("reason") else ""
        facts[f"bytes counted, {label}"] = f"by {source['source']}{reason}"
    for label, programs in report.get("programs", {}).items():
        for program in programs:
            verdict = f"{program['verdict']}, " if program.get("verdict") else ""
            facts[f"slot {program['slot']}, {label}"] = (
                f"{program['program']}, {program['engine']}, {verdict}{program['bytes']:,} bytes, "
                f"SHA-256 {program['sha256']}"
            )
    columns = [column("", "name"), column("", "value", wide=True)]
    entries = [{"name": name, "value": value} for name, value in facts.items()]
    return Section("about", "What it was measured on", "", columns, entries)


def notes(report: Mapping[str, Any]) -> list[str]:
    """What a reader has to know to judge the figures."""
    found = [
        "Every repeat's result was compared with the known answer, by number and SHA-256. A run that differs is not in "
        "any report: the benchmark fails.",
        "The ways take turns, repeat after repeat, so that whatever else the machine did met them alike.",
        "The host's program is plain C at -O3, run while further reads are under way.",
    ]
    if any(on_loopback(run["target"]) for run in report["runs"]):
        found.append(
            "Host and target are one machine, and the wire is the loopback interface: it is faster than a network and "
            "takes CPU time of both. A slower link slows the baseline at once, a scan only when its results fill it."
        )
    return found
