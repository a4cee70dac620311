# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""What the role's template report.html.j2 shows: a report as plain data, its charts drawn."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

from . import charts, figures, summary, units
from .tables import Cell, Section


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
        "headlines": _headlines(report.get("headlines", [])),
        "why_no_charts": why_no_charts,
        "sections": [_section(section, draw=not why_no_charts) for section in figures.sections(report)],
        "notes": figures.notes(report),
    }


def _headlines(headlines: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
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


def _section(section: Section, *, draw: bool) -> dict[str, Any]:
    chart = section.chart if draw else None
    return {
        "ident": section.ident,
        "title": section.title,
        "text": section.text,
        "chart": chart and {"svg": base64.b64encode(charts.draw(chart).encode()).decode(), "words": chart.words()},
        "head": [column.head for column in section.columns],
        "rows": [[_cell(column.cell(entry)) for column in section.columns] for entry in section.entries],
    }


def _cell(cell: Cell) -> dict[str, Any]:
    value = "" if cell.value is None else json.dumps(cell.value)
    return {"shown": cell.shown, "value": value, "wide": cell.wide}
