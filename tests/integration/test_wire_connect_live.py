# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Connect, and the life of what it makes: who may send what before, beside and after it.

Rows of the list of faults: each test names its own.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import nvme_wire as wire
from csd_live import CsdTarget, Subsystem
from nvme_wire import Wire
from waiting import until

PORT = 26200
SUCCESS, INVALID_FIELD, SEQUENCE_ERROR = (0, 0), (0, 0x02), (0, 0x0C)
CONNECT_INVALID = (1, 0x82)
CC, CSTS, READY, SHUT_DOWN = 0x14, 0x1C, 1, 2 << 2
SLOW = 4
STRANGER = "nqn.2026-11.io.hello-ebpf:stranger"


@dataclass
class World:
    """One target with one subsystem."""

    target: CsdTarget
    subsystem: Subsystem

    def admin(self, *, kato: int = 0) -> Wire:
        return wire.admin_queue(self.subsystem.port, self.subsystem.nqn, self.subsystem.host_nqn, kato=kato)

    def io(self, admin: Wire, *, qid: int = 1) -> Wire:
        return wire.io_queue(admin, self.subsystem.port, self.subsystem.nqn, self.subsystem.host_nqn, qid=qid)

    def raw(self) -> Wire:
        """A connection on which only ICReq has been answered."""
        queue = Wire(self.subsystem.port)
        queue.initialize()
        return queue

    def still_serves(self) -> None:
        """A host connects, and is answered."""
        with self.admin() as queue:
            done, data = queue.call(wire.command(wire.IDENTIFY, queue.cid(), dw10=1, sgl=(0, 4096, 0x5A)))
            assert (done.status, len(data)) == (SUCCESS, 4096)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("wire-connect")
    with CsdTarget(folder, PORT) as target:
        subsystem = target.add_subsystem("connect", bytes(1 << 20))
        target.call("bdev_malloc_create", {"name": "slow_base", "num_blocks": 256, "block_size": 4096})
        latency = {f"{kind}_{way}_latency": 1000000 for kind in ("avg", "p99") for way in ("read", "write")}
        target.call("bdev_delay_create", {"name": "slow", "base_bdev_name": "slow_base", **latency})
        target.call("nvmf_subsystem_add_ns", {"nqn": subsystem.nqn, "namespace": {"bdev_name": "slow", "nsid": SLOW}})
        yield World(target, subsystem)


def read(queue: Wire, nsid: int = 1) -> tuple[int, int]:
    """A block, and with which status."""
    done, _ = queue.call(wire.command(wire.READ, queue.cid(), nsid, sgl=(0, 4096, wire.SGL_TRANSPORT)))
    return done.status


# ---- what a Connect carries


@pytest.mark.holds("base-3")
@pytest.mark.parametrize("kind", [wire.SGL_IN_CAPSULE, wire.SGL_TRANSPORT])
def test_a_connect_without_data_is_refused(world: World, kind: int) -> None:
    with world.raw() as queue:
        done, _ = queue.call(wire.connect_command(queue.cid(), sgl=(0, 0, kind)))
        assert done.status == INVALID_FIELD
    world.still_serves()


@pytest.mark.holds("base-3")
@pytest.mark.parametrize("length", [1, 255, 256, 257, 1023])
@pytest.mark.parametrize("offset", [0, 3072])
def test_a_short_connect_is_not_held_against_what_was_there_before(world: World, offset: int, length: int) -> None:
    """The slot still holds the names of a Connect that was right; offset and length keep to the slot's end."""
    whole = wire.connect_data(wire.DISCOVERY, STRANGER)
    with world.raw() as queue:
        # A name that is not known, so that the queue stays without a controller, and the slot keeps its bytes.
        unknown = wire.connect_data("nqn.2026-11.io.hello-ebpf:nobody", STRANGER)
        done, _ = queue.call(wire.connect_command(queue.cid()), unknown, in_capsule=True)
        assert done.status == CONNECT_INVALID
        sgl = (offset, length, wire.SGL_IN_CAPSULE)
        sent = wire.connect_command(queue.cid(), sgl=sgl)
        done, _ = queue.call(sent, bytes(offset) + whole[:length], in_capsule=True)
        assert done.status == INVALID_FIELD
    world.still_serves()


