# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Folders that are replaced as a whole. What may be removed: ``removal.py``."""

from __future__ import annotations

import errno
from pathlib import Path

from .removal import remove


def swap(new: Path, dest: Path, old: Path) -> None:
    """Put the new folder in the old one's place. Cut off in between, nothing is there and the next run makes it."""
    if dest.exists():
        try:
            dest.rename(old)
        except OSError as error:
            # A folder of a container image's lower layer cannot be renamed.
            if error.errno != errno.EXDEV:
                raise
            remove(dest)
    new.rename(dest)
    remove(old)
