# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""SPDK's initiator in csd_nvme, against a target that turns bad at the first I/O command."""

from __future__ import annotations

import contextlib
import select
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from csd import commands
from csd.errors import LabError
from csd.spdk import Place, SpdkTransport
from csd_live import BLOCK, BRIDGE, HOST_CORE, CsdTarget, Subsystem
from nvme_proxy import LAST, SUCCESS, BadTarget, HostSide, c2h_data, r2t, response
from nvme_wire import H2C_DATA, H2C_TERM, ClosedError
from waiting import CEILING

PORT, BAD = 26340, 26350
ROOM = 65536
DATA = bytes(range(256)) * (ROOM // 256)


@pytest.fixture(scope="module")
def subsystem(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subsystem]:
    with CsdTarget(tmp_path_factory.mktemp("base_initiator"), PORT) as target:
        yield target.add_subsystem("initiator", bytes(1 << 20))


@contextmanager
def host(subsystem: Subsystem) -> Iterator[SpdkTransport]:
    place = Place("127.0.0.1", str(BAD), subsystem.nqn, subsystem.host_nqn)
    transport = SpdkTransport(place, program=BRIDGE, core=HOST_CORE, timeout_seconds=60)
    try:
        yield transport
    finally:
        transport.close()


def cid_of(sqe: bytes) -> int:
    return int(struct.unpack_from("<H", sqe, 2)[0])


def fails(transport: SpdkTransport, *asked: commands.Command) -> None:
    """None of them is answered as done: the target has gone. csd_nvme may end over it, but not by a signal."""
    tags = [transport.submit(command) for command in asked]
    done, ended = [], ""
    try:
        for tag in tags:
            done.append(transport.wait(tag).status)
    except LabError as error:
        ended = error.found
    assert 0 not in done
    assert "ended with -" not in ended


@pytest.fixture
def no_report(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """A csd_nvme with sanitizers has nothing to say (HELLO_EBPF_CSD_NVME names one)."""
    yield
    said = capfd.readouterr().err
    assert "Sanitizer" not in said, said
    assert "runtime error" not in said, said
    assert "Assertion" not in said, said


def write() -> commands.Command:
    return commands.write_blocks(1, 0, DATA, BLOCK)


def read() -> commands.Command:
    return commands.read_blocks(1, 0, ROOM // BLOCK, BLOCK)


def refused(host: HostSide) -> None:
    """The host ends the connection, maybe with a termination request before, and sends no data."""
    with contextlib.suppress(ClosedError, ConnectionError):
        kind, length = host.header()
        assert kind == H2C_TERM, f"a PDU of type {kind:#x} with {length} bytes in place of a termination request"


def second_r2t(offset: int, length: int) -> Callable[[HostSide, bytes], None]:
    def act(host: HostSide, sqe: bytes) -> None:
        host.send(r2t(cid_of(sqe), 0, 4096))
        pdu = host.pdu()
        assert (pdu.type, pdu.data) == (H2C_DATA, DATA[:4096])
        host.send(r2t(cid_of(sqe), offset, length))
        refused(host)

    return act


@pytest.mark.holds("base-45")
@pytest.mark.parametrize(("offset", "length"), [(4096, 0xFFFFF000), (4096, ROOM), (0, 4096)])
def test_r2ts_for_more_than_the_data_are_refused(
    subsystem: Subsystem, no_report: None, offset: int, length: int
) -> None:
    with BadTarget(BAD, int(subsystem.port), second_r2t(offset, length)), host(subsystem) as transport:
        fails(transport, write())


@pytest.mark.holds("base-45")
def test_an_r2t_for_a_read_is_refused(subsystem: Subsystem, no_report: None) -> None:
    def act(host: HostSide, sqe: bytes) -> None:
        host.send(r2t(cid_of(sqe), 0, 4096))
        refused(host)

    with BadTarget(BAD, int(subsystem.port), act), host(subsystem) as transport:
        fails(transport, read())


@pytest.mark.holds("base-46")
def test_two_answers_for_a_command_that_is_being_sent(subsystem: Subsystem, no_report: None) -> None:
    """More data are on their way than the sockets hold, so the last command's are still to be sent."""
    count = 120

    def act(host: HostSide, sqe: bytes) -> None:
        cids = [cid_of(sqe), *(cid_of(host.pdu().raw[8:72]) for _ in range(count - 1))]
        host.send(*(r2t(cid, 0, ROOM) for cid in cids))
        host.send(response(cids[-1]), response(cids[-1]))
        host.drain()

    with BadTarget(BAD, int(subsystem.port), act), host(subsystem) as transport:
        assert transport.depth >= count
        fails(transport, *(write() for _ in range(count)))


@pytest.mark.holds("base-47")
def test_the_success_flag_counts_with_the_last_data(subsystem: Subsystem, no_report: None) -> None:
    def act(host: HostSide, sqe: bytes) -> None:
        half = ROOM // 2
        host.send(c2h_data(cid_of(sqe), 0, DATA[:half], SUCCESS))
        host.send(c2h_data(cid_of(sqe), half, DATA[half:], SUCCESS | LAST))
        # The host disconnects when it has all it asked for.
        assert select.select([host.socket], [], [], CEILING)[0]

    with BadTarget(BAD, int(subsystem.port), act), host(subsystem) as transport:
        done = transport.io(read())
        assert (done.status, done.data) == (0, DATA)
