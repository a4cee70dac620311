# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""What hosts notice of a stranger's flood: python tests/measure/flood.py [--repeats N]

Starts csd_tgt (HELLO_EBPF_CSD_TGT, or the installed one; not a sanitized one) and measures one host before, under and
after a flood (tests/flood.py): 4 KiB reads one at a time, 128 KiB reads eight at a time, and how long a new host takes
from its first SYN to its I/O queue. Tells memory, files and log lines too. Writes build/flood.json, prints a table, and
puts the same into reports/latest/report.json as "flood", where there is a report; the next measurement leaves it out.

The host is a bare client in Python, over the loopback interface, on the core that the stranger's process has too: its
own time is part of each figure, and the same in all of them. Compare the figures with each other, not with csd_bench's.
Takes about two minutes. Needs root, hugepages and two cores that nothing else wants.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import conftest  # noqa: F401  Before all others: it makes them importable.

# isort: split
import flood
import nvme_wire as wire
from csd_live import BLOCK, CORE_MASK, ROOT, CsdTarget, Subsystem
from open_files import open_files

PORT = 26880
CONNECTIONS = 10_000
SMALL, LARGE, DEPTH = 4096, 131_072, 8
SMALL_READS, LARGE_READS, VISITS = 5000, 4000, 20
MEBIBYTE = 1 << 20
MEGABYTES = 16


