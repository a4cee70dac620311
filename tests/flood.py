# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""A stranger who floods a target with connections: python tests/flood.py PORT COUNT [--until-told]

One process, one loop. It opens connections of all KINDS by turns, and keeps each until the target ends it. Connections
that the kernel has not taken yet are few at a time: more of them would only be dropped, and the flood be smaller. Ends
when all have been opened and the last was taken, or, with --until-told, at the end of its standard input and not before
COUNT. Prints what it did as JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import resource
import selectors
import socket
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nvme_wire as wire

STRANGER = "nqn.2026-11.io.hello-ebpf:flood"
#: Where it comes from: another address than the hosts'. The loopback interface has them all.
ADDRESS = "127.0.0.2"
IP_BIND_ADDRESS_NO_PORT = 24
CONNECTING = 64
#: A flood that lasts, and does not fill the kernel's own queue before the target's acceptor: that is not the target's.
PER_SECOND = 2000
#: Those that say a byte now and then say one so often.
SLOW_SECONDS = 0.25
#: What a connection sends when it is there, and what it sends once ICResp has come; the kernel's sockets do the rest.
ICREQ = wire.icreq()
CONNECT = wire.capsule(wire.connect_command(1), wire.connect_data(wire.DISCOVERY, STRANGER))
KINDS: dict[str, tuple[bytes, bytes]] = {
    "silent": (b"", b""),
    "half an ICReq": (ICREQ[:60], b""),
    "slow": (ICREQ[:1], b""),
    "ICReq and nothing": (ICREQ, b""),
    "half a Connect": (ICREQ, CONNECT[:600]),
    "discovery, never enabled": (ICREQ, CONNECT),
    # These three make the target write to its log.
    "wrong ICReq": (wire.icreq(pfv=7), b""),
    "wrong PDU": (wire.header(0x55, 0, 128, 0, 128) + bytes(120), b""),
    "refused Connect": (ICREQ, b""),
}


@dataclass
class Connection:
    """One of the stranger's."""

    socket: socket.socket
    kind: str
    said: int = 1
    next: bytes = b""
    taken: bool = False


class Flood:
    """All of them.

    Args:
        port: of the target, on the loopback interface.
        subnqn: a subsystem that refuses the stranger.
    """

    def __init__(self, port: int, subnqn: str) -> None:
        self._place = ("127.0.0.1", port)
        self._selector = selectors.DefaultSelector()
        self._connecting = 0
        self._slow: deque[tuple[float, Connection]] = deque()
        self._second = {kind: later for kind, (_, later) in KINDS.items()}
        self._second["refused Connect"] = wire.capsule(wire.connect_command(1), wire.connect_data(subnqn, STRANGER))
        self._begun = time.monotonic()
        self._opened = 0
        self._open = 0
        self.most = 0
        self.told: Counter[str] = Counter()

    def run(self, count: int, *, until_told: bool) -> None:
        """Flood; ``until_told``: until standard input ends as well."""
        if until_told:
            self._selector.register(sys.stdin, selectors.EVENT_READ, None)
        told = not until_told
        kinds = list(KINDS)
        while not (told and self._opened >= count and not self._connecting):
            while (not told or self._opened < count) and self._connecting < CONNECTING and self._is_due():
                self._begin(kinds[self._opened % len(kinds)])
            for key, _ in self._selector.select(0.005):
                if key.data is None:
                    told = True
                    self._selector.unregister(sys.stdin)
                else:
                    self._go_on(key.data)
            self._say_bytes()

    def _is_due(self) -> bool:
        return self._opened < (time.monotonic() - self._begun) * PER_SECOND

    def _begin(self, kind: str) -> None:
        self._opened += 1
        connection = Connection(socket.socket(), kind)
        connection.socket.setblocking(False)
        # So the kernel may choose a port for each connection, not for each socket.
        connection.socket.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        connection.socket.bind((ADDRESS, 0))
        with contextlib.suppress(BlockingIOError):
            connection.socket.connect(self._place)
        self._connecting += 1
        self._open += 1
        self.most = max(self.most, self._open)
        self._selector.register(connection.socket, selectors.EVENT_WRITE, connection)

    def _go_on(self, connection: Connection) -> None:
        try:
            if not connection.taken:
                self._taken(connection)
            elif connection.socket.recv(65536):
                if connection.next:
                    connection.socket.send(connection.next)
                    connection.next = b""
            else:
                self._gone(connection)
        except OSError:
            self._gone(connection)

    def _taken(self, connection: Connection) -> None:
        connection.taken = True
        self._connecting -= 1
        connection.next = self._second[connection.kind]
        self.told[connection.kind] += 1
        connection.socket.send(KINDS[connection.kind][0])
        self._selector.modify(connection.socket, selectors.EVENT_READ, connection)
        if connection.kind == "slow":
            self._slow.append((time.monotonic() + SLOW_SECONDS, connection))

    def _gone(self, connection: Connection) -> None:
        if not connection.taken:
            self._connecting -= 1
        self._open -= 1
        self._selector.unregister(connection.socket)
        connection.socket.close()

    def _say_bytes(self) -> None:
        now = time.monotonic()
        while self._slow and self._slow[0][0] < now:
            _, connection = self._slow.popleft()
            if connection.socket.fileno() < 0 or connection.said >= len(ICREQ) - 1:
                continue
            # The target may have ended it: the selector tells.
            with contextlib.suppress(OSError):
                connection.socket.send(ICREQ[connection.said : connection.said + 1])
            connection.said += 1
            self._slow.append((now + SLOW_SECONDS, connection))


class Flooding:
    """The process, of a test or a measurement."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def running(self) -> bool:
        return self.process.poll() is None

    def result(self, seconds: float = 120) -> dict[str, Any]:
        """Tell it to end, and what it did. Its connections go with it."""
        output, _ = self.process.communicate(timeout=seconds)
        assert self.process.returncode == 0, f"the flood ended with {self.process.returncode}"
        found: dict[str, Any] = json.loads(output)
        return found


@contextlib.contextmanager
def flooding(port: int | str, subnqn: str, count: int, *, until_told: bool = False) -> Iterator[Flooding]:
    """A flood in a process of its own, at low priority: it is to take the target's time, not the host's."""
    words = ["nice", "-n", "19", sys.executable, str(Path(__file__).resolve()), str(port), subnqn, str(count)]
    with subprocess.Popen(
        [*words, *(["--until-told"] if until_told else [])], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Flooding(process)
        finally:
            if process.poll() is None:
                process.kill()


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("subnqn")
    parser.add_argument("count", type=int)
    parser.add_argument("--until-told", action="store_true")
    given = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    flood = Flood(given.port, given.subnqn)
    begun = time.monotonic()
    flood.run(given.count, until_told=given.until_told)
    taken = sum(flood.told.values())
    seconds = time.monotonic() - begun
    print(json.dumps({"taken": taken, "most": flood.most, "seconds": seconds, "kinds": flood.told}))


if __name__ == "__main__":
    main()
