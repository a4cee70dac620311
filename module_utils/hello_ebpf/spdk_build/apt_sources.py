"""The machine's own Debian mirror, read from its package sources, as a source of source packages.

No host name stands in this project: a machine that may reach only its own mirror reaches that one.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..errors import LabError

DEBIAN_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
ALIASES = frozenset({"stable", "oldstable", "testing"})
# Fields that name what is fetched; all others say how (Signed-By, Trusted, Check-Valid-Until, ...) and are kept.
_WHAT = frozenset({"types", "uris", "suites", "components", "enabled", "architectures", "languages", "targets"})
_ONE_LINE = re.compile(r"(?P<type>deb|deb-src)\s+(\[(?P<options>[^\]]*)\]\s+)?(?P<rest>\S.*)")
_ONE_LINE_FIELDS = {"arch": "Architectures", "lang": "Languages", "target": "Targets"}


@dataclass(frozen=True)
class Entry:
    """One package source.

    Attributes:
        types: ``deb``, ``deb-src``.
        uris: addresses.
        suites: suites.
        components: components.
        options: further fields, named as in a .sources file.
    """

    types: tuple[str, ...]
    uris: tuple[str, ...]
    suites: tuple[str, ...]
    components: tuple[str, ...]
    options: dict[str, str] = field(default_factory=dict)


def parse(files: Mapping[str, str]) -> list[Entry]:
    """The enabled entries of apt's files, by file name: .sources are stanzas, .list are lines."""
    entries = []
    for name in sorted(files):
        entries += _stanzas(files[name]) if name.endswith(".sources") else _lines(files[name])
    return entries


def _stanzas(text: str) -> list[Entry]:
    entries = []
    for stanza in re.split(r"\n[ \t]*\n", text):
        fields: dict[str, str] = {}
        name = ""
        for line in stanza.splitlines():
            if line.startswith("#"):
                continue
            if line[:1] in {" ", "\t"} and name:
                fields[name] += f"\n{line}"
            elif ":" in line:
                name, _, value = line.partition(":")
                fields[name] = value.strip()
        entries += _entry(fields)
    return entries


def _entry(fields: dict[str, str]) -> list[Entry]:
    lower = {name.lower(): value for name, value in fields.items()}
    if not lower.get("uris") or lower.get("enabled", "yes").lower() in {"no", "false"}:
        return []
    words = {name: tuple(lower.get(name, "").split()) for name in ("types", "uris", "suites", "components")}
    options = {name: value for name, value in fields.items() if name.lower() not in _WHAT}
    return [Entry(**words, options=options)]


def _lines(text: str) -> list[Entry]:
    entries = []
    for line in text.splitlines():
        match = _ONE_LINE.fullmatch(line.partition("#")[0].strip())
        if not match or len(rest := match["rest"].split()) < 2:
            continue
        options = {}
        for option in shlex.split(match["options"] or ""):
            name, _, value = option.partition("=")
            name = _ONE_LINE_FIELDS.get(name.lower(), name.title())
            if name.lower() not in _WHAT:
                options[name] = value.replace(",", " ")
        entries.append(Entry((match["type"],), (rest[0],), (rest[1],), tuple(rest[2:]), options))
    return entries


def debian_source(entries: list[Entry], *, distribution: str, codename: str, suite: str, mirror: str) -> str:
    """The text of a .sources file that has source packages of a Debian suite.

    Args:
        entries: the machine's package sources.
        distribution: its ID in os-release.
        codename: its VERSION_CODENAME.
        suite: the Debian suite that is wanted.
        mirror: a Debian mirror to use instead of the machine's own.

    Raises:
        LabError: the machine has no Debian mirror, and none was given.
    """
    asked = f"source packages of Debian {suite} from this machine's own mirror"
    if mirror:
        return _render(mirror, suite, {})
    if distribution != "debian":
        raise LabError(
            asked=asked,
            found=f"this machine runs {distribution}, whose mirror has no Debian packages",
            fix="set spdk_debian_mirror to a Debian mirror, or spdk_source to git or archive",
        )
    main = [entry for entry in entries if _is_main_archive(entry, codename, entries)]
    if not main:
        known = ", ".join(f"{entry.uris[0]} {' '.join(entry.suites)}" for entry in entries) or "none at all"
        raise LabError(
            asked=asked,
            found=f"no package source in /etc/apt is Debian's main archive for {codename}; there is: {known}",
            fix="set spdk_debian_mirror to a Debian mirror, or spdk_source to git or archive",
        )
    return _render(main[0].uris[0], suite, main[0].options)


def _is_main_archive(entry: Entry, codename: str, entries: list[Entry]) -> bool:
    """Whether an entry is Debian's main archive.

    Others offer a suite of the same name with a component main as well, so one sign more is asked for: Debian's
    keys, an address that ends in /debian, or the release's updates at the same address.
    """
    if not {codename, *ALIASES} & set(entry.suites) or "main" not in entry.components:
        return False
    uri = entry.uris[0]
    keys = " ".join(value for name, value in entry.options.items() if name.lower() == "signed-by")
    updates = {f"{name}-updates" for name in (codename, *ALIASES)}
    return (
        not uri.startswith("cdrom:")
        and ("/" not in keys or "debian-archive" in keys)
        and (
            "debian-archive" in keys
            or uri.rstrip("/").endswith("/debian")
            or any(uri in other.uris and updates & set(other.suites) for other in entries)
        )
    )


def _render(uri: str, suite: str, options: dict[str, str]) -> str:
    fields = {"Types": "deb-src", "URIs": uri, "Suites": suite, "Components": "main"}
    if not any(name.lower() == "signed-by" for name in options):
        fields["Signed-By"] = DEBIAN_KEYRING
    return "".join(f"{name}: {value}\n" for name, value in (fields | options).items())


@dataclass(frozen=True)
class SourceVersion:
    """A version of a source package that has the archive with the wanted digest."""

    version: str
    file: str
    size: int


def version_with(showsrc: str, sha256: str) -> SourceVersion | None:
    """The first version in ``apt-cache showsrc``'s output whose files have the digest."""
    for stanza in re.split(r"\n\s*\n", showsrc):
        version = re.search(r"^Version: (\S+)", stanza, re.MULTILINE)
        listed = re.search(rf"^ {re.escape(sha256)} (\d+) (\S+)$", stanza, re.MULTILINE)
        if version and listed:
            return SourceVersion(version[1], listed[2], int(listed[1]))
    return None


def archives_in(showsrc: str) -> list[str]:
    """Version and digest of every original archive in ``apt-cache showsrc``'s output, for an error's text."""
    found = []
    for stanza in re.split(r"\n\s*\n", showsrc):
        version = re.search(r"^Version: (\S+)", stanza, re.MULTILINE)
        listed = re.search(r"^ ([0-9a-f]{64}) \d+ \S+\.orig\.tar\.\w+$", stanza, re.MULTILINE)
        if version and listed:
            found.append(f"{version[1]} with {listed[1]}")
    return found
