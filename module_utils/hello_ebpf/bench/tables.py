# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Parts of the report's page: a section has words, perhaps a chart, and a table that columns make of entries."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .charts import Bars, Chart
from .spread import Spread

Entry = Mapping[str, Any]
Show = Callable[[Any], str]


Cell = Mapping[str, Any]
# A column of a table: its head, and what it makes of an entry of the report.
Column = tuple[str, Callable[[Entry], Cell]]


def cell(shown: str, value: Any = None, *, wide: bool = False) -> Cell:
    """What a table's cell shows, and the report's value behind it; ``wide``: words rather than a number."""
    return {"shown": shown, "value": "" if value is None else json.dumps(value), "wide": wide}


def column(head: str, path: str, show: Show = str, *, absent: str = "none", wide: bool = False) -> Column:
    """What an entry has at a path (``offload.matches``), as ``show`` writes it; ``absent`` where it has nothing."""

    def cell_of(entry: Entry) -> Cell:
        value: Any = entry
        for name in path.split("."):
            value = None if value is None else value.get(name)
        return cell(absent if value is None else show(value), value, wide=wide)

    return head, cell_of


def spread(show: Show) -> Show:
    """Writes a spread whose figures ``show`` writes."""

    def shown(found: Spread) -> str:
        return f"{show(found['median'])} ({show(found['min'])} to {show(found['max'])})"

    return shown


@dataclass(frozen=True)
class Section:
    """A part of the page: words, a chart, and the table behind it."""

    ident: str
    title: str
    text: str = ""
    columns: Sequence[Column] = ()
    entries: Sequence[Entry] = ()
    chart: Chart | None = None


# A series: its name, colour, hatch, and what it makes of an entry.
Series = tuple[str, str, str, Callable[[Entry], Spread | None]]


def chart(
    what: str, entries: Sequence[Entry], group: Callable[[Entry], str], series: Sequence[Series], axis: str, **how: Any
) -> Chart | None:
    """A bar of each series for each group of entries; None where nothing was measured."""
    groups = list(dict.fromkeys(group(entry) for entry in entries))
    bars = []
    for name, colour, hatch, measured in series:
        spreads = {group(entry): found for entry in entries if (found := measured(entry))}
        if spreads:
            bars.append(Bars(name, colour, [spreads.get(one) for one in groups], hatch))
    return Chart(what, groups, bars, axis, **how) if bars else None
