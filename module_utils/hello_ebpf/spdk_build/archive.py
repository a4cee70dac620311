"""The relocatable archive of a build, the same bytes from the same files; archives unpacked, the source's too."""

from __future__ import annotations

import gzip
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from ..errors import LabError
from ..files import sha256_of, write_whole

# Packing takes a third of a second at this level, and a higher one saves little.
LEVEL = 4


def pack(root: Path, archive: Path, leave_out: Path) -> None:
    """Write the archive of a folder but for one file, and beside it its digest in sha256sum's form."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    partial = archive.with_name(f".{archive.name}.partial")

    def nobodys(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
        info.uid = info.gid = info.mtime = 0
        info.uname = info.gname = "root"
        info.mode = 0o755 if info.isdir() or info.mode & 0o100 else 0o644
        return None if info.name == str(leave_out) else info

    with (
        partial.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0, compresslevel=LEVEL) as compressed,
        tarfile.open(fileobj=compressed, mode="w|", format=tarfile.GNU_FORMAT) as tar,
    ):
        for path in sorted(root.iterdir()):
            tar.add(path, arcname=path.name, filter=nobodys)
    write_whole(digest_file(archive), f"{sha256_of(partial)}  {archive.name}\n")
    partial.rename(archive)


def digest_file(archive: Path) -> Path:
    return archive.with_name(f"{archive.name}.sha256")


def declared_digest(archive: Path) -> str:
    """The digest beside a finished archive; empty where there is none."""
    path = digest_file(archive)
    return path.read_text().partition(" ")[0] if archive.is_file() and path.is_file() else ""


def unpack(archive: Path, dest: Path) -> None:
    """Unpack an archive whose digest was verified, below an empty folder."""
    words = ("it is no gzip-compressed tar archive ({})", "remove it, and run again")
    with unreadable_told(f"the build in {archive}", *words), tarfile.open(archive, "r:gz") as tar:
        for member in tar:
            take(tar, member, PurePosixPath(member.name), dest)


@contextmanager
def unreadable_told(asked: str, found: str, fix: str) -> Iterator[None]:
    """Tell in these words that an archive is none (``{}`` in `found`: the reason). Errors of the disk stay themselves.

    Raises:
        LabError: the archive cannot be read.
    """
    try:
        yield
    except (tarfile.TarError, EOFError, OSError) as error:
        if isinstance(error, OSError) and error.errno:
            raise
        raise LabError(asked, found.format(str(error) or type(error).__name__), fix) from error


def take(archive: tarfile.TarFile, member: tarfile.TarInfo, name: PurePosixPath, dest: Path) -> None:
    """Unpack one member. Own code, because Debian 12's tarfile has no safe filter yet."""
    if ".." in name.parts or name.is_absolute():
        raise LabError(asked="an archive of files", found=f"a member named {member.name}", fix="do not trust it")
    path = dest / name
    if member.isdir():
        path.mkdir(parents=True, exist_ok=True)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        if member.issym():
            _link(path, member.linkname, dest)
        elif content := archive.extractfile(member) if member.isreg() else None:
            with path.open("xb") as file:
                shutil.copyfileobj(content, file)
            if member.mode & 0o100:
                path.chmod(0o755)


def _link(path: Path, target: str, dest: Path) -> None:
    if not (path.parent / target).resolve().is_relative_to(dest.resolve()):
        raise LabError(asked="an archive of files", found=f"{path} would point to {target}", fix="do not trust it")
    path.symlink_to(target)
