"""A computational drive in a few lines, for tests of what a host does with its answers."""

from __future__ import annotations

import struct
from collections.abc import Callable

from csd.commands import Command
from csd.transport import Completion

BLOCK = 512
SLM_BYTES = 1 << 16
PROGRAM = struct.Struct("<HBBIQIIIBBBB32s24s3B5x")


class DriveDouble:
    """Answers commands as a drive would, and remembers them.

    Attributes:
        sent: every command that changes or runs something, or reads memory.
        refuse: what to answer instead, by opcode and queue ("admin", "io").
        scans: the buffers that scans answer with, in order.
        logs: what logs answer instead, by their identifiers.
        denied_logs: those that this host may not read.
    """

    name = "a drive"

    def __init__(
        self, *, state_bytes: int = 0, emit: int = 0, csis: tuple[int, ...] = (0, 3, 4), deactivated: bool = False
    ) -> None:
        self.sent: list[Command] = []
        self.refuse: dict[tuple[str, int], int] = {}
        self.scans: list[bytes] = []
        self.logs: dict[int, bytes] = {}
        self.denied_logs: set[int] = set()
        self.memory = bytearray(SLM_BYTES)
        self.reason = b""
        self.on_execute: Callable[[Command], None] = lambda command: None
        self.closed = False
        self._csis = csis
        self._program = PROGRAM.pack(
            0, 0xC0, 3, 100, 0, 64, 64, state_bytes, emit, 1, 0, 0, bytes(32), b"engine", 0, 1, deactivated
        )

    def admin(self, command: Command) -> Completion:
        if command.opcode not in {0x02, 0x06}:
            self.sent.append(command)
        if ("admin", command.opcode) in self.refuse:
            return Completion(self.refuse["admin", command.opcode], 0, b"")
        if command.opcode == 0x06:
            return Completion(0, 0, self._identify(command).ljust(4096, b"\0"))
        if command.opcode == 0x02 and command.cdw10 & 0xFF in self.denied_logs:
            return Completion(0x015, 0, b"")
        if command.opcode == 0x02:
            return Completion(0, 0, self._log(command))
        return Completion(0, 7 if command.opcode == 0x89 and command.cdw10 == 0 else 0, b"")

    def io(self, command: Command) -> Completion:
        self.sent.append(command)
        if ("io", command.opcode) in self.refuse:
            return Completion(self.refuse["io", command.opcode], 0, b"")
        if command.opcode == 0x82:
            return Completion(0, 0, self.scans.pop(0).ljust(command.room, b"\0"))
        start, length = command.cdw10, command.cdw12
        if command.nsid == 2 and command.opcode == 0x05:
            self.memory[start : start + length] = command.data
        if command.nsid == 2 and command.opcode == 0x02:
            return Completion(0, 0, bytes(self.memory[start : start + length]))
        if command.nsid == 3 and command.opcode == 0x01:
            self.on_execute(command)
        return Completion(0, 0, b"")

    def close(self) -> None:
        self.closed = True

    def opcodes(self) -> list[int]:
        return [command.opcode for command in self.sent]

    def _identify(self, command: Command) -> bytes:
        cns, csi = command.cdw10, self._csis[command.nsid - 1] if command.nsid else 0
        if cns == 0x01:
            return bytes(77) + b"\1"
        if cns == 0x02:
            return struct.pack(f"<{len(self._csis)}I", *range(1, len(self._csis) + 1))
        if cns == 0x03:
            return bytes([4, 1, 0, 0, csi])
        if csi == 0:
            return (4096).to_bytes(8, "little").ljust(128, b"\0") + bytes.fromhex("00000900")
        if csi == 3:
            return struct.pack("<QBxH", SLM_BYTES, 2, 2)
        return struct.pack("<HHHBxQB", 4, 4, 2, 8, 1, 0)

    def _log(self, command: Command) -> bytes:
        lid = command.cdw10 & 0xFF
        if lid == 0xD1:
            return self.reason.ljust(256, b"\0")
        logs = {
            0x83: struct.pack("<I28xBB6xQ16s", 1, 0xC0, 1, 65536, b"eBPF"),
            0x84: bytes(32),
            0xC0: struct.pack("<IIQ", 1, PROGRAM.size, 1) + self._program,
            0xC1: struct.pack("<IIQ", 0, 8, 1),
            0xD2: struct.pack("<IIQ", 0, 128, 1),
        } | self.logs
        return logs[lid][command.cdw12 :][: command.room].ljust(command.room, b"\0")


class Slots(DriveDouble):
    """A drive whose slots 0 and 1 are active and loaded, and 2 and 3 empty."""

    def __init__(self, state_bytes: int = 0, **options: object) -> None:
        super().__init__(state_bytes=state_bytes, **options)  # type: ignore[arg-type]
        entries = [
            PROGRAM.pack(slot, 0xC0, state, 100, 0, 64, 64, state_bytes, 0, 1, 0, 0, bytes(32), b"engine", 0, 1, 0)
            for slot, state in enumerate((3, 2, 0, 0))
        ]
        self.logs[0xC0] = struct.pack("<IIQ", 4, PROGRAM.size, 1) + b"".join(entries)
        self.taken: set[int] = set()

    def admin(self, command: Command) -> Completion:
        if command.opcode == 0x85 and not command.cdw10 >> 24 & 1 and command.cdw10 & 0xFFFF in self.taken:
            self.sent.append(command)
            return Completion(0x199, 0, b"")
        return super().admin(command)

    def slots(self) -> list[tuple[int, int]]:
        """Opcode and slot of what changes or runs a program."""
        return [
            (one.opcode, (one.cdw2 if one.opcode == 0x82 else one.cdw10) & 0xFFFF)
            for one in self.sent
            if one.opcode in {0x82, 0x85, 0x88}
        ]


def result(end: int, following: int, asked: int, *, matches: int = 0, state: bytes = b"", data: bytes = b"") -> bytes:
    """What a scan's buffer begins with."""
    head = struct.pack("<IHHQQQQIIQ8x", 0x52445343, 1, end, 8, matches, following, asked, len(state), len(data), 5)
    return head + state + data
