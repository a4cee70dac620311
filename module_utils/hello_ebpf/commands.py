# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Commands that have to succeed."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

from .errors import LabError


def call(argv: list[str]) -> tuple[int, str, str]:
    """Run a command: its exit code, output and errors, as ``AnsibleModule.run_command`` gives them."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def run(*argv: str, by: Callable[[list[str]], tuple[int, str, str]] = call) -> str:
    """Run a command; its output.

    Raises:
        LabError: it failed, with its own words.
    """
    status, out, errors = by(list(argv))
    if status != 0:
        raise LabError(
            asked=f"run `{' '.join(argv)}`",
            found=f"exit code {status}: {(errors or out).strip()}",
            fix="mend what the command names, then run again",
        )
    return out
