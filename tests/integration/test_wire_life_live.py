# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""The life of queue pairs, sockets and controllers: however a connection ends, only it ends.

Rows of the list of faults: each test names its own.
"""

from __future__ import annotations

import contextlib
import functools
import resource
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import nvme_wire as wire
from csd_live import BLOCK, CsdTarget, Subsystem
from nvme_wire import Wire
from open_files import open_files
from waiting import until

PORT = 26100
SUCCESS, ABORTED = (0, 0), (0, 0x07)
INVALID_QUEUE, CONNECT_BUSY, CONNECT_INVALID = (1, 0x01), (1, 0x81), (1, 0x82)
# The queue's requests, and one host's share of the 511 buffers of 128 KiB: defaults of the TCP transport.
REQUESTS, SHARE, BUFFER = 128, 511 // 2, 131072
CC, TERMINATION_TIMER = 0x14, "nvmf_tcp_qpair_handle_timeout"
# The namespace whose commands take this long, in seconds: something that a queue or a pause has to wait for.
SLOW, SLOW_SECONDS = 4, 2.0
EVERY = 0.01


def write(cid: int, length: int = BLOCK, block: int = 0) -> bytes:
    """A Write to the first namespace whose data the target has to ask for."""
    return wire.command(wire.WRITE, cid, 1, sgl=(0, length, wire.SGL_TRANSPORT), dw10=block, dw12=length // BLOCK - 1)


def begin_slow_read(queue: Wire) -> None:
    """Once this returns, whatever ends or pauses the queue waits for it."""
    sqe = wire.command(wire.READ, queue.cid(), SLOW, sgl=(0, 512, wire.SGL_TRANSPORT))
    # Commands of a queue are begun in their order.
    queue.send(wire.capsule(sqe), wire.capsule(wire.command(wire.FLUSH, queue.cid(), 1)))
    assert queue.answer()[0].status == SUCCESS


def abort(cid: int, *, queue: int, command: int) -> bytes:
    return wire.command(wire.ABORT, cid, dw10=command << 16 | queue)


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

    def raw(self, subsystem: Subsystem | None = None) -> Wire:
        """A connection on which only ICReq has been answered."""
        queue = Wire((subsystem or self.subsystem).port)
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

    def queues(self, subsystem: Subsystem | None = None) -> int:
        """How many connections the target has not closed: those that a host has are among them, if by FIN."""
        port = f":{int((subsystem or self.subsystem).port):04X}"
        lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        return sum(line[1].endswith(port) and line[3] in ("01", "08") for line in lines)


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
        target.stop()


# ---- queue pairs are freed by a message only


@pytest.mark.holds("base-6", "wire-4")
@pytest.mark.parametrize("who", ["stranger", "host"])
def test_one_command_too_many_ends_its_connection_only(world: World, who: str) -> None:
    with contextlib.ExitStack() as stack:
        if who == "host":
            queue = stack.enter_context(world.io(stack.enter_context(world.admin()), sqsize=REQUESTS - 1))
        else:
            queue = stack.enter_context(world.raw())
        queue.send(*(wire.capsule(write(cid)) for cid in range(REQUESTS + 1)))
        if who == "host":
            assert {pdu.type for pdu in queue.ended()} <= {wire.R2T, wire.C2H_TERM}
        else:
            # They may be refused one by one.
            assert queue.pdu().type in (wire.R2T, wire.RESPONSE)
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
    until("all connections have gone", lambda: world.queues() == 0)
    world.serves()


@pytest.mark.holds("base-7", "wire-4")
def test_a_connection_that_memory_does_not_suffice_for(tmp_path: Path) -> None:
    """It is let go as it came; its first bytes meet nothing that has been freed."""
    # More for one connection than is left of what the target begins with; it may open no file for more.
    large = {"max_io_size": 1 << 20, "in_capsule_data_size": 1 << 20}
    with CsdTarget(tmp_path, PORT + 20, megabytes=192, transport=large) as target:
        small = World(target, target.add_subsystem("small", bytes(1 << 20)))
        files = resource.prlimit(target.pid, resource.RLIMIT_NOFILE)
        now = len(open_files(target.pid))
        resource.prlimit(target.pid, resource.RLIMIT_NOFILE, (now + 1, files[1]))
        with Wire(small.subsystem.port) as queue:
            until("memory has an end", lambda: "Unable to add the qpair" in target.log.read_text())
            # It may have been closed already.
            with contextlib.suppress(wire.ClosedError):
                queue.send(wire.icreq())
            assert queue.ended() == []
        resource.prlimit(target.pid, resource.RLIMIT_NOFILE, files)
        until("the connection has gone", lambda: small.queues() == 0)
        small.serves()
        target.stop()


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
        until("the timer has gone", lambda: TERMINATION_TIMER not in world.timers())
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


# ---- Connects that meet a subsystem which changes


def connect(to: Subsystem, cid: int = 1) -> bytes:
    return wire.capsule(wire.connect_command(cid), wire.connect_data(to.nqn, to.host_nqn))


@pytest.mark.holds("base-8", "wire-5")
def test_a_connect_that_waits_for_a_pause_goes_with_its_connection(world: World) -> None:
    new_host = {"nqn": world.subsystem.nqn, "host": "nqn.2026-11.io.hello-ebpf:new"}
    with world.admin() as admin, world.io(admin) as queue:
        begin_slow_read(queue)
        with meanwhile(lambda: world.target.call("nvmf_subsystem_add_host", new_host)) as pause:
            waiting = [world.raw() for _ in range(8)]
            for one in waiting:
                one.send(connect(world.subsystem))
            for one in waiting[::2]:
                one.reset()
            assert pause.is_alive(), "the pause was over before the connections had gone"
            assert queue.answer()[0].status == SUCCESS
            for one in waiting[1::2]:
                assert one.answer()[0].status == SUCCESS
                one.close()
    world.serves()


@pytest.mark.holds("base-8", "wire-5")
def test_a_connect_to_a_subsystem_that_stops_is_answered(world: World) -> None:
    going = world.target.add_subsystem("going", bytes(1 << 20))
    slow_namespace(world.target, going, "going")
    with world.admin(going) as admin, world.io(admin, subsystem=going) as queue:
        begin_slow_read(queue)
        stranger = world.raw()
        gone = world.raw()
        with meanwhile(lambda: world.target.call("nvmf_delete_subsystem", {"nqn": going.nqn})) as deletion:
            assert admin.ended() == []
            stranger.send(connect(going))
            gone.send(connect(going))
            gone.reset()
            assert stranger.answer()[0].status == CONNECT_BUSY
            assert deletion.is_alive(), "the subsystem had gone before the Connect"
        stranger.close()
    world.serves()


# ---- Abort


def r2t(queue: Wire) -> tuple[int, int]:
    """The next R2T's command identifier and transfer tag."""
    pdu = queue.pdu()
    assert pdu.type == wire.R2T, f"PDU of type {pdu.type:#x} in place of an R2T: {pdu.raw[:24].hex()}"
    cid, ttag = struct.unpack_from("<HH", pdu.raw, 8)
    return cid, ttag


