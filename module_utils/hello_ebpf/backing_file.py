"""A sparse file of a given size behind an aio bdev: made once, never resized, never overwritten."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from .errors import LabError
from .plan import Step


class BackingFile:
    """Reads, plans and predicts for ``plan.converge``. The state is the file's size in bytes; None: no file."""

    def __init__(self, path: Path, size: int, state: str) -> None:
        self.path = path
        self.size = size
        self.state = state

    def read(self) -> int | None:
        """Size in bytes.

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
        return self.path.stat().st_size

    def plan(self, found: int | None) -> Sequence[Step]:
        """Make it, remove it, or nothing.

        Raises:
            LabError: it is there with another size, or its file system has no room for it.
        """
        if self.state == "absent":
            return [] if found is None else [Step(f"remove {self.path}", self.path.unlink)]
        if found == self.size:
            return []
        if found is not None:
            raise LabError(
                asked=f"{self.path} of {self.size} bytes",
                found=f"it is there with {found} bytes, and its data would be lost",
                fix="declare the size it has, choose another path, or remove it yourself",
            )
        self._check_room()
        return [Step(f"make {self.path} of {self.size} bytes", self._make, lambda: self.path.unlink(missing_ok=True))]

    def predict(self, found: int | None) -> int | None:
        """The size after the planned steps."""
        return None if self.state == "absent" else self.size

    def render(self, size: int | None) -> str:
        """The state as text for ``--diff``."""
        return f"{self.path}: {'absent' if size is None else f'{size} bytes'}\n"

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
        part.rename(self.path)
