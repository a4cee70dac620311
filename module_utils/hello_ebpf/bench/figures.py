# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""What report.html shows, section after section: pure functions of a report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from .charts import Bars, Chart
from .headlines import on_loopback
from .spread import Spread, of, rate
from .tables import Cell, Column, Entry, Section, column, spread
from .units import binary, digest, duration, nanoseconds, number, percent, ratio, size
from .units import rate as speed

RECORD_BYTES = 64
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
TO_HOST = column("to the host", "wire_bytes_to_host", size)


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
        return [one for one in report.get(name, []) if f"{one.get('host')} -> {one.get('target')}" == label]

    runs = of_label("runs")
    return [
        *_thresholds([run for run in runs if run["program"] == "threshold"]),
        *_programs([run for run in runs if run["program"] != "threshold"]),
        *_phases(report.get("phases", {}).get(label)),
        *_workers(report.get("workers", {}).get(label)),
        *[_link(link) for link in of_label("links")],
        *_engine(of_label("engine"), report.get("memory", {}).get(label)),
        *_compiled(of_label("compile")),
        *_headlines(of_label("headlines")),
    ]


# ---- the fleet


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
        Column("target", lambda row: Cell(_short_target(row), row["target"])),
        column("through", "initiator", lambda initiator: "kernel" if initiator == "kernel" else "SPDK"),
        Column("program", _shown_program),
        column("baseline", "baseline.scanned_bytes_per_s", speed),
        column("offload", "offload.scanned_bytes_per_s", speed),
        column("to the host, baseline", "baseline.wire_bytes_to_host", size),
        column("offload", "offload.wire_bytes_to_host", size),
        column("digests of all ways", "digests_agree", lambda agree: "agree" if agree else "differ"),
        column("SHA-256, offload", "offload.matches_sha256", digest),
        Column("not told from here", _left_out),
        column("measured", "measured", absent="never"),
    ]
    return [Section("pairs", "The fleet", text, columns, rows)]


def _short_target(row: Entry) -> str:
    nqn = str(row["subsystem_nqn"] or row["target"])
    return f"{nqn.rpartition(':')[2]} at {row['address']}:{row['service_id']}" if row["address"] else nqn


def _shown_program(row: Entry) -> Cell:
    if "program" not in row:
        return Cell("none")
    return Cell(f"{row['program']} {percent(row['selectivity'])}", [row["program"], row["selectivity"]])


def _left_out(row: Entry) -> Cell:
    reason, again = row["unavailable"], " again" if "program" in row else ""
    words = [*row["left_out"], *([f"could not be measured{again}. {reason}"] if reason else [])]
    return Cell("; ".join(words) or "nothing", row["left_out"], wide=True)


# ---- runs


# A series: its name, colour, hatch, and what it makes of an entry.
Series = tuple[str, str, str, Callable[[Entry], Spread | None]]


def _chart(
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


def _ways(measured: Callable[[Entry], Spread | None]) -> list[Series]:
    """A series for each way."""

    def of_way(way: str) -> Callable[[Entry], Spread | None]:
        return lambda run: measured(run) if run["name"] == way else None

    return [(name, *LOOKS[way], of_way(way)) for way, name in WAYS.items()]


def _alone(name: str, factor: float = 1) -> Callable[[Entry], Spread | None]:
    """A figure that was measured once, as a spread."""
    return lambda run: None if run[name] is None else of([run[name] * factor])


def _selected(run: Entry) -> str:
    return percent(run["selectivity"])


def _gigabytes(run: Entry) -> Spread:
    return rate(run["scanned_bytes"] / 1e9, run["seconds"])


def _thresholds(runs: Sequence[Entry]) -> list[Section]:
    if not runs:
        return []
    throughput = Section(
        "throughput",
        "Throughput by selectivity",
        "The threshold filter over all records, from the first command sent to the last selected record in the host's "
        "memory, in order. Bars are medians, whiskers the fastest and slowest repeat. Each way at the fastest setting "
        "that a sweep found.",
        [WAY, SELECTED, THROUGHPUT, TOOK, MATCHES, SHA256, Column("size by depth", _setting)],
        runs,
        _chart(
            "throughput in GB/s by share of records selected",
            runs,
            _selected,
            _ways(_gigabytes),
            "stored data gone through, GB/s",
            label=ratio,
        ),
    )
    wire_chart = _chart(
        "bytes to the host by share of records selected",
        runs,
        _selected,
        _ways(_alone("wire_bytes_to_host")),
        "bytes to the host (logarithmic)",
        logarithmic=True,
        label=size,
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
            Column("to the host per selected byte", _per_matched),
        ],
        runs,
        wire_chart,
    )
    return [throughput, *([wire] if wire_chart else []), _cpu(runs)]


