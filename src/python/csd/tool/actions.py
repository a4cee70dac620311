# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""What each command of csd does. Each returns plain data: main prints it as JSON, show as tables."""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from .. import commands, flows, results
from ..commands import CSI_COMPUTE, CSI_NVM, CSI_SLM, BlockSource, MemoryRange, MemorySource
from ..device import Device, Namespace
from ..errors import LabError
from ..questions.record import record, values
from ..questions.table import compiled, loaded, parameters_at

Data = dict[str, Any]


def list_drive(device: Device, options: argparse.Namespace) -> Data:
    namespaces = [_namespace(namespace) for namespace in device.namespaces]
    computing = [one.nsid for one in device.namespaces if one.csi == CSI_COMPUTE]
    return {
        "drive": device.name,
        "max_transfer": device.max_transfer,
        "namespaces": namespaces,
        "compute": [
            {
                "nsid": nsid,
                "programs": [_program(device, nsid, program.pind) for program in _used(device, nsid)],
                "program_types": [asdict(kind) for kind in device.program_types(nsid)],
                "range_sets": [asdict(one) for one in device.range_sets(nsid)],
            }
            for nsid in computing
        ],
    }


def _used(device: Device, nsid: int) -> list[Any]:
    return [program for program in device.programs(nsid) if program.state != "empty" or program.refused]


def _namespace(namespace: Namespace) -> Data:
    shown: Data = {"nsid": namespace.nsid, "kind": namespace.kind, "uuid": namespace.uuid}
    if namespace.limits:
        return shown | {"limits": asdict(namespace.limits)}
    if namespace.block_bytes:
        shown["block_bytes"] = namespace.block_bytes
    return shown | {"bytes": namespace.bytes}


