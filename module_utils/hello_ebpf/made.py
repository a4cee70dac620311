# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""What the lab made in places that are not its own alone, noted before it is made: the rest is somebody else's.

A service's socket folder, a link in /usr/local/bin, a file behind a drive, a connection of the kernel: nothing in them
could tell who made them. The notes lie in /var/lib/hello_ebpf/made.json and go with the last of what they name.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from .errors import LabError
from .files import half, write_whole
from .removal import rmdir

RECORD = Path("/var/lib/hello_ebpf/made.json")
FOLDER = "folder"  # a folder's detail; a file's is its identity

Notes = dict[str, dict[str, str]]


class Made:
    """The notes: owner (who made it) -> name (a path, or a connection's key) -> detail.

    Args:
        record: the file that holds them.
    """

    def __init__(self, record: Path | None = None) -> None:
        self._record = record or RECORD

    def of(self, owner: str) -> Mapping[str, str]:
        """What an owner made: name -> detail.

        Raises:
            ValueError: the notes cannot be read; without them nothing may be removed.
        """
        return self._read().get(owner, {})

    def note(self, owner: str, name: object, detail: str = "") -> None:
        """Note it, before it is made; again, with another detail."""
        self._change(lambda notes: notes.setdefault(owner, {}).update({str(name): detail}))

    def take(self, owner: str, path: Path) -> None:
        """Note a path before it is made.

        Raises:
            LabError: as ``check`` says.
        """
        self.check(owner, path)
        if str(path) not in self.of(owner):
            self.note(owner, path)

    def check(self, owner: str, path: Path) -> None:
        """Refuse a path that cannot be taken, before anything is changed.

        Raises:
            LabError: it is there already, and no note says that the lab made it.
        """
        if str(path) in self.of(owner):
            return
        if path.is_symlink() or path.exists():
            raise LabError(
                asked=f"{path} for {owner} of hello_eBPF",
                found="it is there, and the lab did not make it",
                fix="move it away, or name another path",
            )

    def make_parents(self, owner: str, path: Path) -> None:
        """Make the folders that a path needs and that are missing, each noted before it is made."""
        for folder in reversed([folder for folder in path.parents if not folder.exists()]):
            self.note(owner, folder, FOLDER)
            folder.mkdir(exist_ok=True)

    def forget(self, owner: str, name: object) -> None:
        """It is gone, or was never made."""
        self._change(lambda notes: notes.get(owner, {}).pop(str(name), None))

    def _read(self) -> Notes:
        try:
            notes: Notes = json.loads(self._record.read_text())
        except FileNotFoundError:
            return {}
        return notes

    def _change(self, change: Callable[[Notes], object]) -> None:
        handle = self._locked()
        try:
            notes = self._read()
            change(notes)
            self._write({owner: names for owner, names in notes.items() if names})
        finally:
            os.close(handle)

    def _locked(self) -> int:
        """The notes' folder, made where it is missing, open and locked."""
        folder = self._record.parent
        while True:
            with contextlib.suppress(FileExistsError):
                folder.mkdir(parents=True)
            # Another run may remove the folder with its last note at any time, also while this one waits for the lock.
            with contextlib.suppress(FileNotFoundError), contextlib.ExitStack() as opened:
                handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
                opened.callback(os.close, handle)
                fcntl.flock(handle, fcntl.LOCK_EX)
                if os.path.samestat(os.fstat(handle), folder.stat()):
                    opened.pop_all()
                    return handle

    def _write(self, notes: Notes) -> None:
        if not notes:
            self._record.unlink(missing_ok=True)
            rmdir(self._record.parent)
            return
        write_whole(self._record, json.dumps(notes, indent=1, sort_keys=True) + "\n")


def drop_half(path: Path, noted: str) -> None:
    """Remove what a run that was cut off left: it is known by the identity that was noted for the file."""
    if noted and identity(half(path)) == noted:
        half(path).unlink()


def identity(path: Path) -> str:
    """Tells a file from another one at the same path, as a note's detail: its inode number, which the kernel soon gives
    to a new file, and when it was born, by stat(1), since Python does not tell. Empty where there is none.
    """
    if not path.is_symlink() and not path.exists():
        return ""
    asked = ["stat", "--format=%i %.9W", "--", str(path)]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
