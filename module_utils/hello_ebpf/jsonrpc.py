# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""SPDK's JSON-RPC over its unix socket: one connection, many calls.

What SPDK 20.07's server does decides the shape of this client:

- It sends no length, so an answer ends where its JSON ends.
- It starts every request as soon as it has read it. Requests that were sent together run side by side and are
  answered in the order in which they end, so a batch is for calls that do not need each other (all reading).
- It polls its socket every 4 ms: a batch costs as much time as one call.
- It drops a connection that sends a request of more than 32 KiB, and never answers a JSON-RPC array.
- A deletion that failed is answered with the result ``false``, not with an error.
"""

from __future__ import annotations

import errno
import json
import os
import re
import socket
import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import LabError

MAX_REQUEST_BYTES = 32 * 1024
METHOD_NOT_FOUND = -32601
_SECRET = re.compile(r"psk|secret|password|passwd|token|(^|_)key($|_)", re.IGNORECASE)
_CONNECT_RETRY_S = 0.05
_READABLE_CHARACTERS = 300


@dataclass(frozen=True)
class Call:
    """One request: a method and its parameters (none: the method is called without any)."""

    method: str
    params: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        if not self.params:
            return self.method
        return f"{self.method} {json.dumps(_readable(without_secrets(self.params)), sort_keys=True)}"

    def as_dict(self) -> dict[str, Any]:
        """The call as a module returns it."""
        return {"method": self.method, "params": without_secrets(self.params)}


def without_secrets(value: Any, name: str = "") -> Any:
    """The value with whatever stands under a secret's name replaced, for messages and results."""
    if isinstance(value, Mapping):
        return {key: without_secrets(item, str(key)) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_secrets(item, name) for item in value]
    return "***" if _SECRET.search(name) else value


