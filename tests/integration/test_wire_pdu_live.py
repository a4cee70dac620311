# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Headers of PDUs that say what is not so: the connection ends and says why, or the command fails; nobody else notices.

Layouts: NVMe/TCP Transport Specification 1.0. Rows of the list of faults: each test names its own.
"""

from __future__ import annotations

import contextlib
import itertools
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

import nvme_wire as wire
from csd_live import CsdTarget, Subsystem
from nvme_wire import SGL_IN_CAPSULE, SGL_TRANSPORT, Completion, Wire

PORT = 26000
#: FES: why a connection is ended.
HEADER_FIELD, HEADER_DIGEST, OUT_OF_RANGE, LIMIT = 1, 3, 4, 5
#: FEI: where the fields are in a PDU.
PDO, PLEN, HPDA, DATAL = 3, 4, 10, 16
SUCCESS, INVALID_OPCODE, INVALID_FIELD = (0, 0), (0, 0x01), (0, 0x02)
LENGTH_INVALID, TYPE_INVALID, TRANSPORT_ERROR = (0, 0x0F), (0, 0x11), (0, 0x22)
BLOCK = 4096
MAX_IO = 1 << 20
HEADER_DIGESTS, DATA_DIGESTS = 1, 2
STRANGER = "nqn.2026-11.io.hello-ebpf:stranger"


@dataclass
class World:
    """One target with one subsystem, and a host of it."""

    target: CsdTarget
    subsystem: Subsystem

    def raw(self, **fields: int) -> Wire:
        """A connection on which only ICReq has been answered."""
        queue = Wire(self.subsystem.port)
        queue.initialize(**fields)
        return queue

    def admin(self) -> Wire:
        return wire.admin_queue(self.subsystem.port, self.subsystem.nqn, self.subsystem.host_nqn)

    def io(self, admin: Wire, *, sqsize: int = 31) -> Wire:
        place = self.subsystem
        return wire.io_queue(admin, place.port, place.nqn, place.host_nqn, sqsize=sqsize)

    @contextlib.contextmanager
    def host(self) -> Iterator[Wire]:
        """An I/O queue of a host: before Connect no Write is asked for its data."""
        with self.admin() as admin, self.io(admin) as queue:
            yield queue

    def still_serves(self) -> None:
        """A host reads what is on the device."""
        with self.admin() as admin, self.io(admin) as queue:
            done, data = queue.call(read(queue.cid(), 1))
            assert (done.status, data) == (SUCCESS, bytes([0xD1]) * BLOCK)


def read(cid: int, lba: int, blocks: int = 1) -> bytes:
    return wire.command(wire.READ, cid, 1, sgl=(0, blocks * BLOCK, SGL_TRANSPORT), dw10=lba, dw12=blocks - 1)


def write(cid: int, lba: int, kind: int = SGL_TRANSPORT, blocks: int = 1) -> bytes:
    return wire.command(wire.WRITE, cid, 1, sgl=(0, blocks * BLOCK, kind), dw10=lba, dw12=blocks - 1)


def asked_for(queue: Wire, cid: int, length: int) -> int:
    """Send a Write without its data; the tag of the R2T that asks for them."""
    queue.send(wire.capsule(wire.command(wire.WRITE, cid, 1, sgl=(0, length, SGL_TRANSPORT), dw12=length // BLOCK - 1)))
    return r2t(queue, cid, length)


def r2t(queue: Wire, cid: int, length: int) -> int:
    """The tag of the R2T that comes next, which has to ask for all of a command's data."""
    answer = queue.pdu()
    assert answer.type == wire.R2T
    cccid, tag, offset, asked = struct.unpack_from("<HHII", answer.raw, 8)
    assert (cccid, offset, asked) == (cid, 0, length)
    return int(tag)


