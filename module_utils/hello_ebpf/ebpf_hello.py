"""The example 'minimal' really run, and its line read from the kernel's trace pipe."""

from __future__ import annotations

import errno
import os
import secrets
import select
import time
from collections.abc import Callable
from pathlib import Path

from .errors import LabError
from .packages import Run
from .processes import users_of

PATIENCE_S = 10.0
# How long one run's line may take; then the program is run again, because another reader may have taken it.
ONE_RUN_S = 1.0
RETRY_S = 0.05
CHUNK = 65536


class Hello:
    """One run of the program.

    Args:
        run: runs a command.
        program: path of ``minimal``.
        tracing: where tracefs is mounted.
        proc: where /proc is.
        patience: seconds to wait for the line.
    """

    def __init__(
        self,
        run: Run,
        program: Path,
        *,
        tracing: Path = Path("/sys/kernel/tracing"),
        proc: Path = Path("/proc"),
        patience: float = PATIENCE_S,
    ) -> None:
        self._run = run
        self._program = program
        self._tracing = tracing
        self._proc = proc
        self._patience = patience

    @property
    def missing(self) -> list[str]:
        """What is not there yet; in check mode it will be by then."""
        needed = {str(self._program): self._program, f"tracefs on {self._tracing}": self._tracing / "trace_pipe"}
        return [name for name, path in needed.items() if not path.exists()]

    def say(self, token: str | None = None) -> str:
        """Run the program and return its line from the trace pipe.

        Args:
            token: what makes the line this run's own.

        Raises:
            LabError: the program fails, or its line does not come.
        """
        if self.missing:
            raise LabError(
                asked=f"{self._program} run, and its line from the trace pipe",
                found=f"not there: {', '.join(self.missing)}",
                fix="run the roles ebpf_toolchain (mounts tracefs) and ebpf_examples (builds the program) first",
            )
        if (self._tracing / "tracing_on").read_text().strip() == "0":
            raise LabError(
                asked=f"a line from {self._tracing}/trace_pipe",
                found=f"somebody switched tracing off ({self._tracing}/tracing_on is 0)",
                fix=f"switch it on when they are done: echo 1 > {self._tracing}/tracing_on",
            )
        token = token or secrets.token_hex(8)
        give_up = time.monotonic() + self._patience
        pipe = self._open(give_up)
        try:
            return self._read_line(pipe, token, give_up)
        finally:
            os.close(pipe)

    def _read_line(self, pipe: int, token: str, give_up: float) -> str:
        said = ""
        while (left := give_up - time.monotonic()) > 0:
            code, said, errors = self._run([str(self._program), "--token", token])
            if code:
                raise LabError(
                    asked=f"{self._program} run",
                    found=f"it ended with {code}: {' '.join((errors or said).split())}",
                    fix="run it by hand as root; the role ebpf_toolchain names what the kernel lacks",
                )
            line = find_line(pipe, token, min(left, ONE_RUN_S))
            if line is not None:
                return line
        raise LabError(
            asked=f"the line with token {token} from {self._tracing}/trace_pipe within {self._patience:g} s",
            found=f"it did not come, although the program says: {said.strip()}{self._readers()}",
            fix="end other readers of the trace pipe, which take lines away from each other, and run again",
        )

    def _open(self, give_up: float) -> int:
        """Open the pipe, when it is free: containers of one kernel share it, and newer kernels let in one at a time."""
        pipe = self._tracing / "trace_pipe"
        while True:
            try:
                return os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
            except OSError as error:
                if error.errno != errno.EBUSY:
                    raise
            if time.monotonic() > give_up:
                raise LabError(
                    asked=f"a line from {pipe}",
                    found=f"the pipe has one reader at a time, and has one for {self._patience:g} s{self._readers()}",
                    fix="end that reader and run again",
                )
            time.sleep(RETRY_S)

    def _readers(self) -> str:
        holders = users_of(str(self._tracing / "trace_pipe"), self._proc)
        others = [f"{pid} ({name})" for pid, name in holders if pid != os.getpid()]
        return f"; also read by pid {', '.join(others)}" if others else ""


def find_line(pipe: int, token: str, patience: float, now: Callable[[], float] = time.monotonic) -> str | None:
    """The first whole line with the token from a non-blocking pipe; None when it does not come in time."""
    give_up = now() + patience
    rest = b""
    while (left := give_up - now()) > 0:
        try:
            chunk = os.read(pipe, CHUNK)
        except BlockingIOError:
            chunk = b""
        if not chunk:
            select.select([pipe], [], [], min(left, RETRY_S))
            continue
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if token.encode() in line:
                return line.decode(errors="replace").strip()
    return None
