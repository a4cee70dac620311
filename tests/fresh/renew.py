# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Make a clone's files those of an archive, and print what differed: python3 renew.py ARCHIVE, in the clone.

A file that is the same already keeps its time, so that make builds nothing anew for it; one that differs gets the
present time, however old it is where it comes from. What git ignores there stays.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
from pathlib import Path


def clear(path: Path) -> None:
    """Remove whatever lies there, a folder included."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def same(path: Path, entry: tarfile.TarInfo, data: bytes) -> bool:
    """Whether a file, or a link, is there as the archive has it."""
    if entry.issym():
        return path.is_symlink() and str(path.readlink()) == entry.linkname
    if path.is_symlink() or not path.is_file():
        return False
    return path.stat().st_mode & 0o777 == entry.mode & 0o777 and path.read_bytes() == data


def put(path: Path, entry: tarfile.TarInfo, data: bytes) -> None:
    """Write one file, or a link."""
    for parent in reversed(path.parents):
        if parent.is_symlink() or parent.is_file():
            parent.unlink()
    clear(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if entry.issym():
        path.symlink_to(entry.linkname)
    else:
        path.write_bytes(data)
        path.chmod(entry.mode & 0o777)


def renew(archive: tarfile.TarFile, known: set[str]) -> list[str]:
    """Make the present folder's known files those of the archive; the names of those that differed."""
    entries = {entry.name: entry for entry in archive if entry.isfile() or entry.issym()}
    changed = sorted(known - entries.keys())
    for name in changed:
        clear(Path(name))
    for name, entry in entries.items():
        handle = None if entry.issym() else archive.extractfile(entry)
        data = handle.read() if handle else b""
        if not same(Path(name), entry, data):
            put(Path(name), entry, data)
            changed.append(name)
    return changed


def main() -> None:
    """The command line."""
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(words, check=True, capture_output=True, text=True).stdout.split("\0")
    known = {name for name in listed if name and (Path(name).is_symlink() or Path(name).exists())}
    with tarfile.open(sys.argv[1]) as archive:
        print("\n".join(renew(archive, known)))


if __name__ == "__main__":
    main()