def response(queue: Wire) -> wire.Completion:
    """The next PDU, which has to be one."""
    pdu = queue.pdu()
    assert pdu.type == wire.RESPONSE, f"PDU of type {pdu.type:#x} in place of an answer: {pdu.raw[:24].hex()}"
    return wire.completion(pdu.raw[8:24])


@pytest.mark.holds("base-11", "wire-5")
def test_the_queue_of_a_command_that_is_aborted_goes(world: World) -> None:
    with world.admin() as admin:
        queue = world.io(admin)
        queue.send(wire.capsule(write(7)))
        r2t(queue)
        admin.send(wire.capsule(abort(20, queue=1, command=7)))
        # The Abort has found it: the queue's commands are begun in their order.
        assert admin.call(wire.property_get(21, CC))[0].cid == 21
        queue.reset()
        done, _ = admin.answer()
        assert (done.cid, done.status, done.dw0 & 1) == (20, SUCCESS, 1)
    world.serves()


@pytest.mark.holds("base-11", "wire-5")
def test_a_command_that_is_aborted_before_its_data_never_runs(world: World) -> None:
    """Also while its R2T is on its way: both commands are sent at once."""
    found = 0
    with world.admin() as admin, world.io(admin) as queue:
        for cid in range(1, 21):
            queue.send(wire.capsule(write(cid, block=cid)))
            admin.send(wire.capsule(abort(cid, queue=1, command=cid)))
            sent, ttag = r2t(queue)
            assert sent == cid
            if cid > 10:
                # The Abort has found it for sure: the queue's commands are begun in their order.
                assert admin.call(wire.property_get(100, CC))[0].cid == 100
            queue.send(wire.h2c_data(cid, ttag, 0, b"\xa5" * BLOCK))
            done, _ = queue.answer()
            answer, _ = admin.answer()
            assert (answer.cid, answer.status) == (cid, SUCCESS)
            aborted = not answer.dw0 & 1
            found += aborted
            assert done.status == (ABORTED if aborted else SUCCESS)
            with world.subsystem.image.open("rb") as image:
                image.seek(cid * BLOCK)
                assert image.read(BLOCK) == (bytes(BLOCK) if aborted else b"\xa5" * BLOCK)
    assert found >= 10


def test_an_abort_does_not_wait_for_data_without_end(world: World) -> None:
    with world.admin() as admin, world.io(admin) as queue:
        queue.send(wire.capsule(write(7)))
        cid, ttag = r2t(queue)
        done, _ = admin.call(abort(20, queue=1, command=7))
        assert (done.status, done.dw0 & 1) == (SUCCESS, 1)
        queue.send(wire.h2c_data(cid, ttag, 0, bytes(BLOCK)))
        assert queue.answer()[0].status == SUCCESS


