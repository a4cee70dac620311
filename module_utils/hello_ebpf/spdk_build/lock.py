"""One run at a time works on a build."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import LabError

POLL_SECONDS = 0.2


@contextmanager
def locked(path: Path, what: str, seconds: float) -> Iterator[int]:
    """Hold the lock file; yields its descriptor, for commands to inherit.

    Args:
        path: the lock file. It says who holds it.
        what: what the holder does with it.
        seconds: how long to wait for another.

    Raises:
        LabError: another held it all the time.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        end = time.monotonic() + seconds
        while not _take(handle):
            if time.monotonic() >= end:
                holder = os.pread(handle, 200, 0).decode().strip() or "another process"
                raise LabError(
                    asked=f"{what}, alone in {path.parent}",
                    found=f"{path} was held for {seconds:.0f} seconds by {holder}, or by what that started",
                    fix="wait for the other run, or end it",
                )
            time.sleep(POLL_SECONDS)
        os.truncate(handle, 0)
        os.pwrite(handle, f"process {os.getpid()}: {what}\n".encode(), 0)
        yield handle
    finally:
        os.close(handle)


def _take(handle: int) -> bool:
    with suppress(BlockingIOError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False
