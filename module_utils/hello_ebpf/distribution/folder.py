# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""A folder of packages on the controller: .deb files, and SHA256SUMS, whose heading says what they were made of.

The controller's alone, and nothing but the standard library: plugins and tests load this file by its path.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

SUMS = "SHA256SUMS"
# What is written into the folder, by this release and the one before; another file there is somebody else's.
WRITTEN = ("hello-ebpf-*.deb", ".hello-ebpf-*.deb.partial", "hello_ebpf-*.tar.gz", "hello_ebpf-*.tar.gz.sha256")
DIGITS = 12
# Whose files are compiled or packed, and what else has a say in how.
FOLDERS = ("src", "packaging", "roles/spdk/files")
RECIPES = (
    "roles/*/tasks/build.yml",
    "roles/spdk/defaults/main.yml",
    "roles/spdk/vars/main.yml",
    "module_utils/hello_ebpf/spdk_build/*.py",
    # Where a collection has them.
    "plugins/module_utils/hello_ebpf/spdk_build/*.py",
)


def heading(platform: str, cpu: str, project: Path) -> str:
    """The first line of SHA256SUMS, which sha256sum takes as a comment."""
    return f"# hello_ebpf {platform} {cpu} {sources_digest(project)}"


def read_sums(folder: Path) -> tuple[str, dict[str, str]]:
    """The heading of a folder's SHA256SUMS, and its files with their digests; nothing where there is none."""
    path = folder / SUMS
    lines = path.read_text().splitlines() if path.is_file() else []
    rows = [line.split(maxsplit=1) for line in lines if line.strip() and not line.startswith("#")]
    heads = [line for line in lines if line.startswith("# hello_ebpf ")]
    return "".join(heads[:1]), {row[-1].lstrip("*"): row[0] for row in rows}


def write_sums(folder: Path, head: str, sums: dict[str, str]) -> None:
    """Write SHA256SUMS; packages of ours that it does not name go."""
    for path in (path for pattern in WRITTEN for path in folder.glob(pattern) if path.name not in sums):
        path.unlink()
    rows = [f"{digest}  {name}" for name, digest in sums.items()]
    (folder / SUMS).write_text("".join(f"{line}\n" for line in (head, *rows)))


def package_of(name: str) -> tuple[str, str]:
    """Package and version of a .deb file, by its name."""
    package, _, rest = name.partition("_")
    return package, rest.partition("_")[0]


def digest_of(path: Path) -> str:
    """SHA-256 of a file; empty where there is none."""
    if not path.is_file():
        return ""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def sources_digest(project: Path) -> str:
    """Names what the project's sources are compiled to: the same sources have the same digest on every controller."""
    total = hashlib.sha256()
    for path in sorted(set(_files(project))):
        total.update(f"{path.relative_to(project)} {digest_of(path)}\n".encode())
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
