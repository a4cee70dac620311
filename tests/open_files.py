"""What a running process has open, by /proc."""

from __future__ import annotations

import contextlib
from pathlib import Path


def open_files(pid: int) -> list[str]:
    """What each file descriptor of a process stands for: a path, or "socket:[INODE]" and the like."""
    found = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        # One that the process closes between the listing and the look is none.
        with contextlib.suppress(FileNotFoundError):
            found.append(str(link.readlink()))
    return found
