# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""The machine's own package sources, told for the Debian release of an image, and packages for the machine itself.

An image takes its packages from where the machine takes them; no mirror is named in this project.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from machines import apt_sources
from machines.console import MachineError, must, output, step
from machines.turns import one_at_a_time

SUITES = {"12": "bookworm", "13": "trixie"}
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
#: Settings of the machine's apt without which the same sources may not work: proxies, and clocks that are off.
SETTINGS = re.compile(
    r"^(?P<name>Acquire::(?:https?::Proxy(?:::\S+)?|Check-Valid-Until|Check-Date|ForceIPv[46])) \"(?P<value>.*)\";$",
    re.IGNORECASE,
)
#: Another apt on this machine is waited for.
LOCK = ["-o", "DPkg::Lock::Timeout=300"]
#: A file of sources to be taken instead of the machine's: on a machine that is no Debian, or has a mirror of its own.
OVERRIDE = "HELLO_EBPF_APT_SOURCES"


@dataclass(frozen=True)
class Source:
    """One place that packages come from."""

    uri: str
    suite: str
    signed_by: str = KEYRING
    trusted: bool = False

    def text(self) -> str:
        """As a deb822 paragraph."""
        lines = ["Types: deb", f"URIs: {self.uri}", f"Suites: {self.suite}", "Components: main"]
        lines.append("Trusted: yes" if self.trusted else f"Signed-By: {self.signed_by}")
        return "\n".join(lines) + "\n"


def binary_sources(files: dict[str, str]) -> list[Source]:
    """The binary sources with component main of apt's files, by file name."""
    found = []
    for entry in apt_sources.parse(files):
        options = {name.lower(): value for name, value in entry.options.items()}
        if "deb" in entry.types and "main" in entry.components:
            trusted = options.get("trusted", "no").lower() in ("yes", "true")
            signed_by = options.get("signed-by", KEYRING)
            found += [Source(uri, suite, signed_by, trusted) for uri in entry.uris for suite in entry.suites]
    return found


def for_release(sources: list[Source], codename: str, release: str) -> list[Source]:
    """Debian's own among the machine's sources, with another release's suite in place of the machine's."""
    chosen: list[Source] = []
    for source in sources:
        base, dash, pocket = source.suite.partition("-")
        base, slash, _ = base.partition("/")
        if base not in {codename, *SUITES.values()} or pocket not in ("", "updates", "security") or slash:
            continue
        # Others publish under a Debian release's name too; they sign with keys of their own.
        if not source.trusted and "debian-archive" not in source.signed_by and "BEGIN PGP" not in source.signed_by:
            continue
        if not re.match(r"https?://", source.uri):
            continue
        told = Source(source.uri, SUITES[release] + dash + pocket, source.signed_by, source.trusted)
        if told not in chosen:
            chosen.append(told)
    return chosen


def machine_sources(release: str, etc: Path = Path("/etc")) -> str:
    """The sources for an image of ``release``, as the text of a ``.sources`` file."""
    override = os.environ.get(OVERRIDE)
    if override:
        files = [Path(override)]
    else:
        folder = etc / "apt/sources.list.d"
        files = [etc / "apt/sources.list", *sorted(folder.glob("*.list")), *sorted(folder.glob("*.sources"))]
    sources = binary_sources({path.name: path.read_text() for path in files if path.is_file()})
    system = (etc / "os-release").read_text()
    # Other systems' releases have names of their own, and suites called so that are no Debian.
    codename = (
        re.search(r"^VERSION_CODENAME=\"?(\w+)", system, re.MULTILINE)
        if re.search(r"^ID=\"?debian\b", system, re.MULTILINE)
        else None
    )
    chosen = for_release(sources, codename[1] if codename else "", release)
    if not any(source.suite == SUITES[release] for source in chosen):
        raise MachineError(
            f"packages of Debian {release} ({SUITES[release]}) from this machine's package sources",
            f"no source of a Debian release over HTTP in {', '.join(str(path) for path in files)}",
            f"name a file with sources (*.list or *.sources) of any Debian release in {OVERRIDE}",
        )
    return "\n".join(source.text() for source in chosen)


def machine_settings(dump: str | None = None) -> list[str]:
    """The machine's apt settings that an image needs to use the same sources, as lines of apt's configuration."""
    text = (output(["apt-config", "dump"]) or "") if dump is None else dump
    lines = [f'{found["name"]} "{found["value"]}";' for found in map(SETTINGS.match, text.splitlines()) if found]
    for scheme in ("http", "https"):
        proxy = os.environ.get(f"{scheme}_proxy")
        if dump is None and proxy and not any(line.startswith(f"Acquire::{scheme}::Proxy ") for line in lines):
            lines.append(f'Acquire::{scheme}::Proxy "{proxy}";')
    return sorted(lines)


def search_path() -> str:
    """Where commands are, also those of root where PATH is a user's."""
    return os.environ.get("PATH", "") + os.pathsep + "/usr/sbin:/sbin"


def there(thing: str) -> bool:
    """Whether a command, or a file that is named by its whole path, is on this machine."""
    return Path(thing).exists() if thing.startswith("/") else shutil.which(thing, path=search_path()) is not None


def need(things: dict[str, str]) -> list[str]:
    """Install the packages of the commands or files (thing -> package) that this machine lacks; return them."""
    missing = sorted({package for thing, package in things.items() if not there(thing)})
    if not missing:
        return []
    if os.geteuid():
        raise MachineError(
            f"the package(s) {', '.join(missing)}", "they are missing, and this is not root", "run it as root"
        )
    # Of apt's locks only dpkg's are waited for.
    with one_at_a_time("apt"), step(f"installing {' '.join(missing)}"):
        quiet = {"DEBIAN_FRONTEND": "noninteractive"}
        must("fresh package lists", ["apt-get", "update", "-qq", *LOCK], env=quiet)
        must(
            f"the package(s) {', '.join(missing)}",
            ["apt-get", "install", "-qq", "-y", "--no-install-recommends", *LOCK, *missing],
            env=quiet,
        )
    return missing
