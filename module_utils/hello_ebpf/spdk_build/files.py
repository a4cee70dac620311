"""Digests, and files that appear whole or not at all."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from ..removal import remove


def sha256_of(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def write_whole(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old one or the new one, never a part."""
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.rename(path)


def link_to(link: Path, target: str) -> None:
    """Let a symbolic link point somewhere, in one step."""
    partial = link.with_name(f".{link.name}.partial")
    remove(partial)
    partial.symlink_to(target)
    partial.rename(link)
