# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""A target's start: the bdevs that it brings about, and the hugepages that it takes, of one size and no others'.

The bdevs are those of its saved configuration, and the declared ones after it. What bdevs in memory hold ends with the
process. So one of them that is to be made anew becomes the declared one in the file already: the old one might not fit
into the memory of the start any more. What may not be made anew is refused while the target with its data still runs.

DPDK takes free pages of every size that the kernel has, the largest first. Where systemd runs the target, its unit
hides the pools of all other sizes from it; elsewhere a start that would take of them is refused.

csd_ram and csd_slm bdevs take theirs when they are made, beside those of the start: pages of 2 MiB, where the target's
are of that size, else ordinary memory. They count here although they would come up without: in ordinary memory they
are slower, and nobody would see why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from .errors import LabError
from .hugepages_pool import SYS, Pool, pools
from .jsonrpc import Call
from .processes import PROC, Process, mapped_pages
from .spdk_target import saved
from .spdk_target.bdevs import CREATES, MEMORY_TYPES, OWN_MEMORY_TYPES, Bdev
from .spdk_target.changes import bdev
from .spdk_target.goal import Options, bdevs_to_reach
from .spdk_target.tree import Tree

OWN_PAGE_KILOBYTES = 2048


@dataclass(frozen=True)
class Start:
    """What is to come."""

    config_file: Path  # the saved configuration
    bdevs: Mapping[str, Bdev]  # those that will be there, by name
    anew: tuple[tuple[Bdev, Bdev], ...]  # bdevs in memory that the file holds otherwise, each with what takes its place

    @property
    def summary(self) -> str:
        """The change of the file in words."""
        words = [f"{new.type} bdev {new.name}, {new.size}, for {old.type}, {old.size}" for old, new in self.anew]
        return f"write {'; '.join(words)}, to {self.config_file}, as its data end with the process"

    def memory(self, start: Memory) -> Memory:
        """What it takes at its start, and what these bdevs take."""
        own = [one for one in self.bdevs.values() if one.type in OWN_MEMORY_TYPES]
        sizes = [(f"{one.type} bdev {one.name}", (one.block_size or 0) * (one.num_blocks or 0)) for one in own]
        return replace(start, own=tuple(sizes))

    def write(self) -> None:
        """The declared bdevs into the file, in the places of those that they are to be."""
        anew = {new.name: bdev(new).bring for _, new in self.anew}
        config = saved.read_file(str(self.config_file)).config or {}
        saved.write_file(
            str(self.config_file),
            {subsystem: [_renewed(call, anew) for call in calls] for subsystem, calls in config.items()},
        )


def start(config_file: Path, declared: Tree, recreate: str) -> Start:
    """What a start with this file brings about, and what is declared beyond that.

    Raises:
        LabError: a bdev is otherwise than declared, and may not be made anew.
    """
    found = saved.tree_of_file(saved.read_file(str(config_file)))
    bdevs = bdevs_to_reach(found, declared, Options(recreate=recreate))
    pairs = [(item, bdevs[name]) for name, item in found.bdevs.items() if item.type in MEMORY_TYPES]
    return Start(config_file, bdevs, tuple((old, new) for old, new in pairs if old != new))


def _renewed(call: saved.SavedCall, anew: Mapping[str, Call]) -> saved.SavedCall:
    """A saved call, or where it makes one of these bdevs, the call that makes it as declared."""
    wanted = anew.get(str((call.get("params") or {}).get("name")))
    if wanted is None or call.get("method") not in CREATES:
        return call
    return {"method": wanted.method, "params": dict(wanted.params)}


@dataclass(frozen=True)
class Memory:
    """What is asked: so many MiB at the start, of pages of so many kB."""

    # megabytes, page_kilobytes: these
    megabytes: int
    page_kilobytes: int
    own: tuple[tuple[str, int], ...] = ()  # bdevs that have memory of their own, in words, and their bytes

    @property
    def own_megabytes(self) -> list[tuple[str, int]]:
        """What each of those bdevs takes of the pool."""
        if self.page_kilobytes != OWN_PAGE_KILOBYTES:
            return []
        page = OWN_PAGE_KILOBYTES * 1024
        return [(name, -(-size // page) * OWN_PAGE_KILOBYTES // 1024) for name, size in self.own]

    @property
    def pages(self) -> int:
        own = sum(megabytes for _, megabytes in self.own_megabytes) * 1024 // self.page_kilobytes
        return own - (-self.megabytes * 1024 // self.page_kilobytes)

    def __str__(self) -> str:
        own = self.own_megabytes
        total = self.megabytes + sum(megabytes for _, megabytes in own)
        parts = [("the start (csd_target_memory_megabytes)", self.megabytes), *own] if own else []
        words = ", ".join(f"{megabytes} for {name}" for name, megabytes in parts)
        said = f"{total} MiB of hugepages ({self.pages} pages of {self.page_kilobytes} kB)"
        return f"{said}: {words}" if words else said


def other_pools(page_kilobytes: int, sys: Path = SYS) -> tuple[Path, ...]:
    """Where the kernel shows the pools of all other sizes, for the machine and for each NUMA node."""
    folders = [*sys.glob("kernel/mm/hugepages/hugepages-*kB"), *sys.glob("devices/system/node/node*/hugepages/*kB")]
    return tuple(sorted(folder for folder in folders if _size(folder) != page_kilobytes))


def check_memory(memory: Memory, ours: Process | None, *, hides: bool, proc: Path = PROC, sys: Path = SYS) -> None:
    """Refuse a start that would find too few pages, or take others'.

    Args:
        memory: what is asked.
        ours: the process that ends before the start, and gives its pages back.
        hides: pools of other sizes are hidden from it.
        proc: where the kernel shows processes; tests have a tree of their own.
        sys: the same for sysfs.

    Raises:
        LabError: there are too few pages of this size, or free ones of another size would be taken.
    """
    found = pools(sys)
    asked = str(memory)
    pool = found.get(memory.page_kilobytes)
    if pool is None:
        raise LabError(
            asked,
            f"this kernel has pages of {', '.join(sorted(map(str, found))) or 'no size'} kB",
            "set csd_target_page_kilobytes to one of those, hugepages_size_kilobytes where the role hugepages runs too",
        )
    free = pool.unused + mapped_pages([ours] if ours else [], memory.page_kilobytes, proc)
    if free < memory.pages:
        raise LabError(
            asked,
            f"{free} of {pool.total} pages of that size are free",
            "raise hugepages_megabytes, lower csd_target_memory_megabytes"
            f"{', make those bdevs smaller' if memory.own_megabytes else ''}, or stop what holds the pages",
        )
    if not hides and (other := _taken(memory, found)):
        raise LabError(
            asked,
            f"{found[other].unused} pages of {other} kB are free too, and DPDK would take of those, the largest first",
            "run it under systemd, whose unit hides them from it; or have whoever reserved them give them back; or, "
            f"where they are for the lab, set hugepages_size_kilobytes and csd_target_page_kilobytes to {other}",
        )


def _taken(memory: Memory, found: Mapping[int, Pool]) -> int | None:
    """The size of the others' free pages that DPDK would take of."""
    kilobytes = memory.megabytes * 1024
    for size in sorted(found, reverse=True):
        larger = memory.page_kilobytes < size <= kilobytes
        rest = size < memory.page_kilobytes and kilobytes % memory.page_kilobytes
        if found[size].unused > 0 and (larger or rest):
            return size
    return None


def _size(folder: Path) -> int:
    return int(folder.name.removeprefix("hugepages-").removesuffix("kB"))
