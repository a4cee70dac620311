# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""A file or link of the lab's own in a folder that others use too: made where nothing is, removed where it was made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from .errors import LabError
from .files import LEADS_TO, content_of, half
from .made import Made, drop_half, identity
from .plan import Step
from .removal import tidy


@dataclass(frozen=True)
class Wanted:
    """What is asked for: a link to ``target``, or a plain file with ``content``, for everybody to read."""

    path: Path
    target: str | None = None
    content: str | None = None

    def __str__(self) -> str:
        return f"a link {self.path} to {self.target}" if self.target else f"the file {self.path}"


@dataclass(frozen=True)
class Found:
    """What is there.

    Attributes:
        text: a link's target behind ``-> ``, a file's content; None where nothing is, "" for anything else.
        ours: the lab made it.
        noted: all that the owner made and that is as it was made.
        replaced: what it made and somebody else has removed, or put something in its place.
    """

    text: str | None
    ours: bool
    noted: tuple[Path, ...] = ()
    replaced: tuple[Path, ...] = ()


class LabFile:
    """``read``, ``plan`` (or ``plan_absent``) and ``predict`` for ``converge``.

    Args:
        owner: who makes it; with it, all that is noted of it is removed.
        wanted: what is asked for; None: nothing, at removal.
        made: the notes.
    """

    def __init__(self, owner: str, wanted: Wanted | None, made: Made) -> None:
        self._owner = owner
        self._wanted = wanted
        self._made = made

    def read(self) -> Found:
        notes = self._made.of(self._owner)
        noted = tuple(path for path in map(Path, notes) if identity(path) and identity(path) == notes[str(path)])
        replaced = tuple(path for path in map(Path, notes) if path not in noted)
        if self._wanted is None:
            return Found(None, False, noted, replaced)
        text = content_of(self._wanted.path)
        # A link into the lab's own folders has no other maker, though its note be lost.
        linked = self._wanted.target is not None and text == f"{LEADS_TO}{self._wanted.target}"
        ours = self._wanted.path in noted or linked
        return Found(text, ours, noted, replaced)

    def plan(self, found: Found) -> Sequence[Step]:
        """Make it, or bring it up to date.

        Raises:
            LabError: something is there that the lab did not make.
        """
        wanted = self._wanted
        if wanted is None or found.text == self._text(wanted):
            return []
        if found.text is not None and not found.ours:
            what = (
                f"a link to {found.text.removeprefix(LEADS_TO)}" if found.text.startswith(LEADS_TO) else "another file"
            )
            raise LabError(
                asked=str(wanted),
                found=f"{what} of somebody else is there",
                fix="move it away, or name another path",
            )
        return [Step(f"write {wanted}", partial(self._write, wanted), partial(self._undo, wanted.path, found))]

    def plan_absent(self, found: Found) -> Sequence[Step]:
        """What the owner made goes, declared still or not; what lies in its place stays."""
        linked = [self._wanted.path] if self._wanted and found.ours else []
        gone = dict.fromkeys([*found.noted, *linked])
        forgotten = [path for path in found.replaced if path not in gone]
        return [
            *(Step(f"remove {path}", partial(self._remove, path)) for path in gone),
            *(Step(f"forget {path}", partial(self._forget, path)) for path in forgotten),
        ]

    def predict(self, found: Found) -> Found:
        wanted = self._wanted
        return found if wanted is None else Found(self._text(wanted), True, (*found.noted, wanted.path))

    def predict_absent(self, found: Found) -> Found:
        return Found(None if found.ours else found.text, False)

    def render(self, found: Found) -> str:
        """The state as text for ``--diff``."""
        if self._wanted is None:
            return "".join(f"{path}\n" for path in found.noted) or "absent\n"
        return f"{self._wanted.path}: {'absent' if found.text is None else found.text.rstrip()}\n"

    @staticmethod
    def _text(wanted: Wanted) -> str:
        return f"{LEADS_TO}{wanted.target}" if wanted.target else str(wanted.content)

    def _write(self, wanted: Wanted) -> None:
        """Under another name first: noted before it has its own, and there whole or not at all."""
        wanted.path.parent.mkdir(parents=True, exist_ok=True)
        part = half(wanted.path)
        part.unlink(missing_ok=True)
        if wanted.target:
            part.symlink_to(wanted.target)
        else:
            part.write_text(str(wanted.content))
            part.chmod(0o644)
        self._made.note(self._owner, wanted.path, identity(part))
        part.replace(wanted.path)

    def _undo(self, path: Path, before: Found) -> None:
        if before.text is None:
            self._remove(path)

    def _remove(self, path: Path) -> None:
        tidy(path)
        self._forget(path)

    def _forget(self, path: Path) -> None:
        drop_half(path, self._made.of(self._owner).get(str(path), ""))
        self._made.forget(self._owner, path)
