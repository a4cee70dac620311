# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""The C program csd_bench: where it works, how it is called, and what its errors mean."""

from __future__ import annotations

import json
import stat
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ..errors import LabError

# Its exit codes (csd_error.h).
UNAVAILABLE = 3
WRONG_DATA = 5


class UnavailableError(LabError):
    """The program, the device, the target or memory for it is not there: it may be later."""


def is_unavailable(error: LabError) -> bool:
    """Whether that is what stands behind an error; a step of a plan that failed for it counts."""
    return isinstance(error, UnavailableError) or isinstance(error.__cause__, UnavailableError)


def flags(**values: Any) -> list[str]:
    """``io_size=[512, 4096]`` as the program takes it: ``--io-size 512,4096``; what is None or empty is left out."""
    words = []
    for name, value in values.items():
        if value is not None and value != "":
            several = isinstance(value, Sequence) and not isinstance(value, str)
            words += [f"--{name.replace('_', '-')}", ",".join(map(str, value)) if several else str(value)]
    return words


def is_block_device(path: str) -> bool:
    try:
        return stat.S_ISBLK(Path(path).stat().st_mode)
    except OSError:
        return False


@dataclass(frozen=True)
class Place:
    """Where the data lies, and who reads it: the options that csd_bench and csd_dataset share and document.

    With the initiator ``kernel``, ``path`` is empty where the device is not there (yet); what names the namespace may
    be empty for a device that no connection brings.
    """

    initiator: str
    path: str = ""
    address: str = ""
    service_id: str = ""
    subsystem_nqn: str = ""
    host_nqn: str = ""
    nsid: int = 1
    uuid: str = ""
    device_bytes: int = 0
    memory_megabytes: int = 256
    core: int | None = None

    def __str__(self) -> str:
        if self.subsystem_nqn:
            return f"{self.subsystem_nqn} namespace {self.nsid} at {self.address} port {self.service_id}"
        return self.path

    def identity(self) -> dict[str, str | int]:
        """What makes it this place, the same after a reboot: a block device's number is not part of it."""
        found: dict[str, str | int] = {"initiator": self.initiator}
        if self.subsystem_nqn:
            names = ("subsystem_nqn", "address", "service_id", "host_nqn", "nsid", "uuid")
            found |= {name: getattr(self, name) for name in names}
        if self.initiator == "kernel" and not (self.subsystem_nqn and self.path.startswith("/dev/")):
            found["path"] = self.path
        return found

    def file_is_missing(self) -> bool:
        """Whether it is a file that is not there, in a folder that is: to be made, not an error."""
        path = Path(self.path)
        is_a_file = self.initiator == "kernel" and bool(self.path) and Path("/dev") not in path.parents
        return is_a_file and path.parent.is_dir() and not path.exists()

    def arguments(self) -> list[str]:
        """The place as arguments of the program.

        Raises:
            UnavailableError: no device of this host is known for it.
        """
        size = self.device_bytes or None
        if self.initiator == "spdk":
            who = flags(trsvcid=self.service_id, subnqn=self.subsystem_nqn, hostnqn=self.host_nqn, nsid=self.nsid)
            how = flags(memory=self.memory_megabytes, core=self.core, uuid=self.uuid, device_bytes=size)
            return [*flags(traddr=self.address), *who, *how]
        if not self.path:
            raise UnavailableError(
                asked=f"a device of this host for {self}",
                found="none is known: the kernel has no such connection, or its namespace is not there",
                fix="let the role nvme_tcp connect it first (site.yml does), or name a path",
            )
        peer = [self.address, self.service_id] if self.address else None
        # A file on a file system of the namespace has no UUID of its own.
        uuid = self.uuid if is_block_device(self.path) else None
        return flags(path=self.path, wire_peer=peer, uuid=uuid, device_bytes=size)


@dataclass(frozen=True)
class Program:
    """The program with a place and a data set.

    Attributes:
        path: the executable.
        place: where the data lies.
        records, seed: the data set.
        timeout: seconds that one call may take.
    """

    path: Path
    place: Place
    records: int
    seed: int
    timeout: float = 3600.0

    def run(
        self,
        command: str,
        *arguments: str,
        accept: tuple[int, ...] = (0,),
        on_event: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> dict[str, Any]:
        """Run one of its commands; its last line of JSON. ``csd_bench help`` tells of all.

        Args:
            command: ``answer``, which needs no device, or one that works at the place.
            arguments: further ones.
            accept: exit codes that are no failure.
            on_event: called around every timed repeat of ``compare --step``, while the program waits. An event has
                ``event`` (``begin``, ``end``) and the run's ``name``, ``program`` and ``selectivity``.
        """
        where = [] if command == "answer" else self.place.arguments()
        words = [command, *flags(records=self.records, seed=self.seed), *where, *arguments]
        with tempfile.TemporaryFile("w+") as complaints:
            process = self._start(words, complaints)
            killer = threading.Timer(self.timeout, process.kill)
            killer.start()
            try:
                result = _listen(process, on_event)
            finally:
                code = process.wait()
                timed_out = not killer.is_alive()
                killer.cancel()
            complaints.seek(0)
            text = complaints.read()
        if timed_out:
            raise LabError(
                asked=f"csd_bench {command} on {self.place}",
                found=f"no end after {self.timeout:g} s; it was stopped",
                fix="look at the target and the connection, ask for fewer records, or allow more time (timeout)",
            )
        if code not in accept or result is None:
            raise error_of(command, code, text)
        return result

    def _start(self, words: Sequence[str], complaints: IO[str]) -> subprocess.Popen[str]:
        try:
            return subprocess.Popen(
                [str(self.path), *words],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=complaints,
                text=True,
            )
        except OSError as error:
            raise UnavailableError(
                asked=f"the program {self.path}",
                found=error.strerror or str(error),
                fix="let the role csd_bench build it first (site.yml does), or correct the path",
            ) from error


def _listen(
    process: subprocess.Popen[str], on_event: Callable[[Mapping[str, Any]], None] | None
) -> dict[str, Any] | None:
    """Read its lines until it ends; None where there was no result."""
    assert process.stdin is not None
    assert process.stdout is not None
    result: dict[str, Any] | None = None
    with process.stdin, process.stdout:
        for line in process.stdout:
            try:
                said: Mapping[str, Any] = json.loads(line)
            except ValueError:
                continue
            if "event" in said:
                if on_event is not None:
                    on_event(said)
                process.stdin.write("\n")
                process.stdin.flush()
            else:
                result = dict(said)
    return result


def error_of(command: str, code: int, text: str) -> LabError:
    """The error that the program printed, as one of ours."""
    said = dict(line.partition(": ")[::2] for line in text.splitlines() if ": " in line)
    if {"asked", "found", "do"} <= said.keys():
        kind = UnavailableError if code == UNAVAILABLE else LabError
        return kind(said["asked"], said["found"], said["do"])
    how = f"it was ended by signal {-code}" if code < 0 else f"it ended with exit code {code} and no explanation"
    last = text.strip().splitlines()[-1:] or ["nothing printed"]
    return LabError(f"csd_bench {command}", f"{how} ({last[0]})", "run it by hand to see more; out of memory?")
