# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""The life of queue pairs, sockets and controllers: however a connection ends, only it ends.

Rows of the list of faults: each test names its own.
"""

from __future__ import annotations

import contextlib
import resource
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import nvme_wire as wire
from csd_live import BLOCK, CsdTarget, Subsystem
from nvme_wire import Wire

PORT = 26100
SUCCESS, ABORTED = (0, 0), (0, 0x07)
# The queue's requests, and the transport's shared buffers of 128 KiB: defaults of the TCP transport.
REQUESTS, SHARED_BUFFERS, BUFFER = 128, 511, 131072
CC, TERMINATION_TIMER = 0x14, "nvmf_tcp_qpair_handle_timeout"
# The namespace whose commands take this long, in seconds: something that a queue or a pause has to wait for.
SLOW, SLOW_SECONDS = 4, 1.0
EVERY = 0.01


def write(cid: int, length: int = BLOCK, block: int = 0) -> bytes:
    """A Write to the first namespace whose data the target has to ask for."""
    return wire.command(wire.WRITE, cid, 1, sgl=(0, length, wire.SGL_TRANSPORT), dw10=block, dw12=length // BLOCK - 1)


def slow_read(cid: int) -> bytes:
    return wire.command(wire.READ, cid, SLOW, sgl=(0, 512, wire.SGL_TRANSPORT))


def abort(cid: int, *, queue: int, command: int) -> bytes:
    return wire.command(wire.ABORT, cid, dw10=command << 16 | queue)


def until(holds: Callable[[], bool], what: str, seconds: float = wire.TIMEOUT) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(EVERY)


@contextlib.contextmanager
def meanwhile(call: Callable[[], Any]) -> Iterator[threading.Thread]:
    """A call that waits for the target, beside what the test sends. Its error is the test's."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield thread
    thread.join(wire.TIMEOUT)
    assert not thread.is_alive(), f"the call beside has not come back within {wire.TIMEOUT} s"
    assert not errors, f"the call beside failed: {errors[0]}"


@dataclass
class World:
    """One target with one subsystem, which has a slow namespace."""

    target: CsdTarget
    subsystem: Subsystem

    def raw(self) -> Wire:
        """A connection on which only ICReq has been answered."""
        queue = Wire(self.subsystem.port)
        queue.initialize()
        return queue

    def admin(self, subsystem: Subsystem | None = None) -> Wire:
        at = subsystem or self.subsystem
        return wire.admin_queue(at.port, at.nqn, at.host_nqn)

    def io(self, admin: Wire, qid: int = 1, *, sqsize: int = 31, subsystem: Subsystem | None = None) -> Wire:
        at = subsystem or self.subsystem
        return wire.io_queue(admin, at.port, at.nqn, at.host_nqn, qid=qid, sqsize=sqsize)

    def serves(self) -> None:
        """A host connects, and is answered on both kinds of queue."""
        with self.admin() as admin, self.io(admin) as queue:
            done, data = admin.call(wire.command(wire.IDENTIFY, admin.cid(), dw10=1, sgl=(0, 4096, 0x5A)))
            assert (done.status, len(data)) == (SUCCESS, 4096)
            assert queue.call(write(queue.cid()), bytes(BLOCK))[0].status == SUCCESS
        assert self.target.alive()

    def timers(self) -> list[str]:
        """The names of all pollers that run at times."""
        threads = self.target.call("thread_get_pollers")["threads"]
        return [poller["name"] for thread in threads for poller in thread["timed_pollers"]]

    def queues(self) -> int:
        """How many sockets of the target are connected to some host."""
        port = f":{int(self.subsystem.port):04X}"
        lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        return sum(line[1].endswith(port) and line[3] == "01" for line in lines)


def slow_namespace(target: CsdTarget, subsystem: Subsystem, name: str) -> None:
    latency = int(SLOW_SECONDS * 1e6)
    target.call("bdev_null_create", {"name": f"{name}_null", "num_blocks": 1024, "block_size": 512})
    latencies = {f"{which}_{kind}_latency": latency for which in ("avg", "p99") for kind in ("read", "write")}
    target.call("bdev_delay_create", {"base_bdev_name": f"{name}_null", "name": f"{name}_slow", **latencies})
    namespace = {"bdev_name": f"{name}_slow", "nsid": SLOW}
    target.call("nvmf_subsystem_add_ns", {"nqn": subsystem.nqn, "namespace": namespace})


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("wire-life")
    with CsdTarget(folder, PORT) as target:
        subsystem = target.add_subsystem("life", bytes(1 << 20))
        slow_namespace(target, subsystem, "life")
        yield World(target, subsystem)
        assert target.stop() == 0, "the target did not end in order"


