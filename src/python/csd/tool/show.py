# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""What csd found, for people: short tables."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

Data = dict[str, Any]


def show(action: str, data: Data) -> str:
    """The text for a command's data."""
    if action == "list":
        return _drive(data)
    if action in {"scan", "exec"}:
        return _outcome(action, data)
    if action == "stats":
        return _statistics(data["statistics"])
    if action == "slm":
        return _memory(data)
    if action == "ranges":
        return f"memory range set {data['rsid']}" if "rsid" in data else _range_sets(data["range_sets"])
    return _programs([data["program"]])


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Columns as wide as they need to be; numbers to the right."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in [list(head), *cells]) for i in range(len(head))]
    right = [bool(rows) and all(isinstance(row[i], int) for row in rows) for i in range(len(head))]
    lines = []
    for row in [list(head), *cells]:
        parts = (cell.rjust(w) if r else cell.ljust(w) for cell, w, r in zip(row, widths, right, strict=True))
        lines.append("  ".join(parts).rstrip())
    return "\n".join(lines)


def size(count: int) -> str:
    """Bytes as a short text."""
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= factor:
            return f"{count / factor:.4g} {unit}"
    return f"{count} B"


def _drive(data: Data) -> str:
    rows = []
    for one in data["namespaces"]:
        detail = size(one["bytes"]) if "bytes" in one else ""
        if "block_bytes" in one:
            detail += f" in blocks of {one['block_bytes']} B"
        if "limits" in one:
            limits = one["limits"]
            detail = (
                f"{limits['max_active']} programs active at a time, {limits['max_program_megabytes']} MiB of programs, "
                f"{limits['max_range_sets']} range sets of {limits['max_ranges']}"
            )
        rows.append((one["nsid"], one["kind"], detail, one["uuid"]))
    parts = [
        f"{data['drive']}, {size(data['max_transfer'])} a command",
        table(("nsid", "kind", "size and limits", "uuid"), rows),
    ]
    for one in data["compute"]:
        types = ", ".join(
            f"{kind['program_type']:02X}h {kind['name']} up to {size(kind['max_bytes'])}"
            for kind in one["program_types"]
        )
        parts += [
            f"programs of namespace {one['nsid']} (types: {types or 'none'})",
            _programs(one["programs"]),
            f"memory range sets of namespace {one['nsid']}",
            _range_sets(one["range_sets"]),
        ]
    return "\n\n".join(parts)


def _programs(programs: Sequence[Data]) -> str:
    if not programs:
        return "none"
    head = ("slot", "state", "bytes", "record", "stride", "state", "emits", "engine", "verdict", "sha256")
    rows = [
        (
            one["pind"],
            one["state"],
            one["bytes"],
            one["record_bytes"],
            one["stride_bytes"],
            one["state_bytes"],
            one["emit"] if one["bytes"] else "-",
            one["engine"] or "-",
            one["verdict"] or "-",
            one["sha256"][:16] or "-",
        )
        for one in programs
    ]
    notes = [f"slot {one['pind']}: its last load was refused: {one['reason']}" for one in programs if one.get("reason")]
    notes += [f"slot {one['pind']}: not proved: {one['not_proved']}" for one in programs if one.get("not_proved")]
    notes += [f"slot {one['pind']}: {_fault(one)}" for one in programs if "last_fault" in one]
    return "\n".join([table(head, rows), *notes])


def _fault(program: Data) -> str:
    fault = program["last_fault"]
    words = fault["text"]
    if words is None:
        words = f"{fault['kind']}, signal {fault['signal']}" if fault["signal"] else fault["kind"]
        words = f"deactivated by faults; the last: {words}" if program["deactivated"] else words
        words += " (hosts that may load programs see where)"
    return f"{fault['time']}: {words}"


def _range_sets(sets: Sequence[Data]) -> str:
    rows = [
        (one["rsid"], "yes" if one["in_use"] else "no", i, part["nsid"], part["start"], part["length"])
        for one in sets
        for i, part in enumerate(one["ranges"])
    ]
    return table(("rsid", "in use", "range", "nsid", "start", "length"), rows) if rows else "none"


def _outcome(action: str, data: Data) -> str:
    ends = {
        "whole": "the whole range was gone through",
        "full": "the result's memory became full: more may match (--room)",
        "stopped": "the program stopped there",
    }
    took = sum(data["seconds"].values())
    speed = data["examined_bytes"] / took if took else 0.0
    lines = [
        f"{data['matches']} of {data['records']} records kept: {ends[data['end']]}",
        f"{size(data['examined_bytes'])} examined from byte {data['start']} in {took:.6f} s, {size(int(speed))}/s; "
        f"{data['program_nanoseconds'] / 1e9:.6f} s of it in the program",
        f"{size(data['kept_bytes'])} came back in {data['commands']} command(s), sha256 {data['kept_sha256'][:16]}",
    ]
    if action == "exec":
        lines.append("steps: " + ", ".join(f"{step} {seconds:.6f} s" for step, seconds in data["seconds"].items()))
    if data["state"]:
        lines += ["", f"state ({len(data['state']) // 2} bytes; 64-bit words, unsigned)", _words(data["state"])]
    if data["first_items"]:
        shown = len(data["first_items"])
        lines += ["", f"first {shown} kept" if shown < data["matches"] else "kept"]
        if "rows" in data:
            lines.append(table(list(data["rows"][0]), [list(row.values()) for row in data["rows"]]))
        elif data["emit"] == "offset":
            lines += [f"byte {struct.unpack('<Q', bytes.fromhex(item))[0]}" for item in data["first_items"]]
        else:
            lines += data["first_items"]
    return "\n".join(lines)


def _words(state: str) -> str:
    raw = bytes.fromhex(state)
    raw += bytes(-len(raw) % 8)
    rows = [(8 * i, raw[8 * i : 8 * i + 8].hex(), word) for i, (word,) in enumerate(struct.iter_unpack("<Q", raw))]
    return table(("at", "bytes", "value"), rows)


def _statistics(entries: Sequence[Data]) -> str:
    if not entries:
        return "no program was loaded yet"
    head = (
        "slot",
        "runs",
        "records",
        "matches",
        "scanned",
        "returned",
        "seconds",
        "aborted",
        "failed",
        "refused",
        "faults",
        "CPU seconds",
    )
    rows = [
        (
            one["pind"],
            one["runs"],
            one["records"],
            one["matches"],
            one["scanned_bytes"],
            one["returned_bytes"],
            f"{one['nanoseconds'] / 1e9:.6f}",
            one["aborted"],
            one["failed"],
            one["refused"],
            one["faults"],
            f"{one['cpu_nanoseconds'] / 1e9:.6f}",
        )
        for one in entries
    ]
    return table(head, rows)


def _memory(data: Data) -> str:
    lines = [f"{data['bytes']} bytes at {data['start']} of SLM namespace {data['nsid']}"]
    if "sha256" in data:
        lines.append(f"sha256 {data['sha256']}")
    raw = bytes.fromhex(data.get("data", ""))
    for at in range(0, len(raw), 16):
        part = raw[at : at + 16]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        lines.append(f"{data['start'] + at:08x}  {part.hex(' '):<47}  {text}")
    return "\n".join(lines)
