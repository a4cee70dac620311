# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""A file or link of the lab's own in a folder that others use too: made where nothing is, removed where it was made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from .errors import LabError
from .files import LEADS_TO, content_of, half
from .made import FOLDER, Made, drop_half, identity
from .plan import Step
from .removal import rmdir, tidy


@dataclass(frozen=True)
class Found:
    """What is there."""

    text: str | None  # as ``content_of`` tells it
    ours: bool  # the lab made it
    noted: tuple[Path, ...] = ()  # all that the owner made and that is as it was made
    replaced: tuple[Path, ...] = ()  # what it made and somebody else has removed, or put something in its place
    folders: tuple[Path, ...] = ()  # what the owner made on the way to them, the deepest first


@dataclass(frozen=True)
class LabFile:
    """``read``, ``plan`` (or ``plan_absent``) and ``predict`` for ``converge``."""

    made: Made  # the notes
    owner: str  # who makes it; with it, all that is noted of it is removed
    path: Path | None  # where; None: nothing is asked for, at removal
    text: str  # a plain file's content, for everybody to read; of a link, where it leads to behind ``LEADS_TO``

    def __str__(self) -> str:
        link = self.text.startswith(LEADS_TO)
        return f"a link {self.path} to {self.text.removeprefix(LEADS_TO)}" if link else f"the file {self.path}"

    def read(self) -> Found:
        notes = self.made.of(self.owner)
        noted = tuple(Path(name) for name, made in notes.items() if made and identity(Path(name)) == made)
        folders = tuple(Path(name) for name in sorted(notes, reverse=True) if notes[name] == FOLDER)
        replaced = tuple(path for path in map(Path, notes) if path not in {*noted, *folders})
        text = content_of(self.path) if self.path else None
        # A link into the lab's own folders has no other maker, though its note be lost.
        linked = text == self.text and self.text.startswith(LEADS_TO)
        return Found(text, self.path in noted or linked, noted, replaced, folders)

    def plan(self, found: Found) -> Sequence[Step]:
        """Make it, or bring it up to date.

        Raises:
            LabError: something is there that the lab did not make.
        """
        path = self.path
        if path is None or found.text == self.text:
            return []
        if found.text is not None and not found.ours:
            link = found.text.startswith(LEADS_TO)
            what = f"a link to {found.text.removeprefix(LEADS_TO)}" if link else "another file"
            raise LabError(
                asked=str(self),
                found=f"{what} of somebody else is there",
                fix="move it away, or name another path",
            )
        undo = partial(self._remove, path) if found.text is None else None
        return [Step(f"write {self}", partial(self._write, path), undo)]

    def plan_absent(self, found: Found) -> Sequence[Step]:
        """What the owner made goes, declared still or not; what lies in its place stays."""
        linked = [self.path] if self.path and found.ours else []
        gone = dict.fromkeys([*found.noted, *linked])
        forgotten = [path for path in found.replaced if path not in gone]
        return [
            *(Step(f"remove {path}", partial(self._remove, path)) for path in gone),
            *(Step(f"forget {path}", partial(self._forget, path)) for path in forgotten),
            *(Step(f"remove {path} if it is empty", partial(self._remove_folder, path)) for path in found.folders),
        ]

    def predict(self, _found: Found) -> Found:
        return Found(self.text, ours=True)

    def predict_absent(self, found: Found) -> Found:
        return Found(None if found.ours else found.text, ours=False)

    def render(self, found: Found) -> str:
        """The state as text for ``--diff``."""
        if self.path is None:
            return "".join(f"{path}\n" for path in found.noted) or "absent\n"
        return f"{self.path}: {'absent' if found.text is None else found.text.rstrip()}\n"

    def _write(self, path: Path) -> None:
        """Under another name first: noted before it has its own, and there whole or not at all."""
        self.made.make_parents(self.owner, path)
        part = half(path)
        part.unlink(missing_ok=True)
        if self.text.startswith(LEADS_TO):
            part.symlink_to(self.text.removeprefix(LEADS_TO))
        else:
            part.write_text(self.text)
            part.chmod(0o644)
        self.made.note(self.owner, path, identity(part))
        part.replace(path)

    def _remove(self, path: Path) -> None:
        tidy(path)
        self._forget(path)

    def _remove_folder(self, folder: Path) -> None:
        rmdir(folder)
        self.made.forget(self.owner, folder)

    def _forget(self, path: Path) -> None:
        drop_half(path, self.made.of(self.owner).get(str(path), ""))
        self.made.forget(self.owner, path)
