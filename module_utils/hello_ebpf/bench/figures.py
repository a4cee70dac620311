# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""What report.html shows: for each section its words, its chart and the table behind it. Pure functions of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import charts
from .charts import Bars, Chart

Run = Mapping[str, Any]
RECORD_BYTES = 64
WAYS = {"baseline": "baseline", "offload": "offload (scan)", "slm": "standard flow (SLM)"}


@dataclass(frozen=True)
class Cell:
    """What a table's cell shows, and the report's value behind it."""

    shown: str
    value: Any = None
    wide: bool = False


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Attributes:
        ident: names it in links.
        title, text: words.
        chart, alt: the chart, and what it shows in words for who cannot see it.
        head, rows: the table.
        level: of the heading.
    """

    ident: str
    title: str
    text: str
    chart: Chart | None
    alt: str
    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    level: str = "h2"


# ---- numbers for people


def size(count: float | None) -> str:
    """Bytes in decimal units, as disks and networks count."""
    if count is None:
        return "none"
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


def share(selectivity: float | None) -> str:
    return "all" if selectivity is None else f"{selectivity * 100:g} %"


def duration(seconds: float | None) -> str:
    if seconds is None:
        return "none"
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if seconds * factor >= 1 or unit == "µs":
            break
    return f"{seconds * factor:.3g} {unit}"


def _spread(entry: Mapping[str, float] | None, show: Any) -> Cell:
    if entry is None:
        return Cell("none")
    return Cell(f"{show(entry['median'])} ({show(entry['min'])} to {show(entry['max'])})", dict(entry))


# ---- sections


def sections(report: Mapping[str, Any]) -> list[Section]:
    """All of a report, pair after pair of host and target."""
    labels = list(report.get("inputs", {}))
    found = _pairs(report.get("pairs", []))
    for number, label in enumerate(labels):
        runs = [run for run in report["runs"] if f"{run['host']} -> {run['target']}" == label]
        if len(labels) > 1:
            found.append(Section(f"pair{number}", label, "", None, "", [], []))
        prefix = f"p{number}-"
        found += _threshold_sections(prefix, runs)
        found += _program_sections(prefix, runs)
        found += _phases(prefix, report.get("phases", {}).get(label))
        found += _workers(prefix, report.get("workers", {}).get(label))
        found += _links(prefix, [link for link in report.get("links", []) if _is_of(link, label)])
        found += _engine(
            prefix, [one for one in report["engine"] if _is_of(one, label)], report.get("memory", {}).get(label)
        )
        found += _compiled(prefix, [one for one in report.get("compile", []) if _is_of(one, label)])
    return [*found, *_headlines(report.get("headlines", [])), *_about(report)]


def _pairs(rows: Sequence[Mapping[str, Any]]) -> list[Section]:
    """The fleet on one table; one pair that was measured needs none."""
    if len(rows) < 2 and not any(row["unavailable"] for row in rows):
        return []
    text = (
        "A row for each pair of host and target, measured one after another: nothing else of the fleet's was on the "
        "network or at the target meanwhile. Throughput and bytes are those of the named program; digests are compared "
        "for every program."
    )
    head = [
        "host", "target", "through", "program", "baseline", "offload", "to the host, baseline", "offload",
        "digests of all ways", "SHA-256, offload", "not told from here", "measured",
    ]  # fmt: skip
    return [Section("pairs", "The fleet", text, None, "", head, [_pair(row) for row in rows])]


def _pair(row: Mapping[str, Any]) -> list[Cell]:
    left_out = row["left_out"]
    place = [
        Cell(row["host"], row["host"]),
        Cell(_short_target(row), row["target"]),
        Cell("kernel" if row["initiator"] == "kernel" else "SPDK", row["initiator"]),
    ]
    reason = row["unavailable"] or ""
    if "program" not in row:
        return [*place, *[Cell("none")] * 7, Cell(f"could not be measured. {reason}", reason, wide=True), Cell("never")]
    baseline, offload = row["baseline"], row["offload"]
    wide = "; ".join([*left_out, *([f"could not be measured again. {reason}"] if reason else [])]) or "nothing"
    return [
        *place,
        Cell(f"{row['program']} {share(row['selectivity'])}", [row["program"], row["selectivity"]]),
        *(_of_way(way, "scanned_bytes_per_s", rate) for way in (baseline, offload)),
        *(_of_way(way, "wire_bytes_to_host", size) for way in (baseline, offload)),
        Cell("agree" if row["digests_agree"] else "differ", row["digests_agree"]),
        _of_way(offload, "matches_sha256", lambda v: v[:12] + "…"),
        Cell(wide, left_out, wide=True),
        Cell(row["measured"], row["measured"]),
    ]


def _short_target(row: Mapping[str, Any]) -> str:
    nqn = str(row["subsystem_nqn"] or row["target"])
    return f"{nqn.rpartition(':')[2]} at {row['address']}:{row['service_id']}" if row["address"] else nqn


def _of_way(figures: Mapping[str, Any] | None, name: str, show: Any) -> Cell:
    return Cell("none") if figures is None else Cell(show(figures[name]), figures[name])


def _is_of(entry: Mapping[str, Any], label: str) -> bool:
    return f"{entry.get('host')} -> {entry.get('target')}" == label


def _ways_of(runs: Sequence[Run]) -> list[str]:
    return [way for way in WAYS if any(run["name"] == way for run in runs)]


def _find(runs: Sequence[Run], way: str, program: str, selectivity: float | None) -> Run | None:
    what = (way, program, selectivity)
    return next((run for run in runs if (run["name"], run["program"], run["selectivity"]) == what), None)


def _bars(runs: Sequence[Run], keys: Sequence[tuple[str, float | None]], value: Any) -> list[Bars]:
    """A series for each way; ``value`` gives a run's (median, least, most), or None."""
    series = []
    for way in _ways_of(runs):
        found = [_find(runs, way, *key) for key in keys]
        points = [None if run is None else value(run) for run in found]
        if any(point is not None for point in points):
            median, least, most = ([None if one is None else one[index] for one in points] for index in range(3))
            series.append(Bars(WAYS[way], charts.WAY_COLOURS[way], median, least, most, hatch=charts.WAY_HATCHES[way]))
    return series


