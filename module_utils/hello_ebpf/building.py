# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""What every build has in common: a clean environment, and the lines of its output that tell why it failed."""

from __future__ import annotations

import re

# Neither the caller's make variables nor hand-installed tools take part in a build.
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "HOME": "/nonexistent"}
TELLING = re.compile(
    r"^E: |error:|error \d|undefined reference|no rule to make|not found|no space left|killed", re.IGNORECASE
)
TELLING_LINES = 5


def telling_lines(output: str) -> str:
    """The first lines of make's output that say what is wrong; its last ones where none does."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return " | ".join([line for line in lines if TELLING.search(line)][:TELLING_LINES] or lines[-TELLING_LINES:])