def sealed(sqe: bytes, data: bytes, digests: int, *, pdo: int | None = None, plen: int | None = None) -> bytes:
    """A command capsule with digests; ``pdo`` and ``plen`` default to what is right."""
    head = 72 + (4 if digests & HEADER_DIGESTS else 0)
    pdo = head if pdo is None else pdo
    tail = data + (wire.crc32c(data) if digests & DATA_DIGESTS and data else b"")
    flags = digests if data else digests & HEADER_DIGESTS
    length = (pdo if data else head) + len(tail) if plen is None else plen
    sent = wire.header(wire.COMMAND, flags, 72, pdo, length) + sqe
    if digests & HEADER_DIGESTS:
        sent += wire.crc32c(sent)
    return sent + bytes(max(0, pdo - len(sent)) if data else 0) + tail


def status_of(queue: Wire) -> Completion:
    answer = queue.pdu()
    assert answer.type == wire.RESPONSE, answer.raw.hex()
    return wire.completion(answer.raw[8:24])


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("wire-pdu")
    with CsdTarget(folder, PORT, transport={"max_io_size": MAX_IO}) as started:
        yield World(started, started.add_subsystem("pdu", bytes([0xD1]) * (1 << 20)))


@pytest.fixture
def world(target: World) -> Iterator[World]:
    """After each test the target still serves its host."""
    yield target
    assert target.target.alive(), "the target has ended"
    target.still_serves()


# ---- H2CData


@pytest.mark.holds("base-1", "wire-4")
@pytest.mark.parametrize("length", [131072, 262144])
def test_a_length_that_wraps_writes_nowhere(world: World, length: int) -> None:
    """Offset and length give a small number in 32 bits; of one piece, and of several."""
    with world.host() as queue:
        tag = asked_for(queue, 7, length)
        first = length - 4
        queue.send(wire.h2c_data(7, tag, 0, bytes(first), last=False))
        queue.send(wire.h2c_data(7, tag, first, b"\xee" * 8192, length=2**32 - first))
        assert queue.terminated()[0] == OUT_OF_RANGE


@pytest.mark.holds("base-1", "wire-4")
@pytest.mark.parametrize("length", [4097, 8192, 2**31, 2**32 - 4096, 2**32 - 1])
def test_a_length_beyond_what_is_left_is_refused(world: World, length: int) -> None:
    with world.host() as queue:
        tag = asked_for(queue, 7, 8192)
        queue.send(wire.h2c_data(7, tag, 0, bytes(4096), last=False))
        queue.send(wire.h2c_data(7, tag, 4096, b"\xee" * 8, length=length))
        assert queue.terminated()[0] == OUT_OF_RANGE


@pytest.mark.holds("base-1", "wire-4")
def test_data_of_length_0_are_refused(world: World) -> None:
    with world.host() as queue:
        tag = asked_for(queue, 7, 8192)
        queue.send(wire.h2c_data(7, tag, 0, b""))
        assert queue.terminated() == (HEADER_FIELD, DATAL)


@pytest.mark.holds("base-1", "wire-4")
@pytest.mark.parametrize(("datal", "carried"), [(4096, 4092), (4092, 4096), (4096, 0), (8192, 4096)])
def test_data_and_the_pdu_that_carries_them_agree(world: World, datal: int, carried: int) -> None:
    with world.host() as queue:
        tag = asked_for(queue, 7, 8192)
        queue.send(wire.h2c_data(7, tag, 0, bytes(carried), length=datal))
        assert queue.terminated() == (HEADER_FIELD, DATAL)


@pytest.mark.holds("base-1", "wire-4")
@pytest.mark.parametrize(
    ("length", "carried", "answer"),
    [(2**32 - 512, 8192, OUT_OF_RANGE), (513, 513, OUT_OF_RANGE), (0, 0, HEADER_FIELD), (512, 508, HEADER_FIELD)],
)
def test_data_that_a_stranger_is_asked_for_have_bounds(world: World, length: int, carried: int, answer: int) -> None:
    """Those of a Connect, which are all that is asked for before it is answered."""
    with world.raw() as queue:
        queue.send(wire.capsule(wire.connect_command(7, sgl=(0, 1024, SGL_TRANSPORT))))
        tag = r2t(queue, 7, 1024)
        queue.send(wire.h2c_data(7, tag, 0, bytes(512), last=False))
        queue.send(wire.h2c_data(7, tag, 512, b"\xee" * carried, length=length))
        assert queue.terminated()[0] == answer


