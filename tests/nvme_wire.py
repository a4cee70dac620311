# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""A bare NVMe/TCP client: sends any bytes, well-formed or not, and says what came back.

Layouts: NVMe/TCP Transport Specification 1.0 (PDUs), NVMe Base Specification 2.0 (commands, completions). All numbers
are little-endian. Nothing here is SPDK's or the lab's: a fault that both sides share would not show otherwise.
"""

from __future__ import annotations

import os
import socket
import struct
import uuid
from dataclasses import dataclass

ICREQ, ICRESP, H2C_TERM, C2H_TERM, COMMAND, RESPONSE, H2C_DATA, C2H_DATA, R2T = 0, 1, 2, 3, 4, 5, 6, 7, 9
DISCOVERY = "nqn.2014-08.org.nvmexpress.discovery"
# Opcodes
FLUSH, WRITE, READ, COMPARE, DATASET_MANAGEMENT = 0x00, 0x01, 0x02, 0x05, 0x09
GET_LOG_PAGE, IDENTIFY, ABORT, SET_FEATURES, GET_FEATURES, ASYNC_EVENT, KEEP_ALIVE, FABRICS = (
    *(0x02, 0x06, 0x08, 0x09, 0x0A, 0x0C, 0x18, 0x7F),
)
PROPERTY_SET, CONNECT, PROPERTY_GET = 0x00, 0x01, 0x04
#: SGL descriptor types: data by R2T or C2HData, data in the capsule.
SGL_TRANSPORT, SGL_IN_CAPSULE = 0x5A, 0x01
#: CC: enabled, 64-byte and 16-byte entries; with all I/O command sets (CSS 110b).
CC_ENABLE, CC_ENABLE_ALL_SETS = 0x00460001, 0x00460061
#: Where a command's result is in its CQE, and how long a wait for the target may take in seconds.
TIMEOUT = float(os.environ.get("HELLO_EBPF_WIRE_TIMEOUT", "20"))

_HEADER = struct.Struct("<BBBBI")  # type, flags, header length, data offset, whole length


_CRC32C: list[int] = []


def crc32c(data: bytes) -> bytes:
    """Header and data digest: CRC-32C, as its 4 bytes lie in a PDU."""
    if not _CRC32C:
        for byte in range(256):
            crc = byte
            for _ in range(8):
                crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
            _CRC32C.append(crc)
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC32C[(crc ^ byte) & 0xFF]
    return struct.pack("<I", crc ^ 0xFFFFFFFF)


class ClosedError(Exception):
    """The target has ended the connection: orderly, or by a reset."""


@dataclass(frozen=True)
class Pdu:
    """One PDU of the target: its type, flags and data offset, and all of its bytes, the common header included."""

    type: int
    flags: int
    offset: int
    raw: bytes

    @property
    def data(self) -> bytes:
        """What lies behind its header, of a PDU that carries data."""
        return self.raw[self.offset :] if self.offset else b""


@dataclass(frozen=True)
class Completion:
    """A completion queue entry. ``status`` is (status code type, status code)."""

    cid: int
    status: tuple[int, int]
    dnr: bool
    dw0: int
    dw1: int


def completion(cqe: bytes) -> Completion:
    """Of 16 bytes."""
    dw0, dw1, _, _, cid, status = struct.unpack("<IIHHHH", cqe)
    return Completion(cid, (status >> 9 & 7, status >> 1 & 0xFF), bool(status >> 15), dw0, dw1)


def header(kind: int, flags: int, hlen: int, pdo: int, plen: int) -> bytes:
    """The 8 bytes that each PDU begins with."""
    return _HEADER.pack(kind, flags, hlen, pdo, plen)


def icreq(*, pfv: int = 0, hpda: int = 0, digests: int = 0, maxr2t: int = 0, plen: int = 128) -> bytes:
    """Initialize Connection Request, 128 bytes."""
    return header(ICREQ, 0, 128, 0, plen) + struct.pack("<HBBI", pfv, hpda, digests, maxr2t) + bytes(112)


def command(
    opcode: int,
    cid: int = 0,
    nsid: int = 0,
    *,
    flags: int = 0x40,
    sgl: tuple[int, int, int] = (0, 0, SGL_TRANSPORT),
    dw2: int = 0,
    dw3: int = 0,
    dw4: int = 0,
    dw5: int = 0,
    dw10: int = 0,
    dw11: int = 0,
    dw12: int = 0,
    dw13: int = 0,
    dw14: int = 0,
    dw15: int = 0,
) -> bytes:
    """A submission queue entry, 64 bytes. ``sgl``: address or offset, length, type."""
    address, length, kind = sgl
    return (
        struct.pack("<BBHIIIII", opcode, flags, cid, nsid, dw2, dw3, dw4, dw5)
        + struct.pack("<QI3xB", address, length, kind)
        + struct.pack("<6I", dw10, dw11, dw12, dw13, dw14, dw15)
    )


def capsule(sqe: bytes, data: bytes = b"", *, pdo: int | None = None, plen: int | None = None, flags: int = 0) -> bytes:
    """Command capsule; ``pdo`` and ``plen`` default to what is right for the data."""
    pdo = (72 if data else 0) if pdo is None else pdo
    return header(COMMAND, flags, 72, pdo, 72 + len(data) if plen is None else plen) + sqe + data


def h2c_data(
    cccid: int, ttag: int, offset: int, data: bytes, *, length: int | None = None, last: bool = True, **header_: int
) -> bytes:
    """H2CData; ``length`` is DATAL, ``header_`` may give ``pdo`` and ``plen``."""
    plen = header_.get("plen", 24 + len(data))
    datal = len(data) if length is None else length
    return (
        header(H2C_DATA, 4 if last else 0, 24, header_.get("pdo", 24), plen)
        + struct.pack("<HHII4x", cccid, ttag, offset, datal)
        + data
    )


def h2c_termination(status: int, *, field: int = 0, data: bytes = bytes(8)) -> bytes:
    """The host's termination request: status (FES), the offset of a wrong field (FEI), the header that has it."""
    return header(H2C_TERM, 0, 24, 0, 24 + len(data)) + struct.pack("<HI10x", status, field) + data


