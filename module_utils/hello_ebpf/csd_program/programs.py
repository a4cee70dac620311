# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""The declared programs, from a module's arguments; refuses what contradicts itself, before any RPC."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import LabError

GEOMETRY = ("record_bytes", "stride_bytes", "state_bytes", "emit")
OPTIONS = ("program_type", "pid", *GEOMETRY)
_ELF = b"\x7fELF"


class Place(NamedTuple):
    """A slot of a compute namespace, by the name of its bdev and the program index."""

    compute: str
    slot: int

    def __str__(self) -> str:
        return f"slot {self.slot} of {self.compute}"


@dataclass(frozen=True)
class Program:
    """What is declared for a slot."""

    place: Place  # the slot
    state: str  # present (loaded, not active), active, or absent
    name: str = ""  # what messages call it
    content: bytes | None = None  # its bytes; None where they are not known yet (check mode) or not needed (absent)
    # further parameters of the load that were told: program_type, pid, and a bare stream's geometry
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        """The digest of its bytes; empty where they are not known."""
        return "" if self.content is None else hashlib.sha256(self.content).hexdigest()


def declared(items: Sequence[Mapping[str, Any]], built: Mapping[str, Any], *, check: bool) -> tuple[Program, ...]:
    """The declared programs.

    Args:
        items: ``programs`` of the module's arguments.
        built: what csd_program_build returned, by source.
        check: bytes that are not known yet are no error.
    """
    programs = tuple(_program(item, built, check=check) for item in items)
    for place, count in Counter(program.place for program in programs).items():
        if count > 1:
            raise LabError(f"{count} programs in {place}", "a slot holds one", "declare each slot once")
    return programs


def _program(item: Mapping[str, Any], built: Mapping[str, Any], *, check: bool) -> Program:
    place = Place(item["compute"], item["slot"])
    if not 0 <= place.slot <= 65535:
        raise LabError(f"a program in {place}", "slots are numbered from 0 to 65535", "choose one of these")
    if item["state"] == "absent":
        return Program(place, "absent")
    name = item["source"] or item["path"]
    if not name or (item["source"] and item["path"]):
        raise LabError(
            f"a program in {place} with {'source and path' if name else 'neither source nor path'}",
            "one of them tells what to load",
            "give one of them, or state: absent",
        )
    what = f"program {name} in {place}"
    content = _built(item["source"], built, what, check=check) if item["source"] else _file(name, what, check=check)
    options = {option: item[option] for option in OPTIONS if item[option] is not None}
    if content is not None:
        _check_content(content, options, what)
    return Program(place, item["state"], name, content, options)


def _built(source: str, built: Mapping[str, Any], what: str, *, check: bool) -> bytes | None:
    if source not in built:
        raise LabError(
            what,
            f"built does not have it, but {', '.join(built) or 'nothing'}",
            "let csd_program_build compile it first, and hand its result `programs` on as built; or give path, for a "
            "file of this host",
        )
    content = built[source].get("content") if isinstance(built[source], Mapping) else None
    if content is None:
        if check:
            return None
        raise LabError(what, "built has no content for it", "run csd_program_build outside check mode too")
    try:
        return base64.b64decode(content, validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise LabError(what, f"its content is no base64 ({error})", "hand on what csd_program_build returns") from error


def _file(path: str, what: str, *, check: bool) -> bytes | None:
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        if check:
            return None
        raise LabError(what, "this host has no such file", "correct the path, or make the file first") from None
    except OSError as error:
        raise LabError(what, f"it cannot be read: {error.strerror}", "give the path of a file") from error


def _check_content(content: bytes, options: Mapping[str, Any], what: str) -> None:
    if not content:
        raise LabError(what, "a file of 0 bytes", "give a program")
    geometry = [option for option in GEOMETRY if option in options]
    if content.startswith(_ELF) and geometry:
        raise LabError(
            f"{what} with {', '.join(geometry)}",
            "an ELF tells its own geometry (CSD_RECORD in the source); only a bare instruction stream cannot",
            "leave it out here, and correct the source instead",
        )
