# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Numbers for people."""

from __future__ import annotations

number = "{:,}".format
ratio = "{:.2f}".format
digest = "{:.12}…".format


def size(count: float) -> str:
    """Bytes in decimal units, as disks and networks count."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5 or unit == "GB":
            break
        count /= 1000
    return f"{count:.0f} {unit}" if unit == "B" else f"{count:.3g} {unit}"


def binary(count: int) -> str:
    """Sizes that people give in powers of two."""
    for unit, shift in (("MiB", 20), ("KiB", 10)):
        if count % (1 << shift) == 0:
            return f"{count >> shift} {unit}"
    return f"{count} B"


def rate(per_second: float) -> str:
    return f"{per_second / 1e9:.2f} GB/s"


def percent(selectivity: float | None) -> str:
    return "all" if selectivity is None else f"{selectivity * 100:g} %"


def duration(seconds: float) -> str:
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if seconds * factor >= 1 or unit == "µs":
            break
    return f"{seconds * factor:.3g} {unit}"


def nanoseconds(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
