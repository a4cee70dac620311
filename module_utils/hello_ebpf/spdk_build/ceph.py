"""SPDK's source, out of the ceph source package that the machine's own package sources sign.

apt reads the sources, checks the signature of each release, the digest of its index, and the archive's; what is in
the archive is held against the manifest. No host name stands in this project: a machine that may reach only its own
mirror reaches that one.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from ..errors import LabError
from ..release import os_release
from ..removal import remove
from . import manifest
from .archive import unreadable_told
from .request import Request
from .shell import Shell, fetch_environment

PACKAGE = "ceph"
# Where SPDK lies in ceph's archive.
IN_CEPH = re.compile(r"(?:\./)?[^/]+/src/spdk/(?P<name>.+)")
DEBIAN_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
APT_HELPER = "/usr/lib/apt/apt-helper"
OS_RELEASE = Path("/etc/os-release")
FIX = (
    "make the mirror reachable and whole, enable what has ceph (universe on Ubuntu), "
    "set spdk_debian_mirror to a Debian mirror, or spdk_source to git or archive"
)
# The machine's own sources, with the one index that is wanted of each, be it listed as deb or as deb-src; nothing
# that the machine does else at an update.
APT_CONFIGURATION = """\
#clear Acquire::IndexTargets;
#clear APT::Update;
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Acquire::Retries "2";
""" + "".join(
    f"""\
Acquire::IndexTargets::{kind}::Sources {{
  MetaKey "$(COMPONENT)/source/Sources";
  ShortDescription "Sources";
  Description "$(RELEASE)/$(COMPONENT) Sources";
  Optional "true";
}};
"""
    for kind in ("deb", "deb-src")
)


class Index(NamedTuple):
    """A source index that apt has fetched, by fields of `apt-get indextargets` in lower case.

    ``codename`` is what the signed release calls itself; ``trusted`` is "yes" where apt has verified the signature, or
    was told by the machine's owner to do without.
    """

    repo_uri: str
    release: str
    component: str
    codename: str
    origin: str
    trusted: str
    filename: str

    def __str__(self) -> str:
        return f"{self.repo_uri} {self.release} {self.component}"


@dataclass(frozen=True)
class Archive:
    """A source archive of ceph: its version, SHA-256, and URL."""

    version: str
    sha256: str
    url: str

    def __str__(self) -> str:
        return f"ceph {self.version} from {self.url}"


class Apt:
    """apt with the machine's configuration and keyrings, but package lists of its own.

    Args:
        shell: runs its commands.
        folder: for the lists.
        sources: a file of package sources in the place of the machine's.
    """

    def __init__(self, shell: Shell, folder: Path, sources: Path | None = None) -> None:
        self._shell = shell
        (folder / "lists/partial").mkdir(parents=True, exist_ok=True)
        (folder / "cache/archives/partial").mkdir(parents=True, exist_ok=True)
        self._options = ["-c=/dev/stdin", f"-oDir::State::Lists={folder / 'lists'}", f"-oDir::Cache={folder / 'cache'}"]
        if sources:
            self._options += [f"-oDir::Etc::SourceList={sources}", "-oDir::Etc::SourceParts=/dev/null"]

    def run(self, command: str, *words: str) -> str:
        return self._shell.run(
            [command, *self._options, *words],
            asked=f"the source package {PACKAGE}",
            fix=FIX,
            env=fetch_environment(),
            text=APT_CONFIGURATION,
        )

    def indexes(self) -> list[Index]:
        form = "\t".join(f"$({name.upper()})" for name in Index._fields)
        lines = self.run("apt-get", "indextargets", "--format", form, "Created-By: Sources").splitlines()
        # Warnings are among them.
        fields = [line.split("\t") for line in lines if line.count("\t") == len(Index._fields) - 1]
        return [Index(*row) for row in fields]


def fetch_used(request: Request, shell: Shell, folder: Path) -> Path:
    """A tree of the files that the manifest names, in an empty folder, from the first archive that agrees with it.

    Raises:
        LabError: there is no archive, or none agrees; with each archive and its reason.
    """
    digests = manifest.parse(request.manifest)
    # apt fetches as the user _apt, which must be able to write there; where there is no such user, as root.
    with suppress(LookupError):
        shutil.chown(folder, "_apt")
    found: list[str] = []
    differ: set[str] = set()
    for apt, indexes, complaint in _places(request, shell):
        found += [f"apt said: {complaint}"] if complaint else []
        for archive in archives(index for index in indexes if index.trusted == "yes"):
            if archive.sha256 in differ:
                continue
            file, tree = folder / "archive", folder / "tree"
            try:
                apt.run(APT_HELPER, "download-file", archive.url, str(file), f"SHA256:{archive.sha256}")
                take(file, digests, tree)
            except LabError as error:
                reason = error.found
            else:
                reason = manifest.difference(tree, digests)
                differ |= {archive.sha256} if reason else set()
            remove(file)
            if not reason:
                return tree
            remove(tree)
            found.append(f"{archive}: {reason}")
        if not any(line.startswith("ceph ") for line in found):
            listed = ", ".join(map(str, indexes)) or "no source index at all"
            found.append(f"no {PACKAGE} in {listed}")
    raise LabError(
        asked=f"SPDK {request.version} in a signed source package {PACKAGE}, each used file as in the manifest",
        found="; ".join(found),
        fix=FIX,
    )


def _places(request: Request, shell: Shell) -> Iterator[tuple[Apt, list[Index], str]]:
    """The machine's own package sources, then further suites of Debian: apt, its indexes, what it complained of."""
    apt = Apt(shell, request.cache / "apt/own")
    complaint = _update(apt)
    own = apt.indexes()
    yield apt, own, complaint
    mirror = request.debian_mirror or _debian_mirror(own)
    if not mirror:
        return
    for suite in request.debian_suites:
        folder = request.cache / "apt/debian"
        remove(folder)
        folder.mkdir(parents=True)
        sources = folder / "debian.list"
        sources.write_text(f"deb [signed-by={DEBIAN_KEYRING}] {mirror} {suite} main\n")
        apt = Apt(shell, folder, sources)
        complaint = _update(apt)
        yield apt, apt.indexes(), complaint


