# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Tests wait here and nowhere else: for a state, with a ceiling, and an error that says what hung.

A ceiling only ends what hangs: where all is well, it decides nothing. `tests/unit/test_waiting.py` refuses a sleep, or
an assertion about how long something took, anywhere else in the tests.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

#: How often a state is looked at, and how long at most (s).
EVERY = 0.02
CEILING = 60.0

#: The same for a line of shell, which begins with this: `reached CONDITION`, a condition that `sh -c` understands.
SHELL = (
    'reached() { timeout 60 sh -c "until $1; do sleep 0.05; done" || { echo "not within 60 s: $1" >&2; exit 1; }; }; '
)

Seen = TypeVar("Seen")


def within(seconds: float, look: Callable[[], Seen], every: float = EVERY) -> Seen:
    """Look until what is seen is true, at most for so many seconds. What was seen last."""
    deadline = time.monotonic() + seconds
    while not (seen := look()) and time.monotonic() < deadline:
        time.sleep(every)
    return seen


def until(
    what: str,
    look: Callable[[], Seen],
    seconds: float = CEILING,
    *,
    every: float = EVERY,
    found: Callable[[], object] = str,
) -> Seen:
    """Wait for a state; what was seen then.

    Args:
        what: the state, for the error: "the target answers".
        look: true once it is reached.
        seconds: the ceiling.
        every: seconds between two looks; more where a look is dear, as over ssh.
        found: what there is instead, for the error.

    Raises:
        AssertionError: the ceiling was reached.
    """
    seen = within(seconds, look, every)
    if not seen:
        raise AssertionError(f"{what}: not within {seconds:g} s. {found()}".rstrip())
    return seen