# ---- queue pairs are freed by a message only


@pytest.mark.holds("base-6", "wire-4")
def test_one_command_too_many_ends_its_connection_only(world: World) -> None:
    with world.raw() as queue:
        queue.send(*(wire.capsule(write(cid)) for cid in range(REQUESTS + 1)))
        assert {pdu.type for pdu in queue.ended()} <= {wire.R2T, wire.C2H_TERM}
    world.serves()


@pytest.mark.holds("base-6", "wire-4")
def test_a_connection_that_goes_while_it_is_answered(world: World) -> None:
    """Each answer's callback finds that the socket has gone."""
    for _ in range(20):
        queue = world.raw()
        queue.send(*(wire.capsule(wire.property_get(cid, 0)) for cid in range(REQUESTS - 1)))
        queue.reset()
        queue = world.raw()
        queue.send(*(wire.capsule(write(cid)) for cid in range(REQUESTS - 1)))
        queue.reset()
    until(lambda: world.queues() == 0, "all connections have gone")
    world.serves()


@pytest.mark.holds("base-7", "wire-4")
def test_a_connection_that_memory_does_not_suffice_for(tmp_path: Path) -> None:
    """It is let go as it came; its first bytes meet nothing that has been freed."""
    # More for one connection than is left of what the target begins with; it may open no file for more.
    large = {"max_io_size": 1 << 20, "in_capsule_data_size": 1 << 20}
    with CsdTarget(tmp_path, PORT + 20, megabytes=192, transport=large) as target:
        small = World(target, target.add_subsystem("small", bytes(1 << 20)))
        files = resource.prlimit(target.pid, resource.RLIMIT_NOFILE)
        now = len(list(Path(f"/proc/{target.pid}/fd").iterdir()))
        resource.prlimit(target.pid, resource.RLIMIT_NOFILE, (now + 1, files[1]))
        with Wire(small.subsystem.port) as queue:
            until(lambda: "Unable to add the qpair" in target.log.read_text(), "memory has an end")
            # It may have been closed already.
            with contextlib.suppress(wire.ClosedError):
                queue.send(wire.icreq())
            assert queue.ended() == []
        resource.prlimit(target.pid, resource.RLIMIT_NOFILE, files)
        until(lambda: small.queues() == 0, "the connection has gone")
        small.serves()
        assert target.stop() == 0, "the target did not end in order"


@pytest.mark.holds("base-9", "wire-4")
@pytest.mark.parametrize("how", ["disable", "delete"])
def test_the_termination_timer_goes_with_its_queue(world: World, how: str) -> None:
    """A second ICReq arms it; the queue then ends by another layer's doing."""
    other = world.target.add_subsystem(f"timer-{how}", bytes(1 << 20))
    with world.admin(other) as admin, world.io(admin, subsystem=other) as queue:
        queue.send(wire.icreq())
        assert queue.pdu().type == wire.C2H_TERM
        assert TERMINATION_TIMER in world.timers()
        if how == "disable":
            admin.send(wire.capsule(wire.property_set(admin.cid(), CC, wire.CC_ENABLE_ALL_SETS & ~1)))
        else:
            world.target.call("nvmf_delete_subsystem", {"nqn": other.nqn})
        assert queue.ended() == []
        until(lambda: TERMINATION_TIMER not in world.timers(), "the timer has gone")
    world.serves()


@pytest.mark.holds("base-10", "wire-5")
@pytest.mark.parametrize("queues", [40, 128])
def test_all_queues_of_a_host_at_once(world: World, queues: int) -> None:
    other = world.target.add_subsystem(f"many-{queues}", bytes(1 << 20))
    with contextlib.ExitStack() as stack:
        admin = stack.enter_context(world.admin(other))
        opened = [stack.enter_context(world.io(admin, qid, subsystem=other)) for qid in range(1, queues)]
        admin.send(wire.capsule(wire.property_set(admin.cid(), CC, wire.CC_ENABLE_ALL_SETS & ~1)))
        for queue in opened:
            assert queue.ended() == []
    world.serves()
