# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Log pages, features, registers and asynchronous events of the target, byte by byte.

Rows of the list of faults: each test names its own.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import nvme_wire as wire
from csd_live import CsdTarget, Subsystem
from nvme_wire import Wire

PORT = 26220
DISCOVERY_LOG = 0x70
INVALID_FIELD = (0, 0x02)
SUCCESS = (0, 0)
STRANGER = "nqn.2026-11.io.hello-ebpf:stranger"


@dataclass
class World:
    """One target with one subsystem."""

    target: CsdTarget
    subsystem: Subsystem

    def admin(self, *, kato: int = 0) -> Wire:
        return wire.admin_queue(self.subsystem.port, self.subsystem.nqn, self.subsystem.host_nqn, kato=kato)

    def discovery(self) -> Wire:
        return wire.admin_queue(self.subsystem.port, wire.DISCOVERY, STRANGER, cc=wire.CC_ENABLE)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("wire-log")
    with CsdTarget(folder, PORT) as target:
        yield World(target, target.add_subsystem("log", bytes(1 << 20)))


def get_log(queue: Wire, log: int, length: int, offset: int = 0, *, nsid: int = 0) -> tuple[wire.Completion, bytes]:
    """Get Log Page with a buffer of just its length."""
    number = length // 4 - 1
    sqe = wire.command(
        wire.GET_LOG_PAGE,
        queue.cid(),
        nsid,
        sgl=(0, length, wire.SGL_TRANSPORT),
        dw10=log | (number & 0xFFFF) << 16,
        dw11=number >> 16,
        dw12=offset & 0xFFFFFFFF,
        dw13=offset >> 32,
    )
    return queue.call(sqe)


# ---- the discovery log


@pytest.mark.holds("base-2", "wire-2", "wire-3")
@pytest.mark.parametrize("offset", [4096, 0x10000, 0x7FFFFFFF0000, 0x400000000000, 0xFFFFFFFFFFFFFFFC])
def test_a_discovery_log_has_nothing_behind_its_end(world: World, offset: int) -> None:
    with world.discovery() as queue:
        done, data = get_log(queue, DISCOVERY_LOG, 4096, offset)
        assert (done.status, data) == (INVALID_FIELD, b"")
        # The log itself is as it was: the target lives.
        done, data = get_log(queue, DISCOVERY_LOG, 4096)
        assert done.status == SUCCESS
        assert len(data) == 4096


@pytest.mark.holds("base-2")
def test_a_discovery_log_is_read_in_parts_and_ends_in_zeroes(world: World) -> None:
    with world.discovery() as queue:
        # One record, of the listener: its subsystem admits no stranger, so that the stranger sees none.
        _, whole = get_log(queue, DISCOVERY_LOG, 4096)
        assert struct.unpack_from("<Q", whole, 8) == (0,)
        assert not any(whole[1024:])
        for offset in (0, 8, 1020):
            done, part = get_log(queue, DISCOVERY_LOG, 1024, offset)
            assert done.status == SUCCESS
            assert part == whole[offset : offset + 1024]
        done, part = get_log(queue, DISCOVERY_LOG, 4096, 1024)
        assert (done.status, part) == (SUCCESS, bytes(4096))
