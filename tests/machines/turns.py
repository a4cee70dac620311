# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""What runs of the tests beside each other must not do at the same time. The kernel frees what a killed run held."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from machines.console import MachineError

RUN = Path("/run/hello_ebpf_tests")


@contextlib.contextmanager
def held(name: str) -> Iterator[None]:
    """One run at a time has a thing; another is refused."""
    RUN.mkdir(parents=True, exist_ok=True)
    with (RUN / f"{name}.lock").open("a+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as busy:
            handle.seek(0)
            raise MachineError(
                f"the tests' {name} for this run",
                f"process {handle.read().strip()} has it",
                "wait until that has ended",
            ) from busy
        handle.truncate(0)
        handle.write(f"{os.getpid()}\n")
        handle.flush()
        yield


@contextlib.contextmanager
def one_at_a_time(name: str) -> Iterator[None]:
    """What is started, stopped or counted is so by one run at a time; another waits."""
    RUN.mkdir(parents=True, exist_ok=True)
    with (RUN / f"{name}.turn").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
