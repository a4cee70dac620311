# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""SPDK's block devices under a real csd_tgt: devices that have no room, are flushed, or go while requests wait."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.hello_ebpf.jsonrpc import Client, RpcError

from csd_live import CsdTarget
from nvme_wire import FLUSH, READ, SGL_TRANSPORT, Wire, admin_queue, capsule, command, io_queue
from open_files import open_files
from waiting import CEILING, until

PORT = 26300
NQN = "nqn.2026-11.io.hello-ebpf:base-bdev"
HOST = "nqn.2026-11.io.hello-ebpf:base-bdev-host"
BLOCK = 512
WATCH = Path(__file__).with_name("aio_watch.c")


@dataclass(frozen=True)
class Place:
    """The target, and the files by which aio_watch.c is steered and tells what it saw."""

    target: CsdTarget
    folder: Path

    @contextmanager
    def kernel(self, what: str) -> Iterator[None]:
        """A kernel that is "full", or "slow" for the first device."""
        file = self.folder / what
        file.touch()
        try:
            yield
        finally:
            file.unlink()

    def seen(self) -> str:
        file = self.folder / "seen"
        return file.read_text() if file.exists() else ""

    def wait_for_refusal(self, before: str) -> None:
        until("a request reaches the device", lambda: "r" in self.seen()[len(before) :])

    def add(self, nsid: int) -> None:
        """An AIO device as namespace ``nsid``."""
        image = self.folder / f"aio{nsid}.image"
        image.write_bytes(bytes([nsid]) * (1 << 20))
        self.target.call("bdev_aio_create", {"name": f"aio{nsid}", "filename": str(image), "block_size": BLOCK})
        namespace = {"bdev_name": f"aio{nsid}", "nsid": nsid}
        self.quick("nvmf_subsystem_add_ns", {"nqn": NQN, "namespace": namespace})

    def quick(self, method: str, params: dict[str, Any]) -> Any:
        """An RPC that has to answer although requests wait."""
        with Client(str(self.target.socket), timeout=CEILING) as client:
            return client.call(method, params)


def read(wire: Wire, nsid: int, blocks: int = 8) -> bytes:
    sgl = (0, blocks * BLOCK, SGL_TRANSPORT)
    return capsule(command(READ, wire.cid(), nsid, sgl=sgl, dw12=blocks - 1))


@contextmanager
def started(folder: Path, port: int) -> Iterator[Place]:
    """A target with two AIO namespaces, over a kernel that the test steers. It has to end in order."""
    library = folder / "aio_watch.so"
    flags = ["-shared", "-fPIC", "-O1", "-Wall", "-Werror"]
    subprocess.run(["gcc", *flags, "-o", library, WATCH, "-ldl", "-lpthread"], check=True)
    target = CsdTarget(folder, port)
    environment = {
        "LD_PRELOAD": str(library),
        "ASAN_OPTIONS": f"{os.environ.get('ASAN_OPTIONS', '')}:verify_asan_link_order=0",
        "AIO_WATCH": str(folder),
    }
    target.start(environment)
    try:
        subsystem = {"nqn": NQN, "serial_number": "BASEBDEV", "allow_any_host": True, "max_namespaces": 8}
        target.call("nvmf_create_subsystem", subsystem)
        place = Place(target, folder)
        place.add(1)
        place.add(2)
        address = {"trtype": "TCP", "adrfam": "IPv4", "traddr": "127.0.0.1", "trsvcid": str(port)}
        target.call("nvmf_subsystem_add_listener", {"nqn": NQN, "listen_address": address})
        yield place
        if target.alive():
            target.stop()
    finally:
        target.kill()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with started(tmp_path_factory.mktemp("base_bdev"), PORT) as place:
        yield place


@pytest.fixture
def admin(place: Place) -> Iterator[Wire]:
    with admin_queue(PORT, NQN, HOST) as admin:
        yield admin


@pytest.mark.holds("base-13")
def test_a_slow_device_that_is_full_leaves_another_alone(place: Place, admin: Wire) -> None:
    with io_queue(admin, PORT, NQN, HOST) as slow, io_queue(admin, PORT, NQN, HOST, qid=2) as other:
        before = place.seen()
        with place.kernel("slow"):
            slow.send(*(read(slow, 1) for _ in range(16)))
            place.wait_for_refusal(before)
            other.send(read(other, 2))
            done, data = other.answer()
            assert (done.status, data) == ((0, 0), b"\x02" * 8 * BLOCK)
        for _ in range(16):
            done, _ = slow.answer()
            assert done.status == (0, 0)


