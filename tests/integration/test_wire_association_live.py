# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""How long a controller may stay that is of no use to its host: a target with a short limit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import nvme_wire as wire
from csd_live import CsdTarget, Subsystem
from nvme_wire import Wire

PORT = 26215
CC = 0x14
MILLISECONDS = 300


@pytest.fixture(scope="module")
def subsystem(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subsystem]:
    folder: Path = tmp_path_factory.mktemp("wire-association")
    with CsdTarget(folder, PORT, transport={"association_timeout": MILLISECONDS}) as target:
        yield target.add_subsystem("association", bytes(1 << 20))


def admin(subsystem: Subsystem) -> Wire:
    return wire.admin_queue(subsystem.port, subsystem.nqn, subsystem.host_nqn)


def never_enabled(subsystem: Subsystem) -> Wire:
    queue = Wire(subsystem.port)
    queue.initialize()
    assert queue.connect(subsystem.nqn, subsystem.host_nqn).status == (0, 0)
    return queue


def disabled(subsystem: Subsystem) -> Wire:
    queue = admin(subsystem)
    done, _ = queue.call(wire.property_set(queue.cid(), CC, 0))
    assert done.status == (0, 0)
    return queue


def shut_down(subsystem: Subsystem) -> Wire:
    queue = admin(subsystem)
    done, _ = queue.call(wire.property_set(queue.cid(), CC, wire.CC_ENABLE | 1 << 14))
    assert done.status == (0, 0)
    return queue


@pytest.mark.holds("base-24")
@pytest.mark.parametrize("idle", [never_enabled, disabled, shut_down])
def test_an_association_that_is_not_enabled_ends(subsystem: Subsystem, idle: Callable[[Subsystem], Wire]) -> None:
    """It ends by the target; those that were enabled before and enabled again since then stay."""
    with admin(subsystem) as kept, disabled(subsystem) as again:
        again.enable()
        with idle(subsystem) as queue:
            assert queue.ended() == []
        for other in (kept, again):
            done, data = other.call(wire.command(wire.IDENTIFY, other.cid(), dw10=1, sgl=(0, 4096, 0x5A)))
            assert (done.status, len(data)) == ((0, 0), 4096)
