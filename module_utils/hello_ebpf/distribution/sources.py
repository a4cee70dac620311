# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""The digest of everything in this project that a distribution is compiled from. The controller's, stdlib only."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

DIGITS = 12
# Whose files are compiled or packed, and what else has a say in how.
FOLDERS = ("src", "roles/spdk/files")
RECIPES = (
    "roles/*/tasks/build.yml",
    "roles/spdk/defaults/main.yml",
    "roles/spdk/vars/main.yml",
    "module_utils/hello_ebpf/spdk_build/*.py",
    # Where a collection has them.
    "plugins/module_utils/hello_ebpf/spdk_build/*.py",
)


def sources_digest(project: Path) -> str:
    """Names what the project's sources are compiled to: the same sources have the same digest on every controller."""
    total = hashlib.sha256()
    for path in sorted(set(_files(project))):
        total.update(f"{path.relative_to(project)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()[:DIGITS]


def _files(project: Path) -> Iterator[Path]:
    for folder in FOLDERS:
        for path in (project / folder).rglob("*"):
            parts = path.relative_to(project / folder).parts
            if path.is_file() and not any(map(_left_by_a_build, parts)):
                yield path
    for pattern in RECIPES:
        yield from project.glob(pattern)


def _left_by_a_build(part: str) -> bool:
    return part in {"build", "__pycache__"} or part.startswith(".") or part.endswith(".egg-info")


def archive_name(platform: str, cpu: str, sources: str) -> str:
    """The file name of a distribution."""
    return f"hello_ebpf-{platform}-{cpu}-{sources}.tar.gz"