@pytest.mark.holds("base-13")
def test_a_request_that_found_no_room_is_tried_again(place: Place, admin: Wire) -> None:
    with io_queue(admin, PORT, NQN, HOST) as queue:
        before = place.seen()
        with place.kernel("full"):
            queue.send(read(queue, 1))
            place.wait_for_refusal(before)
        done, data = queue.answer()
        assert (done.status, data) == ((0, 0), b"\x01" * 8 * BLOCK)


@pytest.mark.holds("base-39", "base-65")
def test_the_removal_of_a_device_ends_what_waits_for_it(place: Place, admin: Wire) -> None:
    place.add(3)
    with io_queue(admin, PORT, NQN, HOST) as queue:
        before = place.seen()
        with place.kernel("full"):
            queue.send(*(read(queue, 3) for _ in range(4)))
            place.wait_for_refusal(before)
            assert place.quick("bdev_aio_delete", {"name": "aio3"}) is True
        for _ in range(4):
            done, _ = queue.answer()
            assert done.status != (0, 0)
        # The file is closed, and the name is free.
        assert not [name for name in open_files(place.target.pid) if "aio3" in name]
        place.add(3)
        queue.send(read(queue, 3))
        done, data = queue.answer()
        assert (done.status, data) == ((0, 0), b"\x03" * 8 * BLOCK)
    place.quick("bdev_aio_delete", {"name": "aio3"})


@pytest.mark.holds("base-16")
def test_a_namespace_whose_device_cannot_be_used_is_refused(place: Place, admin: Wire) -> None:
    """The poll group gets no channel, so the subsystem cannot be resumed with it: it goes on without it."""
    with io_queue(admin, PORT, NQN, HOST) as queue:
        with place.kernel("full"), pytest.raises(RpcError, match="could not be resumed"):
            place.add(4)
        assert "(fs.aio-max-nr limits them)" in place.target.log.read_text(errors="replace")
        place.quick("bdev_aio_delete", {"name": "aio4"})
        queue.send(read(queue, 1))
        done, data = queue.answer()
        assert (done.status, data) == ((0, 0), b"\x01" * 8 * BLOCK)
        place.add(4)
        queue.send(read(queue, 4))
        done, data = queue.answer()
        assert (done.status, data) == ((0, 0), b"\x04" * 8 * BLOCK)
    place.quick("bdev_aio_delete", {"name": "aio4"})


@pytest.mark.holds("base-41")
def test_a_flush_is_given_to_the_kernel_and_not_waited_for(place: Place, admin: Wire) -> None:
    with io_queue(admin, PORT, NQN, HOST) as queue:
        before = place.seen()
        done, _ = queue.call(command(FLUSH, queue.cid(), 1))
        assert done.status == (0, 0)
        assert place.seen()[len(before) :] == "f"


@pytest.mark.holds("base-43")
@pytest.mark.parametrize(
    ("num_blocks", "block_size"),
    [(2**55 + 1, 512), (2**64 - 1, 4096), (2**52, 4096), (2**50, 512), (2048, 520), (2048, 1000), (2048, 0)],
)
def test_malloc_devices_that_memory_cannot_hold_are_refused(place: Place, num_blocks: int, block_size: int) -> None:
    with pytest.raises(RpcError):
        place.quick("bdev_malloc_create", {"name": "odd", "num_blocks": num_blocks, "block_size": block_size})
    assert "odd" not in {bdev["name"] for bdev in place.quick("bdev_get_bdevs", {})}


@pytest.mark.holds("base-34", "base-16")
def test_a_target_that_ends_with_an_rpc_at_work(tmp_path: Path) -> None:
    """The RPC waits for a host's read; its server goes first, and then the read ends."""
    port = PORT + 1
    with started(tmp_path, port) as place:
        target = place.target
        with admin_queue(port, NQN, HOST) as admin, io_queue(admin, port, NQN, HOST) as queue:
            before = place.seen()
            with place.kernel("slow"), socket.socket(socket.AF_UNIX) as rpc:
                queue.send(*(read(queue, 1) for _ in range(9)))
                place.wait_for_refusal(before)
                rpc.connect(str(target.socket))
                params = {"nqn": NQN, "host": f"{HOST}-2"}
                call = {"jsonrpc": "2.0", "id": 1, "method": "nvmf_subsystem_add_host", "params": params}
                rpc.sendall(json.dumps(call).encode())
                # It is at work when a later call has been answered.
                target.call("spdk_get_version")
                os.kill(target.pid, signal.SIGTERM)
                until("the target's RPC ends", lambda: not target.socket.exists())
            assert target.ended() == 0
