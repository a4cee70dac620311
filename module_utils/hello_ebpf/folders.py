# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Folders that are replaced as a whole, and what is in them by digest. What may be removed: ``removal.py``."""

from __future__ import annotations

import errno
import hashlib
from pathlib import Path

from .removal import MARK, remove


def halves(dest: Path) -> tuple[Path, Path]:
    """The folder that is being made and the one that makes room for it; a run that is cut off leaves them.

    Hidden neighbours of the destination: the same filesystem, so that a rename can put the new one in place.
    """
    return dest.parent / f".{dest.name}.new", dest.parent / f".{dest.name}.old"


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


def files_in(folder: Path) -> list[Path]:
    found = (path for path in folder.rglob("*") if path.is_symlink() or path.is_file())
    return sorted(path for path in found if path.name != MARK)


def digest_file(path: Path) -> str:
    """The content's digest; a symbolic link's is its target; empty where there is nothing."""
    if path.is_symlink():
        return f"-> {path.readlink()}"
    if not path.is_file():
        return ""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()[:16]