def test_data_in_many_pieces_arrive_whole(world: World) -> None:
    """Cut at odd places, over the borders of the target's buffers."""
    wanted = bytes(range(256)) * 1024
    with world.admin() as admin, world.io(admin) as queue:
        queue.send(wire.capsule(write(7, 64, blocks=64)))
        tag = struct.unpack_from("<H", queue.pdu().raw, 10)[0]
        cuts = [0, 1, 131071, 131073, 200001, len(wanted)]
        for begin, end in itertools.pairwise(cuts):
            queue.send(wire.h2c_data(7, tag, begin, wanted[begin:end], last=end == len(wanted)))
        assert status_of(queue).status == SUCCESS
        done, data = queue.call(read(8, 64, 64))
        assert (done.status, data) == (SUCCESS, wanted)


# ---- where the data begin


@pytest.mark.holds("base-22", "wire-4")
@pytest.mark.parametrize("pdo", [0, 7, 8, 72, 75, 77, 78, 132, 152, 153, 255])
def test_a_data_offset_outside_of_the_header_is_refused(world: World, pdo: int) -> None:
    with world.raw(digests=HEADER_DIGESTS) as queue:
        data = wire.connect_data(wire.DISCOVERY, STRANGER)
        queue.send(sealed(wire.connect_command(1), data, HEADER_DIGESTS, pdo=pdo, plen=76 + 1024))
        assert queue.terminated() == (HEADER_FIELD, PDO)


@pytest.mark.holds("base-22")
@pytest.mark.parametrize("pdo", [0, 8, 71, 73, 132, 255])
def test_a_data_offset_outside_of_the_header_is_refused_without_digests(world: World, pdo: int) -> None:
    with world.raw() as queue:
        queue.send(wire.capsule(wire.connect_command(1), wire.connect_data(wire.DISCOVERY, STRANGER), pdo=pdo))
        assert queue.terminated() == (HEADER_FIELD, PDO)


@pytest.mark.holds("base-22")
@pytest.mark.parametrize("pdo", [0, 8, 23, 26, 132, 255])
def test_a_data_offset_of_h2c_data_is_refused(world: World, pdo: int) -> None:
    with world.host() as queue:
        tag = asked_for(queue, 7, 8192)
        queue.send(wire.h2c_data(7, tag, 0, bytes(8192), pdo=pdo))
        assert queue.terminated() == (HEADER_FIELD, PDO)


@pytest.mark.holds("base-22")
@pytest.mark.parametrize(("digests", "plen"), [(0, 128), (0, 72 + 52), (2, 128 + 4), (2, 128 + 1), (3, 128 + 4)])
def test_a_pdu_that_ends_before_its_data_is_refused(world: World, digests: int, plen: int) -> None:
    with world.raw(digests=digests) as queue:
        data = wire.connect_data(wire.DISCOVERY, STRANGER)
        queue.send(sealed(wire.connect_command(1), data, digests, pdo=128, plen=plen))
        assert queue.terminated() == (HEADER_FIELD, PLEN)