def _throughput(run: Run) -> tuple[float, float, float]:
    seconds, scanned = run["seconds"], run["scanned_bytes"] / 1e9
    return scanned / seconds["median"], scanned / seconds["max"], scanned / seconds["min"]


def _in_words(series: Sequence[Bars], groups: Sequence[str], show: Any) -> str:
    return "; ".join(
        f"{bars.name}: "
        + ", ".join(
            f"{group} {show(value)}" for group, value in zip(groups, bars.median, strict=True) if value is not None
        )
        for bars in series
    )


def _threshold_sections(prefix: str, runs: Sequence[Run]) -> list[Section]:
    mine = [run for run in runs if run["program"] == "threshold"]
    keys = list(dict.fromkeys((run["program"], run["selectivity"]) for run in mine))
    if not keys:
        return []
    groups = [share(selectivity) for _, selectivity in keys]
    return [
        _throughput_section(prefix, mine, keys, groups),
        *_wire_section(prefix, mine, keys, groups),
        _cpu_section(prefix, mine, keys, groups),
    ]


def _throughput_section(
    prefix: str, runs: Sequence[Run], keys: Sequence[tuple[str, float | None]], groups: Sequence[str]
) -> Section:
    series = _bars(runs, keys, _throughput)
    chart = Chart(f"{prefix}throughput", groups, series, "stored data gone through, GB/s", label=lambda v: f"{v:.1f}")
    rows = [
        [
            Cell(WAYS[run["name"]], run["name"]),
            Cell(share(run["selectivity"]), run["selectivity"]),
            Cell(rate(run["scanned_bytes_per_s"]), run["scanned_bytes_per_s"]),
            _spread(run["seconds"], duration),
            Cell(f"{run['matches']:,}", run["matches"]),
            Cell(run["matches_sha256"][:12] + "…", run["matches_sha256"]),
            Cell(f"{binary(run['io_bytes'])} by {run['queue_depth']}", [run["io_bytes"], run["queue_depth"]]),
        ]
        for run in runs
    ]
    return Section(
        f"{prefix}throughput",
        "Throughput by selectivity",
        "The threshold filter over all records, from the first command sent to the last selected record in the host's "
        "memory, in order. Bars are medians, whiskers the fastest and slowest repeat. Each way at the fastest setting "
        "that a sweep found.",
        chart,
        "Bar chart of throughput in GB/s by share of records selected. "
        + _in_words(series, groups, lambda v: f"{v:.2f}"),
        ["way", "selected", "throughput", "a pass took (least to most)", "matches", "SHA-256", "size by depth"],
        rows,
    )


