# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Whole files: read as far as there is one, written so that they appear whole or not at all; and their digests."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

LEADS_TO = "-> "


def text_in(path: Path) -> str:
    """The text of a file; empty where there is none that we may read."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def content_of(path: Path) -> str | None:
    """A file's text, a link's target behind ``LEADS_TO``; None where nothing is, empty for anything else."""
    if path.is_symlink():
        return f"{LEADS_TO}{path.readlink()}"
    if path.is_file():
        return path.read_text(errors="replace")
    return "" if path.exists() else None


def sha256_of(path: Path) -> str:
    """The digest of a file's content."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def half(path: Path) -> Path:
    """Where a file is made before it gets its name."""
    return path.with_name(f".{path.name}.part")


def write_whole(path: Path, text: str, mode: int = 0o644, group: int = -1) -> None:
    """Write a file so that a reader, also one after a power cut, sees the old one or the new one, never a part.

    It has this mode and group (-1: the caller's) before anything is in it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = half(path)
    part.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            os.fchown(file.fileno(), -1, group)
            os.fchmod(file.fileno(), mode)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def link_to(link: Path, target: str) -> None:
    """Let a symbolic link point somewhere, in one step."""
    half(link).unlink(missing_ok=True)
    half(link).symlink_to(target)
    half(link).replace(link)


def put(path: Path, text: str | None, mode: int = 0o644) -> None:
    """Make of a path what ``content_of`` then tells: a file, a link, or nothing where the text is None."""
    if text is None:
        path.unlink(missing_ok=True)
    elif text.startswith(LEADS_TO):
        path.parent.mkdir(parents=True, exist_ok=True)
        link_to(path, text.removeprefix(LEADS_TO))
    else:
        write_whole(path, text, mode)
