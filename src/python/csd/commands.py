# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""The commands of a computational drive, byte for byte as protocol/nvme_csd.h has them. Pure: nothing is sent here."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

# Opcodes. Admin queue:
GET_LOG_PAGE = 0x02
IDENTIFY = 0x06
LOAD_PROGRAM = 0x85
PROGRAM_ACTIVATION = 0x88
MEMORY_RANGE_SET = 0x89
# I/O, every namespace:
FLUSH = 0x00
# I/O, NVM namespace:
NVM_WRITE = 0x01
NVM_READ = 0x02
# I/O, compute namespace:
EXECUTE_PROGRAM = 0x01
SCAN = 0x82
# I/O, SLM namespace:
SLM_COPY = 0x01
SLM_READ = 0x02
SLM_FILL = 0x04
SLM_WRITE = 0x05

# Command set identifiers
CSI_NVM = 0x00
CSI_SLM = 0x03
CSI_COMPUTE = 0x04

EBPF = 0xC0  # program type: csd_tgt's, where it was not made with another one (log 83h says)
# Program identifier types (PIT)
PIT_NONE, PIT_PUID = 0, 1
SCAN_RESUME = 0x1
SCAN_PADDING = 1  # the lowest bit of this field
COPY_FROM_BLOCKS = 0x2
COPY_FROM_MEMORY = 0x4
FAST_COPY_ONLY = 1 << 15

_SQE = struct.Struct("<BBHIIII4xQQIIIIII")
_RANGE = struct.Struct("<IIQ16x")
_COPY_BLOCKS = struct.Struct("<IIQH4xH8x")
_COPY_MEMORY = struct.Struct("<IIQI2xH8x")
_LOW = 0xFFFFFFFF


@dataclass(frozen=True)
class Command:
    """One command: the dwords that a host sets, and its data.

    Attributes:
        opcode: its lowest two bits say which way data go, as in all of NVMe.
        cdw4: DLEN of Execute Program. Linux' passthrough cannot set it: leave it 0, "the length of the transfer".
        data: what goes to the controller.
        room: bytes that may come back.
    """

    opcode: int
    nsid: int = 0
    cdw2: int = 0
    cdw3: int = 0
    cdw4: int = 0
    cdw10: int = 0
    cdw11: int = 0
    cdw12: int = 0
    cdw13: int = 0
    cdw14: int = 0
    cdw15: int = 0
    data: bytes = b""
    room: int = 0

    def encode(self) -> bytes:
        """The submission queue entry; command identifier and data pointer are the transport's to fill in."""
        return _SQE.pack(
            self.opcode,
            0,
            0,
            self.nsid,
            self.cdw2,
            self.cdw3,
            self.cdw4,
            0,
            0,
            self.cdw10,
            self.cdw11,
            self.cdw12,
            self.cdw13,
            self.cdw14,
            self.cdw15,
        )


@dataclass(frozen=True)
class MemoryRange:
    """Bytes of an SLM namespace."""

    nsid: int
    start: int
    length: int

    def encode(self) -> bytes:
        return _RANGE.pack(self.nsid, self.length, self.start)


@dataclass(frozen=True)
class BlockSource:
    """Blocks of an NVM namespace, to be copied into SLM; ``fast_only``: rather not at all than slowly."""

    nsid: int
    lba: int
    blocks: int
    fast_only: bool = False

    def encode(self) -> bytes:
        return _COPY_BLOCKS.pack(self.nsid, 0, self.lba, self.blocks - 1, FAST_COPY_ONLY * self.fast_only)


@dataclass(frozen=True)
class MemorySource:
    """Bytes of an SLM namespace, to be copied within SLM; ``fast_only``: rather not at all than slowly."""

    nsid: int
    start: int
    length: int
    fast_only: bool = False

    def encode(self) -> bytes:
        return _COPY_MEMORY.pack(self.nsid, 0, self.start, self.length, FAST_COPY_ONLY * self.fast_only)


# ---- admin


def identify(cns: int, *, nsid: int = 0, csi: int = 0) -> Command:
    return Command(IDENTIFY, nsid, cdw10=cns, cdw11=csi << 24, room=4096)


def get_log(lid: int, nsid: int, length: int, *, offset: int = 0, specific: int = 0, csi: int = 0) -> Command:
    """`length` bytes (whole dwords) of a log page, from `offset`."""
    dwords = length // 4 - 1
    return Command(
        GET_LOG_PAGE,
        nsid,
        cdw10=lid | (dwords & 0xFFFF) << 16,
        cdw11=dwords >> 16 | specific << 16,
        cdw12=offset & _LOW,
        cdw13=offset >> 32,
        cdw14=csi << 24,
        room=length,
    )