@pytest.mark.holds("base-3")
def test_a_connect_whose_data_are_asked_for_is_taken(world: World) -> None:
    with world.raw() as queue:
        sent = wire.connect_command(queue.cid(), sgl=(0, 1024, wire.SGL_TRANSPORT))
        done, _ = queue.call(sent, wire.connect_data(wire.DISCOVERY, STRANGER))
        assert done.status == SUCCESS


# ---- commands sent right behind a Connect


def statuses(queue: Wire, cids: list[int]) -> dict[int, tuple[int, int]]:
    """Of so many commands, in whatever order they are answered."""
    found = {}
    for _ in cids:
        done, _ = queue.answer()
        found[done.cid] = done.status
    assert sorted(found) == sorted(cids)
    return found


@pytest.mark.holds("base-4")
@pytest.mark.parametrize("subnqn", ["discovery", "subsystem"])
def test_commands_behind_an_admin_connect_wait_for_no_half_made_controller(world: World, subnqn: str) -> None:
    nqn = wire.DISCOVERY if subnqn == "discovery" else world.subsystem.nqn
    with Wire(world.subsystem.port) as queue:
        queue.send(
            wire.icreq(),
            wire.capsule(wire.connect_command(1), wire.connect_data(nqn, world.subsystem.host_nqn)),
            wire.capsule(wire.property_set(2, 0x14, wire.CC_ENABLE)),
            wire.capsule(wire.command(wire.IDENTIFY, 3, dw10=1, sgl=(0, 4096, wire.SGL_TRANSPORT))),
            wire.capsule(wire.connect_command(4), wire.connect_data(nqn, world.subsystem.host_nqn)),
        )
        assert queue.pdu().type == wire.ICRESP
        assert statuses(queue, [1, 2, 3, 4]) == {1: SUCCESS, 2: SEQUENCE_ERROR, 3: SEQUENCE_ERROR, 4: SEQUENCE_ERROR}
        # And once it is answered, the controller is there.
        queue.enable(wire.CC_ENABLE)
        done, data = queue.call(wire.command(wire.IDENTIFY, 5, dw10=1, sgl=(0, 4096, wire.SGL_TRANSPORT)))
        assert (done.status, len(data)) == (SUCCESS, 4096)
    world.still_serves()


@pytest.mark.parametrize("valid", [True, False])
def test_commands_behind_an_io_connect_are_counted_off(world: World, valid: bool) -> None:
    """A pause of the subsystem, which adding a host takes, waits for every command that is counted.

    Row 4's other half. With one reactor its window is that between two messages, which no segment hits for certain.
    """
    with world.admin() as admin:
        qid = 1 if valid else 5000  # no controller has so many queues
        data = wire.connect_data(world.subsystem.nqn, world.subsystem.host_nqn, admin.controller)
        with Wire(world.subsystem.port) as queue:
            queue.send(
                wire.icreq(),
                wire.capsule(wire.connect_command(1, qid=qid), data),
                wire.capsule(wire.command(wire.READ, 2, 1, sgl=(0, 4096, wire.SGL_TRANSPORT))),
                wire.capsule(wire.command(wire.FLUSH, 3, 1)),
            )
            assert queue.pdu().type == wire.ICRESP
            found = statuses(queue, [1, 2, 3])
            assert (found[1] == SUCCESS) is valid
            assert (found[2], found[3]) == (SEQUENCE_ERROR, SEQUENCE_ERROR)
            if valid:
                done, read = queue.call(wire.command(wire.READ, 4, 1, sgl=(0, 4096, wire.SGL_TRANSPORT)))
                assert (done.status, read) == (SUCCESS, bytes(4096))
        host = {"nqn": world.subsystem.nqn, "host": f"{STRANGER}-{qid}"}
        world.target.call("nvmf_subsystem_add_host", host)
        world.target.call("nvmf_subsystem_remove_host", host)


def test_a_connection_that_goes_right_behind_its_connect_leaves_nothing(world: World) -> None:
    for _ in range(20):
        queue = Wire(world.subsystem.port)
        queue.send(
            wire.icreq(),
            wire.capsule(wire.connect_command(1), wire.connect_data(wire.DISCOVERY, STRANGER)),
            wire.capsule(wire.property_set(2, 0x14, wire.CC_ENABLE)),
        )
        queue.reset()
    world.still_serves()


