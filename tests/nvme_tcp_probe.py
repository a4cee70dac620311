"""A host's first two steps over NVMe/TCP, by hand: is this host let in to this subsystem at this address?

Independent of SPDK's initiator and of our modules, and needs no kernel driver.
"""

from __future__ import annotations

import socket
import struct
import uuid

_PDU_HEADER = struct.Struct("<BBBBI")  # type, flags, header length, data offset, whole length
# Fabrics Connect: opcode, PSDT (SGL), command id, type; SGL (offset, length, in the capsule); format, queue, size.
_CONNECT = struct.Struct("<BBHB19x QI3xB HHH18x")
_CONNECT_DATA = struct.Struct("<16sH238x256s256s256x")


def connect_status(address: str, port: int, subsystem: str, host: str) -> tuple[int, int]:
    """(status code type, status code) of the Connect command: (0, 0) is let in, (1, 0x84) is 'invalid host'."""
    with socket.create_connection((address, port), timeout=5) as connection:
        connection.sendall(_PDU_HEADER.pack(0, 0, 128, 0, 128) + bytes(120))
        _receive(connection, 128)
        data = _CONNECT_DATA.pack(uuid.uuid4().bytes, 0xFFFF, subsystem.encode(), host.encode())
        command = _CONNECT.pack(0x7F, 0x40, 1, 0x01, 0, len(data), 0x01, 0, 0, 31)
        length = 8 + len(command) + len(data)
        connection.sendall(_PDU_HEADER.pack(4, 0, 72, 72, length) + command + data)
        answer = _receive(connection, 24)
    status = struct.unpack_from("<H", answer, 8 + 14)[0] >> 1
    return (status >> 8) & 0x7, status & 0xFF


def _receive(connection: socket.socket, length: int) -> bytes:
    received = b""
    while len(received) < length:
        data = connection.recv(length - len(received))
        if not data:
            raise ConnectionError(f"closed after {len(received)} of {length} bytes")
        received += data
    return received
