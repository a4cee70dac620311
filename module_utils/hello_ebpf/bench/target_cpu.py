# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""CPU time of an SPDK target. Its reactors spin, so the kernel's clock says only how long they spun."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..jsonrpc import Client


def is_ours(address: str) -> bool:
    """Whether this machine has the IP address: only then can a socket be bound to it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return bool(address)


@dataclass(frozen=True)
class Ticks:
    """Counters of all SPDK threads of the target.

    Attributes:
        busy: ticks in pollers that found work.
        idle: ticks in pollers that found none: the spin.
        rate: ticks a second.
    """

    busy: int
    idle: int
    rate: int


def ticks_of(stats: Mapping[str, Any]) -> Ticks:
    """The answer of ``thread_get_stats``, added up."""
    threads = stats["threads"]
    busy = sum(thread["busy"] for thread in threads)
    idle = sum(thread["idle"] for thread in threads)
    return Ticks(busy, idle, stats["tick_rate"])


@dataclass(frozen=True)
class CpuSeconds:
    """What a target spent between two readings.

    Attributes:
        busy: seconds of work.
        reactor: seconds that its reactors had a core, spinning included.
    """

    busy: float
    reactor: float


def between(before: Ticks, after: Ticks, repeats: int) -> CpuSeconds:
    """Seconds for each of the repeats between two readings."""
    busy = (after.busy - before.busy) / after.rate
    idle = (after.idle - before.idle) / after.rate
    return CpuSeconds(busy / repeats, (busy + idle) / repeats)


class TargetCpu:
    """Reads a target's counters where it runs on this machine; where not, there is nothing to tell.

    Args:
        rpc_socket: path of the target's socket; empty: there is none.
        address: where the target listens.
    """

    def __init__(self, rpc_socket: str, address: str) -> None:
        self._rpc_socket = rpc_socket if rpc_socket and is_ours(address) else ""

    def read(self) -> Ticks | None:
        if not self._rpc_socket:
            return None
        with Client(self._rpc_socket, timeout=10.0) as client:
            return ticks_of(client.call("thread_get_stats"))
