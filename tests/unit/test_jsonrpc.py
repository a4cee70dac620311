"""The JSON-RPC client against a server of a few lines that misbehaves in every way a real one can."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.hello_ebpf.errors import LabError
from ansible.module_utils.hello_ebpf.jsonrpc import Call, Client, NoTargetError, RpcError

Behaviour = Callable[[socket.socket], None]


@pytest.fixture
def serve(tmp_path: Path) -> Callable[[Behaviour], str]:
    """Starts a server for one connection, with the given behaviour; returns its path."""

    def start(behaviour: Behaviour) -> str:
        path = str(tmp_path / "rpc.sock")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen()

        def run() -> None:
            connection, _ = listener.accept()
            with connection, listener:
                behaviour(connection)

        threading.Thread(target=run, daemon=True).start()
        return path

    return start


def answer(**fields: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", **fields}).encode() + b"\n"


def replies(*parts: bytes) -> Behaviour:
    """Reads one request, sends the parts one by one, and stays until the client goes."""

    def behave(connection: socket.socket) -> None:
        connection.recv(65536)
        for part in parts:
            connection.sendall(part)
        connection.recv(1)

    return behave


def test_sends_what_the_standard_asks_and_returns_the_result(serve: Callable[[Behaviour], str]) -> None:
    seen: list[Any] = []

    def behave(connection: socket.socket) -> None:
        for _ in range(2):
            request = json.loads(connection.recv(65536))
            seen.append(request)
            connection.sendall(answer(id=request["id"], result={"n": len(seen)}))

    with Client(serve(behave)) as client:
        assert client.call("one") == {"n": 1}
        assert client.call("two", {"a": [1]}) == {"n": 2}
    assert seen == [
        {"jsonrpc": "2.0", "id": 1, "method": "one"},
        {"jsonrpc": "2.0", "id": 2, "method": "two", "params": {"a": [1]}},
    ]


def test_an_answer_may_come_byte_by_byte(serve: Callable[[Behaviour], str]) -> None:
    result = {"text": 'Größe } ] " \\ 🙂', "nested": [{"a": {}}, []], "tail": "}"}
    whole = json.dumps({"jsonrpc": "2.0", "id": 1, "result": result}, ensure_ascii=False).encode()
    with Client(serve(replies(*(bytes([one]) for one in whole)))) as client:
        assert client.call("get") == result


def test_an_answer_may_be_long(serve: Callable[[Behaviour], str]) -> None:
    result = [{"name": f"bdev{number}", "aliases": ["}"] * 5} for number in range(50_000)]
    with Client(serve(replies(answer(id=1, result=result)))) as client:
        assert client.call("bdev_get_bdevs") == result


def test_a_batch_takes_answers_in_any_order(serve: Callable[[Behaviour], str]) -> None:
    parts = (
        answer(id=3, result="c") + answer(id=1, result="a")[:10],
        answer(id=1, result="a")[10:],
        answer(id=2, result="b"),
    )
    with Client(serve(replies(*parts))) as client:
        assert client.batch([Call("a"), Call("b"), Call("c")]) == ["a", "b", "c"]


def test_a_batch_reports_the_first_error_and_reads_all_answers(serve: Callable[[Behaviour], str]) -> None:
    error = {"code": -17, "message": "File exists"}
    parts = (answer(id=2, error={"code": -19, "message": "No such device"}), answer(id=1, error=error))
    path = serve(replies(*parts))
    with Client(path) as client, pytest.raises(RpcError) as caught:
        client.batch([Call("bdev_malloc_create", {"name": "a"}), Call("bdev_malloc_delete", {"name": "b"})])
    assert (caught.value.call.method, caught.value.code) == ("bdev_malloc_create", -17)


class TestErrors:
    """What the user reads."""

    def test_refused(self, serve: Callable[[Behaviour], str]) -> None:
        path = serve(replies(answer(id=1, error={"code": -19, "message": "No such device\n"})))
        with Client(path) as client, pytest.raises(RpcError) as caught:
            client.call("bdev_malloc_delete", {"name": "x"})
        assert str(caught.value) == (
            'Asked: bdev_malloc_delete {"name": "x"}. '
            "Found: the target refused: No such device (code -19, ENODEV). "
            "Do: read the reason in the target's log, which says more than its answer."
        )

    def test_refused_without_showing_a_secret(self, serve: Callable[[Behaviour], str]) -> None:
        path = serve(replies(answer(id=1, error={"code": -32602, "message": "Invalid parameters"})))
        params = {"name": "x", "psk": "S3", "list": [{"password": "S3", "dhchap_key": "S3"}], "key_name": "S3"}
        with Client(path) as client, pytest.raises(RpcError) as caught:
            client.call("keyring", params)
        assert "S3" not in str(caught.value)
        assert caught.value.call.as_dict()["params"]["name"] == "x"

    def test_refused_before_the_id_was_read(self, serve: Callable[[Behaviour], str]) -> None:
        path = serve(replies(answer(id=None, error={"code": -32600, "message": "Invalid request"})))
        with Client(path) as client, pytest.raises(RpcError, match=r"Invalid request \(code -32600\)"):
            client.call("x")

    def test_answer_to_another_request(self, serve: Callable[[Behaviour], str]) -> None:
        path = serve(replies(answer(id=7, result=True)))
        with Client(path) as client, pytest.raises(LabError) as caught:
            client.call("x")
        assert str(caught.value) == (
            f"Asked: x at {path}. Found: an answer with the id 7, while open are [1]. "
            "Do: check that this socket belongs to an SPDK target."
        )

    def test_answer_that_is_no_object(self, serve: Callable[[Behaviour], str]) -> None:
        path = serve(replies(b'["a", {}]\n', b"{}"))
        with Client(path) as client, pytest.raises(LabError, match="JSON that is not an object"):
            client.call("x")

    def test_no_answer(self, serve: Callable[[Behaviour], str]) -> None:
        path = serve(replies(b'{"jsonrpc": "2.0"'))
        with Client(path, timeout=0.2) as client, pytest.raises(LabError) as caught:
            client.call("x")
        assert str(caught.value) == (
            f"Asked: x at {path}. Found: no whole answer within 0.2 s (17 bytes came). "
            "Do: look at the target's log and load; it may still carry the call out, so read its state again before "
            "anything else, or give it a longer timeout."
        )

    def test_an_answer_that_trickles_does_not_stretch_the_timeout(self, serve: Callable[[Behaviour], str]) -> None:
        stop = threading.Event()

        def trickle(connection: socket.socket) -> None:
            while not stop.wait(0.05):
                connection.sendall(b" ")

        try:
            with Client(serve(trickle), timeout=0.3) as client, pytest.raises(LabError, match=r"within 0\.3 s"):
                client.call("x")
        finally:
            stop.set()

    def test_died_on_the_call(self, serve: Callable[[Behaviour], str]) -> None:
        def die(connection: socket.socket) -> None:
            connection.recv(65536)
            connection.sendall(b'{"jsonrpc"')

        path = serve(die)
        with Client(path) as client, pytest.raises(NoTargetError) as caught:
            client.call("x")
        assert str(caught.value) == (
            f"Asked: x at {path}. Found: the target closed the connection, before its answer. "
            "Do: the target most likely died on this call: look at its log, start it again, and run again."
        )

    def test_too_long_a_request(self, serve: Callable[[Behaviour], str]) -> None:
        with Client(serve(replies())) as client, pytest.raises(LabError) as caught:
            client.call("x", {"a": "b" * 40_000})
        assert str(caught.value) == (
            "Asked: x in a request of 40055 bytes. "
            "Found: SPDK drops a connection that sends a request of more than 32768 bytes. Do: split the call."
        )


class TestConnecting:
    """Nobody there, or nobody whom we may speak to."""

    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(NoTargetError) as caught:
            Client(str(tmp_path / "none"))
        assert str(caught.value) == (
            f"Asked: a connection to the target's RPC socket {tmp_path}/none. Found: no such socket. "
            "Do: start the target, or name the socket that it was given."
        )

    def test_stale(self, tmp_path: Path) -> None:
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(tmp_path / "stale"))
        with pytest.raises(NoTargetError) as caught:
            Client(str(tmp_path / "stale"))
        assert str(caught.value) == (
            f"Asked: a connection to the target's RPC socket {tmp_path}/stale. "
            "Found: a stale socket: the file is there and nobody listens on it. "
            "Do: start the target (SPDK replaces the file itself); its log tells why the last one ended."
        )

    def test_not_a_socket(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(LabError) as caught:
            Client(str(tmp_path / "file"))
        assert "Found: a file that is not a socket." in str(caught.value)
        assert not isinstance(caught.value, NoTargetError)

    def test_permission_denied(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(connection: socket.socket, path: str) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(socket.socket, "connect", refuse)
        with pytest.raises(LabError) as caught:
            Client("/run/x.sock")
        assert str(caught.value) == (
            "Asked: a connection to the target's RPC socket /run/x.sock. "
            f"Found: permission denied for user id {os.geteuid()}. "
            "Do: run as root (become: true): whoever reaches this socket commands the target."
        )

    def test_too_long_a_path(self) -> None:
        with pytest.raises(LabError, match="AF_UNIX path too long"):
            Client("/tmp/" + "x" * 200)

    def test_waits_for_a_target_that_starts(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """It comes up while the client waits for its next try."""
        path = tmp_path / "late"
        listener = socket.socket(socket.AF_UNIX)
        waits: list[float] = []

        def come_up(seconds: float) -> None:
            waits.append(seconds)
            listener.bind(str(path))
            listener.listen()

        monkeypatch.setattr("time.sleep", come_up)
        with listener, Client(str(path), wait=60) as client:
            assert client.target_pid == os.getpid()
            assert len(waits) == 1

    def test_waits_no_longer_than_told(self, tmp_path: Path) -> None:
        with pytest.raises(NoTargetError, match=r"no such socket \(after 0.1 s\)"):
            Client(str(tmp_path / "none"), wait=0.1)

    def test_knows_the_process_behind_the_socket(self, serve: Callable[[Behaviour], str]) -> None:
        with Client(serve(replies())) as client:
            assert client.target_pid == os.getpid()
