"""Stand-ins on the way to a target: a proxy that records what passes, and a server that replays it.

Both work on real unix sockets, so that what is tested includes the client.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

Exchange = dict[str, Any]


def writes(exchanges: Sequence[Exchange]) -> list[str]:
    """The methods among exchanges that may change a target."""
    return [one["method"] for one in exchanges if "get" not in one["method"].split("_")]


def split_values(data: bytes) -> tuple[list[Any], bytes]:
    """The whole JSON values at the start of data, and what is left."""
    values: list[Any] = []
    text = data.decode()
    while text.strip():
        try:
            value, end = json.JSONDecoder().raw_decode(text.lstrip())
        except ValueError:
            break
        values.append(value)
        text = text.lstrip()[end:]
    return values, text.encode()


class _Server:
    """A unix socket that serves one connection after the other in a thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._listener = socket.socket(socket.AF_UNIX)
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Any:
        self.path.unlink(missing_ok=True)
        self._listener.bind(str(self.path))
        self._listener.listen()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # shutdown wakes the thread out of accept; close alone does not.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(timeout=5)
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                self.handle(connection)

    def handle(self, connection: socket.socket) -> None:
        raise NotImplementedError

    @staticmethod
    def requests(connection: socket.socket) -> Iterator[list[Any]]:
        """What arrives, as lists of whole requests."""
        rest = b""
        while data := connection.recv(65536):
            values, rest = split_values(rest + data)
            yield values


class ReplayServer(_Server):
    """Answers as a target once did, and only to the requests that it was asked then, in the same order."""

    def __init__(self, path: Path, exchanges: Sequence[Exchange]) -> None:
        super().__init__(path)
        self.left = list(exchanges)
        self.unexpected: list[str] = []

    def handle(self, connection: socket.socket) -> None:
        for values in self.requests(connection):
            for request in values:
                connection.sendall(json.dumps(self._answer(request)).encode() + b"\n")

    def check(self) -> None:
        """Fail when the conversation was another one."""
        assert not self.unexpected, self.unexpected
        assert not self.left, f"never asked: {[one['method'] for one in self.left]}"

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        expected = self.left[0] if self.left else None
        asked = {"method": request["method"], "params": request.get("params", {})}
        if expected is None or asked != {"method": expected["method"], "params": expected["params"]}:
            self.unexpected.append(f"asked {asked}, recorded {expected and expected['method']}")
            answer: dict[str, Any] = {"error": {"code": -32601, "message": "not in the transcript"}}
        else:
            answer = {name: value for name, value in self.left.pop(0).items() if name in {"result", "error"}}
        return {"jsonrpc": "2.0", "id": request["id"], **answer}


class RecordingProxy(_Server):
    """Passes everything on to a target and remembers it.

    Args:
        path: where to listen.
        target: the target's own socket.
        cut_after: close the connection instead of passing on the request after this many that write.
    """

    def __init__(self, path: Path, target: Path, *, cut_after: int | None = None) -> None:
        super().__init__(path)
        self.target = target
        self.cut_after = cut_after
        self.exchanges: list[Exchange] = []

    def handle(self, connection: socket.socket) -> None:
        with socket.socket(socket.AF_UNIX) as target:
            target.connect(str(self.target))
            target.settimeout(60)
            for values in self.requests(connection):
                if not self._pass_on(values, connection, target):
                    return

    def _pass_on(self, values: list[Any], connection: socket.socket, target: socket.socket) -> bool:
        passed: dict[int, Exchange] = {}
        for request in values:
            exchange = {"method": request["method"], "params": request.get("params", {})}
            if self.cut_after is not None and len(writes([*self.exchanges, exchange])) > self.cut_after:
                return False
            self.exchanges.append(exchange)
            passed[request["id"]] = exchange
            target.sendall(json.dumps(request).encode())
        rest = b""
        while passed:
            data = target.recv(65536)
            if not data:
                return False
            connection.sendall(data)
            answers, rest = split_values(rest + data)
            for answer in answers:
                exchange = passed.pop(answer["id"])
                exchange.update({name: answer[name] for name in ("result", "error") if name in answer})
        return True
