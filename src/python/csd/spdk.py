# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""SPDK's user-space initiator, for hosts whose kernel has no nvme-tcp: the C program csd_nvme as a child process.

Its frames are described in src/host/csd_nvme.h. Several commands may be under way on several queues.
"""

from __future__ import annotations

import contextlib
import os
import select
import struct
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .commands import Command
from .errors import LabError
from .transport import Completion

PROGRAM = "/opt/hello_ebpf/csd_host/bin/csd_nvme"
REQUEST_MAGIC = 0x51445343  # "CSDQ"
REPLY_MAGIC = 0x41445343  # "CSDA"
ADMIN, IO, ABORT = 0, 1, 2
COMPLETION, HELLO, FAILURE = 0, 1, 2
_REQUEST = struct.Struct("<IHHQQII64s")
_REPLY = struct.Struct("<IHHQQII")
_HELLO = struct.Struct("<HHI")


@dataclass(frozen=True)
class Place:
    """Where a subsystem is, and as whom to connect."""

    traddr: str
    trsvcid: str
    subnqn: str
    hostnqn: str


class SpdkTransport:
    """One connection through SPDK's initiator.

    Args:
        place: the subsystem.
        program: csd_nvme.
        memory_megabytes: its hugepage memory.
        core: the core that it polls on while commands are under way; -1: the last one.
        queues: I/O queues.
        timeout_seconds: for the connection, and for one command.
    """

    def __init__(
        self,
        place: Place,
        *,
        program: str = PROGRAM,
        memory_megabytes: int = 64,
        core: int = -1,
        queues: int = 1,
        timeout_seconds: float = 600,
    ) -> None:
        self.name = f"{place.subnqn} at {place.traddr} port {place.trsvcid}"
        self._timeout = timeout_seconds
        self._next_tag = 1
        self._under_way: set[int] = set()
        self._done: dict[int, Completion] = {}
        self._process = _start(
            [
                program,
                "--traddr",
                place.traddr,
                "--trsvcid",
                place.trsvcid,
                "--subnqn",
                place.subnqn,
                "--hostnqn",
                place.hostnqn,
                "--memory-megabytes",
                str(memory_megabytes),
                "--core",
                str(core),
                "--queues",
                str(queues),
            ]
        )
        try:
            _, hello = self._receive(time.monotonic() + timeout_seconds)
            self.queues, self.depth, self.max_transfer = _HELLO.unpack(hello.data)
        except BaseException:
            self.close()
            raise

    def admin(self, command: Command) -> Completion:
        return self.wait(self.submit_admin(command))

    def io(self, command: Command) -> Completion:
        return self.wait(self.submit(command))

    def submit_admin(self, command: Command) -> int:
        """Send an admin command; ``wait`` for it by the tag that is returned."""
        return self._send(ADMIN, 0, command)

    def submit(self, command: Command, queue: int = 0) -> int:
        """Send an I/O command on one of the queues; ``wait`` for it by the tag that is returned."""
        return self._send(IO, queue, command)

    def abort(self, tag: int) -> Completion:
        """Abort an I/O command that is under way. Its own completion still comes, by its own tag."""
        return self.wait(self._send(ABORT, 0, Command(0, tag & 0xFFFFFFFF, cdw2=tag >> 32)))

    def wait(self, tag: int) -> Completion:
        deadline = time.monotonic() + self._timeout
        while tag not in self._done:
            self._take(deadline)
        return self._done.pop(tag)

    def close(self) -> None:
        """End the child: at the end of its input it disconnects."""
        process = self._process
        if process.stdin and not process.stdin.closed:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()

    def _send(self, kind: int, queue: int, command: Command) -> int:
        deadline = time.monotonic() + self._timeout
        while len(self._under_way) >= self.depth:
            self._take(deadline)
        length = len(command.data) + command.room
        if self.max_transfer and length > self.max_transfer:
            raise LabError(
                f"opcode {command.opcode:02X}h with {length} bytes",
                f"one command of {self.name} moves at most {self.max_transfer}",
                "send it in several commands",
            )
        tag = self._next_tag
        self._next_tag += 1
        head = _REQUEST.pack(REQUEST_MAGIC, kind, queue, tag, 0, len(command.data), command.room, command.encode())
        assert self._process.stdin
        try:
            self._process.stdin.write(head + command.data)
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._ended() from None
        self._under_way.add(tag)
        return tag

    def _take(self, deadline: float) -> None:
        tag, completion = self._receive(deadline)
        self._under_way.discard(tag)
        self._done[tag] = completion

    def _receive(self, deadline: float) -> tuple[int, Completion]:
        magic, kind, status, tag, value, length, _ = _REPLY.unpack(self._read(_REPLY.size, deadline))
        data = self._read(length, deadline)
        if magic != REPLY_MAGIC:
            raise LabError("an answer of csd_nvme", f"it begins with {magic:08X}h", "install it again (role csd_host)")
        if kind == FAILURE:
            parts = data.decode("utf-8", "replace").split("\0")
            asked, found, fix = [*parts, "", "", ""][:3]
            raise LabError(asked, found, fix)
        return tag, Completion(status, value, data)

    def _read(self, length: int, deadline: float) -> bytes:
        assert self._process.stdout
        handle = self._process.stdout.fileno()
        parts: list[bytes] = []
        while length:
            ready, _, _ = select.select([handle], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise LabError(
                    f"an answer of {self.name}",
                    f"none came within {self._timeout:g} seconds",
                    "look at the target; give a long run more time (--timeout)",
                )
            part = os.read(handle, min(length, 1 << 20))
            if not part:
                raise self._ended()
            parts.append(part)
            length -= len(part)
        return b"".join(parts)

    def _ended(self) -> LabError:
        code = self._process.wait()
        return LabError(
            f"an answer of {self.name}",
            f"csd_nvme ended with {code} before it came",
            "run again; look at the target's log",
        )


def _start(command: Sequence[str]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    except OSError as error:
        raise LabError(
            f"SPDK's initiator, {Path(command[0])}",
            error.strerror or str(error),
            "install it (role csd_host with csd_host_bridge: true), or use a device of the kernel (--device)",
        ) from None
