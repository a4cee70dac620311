"""Lines of ours in /etc/fstab, told from those of others by a mark in their options or by their source."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .files import write_whole

SOURCE, MOUNT = 0, 1
MARK = "x-hello_ebpf"  # mount(8): options with x- are for other programs and are ignored


@dataclass(frozen=True)
class Line:
    """One line, as it is written."""

    text: str

    @classmethod
    def of_ours(cls, source: str, mount: str, kind: str, options: str) -> Line:
        return cls(f"{source} {mount} {kind} {options},{MARK} 0 0")

    @property
    def fields(self) -> list[str]:
        """What it tells of a mount; nothing where it is a comment, or too short."""
        fields = self.text.split()
        return fields if len(fields) >= 4 and not fields[0].startswith("#") else []

    @property
    def source(self) -> str:
        return self.fields[SOURCE]

    @property
    def mount(self) -> str:
        return self.fields[MOUNT]

    @property
    def ours(self) -> bool:
        return bool(self.fields) and MARK in self.fields[3].split(",")


@dataclass(frozen=True)
class Fstab:
    """The file. It is written whole under another name first: a run that is cut off leaves it as it was."""

    path: Path  # where it is
    key: int = MOUNT  # the field by which a line is found

    def line(self, value: str) -> Line | None:
        """The line with this value in the key's field."""
        return next((line for line in self._lines() if line.fields[self.key : self.key + 1] == [value]), None)

    def mounts(self) -> list[str]:
        """The mount points of the lines with our mark."""
        return [line.mount for line in self._lines() if line.ours]

    def set(self, value: str, line: Line | None) -> None:
        """Put a line in the place of the present one with this value, at the end if there is none; None removes it."""
        lines = self._lines()
        there = self.line(value)
        place = lines.index(there) if there else len(lines)
        lines[place : place + 1] = [line] if line else []
        mode = self.path.stat().st_mode & 0o777 if self.path.exists() else 0o644
        write_whole(self.path, "".join(f"{line.text}\n" for line in lines), mode)

    def _lines(self) -> list[Line]:
        return [Line(text) for text in self.path.read_text().splitlines()] if self.path.exists() else []
