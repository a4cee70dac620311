"""The configuration that a kernel was built with."""

from __future__ import annotations

import gzip
from pathlib import Path

from .files import text_in


def read_options(root: Path, release: str) -> dict[str, str]:
    """From the kernel itself or from /boot; empty where neither has it."""
    packed, plain = root / "proc/config.gz", root / f"boot/config-{release}"
    text = gzip.decompress(packed.read_bytes()).decode() if packed.is_file() else text_in(plain)
    lines = (line.partition("=") for line in text.splitlines() if line.startswith("CONFIG_"))
    return {name: value for name, _, value in lines}
