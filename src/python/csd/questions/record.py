# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""What a record looks like: named fields at their places, as numpy's structured types have them."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import LabError

MAX_RECORD_BYTES = 65536
_TYPE = re.compile(r"([<>|=]?)([iufS])([0-9]+)\Z")
_SIZES = {"i": (1, 2, 4, 8), "u": (1, 2, 4, 8), "f": (4, 8)}


@dataclass(frozen=True)
class Field:
    """A field of a record.

    Attributes:
        kind: "i" signed, "u" unsigned, "f" IEEE float, "S" bytes; "": a type that no question knows, named in ``type``.
        type: as numpy writes it: "<u4", ">i2", "<f8", "S16".
    """

    name: str
    type: str
    offset: int
    kind: str
    bytes: int
    big_endian: bool


@dataclass(frozen=True)
class Record:
    """Fields by their names, and the bytes of a record, the next one beginning right behind it.

    ``dtype`` is the numpy type that it was made from, if any.
    """

    fields: Mapping[str, Field]
    bytes: int
    dtype: Any = None


def record(description: Any, size: int | None = None) -> Record:
    """A record from a numpy structured type, or from a list of (name, type, offset).

    Args:
        description: numpy's dtype, or the list; types as numpy writes them: "<u4", ">i2", "<f8", "S16".
        size: bytes of a record, with a list; None: it ends with its last field.

    Raises:
        LabError: this is no record that a program in the drive can read.
    """
    if isinstance(description, Record):
        return description
    dtype = getattr(description, "fields", None) and description
    if dtype is not None:
        places = [(name, dtype.fields[name][0].str, dtype.fields[name][1]) for name in dtype.names]
        sizes = {name: dtype.fields[name][0].itemsize for name in dtype.names}
        fields = {
            name: _field(name, "" if dtype.fields[name][0].shape else text, at, sizes[name])
            for name, text, at in places
        }
        whole = int(dtype.itemsize)
    else:
        fields = _listed(description)
        whole = size if size is not None else max((one.offset + one.bytes for one in fields.values()), default=0)
    for one in fields.values():
        if one.offset < 0 or one.offset + one.bytes > whole:
            raise LabError(
                f"field {one.name} of a record",
                f"its {one.bytes} bytes at {one.offset} are not inside the record's {whole}",
                "give the record's size, and each field's place in it",
            )
    if not 1 <= whole <= MAX_RECORD_BYTES:
        raise LabError(
            f"a record of {whole} bytes", f"1 to {MAX_RECORD_BYTES} are possible", "ask about smaller records"
        )
    return Record(fields, whole, dtype)


def values(of: Record, content: bytes) -> dict[str, int | float | str]:
    """The fields of one record as JSON can have them: bytes, infinities and NaN are texts."""
    return {
        field.name: _value(field, content[field.offset : field.offset + field.bytes]) for field in of.fields.values()
    }


def _value(field: Field, content: bytes) -> int | float | str:
    if field.kind == "f":
        form = (">" if field.big_endian else "<") + ("f" if field.bytes == 4 else "d")
        number: float = struct.unpack(form, content)[0]
        return number if math.isfinite(number) else str(number)
    if field.kind == "S":
        return content.rstrip(b"\0").decode("utf-8", "backslashreplace")
    return int.from_bytes(content, "big" if field.big_endian else "little", signed=field.kind == "i")


def _listed(description: Any) -> dict[str, Field]:
    if not isinstance(description, Sequence) or not description:
        raise LabError(
            f"a record as {description!r}",
            "it has no fields",
            'give numpy\'s structured dtype, or a list such as [("device", "<u4", 16), ("temperature", "<i4", 20)]',
        )
    fields: dict[str, Field] = {}
    for entry in description:
        try:
            name, text, offset = entry
        except (TypeError, ValueError):
            raise LabError(
                f"a field as {entry!r}", "a field is its name, its type and its offset", 'write ("device", "<u4", 16)'
            ) from None
        field = _field(name, text, offset, 0)
        if not field.kind or name in fields:
            raise LabError(
                f"field {name} of type {text!r}",
                "there is a field of this name already" if field.kind else "no question knows this type",
                "give each field its own name"
                if field.kind
                else "write i, u, f or S with its bytes, behind < or > for the order: <i4, >u2, <f8, S16",
            )
        fields[name] = field
    return fields


def _field(name: str, text: str, offset: int, size: int) -> Field:
    found = _TYPE.match(text)
    if found:
        kind, length = found[2], int(found[3])
        if length in _SIZES.get(kind, (length,)) and length > 0:
            return Field(name, text, offset, kind, length, found[1] == ">")
    return Field(name, text or "an array", offset, "", size, False)
