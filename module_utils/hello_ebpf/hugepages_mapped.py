# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""The hugepages that processes have mapped, as /proc/PID/smaps shows them (proc(5)).

Touched or not: the kernel has reserved those that are not. What lies in a file (a memfd of the target's, which its
workers map too) counts once, however often it is mapped.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from pathlib import Path

from .processes import PROC, Process, text_of

#: Begin, end, offset, device and inode of a mapping, then the size of its pages.
MAPPING = re.compile(
    r"^([0-9a-f]+)-([0-9a-f]+) \S+ (\S+) (\S+) (\d+)\b.*\n(?:\w+:.*\n)*?KernelPageSize: +(\d+) kB$", re.MULTILINE
)


def mapped_pages(processes: Iterable[Process], kilobytes: int, proc: Path = PROC) -> int:
    """Pages of a size that these processes have mapped; 0 for a process that ended meanwhile."""
    pages: dict[object, int] = {}
    for process in processes:
        with contextlib.suppress(OSError):
            for begin, end, offset, device, inode, size in MAPPING.findall(text_of(proc / str(process.pid) / "smaps")):
                if int(size) == kilobytes:
                    where = (device, inode, offset) if inode != "0" else (process.pid, begin)
                    here = (int(end, 16) - int(begin, 16)) // (kilobytes * 1024)
                    pages[where] = max(pages.get(where, 0), here)
    return sum(pages.values())
