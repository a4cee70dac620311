# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""A link shaped by the kernel itself: no faster than asked, and as before afterwards. In a network of its own.

Only a lower bound is held: the kernel lets no byte pass early, and a busy machine is slower still.
"""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from collections.abc import Iterator

import pytest
from ansible.module_utils.hello_ebpf.bench.link import BURST_BYTES, NETEM, TBF, interface_to, shaper_for
from ansible.module_utils.hello_ebpf.errors import LabError

from own_network import own_network

MBITS = 200
BYTES = 16 << 20


def tc(*words: str) -> str:
    return subprocess.run(["tc", *words], capture_output=True, text=True, check=True).stdout


@pytest.fixture(autouse=True)
def network() -> Iterator[None]:
    with own_network():
        yield


def transfer() -> float:
    """Send BYTES over lo; the seconds until the last of them is there."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as sender,
        listener.accept()[0] as receiver,
    ):
        begun = time.monotonic()
        sending = threading.Thread(target=sender.sendall, args=(bytes(BYTES),))
        sending.start()
        assert len(receiver.recv(BYTES, socket.MSG_WAITALL)) == BYTES
        took = time.monotonic() - begun
        sending.join()
    return took


def test_a_shaped_link_is_no_faster_than_asked_and_is_as_before_afterwards() -> None:
    """Needs a kernel with sch_netem or sch_tbf: without either, the refusal that names both is this test's failure."""
    before = tc("qdisc", "show", "dev", "lo")
    shaper = shaper_for(interface_to("127.0.0.1"))
    assert (shaper.interface, tc("qdisc", "show", "dev", "lo")) == ("lo", before)
    assert shaper.kind in {NETEM, TBF}
    with shaper.at(MBITS):
        assert f"qdisc {shaper.kind} " in tc("qdisc", "show", "dev", "lo")
        seconds = transfer()
    least = (BYTES - BURST_BYTES) * 8 / (MBITS * 1e6)
    assert seconds >= least * 0.95, f"{BYTES} bytes in {seconds:.3f} s at {MBITS} Mbit/s, by {shaper.kind}"
    assert tc("qdisc", "show", "dev", "lo") == before


def test_a_link_that_somebody_shaped_is_refused_and_stays() -> None:
    tc("qdisc", "add", "dev", "lo", "root", "pfifo")
    before = tc("qdisc", "show", "dev", "lo")
    with pytest.raises(LabError, match="it has a queueing discipline that somebody set: qdisc pfifo"):
        shaper_for("lo")
    assert tc("qdisc", "show", "dev", "lo") == before
