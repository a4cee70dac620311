"""What was asked of the hugepages module, and the refusal of what the machine does not have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from . import names
from .errors import LabError, refuse
from .hugepages_boot import foreign
from .hugepages_host import Host
from .hugepages_pool import Pool, directory, evenly
from .hugepages_state import State


@dataclass(frozen=True)
class Request:
    """What was asked."""

    present: bool  # reserve; False gives back
    kilobytes: int  # size of a page
    pages: int  # how many of them
    nodes: Mapping[int, int]  # pages by NUMA node; empty where they are to be spread evenly
    mount: str  # where hugetlbfs is to be mounted
    reserve_megabytes: int  # memory to leave to everything else
    manage: bool | None  # the pool is ours to change. None: unless we run in a container

    def by_node(self, pool: Pool) -> dict[int, int]:
        """The asked pages on each node of this pool."""
        if not self.present or pool.kilobytes != self.kilobytes:
            return {}
        return dict(self.nodes) or evenly(self.pages, pool.nodes)

    @staticmethod
    def of(params: Mapping[str, Any]) -> Request:
        """The request in a module's parameters.

        Raises:
            LabError: they say nothing that can be reserved.
        """
        present = params["state"] == "present"
        kilobytes = params["size_kilobytes"]
        given = [f"hugepages_{name}: {params[name]}" for name in ("count", "megabytes", "nodes") if params[name]]
        if present and len(given) > 1:
            raise LabError(
                asked=" and ".join(given),
                found="more than one amount",
                fix="keep one of them; the default of hugepages_megabytes steps back by itself",
            )
        nodes = _nodes(params["nodes"] or {})
        pages = sum(nodes.values()) or params["count"] or 0
        if params["megabytes"] and kilobytes > 0:
            pages = -(-params["megabytes"] * 1024 // kilobytes)
        if present and (pages <= 0 or min(nodes.values(), default=0) < 0):
            raise LabError(
                asked=f"{pages} hugepages",
                found="nothing that could be reserved",
                fix="set hugepages_megabytes, hugepages_count or hugepages_nodes to something above 0, or "
                "hugepages_state: absent to give the pages back",
            )
        mount = str(params["mount"]).rstrip("/") or "/"
        refuse(f"hugetlbfs mounted at {mount!r}", names.mount_point(mount))
        return Request(present, kilobytes, pages, nodes, mount, params["reserve_megabytes"], params["manage"])


def _nodes(asked: Mapping[Any, Any]) -> dict[int, int]:
    try:
        return {int(node): int(pages) for node, pages in asked.items()}
    except (ValueError, TypeError):
        raise LabError(
            asked=f"hugepages_nodes: {dict(asked)}",
            found="something that is not a node's number and a number of pages",
            fix="write it as {0: 512, 1: 512}",
        ) from None


def check_boot(boot: Mapping[str, str]) -> None:
    """Refuse to write where somebody else has something."""
    for path in foreign(boot):
        raise LabError(
            asked=f"{path} for the lab's hugepages at boot",
            found="there is one that the lab did not write",
            fix="rename it, or set hugepages_manage: false",
        )


def check_machine(request: Request, state: State, host: Host) -> None:
    """Refuse a page size or a node that there is none of, and a container that wants to change its host's pool."""
    size = request.kilobytes
    if size not in state.pools:
        there = ", ".join(map(str, state.pools))
        raise LabError(
            asked=f"hugepages of {size} kB",
            found=f"this kernel has pages of {there} kB" if there else "this kernel has no hugepages at all",
            fix="set hugepages_size_kilobytes to one of those" if there else "boot one with CONFIG_HUGETLBFS",
        )
    known = host.nodes()
    unknown = sorted(set(request.nodes) - set(known))
    if unknown:
        nodes = ", ".join(map(str, known))
        raise LabError(
            asked=f"hugepages on NUMA node {', '.join(map(str, unknown))}",
            found=f"this machine has node {nodes}" if nodes else "this kernel knows no NUMA nodes",
            fix="name those in hugepages_nodes, or set hugepages_count instead",
        )
    if request.manage and host.contained():
        raise LabError(
            asked=f"reserve {request.pages} pages of {size} kB",
            found="this is a container: the pool is its host's, and all containers share it",
            fix="run this role on the host, and set hugepages_manage: false here (then it only checks that "
            "enough pages are free)",
        )


def check_free(request: Request, state: State, host: Host) -> None:
    """Refuse a pool of somebody else with too few pages that are free or the lab's."""
    size = request.kilobytes
    pool = state.pools[size]
    ours = host.lab_pages(size)
    missing = request.pages - pool.unused - ours
    if missing > 0:
        raise LabError(
            asked=f"{request.pages} pages of {size} kB in a pool that is managed elsewhere (hugepages_manage: false)",
            found=f"{pool.unused} of {pool.size} are free, the lab's own processes hold {ours} ({host.holders(size)})",
            fix=f"have at least {missing} more reserved there, or ask for fewer",
        )
    for node, pages in request.nodes.items():
        if pool.nodes[node].pool < pages:
            raise LabError(
                asked=f"{pages} pages of {size} kB on node {node}, managed elsewhere",
                found=f"the pool of that node has {pool.nodes[node].pool}",
                fix="have more reserved there, or name other nodes in hugepages_nodes",
            )


def check_pools(request: Request, state: State, goal: State, host: Host) -> None:
    """Refuse what the memory is too small for after what is given back, and pools that cannot be written."""
    reserve = request.reserve_megabytes
    moves = [
        (pool, node, goal.pools[size].nodes[node].pool - pages.pool)
        for size, pool in state.pools.items()
        for node, pages in pool.nodes.items()
    ]
    # Surplus pages that become part of the pool are no new memory.
    new = [(pool, node, pages - pool.nodes[node].surplus) for pool, node, pages in moves if pages > 0]
    needed = sum(pool.kilobytes * pages for pool, _, pages in new) // 1024
    freed = sum(-pool.kilobytes * pages for pool, _, pages in moves if pages < 0)
    available = (host.available() + freed) // 1024
    # Pages that are there already are nobody's question any more, however little memory is left by now.
    if needed > max(0, available - reserve):
        raise LabError(
            asked=f"{needed * 1024 // request.kilobytes} more pages of {request.kilobytes} kB, {needed} MiB",
            found=f"{available} MiB of memory are available, of which hugepages_reserve_megabytes leaves {reserve} to "
            f"everything else: room for {max(0, available - reserve)} MiB",
            fix="ask for less (hugepages_megabytes, hugepages_count), free memory, or lower "
            "hugepages_reserve_megabytes",
        )
    for pool, node, pages in new:
        if pool.on(node) and pages * pool.kilobytes > host.available_on(node):
            raise LabError(
                asked=f"{pages} more pages of {pool.kilobytes} kB{pool.on(node)}, {pages * pool.kilobytes // 1024} MiB",
                found=f"about {host.available_on(node) // 1024} MiB are available on that node",
                fix="ask for less there or name other nodes in hugepages_nodes",
            )
    if any(pages for _, _, pages in moves) and not host.writable():
        raise LabError(
            asked="change the hugepage pool",
            found=f"{directory(request.kilobytes, None)}/nr_hugepages cannot be written",
            fix="run as root; where somebody else manages the pool (a container's host), set hugepages_manage: false",
        )
