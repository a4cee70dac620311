# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""A target without a compiler: the programs that the builder compiled for it, and what is declared beyond them.

The role's own programs came with csd_tgt. Those that lie beside the inventory are compiled on the builder in each run,
and lie here in a folder of their own.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .csd_program.programs import Place
from .csd_program.slots import drive_from_saved
from .errors import LabError
from .spdk_target import saved

# Beside the folder of csd_tgt (compiled.mk).
BLOBS = Path("programs/compiled")
OWN = Path("/var/lib/hello_ebpf/compiled")
IDENTITY = "identity"
_OF_A_PROGRAM = frozenset({"csd_load_program", "csd_activate_program"})
_BRING = (
    "let the role distribution bring what the builder compiles (do not skip its tag 'install'), or set "
    "csd_target_compiler: true for this node"
)


@dataclass(frozen=True)
class Declared:
    """A program that is to be loaded."""

    content: bytes  # its bytes
    blob: bytes | None = None  # what the builder made of it in this run; None where it comes with csd_tgt
    made_by: str = ""  # what the builder's csd_compile says of itself


@dataclass(frozen=True)
class Blobs:
    """What the builder compiled."""

    prefix: Path  # the folder in which csd_tgt's bin lies
    declared: Mapping[str, Declared] = field(default_factory=dict)  # each program that is to be loaded, by its source
    slots: Collection[Place] = frozenset()  # what lies there is loaded anew after a start, or is to go
    own: Path = OWN  # the folder of those that did not come with csd_tgt

    @property
    def folder(self) -> Path:
        return self.prefix / BLOBS

    @property
    def folders(self) -> tuple[Path, Path]:
        return self.folder, self.own

    @property
    def arguments(self) -> tuple[str, ...]:
        """Of the target's command line."""
        return tuple(word for folder in self.folders for word in ("--program-blobs", str(folder)))

    def name(self, content: bytes) -> str:
        """Of the file with a program's blob (csd_cache_name() of csd_cache.c)."""
        return hashlib.sha256(self._identity() + b"\0" + content).hexdigest()

    def is_there(self, content: bytes) -> bool:
        """Whether a program is compiled."""
        name = self.name(content)
        return (self.folder / name).is_file() or _is_whole(self.own / name)

    def check_made_for(self, compiler: Path, identity: str, words: str | None) -> None:
        """Refuse what another csd_compile has made than the one that lies here.

        Args:
            compiler: where it lies.
            identity: what it says of itself. Without gcc, it knows the first and the last line.
            words: why it does not know the others.

        Raises:
            LabError: it has, or it does not work, or nothing is there.
        """
        if not self._is_like_ours(identity):
            raise LabError(
                asked=f"run what the builder compiled into {self.folder}",
                found=f"{compiler} is another one than the builder's"
                if len(identity.splitlines()) > 1
                else f"{compiler} does not work here: {words}",
                fix=_BRING,
            )

    def to_write(self) -> dict[str, bytes]:
        """What is declared and not here yet: entries of the folder ``own``, by the program's source.

        Raises:
            LabError: the builder has not compiled one, or another csd_compile has.
        """
        lacking = {source: one for source, one in self.declared.items() if not self.is_there(one.content)}
        if missing := [source for source, one in lacking.items() if one.blob is None]:
            raise LabError(
                asked=f"run {', '.join(missing)} on a node without a compiler (csd_target_compiler: false)",
                found="what the builder has compiled for this node does not have it: its sources, or its clang, were "
                "others than those of this run",
                fix="run the builder as well (with --limit too), which compiles the role's programs anew; or set "
                "csd_target_compiler: true for this node",
            )
        for source, one in lacking.items():
            if not self._is_like_ours(one.made_by):
                raise LabError(
                    asked=f"run {source}, as the builder compiled it",
                    found="its csd_compile is another one than this node's",
                    fix=_BRING,
                )
        blobs = {source: one.blob or b"" for source, one in lacking.items()}
        # As csd_cache.c writes it.
        return {source: blob + hashlib.sha256(blob).digest() for source, blob in blobs.items()}

    def write(self, source: str, entry: bytes) -> None:
        """Keep an entry; it appears when it is whole."""
        self.own.mkdir(mode=0o755, parents=True, exist_ok=True)
        begun = self.own / "unfinished"
        begun.write_bytes(entry)
        begun.chmod(0o644)
        begun.rename(self.own / self.name(self.declared[source].content))

    def forgotten(self, config_file: Path) -> tuple[Place, ...]:
        """Slots of a saved configuration whose programs nobody has compiled: with them, a target would not start.

        Raises:
            LabError: nothing declared comes in the place of one.
        """
        slots = drive_from_saved(saved.read_file(str(config_file)).config).slots
        coming = {one.content for one in self.declared.values()}
        contents = {place: b"".join(map(_program, slot.loads)) for place, slot in slots.items()}
        lost = [place for place, content in contents.items() if content not in coming and not self.is_there(content)]
        if kept := [place for place in lost if place not in self.slots]:
            raise LabError(
                asked="start the target on a node without a compiler (csd_target_compiler: false)",
                found=f"the builder has not compiled the program in {', '.join(map(str, kept))}, and "
                "csd_target_programs does not name the slot",
                fix="unload it (csd_target_programs: state: absent), or set csd_target_compiler: true for this node",
            )
        return tuple(lost)

    def _is_like_ours(self, identity: str) -> bool:
        here, there = identity.splitlines(), self._identity().decode(errors="replace").splitlines()
        return len(here) > 1 and here[:1] == there[:1] and here[-1:] == there[-1:]

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
        content = base64.b64decode(made.get("content") or "")
        if one.get("state") != "absent" and content:
            blob = base64.b64decode(made["blob"]) if made.get("blob") else None
            declared[str(one["source"])] = Declared(content, blob, made.get("made_by") or "")
    return Blobs(program.parent.parent, declared, {Place(one["compute"], int(one["slot"])) for one in programs})


def forget(config_file: Path, places: Collection[Place]) -> None:
    """Take the programs of these slots out of a saved configuration."""
    config = saved.read_file(str(config_file)).config or {}
    kept = {subsystem: [call for call in calls if not _is_of(call, places)] for subsystem, calls in config.items()}
    saved.write_file(str(config_file), kept)


def _is_of(call: saved.SavedCall, places: Collection[Place]) -> bool:
    params = call.get("params") or {}
    return call.get("method") in _OF_A_PROGRAM and Place(params["name"], params["pind"]) in places


def _is_whole(entry: Path) -> bool:
    """Whether an entry is there as it was written. Those beside csd_tgt are looked after with it."""
    try:
        content = entry.read_bytes()
    except OSError:
        return False
    return hashlib.sha256(content[:-32]).digest() == content[-32:]


def _program(params: Mapping[str, Any]) -> bytes:
    return base64.b64decode(params["program"])
