# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""One computational drive, over either way in: its namespaces, its logs, its programs; refusals in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from . import commands, results
from .commands import CSI_COMPUTE, CSI_NVM, CSI_SLM, Command, MemoryRange
from .errors import LabError
from .statuses import INVALID_PROGRAM_DATA, OPERATION_DENIED, describe, fix_for
from .transport import Completion, Transport

if TYPE_CHECKING:
    from .questions.table import Table

KINDS = {CSI_NVM: "NVM", CSI_SLM: "SLM", CSI_COMPUTE: "compute"}
# Where a controller says that it has no limit.
UNLIMITED_TRANSFER = 1 << 20
# Most logs are shorter: one command reads them.
_LOG_PIECE = 4096
_NIDT_UUID, _NIDT_CSI = 3, 4


class StatusError(LabError):
    """The drive answered, with a status that is no success."""

    def __init__(self, asked: str, status: int, reason: str = "") -> None:
        self.status = status
        self.reason = reason
        found = f"the drive answered {describe(status)}"
        super().__init__(asked, f"{found}: {reason}" if reason else found, fix_for(status))


@dataclass(frozen=True)
class Namespace:
    """One namespace of the drive; what does not belong to its kind is 0 or None."""

    nsid: int
    csi: int
    uuid: str
    bytes: int = 0
    block_bytes: int = 0
    limits: results.ComputeLimits | None = None
    slm: results.SlmSize | None = None

    @property
    def kind(self) -> str:
        return KINDS.get(self.csi, f"CSI {self.csi:02X}h")


