# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Which programs the target's slots hold and where they run, where the target runs on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import LabError
from ..jsonrpc import Client
from .target_cpu import is_ours


def digests(rpc_socket: str, address: str) -> dict[str, str]:
    """SHA-256 of each program, by ``bdev/slot``; empty where the target cannot be asked from here."""
    if not rpc_socket or not is_ours(address):
        return {}
    try:
        with Client(rpc_socket, timeout=10.0) as client:
            return digests_of(client.call("csd_get_programs"))
    except LabError:
        # Not there (yet), or a target without programs: what is measured says the rest.
        return {}


def worker_cpus(rpc_socket: str, address: str) -> list[int] | None:
    """CPUs on which the target runs programs; None where it cannot be asked from here, or does not say."""
    if not rpc_socket or not is_ours(address):
        return None
    try:
        with Client(rpc_socket, timeout=10.0) as client:
            told = client.call("csd_get_programs")
    except LabError:
        return None
    found = {cpu for compute in told for cpu in compute.get("worker_cpus", [])}
    return sorted(found) or None


def digests_of(computes: list[Mapping[str, Any]]) -> dict[str, str]:
    """From the answer of ``csd_get_programs``; only what can run."""
    return {
        f"{compute['name']}/{program['pind']}": program["sha256"]
        for compute in computes
        for program in compute["programs"]
        if program["state"] in {"loaded", "active"}
    }