@pytest.mark.holds("base-22")
@pytest.mark.parametrize("digests", [0, HEADER_DIGESTS, DATA_DIGESTS, HEADER_DIGESTS | DATA_DIGESTS])
@pytest.mark.parametrize(("hpda", "pdo"), [(0, 76), (0, 80), (3, 80), (7, 96), (31, 128)])
def test_padding_is_no_data(world: World, digests: int, hpda: int, pdo: int) -> None:
    """Both ways: a Connect whose data begin later, and Identify, whose data begin where the host asked for."""
    with world.raw(digests=digests, hpda=hpda) as queue:
        data = wire.connect_data(wire.DISCOVERY, STRANGER)
        queue.send(sealed(wire.connect_command(1), data, digests, pdo=pdo))
        assert status_of(queue).status == SUCCESS
        queue.send(sealed(wire.property_set(2, 0x14, wire.CC_ENABLE), b"", digests))
        assert status_of(queue).status == SUCCESS
        queue.send(sealed(wire.command(wire.IDENTIFY, 3, dw10=1, sgl=(0, 4096, SGL_TRANSPORT)), b"", digests))
        answer = queue.pdu()
        head = 24 + (4 if digests & HEADER_DIGESTS else 0)
        assert answer.type == wire.C2H_DATA
        assert answer.offset % (4 * hpda + 4) == 0
        assert head <= answer.offset < head + 4 * hpda + 4
        identify, digest = answer.data[:4096], answer.data[4096:]
        assert identify[768:].startswith(wire.DISCOVERY.encode())
        assert digest == (wire.crc32c(identify) if digests & DATA_DIGESTS else b"")
        assert status_of(queue).status == SUCCESS


@pytest.mark.holds("base-22")
@pytest.mark.parametrize("hpda", [32, 255])
def test_an_alignment_that_there_is_not_is_refused(world: World, hpda: int) -> None:
    with Wire(world.subsystem.port) as queue:
        queue.send(wire.icreq(hpda=hpda))
        assert queue.terminated() == (HEADER_FIELD, HPDA)


# ---- what a capsule carries


@pytest.mark.holds("base-21", "wire-4")
@pytest.mark.parametrize("opcode", [wire.READ, wire.WRITE, wire.IDENTIFY, wire.FLUSH, 0x03])
@pytest.mark.parametrize("length", [0, 4096])
def test_bytes_behind_a_command_that_takes_none_are_refused(world: World, opcode: int, length: int) -> None:
    with world.raw() as queue:
        queue.send(wire.capsule(wire.command(opcode, 1, 1, sgl=(0, length, SGL_TRANSPORT)), bytes(8)))
        assert queue.terminated() == (HEADER_FIELD, PLEN)


@pytest.mark.holds("base-21", "wire-4")
@pytest.mark.parametrize(("offset", "length", "carried"), [(0, 4096, 0), (0, 512, 508), (0, 508, 512), (4, 512, 512)])
def test_data_in_the_capsule_are_those_of_the_sgl(world: World, offset: int, length: int, carried: int) -> None:
    with world.raw() as queue:
        sent = wire.command(wire.WRITE, 1, 1, sgl=(offset, length, SGL_IN_CAPSULE))
        queue.send(wire.capsule(sent, bytes(carried)))
        assert queue.terminated() == (HEADER_FIELD, PLEN)


@pytest.mark.holds("base-21")
@pytest.mark.parametrize("offset", [2**32, 2**64 - 512])
def test_an_offset_that_wraps_is_refused(world: World, offset: int) -> None:
    with world.raw() as queue:
        sent = wire.command(wire.WRITE, 1, 1, sgl=(offset, 1024, SGL_IN_CAPSULE))
        queue.send(wire.capsule(sent, bytes(512)))
        assert queue.terminated() == (HEADER_FIELD, PLEN)


@pytest.mark.holds("base-21")
def test_an_offset_in_the_capsule_counts_from_its_data(world: World) -> None:
    with world.raw() as queue:
        names = wire.connect_data(wire.DISCOVERY, STRANGER)
        sent = wire.connect_command(1, sgl=(512, 1024, SGL_IN_CAPSULE))
        done, _ = queue.call(sent, b"\xff" * 512 + names, in_capsule=True)
        assert done.status == SUCCESS


@pytest.mark.holds("base-28", "wire-4")
@pytest.mark.parametrize("opcode", [0x03, 0x7B, 0xFF])
def test_an_opcode_of_both_directions_is_refused(world: World, opcode: int) -> None:
    with world.admin() as admin, world.io(admin) as queue:
        for connection in (admin, queue):
            done, data = connection.call(wire.command(opcode, 0x1234, 1, sgl=(0, 4096, SGL_TRANSPORT)))
            assert (done.cid, done.status, data) == (0x1234, INVALID_OPCODE, b"")