def _program(device: Device, nsid: int, pind: int) -> Data:
    program = device.program(nsid, pind)
    shown = asdict(program)
    if program.refused:
        shown["reason"] = device.reason(nsid, pind)
    elif program.verdict == results.NOT_PROVED:
        shown["not_proved"] = device.reason(nsid, pind)
    fault = next((one for one in device.statistics(nsid) if one.pind == pind and one.fault_kind), None)
    if fault:
        shown["last_fault"] = {
            "kind": fault.fault_kind,
            "signal": fault.fault_signal,
            "time": datetime.fromtimestamp(fault.fault_seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "text": device.fault(nsid, pind),
        }
    return shown


def load(device: Device, options: argparse.Namespace) -> Data:
    nsid = _compute(device, options)
    try:
        program = Path(options.file).read_bytes()
    except OSError as error:
        raise LabError(f"load {options.file}", error.strerror or str(error), "name a file that can be read") from None
    if options.replace:
        _clear(device, nsid, options.slot)
    device.load(nsid, options.slot, program, program_type=options.type, pid=options.pid)
    if options.activate:
        device.activate(nsid, options.slot)
    return {"program": _program(device, nsid, options.slot)}


def _clear(device: Device, nsid: int, slot: int) -> None:
    state = device.program(nsid, slot).state
    if state == "active":
        device.deactivate(nsid, slot)
    if state != "empty":
        device.unload(nsid, slot)


def activate(device: Device, options: argparse.Namespace) -> Data:
    nsid = _compute(device, options)
    device.activate(nsid, options.slot)
    return {"program": _program(device, nsid, options.slot)}


def deactivate(device: Device, options: argparse.Namespace) -> Data:
    nsid = _compute(device, options)
    device.deactivate(nsid, options.slot)
    return {"program": _program(device, nsid, options.slot)}


def unload(device: Device, options: argparse.Namespace) -> Data:
    nsid = _compute(device, options)
    device.unload(nsid, options.slot)
    return {"program": _program(device, nsid, options.slot)}


def scan(device: Device, options: argparse.Namespace) -> Data:
    return _run(device, options, flows.scan) if options.where is None else _ask(device, options)


def _ask(device: Device, options: argparse.Namespace) -> Data:
    """A scan with the program of a question, which is in a slot for as long as it is asked."""
    if not options.record:
        raise LabError("--where without --record", "fields have to have places", "name them: temperature:i4@20")
    if options.cparam1 or options.data or options.memory_at is not None:
        raise LabError(
            "--where together with --cparam1, --data or --memory-at",
            "a question makes its own parameters",
            "give one of the two",
        )
    described = record(options.record, options.size)
    program = compiled(options.where, described)
    compute = device.namespace(CSI_COMPUTE, options.compute)
    with loaded(device, compute.nsid, program) as slot:
        options.slot, options.cparam1, options.data = slot, program.cparam1, program.parameters
        options.memory_at = parameters_at(_memory_if_any(device, options), program, slot)
        found = _run(device, options, flows.scan)
    rows = [values(described, bytes.fromhex(item)) for item in found["first_items"]]
    return found | {"where": options.where, "program_sha256": program.sha256, "rows": rows}


def execute(device: Device, options: argparse.Namespace) -> Data:
    return _run(device, options, flows.execute)


Flow = Callable[[Device, flows.Job, Callable[[bytes], object]], flows.Outcome]


@dataclass
class _Kept:
    """What a program kept: to a file as it comes, its digest, and the first of it to show."""

    file: IO[bytes] | None
    limit: int
    first: bytes = b""

    def __post_init__(self) -> None:
        self.digest = hashlib.sha256()

    def __call__(self, data: bytes) -> None:
        self.digest.update(data)
        if len(self.first) < self.limit:
            self.first += data[: self.limit - len(self.first)]
        if self.file:
            self.file.write(data)


def _run(device: Device, options: argparse.Namespace, flow: Flow) -> Data:
    data = device.namespace(CSI_NVM, options.data_nsid)
    start, length = _range(options, data)
    compute = device.namespace(CSI_COMPUTE, options.compute)
    job = flows.Job(
        compute,
        _memory_if_any(device, options),
        data,
        options.slot,
        start,
        length,
        cparam1=options.cparam1,
        cparam2=getattr(options, "cparam2", 0),
        parameters=options.data,
        memory_at=options.memory_at,
        room=getattr(options, "room", 0),
    )
    item_bytes = device.program(compute.nsid, options.slot).item_bytes()
    with _opened(options.output) as file:
        kept = _Kept(file, options.show * item_bytes)
        outcome = flow(device, job, kept)
    return {
        "slot": options.slot,
        "start": start,
        "length": length,
        "end": outcome.end,
        "records": outcome.records,
        "matches": outcome.matches,
        "examined_bytes": outcome.examined,
        "commands": outcome.commands,
        "emit": outcome.program.emit,
        "item_bytes": item_bytes,
        "kept_bytes": outcome.data_bytes,
        "kept_sha256": kept.digest.hexdigest(),
        "state": outcome.state.hex(),
        "first_items": [kept.first[i : i + item_bytes].hex() for i in range(0, len(kept.first), item_bytes or 1)],
        "program_nanoseconds": outcome.nanoseconds,
        "seconds": {step: round(seconds, 6) for step, seconds in outcome.seconds.items()},
    }


def _range(options: argparse.Namespace, data: Namespace) -> tuple[int, int]:
    """First byte and length of what is asked for."""
    if options.lba is not None and options.start is not None:
        raise LabError("--lba together with --start", "both say where it begins", "give one of the two")
    if options.blocks is not None and options.length is not None:
        raise LabError("--blocks together with --length", "both say how much it is", "give one of the two")
    start = options.lba * data.block_bytes if options.lba is not None else options.start or 0
    if options.blocks is not None:
        return start, options.blocks * data.block_bytes
    return start, options.length if options.length is not None else max(data.bytes - start, 0)


@contextmanager
def _opened(path: str | None) -> Iterator[IO[bytes] | None]:
    """A file for writing; None for none; standard output for -."""
    if path is None:
        yield None
    elif path == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    else:
        try:
            with Path(path).open("wb") as file:
                yield file
        except OSError as error:
            raise LabError(f"write {path}", error.strerror or str(error), "name a file that can be written") from None


def stats(device: Device, options: argparse.Namespace) -> Data:
    nsid = _compute(device, options)
    return {"statistics": [asdict(entry) for entry in device.statistics(nsid)]}


def slm(device: Device, options: argparse.Namespace) -> Data:
    memory = device.namespace(CSI_SLM, options.memory)
    return _SLM[options.slm_action](device, memory, options)


def _slm_read(device: Device, memory: Namespace, options: argparse.Namespace) -> Data:
    data = device.read_memory(memory.nsid, options.start, options.length)
    with _opened(options.output) as file:
        if file:
            file.write(data)
    shown: Data = {"nsid": memory.nsid, "start": options.start, "bytes": len(data)}
    return shown | ({"sha256": hashlib.sha256(data).hexdigest()} if options.output else {"data": data.hex()})


def _slm_write(device: Device, memory: Namespace, options: argparse.Namespace) -> Data:
    device.write_memory(memory.nsid, options.start, options.data)
    return {"nsid": memory.nsid, "start": options.start, "bytes": len(options.data)}


def _slm_fill(device: Device, memory: Namespace, options: argparse.Namespace) -> Data:
    device.fill_memory(memory.nsid, options.start, options.length)
    return {"nsid": memory.nsid, "start": options.start, "bytes": options.length}


def _slm_copy(device: Device, memory: Namespace, options: argparse.Namespace) -> Data:
    if options.lba is not None:
        data = device.namespace(CSI_NVM, options.data_nsid)
        blocks = options.blocks if options.blocks is not None else 1
        if not 1 <= blocks <= flows.MAX_COPY_BLOCKS:
            raise LabError(f"copy {blocks} blocks", "a source has 1 to 65536", "copy in several pieces")
        source = BlockSource(data.nsid, options.lba, blocks)
        command = commands.slm_copy_blocks(memory.nsid, options.to, [source], data.block_bytes)
        length = blocks * data.block_bytes
    else:
        length = options.length or 0
        source_bytes = MemorySource(memory.nsid, options.source, length)
        command = commands.slm_copy_memory(memory.nsid, options.to, [source_bytes])
    device.io(command, f"copy {length} bytes to {options.to} of SLM namespace {memory.nsid}")
    return {"nsid": memory.nsid, "start": options.to, "bytes": length}


_SLM = {"read": _slm_read, "write": _slm_write, "fill": _slm_fill, "copy": _slm_copy}


def ranges(device: Device, options: argparse.Namespace) -> Data:
    nsid = _compute(device, options)
    if options.ranges_action == "create":
        memory = device.namespace(CSI_SLM, options.memory).nsid
        rsid = device.create_range_set(nsid, [MemoryRange(memory, start, length) for start, length in options.range])
        return {"rsid": rsid}
    if options.ranges_action == "delete":
        device.delete_range_set(nsid, options.rsid)
    return {"range_sets": [asdict(one) for one in device.range_sets(nsid)]}


def _compute(device: Device, options: argparse.Namespace) -> int:
    return device.namespace(CSI_COMPUTE, options.compute).nsid


def _memory_if_any(device: Device, options: argparse.Namespace) -> Namespace | None:
    if options.memory is None and not any(one.csi == CSI_SLM for one in device.namespaces):
        return None
    return device.namespace(CSI_SLM, options.memory)


ACTIONS: dict[str, Callable[[Device, argparse.Namespace], Data]] = {
    "list": list_drive,
    "load": load,
    "activate": activate,
    "deactivate": deactivate,
    "unload": unload,
    "scan": scan,
    "exec": execute,
    "stats": stats,
    "slm": slm,
    "ranges": ranges,
}
