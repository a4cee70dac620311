# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""The sections of report.html on runs: of the threshold, of the other programs, over slower links."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from . import tables
from .spread import Spread, of, rate
from .tables import Cell, Entry, Section, Series, cell, column, spread
from .units import binary, digest, duration, number, percent, ratio, size
from .units import rate as speed

WAYS = {"baseline": "baseline", "offload": "offload (scan)", "slm": "standard flow (SLM)"}
# Colour and hatch.
LOOKS = {"baseline": ("tab:gray", ""), "offload": ("tab:blue", ""), "slm": ("tab:orange", "//")}

WAY = column("way", "name", WAYS.__getitem__)
SELECTED = column("selected", "selectivity", percent, absent="all")
PROGRAM = column("program", "program")
PARAMETERS = column("parameters", "parameters", absent="", wide=True)
THROUGHPUT = column("throughput", "scanned_bytes_per_s", speed)
TOOK = column("a pass took (least to most)", "seconds", spread(duration))
MATCHES = column("matches", "matches", number)
SHA256 = column("SHA-256", "matches_sha256", digest)
RESULT = column("result", "matched_bytes", size)
TO_HOST = column("to the host", "wire_bytes_to_host", size)


def _ways(measured: Callable[[Entry], Spread | None]) -> list[Series]:
    """A series for each way."""

    def of_way(way: str) -> Callable[[Entry], Spread | None]:
        return lambda run: measured(run) if run["name"] == way else None

    return [(name, *LOOKS[way], of_way(way)) for way, name in WAYS.items()]


def _alone(name: str, factor: float) -> Callable[[Entry], Spread | None]:
    """A figure that was measured once, as a spread."""
    return lambda run: of([run[name] * factor]) if run[name] else None


def _selected(run: Entry) -> str:
    return percent(run["selectivity"])


def _gigabytes(run: Entry) -> Spread:
    return rate(run["scanned_bytes"] / 1e9, run["seconds"])


def thresholds(runs: Sequence[Entry]) -> list[Section]:
    throughput = Section(
        "throughput",
        "Throughput by selectivity",
        "The threshold filter over all records, from the first command sent to the last selected record in the host's "
        "memory, in order. Bars are medians, whiskers the fastest and slowest repeat. Each way at the fastest setting "
        "that a sweep found.",
        [WAY, SELECTED, THROUGHPUT, TOOK, MATCHES, SHA256, ("size by depth", _setting)],
        runs,
        tables.chart(
            "throughput in GB/s by share of records selected",
            runs,
            _selected,
            _ways(_gigabytes),
            "stored data gone through, GB/s",
            label=ratio,
        ),
    )
    wire_chart = tables.chart(
        "MB to the host by share of records selected",
        runs,
        _selected,
        _ways(_alone("wire_bytes_to_host", 1e-6)),
        "MB to the host (logarithmic)",
        logarithmic=True,
    )
    wire = Section(
        "wire",
        "Bytes on the wire",
        "TCP payload from the target to the host in one pass, NVMe/TCP headers included.",
        [
            WAY,
            SELECTED,
            TO_HOST,
            column("to the target", "wire_bytes_to_target", size),
            column("selected bytes", "matched_bytes", size),
            ("to the host per selected byte", _per_matched),
        ],
        runs,
        wire_chart,
    )
    return [throughput, *([wire] if wire_chart else []), _cpu(runs)]


def _setting(run: Entry) -> Cell:
    return cell(f"{binary(run['io_bytes'])} by {run['queue_depth']}", [run["io_bytes"], run["queue_depth"]])


def _per_matched(run: Entry) -> Cell:
    matched, count = run.get("matched_bytes"), run["wire_bytes_to_host"]
    return cell("none") if not matched or count is None else cell(f"{count / matched:.3g}")


def _cpu(runs: Sequence[Entry]) -> Section:
    return Section(
        "cpu",
        "CPU time",
        "SPDK polls: the measuring process and the target's reactors burn a core each for as long as a pass takes. "
        "Working time is what the reactors did not spend on finding nothing to do; the program's own share of it is in "
        "the table.",
        [
            WAY,
            SELECTED,
            column("host", "host_cpu_s", duration),
            column("target at work", "target_cpu_s", duration),
            column("target's core held", "target_reactor_s", duration),
            column("inside the program", "target_scan_s", spread(duration)),
            column("whole machine busy", "machine_busy_s", duration),
        ],
        runs,
        tables.chart(
            "CPU milliseconds of host and target in one pass",
            sorted(runs, key=lambda run: float(run["selectivity"])),
            lambda run: f"{_selected(run)}, {WAYS[run['name']]}",
            [
                ("host: the measuring process", "tab:green", "", _alone("host_cpu_s", 1e3)),
                ("target: its reactors at work", "tab:purple", "//", _alone("target_cpu_s", 1e3)),
            ],
            "CPU time of one pass, ms",
            sideways=True,
            label=lambda milliseconds: f"{milliseconds:.0f}",
        ),
    )


def programs(runs: Sequence[Entry]) -> Section:
    return Section(
        "programs",
        "The other programs",
        "Search finds places at any byte; aggregate, histogram and top give one state; sample keeps each hundredth "
        "record, which a host that has all data already takes without looking at the rest.",
        [PROGRAM, WAY, THROUGHPUT, TOOK, MATCHES, RESULT, TO_HOST, SHA256, PARAMETERS],
        runs,
        tables.chart(
            "throughput in GB/s by program",
            runs,
            lambda run: str(run["program"]),
            _ways(_gigabytes),
            "stored data gone through, GB/s",
            label=ratio,
        ),
    )


def link(link: Entry) -> Section:
    gbits = f"{link['mbits'] / 1000:g} Gbit/s"
    return Section(
        f"link{link['mbits']}",
        f"Over a link of {gbits}",
        f"The threshold runs again with {link['interface']} shaped by tc {link['shaper']}.",
        [WAY, SELECTED, THROUGHPUT, TOOK],
        link["runs"],
        tables.chart(
            f"throughput over {gbits}",
            link["runs"],
            _selected,
            _ways(_gigabytes),
            "GB/s (logarithmic)",
            logarithmic=True,
            line=(link["mbits"] / 8000, "the link"),
        ),
    )