def load_program(
    nsid: int, pind: int, program: bytes, *, chunk: int, program_type: int = EBPF, pid: int | None = None
) -> Iterator[Command]:
    """A program in as many commands as the device's transfer limit asks for; ``pid`` is a PUID that the drive keeps."""
    pit, pid = (PIT_NONE, 0) if pid is None else (PIT_PUID, pid)
    for offset in range(0, len(program), chunk):
        part = program[offset : offset + chunk]
        yield Command(
            LOAD_PROGRAM,
            nsid,
            cdw10=pind | program_type << 16 | pit << 25,
            cdw11=len(program),
            cdw12=pid & _LOW,
            cdw13=pid >> 32,
            cdw14=len(part),
            cdw15=offset,
            data=part,
        )


def unload_program(nsid: int, pind: int) -> Command:
    return Command(LOAD_PROGRAM, nsid, cdw10=pind | 1 << 24)


def activate_program(nsid: int, pind: int) -> Command:
    return Command(PROGRAM_ACTIVATION, nsid, cdw10=pind | 1 << 16)


def deactivate_program(nsid: int, pind: int) -> Command:
    return Command(PROGRAM_ACTIVATION, nsid, cdw10=pind)


def create_range_set(nsid: int, ranges: Sequence[MemoryRange]) -> Command:
    return Command(MEMORY_RANGE_SET, nsid, cdw11=len(ranges), data=_joined(ranges))


def delete_range_set(nsid: int, rsid: int) -> Command:
    return Command(MEMORY_RANGE_SET, nsid, cdw10=1 | rsid << 16)


# ---- compute namespace


def execute_program(
    nsid: int,
    pind: int,
    *,
    rsid: int = 0,
    ranges: Sequence[MemoryRange] = (),
    data: bytes = b"",
    cparam1: int = 0,
    cparam2: int = 0,
) -> Command:
    """Run a program over a stored range set, or over the ranges that come with the command."""
    return Command(
        EXECUTE_PROGRAM,
        nsid,
        cdw2=pind | rsid << 16,
        cdw3=len(ranges),
        cdw10=cparam1 & _LOW,
        cdw11=cparam1 >> 32,
        cdw12=cparam2 & _LOW,
        cdw13=cparam2 >> 32,
        data=_joined(ranges) + data,
    )


def scan(
    nsid: int,
    pind: int,
    data_nsid: int,
    start: int,
    length: int,
    *,
    room: int,
    cparam1: int = 0,
    rsid: int = 0,
    resume: bool = False,
    padding: int = 0,
) -> Command:
    """``padding``: how many bytes at the end of the set's first range, 0 to 4, are no program data."""
    return Command(
        SCAN,
        nsid,
        cdw2=pind | ((SCAN_RESUME if resume else 0) | padding << SCAN_PADDING) << 16,
        cdw3=data_nsid | rsid << 16,
        cdw10=start & _LOW,
        cdw11=start >> 32,
        cdw12=length & _LOW,
        cdw13=length >> 32,
        cdw14=cparam1 & _LOW,
        cdw15=cparam1 >> 32,
        room=room,
    )


# ---- SLM namespace


def slm_read(nsid: int, start: int, length: int) -> Command:
    return Command(SLM_READ, nsid, cdw10=start & _LOW, cdw11=start >> 32, cdw12=length, room=length)


def slm_write(nsid: int, start: int, data: bytes) -> Command:
    return Command(SLM_WRITE, nsid, cdw10=start & _LOW, cdw11=start >> 32, cdw12=len(data), data=data)


def slm_fill(nsid: int, start: int, length: int) -> Command:
    """Bytes become zeros."""
    return Command(SLM_FILL, nsid, cdw10=start & _LOW, cdw11=start >> 32, cdw12=length)


def slm_copy_blocks(nsid: int, destination: int, sources: Sequence[BlockSource], block_bytes: int) -> Command:
    total = sum(source.blocks for source in sources) * block_bytes
    return _slm_copy(nsid, destination, sources, total, COPY_FROM_BLOCKS)


def slm_copy_memory(nsid: int, destination: int, sources: Sequence[MemorySource]) -> Command:
    total = sum(source.length for source in sources)
    return _slm_copy(nsid, destination, sources, total, COPY_FROM_MEMORY)


def _slm_copy(
    nsid: int, destination: int, sources: Sequence[BlockSource | MemorySource], total: int, descriptors: int
) -> Command:
    return Command(
        SLM_COPY,
        nsid,
        cdw2=total & _LOW,
        cdw3=total >> 32,
        cdw10=destination & _LOW,
        cdw11=destination >> 32,
        cdw12=len(sources) - 1 | descriptors << 8,
        data=_joined(sources),
    )


# ---- NVM namespace


def read_blocks(nsid: int, lba: int, blocks: int, block_bytes: int) -> Command:
    return Command(NVM_READ, nsid, cdw10=lba & _LOW, cdw11=lba >> 32, cdw12=blocks - 1, room=blocks * block_bytes)


def write_blocks(nsid: int, lba: int, data: bytes, block_bytes: int) -> Command:
    return Command(NVM_WRITE, nsid, cdw10=lba & _LOW, cdw11=lba >> 32, cdw12=len(data) // block_bytes - 1, data=data)


def _joined(parts: Sequence[MemoryRange | BlockSource | MemorySource]) -> bytes:
    return b"".join(part.encode() for part in parts)
