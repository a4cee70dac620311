# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""A target that turns bad: stands between a host and a real target, and takes over at the host's I/O commands.

Everything else passes through, so the host connects and identifies as usual. What a test sends in the target's place is
made of the functions of nvme_wire and of those here.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from types import TracebackType

from nvme_wire import C2H_DATA, COMMAND, CONNECT, FABRICS, ICRESP, R2T, RESPONSE, TIMEOUT, ClosedError, Pdu, header

SUCCESS, LAST = 8, 4


def r2t(cid: int, offset: int, length: int, *, ttag: int = 1) -> bytes:
    """Ready to Transfer."""
    return header(R2T, 0, 24, 0, 24) + struct.pack("<HHII4x", cid, ttag, offset, length)


def c2h_data(cid: int, offset: int, data: bytes, flags: int) -> bytes:
    """Data for the host; ``flags`` are of SUCCESS and LAST."""
    return header(C2H_DATA, flags, 24, 24, 24 + len(data)) + struct.pack("<HHII4x", cid, 0, offset, len(data)) + data


def response(cid: int, status: int = 0) -> bytes:
    """A command's completion; ``status`` without its phase bit."""
    return header(RESPONSE, 0, 24, 0, 24) + struct.pack("<IIHHHH", 0, 0, 0, 1, cid, status << 1)


class HostSide:
    """The connection of a host's I/O queue, in the hands of a test."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection

    def send(self, *parts: bytes) -> None:
        self.socket.sendall(b"".join(parts))

    def receive(self, length: int) -> bytes:
        received = bytearray()
        while len(received) < length:
            part = self.socket.recv(length - len(received))
            if not part:
                raise ClosedError(f"closed after {len(received)} of {length} bytes")
            received += part
        return bytes(received)

    def pdu(self) -> Pdu:
        """The host's next PDU."""
        kind, flags, _, offset, length = struct.unpack("<BBBBI", begin := self.receive(8))
        return Pdu(kind, flags, offset, begin + self.receive(length - 8))

    def drain(self) -> None:
        """Take whatever comes until the host ends the connection. Raises TimeoutError when it does not."""
        with contextlib.suppress(ConnectionError):
            while self.socket.recv(1 << 20):
                pass

    def header(self) -> tuple[int, int]:
        """Type and whole length of the host's next PDU, of which no more than that is read."""
        kind, _, _, _, length = struct.unpack("<BBBBI", self.receive(8))
        return kind, length


class BadTarget:
    """Listens on ``port`` in place of the target on ``behind``.

    Args:
        port: for the host.
        behind: the real target.
        act: called with the first I/O command (its 64 bytes) of an I/O queue; the connection ends with it.
    """

    def __init__(self, port: int, behind: int, act: Callable[[HostSide, bytes], None]) -> None:
        self._behind = behind
        self._act = act
        self._listener = socket.create_server(("127.0.0.1", port))
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        self.problem: BaseException | None = None
        self._run(self._accept)

    def __enter__(self) -> BadTarget:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for one in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join(TIMEOUT)
        if error is None and self.problem is not None:
            raise self.problem

    def _run(self, function: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=function, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                host, _ = self._listener.accept()
                host.settimeout(TIMEOUT)
                target = socket.create_connection(("127.0.0.1", self._behind))
                self._sockets += [host, target]
                self._run(self._from_host, HostSide(host), target)
                self._run(self._from_target, HostSide(target), host)

    def _from_host(self, host: HostSide, target: socket.socket) -> None:
        queue = 0
        with contextlib.suppress(OSError, ClosedError):
            while True:
                pdu = host.pdu()
                sqe = pdu.raw[8:72]
                if pdu.type == COMMAND and (sqe[0], sqe[4]) == (FABRICS, CONNECT):
                    queue = struct.unpack_from("<H", sqe, 42)[0]
                elif pdu.type == COMMAND and queue > 0:
                    break
                target.sendall(pdu.raw)
            try:
                self._act(host, sqe)
            except BaseException as problem:
                self.problem = problem
            host.socket.shutdown(socket.SHUT_RDWR)

    def _from_target(self, target: HostSide, host: socket.socket) -> None:
        with contextlib.suppress(OSError, ClosedError):
            while True:
                pdu = target.pdu()
                if pdu.type == ICRESP:
                    # It takes H2CData of any length.
                    host.sendall(pdu.raw[:12] + b"\xff\xff\xff\xff" + pdu.raw[16:])
                else:
                    host.sendall(pdu.raw)
