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


def program(instructions: bytes, parameters_at: Iterable[int], *, record_bytes: int, emit: int) -> bytes:
    """A csd/record program without state.

    Args:
        instructions: one function.
        parameters_at: its instructions that load the address of csd_parameters.
        record_bytes: of a record; the next one begins behind it.
        emit: for a kept record: itself, its offset, or nothing.
    """
    geometry = struct.pack("<8I", 1, record_bytes, record_bytes, 0, emit, 0, 0, 0)
    strings = _Strings()
    symbols = _SYMBOL.pack(0, 0, 0, 0, 0, 0)
    symbols += _SYMBOL.pack(strings("question"), _FUNCTION, 0, 1, 0, len(instructions))
    symbols += _SYMBOL.pack(strings("csd_parameters"), _GLOBAL, 0, 0, 0, 0)
    relocations = b"".join(_RELOCATION.pack(at * _INSTRUCTION_BYTES, 2 << 32 | _ADDRESS_64) for at in parameters_at)
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
    for name, kind, flags, content, link, info, entry in sections:
        table += _SECTION.pack(name, kind, flags, 0, _HEADER.size + len(body), len(content), link, info, 8, entry)
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
