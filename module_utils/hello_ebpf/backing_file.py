"""A sparse file of a given size behind an aio bdev: made once, never resized, never overwritten; for one user.

A file that was there before the lab is used as it is, and given back to its owner. One that the lab made is removed
with the target while nothing was written to it, and with its data only where that was asked for.
"""

from __future__ import annotations

import os
import pwd
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from .errors import LabError
from .files import half
from .made import FOLDER, Made, drop_half, identity
from .plan import Step
from .processes import user_name
from .reach import Account
from .removal import rmdir

# Whose notes: the files and folders that were made, and whom a file of others belonged to before.
OWNER = "backing_file"
LENT = "backing_file_lent"
REPLACED = "gone, or replaced by somebody else"
KEPT = "kept"  # the target's user goes, and its number may become another's


@dataclass(frozen=True)
class Found:
    """A file that is there: its size in bytes, and its owner's name, or number where there is no such user."""

    size: int
    owner: str


@dataclass(frozen=True)
class BackingFile:
    """Reads, plans and predicts for ``plan.converge``. The state is what is found of the file; None: no file."""

    path: Path  # where it lies
    size: int  # its size in bytes
    owner: str | None = None  # who reads and writes it; None: whoever has it
    made: Made = field(default_factory=Made)

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
        return Found(status.st_size, user_name(status.st_uid))

    def plan(self, found: Found | None) -> Sequence[Step]:
        """Make it, give it to its user, or nothing.

        Raises:
            LabError: it is there with another size, or its file system has no room for it.
        """
        if found is not None and found.size == self.size:
            if self.owner in {None, found.owner}:
                return []
            return [Step(f"give {self.path} to {self.owner}", self._give, self._take_back)]
        if found is not None:
            raise LabError(
                asked=f"{self.path} of {self.size} bytes",
                found=f"it is there with {found.size} bytes, and its data would be lost",
                fix="declare the size it has, choose another path, or remove it yourself",
            )
        self._check_reach()
        self._check_room()
        return [Step(f"make {self.path} of {self.size} bytes", self._make, lambda: _remove(self.path, self.made))]

    def predict(self, found: Found | None) -> Found | None:
        """The file after the planned steps."""
        owner = self.owner or (found.owner if found else user_name(os.geteuid()))
        return Found(self.size, owner)

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
        self.made.make_parents(OWNER, self.path)
        part = half(self.path)
        with part.open("wb") as file:
            part.chmod(0o600)
            file.truncate(self.size)
        if self.owner is not None:
            shutil.chown(part, self.owner)
        self.made.note(OWNER, self.path, identity(part))
        part.rename(self.path)

    def _give(self) -> None:
        """For the target's user; of a file that the lab did not make it is noted whose it was."""
        if self.owner is None:
            return
        ours = self.made.of(OWNER).get(str(self.path)) == identity(self.path)
        if not ours and str(self.path) not in self.made.of(LENT):
            self.made.note(LENT, self.path, f"{self.path.stat().st_uid} {identity(self.path)}")
        shutil.chown(self.path, self.owner)

    def _take_back(self) -> None:
        _give_back(self.path, self.made)


@dataclass(frozen=True)
class BackingFilesGone:
    """Nothing that the lab made is left, declared still or not: ``read``, ``plan`` and ``predict`` for ``converge``.

    The state is what there is: path -> what it is. A file with data counts only where data is to go.
    """

    remove_data: bool  # also files that something was written to
    made: Made = field(default_factory=Made)

    def read(self) -> dict[Path, str]:
        notes = self.made.of(OWNER).items()
        found = {Path(name): REPLACED for name, noted in notes if noted not in {FOLDER, identity(Path(name))}}
        for path in self._files():
            if self.remove_data or not has_data(path):
                found[path] = "with data" if has_data(path) else "empty"
            elif path.stat().st_uid != os.geteuid():
                found[path] = KEPT
        for name, lent in self.made.of(LENT).items():
            user, noted = lent.split(" ", 1)
            there = identity(Path(name)) == noted
            found[Path(name)] = f"lent by {user_name(int(user))}" if there else REPLACED
        return found

    def kept(self) -> list[str]:
        """Files of the lab that stay for their data."""
        return [str(path) for path in self._files() if not self.remove_data and has_data(path)]

    def plan(self, found: dict[Path, str]) -> Sequence[Step]:
        steps = []
        for path, what in sorted(found.items()):
            if what == REPLACED:
                steps.append(Step(f"forget {path}", partial(_forget, path, self.made)))
            elif what == KEPT:
                steps.append(Step(f"give {path} to root, and keep its data", partial(os.chown, path, os.geteuid(), -1)))
            elif what.startswith("lent by "):
                back = f"give {path} back to {what.removeprefix('lent by ')}"
                steps.append(Step(back, partial(_give_back, path, self.made)))
            else:
                steps.append(Step(f"remove {path} ({what})", partial(_remove, path, self.made)))
        return steps

    def predict(self, _found: dict[Path, str]) -> dict[Path, str]:
        return {}

    @staticmethod
    def render(found: dict[Path, str]) -> str:
        """The state as text for ``--diff``."""
        return "".join(f"{path}: {what}\n" for path, what in sorted(found.items())) or "absent\n"

    def _files(self) -> list[Path]:
        """The files that the lab made and nobody has replaced since."""
        notes = self.made.of(OWNER).items()
        return [Path(name) for name, noted in notes if noted != FOLDER and identity(Path(name)) == noted]


def has_data(path: Path) -> bool:
    """Whether anything was ever written to a sparse file."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.lseek(handle, 0, os.SEEK_DATA)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def _remove(path: Path, made: Made) -> None:
    """Remove a file that the lab made, and the folders that were made for it and are empty now."""
    path.unlink(missing_ok=True)
    _forget(path, made)


def _forget(path: Path, made: Made) -> None:
    drop_half(path, made.of(OWNER).get(str(path), ""))
    made.forget(LENT, path)
    made.forget(OWNER, path)
    for folder in path.parents:
        notes = made.of(OWNER)
        if notes.get(str(folder)) != FOLDER or any(
            Path(name).is_relative_to(folder) for name in notes if name != str(folder)
        ):
            break
        rmdir(folder)
        made.forget(OWNER, folder)


def _give_back(path: Path, made: Made) -> None:
    lent = made.of(LENT).get(str(path))
    if lent is not None:
        os.chown(path, int(lent.split()[0]), -1)
        made.forget(LENT, path)
