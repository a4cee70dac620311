# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""What a computational drive answers: results, logs and identify data, from bytes to dataclasses. Pure."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

RESULT_BYTES = 64
RESULT_MAGIC = 0x52445343
RETURN_INCOMPLETE = 1 << 63

END_WHOLE, END_FULL, END_STOPPED = 0, 1, 2
ENDS = {END_WHOLE: "whole", END_FULL: "full", END_STOPPED: "stopped"}
STATES = {0: "empty", 1: "loading", 2: "loaded", 3: "active", 4: "verifying"}
NOT_PROVED = "not proved"
VERDICTS = {0: "", 1: "proved", 2: NOT_PROVED}
EMITS = {0: "record", 1: "offset", 2: "nothing"}
FAULTS = {0: "", 1: "fault", 2: "time", 3: "forged", 4: "killed", 5: "start"}

LOG_PROGRAM_TYPES, LOG_RANGE_SETS = 0x83, 0x84
# Vendor specific: what the standard's logs have no room for.
LOG_PROGRAMS, LOG_RANGE_SETS_IN_USE, LOG_REASON, LOG_STATISTICS, LOG_FAULT = 0xC0, 0xC1, 0xD1, 0xD2, 0xD3
REASON_BYTES = 256
FAULT_BYTES = 512

_RESULT = struct.Struct("<IHHQQQQIIQ8x")
_LOG_HEADER = struct.Struct("<IIQ")
_PROGRAM = struct.Struct("<HBBIQIIIBBBB32s24s3B5x")
_LIST_HEADER = struct.Struct("<I28x")
_TYPE = struct.Struct("<BB6xQ16s")
_SET = struct.Struct("<HH28x")
_SET_IN_USE = struct.Struct("<H2xI")
_RANGE = struct.Struct("<IIQ16x")
_STATISTICS = struct.Struct("<H6x9Q3QIB19x")
_COMPUTE = struct.Struct("<HHHBxQB")
_SLM = struct.Struct("<QBxH")


@dataclass(frozen=True)
class Result:
    """struct csd_result with what follows it: a scan's buffer, or the output range of Execute Program."""

    end: int
    records: int
    matches: int
    next: int
    input_bytes: int
    nanoseconds: int
    state: bytes
    data: bytes


@dataclass(frozen=True)
class Program:
    """An entry of log C0h; ``pid`` is None where the program came without one.

    ``deactivated``: by faults. ``runs_in``: "worker", a process of its own, or "target"; "" where the slot is empty.
    """

    pind: int
    program_type: int
    state: str
    bytes: int
    pid: int | None
    record_bytes: int
    stride_bytes: int
    state_bytes: int
    emit: str
    jit: bool
    refused: bool
    sha256: str
    engine: str
    verdict: str
    runs_in: str = ""
    deactivated: bool = False

    def item_bytes(self) -> int:
        """What one kept record takes in a result."""
        return {"record": self.record_bytes, "offset": 8}.get(self.emit, 0)


@dataclass(frozen=True)
class ProgramType:
    """An entry of log 83h."""

    program_type: int
    version: int
    max_bytes: int
    name: str


@dataclass(frozen=True)
class Range:
    nsid: int
    start: int
    length: int


@dataclass(frozen=True)
class RangeSet:
    """An entry of log 84h; whether it is in use is from log C1h."""

    rsid: int
    in_use: bool
    ranges: tuple[Range, ...]


@dataclass(frozen=True)
class Statistics:
    """An entry of log D2h. ``fault_``: how the program last ended in its process; kind "": it never did."""

    pind: int
    runs: int
    records: int
    matches: int
    scanned_bytes: int
    returned_bytes: int
    nanoseconds: int
    aborted: int
    failed: int
    refused: int
    faults: int = 0
    cpu_nanoseconds: int = 0
    fault_seconds: int = 0
    fault_signal: int = 0
    fault_kind: str = ""


@dataclass(frozen=True)
class ComputeLimits:
    """Identify Namespace of a compute namespace."""

    max_active: int
    max_range_sets: int
    range_granularity: int
    max_ranges: int
    max_program_megabytes: int
    chunk_granularity: int


@dataclass(frozen=True)
class SlmSize:
    """Identify Namespace of an SLM namespace."""

    bytes: int
    granularity: int
    max_copy_ranges: int


def result(buffer: bytes) -> Result:
    """A result header with its state and kept items.

    Raises:
        ValueError: these bytes are no result.
    """
    if len(buffer) < RESULT_BYTES:
        raise ValueError(f"a result has at least {RESULT_BYTES} bytes, these are {len(buffer)}")
    magic, version, end, records, matches, following, asked, state_bytes, data_bytes, nanoseconds = _RESULT.unpack_from(
        buffer
    )
    if magic != RESULT_MAGIC or version != 1:
        raise ValueError(f"a result begins with 43534452h and version 1, here are {magic:08X}h and version {version}")
    data_at = RESULT_BYTES + state_bytes
    if end not in ENDS or data_at + data_bytes > len(buffer):
        raise ValueError(
            f"end {end}, {state_bytes} bytes of state and {data_bytes} of data do not fit {len(buffer)} bytes"
        )
    return Result(
        end,
        records,
        matches,
        following,
        asked,
        nanoseconds,
        buffer[RESULT_BYTES:data_at],
        buffer[data_at : data_at + data_bytes],
    )


