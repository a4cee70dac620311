# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""The parts of a distribution, each an installed folder, and what is in them by digest."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..removal import MARK

SCHEMA = 1
# Of several builds in one folder, the one that this link names is distributed.
CURRENT = "current"
# The first member of an archive.
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """What a distribution holds, and where it runs.

    Attributes:
        platform: distribution and release that it was compiled on, such as debian-12.
        cpu: the oldest x86-64 level that it runs on.
        paths: part -> the folder that it was installed in, and is installed in everywhere.
        files: part -> file name below that folder -> its digest.
    """

    platform: str
    cpu: str
    paths: dict[str, str] = field(default_factory=dict)
    files: dict[str, dict[str, str]] = field(default_factory=dict)

    @classmethod
    def from_json(cls, data: Any) -> Manifest:
        """Read what ``to_json`` wrote.

        Raises:
            ValueError: it is no manifest, or one of another version of this project.
        """
        try:
            if data["schema"] != SCHEMA:
                raise ValueError(f"schema {data['schema']}, not {SCHEMA}")
            parts = dict(data["parts"])
            return cls(
                str(data["platform"]),
                str(data["cpu"]),
                {name: str(part["path"]) for name, part in parts.items()},
                {name: dict(part["files"]) for name, part in parts.items()},
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"no manifest of a distribution ({error})") from error

    def to_json(self) -> dict[str, Any]:
        parts = {name: {"path": path, "files": self.files[name]} for name, path in self.paths.items()}
        return {"schema": SCHEMA, "platform": self.platform, "cpu": self.cpu, "parts": parts}


def files_of(folder: Path) -> dict[str, Path]:
    """What is distributed of an installed folder: name -> path. What Python left behind is none of it."""
    link = folder / CURRENT
    roots = [link, *(folder / link.readlink()).rglob("*")] if link.is_symlink() else list(folder.rglob("*"))
    found = {str(path.relative_to(folder)): path for path in roots if path.is_symlink() or path.is_file()}
    return {name: found[name] for name in sorted(found) if name != MARK and "__pycache__" not in Path(name).parts}


def content(folder: Path) -> dict[str, str]:
    """What is distributed of an installed folder, by digest."""
    return {name: digest(path) for name, path in files_of(folder).items()}


def digest(path: Path) -> str:
    """A file's digest, with a mark where it is executable; a symbolic link's is its target; empty where nothing is."""
    if path.is_symlink():
        return f"-> {path.readlink()}"
    if not path.is_file():
        return ""
    with path.open("rb") as handle:
        sha256 = hashlib.file_digest(handle, "sha256").hexdigest()
    return f"{sha256} x" if path.stat().st_mode & 0o100 else sha256


def sha256_of(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def spoilt(folder: Path, files: dict[str, str]) -> tuple[str, ...]:
    """Files that are missing or other than they should be."""
    return tuple(name for name, expected in files.items() if digest(folder / name) != expected)


def read_json(path: Path) -> Any:
    """A JSON file's content; None where there is none."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None