def connect_data(subnqn: str, hostnqn: str, cntlid: int = 0xFFFF, hostid: bytes | None = None) -> bytes:
    """The 1024 bytes that Connect carries."""
    identity = uuid.uuid5(uuid.NAMESPACE_DNS, hostnqn).bytes if hostid is None else hostid
    return struct.pack("<16sH238x256s256s256x", identity, cntlid, subnqn.encode(), hostnqn.encode())


def connect_command(
    cid: int = 0, *, qid: int = 0, sqsize: int = 31, kato: int = 0, sgl: tuple[int, int, int] = (0, 1024, 1)
) -> bytes:
    """The fabrics command Connect, 64 bytes; ``sqsize`` is 0's based, ``kato`` in milliseconds."""
    return command(FABRICS, cid, CONNECT, sgl=sgl, dw10=qid << 16, dw11=sqsize, dw12=kato)


def property_set(cid: int, offset: int, value: int, *, wide: bool = False) -> bytes:
    """The fabrics command Property Set."""
    return command(FABRICS, cid, PROPERTY_SET, dw10=int(wide), dw11=offset, dw12=value & 0xFFFFFFFF, dw13=value >> 32)


def property_get(cid: int, offset: int, *, wide: bool = False) -> bytes:
    """The fabrics command Property Get."""
    return command(FABRICS, cid, PROPERTY_GET, dw10=int(wide), dw11=offset)


