# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""The commit that is tested: of what a run has no time for as a whole, it decides which part this run takes.

So a run of the same commit takes the same part, and in time each part is taken.
"""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def commit() -> str:
    """The commit that is tested."""
    command = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
    return subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout.strip()


def turn(of: str, what: str) -> int:
    """A number from a commit; those for different things do not hang together."""
    return int(hashlib.sha256(f"{what} {of}".encode()).hexdigest(), 16)
