"""Programs in the target against programs in workers, on the drive: python tests/measure/engines_on_drive.py

Needs root, huge pages, and an installed lab whose target does not run; or HELLO_EBPF_CSD_TGT and HELLO_EBPF_CSD_NVME.
Each repeat runs both ways, by turns which is first; both have to answer the same. Prints least, median and most, on the
host's clock, of each way and of the ratios within a repeat.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import conftest  # noqa: F401  Before all others: it makes them importable.

# isort: split
from ansible.module_utils.hello_ebpf.csd import commands, results
from ansible.module_utils.hello_ebpf.csd.spdk import SpdkTransport

from csd_compute_target import COMPUTE, DATA, SLM, ComputeTarget
from csd_live import BINARY, program

ROOM = 1 << 20
BLOCK = 512
PART = 1 << 20
RAM = {"method": "bdev_csd_ram_create", "block_size": BLOCK}


@dataclass(frozen=True)
class Way:
    """A shipped program with parameters that make it return about so much."""

    name: str
    what: str
    cparam1: int = 0


# Temperatures are any 32 bits.
WAYS = (
    Way("threshold", "nothing kept", (1 << 31) - 1),
    Way("threshold", "1 % kept", int((1 << 31) * 0.98)),
    Way("threshold", "10 % kept", int((1 << 31) * 0.8)),
    Way("threshold", "all kept", -(1 << 31) & (1 << 64) - 1),
    Way("search", "8 bytes, none there", 0x0123456789ABCDEF),
    Way("aggregate", ""),
    Way("histogram", "", 26 << 32 | 1 << 31),
    Way("sample", "every 1000th", 1000),
    Way("top", ""),
)


def fill(host: SpdkTransport, length: int) -> None:
    """Bytes of chance, 16 MiB of them again and again."""
    chance = random.Random(11).randbytes(16 << 20)
    for at in range(0, length, PART):
        part = chance[at % len(chance) : at % len(chance) + PART]
        assert host.io(commands.write_blocks(DATA, at // BLOCK, part, BLOCK)).status == 0


def scanned(host: SpdkTransport, pind: int, length: int, cparam1: int) -> tuple[int, int, bytes]:
    """The whole of it, as often as the host's buffer is full: records, matches, and the last state."""
    memory = [commands.MemoryRange(SLM, 0, 4), commands.MemoryRange(SLM, 4096, 4096)]
    rsid = host.admin(commands.create_range_set(COMPUTE, memory)).value
    start = records = matches = 0
    while True:
        completion = host.io(
            commands.scan(
                COMPUTE,
                pind,
                DATA,
                start,
                length - start,
                room=ROOM,
                cparam1=cparam1,
                rsid=rsid,
                resume=start > 0,
                padding=4,
            )
        )
        assert completion.status == 0, f"{completion.status:03x}h"
        result = results.result(completion.data)
        records, matches, start = records + result.records, matches + result.matches, start + result.next
        if result.end != results.END_FULL:
            assert host.admin(commands.delete_range_set(COMPUTE, rsid)).status == 0
            return records, matches, result.state


def executed(host: SpdkTransport, pind: int, length: int, cparam1: int) -> tuple[int, int, bytes]:
    """In SLM, without output."""
    completion = host.io(
        commands.execute_program(COMPUTE, pind, ranges=[commands.MemoryRange(SLM, 0, length)], cparam1=cparam1)
    )
    assert completion.status == 0, f"{completion.status:03x}h"
    return 0, completion.value, b""


def paired(run: Callable[[int], tuple[int, int, bytes]], pinds: tuple[int, int], repeats: int) -> list[list[float]]:
    """Seconds of each way in each repeat, after one that is not counted."""
    seconds: list[list[float]] = [[], []]
    for repeat in range(-1, repeats):
        answers = []
        for way in (0, 1) if repeat % 2 else (1, 0):
            began = time.perf_counter()
            answers.append(run(pinds[way]))
            if repeat >= 0:
                seconds[way].append(time.perf_counter() - began)
        assert answers[0] == answers[1]
    return seconds


def spread(values: list[float]) -> str:
    return f"{min(values):.2f} {statistics.median(values):.2f} {max(values):.2f}"


def row(way: Way, seconds: list[list[float]], figure: Callable[[float], float]) -> str:
    in_target, in_worker = ([figure(value) for value in values] for values in seconds)
    ratios = [ours / theirs for theirs, ours in zip(in_target, in_worker, strict=True)]
    return f"| {way.name} | {way.what} | {spread(in_target)} | {spread(in_worker)} | {spread(ratios)} |"


def main() -> None:
    """Start a target, load each program both ways, measure, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--megabytes", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--executes", type=int, default=2000)
    asked = parser.parse_args()
    length = asked.megabytes << 20
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        target = ComputeTarget(folder, 24131)
        target.start("--workers", str(BINARY.parent))
        try:
            target.set_up(data={**RAM, "num_blocks": length // BLOCK}, transport={"max_io_size": ROOM})
            loaded: dict[str, tuple[int, int]] = {}
            for way in WAYS:
                if way.name not in loaded:
                    pair = loaded[way.name] = (2 * len(loaded), 2 * len(loaded) + 1)
                    target.load(pair[0], program(way.name, folder), in_target=True)
                    target.load(pair[1], program(way.name, folder))
            with target.host() as host:
                fill(host, length)
                print("| scan, GB/s | | in the target | in a worker | ratio |\n|---|---|---|---|---|")
                for way in WAYS:
                    run = partial(scanned, host, length=length, cparam1=way.cparam1)
                    seconds = paired(run, loaded[way.name], asked.repeats)
                    print(row(way, seconds, lambda value: length / value / 1e9), flush=True)
                print("| execute, us | | in the target | in a worker | ratio |\n|---|---|---|---|---|")
                for bytes_ in (4096, 1 << 20):
                    way = Way("threshold", f"{bytes_ >> 10} KiB", (1 << 31) - 1)
                    run = partial(executed, host, length=bytes_, cparam1=way.cparam1)
                    seconds = paired(run, loaded[way.name], asked.executes)
                    print(row(way, seconds, lambda value: value * 1e6), flush=True)
        finally:
            target.stop()


if __name__ == "__main__":
    main()
