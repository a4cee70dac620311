"""A build put in place from its archive, proved by its own program, and the link to it changed in one step."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import LabError
from ..files import link_to, sha256_of
from ..folders import swap
from ..removal import claim, foreign, remove, strangers, unclaim
from . import archive
from .fetch import verify
from .layout import PROGRAM, STAMP
from .request import Request

# In an installed build: the digest of the archive that it came from.
ORIGIN = Path("share/hello_ebpf/build_archive.sha256")
VERSION_SECONDS = 60


@dataclass(frozen=True)
class Installed:
    """What the link to a build leads to.

    Attributes:
        name: the folder's name; empty where there is no link to a build.
        stamp: the build's stamp file.
        archive_sha256: digest of the archive that it was installed from.
        spoilt: files that are missing or no longer as they were installed.
    """

    name: str = ""
    stamp: dict[str, Any] | None = None
    archive_sha256: str = ""
    spoilt: tuple[str, ...] = ()


def installed(link: Path) -> Installed:
    """Read what a link leads to, every file of it."""
    root = link.resolve()
    if not link.is_symlink() or not (root / STAMP).is_file():
        return Installed()
    try:
        stamp = json.loads((root / STAMP).read_text())
        files = dict(stamp["files"])
    except (ValueError, KeyError, TypeError):
        return Installed(name=root.name, spoilt=(str(STAMP),))
    origin = (root / ORIGIN).read_text().strip() if (root / ORIGIN).is_file() else ""
    return Installed(root.name, stamp, origin, spoilt_files(root, files))


def spoilt_files(root: Path, files: dict[str, str]) -> tuple[str, ...]:
    return tuple(
        name for name, sha256 in files.items() if not (root / name).is_file() or sha256_of(root / name) != sha256
    )


def install(request: Request) -> None:
    """Install ``request.build_archive`` and let its link point to it.

    Nothing is forced to disk: every later run holds each file against its digest, and installs again what a power
    failure spoilt.
    """
    sha256 = archive.declared_digest(request.build_archive)
    verify(request.build_archive, sha256)
    request.prefix.mkdir(parents=True, exist_ok=True)
    new, old = halves(request.prefix)
    remove(new)
    remove(old)
    final = request.prefix / request.name
    if final.exists() and (names := strangers(final)):
        raise foreign(final, "this build of SPDK alone", names)
    claim(new)
    archive.unpack(request.build_archive, new)
    name = _accept(request, new)
    (new / ORIGIN).write_text(f"{sha256}\n")
    unclaim(new)
    final = request.prefix / name
    swap(new, final, old)
    link_to(request.link, name)


def halves(prefix: Path) -> tuple[Path, Path]:
    """The build that is being put in place and the one that makes room for it; a run that is cut off leaves them."""
    return prefix / ".new", prefix / ".old"


def _accept(request: Request, root: Path) -> str:
    """The name of an unpacked build that can run here."""
    asked = f"the build in {request.build_archive} on this machine"
    rebuild = "remove that archive, and run again"
    try:
        stamp = json.loads((root / STAMP).read_text())
        version, digest, files = (stamp[key] for key in ("version", "stamp", "files"))
    except (OSError, ValueError, KeyError) as error:
        raise LabError(asked=asked, found=f"it has no proper {STAMP}", fix=rebuild) from error
    if spoilt := spoilt_files(root, files):
        raise LabError(asked=asked, found=f"its stamp does not agree with {', '.join(spoilt)}", fix=rebuild)
    found = program_version(root / PROGRAM)
    if found != f"SPDK v{version}":
        raise LabError(asked=f"{asked}, as SPDK v{version}", found=f"its program says: {found}", fix=rebuild)
    return f"{version}-{digest}"


def program_version(program: Path) -> str:
    """What ``nvmf_tgt --version`` says, or why it says nothing."""
    try:
        done = subprocess.run(
            [program, "--version"],
            capture_output=True,
            text=True,
            check=False,
            timeout=VERSION_SECONDS,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode < 0:
        return f"killed by signal {-done.returncode}"
    return (done.stdout or done.stderr).strip()
