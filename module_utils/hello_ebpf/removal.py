# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""The one rule of what may be removed: a file goes when a list that the lab wrote names it, a folder when it is empty.

- A folder that the lab installed has a stamp that lists its files (``STAMPS``).
- A folder that the lab works in is claimed. While the work is under way, all in it but what lay there before is the
  lab's; ``seal`` lists what the work has left, and what comes later is somebody else's.
- What lies in a place that is not the lab's alone is noted one by one (``made.py``).

Nothing else in this project removes a folder with what is in it (tests/unit/test_removal.py reads all of it).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .errors import LabError

PROJECT_FOLDER = "hello_ebpf"
MARK = ".hello_ebpf.json"
# What lists a folder's files, {"files": [...] or {name: ...}}; the first one that is there counts.
STAMPS = (MARK, ".make_install.json", "share/hello_ebpf/stamp.json")
# What is written after SPDK's stamp.
BESIDE = "share/hello_ebpf/build_archive.sha256"
# What leads to one of several builds, each in a folder with a stamp of its own.
LINKS = ("current", "sanitized")
WORDS = "hello_eBPF made this folder. It removes the files that are listed here, all but others where none are."


@dataclass(frozen=True)
class Claim:
    """What of a folder is the lab's."""

    # the names that a list has, relative to the folder; None while work is under way: all but ``others``
    files: frozenset[str] | None
    others: frozenset[str] = frozenset()  # names of somebody else's

    def has(self, name: str) -> bool:
        """Whether the file of this name is the lab's. What Python compiled beside its sources is."""
        if name in self.others:
            return False
        compiled = name.endswith(".pyc") and "/__pycache__/" in f"/{name}"
        return self.files is None or name in self.files or compiled or name.startswith(MARK)


def claim_of(folder: Path) -> Claim | None:
    """What the lists in a folder say; None where there is none, and so nothing is the lab's."""
    if folder.is_symlink() or not folder.is_dir():
        return None
    name = next((name for name in STAMPS if (folder / name).is_file()), None)
    if name is None:
        return _claim_of_builds(folder)
    try:
        stamp = json.loads((folder / name).read_text())
        listed, others = stamp["files"], frozenset(stamp.get("others", ()))
    except (ValueError, KeyError, TypeError, AttributeError):
        return Claim(None)  # ours by its name; what it listed is lost
    return Claim(None if listed is None else frozenset({name, BESIDE, *STAMPS, *listed}), others)


def _claim_of_builds(folder: Path) -> Claim | None:
    links = {name for name in LINKS if (folder / name).is_symlink()}
    if not links:
        return None
    files = set(links)
    for build in folder.iterdir():
        ours = claim_of(build)
        if ours is not None:
            files |= {f"{build.name}/{name}" for name in _names(build) if ours.has(name)}
    return Claim(frozenset(files))


def strangers(folder: Path) -> list[str]:
    """The files in a folder that are not the lab's, by name relative to it; all of them where no list is."""
    claim = claim_of(folder) or Claim(frozenset())
    return sorted(name for name in _names(folder) if not claim.has(name))


def claim(folder: Path, *, own: tuple[str, ...] = ()) -> None:
    """Make a folder for work, or go on in one that was claimed before.

    Args:
        folder: where the lab works.
        own: what the lab may have put there already.

    Raises:
        LabError: as ``check_claim`` says.
    """
    check_claim(folder, own=own)
    others: list[str] = []
    if claim_of(folder) is not None:
        others = [name for name in strangers(folder) if Path(name).parts[0] not in own]
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder, {"made_by": WORDS, "files": None, "others": others})


def check_claim(folder: Path, *, own: tuple[str, ...] = ()) -> None:
    """Refuse a folder that cannot be claimed, before anything is changed.

    Raises:
        LabError: something is there, and no list says whose it is.
    """
    taken = folder.is_symlink() or (folder.exists() and not folder.is_dir()) or _holds(folder, own)
    if taken and claim_of(folder) is None:
        raise foreign(folder, "the lab's work alone")


def seal(folder: Path) -> None:
    """The work is done: list what is the lab's."""
    ours = claim_of(folder) or Claim(frozenset())
    _write(folder, {"made_by": WORDS, "files": sorted(name for name in _names(folder) if ours.has(name))})


def unclaim(folder: Path) -> None:
    """The work is done, and a stamp of its own lists what it has left."""
    (folder / MARK).unlink()


def remove(path: Path) -> None:
    """Remove a file, or of a folder what is the lab's, and then the folder if it is empty; nothing where nothing is.

    Raises:
        LabError: a folder that no list of the lab names, neither in it nor above it.
    """
    claims = ((folder, claim_of(folder)) for folder in (path, *path.parents))
    root, ours = next(((folder, found) for folder, found in claims if found is not None), (path, None))
    if path.is_symlink() or not path.is_dir():
        if ours is None or ours.has(str(path.relative_to(root))):
            path.unlink(missing_ok=True)
        return
    if ours is None:
        if any(path.iterdir()):
            raise foreign(path, "removal")
        path.rmdir()
        return
    for folder, folders, files in os.walk(path, topdown=False):
        here = Path(folder)
        links = [name for name in folders if (here / name).is_symlink()]
        # The list goes last: what is cut off goes on from it.
        for name in sorted((*files, *links), key=lambda name: name in STAMPS):
            if ours.has(str((here / name).relative_to(root))):
                (here / name).unlink()
        rmdir(here)


def tidy(path: Path) -> None:
    """Remove, and with it the project's own folders above that are empty now."""
    remove(path)
    for folder in path.parents:
        if PROJECT_FOLDER not in folder.parts or not rmdir(folder):
            break


def remove_named(folder: Path, patterns: tuple[str, ...]) -> None:
    """Remove the files directly in a folder that fit a pattern, and then the folder if it is empty."""
    for pattern in patterns:
        for path in folder.glob(pattern):
            if path.is_symlink() or not path.is_dir():
                path.unlink()
    rmdir(folder)


def rmdir(folder: Path) -> bool:
    """Remove a folder if it is empty; whether it is gone. It stays where it is a link, a mount point, or not there."""
    with suppress(OSError):
        folder.rmdir()
        return True
    return False


def foreign(folder: Path, wanted: str, names: list[str] | None = None) -> LabError:
    """The refusal of a folder that holds what is not the lab's."""
    there = strangers(folder) if names is None else names
    shown = ", ".join(there[:5]) + (f" and {len(there) - 5} more" if len(there) > 5 else "")
    return LabError(
        asked=f"{folder} for {wanted}",
        found=f"there is what the lab did not put there ({shown or 'no folder'})",
        fix="move it away, or name another folder",
    )


def _names(folder: Path) -> Iterator[str]:
    """The files and links below a folder."""
    for place, folders, files in os.walk(folder):
        here = Path(place)
        for name in (*files, *(name for name in folders if (here / name).is_symlink())):
            yield str((here / name).relative_to(folder))


def _holds(folder: Path, own: tuple[str, ...]) -> bool:
    return folder.is_dir() and any(path.name not in own and not path.name.startswith(MARK) for path in folder.iterdir())


def _write(folder: Path, content: dict[str, object]) -> None:
    part = folder / f"{MARK}.part"
    part.write_text(json.dumps(content) + "\n")
    part.replace(folder / MARK)
