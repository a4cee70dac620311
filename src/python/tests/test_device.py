# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""A drive's logs and programs, by what it lists: long logs in pieces, and eBPF's program type."""

from __future__ import annotations

import struct

import pytest

from csd import results
from csd.commands import Command
from csd.device import Device
from csd.errors import LabError
from csd.transport import Completion
from csd_double import DriveDouble

COMPUTE = 3


class Logs(DriveDouble):
    """A drive with these logs; a transfer has 8 KiB at most."""

    def __init__(self, logs: dict[int, bytes]) -> None:
        super().__init__()
        self.logs = logs
        self.read: list[tuple[int, int]] = []

    def admin(self, command: Command) -> Completion:
        lid = command.cdw10 & 0xFF
        if command.opcode != 0x02 or lid not in self.logs:
            return super().admin(command)
        log = self.logs[lid]
        assert command.cdw12 <= len(log), "an offset beyond the log"
        self.read.append((command.cdw12, command.room))
        return Completion(0, 0, log[command.cdw12 :][: command.room].ljust(command.room, b"\0"))


def test_a_long_log_is_read_in_pieces() -> None:
    """One command for a short one; of 84h each piece tells how much more there is."""
    entries = b"".join(struct.pack("<H6x9Q48x", number, *range(9)) for number in range(200))
    statistics = struct.pack("<IIQ", 200, 128, 1) + entries
    ranges = b"".join(struct.pack("<IIQ16x", 2, 4, 8 * number) for number in range(8))
    sets = struct.pack("<I28x", 100) + b"".join(struct.pack("<HH28x", rsid, 8) + ranges for rsid in range(1, 101))
    drive = Logs({results.LOG_STATISTICS: statistics, results.LOG_RANGE_SETS: sets})
    device = Device(drive)
    assert [one.pind for one in device.statistics(COMPUTE)] == list(range(200))
    assert drive.read == [(0, 4096), (4096, 8192), (12288, 8192), (20480, 5136)]
    drive.read.clear()
    assert [(one.rsid, len(one.ranges)) for one in device.range_sets(COMPUTE)] == [(rsid, 8) for rsid in range(1, 101)]
    assert sum(size for _, size in drive.read) == len(sets)
    drive.read.clear()
    drive.logs = {results.LOG_RANGE_SETS: bytes(32)}
    assert device.range_sets(COMPUTE) == []
    assert drive.read == [(0, 4096)]


def test_a_program_is_loaded_as_the_type_that_the_drive_lists_first() -> None:
    types = struct.pack("<I28x", 2) + b"".join(struct.pack("<BB6xQ16s", kind, 1, 64, b"eBPF") for kind in (0xC5, 1))
    drive = Logs({results.LOG_PROGRAM_TYPES: types})
    device = Device(drive)
    device.load(COMPUTE, 0, b"12345678")
    device.load(COMPUTE, 0, b"12345678", program_type=1, pid=7)
    assert [command.cdw10 for command in drive.sent] == [0xC5 << 16, 1 << 25 | 1 << 16]
    drive.logs = {results.LOG_PROGRAM_TYPES: bytes(32)}
    with pytest.raises(LabError, match="it lists none"):
        device.load(COMPUTE, 0, b"12345678")
