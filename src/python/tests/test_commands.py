"""Commands of a computational drive, byte for byte: what is expected is written by hand from the design's tables."""

from __future__ import annotations

import pytest

from csd import commands
from csd.commands import BlockSource, Command, MemoryRange, MemorySource


def sqe(head: str, dw10_to_15: str) -> bytes:
    """A submission queue entry: DW0-3, DLEN and metadata 0, the data pointer, which the transport fills in, DW10-15."""
    return bytes.fromhex(head) + bytes(8) + bytes(16) + bytes.fromhex(dw10_to_15)


#            opcode   NSID     DW2      DW3         DW10     DW11     DW12     DW13     DW14     DW15
ENTRIES = {
    "identify namespace, CSI 04h": (
        commands.identify(0x05, nsid=3, csi=4),
        sqe("06000000 03000000 00000000 00000000", "05000000 00000004 00000000 00000000 00000000 00000000"),
        b"",
        4096,
    ),
    "log 82h, 4 KiB from 10_0000_0008h": (
        commands.get_log(0x82, 3, 4096, offset=0x1000000008),
        sqe("02000000 03000000 00000000 00000000", "8200ff03 00000000 08000000 10000000 00000000 00000000"),
        b"",
        4096,
    ),
    "log D1h of slot 5": (
        commands.get_log(0xD1, 3, 256, specific=5),
        sqe("02000000 03000000 00000000 00000000", "d1003f00 00000500 00000000 00000000 00000000 00000000"),
        b"",
        256,
    ),
    "a log of 512 KiB: NUMDU counts": (
        commands.get_log(0x84, 3, 512 << 10),
        sqe("02000000 03000000 00000000 00000000", "8400ffff 01000000 00000000 00000000 00000000 00000000"),
        b"",
        512 << 10,
    ),
    "unload": (
        commands.unload_program(3, 0x0102),
        sqe("85000000 03000000 00000000 00000000", "02010001 00000000 00000000 00000000 00000000 00000000"),
        b"",
        0,
    ),
    "activate": (
        commands.activate_program(3, 0x0102),
        sqe("88000000 03000000 00000000 00000000", "02010100 00000000 00000000 00000000 00000000 00000000"),
        b"",
        0,
    ),
    "deactivate": (
        commands.deactivate_program(3, 7),
        sqe("88000000 03000000 00000000 00000000", "07000000 00000000 00000000 00000000 00000000 00000000"),
        b"",
        0,
    ),
    "create a set of two ranges": (
        commands.create_range_set(3, [MemoryRange(2, 0x100000000, 0x1000), MemoryRange(2, 0x40, 0x80)]),
        sqe("89000000 03000000 00000000 00000000", "00000000 02000000 00000000 00000000 00000000 00000000"),
        bytes.fromhex(
            "02000000 00100000 0000000001000000 00000000000000000000000000000000"
            "02000000 80000000 4000000000000000 00000000000000000000000000000000"
        ),
        0,
    ),
    "delete a set": (
        commands.delete_range_set(3, 0x0201),
        sqe("89000000 03000000 00000000 00000000", "01000102 00000000 00000000 00000000 00000000 00000000"),
        b"",
        0,
    ),
    "execute over a set, with data": (
        commands.execute_program(3, 5, rsid=9, data=b"abc", cparam1=0x1122334455667788, cparam2=2),
        sqe("01000000 03000000 05000900 00000000", "88776655 44332211 02000000 00000000 00000000 00000000"),
        b"abc",
        0,
    ),
    "execute over ranges of its own": (
        commands.execute_program(3, 5, ranges=[MemoryRange(2, 0, 64)], data=b"abc"),
        sqe("01000000 03000000 05000000 01000000", "00000000 00000000 00000000 00000000 00000000 00000000"),
        bytes.fromhex("02000000 40000000 0000000000000000 00000000000000000000000000000000") + b"abc",
        0,
    ),
    "scan, resumed": (
        commands.scan(3, 5, 1, 0x180000040, 0x200000000, room=8192, cparam1=(1 << 64) - 3, rsid=4, resume=True),
        sqe("82000000 03000000 05000100 01000400", "40000080 01000000 00000000 02000000 fdffffff ffffffff"),
        b"",
        8192,
    ),
    "scan with two bytes of program data in a range of four": (
        commands.scan(3, 5, 1, 0, 0x1000, room=8192, rsid=4, resume=True, padding=2),
        sqe("82000000 03000000 05000500 01000400", "00000000 00000000 00100000 00000000 00000000 00000000"),
        b"",
        8192,
    ),
    "SLM read": (
        commands.slm_read(2, 0x100000004, 64),
        sqe("02000000 02000000 00000000 00000000", "04000000 01000000 40000000 00000000 00000000 00000000"),
        b"",
        64,
    ),
    "SLM write": (
        commands.slm_write(2, 8, b"abcd"),
        sqe("05000000 02000000 00000000 00000000", "08000000 00000000 04000000 00000000 00000000 00000000"),
        b"abcd",
        0,
    ),
    "SLM fill": (
        commands.slm_fill(2, 8, 0x1000),
        sqe("04000000 02000000 00000000 00000000", "08000000 00000000 00100000 00000000 00000000 00000000"),
        b"",
        0,
    ),
    "SLM copy of blocks": (
        commands.slm_copy_blocks(2, 0x2000, [BlockSource(1, 0x100000002, 16), BlockSource(1, 7, 65536)], 4096),
        sqe("01000000 02000000 00000110 00000000", "00200000 00000000 01020000 00000000 00000000 00000000"),
        bytes.fromhex(
            "01000000 00000000 0200000001000000 0f00 0000000000000000000000000000"
            "01000000 00000000 0700000000000000 ffff 0000000000000000000000000000"
        ),
        0,
    ),
    "SLM copy of memory": (
        commands.slm_copy_memory(2, 0x2000, [MemorySource(2, 0x10, 0x30)]),
        sqe("01000000 02000000 30000000 00000000", "00200000 00000000 00040000 00000000 00000000 00000000"),
        bytes.fromhex("02000000 00000000 1000000000000000 30000000 000000000000000000000000"),
        0,
    ),
    "SLM copy, fast or not at all": (
        commands.slm_copy_memory(2, 0x2000, [MemorySource(2, 0x10, 0x30, fast_only=True)]),
        sqe("01000000 02000000 30000000 00000000", "00200000 00000000 00040000 00000000 00000000 00000000"),
        bytes.fromhex("02000000 00000000 1000000000000000 30000000 0000 0080 0000000000000000"),
        0,
    ),
    "SLM copy of blocks, fast or not at all": (
        commands.slm_copy_blocks(2, 0, [BlockSource(1, 2, 1, fast_only=True)], 4096),
        sqe("01000000 02000000 00100000 00000000", "00000000 00000000 00020000 00000000 00000000 00000000"),
        bytes.fromhex("01000000 00000000 0200000000000000 0000 00000000 0080 0000000000000000"),
        0,
    ),
    "read blocks": (
        commands.read_blocks(1, 0x100000002, 8, 4096),
        sqe("02000000 01000000 00000000 00000000", "02000000 01000000 07000000 00000000 00000000 00000000"),
        b"",
        32768,
    ),
    "write blocks": (
        commands.write_blocks(1, 2, bytes(8192), 4096),
        sqe("01000000 01000000 00000000 00000000", "02000000 00000000 01000000 00000000 00000000 00000000"),
        bytes(8192),
        0,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ENTRIES)
def test_a_command_has_the_documented_bytes(name: str) -> None:
    command, entry, data, room = ENTRIES[name]
    assert command.encode().hex(" ", 4) == entry.hex(" ", 4)
    assert (command.data, command.room) == (data, room)


def test_a_program_is_loaded_in_chunks() -> None:
    program = bytes(range(100)) * 25  # 2500 bytes
    sent = list(commands.load_program(3, 6, program, chunk=1024, program_type=0xC0, pid=0x1122334455667788))
    assert [command.encode()[40:].hex(" ", 4) for command in sent] == [
        "0600c002 c4090000 88776655 44332211 00040000 00000000",
        "0600c002 c4090000 88776655 44332211 00040000 00040000",
        "0600c002 c4090000 88776655 44332211 c4010000 00080000",
    ]
    # Without an identifier: PIT 0.
    [plain] = commands.load_program(3, 6, b"12345678", chunk=1024, program_type=0xC0)
    assert plain.encode()[40:].hex(" ", 4) == "0600c000 08000000 00000000 00000000 08000000 00000000"
    assert b"".join(command.data for command in sent) == program
    assert {command.opcode for command in sent} == {0x85}


def test_dlen_is_dw4() -> None:
    entry = Command(0x01, 3, cdw4=0x60).encode()
    assert entry[16:20] == bytes.fromhex("60000000")
