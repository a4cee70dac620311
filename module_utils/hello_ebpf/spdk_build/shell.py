"""Commands of a stage: their output goes to the log, and a failure says the lines that tell why."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..building import ENVIRONMENT, telling_lines
from ..errors import LabError

# Neither the caller's make variables nor hand-installed compilers take part in a build, nor does a git repository
# that the build folder happens to lie in (SPDK would put its commit into the version).
BUILD_ENVIRONMENT = ENVIRONMENT | {"GIT_DIR": "/nonexistent"}


def fetch_environment() -> dict[str, str]:
    """The caller's environment (proxies), with messages in English."""
    return dict(os.environ) | {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "DEBIAN_FRONTEND": "noninteractive"}


class Shell:
    """Runs commands for one stage.

    Args:
        log: every command and its output is appended to it.
        lock: descriptor of the build's lock. Commands inherit it, so that the build stays locked as long as one of
            them lives, though the process that started it was killed.
    """

    def __init__(self, log: Path, lock: int) -> None:
        self._log = log
        self._lock = lock

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        asked: str,
        fix: str,
        cwd: Path | None = None,
        env: Mapping[str, str] = BUILD_ENVIRONMENT,
        text: str | None = None,
    ) -> str:
        """Run a command and return its output (both streams).

        Raises:
            LabError: it failed; with what it said, and the log's path.
        """
        words = [str(word) for word in argv]
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("a+b") as log:
            start = log.seek(0, os.SEEK_END)
            log.write(f"--- {asked}: {' '.join(words)}\n".encode())
            log.flush()
            try:
                code = subprocess.run(
                    words,
                    cwd=cwd,
                    env=dict(env),
                    input=text.encode() if text is not None else None,
                    stdin=subprocess.DEVNULL if text is None else None,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    pass_fds=[self._lock],
                    check=False,
                ).returncode
            except OSError as error:
                raise LabError(asked=asked, found=f"{words[0]} cannot be run: {error.strerror}", fix=fix) from error
            log.seek(start)
            output = log.read().decode(errors="replace").partition("\n")[2]
        if code:
            raise LabError(
                asked=asked,
                found=f"{words[0]} ended with {code}: {telling_lines(output)}",
                fix=f"{fix}; the whole output is in {self._log}",
            )
        return output
