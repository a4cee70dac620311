# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""A target without a compiler: the programs that the builder compiled for it, and what is declared beyond them."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .csd_program.model import Place
from .csd_program.reading import drive_from_saved
from .errors import LabError
from .spdk_target import saved

# Beside the folder of csd_tgt (programs.mk, compiled.mk).
BLOBS = Path("programs/compiled")
OBJECTS = Path("programs/workers")
IDENTITY = "identity"
ELF = b"\x7fELF"
_OF_A_PROGRAM = frozenset({"csd_load_program", "csd_activate_program"})
_BRING = (
    "let the role distribution bring what the builder compiles (do not skip its tag 'install'), or set "
    "csd_target_compiler: true for this node"
)


@dataclass(frozen=True)
class Blobs:
    """What the builder compiled.

    Attributes:
        prefix: the folder in which csd_tgt's bin lies.
        declared: each program that is to be loaded, by its source, with its digest.
        slots: what lies there is loaded anew after a start, or is to go.
    """

    prefix: Path
    declared: Mapping[str, str]
    slots: Collection[Place] = frozenset()

    @property
    def folder(self) -> Path:
        return self.prefix / BLOBS

    def compiled(self) -> dict[str, str]:
        """The programs that are compiled, by the digests of their objects (csd_cache_name() of csd_cache.c).

        Raises:
            LabError: there are none.
        """
        identity = self._identity()
        found = {}
        for path in sorted((self.prefix / OBJECTS).glob("*.bpf.o")):
            content = path.read_bytes()
            if (self.folder / hashlib.sha256(identity + b"\0" + content).hexdigest()).is_file():
                found[hashlib.sha256(content).hexdigest()] = path.name.removesuffix(".bpf.o")
        return found

    def check_made_for(self, compiler: Path, identity: str, words: str | None) -> None:
        """Refuse what another csd_compile has made than the one that lies here.

        Args:
            compiler: where it lies.
            identity: what it says of itself. Without gcc, it knows the first and the last line.
            words: why it does not know the others.

        Raises:
            LabError: it has, or it does not work, or nothing is there.
        """
        here, there = identity.splitlines(), self._identity().decode(errors="replace").splitlines()
        if len(here) < 2 or here[:1] != there[:1] or here[-1:] != there[-1:]:
            raise LabError(
                asked=f"run what the builder compiled into {self.folder}",
                found=f"{compiler} is another one than the builder's"
                if len(here) > 1
                else f"{compiler} does not work here: {words}",
                fix=_BRING,
            )

    def check_declared(self) -> None:
        """Refuse declared programs that nobody has compiled.

        Raises:
            LabError: there are such.
        """
        compiled = self.compiled() if self.declared else {}
        if missing := [source for source, digest in self.declared.items() if digest not in compiled]:
            raise LabError(
                asked=f"run {', '.join(missing)} on a node without a compiler (csd_target_compiler: false)",
                found=f"the builder has compiled the role's programs alone, as they are in its own sources: "
                f"{', '.join(sorted(compiled.values())) or 'none'}",
                fix="declare such in csd_target_programs, or set csd_target_compiler: true for this node. If these are "
                "the role's: run the builder as well, which compiles them anew",
            )

    def forgotten(self, config_file: Path) -> tuple[Place, ...]:
        """Slots of a saved configuration whose programs nobody has compiled: with them, a target would not start.

        Raises:
            LabError: nothing declared comes in the place of one.
        """
        compiled = self.compiled()
        slots = drive_from_saved(saved.read_file(str(config_file)).config).slots
        lost = [place for place, slot in slots.items() if slot.sha256 not in compiled and _is_elf(slot.loads)]
        if kept := [place for place in lost if place not in self.slots]:
            raise LabError(
                asked="start the target on a node without a compiler (csd_target_compiler: false)",
                found=f"the builder has not compiled the program in {', '.join(map(str, kept))}, and "
                "csd_target_programs does not name the slot",
                fix="unload it (csd_target_programs: state: absent), or set csd_target_compiler: true for this node",
            )
        return tuple(lost)

    def _identity(self) -> bytes:
        try:
            return (self.folder / IDENTITY).read_bytes()
        except OSError as error:
            raise LabError(
                asked="run what the builder compiled (csd_target_compiler: false)",
                found=f"{self.folder / IDENTITY}: {error.strerror}",
                fix=_BRING,
            ) from None


def blobs_of(program: Path, programs: Iterable[Mapping[str, Any]], built: Mapping[str, Mapping[str, Any]]) -> Blobs:
    """Those beside a target, for what is declared.

    Args:
        program: csd_tgt.
        programs: ``csd_target_programs``.
        built: what ``csd_program_build`` made of them; in check mode a program need not be known yet.
    """
    declared = {}
    for one in programs:
        made = built.get(one.get("source") or "") or {}
        content = made.get("content")
        if one.get("state") != "absent" and content and base64.b64decode(content).startswith(ELF):
            declared[str(one["source"])] = str(made["sha256"])
    return Blobs(program.parent.parent, declared, {Place(one["compute"], int(one["slot"])) for one in programs})


def forget(config_file: Path, places: Collection[Place]) -> None:
    """Take the programs of these slots out of a saved configuration."""
    config = saved.read_file(str(config_file)).config or {}
    kept = {subsystem: [call for call in calls if not _is_of(call, places)] for subsystem, calls in config.items()}
    saved.write_file(str(config_file), kept)


def _is_of(call: saved.SavedCall, places: Collection[Place]) -> bool:
    params = call.get("params") or {}
    return call.get("method") in _OF_A_PROGRAM and Place(params["name"], params["pind"]) in places


def _is_elf(loads: Iterable[Mapping[str, Any]]) -> bool:
    """A bare instruction stream needs no compiler."""
    for params in loads:
        return base64.b64decode(params["program"]).startswith(ELF)
    return False
