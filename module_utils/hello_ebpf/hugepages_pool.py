# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""The kernel's hugepage pools, one for each page size, as sysfs shows them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from .files import text_in

SYS = Path("/sys")


@dataclass(frozen=True)
class Pages:
    """The pages of one size on one node."""

    total: int  # all pages, those beyond the pool (surplus) included
    free: int  # pages that no process has touched; some of them may be reserved
    surplus: int = 0  # pages in use beyond the pool: overcommitted, or in use when the pool was made smaller

    @property
    def pool(self) -> int:
        """The pool's size: what a write to nr_hugepages sets."""
        return self.total - self.surplus


@dataclass(frozen=True)
class Pool:
    """All pages of one size."""

    kilobytes: int  # the size of a page
    reserved: int  # free pages that a mapping will touch later. The kernel counts them for the whole machine only
    nodes: Mapping[int, Pages]  # pages by NUMA node. A kernel without NUMA has node 0 alone

    @property
    def size(self) -> int:
        return sum(pages.pool for pages in self.nodes.values())

    @property
    def total(self) -> int:
        return sum(pages.total for pages in self.nodes.values())

    @property
    def unused(self) -> int:
        return sum(pages.free for pages in self.nodes.values()) - self.reserved

    def on(self, node: int) -> str:
        """The node in words, where there are several."""
        return f" on node {node}" if len(self.nodes) > 1 else ""

    def folder(self, node: int) -> str:
        """Where the pages of a node are added; of the only one, those of the machine."""
        return directory(self.kilobytes, node if len(self.nodes) > 1 else None)


def directory(kilobytes: int, node: int | None) -> str:
    """Where the kernel shows a pool; of all nodes together when ``node`` is None."""
    base = "/sys/kernel/mm" if node is None else f"/sys/devices/system/node/node{node}"
    return f"{base}/hugepages/hugepages-{kilobytes}kB"


def pools(sys: Path = SYS) -> dict[int, Pool]:
    """The pools by page size, the smallest first."""
    return {size: pool(sys, size) for size in _numbered(sys / "kernel/mm/hugepages", r"hugepages-(\d+)kB")}


def pool(sys: Path, kilobytes: int) -> Pool:
    def folder(node: int | None) -> Path:
        return sys / directory(kilobytes, node).removeprefix("/sys/")

    by_node = {node: _pages(folder(node)) for node in nodes(sys)}
    return Pool(kilobytes, _number(folder(None) / "resv_hugepages"), by_node or {0: _pages(folder(None))})


def nodes(sys: Path) -> list[int]:
    """The NUMA nodes with memory and pools of their own; empty for a kernel without NUMA."""
    folder = sys / "devices/system/node"
    return [
        node
        for node in _numbered(folder, r"node(\d+)")
        if (folder / f"node{node}/hugepages").is_dir()
        and not re.search(r" MemTotal: +0 kB", text_in(folder / f"node{node}/meminfo"))
    ]


def evenly(pages: int, nodes: Iterable[int]) -> dict[int, int]:
    """Pages spread over nodes; the first ones have the rest."""
    order = sorted(nodes)
    each, rest = divmod(pages, len(order))
    return {node: each + (position < rest) for position, node in enumerate(order)}


def _numbered(folder: Path, pattern: str) -> list[int]:
    """The numbers in the names that match, smallest first."""
    names = (path.name for path in folder.iterdir()) if folder.is_dir() else ()
    return sorted(int(match[1]) for match in (re.fullmatch(pattern, name) for name in names) if match)


def _pages(folder: Path) -> Pages:
    return Pages(*(_number(folder / name) for name in ("nr_hugepages", "free_hugepages", "surplus_hugepages")))


def _number(path: Path) -> int:
    return int(path.read_text())
