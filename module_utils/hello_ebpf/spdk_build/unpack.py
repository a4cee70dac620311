"""The source tree: unpacked, patched, and only then given its name."""

from __future__ import annotations

import re
import shutil
import tarfile
from pathlib import Path, PurePosixPath

from ..errors import LabError
from ..removal import remove
from . import manifest
from .archive import take, unreadable_told
from .fetch import AGAIN, verify
from .request import Request
from .shell import Shell

VERSION_HEADER = "include/spdk/version.h"


def unpack(request: Request, shell: Shell) -> None:
    """Make ``request.src`` from the fetched source and the patches."""
    partial = request.tree / "src.partial"
    remove(partial)
    remove(request.src)
    partial.mkdir(parents=True)
    if request.source == "archive":
        verify(request.download, request.sha256)
        _extract(request, partial)
    else:
        # A checkout has files of git's own.
        leave_out = shutil.ignore_patterns(".git")
        shutil.copytree(request.download, partial, symlinks=True, ignore=leave_out, dirs_exist_ok=True)
    if request.source == "ceph":
        _hold_against_manifest(request, partial)
    check_tree(request, partial)
    for patch in request.patches:
        shell.run(
            ["patch", "--batch", "--forward", "--strip=1", "--directory", partial],
            asked=f"SPDK {request.version} with the patch {patch.name}",
            fix=f"make {patch.name} for SPDK {request.version}",
            text=patch.content,
        )
    partial.rename(request.src)


def _hold_against_manifest(request: Request, tree: Path) -> None:
    """Refuse our copy of the used files where it is not as it was fetched; the next run fetches it anew."""
    if found := manifest.difference(tree, manifest.parse(request.manifest)):
        remove(request.download)
        raise LabError(asked=f"the source in {request.download}, as in the manifest", found=found, fix=AGAIN)


def check_tree(request: Request, tree: Path) -> None:
    """Refuse a tree that is not the asked version, or has no DPDK."""
    header = tree / VERSION_HEADER
    found = version_of(header.read_text()) if header.is_file() else "no SPDK"
    if found != request.version:
        raise LabError(
            asked=f"the source of SPDK {request.version}",
            found=f"the source is {found if found == 'no SPDK' else f'SPDK {found}'}",
            fix="correct spdk_version or the source",
        )
    if not (tree / "dpdk" / "meson.build").is_file():
        raise LabError(
            asked=f"the source of SPDK {request.version} with its submodule dpdk",
            found="the folder dpdk is empty",
            fix="use an archive that has the submodules (those that git hosts make of a tag have not), "
            "or spdk_source git",
        )


def version_of(header: str) -> str:
    """The version that SPDK's version.h declares, as in 20.07."""
    numbers = dict(re.findall(r"^#define SPDK_VERSION_(MAJOR|MINOR|PATCH)\s+(\d+)", header, re.MULTILINE))
    if not {"MAJOR", "MINOR"} <= numbers.keys():
        return "no SPDK"
    patch = int(numbers.get("PATCH", "0"))
    return f"{int(numbers['MAJOR'])}.{int(numbers['MINOR']):02}" + (f".{patch}" if patch else "")


def _extract(request: Request, dest: Path) -> None:
    """Unpack SPDK's folder, which need not be all that is in the archive."""
    words = ("{}", "use a tar archive, compressed with gzip, bzip2 or xz, or not at all")
    with unreadable_told(f"the archive {request.download}, unpacked", *words):
        top = _top_of(request)
        with tarfile.open(request.download) as archive:
            for member in archive:
                name = PurePosixPath(member.name)
                if name.is_relative_to(top):
                    take(archive, member, name.relative_to(top), dest)


def _top_of(request: Request) -> PurePosixPath:
    """The folder of SPDK in an archive."""
    with tarfile.open(request.download) as archive:
        for member in archive:
            if member.name.endswith(VERSION_HEADER):
                return PurePosixPath(member.name).parents[2]
    raise LabError(
        asked=f"the source of SPDK {request.version}",
        found=f"{request.archive} has no {VERSION_HEADER}",
        fix="correct spdk_archive",
    )
