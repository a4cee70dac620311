"""What was asked of the hugepages module, and the refusal of what the machine does not have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from . import names
from .errors import LabError, refuse
from .hugepages_boot import foreign
from .hugepages_host import Host
from .hugepages_pool import directory
from .hugepages_share import Change
from .hugepages_state import State


@dataclass(frozen=True)
class Request:
    """What was asked.

    Attributes:
        present: reserve; False gives back.
        kilobytes: size of a page.
        nodes: pages by NUMA node, or under None where the kernel may choose the nodes.
        mount: where hugetlbfs is to be mounted.
        reserve_megabytes: memory to leave to everything else.
        manage: the pool is ours to change. None: unless we run in a container.
    """

    present: bool
    kilobytes: int
    nodes: Mapping[int | None, int]
    mount: str
    reserve_megabytes: int
    manage: bool | None

    @property
    def pages(self) -> int:
        return sum(self.nodes.values())

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
        nodes: dict[int | None, int] = {None: 0}
        if present and params["nodes"]:
            nodes = _nodes(params["nodes"])
        elif present and params["megabytes"] is not None:
            nodes = {None: -(-params["megabytes"] * 1024 // kilobytes) if kilobytes > 0 else 0}
        elif present:
            nodes = {None: params["count"] or 0}
        if present and (sum(nodes.values()) <= 0 or min(nodes.values()) < 0):
            raise LabError(
                asked=f"{sum(nodes.values())} hugepages",
                found="nothing that could be reserved",
                fix="set hugepages_megabytes, hugepages_count or hugepages_nodes to something above 0, or "
                "hugepages_state: absent to give the pages back",
            )
        mount = str(params["mount"]).rstrip("/") or "/"
        refuse(f"hugetlbfs mounted at {mount!r}", names.mount_point(mount))
        return Request(present, kilobytes, nodes, mount, params["reserve_megabytes"], params["manage"])


def _nodes(asked: Mapping[Any, Any]) -> dict[int | None, int]:
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


def check_machine(request: Request, state: State) -> None:
    """Refuse a page size or a node that there is none of, and a container that wants to change its host's pool."""
    size = request.kilobytes
    if size not in state.pools:
        there = ", ".join(map(str, state.pools))
        raise LabError(
            asked=f"hugepages of {size} kB",
            found=f"this kernel has pages of {there} kB" if there else "this kernel has no hugepages at all",
            fix="set hugepages_size_kilobytes to one of those" if there else "boot one with CONFIG_HUGETLBFS",
        )
    unknown = sorted(node for node in request.nodes if node is not None and node not in state.node_kilobytes)
    if unknown:
        nodes = ", ".join(map(str, state.node_kilobytes))
        raise LabError(
            asked=f"hugepages on NUMA node {', '.join(map(str, unknown))}",
            found=f"this machine has node {nodes}" if nodes else "this kernel knows no NUMA nodes",
            fix="name those in hugepages_nodes, or set hugepages_count instead",
        )
    if request.manage and state.contained:
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
        if node is not None and pool.nodes[node].pool < pages:
            raise LabError(
                asked=f"{pages} pages of {size} kB on node {node}, managed elsewhere",
                found=f"the pool of that node has {pool.nodes[node].pool}",
                fix="have more reserved there, or name other nodes in hugepages_nodes",
            )


def check_changes(request: Request, state: State, changes: Mapping[int, Change]) -> None:
    """Refuse what the memory is too small for after what is given back, and pools that cannot be written."""
    reserve = request.reserve_megabytes
    # Surplus pages that become part of the pool are no new memory.
    new = [
        (size, node, pages - state.pools[size].on(node).surplus)
        for size, change in changes.items()
        for node, pages in change.grow.items()
    ]
    needed = sum(size * pages for size, _, pages in new) // 1024
    freed = sum(size * sum(change.release.values()) for size, change in changes.items())
    available = (state.available_kilobytes + freed) // 1024
    # Pages that are there already are nobody's question any more, however little memory is left by now.
    if needed > max(0, available - reserve):
        raise LabError(
            asked=f"{needed * 1024 // request.kilobytes} more pages of {request.kilobytes} kB, {needed} MiB",
            found=f"{available} MiB of memory are available, of which hugepages_reserve_megabytes leaves {reserve} to "
            f"everything else: room for {max(0, available - reserve)} MiB",
            fix="ask for less (hugepages_megabytes, hugepages_count), free memory, or lower "
            "hugepages_reserve_megabytes",
        )
    for size, node, pages in new:
        if node is not None and pages * size > state.node_kilobytes[node]:
            raise LabError(
                asked=f"{pages} more pages of {size} kB on node {node}, {pages * size // 1024} MiB",
                found=f"about {state.node_kilobytes[node] // 1024} MiB are available on that node",
                fix="ask for less there or name other nodes in hugepages_nodes",
            )
    if not state.writable and any(change.moves for change in changes.values()):
        raise LabError(
            asked="change the hugepage pool",
            found=f"{directory(request.kilobytes, None)}/nr_hugepages cannot be written",
            fix="run as root; where somebody else manages the pool (a container's host), set hugepages_manage: false",
        )
