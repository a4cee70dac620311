"""What must hold before anything is fetched, built or installed."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from ..errors import LabError
from ..release import SUPPORTED, missing_flags
from . import manifest
from .request import Request

MACHINE = "x86_64"
GIB = 1 << 30
MIB = 1 << 20


def check_platform(platform: str, machine: str) -> None:
    if platform not in SUPPORTED or machine != MACHINE:
        raise LabError(
            asked="SPDK on this machine",
            found=f"it runs {platform.replace('-', ' ')} on {machine}",
            fix=f"use {', '.join(SUPPORTED.values())} on {MACHINE}",
        )


def check_cpu(level: str, cpuinfo: str) -> None:
    """Refuse a level that this machine's CPU does not reach: what is built could not run here."""
    if missing := missing_flags(level, cpuinfo):
        raise LabError(
            asked=f"SPDK built for {level} (spdk_cpu)",
            found=f"this machine's CPU lacks {', '.join(missing)}",
            fix="choose a lower level, or let the virtual machine have the host's CPU model",
        )


def check_source(request: Request) -> None:
    """Refuse a source that is not fully named."""
    if request.source == "git":
        return
    if request.source == "ceph":
        _check_manifest(request.manifest)
        _check_suites(request)
        return
    if not request.archive:
        raise LabError(asked="SPDK from archive", found="spdk_archive is empty", fix="set spdk_archive")
    digest = request.sha256.lower()
    if len(digest) != 64 or set(digest) - set("0123456789abcdef"):
        raise LabError(
            asked=f"SPDK from archive {Path(request.archive).name}",
            found=f"spdk_archive_sha256 is '{request.sha256}', no SHA-256 of 64 hexadecimal digits",
            fix="set spdk_archive_sha256 to what sha256sum says of an archive that you trust",
        )


def _check_manifest(text: str) -> None:
    try:
        found = "" if manifest.parse(text) else "it is empty"
    except ValueError as error:
        found = f"it has the line '{error}'"
    if found:
        raise LabError(
            asked="SPDK from ceph, each file as in the manifest (spdk_manifest)",
            found=found,
            fix="use what scripts/spdk_manifest.py prints: SHA-256, two spaces, a path in SPDK's tree",
        )


def _check_suites(request: Request) -> None:
    """Refuse what would be several words, or none, in a line of package sources."""
    for name, words in (("suites", request.debian_suites), ("mirror", (request.debian_mirror or "none",))):
        for word in words:
            if len(word.split()) != 1 or word != word.strip():
                raise LabError(
                    asked=f"SPDK from ceph, spdk_debian_{name} with {word!r}",
                    found="it is not one word",
                    fix=f"correct spdk_debian_{name}: a suite is a word such as trixie, a mirror a URL",
                )


def check_owner(folder: Path, top: str) -> None:
    """Refuse a folder, or one above it up to the project's own, that somebody else could change.

    Args:
        folder: where files of root will be.
        top: the name of the project's own folder.
    """
    owned = [folder, *folder.parents]
    depth = next((number for number, path in enumerate(owned) if path.name == top), 0)
    for path in owned[: depth + 1]:
        if not path.is_symlink() and not path.exists():
            continue
        status = path.lstat()
        mode = stat.S_IMODE(status.st_mode)
        if not stat.S_ISDIR(status.st_mode):
            found = f"{path} is no folder"
        elif status.st_uid != os.geteuid():
            found = f"{path} belongs to user {status.st_uid}, not to user {os.geteuid()}"
        elif mode & 0o022:
            found = f"{path} has mode {mode:04o}: others than its owner may write there"
        else:
            continue
        raise LabError(
            asked=f"{folder} for files that root runs",
            found=found,
            fix=f"chown root: {path} && chmod 0755 {path}, if its content can be trusted; or name another folder",
        )


def check_space(needs: Mapping[Path, int]) -> None:
    """Refuse to begin what the disk has no room for.

    Args:
        needs: folder -> bytes that will be written below it.
    """
    by_disk: dict[int, list[Path]] = {}
    for folder in needs:
        by_disk.setdefault(_nearest(folder).stat().st_dev, []).append(folder)
    for folders in by_disk.values():
        wanted = sum(needs[folder] for folder in folders)
        status = os.statvfs(_nearest(folders[0]))
        free = status.f_bavail * status.f_frsize
        if free < wanted:
            paths = " and ".join(map(str, folders))
            raise LabError(
                asked=f"{wanted / GIB:.2f} GiB of disk space in {paths}",
                found=f"{free / GIB:.2f} GiB are free there",
                fix=f"free {(wanted - free) / GIB:.2f} GiB more, or set spdk_cache and spdk_prefix to another disk",
            )


def _nearest(folder: Path) -> Path:
    """The folder, or the first one above it that is there."""
    return next(path for path in [folder, *folder.parents] if path.exists())