class Wire:
    """One TCP connection to a target, hence one queue.

    Args:
        port: of the target, on the loopback interface.
        timeout: how long it may say nothing, in seconds; then TimeoutError.
        receive_buffer: how many bytes the kernel keeps that are not received yet; 0: its own choice.
        source: the address that it comes from; empty: the kernel's choice.
    """

    def __init__(
        self,
        port: int | str,
        address: str = "127.0.0.1",
        *,
        timeout: float = TIMEOUT,
        receive_buffer: int = 0,
        source: str = "",
    ) -> None:
        self.socket = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if source:
            self.socket.bind((source, 0))
        self.socket.connect((address, int(port)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.controller = 0
        self._next_cid = 0
        #: Data of commands that are not answered yet: those of several may come by turns.
        self._came: dict[int, bytearray] = {}

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- bytes and PDUs

    def close(self) -> None:
        self.socket.close()

    def reset(self) -> None:
        """End the connection by RST, as a host that dies does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def send(self, *parts: bytes) -> None:
        """All of it in one call, hence as a rule in one segment. Raises ClosedError when the target has gone."""
        try:
            self.socket.sendall(b"".join(parts))
        except (ConnectionError, BrokenPipeError) as error:
            raise ClosedError(str(error)) from error

    def receive(self, length: int) -> bytes:
        """Exactly so many bytes."""
        received = bytearray()
        while len(received) < length:
            try:
                part = self.socket.recv(length - len(received))
            except ConnectionError as error:
                raise ClosedError(f"reset after {len(received)} of {length} bytes") from error
            if not part:
                raise ClosedError(f"closed after {len(received)} of {length} bytes")
            received += part
        return bytes(received)

    def pdu(self) -> Pdu:
        """The target's next PDU. Raises ClosedError, or TimeoutError."""
        begin = self.receive(8)
        kind, flags, _, offset, length = _HEADER.unpack(begin)
        return Pdu(kind, flags, offset, begin + self.receive(length - 8))

    def terminated(self) -> tuple[int, int]:
        """Status (FES) and field (FEI) of the target's termination request, which has to be its next PDU."""
        pdu = self.pdu()
        assert pdu.type == C2H_TERM, f"PDU of type {pdu.type:#x} in place of a termination request: {pdu.raw.hex()}"
        status, field = struct.unpack_from("<HI", pdu.raw, 8)
        return status, field

    def ended(self) -> list[Pdu]:
        """What still comes until the target ends the connection. Raises TimeoutError when it does not."""
        seen = []
        while True:
            try:
                seen.append(self.pdu())
            except ClosedError:
                return seen

    # ---- the usual steps

    def initialize(self, **fields: int) -> Pdu:
        """ICReq and its answer."""
        self.send(icreq(**fields))
        answer = self.pdu()
        assert answer.type == ICRESP, f"ICReq was answered by a PDU of type {answer.type:#x}: {answer.raw.hex()}"
        return answer

    def cid(self) -> int:
        """A command identifier that this connection has not used lately."""
        self._next_cid = (self._next_cid + 1) % 0x8000
        return self._next_cid

    def answer(self, room: dict[int, bytes] | None = None) -> tuple[Completion, bytes]:
        """The next completion, with the data that came for its command.

        ``room``: by command identifier, what R2Ts are answered from. C2HData with the success flag stand for a
        completion of zeros.
        """
        data = self._came
        while True:
            pdu = self.pdu()
            if pdu.type == RESPONSE:
                found = completion(pdu.raw[8:24])
                return found, bytes(data.pop(found.cid, b""))
            cid = struct.unpack_from("<H", pdu.raw, 8)[0]
            if pdu.type == C2H_DATA:
                data.setdefault(cid, bytearray()).extend(pdu.data)
                if pdu.flags & 8:
                    return Completion(cid, (0, 0), False, 0, 0), bytes(data.pop(cid))
            elif pdu.type == R2T:
                ttag, offset, length = struct.unpack_from("<HII", pdu.raw, 10)
                self.send(h2c_data(cid, ttag, offset, (room or {})[cid][offset : offset + length]))
            else:
                raise AssertionError(f"PDU of type {pdu.type:#x} in place of an answer: {pdu.raw[:32].hex()}")

    def call(self, sqe: bytes, data: bytes = b"", *, in_capsule: bool = False) -> tuple[Completion, bytes]:
        """One command and its answer; ``data`` go in the capsule, or as the target asks for them."""
        cid = struct.unpack_from("<H", sqe, 2)[0]
        self.send(capsule(sqe, data if in_capsule else b""))
        return self.answer({cid: data})

    def connect(
        self,
        subnqn: str,
        hostnqn: str,
        *,
        qid: int = 0,
        cntlid: int = 0xFFFF,
        hostid: bytes | None = None,
        sqsize: int = 31,
        kato: int = 0,
    ) -> Completion:
        """Fabrics Connect; the controller's identifier is kept in ``controller``."""
        sent = connect_command(self.cid(), qid=qid, sqsize=sqsize, kato=kato)
        found, _ = self.call(sent, connect_data(subnqn, hostnqn, cntlid, hostid), in_capsule=True)
        self.controller = found.dw0 & 0xFFFF
        return found

    def enable(self, cc: int = CC_ENABLE_ALL_SETS) -> None:
        """Set CC, as a host does before its first other command."""
        done, _ = self.call(property_set(self.cid(), 0x14, cc))
        assert done.status == (0, 0), f"CC {cc:#x} was refused with status {done.status}"


def admin_queue(
    port: int | str,
    subnqn: str,
    hostnqn: str,
    *,
    kato: int = 0,
    cc: int = CC_ENABLE_ALL_SETS,
    hostid: bytes | None = None,
) -> Wire:
    """A connection whose controller is enabled."""
    wire = Wire(port)
    wire.initialize()
    done = wire.connect(subnqn, hostnqn, kato=kato, hostid=hostid)
    assert done.status == (0, 0), f"Connect of {hostnqn} to {subnqn} was refused with status {done.status}"
    wire.enable(cc)
    return wire


def io_queue(
    admin: Wire,
    port: int | str,
    subnqn: str,
    hostnqn: str,
    *,
    qid: int = 1,
    sqsize: int = 31,
    hostid: bytes | None = None,
    receive_buffer: int = 0,
) -> Wire:
    """An I/O queue of an admin queue's controller."""
    wire = Wire(port, receive_buffer=receive_buffer)
    wire.initialize()
    done = wire.connect(subnqn, hostnqn, qid=qid, cntlid=admin.controller, sqsize=sqsize, hostid=hostid)
    assert done.status == (0, 0), f"Connect of I/O queue {qid} was refused with status {done.status}"
    return wire
