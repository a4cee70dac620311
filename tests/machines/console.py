# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Commands that are run, what is said about them, and how a failure is worded."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: The ceilings of a command that only asks, and of one that makes something: an image, say.
ASK_SECONDS = 120
MAKE_SECONDS = 1800
#: How long a command may take to put things away when it is interrupted.
END_SECONDS = 30


class MachineError(Exception):
    """What was asked, what was found, and what to do about it."""

    def __init__(self, asked: str, found: str, fix: str) -> None:
        super().__init__(f"Asked: {asked}. Found: {found}. Do: {fix}.")


def say(text: str) -> None:
    """One line of progress, with the time. Standard output is kept for results."""
    print(f"[{time.strftime('%H:%M:%S', time.gmtime())}] {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def step(text: str) -> Iterator[None]:
    """Say what is being done, and how long it took."""
    say(f"{text} ...")
    started = time.monotonic()
    try:
        yield
    except BaseException:
        say(f"{text}: failed after {time.monotonic() - started:.0f} s")
        raise
    say(f"{text}: {time.monotonic() - started:.0f} s")


def output(argv: Sequence[str | Path]) -> str | None:
    """What a command that only asks prints; None where it failed or is not installed."""
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=ASK_SECONDS)
    except FileNotFoundError:
        return None
    except subprocess.TimeoutExpired as hung:
        raise MachineError(f"an answer of {' '.join(words)[:80]}", f"none after {ASK_SECONDS} s", "see why") from hung
    return done.stdout if done.returncode == 0 else None


def must(
    asked: str,
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    fix: str = "mend what it says, and run again",
) -> str:
    """Run a command quietly and return what it said; where it fails, show the end of that."""
    words = [str(word) for word in argv]
    try:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={**os.environ, **(env or {})},
        )
    except FileNotFoundError as missing:
        raise MachineError(asked, f"no command {words[0]}", "install it, and run again") from missing
    with process:
        try:
            said, _ = process.communicate(timeout=MAKE_SECONDS)
        except subprocess.TimeoutExpired as hung:
            process.kill()
            found = f"{' '.join(words)[:80]} was not done after {MAKE_SECONDS} s"
            raise MachineError(asked, found, "see what it waits for") from hung
        except BaseException:
            # Interrupted: it puts away what it has begun, before we do.
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(END_SECONDS)
            process.kill()
            raise
    if process.returncode:
        tail = "\n".join(said.strip().splitlines()[-25:])
        raise MachineError(asked, f"{' '.join(words)[:80]} ended with {process.returncode}:\n{tail}\n", fix)
    return said
