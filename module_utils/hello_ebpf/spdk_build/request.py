"""What is asked for, the digest that names it, and the places that belong to it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from pathlib import Path

from . import recipe

STAMP_DIGITS = 12
# By whether the build is sanitized.
LINKS = {False: "current", True: "sanitized"}
# Finished in this order. `fetch` to `pack` make the archive of a build, `install` puts one in place.
STAGES = ("fetch", "unpack", "configure", "dpdk", "lib", "module", "app", "pack", "install")


@dataclass(frozen=True)
class Patch:
    """A change to the source: file name and unified diff."""

    name: str
    content: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content.encode()).hexdigest()


@dataclass(frozen=True)
class Request:
    """One build of SPDK: the options of the module spdk_build, which documents them, and

    Attributes:
        platform: distribution and release, such as debian-12: libraries of another may be incompatible.
    """

    version: str
    source: str
    manifest: str = ""
    debian_suites: tuple[str, ...] = ()
    debian_mirror: str = ""
    sha256: str = ""
    git_url: str = ""
    git_version: str = ""
    git_commit: str = ""
    git_submodule_urls: dict[str, str] = field(default_factory=dict)
    archive: str = ""
    prefix: Path = Path("/opt/hello_ebpf/spdk")
    cache: Path = Path("/var/cache/hello_ebpf/spdk")
    log: Path = Path("/var/log/hello_ebpf/spdk-build.log")
    cpu: str = "x86-64-v2"
    jobs: int = 1
    debug_info: bool = False
    sanitize: bool = False
    patches: tuple[Patch, ...] = ()
    lock_seconds: int = 900
    platform: str = ""

    def ingredients(self) -> dict[str, object]:
        """Everything that the result depends on and that is known before anything is fetched or installed."""
        origin: dict[str, object] = {"kind": self.source}
        if self.source == "ceph":
            # Whichever archive the files come from.
            origin |= {"manifest_sha256": self.manifest_sha256}
        elif self.source == "git":
            origin |= {"url": self.git_url, "version": self.git_version, "commit": self.git_commit}
        else:
            origin |= {"sha256": self.sha256}
        return {
            "version": self.version,
            "source": origin,
            "patches": [{"name": patch.name, "sha256": patch.sha256} for patch in self.patches],
            "cpu": self.cpu,
            "debug_info": self.debug_info,
            "sanitize": self.sanitize,
            "platform": self.platform,
            "recipe": recipe.ingredients(),
        }

    @property
    def manifest_sha256(self) -> str:
        return hashlib.sha256(self.manifest.encode()).hexdigest()

    @property
    def stamp(self) -> str:
        """Names the build: another source, patch, flag or platform has another stamp."""
        text = json.dumps(self.ingredients(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:STAMP_DIGITS]

    @property
    def name(self) -> str:
        """The installed build's folder."""
        return f"{self.version}-{self.stamp}"

    @property
    def download(self) -> Path:
        """The fetched source: an archive, git's checkout, or the used files of a ceph archive."""
        if self.source == "ceph":
            return self.downloads / f"ceph-{self.manifest_sha256[:STAMP_DIGITS]}"
        if self.source == "git":
            key = f"{self.git_url} {self.git_version} {self.git_commit} {sorted(self.git_submodule_urls.items())}"
            return self.downloads / f"git-{hashlib.sha256(key.encode()).hexdigest()[:STAMP_DIGITS]}"
        return self.downloads / f"archive-{self.sha256[:STAMP_DIGITS]}.tar"

    @property
    def downloads(self) -> Path:
        return self.cache / "downloads"

    @property
    def incoming(self) -> Path:
        """Where the role puts archives of the controller."""
        return self.cache / "incoming"

    @property
    def tree(self) -> Path:
        """The folder of this build while it is made."""
        return self.cache / "build" / self.stamp

    @property
    def src(self) -> Path:
        return self.tree / "src"

    @property
    def build_archive(self) -> Path:
        """The relocatable archive of the build."""
        return self.cache / "archives" / f"spdk-{self.name}-{self.platform}-{self.cpu}.tar.gz"

    @property
    def link(self) -> Path:
        """What leads to the build in use; the sanitized one lies beside it, and takes nobody's place."""
        return self.prefix / LINKS[self.sanitize]

    @property
    def plain(self) -> Request:
        """The same build without sanitizers."""
        return replace(self, sanitize=False)
