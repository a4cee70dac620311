# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""A slower network interface while a measurement runs. It is as it was before, whatever happens meanwhile."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from ..errors import LabError

Run = Callable[[Sequence[str]], "subprocess.CompletedProcess[str]"]

# The largest packet that the loopback interface carries, with its headers, and room for a few of them.
BURST_BYTES = 1 << 20
# What may wait in the interface: longer than any TCP window here, so that nothing is dropped.
QUEUE_BYTES = 64 << 20
NETEM = "netem"
TBF = "tbf"


def _run(program: str, words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run([program, *words], capture_output=True, text=True, check=False)
    except OSError as error:
        return subprocess.CompletedProcess(words, 127, "", f"{program}: {error.strerror}")


def run_tc(words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return _run("tc", words)


@dataclass(frozen=True)
class Shaper:
    """How an interface is made slow.

    Attributes:
        interface: its name.
        kind: ``netem``, or ``tbf`` where the kernel has no sch_netem: the same rate, by a token bucket.
        run: runs tc.
    """

    interface: str
    kind: str
    run: Run = run_tc

    def words(self, mbits: int) -> list[str]:
        """Arguments of tc that shape to a rate."""
        rate = ["rate", f"{mbits}mbit"]
        if self.kind == NETEM:
            # Packets of 64 KiB: room for as many bytes as with the token bucket.
            return ["qdisc", "add", "dev", self.interface, "root", NETEM, *rate, "limit", "10000"]
        limits = ["burst", str(BURST_BYTES), "limit", str(QUEUE_BYTES)]
        return ["qdisc", "add", "dev", self.interface, "root", TBF, *rate, *limits]

    @contextmanager
    def at(self, mbits: int) -> Iterator[None]:
        """Slow inside the block.

        Raises:
            LabError: it cannot be made so.
        """
        done = self.run(self.words(mbits))
        if done.returncode:
            raise LabError(
                asked=f"{self.interface} at {mbits} Mbit/s by {self.kind}",
                found=f"tc {' '.join(self.words(mbits))}: {_last_line(done.stderr)}",
                fix="leave csd_bench_link_mbits empty, or run on a kernel that has this queueing discipline",
            )
        try:
            yield
        finally:
            self.run(["qdisc", "del", "dev", self.interface, "root"])


def shaper_for(interface: str, run: Run = run_tc) -> Shaper:
    """The way to shape an interface, found before anything is changed.

    Raises:
        LabError: the interface is shaped already, or the kernel has no queueing discipline for it.
    """
    asked, leave = f"csd_bench_link_mbits: {interface} made slower", "leave csd_bench_link_mbits empty"
    shown = run(["qdisc", "show", "dev", interface, "root"])
    if shown.returncode:
        raise LabError(
            asked, _last_line(shown.stderr), f"install iproute2 and name an interface that is there, or {leave}"
        )
    present = shown.stdout.split()[1:2]
    if present and present[0] not in {"noqueue", "mq", "pfifo_fast", "fq_codel", "fq"}:
        found = f"it has a queueing discipline that somebody set: {shown.stdout.strip()}"
        raise LabError(asked, found, f"remove it (tc qdisc del dev {interface} root), or {leave}")
    missing = []
    for kind in (NETEM, TBF):
        shaper = Shaper(interface, kind, run)
        # As fast as nobody notices; taken away at once.
        done = run(shaper.words(100000))
        if done.returncode == 0:
            run(["qdisc", "del", "dev", interface, "root"])
            return shaper
        missing.append(f"sch_{kind}: {_last_line(done.stderr)}")
    raise LabError(
        asked,
        found=f"this kernel can shape by neither ({'; '.join(missing)})",
        fix=f"{leave}, or run on a kernel with CONFIG_NET_SCH_NETEM or CONFIG_NET_SCH_TBF "
        "(Ubuntu packs them apart: linux-modules-extra-$(uname -r))",
    )


def interface_to(address: str) -> str:
    """The interface through which an address is reached, as ``ip`` tells it.

    Raises:
        LabError: there is none.
    """
    done = _run("ip", ["-o", "route", "get", address])
    found = done.stdout.split()
    if done.returncode == 0 and "dev" in found:
        return found[found.index("dev") + 1]
    raise LabError(
        asked=f"csd_bench_link_mbits: the interface to {address} made slower",
        found=f"no interface leads there ({_last_line(done.stderr)})",
        fix="install iproute2 and correct the address, or leave csd_bench_link_mbits empty",
    )


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason given"])[-1]