@pytest.mark.holds("base-28", "wire-4")
@pytest.mark.parametrize("opcode", [wire.READ, wire.WRITE])
@pytest.mark.parametrize(
    ("sgl", "status"),
    [
        ((0, MAX_IO + 1, SGL_TRANSPORT), LENGTH_INVALID),
        ((0, 2**32 - 1, SGL_TRANSPORT), LENGTH_INVALID),
        ((0, BLOCK, 0x5B), TYPE_INVALID),
        ((0, BLOCK, 0x20), TYPE_INVALID),
        ((0, BLOCK, 0x30), TYPE_INVALID),
        ((0, BLOCK, 0x00), TYPE_INVALID),
    ],
)
def test_a_refused_sgl_is_answered_and_the_queue_goes_on(
    world: World, opcode: int, sgl: tuple[int, int, int], status: tuple[int, int]
) -> None:
    with world.admin() as admin, world.io(admin) as queue:
        done, _ = queue.call(wire.command(opcode, 0x1234, 1, sgl=sgl))
        assert (done.cid, done.status) == (0x1234, status)
        done, data = queue.call(read(2, 1))
        assert (done.status, len(data)) == (SUCCESS, BLOCK)


@pytest.mark.holds("base-21", "base-28")
def test_nothing_is_read_into_a_capsule(world: World) -> None:
    with world.admin() as admin, world.io(admin) as queue:
        sent = wire.command(wire.READ, 0x1234, 1, sgl=(0, BLOCK, SGL_IN_CAPSULE))
        done, data = queue.call(sent)
        assert (done.cid, done.status, data) == (0x1234, TYPE_INVALID, b"")


@pytest.mark.holds("base-29")
def test_a_capsule_of_8192_bytes(world: World) -> None:
    """Connect whose data are the last of them, then admin commands that all want the queue's one buffer for such."""
    place = world.subsystem
    with world.raw() as queue:
        names = wire.connect_data(place.nqn, place.host_nqn)
        done, _ = queue.call(
            wire.connect_command(1, sgl=(7168, 1024, SGL_IN_CAPSULE)), b"\xff" * 7168 + names, in_capsule=True
        )
        assert done.status == SUCCESS
        queue.enable()
        cids = range(2, 10)
        host_identifier = [
            wire.command(wire.SET_FEATURES, cid, sgl=(0, 8192, SGL_IN_CAPSULE), dw10=0x81) for cid in cids
        ]
        queue.send(*(wire.capsule(sqe, bytes(8192)) for sqe in host_identifier))
        # Fabrics has the identifier from Connect: Command Sequence Error, whatever the data.
        assert [(done.cid, done.status) for done in (status_of(queue) for _ in cids)] == [
            (cid, (0, 0x0C)) for cid in cids
        ]


@pytest.mark.holds("base-29")
def test_a_capsule_of_more_ends_the_connection(world: World) -> None:
    with world.raw() as queue:
        sent = wire.connect_command(1, sgl=(0, 8196, SGL_IN_CAPSULE))
        queue.send(wire.capsule(sent, bytes(8196)))
        assert queue.terminated()[0] == LIMIT
    with world.admin() as admin, world.io(admin) as queue:
        queue.send(wire.capsule(write(1, 0, SGL_IN_CAPSULE, blocks=2), bytes(8192)))
        assert queue.terminated()[0] == LIMIT


# ---- termination requests


@pytest.mark.holds("base-42", "wire-4")
@pytest.mark.parametrize("status", [0, 1, 6, 7, 0xFFFF])
def test_a_host_that_ends_the_connection_gets_no_answer(world: World, status: int) -> None:
    with world.raw() as queue:
        queue.send(wire.h2c_termination(status, field=0xFFFFFFFF, data=b"\xee" * 128))
        assert queue.ended() == []


@pytest.mark.holds("base-42")
@pytest.mark.parametrize("plen", [24, 153, 2**32 - 1])
def test_a_termination_request_of_a_wrong_length_is_refused(world: World, plen: int) -> None:
    with world.raw() as queue:
        queue.send(wire.header(wire.H2C_TERM, 0, 24, 0, plen) + struct.pack("<HI10x", 1, 0))
        assert queue.terminated() == (HEADER_FIELD, PLEN)