# ---- whose controller it is


@pytest.mark.holds("base-24")
@pytest.mark.parametrize("foreign", ["hostnqn", "hostid"])
def test_an_io_queue_is_for_its_controllers_host_only(world: World, foreign: str) -> None:
    other = f"{STRANGER}-but-allowed"
    world.target.call("nvmf_subsystem_add_host", {"nqn": world.subsystem.nqn, "host": other})
    mine = world.subsystem.host_nqn
    identity = uuid.uuid5(uuid.NAMESPACE_DNS, mine).bytes
    name, hostid = (other, identity) if foreign == "hostnqn" else (mine, bytes(range(16)))
    with world.admin() as admin, world.raw() as queue:
        done = queue.connect(world.subsystem.nqn, name, qid=1, cntlid=admin.controller, hostid=hostid)
        assert done.status == CONNECT_INVALID
        # Invalid is the data's host NQN, or host identifier.
        assert done.dw0 == (1 << 16 | (512 if foreign == "hostnqn" else 0))
        # The number is still free.
        with world.io(admin) as own:
            assert read(own) == SUCCESS


# ---- disable and shutdown


def csts(queue: Wire) -> int:
    done, _ = queue.call(wire.property_get(queue.cid(), CSTS))
    assert done.status == SUCCESS
    return done.dw0


def reaches(queue: Wire, value: int) -> None:
    """CSTS is polled, as hosts do, until it has this value."""
    until(f"CSTS is {value:#x}", lambda: csts(queue) == value, found=lambda: f"It is {csts(queue):#x}")


def set_cc(queue: Wire, value: int) -> tuple[int, int]:
    done, _ = queue.call(wire.property_set(queue.cid(), CC, value))
    return done.status


@pytest.mark.holds("base-24")
@pytest.mark.parametrize("kind", [1, 2])
def test_a_shutdown_ends_the_io_queues_and_keeps_the_controller_enabled(world: World, kind: int) -> None:
    with world.admin() as admin:
        queues = [world.io(admin, qid=qid) for qid in (1, 2, 3)]
        assert [read(queue) for queue in queues] == [SUCCESS] * 3
        assert set_cc(admin, wire.CC_ENABLE | kind << 14) == SUCCESS
        assert [queue.ended() for queue in queues] == [[], [], []]
        reaches(admin, READY | SHUT_DOWN)
        done, _ = admin.call(wire.property_get(admin.cid(), CC))
        assert done.dw0 & 1
        with world.raw() as late:
            done = late.connect(world.subsystem.nqn, world.subsystem.host_nqn, qid=4, cntlid=admin.controller)
            assert done.status == CONNECT_INVALID
        # A reset makes it anew.
        assert set_cc(admin, 0) == SUCCESS
        reaches(admin, 0)
        admin.enable()
        assert csts(admin) == READY
        with world.io(admin) as queue:
            assert read(queue) == SUCCESS


@pytest.mark.holds("base-24")
def test_a_disable_is_over_when_the_io_queues_have_ended(world: World) -> None:
    """One command is under way, on a device that takes a second: until then CSTS.RDY stays, and nothing is enabled."""
    with world.admin() as admin, world.io(admin) as slow:
        slow.send(wire.capsule(wire.command(wire.READ, 1, SLOW, sgl=(0, 4096, wire.SGL_TRANSPORT))))
        admin.send(
            wire.capsule(wire.property_set(1001, CC, 0)),
            wire.capsule(wire.property_get(1002, CSTS)),
            wire.capsule(wire.property_set(1003, CC, wire.CC_ENABLE)),
        )
        answers = {done.cid: done for done, _ in (admin.answer() for _ in range(3))}
        assert answers[1001].status == SUCCESS
        assert answers[1002].dw0 == READY
        assert answers[1003].status == CONNECT_INVALID
        reaches(admin, 0)
        slow.ended()
        admin.enable()
        with world.io(admin) as queue:
            assert read(queue) == SUCCESS


