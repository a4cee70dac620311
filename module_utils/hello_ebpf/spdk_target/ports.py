# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Whether a target could listen at an address, and who stands in its way.

SPDK answers a taken port with no more than 'Invalid parameters', so this is looked at before it is asked.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address

from ..errors import LabError
from ..processes import PROC, open_files, running
from .subsystems import Listener

_LISTENING = "0A"


def check_listener(listener: Listener, nqn: str) -> None:
    """Raise LabError when this machine cannot listen there."""
    asked = f"listen on {listener} for {nqn}"
    family = socket.AF_INET6 if listener.family == "ipv6" else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As SPDK does it: connections of an earlier listener that are running out do not stand in the way.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((listener.address, int(listener.service_id)))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise LabError(
                    asked,
                    f"the port is taken by {owner(listener)}",
                    "stop that process, or declare another service_id",
                ) from error
            if error.errno == errno.EADDRNOTAVAIL:
                raise LabError(
                    asked,
                    f"{listener.address} is not an address of this machine",
                    "declare an address that 'ip address' lists here",
                ) from error
            raise LabError(asked, str(error.strerror), "declare an address and port that can be bound") from error


def overlap(one: Listener, other: Listener) -> bool:
    """Whether the two could not both be listened on."""
    return one.service_id == other.service_id and _meets(ip_address(one.address), ip_address(other.address))


def owner(listener: Listener) -> str:
    """The process that listens there: pid and command, or why it cannot be named."""
    address = ip_address(listener.address)
    sockets = {
        f"socket:[{inode}]"
        for found, port, inode in _listening()
        if _meets(found, address) and port == listener.service_id
    }
    for process in running():
        if sockets & open_files(process.pid):
            return f"process {process.pid} ({' '.join(process.argv)})"
    return "a process that cannot be seen from here (another container's, or the kernel's)"


def _listening() -> Iterator[tuple[IPv4Address | IPv6Address, str, str]]:
    """Address, port and inode of every TCP socket that listens."""
    for name in ("tcp", "tcp6"):
        try:
            rows = (PROC / "net" / name).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            columns = row.split()
            if columns[3] == _LISTENING:
                address, _, port = columns[1].partition(":")
                yield _address(address), str(int(port, 16)), columns[9]


def _address(text: str) -> IPv4Address | IPv6Address:
    """An address as /proc/net writes it: 32-bit words in the machine's byte order."""
    words = [int(text[start : start + 8], 16) for start in range(0, len(text), 8)]
    return ip_address(struct.pack(f"={len(words)}I", *words))


def _meets(found: IPv4Address | IPv6Address, asked: IPv4Address | IPv6Address) -> bool:
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return found == asked or found.is_unspecified or asked.is_unspecified
