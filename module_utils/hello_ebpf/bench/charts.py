# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Charts as SVG to stand inside a page: colours are the page's own, so that they follow its light or dark theme.

matplotlib draws with placeholder colours, which become CSS variables. The same figures give the same bytes.
"""

from __future__ import annotations

import io
import math
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Placeholder colour -> CSS variable of the page.
COLOURS = {
    "#010101": "--text",
    "#010102": "--quiet",
    "#010103": "--grid",
    "#010104": "--page",
    "#010111": "--baseline",
    "#010112": "--offload",
    "#010113": "--slm",
    "#010114": "--host",
    "#010115": "--target",
}
TEXT, QUIET, GRID, PAGE, BASELINE, OFFLOAD, SLM, HOST, TARGET = COLOURS
WAY_COLOURS = {"baseline": BASELINE, "offload": OFFLOAD, "slm": SLM}
# Told apart without colour too.
WAY_HATCHES = {"baseline": "", "offload": "", "slm": "//"}
WIDTH_INCHES = 8.6


@dataclass(frozen=True)
class Bars:
    """One series: a bar for each group, with its spread."""

    name: str
    colour: str
    median: Sequence[float | None]
    least: Sequence[float | None]
    most: Sequence[float | None]
    hatch: str = ""


@dataclass(frozen=True)
class Chart:
    """A grouped bar chart.

    Attributes:
        ident: names it within the page.
        groups: below the axis.
        series: bars of each group.
        axis: what the value axis says.
        logarithmic: the value axis is.
        sideways: bars from left to right: for long group names.
        label: writes a value at the end of its bar.
        line: a level to compare with, and its name.
    """

    ident: str
    groups: Sequence[str]
    series: Sequence[Bars]
    axis: str
    logarithmic: bool = False
    sideways: bool = False
    label: Callable[[float], str] = field(default=lambda value: f"{value:,.0f}" if value >= 100 else f"{value:.3g}")
    line: tuple[float, str] | None = None


def available() -> str:
    """Why there can be no charts; empty where there can."""
    # What matplotlib keeps for its next start stays in the private environment, not in somebody's home.
    os.environ.setdefault("MPLCONFIGDIR", str(Path(sys.prefix) / "share" / "hello_ebpf_matplotlib"))
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        return str(error)
    return ""


def draw(chart: Chart) -> str:
    """The chart as an SVG element without a name of its own (the page gives it one)."""
    import matplotlib as mpl

    mpl.use("Agg")
    settings: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": f"hello_ebpf {chart.ident}",
        "font.size": 10,
        "text.color": TEXT,
        "axes.labelcolor": QUIET,
        "axes.edgecolor": GRID,
        "xtick.color": QUIET,
        "ytick.color": QUIET,
        "xtick.labelcolor": TEXT,
        "ytick.labelcolor": TEXT,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "hatch.color": PAGE,
        "hatch.linewidth": 1.2,
    }
    with mpl.rc_context(settings):
        return _svg(chart)


def _svg(chart: Chart) -> str:
    from matplotlib.figure import Figure

    height = 0.9 + 0.3 * len(chart.groups) * max(1, len(chart.series)) if chart.sideways else 3.6
    figure = Figure(figsize=(WIDTH_INCHES, height), layout="constrained")
    figure.patch.set_alpha(0)
    axes = figure.add_subplot()
    axes.patch.set_alpha(0)
    for index, bars in enumerate(chart.series):
        _series(axes, chart, index, bars)
    _dress(axes, chart)
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return _themed(out.getvalue(), chart.ident)


def _series(axes: Any, chart: Chart, index: int, bars: Bars) -> None:
    width = 0.8 / len(chart.series)
    for group, value in enumerate(bars.median):
        if value is None:
            continue
        place = group - 0.4 + width * (index + 0.5)
        least, most = bars.least[group], bars.most[group]
        low, high = max(0.0, value - (value if least is None else least)), max(0.0, (most or value) - value)
        # A figure that never varied has no whisker.
        error = [[low], [high]] if low or high else None
        style = {"color": bars.colour, "hatch": bars.hatch or None, "edgecolor": bars.colour, "linewidth": 0}
        if bars.hatch:
            style |= {"edgecolor": PAGE}
        end = max(value, most or value)
        name = bars.name if value is not None and group == _first(bars.median) else None
        ticks = {"ecolor": TEXT, "elinewidth": 1, "capsize": 2.5, "capthick": 1}
        if chart.sideways:
            axes.barh(place, value, width * 0.92, xerr=error, error_kw=ticks, label=name, **style)
            axes.annotate(
                chart.label(value), (end, place), (4, 0), textcoords="offset points", va="center", fontsize=8.5
            )
        else:
            axes.bar(place, value, width * 0.92, yerr=error, error_kw=ticks, label=name, **style)
            axes.annotate(
                chart.label(value), (place, end), (0, 3), textcoords="offset points", ha="center", fontsize=8.5
            )


def _first(values: Sequence[float | None]) -> int:
    return next(index for index, value in enumerate(values) if value is not None)


def _dress(axes: Any, chart: Chart) -> None:
    """Axes, grid, legend."""
    places = list(range(len(chart.groups)))
    if chart.sideways:
        axes.set_yticks(places, chart.groups)
        axes.invert_yaxis()
        axes.set_xlabel(chart.axis)
        axes.tick_params(axis="y", length=0)
        axes.margins(x=0.12, y=0.02)
    else:
        axes.set_xticks(places, chart.groups)
        axes.set_ylabel(chart.axis)
        axes.tick_params(axis="x", length=0)
        axes.margins(y=0.12)
    if chart.logarithmic:
        _logarithmic(axes, chart)
    axes.grid(visible=True, axis="x" if chart.sideways else "y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    if chart.line is not None:
        level, name = chart.line
        draw_line = axes.axvline if chart.sideways else axes.axhline
        draw_line(level, color=TEXT, linewidth=1, linestyle=(0, (4, 3)), label=name)
    if len(chart.series) > 1 or chart.line is not None:
        axes.legend(
            frameon=False, ncols=4, loc="lower left", bbox_to_anchor=(0, 1.0), borderaxespad=0.4, handlelength=1.4
        )


def _logarithmic(axes: Any, chart: Chart) -> None:
    """Whole decades around the values: a bar on a logarithmic axis begins somewhere, so let it be a round number."""
    values = [value for bars in chart.series for value in [*bars.median, *bars.most] if value]
    if not values:
        return
    low, high = math.floor(math.log10(min(values)) - 0.3), math.log10(max(values)) + 0.35
    if chart.sideways:
        axes.set_xscale("log")
        axes.set_xlim(10.0**low, 10.0**high)
    else:
        axes.set_yscale("log")
        axes.set_ylim(10.0**low, 10.0**high)


def _themed(svg: str, ident: str) -> str:
    """Without XML head; colours by variable; names that no other chart of the page has."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    for colour, variable in COLOURS.items():
        svg = svg.replace(colour, f"var({variable})")
    # The page's own font.
    svg = re.sub(r"font: ([\d.]+px)[^;\"]*", r"font-size: \1", svg)
    svg = re.sub(r"font-family: [^;\"]*;?", "", svg)
    svg = re.sub(r' id="([^"]+)"', rf' id="{ident}-\1"', svg)
    svg = re.sub(r'(xlink:href|href)="#([^"]+)"', rf'\1="#{ident}-\2"', svg)
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#{ident}-\1)", svg)
    head = re.match(r"<svg[^>]*>", svg)
    assert head is not None
    box = re.search(r'viewBox="[^"]+"', head.group())
    assert box is not None
    names = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return f'<svg {box.group()} {names} role="img">' + svg[head.end() :]


def spread_of(entries: Sequence[Mapping[str, float] | None], scale: float = 1.0) -> dict[str, list[float | None]]:
    """Medians, least and most of spreads, scaled; None where there is none."""
    return {
        name: [None if entry is None else entry[key] * scale for entry in entries]
        for name, key in (("median", "median"), ("least", "min"), ("most", "max"))
    }
