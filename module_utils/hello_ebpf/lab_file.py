# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Files and links of the lab's own in folders that others use too: made where nothing is, and removed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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

    texts: Mapping[Path, str | None]  # of each file that is asked for or noted, as ``content_of`` tells it
    ours: frozenset[Path]  # those of them that the lab made, and that are as it made them
    replaced: tuple[Path, ...] = ()  # what it made and somebody else has removed, or put something in its place
    folders: tuple[Path, ...] = ()  # what it made on the way to them, the deepest first


@dataclass(frozen=True)
class LabFiles:
    """``read``, ``plan`` (or ``plan_absent``) and ``predict`` for ``converge``."""

    made: Made  # the notes
    owner: str  # who makes them; with it, all that is noted of it is removed
    # Where each is, and its text: a plain file's content, for everybody to read; of a link, where it leads to behind
    # ``LEADS_TO``. At removal the notes name them too.
    files: Mapping[Path, str]

    def read(self) -> Found:
        notes = {Path(name): made for name, made in self.made.of(self.owner).items()}
        noted = [path for path, made in notes.items() if made and identity(path) == made]
        folders = tuple(path for path in sorted(notes, reverse=True) if notes[path] == FOLDER)
        texts = {path: content_of(path) for path in [*noted, *self.files]}
        # A link into the lab's own folders has no other maker, though its note be lost.
        linked = [path for path, text in self.files.items() if texts[path] == text and text.startswith(LEADS_TO)]
        replaced = tuple(path for path in notes if path not in {*noted, *linked, *folders})
        return Found(texts, frozenset([*noted, *linked]), replaced, folders)

    def plan(self, found: Found) -> Sequence[Step]:
        """Make them, or bring them up to date.

        Raises:
            LabError: something is there that the lab did not make.
        """
        steps = []
        for path, text in self.files.items():
            there = found.texts[path]
            if there == text:
                continue
            if there is not None and path not in found.ours:
                what = f"a link to {there.removeprefix(LEADS_TO)}" if there.startswith(LEADS_TO) else "another file"
                raise LabError(
                    asked=_named(path, text),
                    found=f"{what} of somebody else is there",
                    fix="move it away, or name another path",
                )
            undo = partial(self._remove, path) if there is None else None
            steps.append(Step(f"write {_named(path, text)}", partial(self._write, path, text), undo))
        return steps

    def plan_absent(self, found: Found) -> Sequence[Step]:
        """What the owner made goes, declared still or not; what lies in its place stays."""
        return [
            *(Step(f"remove {path}", partial(self._remove, path)) for path in found.texts if path in found.ours),
            *(Step(f"forget {path}", partial(self._forget, path)) for path in found.replaced),
            *(Step(f"remove {path} if it is empty", partial(self._remove_folder, path)) for path in found.folders),
        ]

    def predict(self, found: Found) -> Found:
        return Found({**found.texts, **self.files}, found.ours)

    def predict_absent(self, found: Found) -> Found:
        return Found({path: None if path in found.ours else text for path, text in found.texts.items()}, frozenset())

    def render(self, found: Found) -> str:
        """The state as text for ``--diff``."""
        return "".join(f"{path}: {'absent' if text is None else text.rstrip()}\n" for path, text in found.texts.items())

    def _write(self, path: Path, text: str) -> None:
        """Under another name first: noted before it has its own, and there whole or not at all."""
        self.made.make_parents(self.owner, path)
        part = half(path)
        part.unlink(missing_ok=True)
        if text.startswith(LEADS_TO):
            part.symlink_to(text.removeprefix(LEADS_TO))
        else:
            part.write_text(text)
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


def _named(path: Path, text: str) -> str:
    return f"a link {path} to {text.removeprefix(LEADS_TO)}" if text.startswith(LEADS_TO) else f"the file {path}"
