# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Whole files: read as far as there is one, written so that they appear whole or not at all."""

from __future__ import annotations

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


def half(path: Path) -> Path:
    """Where a file is made before it gets its name."""
    return path.with_name(f".{path.name}.part")


def write_whole(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file so that a reader, also one after a power cut, sees the old one or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = half(path)
    part.touch()
    part.chmod(mode)
    with part.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def put(path: Path, text: str | None, mode: int = 0o644) -> None:
    """Make of a path what ``content_of`` then tells: a file, a link, or nothing where the text is None."""
    if text is None:
        path.unlink(missing_ok=True)
    elif text.startswith(LEADS_TO):
        path.parent.mkdir(parents=True, exist_ok=True)
        half(path).unlink(missing_ok=True)
        half(path).symlink_to(text.removeprefix(LEADS_TO))
        half(path).replace(path)
    else:
        write_whole(path, text, mode)