@pytest.mark.holds("base-11", "wire-5")
def test_a_command_that_is_aborted_while_it_waits_for_a_buffer_is_answered(world: World) -> None:
    depth = REQUESTS - 1
    with contextlib.ExitStack() as stack:
        admin = stack.enter_context(world.admin())
        count = SHARE // depth + 1
        queues = [stack.enter_context(world.io(admin, qid, sqsize=depth)) for qid in range(1, count + 1)]
        for queue in queues:
            queue.send(*(wire.capsule(write(cid, BUFFER)) for cid in range(depth)))
            for _ in range(depth if queue is not queues[-1] else SHARE % depth):
                r2t(queue)
        # The host has all of its share, so the last command waits; behind it comes one that needs none.
        last = queues[-1]
        last.send(wire.capsule(wire.command(wire.FLUSH, depth, 1)))
        assert response(last).cid == depth
        done, _ = admin.call(abort(20, queue=count, command=depth - 1))
        assert (done.status, done.dw0 & 1) == (SUCCESS, 0)
        answer = response(last)
        assert (answer.cid, answer.status) == (depth - 1, ABORTED)
    world.serves()


# ---- controllers


@pytest.mark.holds("base-14", "wire-5")
@pytest.mark.parametrize("then", ["namespaces", "connect"])
def test_a_controller_outlives_its_admin_queue(world: World, then: str) -> None:
    """Its I/O queues keep it: neither a change of namespaces nor a Connect looks at the queue that has gone."""
    other = world.target.add_subsystem(f"headless-{then}", bytes(1 << 20))
    admin = world.admin(other)
    with world.io(admin, subsystem=other) as queue, world.raw(other) as late:
        admin.close()
        until("the admin queue has gone", lambda: world.queues(other) == 2)
        if then == "namespaces":
            slow_namespace(world.target, other, "headless")
        else:
            done = late.connect(other.nqn, other.host_nqn, qid=2, cntlid=admin.controller)
            assert done.status == CONNECT_INVALID
        assert queue.call(write(1), bytes(BLOCK))[0].status == SUCCESS
    world.serves()


def test_a_controller_goes_while_its_host_connects_and_disables(world: World) -> None:
    for turn in range(20):
        admin = world.admin()
        with world.raw() as late:
            late.send(
                wire.capsule(
                    wire.connect_command(1, qid=1),
                    wire.connect_data(world.subsystem.nqn, world.subsystem.host_nqn, admin.controller),
                )
            )
            if turn % 2:
                admin.send(wire.capsule(wire.property_set(1, CC, wire.CC_ENABLE_ALL_SETS & ~1)))
            admin.reset()
            with contextlib.suppress(wire.ClosedError):
                assert late.answer()[0].status in (SUCCESS, CONNECT_INVALID)
    until("all connections have gone", lambda: world.queues() == 0)
    world.serves()


@pytest.mark.holds("base-30", "wire-5")
@pytest.mark.parametrize("old", ["goes", "stays"])
def test_a_queue_identifier_is_waited_for(world: World, old: str) -> None:
    """The old queue has a command under way, which the target waits for before it lets the identifier go."""
    with world.admin() as admin:
        queue = world.io(admin)
        begin_slow_read(queue)
        if old == "goes":
            queue.reset()
        with world.raw() as again:
            done = again.connect(world.subsystem.nqn, world.subsystem.host_nqn, qid=1, cntlid=admin.controller)
            assert done.status == (SUCCESS if old == "goes" else INVALID_QUEUE)
            if old == "goes":
                assert again.call(write(1), bytes(BLOCK))[0].status == SUCCESS
        queue.close()


@pytest.mark.holds("base-30", "wire-5")
def test_a_connect_that_waits_for_a_queue_identifier_goes(world: World) -> None:
    """With its connection, and with its controller."""
    with world.admin() as admin:
        queue = world.io(admin)
        waiting = [world.raw() for _ in range(2)]
        for one in waiting:
            sent = wire.connect_data(world.subsystem.nqn, world.subsystem.host_nqn, admin.controller)
            one.send(wire.capsule(wire.connect_command(1, qid=1), sent))
        waiting[0].reset()
    queue.close()
    assert waiting[1].answer()[0].status == CONNECT_INVALID
    waiting[1].close()
    until("all connections have gone", lambda: world.queues() == 0)
    world.serves()


def test_a_subsystem_is_deleted_while_its_hosts_go(world: World) -> None:
    """Each turn leaves the end of some queues to the hosts, of others to the deletion."""
    for turn in range(4):
        other = world.target.add_subsystem(f"short-{turn}", bytes(1 << 20), slm_megabytes=1)
        with contextlib.ExitStack() as stack:
            admins = [stack.enter_context(world.admin(other)) for _ in range(3)]
            queues = [stack.enter_context(world.io(admin, qid, subsystem=other)) for admin in admins for qid in (1, 2)]
            with meanwhile(functools.partial(world.target.call, "nvmf_delete_subsystem", {"nqn": other.nqn})):
                for queue in (*queues[: turn + 1], *admins[:turn]):
                    queue.reset()
    world.serves()
