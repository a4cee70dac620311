"""The manifest of the source: the SHA-256 of each file that a build uses, in sha256sum's form.

It knows the source by what of it matters, so that any archive that has these files will do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from ..files import sha256_of

_LINE = re.compile(r"([0-9a-f]{64})  (\S.*)")


def parse(text: str) -> dict[str, str]:
    """File name, relative to the tree -> SHA-256.

    Raises:
        ValueError: a line has another form, or leads out of the tree.
    """
    digests = {}
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if not match or match[2].startswith("/") or ".." in match[2].split("/"):
            raise ValueError(line)
        digests[match[2]] = match[1]
    return digests


def difference(tree: Path, digests: Mapping[str, str]) -> str:
    """In what a tree differs from a manifest: the first file, and how many more do. Empty where it does not."""
    wrong = []
    for name, sha256 in digests.items():
        found = sha256_of(tree / name) if (tree / name).is_file() else ""
        if found != sha256:
            wrong.append(f"{name} has SHA-256 {found}, not {sha256}" if found else f"{name} is missing")
    return "; ".join([*wrong[:1], f"{len(wrong) - 1} more differ"] if len(wrong) > 1 else wrong)
