# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Spreads: the least, the median and the greatest of what was measured several times."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

Spread = Mapping[str, float]


def of(values: Sequence[float]) -> dict[str, float]:
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}


def quotient(upper: Spread, lower: Spread) -> dict[str, float]:
    """The least by the greatest, and the other way round: the widest that both together leave open."""
    pairs = (("min", "max"), ("median", "median"), ("max", "min"))
    return {name: round(upper[name] / lower[other], 4) for name, other in pairs}


def rate(amount: float, seconds: Spread) -> dict[str, float]:
    """Of an amount in that time, by the second: the longest time is the slowest rate."""
    return {"min": amount / seconds["max"], "median": amount / seconds["median"], "max": amount / seconds["min"]}
