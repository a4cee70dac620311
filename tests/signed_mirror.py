"""A mirror of Ubuntu's shape on loopback, signed with a key of its own, and the apt of a machine that uses it."""

from __future__ import annotations

import functools
import hashlib
import http.server
import lzma
import shutil
import subprocess
import tarfile
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from machines import apt

VERSION = "19.2.3-0ubuntu0.24.04.1"
FILE = "ceph_19.2.3.orig.tar.xz"
DIRECTORY = "pool/universe/c/ceph"
BINARY = "Package: zlib1g\nVersion: 1.3\nArchitecture: amd64\nFilename: pool/zlib1g.deb\nSize: 1\n"


@contextmanager
def keys() -> Iterator[Path]:
    """The home of a signing key. Its path is short, as gpg's agent has a socket there."""
    apt.need({"gpg": "gpg", "gpg-agent": "gpg-agent"})
    home = Path(tempfile.mkdtemp(prefix="gpg"))
    try:
        gpg(home, "--quick-gen-key", "mirror@example.org", "ed25519")
        yield home
    finally:
        subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=True)
        shutil.rmtree(home)


def gpg(home: Path, *words: str | Path) -> bytes:
    command = [
        "gpg",
        "--homedir",
        home,
        "--batch",
        "--quiet",
        "--passphrase",
        "",
        "--pinentry-mode",
        "loopback",
        *words,
    ]
    return subprocess.run(command, check=True, capture_output=True).stdout


class Mirror:
    """An archive in a folder, with suites noble and noble-updates, components main and universe.

    Args:
        folder: its own.
        home: of the signing key.

    Attributes:
        keyring: the key's public part, as a file.
        key: the same as a .sources file has it in a Signed-By field.
    """

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder = folder
        self.keyring = folder.with_name("ubuntu-archive-keyring.gpg")
        self._home = home
        self.keyring.write_bytes(gpg(home, "--export"))
        # As a field of a .sources file takes it.
        lines = gpg(home, "--armor", "--export").decode().splitlines()
        self.key = "".join(f"\n {line or '.'}" for line in lines)

    def ceph(self, files: Mapping[str, str], file: str = FILE) -> None:
        """The source archive of a ceph with these files in src/spdk, and others before and behind."""
        path = self.folder / DIRECTORY / file
        path.parent.mkdir(parents=True, exist_ok=True)
        top = "ceph-19.2.3"
        inside = {f"src/spdk/{name}": text for name, text in files.items()}
        with tarfile.open(path, "w:xz") as archive:
            for name, text in {"AUTHORS": "ceph\n", **inside, "src/zstd/zstd.c": "int zstd;\n"}.items():
                info = tarfile.TarInfo(f"{top}/{name}")
                info.size = len(text)
                archive.addfile(info, BytesIO(text.encode()))

    def publish(
        self, *, ceph: Mapping[str, str] | None = None, suite: str = "noble", distribution: str = "Ubuntu"
    ) -> None:
        """Write and sign a suite: linux in main, and in universe ceph in the given versions (version -> file).

        Debian's archive gives each suite a codename of its own, Ubuntu's that of the release.
        """
        component, codename = ("main", suite) if distribution == "Debian" else ("universe", "noble")
        versions = {VERSION: FILE} if ceph is None else ceph
        universe = [_stanza("zlib", "1.3", "zlib_1.3.orig.tar.gz", b"")]
        universe += [
            _stanza("ceph", version, file, (self.folder / DIRECTORY / file).read_bytes())
            for version, file in versions.items()
        ]
        indexes = {
            "main/source/Sources.xz": lzma.compress(_stanza("linux", "6.8", "linux_6.8.orig.tar.gz", b"").encode()),
            "main/binary-amd64/Packages.xz": lzma.compress(BINARY.encode()),
            f"{component}/binary-amd64/Packages.xz": lzma.compress(BINARY.encode()),
            f"{component}/source/Sources.xz": lzma.compress("\n".join(universe).encode()),
        }
        dists = self.folder / "dists" / suite
        sums = ""
        for name, content in indexes.items():
            (dists / name).parent.mkdir(parents=True, exist_ok=True)
            (dists / name).write_bytes(content)
            plain = lzma.decompress(content)
            for path, data in ((name, content), (name.removesuffix(".xz"), plain)):
                sums += f" {hashlib.sha256(data).hexdigest()} {len(data)} {path}\n"
        (dists / "Release").write_text(
            f"Origin: {distribution}\nLabel: {distribution}\nSuite: {suite}\nCodename: {codename}\n"
            "Date: Thu, 25 Apr 2024 15:10:33 UTC\nArchitectures: amd64\n"
            f"Components: {' '.join(sorted({'main', component}))}\nSHA256:\n{sums}"
        )
        gpg(self._home, "--yes", "--clear-sign", "--output", dists / "InRelease", dists / "Release")
        (dists / "Release").unlink()

    @contextmanager
    def served(self) -> Iterator[str]:
        """Its address while it is up."""
        handler = functools.partial(_Quiet, directory=str(self.folder))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def do_GET(self) -> None:
        # Two versions of a file may be of the same second.
        del self.headers["If-Modified-Since"]
        super().do_GET()

    def log_message(self, *args: object) -> None:
        """Quiet."""


def _stanza(package: str, version: str, file: str, content: bytes) -> str:
    directory = f"pool/universe/{package[0]}/{package}"
    sha256 = hashlib.sha256(content).hexdigest()
    return (
        f"Package: {package}\nBinary: {package}-common\nVersion: {version}\nArchitecture: any\nFormat: 3.0 (quilt)\n"
        f"Files:\n {'0' * 32} {len(content)} {file}\n"
        f"Checksums-Sha256:\n {'0' * 64} 8870 {package}_{version}.dsc\n {sha256} {len(content)} {file}\n"
        f" {'1' * 64} 122268 {package}_{version}.debian.tar.xz\n"
        f"Directory: {directory}\n"
    )


def machine_apt(folder: Path, sources: Mapping[str, str]) -> Path:
    """A file for APT_CONFIG: the apt of a machine that has these files in /etc/apt (name -> text) and no others."""
    etc = folder / "etc"
    (etc / "sources.list.d").mkdir(parents=True)
    for name, text in sources.items():
        (etc / name).write_text(text)
    path = etc / "apt.conf"
    path.write_text(
        f'Dir::Etc::SourceList "{etc}/sources.list";\nDir::Etc::SourceParts "{etc}/sources.list.d";\n'
        'Acquire::http::Proxy::127.0.0.1 "DIRECT";\n'
    )
    return path