def _wire_section(
    prefix: str, runs: Sequence[Run], keys: Sequence[tuple[str, float | None]], groups: Sequence[str]
) -> list[Section]:
    def to_host(run: Run) -> tuple[float, float, float] | None:
        count = run["wire_bytes_to_host"]
        return None if not count else (count / 1e6, count / 1e6, count / 1e6)

    series = _bars(runs, keys, to_host)
    if not series:
        return []
    chart = Chart(f"{prefix}wire", groups, series, "MB to the host (logarithmic)", logarithmic=True)
    rows = [
        [
            Cell(WAYS[run["name"]], run["name"]),
            Cell(share(run["selectivity"]), run["selectivity"]),
            Cell(size(run["wire_bytes_to_host"]), run["wire_bytes_to_host"]),
            Cell(size(run["wire_bytes_to_target"]), run["wire_bytes_to_target"]),
            Cell(size(run.get("matched_bytes")), run.get("matched_bytes")),
            _per_matched(run),
        ]
        for run in runs
    ]
    return [
        Section(
            f"{prefix}wire",
            "Bytes on the wire",
            "TCP payload from the target to the host in one pass, NVMe/TCP headers included.",
            chart,
            f"Bar chart of bytes to the host by share of records selected. "
            f"{_in_words(series, groups, lambda v: size(v * 1e6))}",
            ["way", "selected", "to the host", "to the target", "selected bytes", "to the host per selected byte"],
            rows,
        )
    ]


def _per_matched(run: Run) -> Cell:
    matched, count = run.get("matched_bytes"), run["wire_bytes_to_host"]
    return Cell("none") if not matched or count is None else Cell(f"{count / matched:.3g}")


def _cpu_section(
    prefix: str, runs: Sequence[Run], keys: Sequence[tuple[str, float | None]], groups: Sequence[str]
) -> Section:
    ways = _ways_of(runs)
    series = []
    for name, colour, hatch in (
        ("host_cpu_s", charts.HOST, ""),
        ("target_cpu_s", charts.TARGET, "//"),
    ):
        flat = [_find(runs, way, *key) for key in keys for way in ways]
        values: list[float | None] = [None if run is None or run[name] is None else run[name] * 1e3 for run in flat]
        if any(value is not None for value in values):
            title = "host: the measuring process" if name == "host_cpu_s" else "target: its reactors at work"
            series.append(Bars(title, colour, values, values, values, hatch))
    labels = [f"{group}, {WAYS[way]}" for group in groups for way in ways]
    chart = Chart(f"{prefix}cpu", labels, series, "CPU time of one pass, ms", sideways=True, label=lambda v: f"{v:.0f}")
    rows = [
        [
            Cell(WAYS[run["name"]], run["name"]),
            Cell(share(run["selectivity"]), run["selectivity"]),
            Cell(duration(run["host_cpu_s"]), run["host_cpu_s"]),
            Cell(duration(run["target_cpu_s"]), run["target_cpu_s"]),
            Cell(duration(run.get("target_reactor_s")), run.get("target_reactor_s")),
            _spread(run.get("target_scan_s"), duration),
            Cell(duration(run.get("machine_busy_s")), run.get("machine_busy_s")),
        ]
        for run in runs
    ]
    return Section(
        f"{prefix}cpu",
        "CPU time",
        "SPDK polls: the measuring process and the target's reactors burn a core each for as long as a pass takes. "
        "Working time is what the reactors did not spend on finding nothing to do; the program's own share of it is in "
        "the table.",
        chart,
        "Bar chart of CPU milliseconds of host and target in one pass. "
        + _in_words(series, labels, lambda v: f"{v:.0f} ms"),
        ["way", "selected", "host", "target at work", "target's core held", "inside the program", "whole machine busy"],
        rows,
    )


