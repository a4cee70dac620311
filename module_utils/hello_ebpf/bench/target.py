# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""What a target tells about itself by its RPC socket: CPU time, programs, and where they run."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import LabError
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
class CpuSeconds:
    """What a target spent: on work, and with its reactors holding a core, spinning included."""

    busy: float
    reactor: float

    def __sub__(self, before: CpuSeconds) -> CpuSeconds:
        return CpuSeconds(self.busy - before.busy, self.reactor - before.reactor)


def cpu_of(stats: Mapping[str, Any]) -> CpuSeconds:
    """From the answer of ``thread_get_stats``: ticks in pollers that found work, and in those that found none."""
    busy, idle = (sum(thread[name] for thread in stats["threads"]) for name in ("busy", "idle"))
    return CpuSeconds(busy / stats["tick_rate"], (busy + idle) / stats["tick_rate"])


class Target:
    """A target that runs on this machine; where it does not, nothing is told.

    Args:
        rpc_socket: path of its socket; empty: there is none.
        address: where it listens.
    """

    def __init__(self, rpc_socket: str, address: str) -> None:
        self._rpc_socket = rpc_socket if rpc_socket and is_ours(address) else ""

    def _call(self, method: str) -> Any:
        with Client(self._rpc_socket, timeout=10.0) as client:
            return client.call(method)

    def cpu(self) -> CpuSeconds | None:
        """Since its start. SPDK's reactors spin, so the kernel's clock would say only how long they spun."""
        return cpu_of(self._call("thread_get_stats")) if self._rpc_socket else None

    def _computes(self) -> list[Mapping[str, Any]]:
        """Empty too where the target is not there (yet) or runs no programs: what is measured says the rest."""
        try:
            return list(self._call("csd_get_programs")) if self._rpc_socket else []
        except LabError:
            return []

    def digests(self) -> dict[str, str]:
        """SHA-256 of each program that can run, by ``bdev/slot``."""
        return {
            f"{compute['name']}/{program['pind']}": program["sha256"]
            for compute in self._computes()
            for program in compute["programs"]
            if program["state"] in {"loaded", "active"}
        }

    def worker_cpus(self) -> list[int] | None:
        """CPUs on which it runs programs; None where it does not say."""
        return sorted({cpu for compute in self._computes() for cpu in compute.get("worker_cpus", [])}) or None
