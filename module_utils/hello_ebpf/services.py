# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""What is to be kept running, and as whom."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

STOP_SECONDS = 20


@dataclass(frozen=True)
class Service:
    """A command to be kept running."""

    name: str  # unit name and name in messages
    description: str  # one line for people
    argv: tuple[str, ...]  # the program and its arguments
    run_folder: Path  # folder for sockets and pidfiles below /run, made at start; for its user and group
    log: Path  # where the output goes when there is no journal
    user: str = "root"  # whom it runs as
    group: str = "root"  # its group, which may use its sockets
    data: tuple[Path, ...] = ()  # files and block devices that it reads and writes
    reads: tuple[Path, ...] = ()  # files that it reads
    hides: tuple[Path, ...] = ()  # folders that are kept from it, where they are
    idle: bool = False  # run only where nothing else wants the core
    pci: bool = False  # it drives PCI devices
    # a folder below /var/cache, made at start, for what it could make again: its user's alone
    cache: Path | None = None
    starts: tuple[Path, ...] = ()  # programs that it starts, each shut in by itself
    tasks: int = 0  # processes and threads that it may have where it starts any; itself included
    dpdk_folder: str = ""  # what DPDK makes below /run for a program that keeps its pages in files

    @property
    def run_files(self) -> tuple[Path, ...]:
        """What it and its supervisor make in its run folder: the RPC socket, SPDK's lock on it, pidfiles."""
        sockets = [self.argv[at + 1] for at, word in enumerate(self.argv[:-1]) if word == "-r"]
        pids = (self.run_folder / f"{self.name}.{end}" for end in ("pid", "clientpid"))
        return (*(Path(f"{socket}{end}") for socket in sockets for end in ("", ".lock")), *pids)

    @property
    def devices(self) -> tuple[Path, ...]:
        """Those of its data that are devices."""
        return tuple(path for path in self._places if path.is_relative_to("/dev"))

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders of all others: another file in one of them is no other service."""
        return tuple(sorted({path.parent for path in self._places if not path.is_relative_to("/dev")}))

    @property
    def _places(self) -> list[Path]:
        """Where its data really are. A link in /dev stays: what it leads to may have another name at the next boot."""
        return [path if path.is_relative_to("/dev") else Path(os.path.realpath(path)) for path in self.data]