def _program_sections(prefix: str, runs: Sequence[Run]) -> list[Section]:
    mine = [run for run in runs if run["program"] != "threshold"]
    keys = list(dict.fromkeys((run["program"], run["selectivity"]) for run in mine))
    if not keys:
        return []
    groups = [program for program, _ in keys]
    series = _bars(mine, keys, _throughput)
    chart = Chart(f"{prefix}programs", groups, series, "stored data gone through, GB/s", label=lambda v: f"{v:.1f}")
    rows = [
        [
            Cell(run["program"], run["program"]),
            Cell(WAYS[run["name"]], run["name"]),
            Cell(rate(run["scanned_bytes_per_s"]), run["scanned_bytes_per_s"]),
            _spread(run["seconds"], duration),
            Cell(f"{run['matches']:,}", run["matches"]),
            Cell(size(run.get("matched_bytes")), run.get("matched_bytes")),
            Cell(size(run["wire_bytes_to_host"]), run["wire_bytes_to_host"]),
            Cell(run["matches_sha256"][:12] + "…", run["matches_sha256"]),
            Cell(run.get("parameters", ""), run.get("parameters"), wide=True),
        ]
        for run in mine
    ]
    return [
        Section(
            f"{prefix}programs",
            "The other programs",
            "Search finds places at any byte; aggregate, histogram and top give one state; sample keeps each hundredth "
            "record, which a host that has all data already takes without looking at the rest.",
            chart,
            f"Bar chart of throughput in GB/s by program. {_in_words(series, groups, lambda v: f'{v:.2f}')}",
            [
                "program",
                "way",
                "throughput",
                "a pass took (least to most)",
                "matches",
                "result",
                "to the host",
                "SHA-256",
                "parameters",
            ],
            rows,
        )
    ]


PHASES = {
    "load": "Load Program: bytes sent",
    "verify": "Load Program: verified and compiled",
    "activate": "Program Activation",
    "copy": "SLM Copy of the data",
    "execute": "Execute Program",
    "program": "… the program's own loop in it",
    "read": "SLM Read of the result",
    "unload": "deactivate and unload",
}


def _phases(prefix: str, phases: Mapping[str, Any] | None) -> list[Section]:
    if not phases:
        return []
    title = "The steps of the standard flow, each alone"
    if "seconds" not in phases:
        return [Section(f"{prefix}phases", title, f"Not measured. {phases.get('reason', '')}", None, "", [], [])]
    names = [name for name in PHASES if name in phases["seconds"]]
    spreads = charts.spread_of([phases["seconds"][name] for name in names], 1e6)
    bars = Bars("median", charts.OFFLOAD, spreads["median"], spreads["least"], spreads["most"])
    groups = [PHASES[name] for name in names]
    chart = Chart(
        f"{prefix}phases", groups, [bars], "µs (logarithmic)", logarithmic=True, sideways=True,
        label=lambda v: duration(v / 1e6),
    )  # fmt: skip
    rows = [[Cell(PHASES[name], name), _spread(phases["seconds"][name], duration)] for name in names]
    return [
        Section(
            f"{prefix}phases",
            title,
            f"The threshold program ({phases['program_bytes']:,} bytes of ELF) loaded into a spare slot over NVMe, "
            "nothing beside it, then "
            f"run once over {binary(phases['chunk_bytes'])}, selecting {size(phases['matched_bytes'])}.",
            chart,
            f"Bar chart of what each step takes. {_in_words([bars], groups, lambda v: duration(v / 1e6))}",
            ["step", "took (least to most)"],
            rows,
        )
    ]


def _workers(prefix: str, workers: Mapping[str, Any] | None) -> list[Section]:
    if not workers:
        return []
    asleep = f"sent {duration(workers['rest_seconds'])} after the answer before it"
    rows = [
        [
            Cell(f"Execute Program, {binary(one['bytes'])}", one["bytes"]),
            Cell("sent at once" if one["worker"] == "spinning" else asleep, one["worker"]),
            _spread(one["seconds"], duration),
            Cell(duration(one["p99_seconds"]), one["p99_seconds"]),
        ]
        for one in workers["executes"]
    ]
    rows += [
        [
            Cell("scan", "scan"),
            Cell(f"{one['workers']} at a time", one["workers"]),
            _spread(one["bytes_per_s"], rate),
            Cell("none"),
        ]
        for one in workers["scans"]
    ]
    text = (
        f"{workers['program']} at {share(workers['selectivity'])}. Execute Program, one at a time: a command that is "
        "sent at once finds its worker looking for it, a later one finds it asleep. Scans of "
        f"{binary(workers['range_bytes'])}, each of which takes a worker."
    )
    text += f" One at a time alone: {workers['reason']}." if workers["reason"] else ""
    head = ["command", "how", "median (least to most)", "99 of 100 within"]
    return [Section(f"{prefix}workers", "What workers make of a command", text, None, "", head, rows)]