class Device:
    """A drive.

    Args:
        transport: the way to it.
    """

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.name = transport.name

    def close(self) -> None:
        self.transport.close()

    def table(
        self,
        record: object,
        *,
        start: int = 0,
        length: int | None = None,
        size: int | None = None,
        compute: int | None = None,
        memory: int | None = None,
        data: int | None = None,
    ) -> Table:
        """Records of a data namespace, to be asked about.

        Args:
            record: numpy's structured dtype, or a list of (name, type, offset): ``[("device", "<u4", 16)]``.
            start: byte of the namespace.
            length: bytes; None: up to the namespace's end.
            size: bytes of a record, with a list; None: it ends with its last field.
            compute: the namespace, where the drive has several of its kind.
            memory: the same.
            data: the same.
        """
        from .questions.record import record as described
        from .questions.table import table

        return table(
            self,
            described(record, size),
            start=start,
            length=length,
            compute=compute,
            memory=memory,
            data=data,
        )

    def admin(self, command: Command, asked: str) -> Completion:
        """Send an admin command; StatusError where it did not succeed."""
        completion = self.transport.admin(command)
        if completion.status:
            raise StatusError(f"{asked} ({self.name})", completion.status)
        return completion

    def io(self, command: Command, asked: str) -> Completion:
        """Send an I/O command; StatusError where it did not succeed."""
        completion = self.transport.io(command)
        if completion.status:
            raise StatusError(f"{asked} ({self.name})", completion.status)
        return completion

    # ---- what is there

    @cached_property
    def max_transfer(self) -> int:
        """Bytes that one command can move."""
        answer = self.admin(commands.identify(0x01), "identify the controller")
        return results.max_transfer(answer.data) or UNLIMITED_TRANSFER

    @cached_property
    def namespaces(self) -> Sequence[Namespace]:
        listed = self.admin(commands.identify(0x02), "list the namespaces")
        return tuple(self._namespace(nsid) for nsid in results.active_namespaces(listed.data))

    def _namespace(self, nsid: int) -> Namespace:
        asked = f"identify namespace {nsid}"
        ids = results.descriptors(self.admin(commands.identify(0x03, nsid=nsid), asked).data)
        csi = ids.get(_NIDT_CSI, b"\0")[0]
        uuid = _uuid(ids.get(_NIDT_UUID, b""))
        if csi == CSI_NVM:
            size = results.nvm_size(self.admin(commands.identify(0x00, nsid=nsid), asked).data)
            return Namespace(nsid, csi, uuid, size.blocks * size.block_bytes, size.block_bytes)
        if csi == CSI_SLM:
            slm = results.slm_size(self.admin(commands.identify(0x05, nsid=nsid, csi=csi), asked).data)
            return Namespace(nsid, csi, uuid, slm.bytes, slm=slm)
        if csi == CSI_COMPUTE:
            limits = results.compute_limits(self.admin(commands.identify(0x05, nsid=nsid, csi=csi), asked).data)
            return Namespace(nsid, csi, uuid, limits=limits)
        return Namespace(nsid, csi, uuid)

    def namespace(self, csi: int, nsid: int | None = None) -> Namespace:
        """The namespace of a kind: the named one, or the only one there is.

        Raises:
            LabError: there is none, it is of another kind, or there are several and none was named.
        """
        kind = KINDS[csi]
        fitting = [one for one in self.namespaces if one.csi == csi]
        if nsid is not None:
            fitting = [one for one in fitting if one.nsid == nsid]
        if len(fitting) == 1:
            return fitting[0]
        shown = ", ".join(f"{one.nsid} ({one.kind})" for one in self.namespaces) or "none"
        asked = f"{kind} namespace {nsid}" if nsid is not None else f"the {kind} namespace"
        raise LabError(
            f"{asked} of {self.name}",
            f"its namespaces are {shown}",
            "name the one that is meant" if fitting else f"declare a {kind} namespace at the target, or name another",
        )

    def log(self, lid: int, nsid: int, length: Callable[[bytes], int] = results.log_length) -> bytes:
        """A whole log. ``length`` says how long it is, from as much of it as was read."""
        asked = f"read log {lid:02X}h of namespace {nsid}"
        whole, wanted = b"", _LOG_PIECE
        while len(whole) < wanted:
            size = min(self.max_transfer, wanted - len(whole))
            whole += self.admin(commands.get_log(lid, nsid, size, offset=len(whole)), asked).data
            # What lies behind the end of the log reads as zeros.
            wanted = (length(whole) + 3) // 4 * 4
        return whole

    def programs(self, nsid: int) -> list[results.Program]:
        return results.programs(self.log(results.LOG_PROGRAMS, nsid))

    def program(self, nsid: int, pind: int) -> results.Program:
        """The program in a slot, also where that is empty."""
        found = {program.pind: program for program in self.programs(nsid)}
        if pind not in found:
            raise StatusError(f"the program in slot {pind} ({self.name})", 0x18F)
        return found[pind]

    def program_types(self, nsid: int) -> list[results.ProgramType]:
        return results.program_types(self.log(results.LOG_PROGRAM_TYPES, nsid, results.program_types_length))

    def ebpf_type(self, nsid: int) -> int:
        """The program type of eBPF: the standard has none, so it is the first that the drive lists."""
        types = self.program_types(nsid)
        if not types:
            raise LabError(
                f"the program types of namespace {nsid} ({self.name})", "it lists none", "give the type (--type)"
            )
        return types[0].program_type

    def range_sets(self, nsid: int) -> list[results.RangeSet]:
        sets = self.log(results.LOG_RANGE_SETS, nsid, results.range_sets_length)
        return results.range_sets(sets, self.log(results.LOG_RANGE_SETS_IN_USE, nsid))

    def statistics(self, nsid: int) -> list[results.Statistics]:
        return results.statistics(self.log(results.LOG_STATISTICS, nsid))

    def reason(self, nsid: int, pind: int) -> str:
        """Why a slot's last program was refused, or is not proved; empty where neither."""
        command = commands.get_log(results.LOG_REASON, nsid, results.REASON_BYTES, specific=pind)
        return results.text(self.admin(command, f"read what was said of slot {pind}'s program").data)

    def fault(self, nsid: int, pind: int) -> str | None:
        """How a slot's program last ended in its process, in words; None where this host may not know."""
        command = commands.get_log(results.LOG_FAULT, nsid, results.FAULT_BYTES, specific=pind)
        try:
            return results.text(self.admin(command, f"read how the program in slot {pind} ended").data)
        except StatusError as error:
            if error.status == OPERATION_DENIED:
                return None
            raise

    # ---- programs

    def load(
        self, nsid: int, pind: int, program: bytes, *, program_type: int | None = None, pid: int | None = None
    ) -> None:
        """Load a program, in as many commands as it takes. What the verifier says is in the error.

        Args:
            nsid: the compute namespace.
            pind: the slot; it has to be empty.
            program: eBPF, unless ``program_type`` says what else.
            program_type: None: what the drive lists for eBPF.
            pid: a PUID that the drive keeps with it.
        """
        asked = f"load {len(program)} bytes into slot {pind}"
        if not program:
            raise LabError(asked, "there is nothing to load", "name a file that holds a program")
        if program_type is None:
            program_type = self.ebpf_type(nsid)
        for command in commands.load_program(
            nsid, pind, program, chunk=self.max_transfer, program_type=program_type, pid=pid
        ):
            completion = self.transport.admin(command)
            if completion.status:
                reason = self.reason(nsid, pind) if completion.status == INVALID_PROGRAM_DATA else ""
                raise StatusError(f"{asked} ({self.name})", completion.status, reason)

    def unload(self, nsid: int, pind: int) -> None:
        self.admin(commands.unload_program(nsid, pind), f"unload slot {pind}")

    def activate(self, nsid: int, pind: int) -> None:
        self.admin(commands.activate_program(nsid, pind), f"activate slot {pind}")

    def deactivate(self, nsid: int, pind: int) -> None:
        self.admin(commands.deactivate_program(nsid, pind), f"deactivate slot {pind}")

    # ---- memory

    def create_range_set(self, nsid: int, ranges: Sequence[MemoryRange]) -> int:
        """Make a memory range set; its identifier."""
        shown = ", ".join(f"{one.length} bytes at {one.start} of namespace {one.nsid}" for one in ranges)
        answer = self.admin(commands.create_range_set(nsid, ranges), f"a memory range set of {shown or 'no range'}")
        return answer.value & 0xFFFF

    def delete_range_set(self, nsid: int, rsid: int) -> None:
        self.admin(commands.delete_range_set(nsid, rsid), f"delete memory range set {rsid}")

    def read_memory(self, nsid: int, start: int, length: int) -> bytes:
        """Bytes of an SLM namespace, in as many commands as it takes."""
        asked = f"read {length} bytes at {start} of SLM namespace {nsid}"
        pieces = [
            self.io(commands.slm_read(nsid, start + at, min(self.max_transfer, length - at)), asked).data
            for at in _pieces(length, self.max_transfer)
        ]
        return b"".join(pieces)

    def write_memory(self, nsid: int, start: int, data: bytes) -> None:
        asked = f"write {len(data)} bytes at {start} of SLM namespace {nsid}"
        for at in _pieces(len(data), self.max_transfer):
            self.io(commands.slm_write(nsid, start + at, data[at : at + self.max_transfer]), asked)

    def fill_memory(self, nsid: int, start: int, length: int) -> None:
        asked = f"zero {length} bytes at {start} of SLM namespace {nsid}"
        self.io(commands.slm_fill(nsid, start, length), asked)


def _pieces(length: int, size: int) -> range:
    """Where each piece begins. Nothing is one piece of nothing, so that the drive is asked what it says to that."""
    return range(0, length or 1, size)


def _uuid(raw: bytes) -> str:
    text = raw.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:])) if len(text) == 32 else ""