def _setting(run: Entry) -> Cell:
    return Cell(f"{binary(run['io_bytes'])} by {run['queue_depth']}", [run["io_bytes"], run["queue_depth"]])


def _per_matched(run: Entry) -> Cell:
    matched, count = run.get("matched_bytes"), run["wire_bytes_to_host"]
    return Cell("none") if not matched or count is None else Cell(f"{count / matched:.3g}")


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
        _chart(
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


def _programs(runs: Sequence[Entry]) -> list[Section]:
    if not runs:
        return []
    return [
        Section(
            "programs",
            "The other programs",
            "Search finds places at any byte; aggregate, histogram and top give one state; sample keeps each hundredth "
            "record, which a host that has all data already takes without looking at the rest.",
            [
                PROGRAM, WAY, THROUGHPUT, TOOK, MATCHES, column("result", "matched_bytes", size), TO_HOST, SHA256,
                PARAMETERS,
            ],
            runs,
            _chart(
                "throughput in GB/s by program",
                runs,
                lambda run: str(run["program"]),
                _ways(_gigabytes),
                "stored data gone through, GB/s",
                label=ratio,
            ),
        )
    ]  # fmt: skip


def _link(link: Entry) -> Section:
    gbits = f"{link['mbits'] / 1000:g} Gbit/s"
    return Section(
        f"link{link['mbits']}",
        f"Over a link of {gbits}",
        f"The threshold runs again with {link['interface']} shaped by tc {link['shaper']}.",
        [WAY, SELECTED, THROUGHPUT, TOOK],
        link["runs"],
        _chart(
            f"throughput over {gbits}",
            link["runs"],
            _selected,
            _ways(_gigabytes),
            "GB/s (logarithmic)",
            logarithmic=True,
            line=(link["mbits"] / 8000, "the link"),
        ),
    )


# ---- steps and workers

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


def _phases(phases: Entry | None) -> list[Section]:
    if not phases:
        return []
    title = "The steps of the standard flow, each alone"
    if "seconds" not in phases:
        return [Section("phases", title, f"Not measured. {phases.get('reason', '')}")]
    steps = [{"step": name, "seconds": phases["seconds"][name]} for name in PHASES if name in phases["seconds"]]
    return [
        Section(
            "phases",
            title,
            f"The threshold program ({phases['program_bytes']:,} bytes of ELF) loaded into a spare slot over NVMe, "
            f"nothing beside it, then run once over {binary(phases['chunk_bytes'])}, selecting "
            f"{size(phases['matched_bytes'])}.",
            [column("step", "step", PHASES.__getitem__), column("took (least to most)", "seconds", spread(duration))],
            steps,
            _chart(
                "what each step takes",
                steps,
                lambda one: PHASES[one["step"]],
                [("median", "tab:blue", "", lambda one: one["seconds"])],
                "seconds (logarithmic)",
                logarithmic=True,
                sideways=True,
                label=duration,
            ),
        )
    ]


def _workers(workers: Entry | None) -> list[Section]:
    if not workers:
        return []
    sent = {"spinning": "at once", "asleep": f"{duration(workers['rest_seconds'])} after the answer before it"}
    program = f"{workers['program']} at {percent(workers['selectivity'])}"
    reason = f" One at a time alone: {workers['reason']}." if workers["reason"] else ""
    return [
        Section(
            "executes",
            "Execute Program, one at a time",
            f"{program}. A command that is sent at once finds its worker looking for it, a later one finds it asleep.",
            [
                column("input", "bytes", binary),
                column("sent", "worker", sent.__getitem__),
                column("took (least to most)", "seconds", spread(duration)),
                column("99 of 100 within", "p99_seconds", duration),
            ],
            workers["executes"],
        ),
        Section(
            "scans",
            "Scans by several workers",
            f"{program}. Scans of {binary(workers['range_bytes'])}, each of which takes a worker.{reason}",
            [column("at a time", "workers"), column("throughput (least to most)", "bytes_per_s", spread(speed))],
            workers["scans"],
        ),
    ]


# ---- what programs cost


def _engine(engine: Sequence[Entry], memory: Entry | None) -> list[Section]:
    if not engine:
        return []
    text = (
        "The program alone, on data in memory, on one core of the target: the machine code that the drive makes of "
        "each, called as a worker calls it, beside its own source compiled natively, and beside only reading the "
        "same bytes; by turns. Nanoseconds are for each 64 bytes of input."
    )
    entries_of = Counter(entry["program"] for entry in engine)

    def name(entry: Entry) -> str:
        if entry.get("selectivity") is not None:
            return f"{entry['program']} {_selected(entry)}"
        return f"{entry['program']}, {entry['parameters']}" if entries_of[entry["program"]] > 1 else entry["program"]

    line = None
    if memory is not None:
        text += f" Reading memory: {speed(memory['bytes_per_s']['median'])}, {memory['how']}."
        read = RECORD_BYTES / memory["bytes_per_s"]["median"] * 1e9
        line = (read, f"reading memory, {read:.2g} ns")
    chart = _chart(
        "nanoseconds for each 64 bytes",
        engine,
        name,
        [
            ("native C, -O3", "tab:gray", "", lambda entry: entry.get("native_ns_per_record_spread")),
            ("as the drive runs it", "tab:blue", "", lambda entry: entry.get("ns_per_record_spread")),
        ],
        "ns for each 64 bytes (logarithmic)",
        logarithmic=True,
        sideways=True,
        line=line,
    )
    columns = [
        PROGRAM,
        PARAMETERS,
        column("ns", "ns_per_record", nanoseconds),
        column("least to most", "ns_per_record_spread", spread(nanoseconds)),
        column("native ns", "native_ns_per_record", nanoseconds),
        column("native, least to most", "native_ns_per_record_spread", spread(nanoseconds)),
        column("speed of native", "speed_of_native", spread(ratio)),
        column("throughput", "bytes_per_s", spread(speed)),
        column("plain C", "reference_ns_per_record", spread(nanoseconds)),
        column("reading memory", "memory_read_ns_per_record", spread(nanoseconds)),
    ]
    return [Section("engine", "What a program costs", text, columns, engine, chart)]


def _compiled(compiled: Sequence[Entry]) -> list[Section]:
    if not compiled:
        return []
    text = "From clang's object to machine code, by csd_compile with nothing kept from before, as the drive does it."
    columns = [
        PROGRAM,
        column("on the clock", "wall_seconds", spread(duration)),
        column("CPU time of all its processes", "cpu_seconds", spread(duration)),
        column("machine code", "code_bytes", size),
    ]
    return [Section("compile", "What compiling a program costs", text, columns, compiled)]


# ---- of the whole report


def _headlines(headlines: Sequence[Entry]) -> list[Section]:
    if not headlines:
        return []
    text = "The spread sets the slowest of one against the fastest of the other, and the other way round."
    columns = [
        column("figure", "figure"),
        column("median (least to most)", "found", spread(lambda value: f"{value:.3g}")),
        column("what it means", "meaning", wide=True),
    ]
    return [Section("headlines", "The headline figures", text, columns, headlines)]


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