def log_length(log: bytes) -> int:
    """How long a log of ours (C0h, C1h, D2h) is, from its first 16 bytes."""
    count, entry_bytes, _ = _LOG_HEADER.unpack_from(log)
    return int(_LOG_HEADER.size + count * entry_bytes)


def program_types_length(log: bytes) -> int:
    """How long log 83h is, from its first 32 bytes."""
    return int(_LIST_HEADER.size + _LIST_HEADER.unpack_from(log)[0] * _TYPE.size)


def range_sets_length(log: bytes) -> int:
    """How long log 84h is at least, from as much of it as there is: each set says how many ranges it has."""
    (count,) = _LIST_HEADER.unpack_from(log)
    at = _LIST_HEADER.size
    for seen in range(count):
        if at + _SET.size > len(log):
            return int(at + (count - seen) * _SET.size)
        at += _SET.size + _SET.unpack_from(log, at)[1] * _RANGE.size
    return at


def _entries(log: bytes) -> list[bytes]:
    count, entry_bytes, _ = _LOG_HEADER.unpack_from(log)
    at = _LOG_HEADER.size
    return [log[at + i * entry_bytes : at + (i + 1) * entry_bytes] for i in range(count)]


def programs(log: bytes) -> list[Program]:
    """Log C0h."""
    found = []
    for entry in _entries(log):
        values = _PROGRAM.unpack_from(entry)
        pind, kind, state, size, pid, record, stride, state_bytes, emit, jit, refused, pit = values[:12]
        sha256, engine, verdict, worker, deactivated = values[12:]
        found.append(
            Program(
                pind,
                kind,
                STATES.get(state, f"state {state}"),
                size,
                pid if pit else None,
                record,
                stride,
                state_bytes,
                EMITS.get(emit, f"emit {emit}"),
                bool(jit),
                bool(refused),
                sha256.hex() if any(sha256) else "",
                text(engine),
                VERDICTS.get(verdict, f"verdict {verdict}"),
                ("worker" if worker else "target") if any(sha256) else "",
                bool(deactivated),
            )
        )
    return found


def program_types(log: bytes) -> list[ProgramType]:
    """Log 83h."""
    (count,) = _LIST_HEADER.unpack_from(log)
    entries = (_TYPE.unpack_from(log, _LIST_HEADER.size + i * _TYPE.size) for i in range(count))
    return [ProgramType(kind, version, limit, text(name)) for kind, version, limit, name in entries]


def range_sets(log: bytes, in_use: bytes) -> list[RangeSet]:
    """Log 84h, and log C1h: a set that was made between the two is not in use yet."""
    users = dict(_SET_IN_USE.unpack_from(entry) for entry in _entries(in_use))
    (count,) = _LIST_HEADER.unpack_from(log)
    found, at = [], _LIST_HEADER.size
    for _ in range(count):
        rsid, size = _SET.unpack_from(log, at)
        at += _SET.size
        ranges = [_RANGE.unpack_from(log, at + i * _RANGE.size) for i in range(size)]
        at += size * _RANGE.size
        parts = tuple(Range(nsid, start, length) for nsid, length, start in ranges)
        found.append(RangeSet(rsid, users.get(rsid, 0) > 0, parts))
    return found


def statistics(log: bytes) -> list[Statistics]:
    """Log D2h."""
    found = []
    for entry in _entries(log):
        numbers = _STATISTICS.unpack_from(entry)
        found.append(replace(Statistics(*numbers[:-1]), fault_kind=FAULTS.get(numbers[-1], f"kind {numbers[-1]}")))
    return found


def compute_limits(identify: bytes) -> ComputeLimits:
    max_active, max_sets, mrsg, max_ranges, megabytes, lpg = _COMPUTE.unpack_from(identify)
    return ComputeLimits(max_active, max_sets, 1 << mrsg, max_ranges, megabytes, 1 << lpg)


def slm_size(identify: bytes) -> SlmSize:
    size, granularity, ranges = _SLM.unpack_from(identify)
    return SlmSize(size, 1 << granularity, ranges)


@dataclass(frozen=True)
class NvmSize:
    """Identify Namespace of an NVM namespace."""

    blocks: int
    block_bytes: int


def nvm_size(identify: bytes) -> NvmSize:
    blocks = int.from_bytes(identify[0:8], "little")
    form = int.from_bytes(identify[128 + 4 * (identify[26] & 0xF) :][:4], "little")
    return NvmSize(blocks, 1 << (form >> 16 & 0xFF))


def active_namespaces(identify: bytes) -> list[int]:
    """Identify CNS 02h or 07h: ids up to the first zero."""
    ids = [nsid for (nsid,) in struct.iter_unpack("<I", identify[:4096])]
    return ids[: ids.index(0)] if 0 in ids else ids


def descriptors(identify: bytes) -> dict[int, bytes]:
    """Identify CNS 03h: type -> value. Type 03h is the UUID, 04h the command set."""
    found, at = {}, 0
    while at + 4 <= len(identify) and identify[at]:
        kind, size = identify[at], identify[at + 1]
        found[kind] = identify[at + 4 : at + 4 + size]
        at += 4 + size
    return found


def max_transfer(identify_controller: bytes, page_bytes: int = 4096) -> int:
    """MDTS in bytes; 0: no limit of the controller's."""
    mdts = identify_controller[77]
    return page_bytes << mdts if mdts else 0


def text(field: bytes) -> str:
    """A NUL-terminated or padded text."""
    return field.split(b"\0")[0].decode("utf-8", "replace").rstrip()
