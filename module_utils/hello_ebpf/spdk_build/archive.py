"""The relocatable archive of a build: the same bytes from the same files."""

from __future__ import annotations

import gzip
import tarfile
from pathlib import Path

from ..errors import LabError
from ..files import sha256_of, write_whole
from ..removal import remove

# Packing takes a third of a second at this level, and a higher one saves little.
LEVEL = 4


def pack(root: Path, archive: Path, leave_out: Path) -> None:
    """Write the archive of a folder but for one file, and beside it its digest in sha256sum's form."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    partial = archive.with_name(f".{archive.name}.partial")
    with (
        partial.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0, compresslevel=LEVEL) as compressed,
        tarfile.open(fileobj=compressed, mode="w|", format=tarfile.GNU_FORMAT) as tar,
    ):
        for path in sorted(root.rglob("*")):
            if path == root / leave_out:
                continue
            info = tar.gettarinfo(path, arcname=str(path.relative_to(root)))
            info.uid = info.gid = 0
            info.uname = info.gname = "root"
            info.mtime = 0
            info.mode = 0o755 if info.isdir() or info.mode & 0o100 else 0o644
            if info.isreg():
                with path.open("rb") as content:
                    tar.addfile(info, content)
            else:
                tar.addfile(info)
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
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                path = dest / member.name
                if not path.resolve().is_relative_to(dest.resolve()) or not (member.isdir() or member.isreg()):
                    raise LabError(asked="a build's archive", found=f"a member {member.name}", fix="do not trust it")
                if member.isdir():
                    path.mkdir(exist_ok=True)
                elif content := tar.extractfile(member):
                    path.write_bytes(content.read())
                    path.chmod(member.mode)
    except (tarfile.TarError, EOFError, OSError) as error:
        if isinstance(error, OSError) and error.errno:
            raise
        remove(dest)
        raise LabError(
            asked=f"the build in {archive}",
            found=f"it is no gzip-compressed tar archive ({error})",
            fix="remove it, and run again",
        ) from error