@pytest.mark.parametrize("value", [0, wire.CC_ENABLE | 1 << 14])
def test_a_host_that_goes_while_its_controller_is_disabled_leaves_nothing(world: World, value: int) -> None:
    for _ in range(10):
        admin = world.admin()
        queues = [world.io(admin, qid=qid) for qid in (1, 2)]
        admin.send(wire.capsule(wire.property_set(1, CC, value)))
        admin.reset()
        for queue in queues:
            queue.ended()
    world.still_serves()


# ---- beside changes


def test_discovery_and_connects_beside_subsystems_that_come_and_go(world: World) -> None:
    """Row 23. With one reactor the threads take turns; this holds that what is looked up is always whole."""
    nqn, host = f"{world.subsystem.nqn}-passing", world.subsystem.host_nqn
    listener = {"trtype": "TCP", "adrfam": "IPv4", "traddr": "127.0.0.1", "trsvcid": world.subsystem.port}
    with wire.admin_queue(world.subsystem.port, wire.DISCOVERY, host, cc=wire.CC_ENABLE) as discovery:
        for _ in range(10):
            world.target.call("nvmf_create_subsystem", {"nqn": nqn, "allow_any_host": True})
            world.target.call("nvmf_subsystem_add_listener", {"nqn": nqn, "listen_address": listener})
            sqe = wire.command(
                *(wire.GET_LOG_PAGE, discovery.cid()), dw10=0x70 | 1023 << 16, sgl=(0, 4096, wire.SGL_TRANSPORT)
            )
            done, log = discovery.call(sqe)
            assert done.status == SUCCESS
            names = {log[at + 256 : at + 512].rstrip(b"\0").decode() for at in range(1024, 4096, 1024)} - {""}
            assert names == {world.subsystem.nqn, nqn}
            queues = [world.raw() for _ in range(4)]
            for queue in queues:
                queue.send(wire.capsule(wire.connect_command(1), wire.connect_data(nqn, host)))
            world.target.call("nvmf_delete_subsystem", {"nqn": nqn})
            for queue in queues:
                queue.close()
    world.still_serves()


# ---- those that may no longer connect


@pytest.mark.holds("base-58")
@pytest.mark.parametrize("way", ["host", "any host"])
def test_a_host_that_is_removed_is_disconnected(world: World, way: str) -> None:
    """The others stay, those of other subsystems too."""
    nqn, guest = world.subsystem.nqn, f"{STRANGER}-guest"
    wanted = {"nqn": nqn, "host": guest} if way == "host" else {"nqn": nqn, "allow_any_host": True}
    world.target.call("nvmf_subsystem_add_host" if way == "host" else "nvmf_subsystem_allow_any_host", wanted)
    with (
        world.admin() as kept,
        world.io(kept) as kept_io,
        wire.admin_queue(world.subsystem.port, wire.DISCOVERY, guest, cc=wire.CC_ENABLE) as elsewhere,
        wire.admin_queue(world.subsystem.port, nqn, guest) as gone,
        wire.io_queue(gone, world.subsystem.port, nqn, guest) as gone_io,
    ):
        assert read(gone_io) == SUCCESS
        if way == "host":
            world.target.call("nvmf_subsystem_remove_host", wanted)
        else:
            world.target.call("nvmf_subsystem_allow_any_host", {"nqn": nqn, "allow_any_host": False})
        assert (gone.ended(), gone_io.ended()) == ([], [])
        assert read(kept_io) == SUCCESS
        assert [csts(queue) for queue in (kept, elsewhere)] == [READY, READY]


@pytest.mark.holds("base-58")
def test_connections_of_a_listener_that_is_removed_end(world: World) -> None:
    nqn, host = world.subsystem.nqn, world.subsystem.host_nqn
    address = {"trtype": "TCP", "adrfam": "IPv4", "traddr": "127.0.0.1", "trsvcid": str(PORT + 10)}
    world.target.call("nvmf_subsystem_add_listener", {"nqn": nqn, "listen_address": address})
    with world.admin() as kept, wire.admin_queue(PORT + 10, nqn, host) as gone:
        world.target.call("nvmf_subsystem_remove_listener", {"nqn": nqn, "listen_address": address})
        assert gone.ended() == []
        assert csts(kept) == READY
    world.still_serves()
