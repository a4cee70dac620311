# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Charts as matplotlib draws them: SVG on white, so that they look the same in a light and in a dark page.

The same figures give the same bytes.
"""

from __future__ import annotations

import io
import math
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .spread import Spread

STYLE: Any = {
    # Text stays text.
    "svg.fonttype": "none",
    "svg.hashsalt": "hello_ebpf",
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": "0.87",
    "hatch.color": "white",
}
WIDTH_INCHES = 8.6


@dataclass(frozen=True)
class Bars:
    """One series: a bar with its spread for each group, or None. A hatch tells it apart without colour too."""

    name: str
    colour: str
    spreads: Sequence[Spread | None]
    hatch: str = ""


@dataclass(frozen=True)
class Chart:
    """A grouped bar chart.

    Attributes:
        what: it shows.
        groups: below the axis.
        series: bars of each group.
        axis: what the value axis says.
        logarithmic: the value axis is.
        sideways: bars from left to right: for long group names.
        label: writes a value at the end of its bar.
        line: a level to compare with, and its name.
    """

    what: str
    groups: Sequence[str]
    series: Sequence[Bars]
    axis: str
    logarithmic: bool = False
    sideways: bool = False
    label: Callable[[float], str] = field(default=lambda value: f"{value:.3g}")
    line: tuple[float, str] | None = None

    def words(self) -> str:
        """The chart for who cannot see it."""
        series = [
            f"{bars.name}: "
            + ", ".join(
                f"{group} {self.label(spread['median'])}"
                for group, spread in zip(self.groups, bars.spreads, strict=True)
                if spread is not None
            )
            for bars in self.series
        ]
        return f"Bar chart of {self.what}. {'; '.join(series)}"


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
    """The chart as an SVG file."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    height = 0.9 + 0.3 * len(chart.groups) * len(chart.series) if chart.sideways else 3.6
    out = io.StringIO()
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_INCHES, height), layout="constrained")
        axes = figure.add_subplot()
        for index, bars in enumerate(chart.series):
            _draw_bars(axes, chart, index, bars)
        _dress(axes, chart)
        figure.savefig(out, format="svg", metadata={"Date": None})
    return out.getvalue()


def _draw_bars(axes: Any, chart: Chart, index: int, bars: Bars) -> None:
    width = 0.8 / len(chart.series)
    places = [group - 0.4 + width * (index + 0.5) for group in range(len(chart.groups))]
    none = {"min": math.nan, "median": math.nan, "max": math.nan}
    spreads = [spread or none for spread in bars.spreads]
    medians = [spread["median"] for spread in spreads]
    whiskers = [
        [spread["median"] - spread["min"] for spread in spreads],
        [spread["max"] - spread["median"] for spread in spreads],
    ]
    draw_bar, name = (axes.barh, "xerr") if chart.sideways else (axes.bar, "yerr")
    drawn = draw_bar(
        places,
        medians,
        width * 0.92,
        label=bars.name,
        color=bars.colour,
        hatch=bars.hatch,
        error_kw={"elinewidth": 1, "capsize": 2.5},
        # Figures that never vary have no whiskers.
        **({name: whiskers} if any(length > 0 for ends in whiskers for length in ends) else {}),
    )
    axes.bar_label(drawn, fmt=chart.label, padding=3, fontsize=8.5)


def _dress(axes: Any, chart: Chart) -> None:
    """Axes, grid, legend."""
    places = range(len(chart.groups))
    if chart.sideways:
        axes.set_yticks(places, chart.groups)
        axes.invert_yaxis()
    else:
        axes.set_xticks(places, chart.groups)
    direction, draw_line = ("x", axes.axvline) if chart.sideways else ("y", axes.axhline)
    axes.margins(**{direction: 0.12})
    axes.grid(axis=direction)
    axes.set(**{f"{direction}label": chart.axis})
    if chart.line is not None:
        draw_line(chart.line[0], color="black", linewidth=1, linestyle="--", label=chart.line[1])
    values = [spread["median"] for bars in chart.series for spread in bars.spreads if spread]
    values += [chart.line[0]] if chart.line else []
    # What a clock was too coarse for has no bar on a logarithmic axis.
    values = [value for value in values if value > 0]
    if chart.logarithmic and values:
        # A bar on a logarithmic axis begins somewhere: at a whole decade, well below the least of them.
        least = 10.0 ** math.floor(math.log10(min(values) / 2))
        axes.set(**{f"{direction}scale": "log", f"{direction}lim": (least, None)})
    if len(chart.series) > 1 or chart.line is not None:
        axes.legend(frameon=False, ncols=4, loc="lower left", bbox_to_anchor=(0, 1.0))
