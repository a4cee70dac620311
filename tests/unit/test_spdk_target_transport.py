# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""A transport's limits and deadlines: declared, they are what the target is sent."""

from __future__ import annotations

import pytest
import spdk_target
from ansible.module_utils.hello_ebpf.arguments import arguments
from ansible.module_utils.hello_ebpf.errors import LabError
from ansible.module_utils.hello_ebpf.spdk_target.changes import changes
from ansible.module_utils.hello_ebpf.spdk_target.goal import Options, goal
from ansible.module_utils.hello_ebpf.spdk_target.tree import Tree, declared

LIMITS = {
    "association_timeout": 120_000,
    "max_connections": 384,
    "max_connections_per_host": 160,
    "max_pending_connections": 128,
    "connect_timeout": 10_000,
    "transfer_timeout": 30_000,
    "max_buffers_per_host": 256,
}


def asked(**options: int) -> Tree:
    return declared({"transports": [{"type": "TCP", "c2h_success": False, **options}]}, check=False)


def test_limits_are_sent() -> None:
    [change] = changes(Tree(), goal(Tree(), asked(**LIMITS), Options()))
    assert (change.call.method, change.call.params) == (
        "nvmf_create_transport",
        {"trtype": "TCP", "c2h_success": False, **LIMITS},
    )


def test_another_limit_of_a_transport_that_is_there_is_refused() -> None:
    there = asked(**LIMITS)
    with pytest.raises(LabError, match="transport TCP with max_connections 12"):
        goal(there, asked(max_connections=12), Options())


@pytest.mark.parametrize("name", LIMITS)
def test_the_module_takes_them(name: str) -> None:
    assert arguments(spdk_target.DOCUMENTATION)["transports"]["options"][name] == {"type": "int"}
