"""Lines of ours in /etc/fstab, told from those of others by a mark in their options."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

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
        return self.text.split()

    @property
    def source(self) -> str:
        return self.fields[0]

    @property
    def ours(self) -> bool:
        return MARK in self.fields[3].split(",")


class Fstab:
    """The file. It is written whole under another name first: a run that is cut off leaves it as it was."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def line(self, mount: str) -> Line | None:
        """The line for a mount point."""
        return next((Line(text) for text in self._lines() if _is_for(text, mount)), None)

    def mounts(self) -> list[str]:
        """The mount points of our lines."""
        lines = [Line(text) for text in self._lines() if len(text.split()) >= 4 and not text.lstrip().startswith("#")]
        return [line.fields[1] for line in lines if line.ours]

    def set(self, mount: str, line: Line | None) -> None:
        """Put a line in the place of the mount point's present one, at the end if it has none; None removes it."""
        lines = self._lines()
        place = next((at for at, text in enumerate(lines) if _is_for(text, mount)), len(lines))
        lines[place : place + 1] = [line.text] if line else []
        self._write("".join(f"{text}\n" for text in lines))

    def _lines(self) -> list[str]:
        return self.path.read_text().splitlines() if self.path.exists() else []

    def _write(self, text: str) -> None:
        mode = self.path.stat().st_mode & 0o777 if self.path.exists() else 0o644
        handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=".fstab.")
        with os.fdopen(handle, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(mode)
        Path(name).replace(self.path)


def _is_for(text: str, mount: str) -> bool:
    fields = text.split()
    return len(fields) >= 4 and not text.lstrip().startswith("#") and fields[1] == mount
