# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""What is mounted, as /proc/self/mountinfo tells it (proc_pid_mountinfo(5))."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .files import text_in


@dataclass(frozen=True)
class Mount:
    """One mount."""

    device: str  # ``major:minor`` of what is mounted
    path: str  # where
    # filesystem, source, options: of the file system, which it may share with other mounts
    filesystem: str
    source: str = "none"
    options: str = ""

    @property
    def page_kilobytes(self) -> int:
        """The page size of a hugetlbfs; 0 for anything else."""
        size = re.search(r"(?:^|,)pagesize=(\d+)([KMG])", self.options)
        return int(size[1]) * {"K": 1, "M": 1024, "G": 1024 * 1024}[size[2]] if size else 0


def mounts(root: Path = Path("/")) -> list[Mount]:
    """Every mount, in the order made; none where /proc cannot be read."""
    found = []
    for line in text_in(root / "proc/self/mountinfo").splitlines():
        where, _, what = line.partition(" - ")
        fields = where.split(" ")
        found.append(Mount(fields[2], _unescape(fields[4]), *what.split(" ")[:3]))
    return found


def mounted_at(path: str, found: Sequence[Mount]) -> Mount | None:
    """What one sees at a path: the last mount made there."""
    return next((mount for mount in reversed(found) if mount.path == path), None)


def _unescape(field: str) -> str:
    r"""A field of mountinfo, where a space is ``\040``."""
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), field)