@pytest.mark.holds("base-48")
def test_a_termination_request_says_why_and_shows_what(world: World) -> None:
    with world.raw(hpda=3, digests=0) as queue:
        sent = wire.header(wire.COMMAND, 0, 71, 0, 72) + b"\xee" * 64
        queue.send(sent)
        answer = queue.pdu()
        # HLEN is byte 2; behind the header, which is zeros but for that, comes the header that was sent.
        assert answer.raw[:24] == wire.header(wire.C2H_TERM, 0, 24, 0, 24 + 71) + struct.pack("<HI10x", HEADER_FIELD, 2)
        assert answer.raw[24:32] == sent[:8]


@pytest.mark.holds("base-48")
def test_a_termination_request_comes_behind_what_is_still_to_be_sent(world: World) -> None:
    """More answers than fit into the sockets' buffers, then a PDU that ends the connection."""
    with world.admin() as admin, world.io(admin, sqsize=127) as queue:
        reads = 100
        queue.send(*(wire.capsule(read(cid, 0, 128)) for cid in range(reads)))
        queue.send(wire.header(0x7F, 0, 24, 0, 24) + bytes(16))
        seen = queue.pdu()
        while seen.type != wire.C2H_TERM:
            seen = queue.pdu()
        assert struct.unpack_from("<HI", seen.raw, 8) == (HEADER_FIELD, 0)


# ---- digests


@pytest.mark.holds("base-49")
def test_a_wrong_data_digest_in_a_capsule_fails_the_command(world: World) -> None:
    with world.raw(digests=DATA_DIGESTS) as queue:
        data = wire.connect_data(wire.DISCOVERY, STRANGER)
        right = sealed(wire.connect_command(1), data, DATA_DIGESTS)
        queue.send(right[:-1] + bytes([right[-1] ^ 1]))
        done = status_of(queue)
        assert (done.cid, done.status, done.dnr) == (1, TRANSPORT_ERROR, False)
        queue.send(right)
        assert status_of(queue).status == SUCCESS


@pytest.mark.holds("base-49")
def test_a_wrong_data_digest_fails_the_command_when_all_its_data_have_come(world: World) -> None:
    place = world.subsystem
    with world.admin() as admin, world.raw(digests=DATA_DIGESTS) as queue:
        names = wire.connect_data(place.nqn, place.host_nqn, admin.controller)
        queue.send(sealed(wire.connect_command(1, qid=1), names, DATA_DIGESTS))
        assert status_of(queue).status == SUCCESS
        for wrong in (True, False):
            queue.send(sealed(write(7, 200, blocks=2), b"", DATA_DIGESTS))
            tag = struct.unpack_from("<H", queue.pdu().raw, 10)[0]
            for begin in (0, BLOCK):
                data = b"\x5a" * BLOCK
                digest = wire.crc32c(data) if begin or not wrong else b"\xff" * 4
                sent = wire.h2c_data(7, tag, begin, data + digest, length=BLOCK, last=bool(begin))
                queue.send(sent[:1] + bytes([sent[1] | DATA_DIGESTS]) + sent[2:])
            done = status_of(queue)
            assert (done.cid, done.status) == (7, TRANSPORT_ERROR if wrong else SUCCESS)
            with world.admin() as other, world.io(other) as reader:
                _, found = reader.call(read(1, 200, 2))
                assert found == (b"\xd1" if wrong else b"\x5a") * 2 * BLOCK


@pytest.mark.holds("base-48")
def test_a_wrong_header_digest_ends_the_connection(world: World) -> None:
    with world.raw(digests=HEADER_DIGESTS) as queue:
        right = sealed(wire.property_get(1, 0), b"", HEADER_DIGESTS)
        queue.send(right[:-1] + bytes([right[-1] ^ 1]))
        assert queue.terminated()[0] == HEADER_DIGEST
