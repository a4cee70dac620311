# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Names and paths as systemd reads them, systemd.syntax(7) and systemd.unit(5): the one place that writes them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from .errors import refuse
from .names import line, unit

# What tells a file of ours from one of somebody else.
HEADER = "# Written by hello_eBPF; changes are overwritten by the next run.\n"


def unit_of_path(path: str, suffix: str) -> str:
    r"""``/mnt/csd 0`` and ``mount`` give ``mnt-csd\x200.mount``, as systemd-escape(1) --path does."""
    parts = [part for part in path.split("/") if part]
    escaped = re.sub(rb"[^A-Za-z0-9:_./]|^\.", _hex, "/".join(parts).encode()).decode()
    return f"{escaped.replace('/', '-') or '-'}.{suffix}"


def value(text: str) -> str:
    """The whole value of a setting that is one text, such as Description=."""
    refuse(f"{text!r} in a systemd unit", line(text))
    return text.replace("%", "%%")


def words(texts: Iterable[str | Path]) -> str:
    """The value of a setting that is a list, such as ReadWritePaths=."""
    return " ".join(_quoted(value(str(text))) for text in texts)


def units(names: Iterable[str]) -> str:
    """The value of After= and its like, where a backslash belongs to the name."""
    given = list(names)
    for name in given:
        refuse(f"unit {name!r}", unit(name))
    return " ".join(given)


def command(argv: Iterable[str]) -> str:
    """The value of ExecStart= and its like, where a dollar stands for a variable."""
    return words(argument.replace("$", "$$") for argument in argv)


def _quoted(text: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9/._:=,+@%~-]+", text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _hex(char: re.Match[bytes]) -> bytes:
    return f"\\x{char[0][0]:02x}".encode()
