# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Sends without a copy, which a target makes on all addresses but those of the loopback interface.

Rows of the list of faults: each test names its own.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import nvme_wire as wire
from csd_live import BINARY, CsdTarget, Subsystem
from nvme_wire import Wire
from own_network import own_network
from waiting import until

PORT = 26140
SUCCESS = (0, 0)
ADDRESSES = {"IPv4": "10.26.0.1", "IPv6": "fd26::1"}
REQUESTS, LARGE, BLOCK = 128, 131072, 4096
# What the asker's blocks hold, and what another host writes.
OWN, FOREIGN = 0xA5, 0x5A


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


@pytest.fixture(scope="module")
def private_network() -> Iterator[None]:
    """With addresses that are no loopback's."""
    with own_network():
        ip("link", "add", "near", "type", "veth", "peer", "name", "far")
        ip("address", "add", f"{ADDRESSES['IPv4']}/24", "dev", "near")
        ip("address", "add", f"{ADDRESSES['IPv6']}/64", "dev", "near", "nodad")
        for link in ("near", "far"):
            ip("link", "set", link, "up")
        yield


def listen(target: CsdTarget, subsystem: Subsystem, family: str) -> None:
    address = {"trtype": "TCP", "adrfam": family, "traddr": ADDRESSES[family], "trsvcid": subsystem.port}
    target.call("nvmf_subsystem_add_listener", {"nqn": subsystem.nqn, "listen_address": address})


@contextlib.contextmanager
def io_queue(subsystem: Subsystem, family: str) -> Iterator[Wire]:
    with Wire(subsystem.port, ADDRESSES[family]) as admin, Wire(subsystem.port, ADDRESSES[family]) as queue:
        admin.initialize()
        assert admin.connect(subsystem.nqn, subsystem.host_nqn).status == SUCCESS
        admin.enable()
        queue.initialize()
        done = queue.connect(subsystem.nqn, subsystem.host_nqn, qid=1, cntlid=admin.controller, sqsize=REQUESTS - 1)
        assert done.status == SUCCESS
        yield queue


def read(cid: int) -> bytes:
    return wire.command(wire.READ, cid, 1, sgl=(0, LARGE, wire.SGL_TRANSPORT), dw12=LARGE // BLOCK - 1)


def write(cid: int, block: int) -> bytes:
    length = (0, LARGE, wire.SGL_TRANSPORT)
    return wire.command(wire.WRITE, cid, 1, sgl=length, dw10=block, dw12=LARGE // BLOCK - 1)


def reads(queue: Wire, count: int) -> None:
    """So many at once, and their answers in whatever order."""
    queue.send(*(wire.capsule(read(cid)) for cid in range(count)))
    answers = [queue.pdu() for _ in range(2 * count)]
    assert [pdu.type for pdu in answers].count(wire.C2H_DATA) == count
    for pdu in answers:
        if pdu.type == wire.C2H_DATA:
            assert pdu.data == bytes([OWN]) * LARGE
        else:
            assert wire.completion(pdu.raw[8:24]).status == SUCCESS


@dataclass
class World:
    target: CsdTarget
    subsystem: Subsystem

    def states(self) -> set[str]:
        """Of the target's connections at the IPv4 address, as the kernel names them."""
        end = f"{int.from_bytes(socket.inet_aton(ADDRESSES['IPv4']), 'little'):08X}:{int(self.subsystem.port):04X}"
        lines = [line.split() for line in Path("/proc/thread-self/net/tcp").read_text().splitlines()[1:]]
        return {line[3] for line in lines if line[1] == end} - {"0A"}


@pytest.fixture(scope="module")
def world(private_network: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with CsdTarget(tmp_path_factory.mktemp("zero-copy"), PORT, megabytes=256) as target:
        subsystem = target.add_subsystem("zero", bytes([OWN]) * (4 << 20))
        for family in ADDRESSES:
            listen(target, subsystem, family)
        yield World(target, subsystem)
        target.stop()


@pytest.mark.holds("base-35")
@pytest.mark.parametrize("family", ADDRESSES)
def test_the_kernel_says_when_it_has_sent(world: World, family: str) -> None:
    """More commands than the queue has requests: each has to come back."""
    with io_queue(world.subsystem, family) as queue:
        for _ in range(4):
            reads(queue, REQUESTS // 2)


@pytest.mark.holds("base-37")
def test_what_is_still_to_be_sent_goes_with_its_connection(world: World) -> None:
    """Its buffers are other hosts' from then on."""
    depth = 16
    with io_queue(world.subsystem, "IPv4") as slow:
        slow.send(*(wire.capsule(read(cid)) for cid in range(depth)))
        # The answers do not fit into what the kernel takes for a host that does not read them.
        assert slow.receive(8)[0] == wire.C2H_DATA
        slow.socket.shutdown(socket.SHUT_WR)
        until("the target has closed the connection", lambda: "08" not in world.states())
        with io_queue(world.subsystem, "IPv4") as other:
            other.send(*(wire.capsule(write(cid, 64 + cid * LARGE // BLOCK)) for cid in range(depth)))
            asked = [struct.unpack_from("<HH", other.pdu().raw, 8) for _ in range(depth)]
            for cid, ttag in asked:
                other.send(wire.h2c_data(cid, ttag, 0, bytes([FOREIGN]) * LARGE))
            for _ in range(depth):
                assert other.answer()[0].status == SUCCESS
        received = bytearray()
        with contextlib.suppress(ConnectionError):
            while part := slow.socket.recv(1 << 20):
                received += part
        assert bytes([FOREIGN]) * BLOCK not in received


@pytest.mark.holds("base-36")
def test_the_memory_for_sends_without_a_copy_has_an_end(private_network: None, tmp_path: Path) -> None:
    """A target that may pin no memory copies what it sends."""
    limited = tmp_path / "csd_tgt"
    setpriv = shutil.which("setpriv") or pytest.fail("no setpriv: install util-linux")
    bound = f"prlimit --memlock=4096:4096 {setpriv} --bounding-set=-ipc_lock"
    limited.write_text(f'#!/bin/sh\nexec {bound} {BINARY} "$@"\n')
    limited.chmod(0o755)
    with CsdTarget(tmp_path, PORT + 5, binary=limited, megabytes=256) as target:
        subsystem = target.add_subsystem("limited", bytes([OWN]) * (4 << 20))
        listen(target, subsystem, "IPv4")
        with io_queue(subsystem, "IPv4") as queue:
            reads(queue, REQUESTS - 1)
        target.stop()
