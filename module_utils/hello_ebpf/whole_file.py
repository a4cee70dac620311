# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path


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
