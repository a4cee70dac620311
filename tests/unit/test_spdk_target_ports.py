"""Who stands in a listener's way, from /proc, against real sockets."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest
from ansible.module_utils.hello_ebpf.errors import LabError
from ansible.module_utils.hello_ebpf.spdk_target.ports import check_listener, overlap, owner
from ansible.module_utils.hello_ebpf.spdk_target.subsystems import Listener


def listener(address: str, port: int) -> Listener:
    return Listener("TCP", "ipv6" if ":" in address else "ipv4", address, str(port))


@pytest.fixture(params=["127.0.0.1", "0.0.0.0", "::1"])
def taken(request: pytest.FixtureRequest) -> Iterator[Listener]:
    """An address that this very process listens on."""
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    with socket.create_server((request.param, 0), family=family) as server:
        address = "127.0.0.1" if request.param == "0.0.0.0" else request.param
        yield listener(address, server.getsockname()[1])


def test_names_the_process(taken: Listener) -> None:
    assert owner(taken).startswith(f"process {os.getpid()} (")
    with pytest.raises(LabError) as caught:
        check_listener(taken, "nqn")
    assert caught.value.asked == f"listen on {taken} for nqn"
    assert caught.value.found.startswith(f"the port is taken by process {os.getpid()} (")
    assert caught.value.fix == "stop that process, or declare another service_id"


def test_a_free_port_is_no_problem() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    check_listener(listener("127.0.0.1", port), "nqn")
    assert owner(listener("127.0.0.1", port)) == (
        "a process that cannot be seen from here (another container's, or the kernel's)"
    )


def test_an_address_of_another_machine() -> None:
    with pytest.raises(LabError) as caught:
        check_listener(listener("192.0.2.1", 4420), "nqn")
    assert str(caught.value) == (
        "Asked: listen on TCP 192.0.2.1:4420 for nqn. Found: 192.0.2.1 is not an address of this machine. "
        "Do: declare an address that 'ip address' lists here."
    )


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        (("127.0.0.1", 1), ("127.0.0.1", 1), True),
        (("127.0.0.1", 1), ("127.0.0.1", 2), False),
        (("127.0.0.1", 1), ("127.0.0.2", 1), False),
        (("127.0.0.1", 1), ("0.0.0.0", 1), True),
        (("::", 1), ("127.0.0.1", 1), True),
    ],
)
def test_overlap(one: tuple[str, int], other: tuple[str, int], meet: bool) -> None:
    assert overlap(listener(*one), listener(*other)) is meet
    assert overlap(listener(*other), listener(*one)) is meet
