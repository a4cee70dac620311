"""A sparse file of a given size behind an aio bdev: made once, never resized, never overwritten; for one user."""

from __future__ import annotations

import os
import pwd
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import LabError
from .plan import Step
from .reach import Account


@dataclass(frozen=True)
class Found:
    """A file that is there: its size in bytes, and its owner's name, or number where there is no such user."""

    size: int
    owner: str


class BackingFile:
    """Reads, plans and predicts for ``plan.converge``. The state is what is found of the file; None: no file.

    Args:
        path: where it lies.
        size: its size in bytes.
        state: ``present`` or ``absent``.
        owner: who reads and writes it; None: whoever has it.
    """

    def __init__(self, path: Path, size: int, state: str, owner: str | None = None) -> None:
        self.path = path
        self.size = size
        self.state = state
        self.owner = owner

    def read(self) -> Found | None:
        """The file.

        Raises:
            LabError: the path is something else than a plain file.
        """
        if not self.path.exists():
            return None
        if not self.path.is_file():
            raise LabError(
                asked=f"a plain file {self.path}",
                found="something else lies there (a folder or a device)",
                fix="choose another path; a device needs no backing file, name it in the bdev itself",
            )
        status = self.path.stat()
        return Found(status.st_size, _name(status.st_uid))

    def plan(self, found: Found | None) -> Sequence[Step]:
        """Make it, remove it, or nothing.

        Raises:
            LabError: it is there with another size, or its file system has no room for it.
        """
        if self.state == "absent":
            return [] if found is None else [Step(f"remove {self.path}", self.path.unlink)]
        if found is not None and found.size == self.size:
            if self.owner in {None, found.owner}:
                return []
            return [Step(f"give {self.path} to {self.owner}", self._give, lambda: shutil.chown(self.path, found.owner))]
        if found is not None:
            raise LabError(
                asked=f"{self.path} of {self.size} bytes",
                found=f"it is there with {found.size} bytes, and its data would be lost",
                fix="declare the size it has, choose another path, or remove it yourself",
            )
        self._check_reach()
        self._check_room()
        return [Step(f"make {self.path} of {self.size} bytes", self._make, lambda: self.path.unlink(missing_ok=True))]

    def predict(self, found: Found | None) -> Found | None:
        """The file after the planned steps."""
        owner = self.owner or (found.owner if found else _name(os.geteuid()))
        return None if self.state == "absent" else Found(self.size, owner)

    def render(self, found: Found | None) -> str:
        """The state as text for ``--diff``."""
        return f"{self.path}: {'absent' if found is None else f'{found.size} bytes, of {found.owner}'}\n"

    def _check_reach(self) -> None:
        """Made where its owner does not get to it, it would be of no use."""
        try:
            owner = pwd.getpwnam(self.owner or "root")
        except KeyError:
            return  # in check mode; a run has made the user
        folder = Account(owner.pw_name, owner.pw_uid, owner.pw_gid).obstacle(self.path) if os.geteuid() == 0 else None
        if folder:
            raise LabError(
                asked=f"{self.path} for {self.owner}",
                found=f"{self.owner} may not search {folder}",
                fix=f"chmod o+x {folder}, or choose another path",
            )

    def _check_room(self) -> None:
        """The file is sparse, but a target that runs out of space under a write loses data."""
        folder = next(parent for parent in self.path.parents if parent.is_dir())
        space = os.statvfs(folder)
        free = space.f_bavail * space.f_frsize
        if free < self.size:
            raise LabError(
                asked=f"{self.path} of {self.size} bytes",
                found=f"{free} bytes are free in {folder}",
                fix="free space there, declare a smaller file, or choose another path",
            )

    def _make(self) -> None:
        """Under a temporary name first: a file of the right name always has the right size."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_name(f".{self.path.name}.part")
        with part.open("wb") as file:
            part.chmod(0o600)
            file.truncate(self.size)
        if self.owner is not None:
            shutil.chown(part, self.owner)
        part.rename(self.path)

    def _give(self) -> None:
        if self.owner is not None:
            shutil.chown(self.path, self.owner)


def _name(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