def _update(apt: Apt) -> str:
    """Fetch the indexes; what apt complains of, as one source among several may be bad."""
    try:
        apt.run("apt-get", "update", "-q")
    except LabError as error:
        return error.found
    return ""


def _debian_mirror(indexes: list[Index]) -> str:
    """The address of the machine's own release of Debian; empty where it is another distribution's."""
    codename = os_release(OS_RELEASE.read_text()).get("VERSION_CODENAME", "")
    return next((index.repo_uri for index in indexes if (index.origin, index.codename) == ("Debian", codename)), "")


def archives(indexes: Iterator[Index]) -> Iterator[Archive]:
    """The archives of ceph in signed indexes; a medium that would have to be inserted counts for nothing."""
    for index in indexes:
        if index.repo_uri.startswith("cdrom:"):
            continue
        command = [APT_HELPER, "cat-file", index.filename]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as reader:
            assert reader.stdout is not None
            for _, lines in groupby(reader.stdout, key="\n".__eq__):
                stanza = list(lines)
                if stanza[0] == f"Package: {PACKAGE}\n":
                    yield from _archives_in("".join(stanza), index.repo_uri)


def _archives_in(stanza: str, uri: str) -> Iterator[Archive]:
    version = re.search(r"^Version: (\S+)", stanza, re.MULTILINE)
    folder = re.search(r"^Directory: (\S+)", stanza, re.MULTILINE)
    for sha256, file in re.findall(r"^ ([0-9a-f]{64}) \d+ (\S+\.orig\.tar\.\w+)$", stanza, re.MULTILINE):
        if version and folder:
            yield Archive(version[1], sha256, f"{uri.rstrip('/')}/{folder[1]}/{file}")


def take(archive: Path, names: Mapping[str, str], dest: Path) -> None:
    """Unpack the named files of SPDK, and stop reading where its folder ends: it lies in the first seventh of ceph's.

    A file is executable if it is a script, whatever its archive says: two archives give the same files. Folders are
    made, all of them: build files name some that nothing is read from.
    """
    dest.mkdir()
    inside = False
    with unreadable_told("ceph's archive", "it is no tar archive ({})", FIX), tarfile.open(archive, "r|*") as tar:
        for member in tar:
            match = IN_CEPH.fullmatch(member.name)
            if inside and not match:
                break
            inside = bool(match)
            if not match or ".." in member.name.split("/"):
                continue
            path = dest / match["name"]
            (path if member.isdir() else path.parent).mkdir(parents=True, exist_ok=True)
            if match["name"] in names and member.isreg() and (content := tar.extractfile(member)):
                path.write_bytes(data := content.read())
                path.chmod(0o755 if data.startswith(b"#!") else 0o644)
