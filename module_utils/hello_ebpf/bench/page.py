# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""report.html: one file that opens from disk, with no network and no script. Charts, and the table behind each."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import charts, figures, summary
from .figures import Cell, Section

STYLE = """
:root { color-scheme: light dark;
  --page: #ffffff; --card: #f6f7f9; --text: #1c2026; --quiet: #5b6470; --grid: #d9dde3;
  --baseline: #7b8794; --offload: #0067b0; --slm: #d9822b;
  --host: #1f8a70; --target: #8a5bb5; }
@media (prefers-color-scheme: dark) { :root {
  --page: #14171b; --card: #1e2329; --text: #e8eaed; --quiet: #a2abb6; --grid: #363d46;
  --baseline: #8b96a3; --offload: #56b4f0; --slm: #f0a24f;
  --host: #4fc3a1; --target: #bb93e0; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .4rem; }
h2 { font-size: 1.25rem; margin: 2.8rem 0 .3rem; }
h3 { font-size: 1rem; margin: 1.6rem 0 .3rem; color: var(--quiet); font-weight: 600; }
p { margin: .3rem 0 .8rem; max-width: 46rem; }
.quiet { color: var(--quiet); }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(13.5rem, 1fr)); gap: .8rem; margin: 1.4rem 0; }
.card { background: var(--card); border-radius: .6rem; padding: .9rem 1rem; }
.card b { display: block; font-size: 1.7rem; line-height: 1.2; font-variant-numeric: tabular-nums; }
.card span { display: block; font-size: .875rem; color: var(--quiet); }
figure { margin: .6rem 0 0; } figure svg { display: block; width: 100%; height: auto; }
figure svg text { font-family: inherit; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .875rem; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .7rem .3rem 0; text-align: right; border-bottom: 1px solid var(--grid); white-space: nowrap; }
th { color: var(--quiet); font-weight: 600; vertical-align: bottom; }
th:first-child, td:first-child, .left { text-align: left; }
td.wide { white-space: normal; text-align: left; min-width: 14rem; }
details { margin: .5rem 0 0; } summary { cursor: pointer; color: var(--quiet); font-size: .875rem; }
code { font-size: .85em; overflow-wrap: anywhere; }
@media print { details > *:not(summary) { display: block; } }
"""


@dataclass(frozen=True)
class Drawing:
    """Whether charts can be drawn.

    Attributes:
        why_not: the reason; empty: they can.
    """

    why_not: str


def page(report: Mapping[str, Any], why_no_charts: str | None = None) -> str:
    """The whole page. The same report gives the same bytes.

    Args:
        report: as in report.json.
        why_no_charts: why they cannot be drawn; None: find out.
    """
    drawing = Drawing(charts.available() if why_no_charts is None else why_no_charts)
    parts = [_head(report), _cards(report)]
    if drawing.why_not:
        parts.append(
            '<p class="quiet">This page has its tables, but no charts: the Python that wrote it has no matplotlib '
            f"({html.escape(drawing.why_not)}). <code>make lab</code> installs it; by hand: "
            "<code>pip install --require-hashes -r requirements.txt</code>.</p>"
        )
    parts += [_section(section, drawing) for section in figures.sections(report)]
    parts.append(_foot(report))
    body = "\n".join(parts)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<title>hello_eBPF: programs inside the drive, measured</title>\n"
        f'<link rel="icon" href="data:,">\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n'
        "</body>\n</html>\n"
    )


def _head(report: Mapping[str, Any]) -> str:
    host, dataset = report["host"], report["dataset"]
    initiator = "the kernel's nvme-tcp" if report["initiator"] == "kernel" else "SPDK's user-space initiator"
    what = (
        f"{dataset['records']:,} sensor records of {dataset['record_bytes']} bytes "
        f"({figures.size(dataset['bytes'])}) over NVMe/TCP through {initiator}, SPDK {report['spdk']['version']}."
    )
    where = (
        f"{host['cpu']}, {host['cores']} cores, {figures.size(host['memory_bytes'])} of memory, "
        f"{host['distribution']}, Linux {host['kernel']}. Measured {report['created']}."
    )
    if host.get("emulated"):
        where += f" Measured {summary.EMULATED}."
    return (
        "<h1>What running eBPF programs inside the drive saves</h1>\n"
        f"<p>{html.escape(what)} Three ways to the same result: the host reads everything and computes (baseline), one "
        "scan command per range returns only what the program selects (offload), and the standard flow of SLM Copy, "
        "Execute Program and SLM Read.</p>\n"
        f'<p class="quiet">{html.escape(where)}</p>'
    )


def _cards(report: Mapping[str, Any]) -> str:
    cards = {one["figure"]: one for one in reversed(report.get("headlines", []))}
    if not cards:
        return ""
    shown = "".join(_card(one) for one in reversed(cards.values()))
    return f'<div class="cards">{shown}</div>'


def _card(headline: Mapping[str, Any]) -> str:
    figure, found = headline["figure"], headline["found"]
    spread = f"{found['min']:.2f} to {found['max']:.2f}. {headline['meaning']}"
    return (
        f'<div class="card"><span>{html.escape(figure[0].upper() + figure[1:])}</span>'
        f"<b>{found['median']:.2f} {headline['unit']}</b><span>{html.escape(spread)}</span></div>"
    )


def _section(section: Section, drawing: Drawing) -> str:
    parts = [f'<section id="{section.ident}">', f"<{section.level}>{html.escape(section.title)}</{section.level}>"]
    if section.text:
        parts.append(f'<p class="quiet">{html.escape(section.text)}</p>')
    if section.chart is not None and not drawing.why_not:
        svg = charts.draw(section.chart)
        label = f'aria-label="{html.escape(section.alt, quote=True)}"'
        svg = svg.replace('role="img"', f'role="img" {label}', 1)
        parts.append(f"<figure>{svg}</figure>")
    if section.rows:
        table = _table(section.head, section.rows)
        if section.chart is not None and not drawing.why_not:
            table = f"<details><summary>The figures behind this chart</summary>{table}</details>"
        parts.append(table)
    parts.append("</section>")
    return "\n".join(parts)


def _table(head: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    top = "".join(f"<th>{html.escape(name)}</th>" for name in head)
    body = "".join(f"<tr>{''.join(_cell(cell) for cell in row)}</tr>\n" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{top}</tr></thead>\n<tbody>\n{body}</tbody></table></div>'


def _cell(cell: Cell) -> str:
    """With the report's own value beside what is shown, so that both can be compared."""
    value = "" if cell.value is None else f' data-value="{html.escape(json.dumps(cell.value), quote=True)}"'
    kind = ' class="wide"' if cell.wide else ""
    return f"<td{kind}{value}>{html.escape(cell.shown)}</td>"


def _foot(report: Mapping[str, Any]) -> str:
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in figures.notes(report))
    return (
        f"<section><h2>How to read this</h2><ul>{notes}</ul>"
        '<p class="quiet">Every figure, each repeat included, is in <code>report.json</code> beside this file; '
        "<code>docs/benchmark.md</code> says how each was taken.</p></section>"
    )