class Host:
    """One host with one I/O queue, whose loops do as little as they can."""

    def __init__(self, subsystem: Subsystem) -> None:
        self._place = (subsystem.port, subsystem.nqn, subsystem.host_nqn)
        self._admin = wire.admin_queue(*self._place)
        self._socket = wire.io_queue(self._admin, *self._place).socket
        self._room = memoryview(bytearray(4 * LARGE))

    @staticmethod
    def _read(cid: int, length: int) -> bytes:
        blocks = length // BLOCK
        sqe = wire.command(wire.READ, cid, 1, sgl=(0, length, wire.SGL_TRANSPORT), dw10=cid * blocks, dw12=blocks - 1)
        return wire.capsule(sqe)

    def latencies(self) -> list[float]:
        """Of small reads, one at a time, in microseconds."""
        sent = self._read(0, SMALL)
        answer = 24 + SMALL + 24
        found = []
        for _ in range(SMALL_READS):
            begun = time.perf_counter()
            self._socket.sendall(sent)
            left = answer
            while left:
                left -= self._take(left)
            found.append((time.perf_counter() - begun) * 1e6)
        return found

    def throughput(self) -> float:
        """Of large reads, some at a time, in MiB a second. All have the same length: bytes tell how many came."""
        sent = [self._read(cid, LARGE) for cid in range(DEPTH)]
        answer = self._answer_length(sent[0])
        begun = time.perf_counter()
        self._socket.sendall(b"".join(sent))
        asked, taken = DEPTH, 0
        while taken < LARGE_READS * answer:
            taken += self._take(4 * LARGE)
            while asked < min(LARGE_READS, taken // answer + DEPTH):
                self._socket.sendall(sent[asked % DEPTH])
                asked += 1
        return LARGE_READS * LARGE / MEBIBYTE / (time.perf_counter() - begun)

    def _answer_length(self, sent: bytes) -> int:
        """C2HData may come in several PDUs, and each has a header."""
        self._socket.sendall(sent)
        total = 0
        while True:
            begin = self._exactly(8)
            length: int = struct.unpack_from("<I", begin, 4)[0]
            self._exactly(length - 8)
            total += length
            if begin[0] == wire.RESPONSE:
                return total

    def _exactly(self, length: int) -> bytes:
        received = b""
        while len(received) < length:
            received += self._socket.recv(length - len(received))
        return received

    def _take(self, most: int) -> int:
        taken = self._socket.recv_into(self._room, most)
        if not taken:
            sys.exit("the target has closed the host's connection")
        return taken

    def visits(self) -> list[float]:
        """How long another controller and its queue take, in milliseconds."""
        found = []
        for _ in range(VISITS):
            begun = time.perf_counter()
            with wire.admin_queue(*self._place) as admin, wire.io_queue(admin, *self._place):
                found.append((time.perf_counter() - begun) * 1e3)
        return found


def percentile(values: Sequence[float], part: float) -> float:
    return sorted(values)[int(part * (len(values) - 1))]


def once(host: Host) -> dict[str, float]:
    """All that a host notices."""
    latencies = host.latencies()
    throughput = host.throughput()
    visits = host.visits()
    return {
        "read 4 KiB, median (us)": statistics.median(latencies),
        "read 4 KiB, p99 (us)": percentile(latencies, 0.99),
        "read 128 KiB, depth 8 (MiB/s)": throughput,
        "connect, median (ms)": statistics.median(visits),
        "connect, longest (ms)": max(visits),
    }


def spread(rows: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    """Median, least and most of the repeats."""
    return {
        name: {
            "median": statistics.median(row[name] for row in rows),
            "least": min(row[name] for row in rows),
            "most": max(row[name] for row in rows),
        }
        for name in rows[0]
    }


def resident_kib(target: CsdTarget) -> int:
    [found] = re.findall(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{target.pid}/status").read_text())
    return int(found)


def state(target: CsdTarget) -> dict[str, Any]:
    """What must not grow. Taken when the stranger has been gone for a second."""
    time.sleep(1)
    path = Path(target.call("env_dpdk_get_mem_stats")["filename"])
    heap = sum(map(int, re.findall(r"Alloc_size:(\d+)", path.read_text())))
    path.unlink()
    return {
        "log_lines": target.log.read_bytes().count(b"\n"),
        "heap_bytes": heap,
        "resident_kib": resident_kib(target),
        "files": len(open_files(target.pid)),
    }


def measure(target: CsdTarget, subsystem: Subsystem, repeats: int) -> dict[str, Any]:
    """Before, under and after, each so many times."""
    # The target's core is its own; the stranger's process inherits this.
    os.sched_setaffinity(0, os.sched_getaffinity(0) - {int(CORE_MASK, 16).bit_length() - 1})
    host = Host(subsystem)

    def repeated(what: str, run: Callable[[], dict[str, float]]) -> dict[str, dict[str, float]]:
        rows = []
        for number in range(repeats):
            rows.append(run())
            print(f"{what}, {number + 1} of {repeats}", file=sys.stderr)
        return spread(rows)

    once(host)  # Warm.
    states = {"before": state(target)}
    found = {"before": repeated("before", lambda: once(host))}
    with flood.flooding(subsystem.port, subsystem.nqn, CONNECTIONS, until_told=True) as stranger:
        time.sleep(1)
        found["under"] = repeated("under", lambda: once(host))
        did = stranger.result()
    states["after"] = state(target)
    found["after"] = repeated("after", lambda: once(host))
    return {"load": os.getloadavg()[0], "repeats": repeats, "flood": did, "states": states, "figures": found}


def table(found: dict[str, Any]) -> str:
    """As Markdown."""
    lines = ["| | before | under the flood | after |", "|---|---|---|---|"]
    for name in found["figures"]["before"]:
        cells = [found["figures"][when][name] for when in ("before", "under", "after")]
        told = (f"{cell['median']:.3g} ({cell['least']:.3g}-{cell['most']:.3g})" for cell in cells)
        lines.append(f"| {name} | {' | '.join(told)} |")
    for name, before in found["states"]["before"].items():
        lines.append(f"| {name} | {before} | | {found['states']['after'][name]} |")
    did = found["flood"]
    rate = did["taken"] / did["seconds"]
    return "\n".join(lines) + f"\n\n{did['taken']} connections, {rate:.0f} a second; load {found['load']:.1f}"


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as folder, CsdTarget(Path(folder), PORT) as target:
        subsystem = target.add_subsystem("figures", bytes(MEGABYTES * MEBIBYTE))
        # A file's reads would measure its disk.
        memory = {"name": "figures_memory_data", "num_blocks": MEGABYTES * MEBIBYTE // BLOCK, "block_size": BLOCK}
        target.call("nvmf_subsystem_remove_ns", {"nqn": subsystem.nqn, "nsid": 1})
        target.call("bdev_malloc_create", memory)
        namespace = {"bdev_name": memory["name"], "nsid": 1}
        target.call("nvmf_subsystem_add_ns", {"nqn": subsystem.nqn, "namespace": namespace})
        found = measure(target, subsystem, repeats)
    folder_of_figures = ROOT / "build"
    folder_of_figures.mkdir(exist_ok=True)
    (folder_of_figures / "flood.json").write_text(json.dumps(found, indent=2) + "\n")
    into_report(ROOT / "reports/latest/report.json", found)
    print(table(found))


def into_report(path: Path, found: dict[str, Any]) -> None:
    """Beside what else was measured here; replaced whole, so that nobody reads half a report."""
    if path.exists():
        new = path.with_suffix(".new")
        new.write_text(json.dumps({**json.loads(path.read_text()), "flood": found}, indent=2) + "\n")
        new.replace(path)


if __name__ == "__main__":
    main()
