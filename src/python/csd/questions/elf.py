# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""The object file that the drive loads, as clang -target bpf would make it of a csd/record program."""

from __future__ import annotations

import struct
from collections.abc import Iterable

EMIT_RECORD, EMIT_OFFSET, EMIT_NOTHING = 0, 1, 2

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_RELOCATION = struct.Struct("<QQ")
_IDENTITY = b"\x7fELF\2\1\1".ljust(16, b"\0")  # 64 bits, little endian
_RELOCATABLE, _BPF = 1, 247
_PROGBITS, _SYMTAB, _STRTAB, _REL = 1, 2, 3, 9
_ALLOCATED, _EXECUTABLE = 0x2, 0x4
_GLOBAL, _FUNCTION = 0x10, 0x12
_ADDRESS_64 = 1
_INSTRUCTION_BYTES = 8
_FROM_THE_DRIVE = ("csd_parameters", "csd_state")


def program(
    instructions: bytes,
    addresses: Iterable[tuple[int, str]],
    *,
    record_bytes: int,
    emit: int,
    state_bytes: int = 0,
) -> bytes:
    """A csd/record program.

    Args:
        instructions: one function.
        addresses: its instructions that load an address, each with whose: csd_parameters or csd_state.
        record_bytes: of a record; the next one begins behind it.
        emit: for a kept record: itself, its offset, or nothing.
        state_bytes: of csd_state.
    """
    geometry = struct.pack("<8I", 1, record_bytes, record_bytes, state_bytes, emit, 0, 0, 0)
    strings = _Strings()
    symbols = _SYMBOL.pack(0, 0, 0, 0, 0, 0)
    symbols += _SYMBOL.pack(strings("question"), _FUNCTION, 0, 1, 0, len(instructions))
    for name in _FROM_THE_DRIVE:
        symbols += _SYMBOL.pack(strings(name), _GLOBAL, 0, 0, 0, 0)
    relocations = b"".join(
        _RELOCATION.pack(at * _INSTRUCTION_BYTES, 2 + _FROM_THE_DRIVE.index(name) << 32 | _ADDRESS_64)
        for at, name in addresses
    )
    code = _PROGBITS, _ALLOCATED | _EXECUTABLE
    # name, type, flags, content, link, info, size of an entry
    sections = [
        (strings("csd/record"), *code, instructions, 0, 0, 0),
        (strings("csd_geometry"), _PROGBITS, _ALLOCATED, geometry, 0, 0, 0),
        (strings(".relcsd/record"), _REL, 0, relocations, 4, 1, _RELOCATION.size),
        (strings(".symtab"), _SYMTAB, 0, symbols, 5, 1, _SYMBOL.size),
        (strings(".strtab"), _STRTAB, 0, b"", 0, 0, 0),
    ]
    sections[-1] = (*sections[-1][:3], strings.held, 0, 0, 0)
    body, table = bytearray(), bytearray(_SECTION.size)
    for title, kind, flags, content, link, info, entry in sections:
        table += _SECTION.pack(title, kind, flags, 0, _HEADER.size + len(body), len(content), link, info, 8, entry)
        body += content.ljust(-(-len(content) // 8) * 8, b"\0")
    count = len(sections) + 1
    header = _HEADER.pack(
        *(_IDENTITY, _RELOCATABLE, _BPF, 1, 0, 0, _HEADER.size + len(body), 0),
        *(_HEADER.size, 0, 0, _SECTION.size, count, count - 1),
    )
    return header + bytes(body) + bytes(table)


class _Strings:
    """A string table."""

    def __init__(self) -> None:
        self.held = b"\0"

    def __call__(self, text: str) -> int:
        at = len(self.held)
        self.held += text.encode() + b"\0"
        return at
