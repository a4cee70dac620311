"""Unit names from paths, as systemd-escape(1) --path makes them."""

from __future__ import annotations

import re


def unit_of_path(path: str, suffix: str) -> str:
    r"""``/mnt/csd 0`` and ``mount`` give ``mnt-csd\x200.mount``."""
    parts = [part for part in path.split("/") if part]
    escaped = re.sub(rb"[^A-Za-z0-9:_./]|^\.", _hex, "/".join(parts).encode()).decode()
    return f"{escaped.replace('/', '-') or '-'}.{suffix}"


def _hex(char: re.Match[bytes]) -> bytes:
    return f"\\x{char[0][0]:02x}".encode()