def _readable(params: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters for a message: a whole program in base64 says nothing there."""
    long = {name for name, value in params.items() if isinstance(value, str) and len(value) > _READABLE_CHARACTERS}
    return {name: f"({len(value)} characters)" if name in long else value for name, value in params.items()}


class NoTargetError(LabError):
    """Nobody answers at the socket: no target has been started, or the one that was is gone."""


class RpcError(LabError):
    """The target answered a call with an error.

    Attributes:
        call: what was asked.
        code: JSON-RPC's code, or a negative errno.
        message: the target's own words.
    """

    def __init__(self, call: Call, code: int, message: str) -> None:
        self.call = call
        self.code = code
        self.message = message.strip()
        name = f", {errno.errorcode[-code]}" if -code in errno.errorcode else ""
        super().__init__(
            asked=str(call),
            found=f"the target refused: {self.message} (code {code}{name})",
            fix="read the reason in the target's log, which says more than its answer",
        )


class Client(AbstractContextManager["Client"]):
    """A connection to one target.

    Args:
        path: the target's unix socket.
        timeout: seconds that a call, or a batch as a whole, may take.
        wait: seconds to wait for a target that is just starting.

    Raises:
        NoTargetError: nobody listens there (any more).
        LabError: the socket may not be used.
    """

    def __init__(self, path: str, *, timeout: float = 60.0, wait: float = 0.0) -> None:
        self.path = path
        self.timeout = timeout
        self._next_id = 1
        self._received = b""
        self._socket = self._connect(wait)

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    @property
    def target_pid(self) -> int:
        """The target's process id, as the kernel knows it from the socket; 0 where it cannot be seen from here."""
        raw = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        pid: int = struct.unpack("3i", raw)[0]
        return pid

    def call(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        """Send one request and return its result.

        Raises:
            RpcError: the target answered with an error.
            LabError: no answer came in time, or the connection ended, or the answer is not one to this request.
        """
        return self.batch([Call(method, params or {})])[0]

    def batch(self, calls: Sequence[Call]) -> list[Any]:
        """Send calls that do not need each other together; return their results in the order of the calls.

        Raises:
            RpcError: the target answered one with an error (the first in the order of the calls).
            LabError: as for ``call``.
        """
        ids = range(self._next_id, self._next_id + len(calls))
        self._next_id += len(calls)
        waiting = dict(zip(ids, calls, strict=True))
        requests = b"".join(_encode(identifier, call) for identifier, call in waiting.items())
        answers: dict[int, dict[str, Any]] = {}
        deadline = time.monotonic() + self.timeout
        asked = "; ".join(map(str, calls))
        with self._failures_told(asked):
            self._socket.settimeout(_remaining(deadline))
            self._socket.sendall(requests)
        while waiting:
            answer = self._receive(asked, deadline)
            identifier = self._match(answer, waiting, asked)
            answers[identifier] = answer
            del waiting[identifier]
        for identifier, call in zip(ids, calls, strict=True):
            error = answers[identifier].get("error")
            if error is not None:
                raise RpcError(call, int(error.get("code", 0)), str(error.get("message", "")))
        return [answers[identifier].get("result") for identifier in ids]

    def _connect(self, wait: float) -> socket.socket:
        deadline = time.monotonic() + wait
        while True:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.settimeout(self.timeout)
            try:
                connection.connect(self.path)
            except OSError as error:
                connection.close()
                problem = _connect_problem(self.path, error, wait)
                if not isinstance(problem, NoTargetError) or time.monotonic() >= deadline:
                    raise problem from error
                time.sleep(_CONNECT_RETRY_S)
            else:
                return connection

    def _receive(self, asked: str, deadline: float) -> dict[str, Any]:
        while True:
            answer = self._take_answer()
            if answer is not None:
                return answer
            with self._failures_told(asked):
                self._socket.settimeout(_remaining(deadline))
                data = self._socket.recv(256 * 1024)
            if not data:
                raise self._ended(asked, None)
            self._received += data

    def _take_answer(self) -> dict[str, Any] | None:
        """Cut one whole answer off what was received; None where it is not whole yet."""
        # Decoding is tried only where a value may end, so that a long answer is not parsed once a packet.
        if not self._received.rstrip().endswith(b"}"):
            return None
        text = self._received.decode("utf-8", errors="replace").lstrip()
        try:
            answer, end = json.JSONDecoder().raw_decode(text)
        except ValueError:
            return None
        self._received = text[end:].encode()
        if isinstance(answer, dict):
            return answer
        raise LabError(
            asked=f"an answer of the target at {self.path}",
            found=f"JSON that is not an object: {text[:100]!r}",
            fix="check that this socket belongs to an SPDK target",
        )

    def _match(self, answer: Mapping[str, Any], waiting: Mapping[int, Call], asked: str) -> int:
        """The request that an answer belongs to."""
        identifier = answer.get("id")
        if isinstance(identifier, int) and identifier in waiting:
            return identifier
        # SPDK answers a request that it cannot read with the id null: it is ours only where nothing else is open.
        if identifier is None and "error" in answer and len(waiting) == 1:
            return next(iter(waiting))
        raise LabError(
            asked=f"{asked} at {self.path}",
            found=f"an answer with the id {json.dumps(identifier)}, while open are {sorted(waiting)}",
            fix="check that this socket belongs to an SPDK target",
        )

    @contextmanager
    def _failures_told(self, asked: str) -> Iterator[None]:
        """Say of a socket that failed what was asked, and what to do."""
        try:
            yield
        except TimeoutError as error:
            raise LabError(
                asked=f"{asked} at {self.path}",
                found=f"no whole answer within {self.timeout:g} s ({len(self._received)} bytes came)",
                fix="look at the target's log and load; it may still carry the call out, so read its state again "
                "before anything else, or give it a longer timeout",
            ) from error
        except OSError as error:
            raise self._ended(asked, error) from error

    def _ended(self, asked: str, error: OSError | None) -> LabError:
        how = f"the connection broke: {error.strerror}" if error else "the target closed the connection"
        return NoTargetError(
            asked=f"{asked} at {self.path}",
            found=f"{how}, before its answer",
            fix="the target most likely died on this call: look at its log, start it again, and run again",
        )


def _encode(identifier: int, call: Call) -> bytes:
    request: dict[str, Any] = {"jsonrpc": "2.0", "id": identifier, "method": call.method}
    # Methods that take no parameters refuse an empty object.
    if call.params:
        request["params"] = call.params
    encoded = json.dumps(request, separators=(",", ":")).encode()
    if len(encoded) > MAX_REQUEST_BYTES:
        raise LabError(
            asked=f"{call.method} in a request of {len(encoded)} bytes",
            found=f"SPDK drops a connection that sends a request of more than {MAX_REQUEST_BYTES} bytes",
            fix="split the call",
        )
    return encoded


def _remaining(deadline: float) -> float:
    # A timeout of 0 would make the socket non-blocking instead of expired.
    return max(deadline - time.monotonic(), 0.001)


def _connect_problem(path: str, error: OSError, wait: float) -> LabError:
    asked = f"a connection to the target's RPC socket {path}"
    waited = f" (after {wait:g} s)" if wait else ""
    if error.errno == errno.ENOENT:
        return NoTargetError(asked, f"no such socket{waited}", "start the target, or name the socket that it was given")
    if error.errno == errno.ECONNREFUSED:
        # The kernel refuses in the same way where the file is no socket at all.
        if not Path(path).is_socket():
            return LabError(asked, "a file that is not a socket", "name the socket that the target was given")
        return NoTargetError(
            asked,
            f"a stale socket: the file is there and nobody listens on it{waited}",
            "start the target (SPDK replaces the file itself); its log tells why the last one ended",
        )
    if error.errno in {errno.EACCES, errno.EPERM}:
        return LabError(
            asked,
            f"permission denied for user id {os.geteuid()}",
            "run as root (become: true): whoever reaches this socket commands the target",
        )
    return LabError(asked, f"{error.strerror or error}{waited}", "name the socket that the target was given")