def _links(prefix: str, links: Sequence[Mapping[str, Any]]) -> list[Section]:
    found = []
    for link in links:
        runs = link["runs"]
        keys = list(dict.fromkeys((run["program"], run["selectivity"]) for run in runs))
        groups = [share(selectivity) for _, selectivity in keys]
        series = _bars(runs, keys, _throughput)
        ident = f"{prefix}link{link['mbits']}"
        gbits = f"{link['mbits'] / 1000:g} Gbit/s"
        rows = [
            [
                Cell(WAYS[run["name"]], run["name"]),
                Cell(share(run["selectivity"]), run["selectivity"]),
                Cell(rate(run["scanned_bytes_per_s"]), run["scanned_bytes_per_s"]),
                _spread(run["seconds"], duration),
            ]
            for run in runs
        ]
        found.append(
            Section(
                ident,
                f"Over a link of {gbits}",
                f"The threshold runs again with {link['interface']} shaped by tc {link['shaper']}.",
                Chart(
                    ident, groups, series, "GB/s (logarithmic)", logarithmic=True, label=lambda v: f"{v:.2g}",
                    line=(link["mbits"] / 8000, "the link"),
                ),
                f"Bar chart of throughput over {gbits}. {_in_words(series, groups, lambda v: f'{v:.3g}')}",
                ["way", "selected", "throughput", "a pass took (least to most)"],
                rows,
            )
        )  # fmt: skip
    return found


ENGINE_WAYS = (
    ("native C, -O3", charts.BASELINE, "", "native_ns_per_record_spread"),
    ("as the drive runs it", charts.OFFLOAD, "", "ns_per_record_spread"),
)


def _engine(prefix: str, engine: Sequence[Mapping[str, Any]], memory: Mapping[str, Any] | None) -> list[Section]:
    if not engine:
        return []
    groups = [_engine_name(entry) for entry in engine]
    series = []
    for name, colour, hatch, key in ENGINE_WAYS:
        spreads = charts.spread_of([entry.get(key) for entry in engine])
        if any(value is not None for value in spreads["median"]):
            series.append(Bars(name, colour, spreads["median"], spreads["least"], spreads["most"], hatch))
    line = None if memory is None else _memory_line(memory)
    chart = Chart(
        f"{prefix}engine", groups, series, "ns for each 64 bytes (logarithmic)", logarithmic=True, sideways=True,
        line=line,
    )  # fmt: skip
    rows = [
        [
            Cell(entry["program"], entry["program"]),
            Cell(entry.get("parameters", ""), entry.get("parameters"), wide=True),
            Cell(f"{entry['ns_per_record']:.3g}", entry["ns_per_record"]),
            _spread(entry.get("ns_per_record_spread"), _short),
            Cell(f"{entry['native_ns_per_record']:.3g}", entry["native_ns_per_record"]),
            _spread(entry.get("native_ns_per_record_spread"), _short),
            _spread(entry.get("speed_of_native"), lambda v: f"{v:.2f}"),
            _spread(entry.get("bytes_per_s"), rate),
            _spread(entry.get("reference_ns_per_record"), _short),
            _spread(entry.get("memory_read_ns_per_record"), _short),
        ]
        for entry in engine
    ]
    read = "" if memory is None else f" Reading memory: {rate(memory['bytes_per_s']['median'])}, {memory['how']}."
    return [
        Section(
            f"{prefix}engine",
            "What a program costs",
            "The program alone, on data in memory, on one core of the target: the machine code that the drive makes of "
            "each, called as a worker calls it, beside its own source compiled natively, and beside only reading the "
            "same bytes; by turns. Nanoseconds are for each 64 bytes of input." + read,
            chart,
            f"Bar chart of nanoseconds a record. {_in_words(series, groups, lambda v: f'{v:.3g} ns')}",
            [
                "program",
                "parameters",
                "ns",
                "least to most",
                "native ns",
                "native, least to most",
                "speed of native",
                "throughput",
                "plain C",
                "reading memory",
            ],
            rows,
        )
    ]


