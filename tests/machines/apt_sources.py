# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""apt's files of package sources, read: what an image's own are made of."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

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
