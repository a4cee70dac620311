# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""The sections of report.html on what steps, workers and programs cost by themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from . import tables
from .dataset import RECORD_BYTES
from .figures_runs import PARAMETERS, PROGRAM
from .tables import Entry, Section, column, spread
from .units import binary, duration, nanoseconds, percent, ratio, size
from .units import rate as speed

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


def phases(phases: Entry | None) -> list[Section]:
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
            tables.chart(
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


def workers(workers: Entry | None) -> list[Section]:
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


def engine(engine: Sequence[Entry], memory: Entry | None) -> Section:
    text = (
        "The program alone, on data in memory, on one core of the target: the machine code that the drive makes of "
        "each, called as a worker calls it, beside its own source compiled natively, and beside only reading the "
        "same bytes; by turns. Nanoseconds are for each 64 bytes of input."
    )
    entries_of = Counter(entry["program"] for entry in engine)

    def name(entry: Entry) -> str:
        if entry.get("selectivity") is not None:
            return f"{entry['program']} {percent(entry['selectivity'])}"
        return f"{entry['program']}, {entry['parameters']}" if entries_of[entry["program"]] > 1 else entry["program"]

    line = None
    if memory is not None:
        text += f" Reading memory: {speed(memory['bytes_per_s']['median'])}, {memory['how']}."
        read = RECORD_BYTES / memory["bytes_per_s"]["median"] * 1e9
        line = (read, f"reading memory, {read:.2g} ns")
    chart = tables.chart(
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
    return Section("engine", "What a program costs", text, columns, engine, chart)


def compiled(compiled: Sequence[Entry]) -> Section:
    text = "From clang's object to machine code, by csd_compile with nothing kept from before, as the drive does it."
    columns = [
        PROGRAM,
        column("on the clock", "wall_seconds", spread(duration)),
        column("CPU time of all its processes", "cpu_seconds", spread(duration)),
        column("machine code", "code_bytes", size),
    ]
    return Section("compile", "What compiling a program costs", text, columns, compiled)