def _compiled(prefix: str, compiled: Sequence[Mapping[str, Any]]) -> list[Section]:
    if not compiled:
        return []
    rows = [
        [
            Cell(entry["program"], entry["program"]),
            _spread(entry["wall_seconds"], duration),
            _spread(entry["cpu_seconds"], duration),
            Cell(size(entry["code_bytes"]), entry["code_bytes"]),
        ]
        for entry in compiled
    ]
    text = "From clang's object to machine code, by csd_compile with nothing kept from before, as the drive does it."
    return [
        Section(
            f"{prefix}compile", "What compiling a program costs", text, None, "",
            ["program", "on the clock", "CPU time of all its processes", "machine code"], rows,
        )
    ]  # fmt: skip


def _engine_name(entry: Mapping[str, Any]) -> str:
    if entry["program"] == "threshold" and entry.get("selectivity") is not None:
        return f"threshold {share(entry['selectivity'])}"
    return f"search, {entry['parameters']}" if entry["program"] == "search" else str(entry["program"])


def _memory_line(memory: Mapping[str, Any]) -> tuple[float, str]:
    nanoseconds = RECORD_BYTES / memory["bytes_per_s"]["median"] * 1e9
    return nanoseconds, f"reading memory, {nanoseconds:.2g} ns"


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _headlines(headlines: Sequence[Mapping[str, Any]]) -> list[Section]:
    if not headlines:
        return []
    rows = [
        [
            Cell(one["figure"], one["figure"]),
            _spread(one["found"], lambda v: f"{v:.3g}"),
            Cell(one["meaning"], one["meaning"], wide=True),
        ]
        for one in headlines
    ]
    text = "The spread sets the slowest of one against the fastest of the other, and the other way round."
    head = ["figure", "median (least to most)", "what it means"]
    return [Section("headlines", "The figures at the top", text, None, "", head, rows)]


def _about(report: Mapping[str, Any]) -> list[Section]:
    """Data set and settings."""
    dataset = report["dataset"]
    facts: list[tuple[str, Any]] = [
        ("data set", f"{dataset['records']:,} records from seed {dataset['seed']}, SHA-256 {dataset['sha256']}"),
        ("SPDK", f"{report['spdk']['version']} ({report['spdk']['source']}), SHA-256 {report['spdk']['sha256']}"),
    ]
    for label, source in report.get("wire_source", {}).items():
        reason = f" ({source['reason']})" if source.get("reason") else ""
        facts.append((f"bytes counted, {label}", f"by {source['source']}{reason}"))
    for label, programs in report.get("programs", {}).items():
        for program in programs:
            verdict = f"{program['verdict']}, " if program.get("verdict") else ""
            facts.append(
                (
                    f"slot {program['slot']}, {label}",
                    f"{program['program']}, {program['engine']}, {verdict}{program['bytes']:,} bytes, "
                    f"SHA-256 {program['sha256']}",
                )
            )
    rows = [[Cell(name), Cell(value, wide=True)] for name, value in facts]
    return [Section("about", "What it was measured on", "", None, "", ["", ""], rows)]


def notes(report: Mapping[str, Any]) -> list[str]:
    """What a reader has to know to judge the figures."""
    found = [
        "Every repeat's result was compared with the known answer, by number and SHA-256. A run that differs is not in "
        "any report: the benchmark fails.",
        "The ways take turns, repeat after repeat, so that whatever else the machine did met them alike.",
        "The host's program is plain C at -O3, run while further reads are under way.",
    ]
    if any(run["target"] and "127.0.0.1" in run["target"] for run in report["runs"]):
        found.append(
            "Host and target are one machine, and the wire is the loopback interface: it is faster than a network and "
            "takes CPU time of both. A slower link slows the baseline at once, a scan only when its results fill it."
        )
    return found
