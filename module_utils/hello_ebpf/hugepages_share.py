"""Whose pages are whose: the lab's come on top of those of others, and only the lab's are ever taken back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from .hugepages_pool import Pages, Pool


@dataclass(frozen=True)
class Share:
    """The lab's part of a pool, by node."""

    found: Mapping[int, int]  # the pool's size without the lab's pages
    added: Mapping[int, int] = field(default_factory=dict)  # the lab's pages
    # how many of them were surplus pages of others: growing a pool first turns those into pages of it
    absorbed: Mapping[int, int] = field(default_factory=dict)

    @property
    def pages(self) -> int:
        return sum(self.added.values())


def held(pool: Pool, share: Share | None) -> Share:
    """A share as it is by now: what of ``added`` is still there, and in ``found`` what others have.

    Others have what was found, or more when the pool holds more than found and added together (they grew it
    meanwhile), or less when the pool is smaller than what was found (they shrank it). So a run that was cut off
    between writing the record and growing the pool counts nothing twice. Without a share all is others'.
    """
    size = {node: pages.pool for node, pages in pool.nodes.items()}
    share = share or Share(size)
    ours = {node: max(0, min(share.added.get(node, 0), size[node] - share.found.get(node, 0))) for node in size}
    others = {node: size[node] - ours[node] for node in size}
    return Share(others, ours, {node: share.absorbed.get(node, 0) for node in size})


def balance(pool: Pool, now: Share, wanted: Mapping[int, int]) -> Share:
    """The share that the lab can have, from the one that it holds: as wanted by node, but what is in use stays."""
    added, absorbed = dict(now.added), dict(now.absorbed)
    free_to_go = max(0, pool.unused + sum(absorbed.values()))
    for node, pages in pool.nodes.items():
        missing = _needed(wanted.get(node, 0), absorbed[node]) - added[node]
        if missing > 0:
            added[node] += missing + pages.surplus
            absorbed[node] += pages.surplus
        else:
            part = max(0, min(-missing, pages.free + absorbed[node], free_to_go))
            free_to_go -= part
            added[node] -= part
    return Share(now.found, added, absorbed)


def kept(share: Share, wanted: Mapping[int, int]) -> int:
    """Pages of ours that cannot be taken back now, because they are in use or reserved."""
    needed = {node: _needed(wanted.get(node, 0), share.absorbed[node]) for node in share.added}
    return sum(max(0, pages - needed[node]) for node, pages in share.added.items())


def with_share(pool: Pool, share: Share) -> Pool:
    """The pool, when the lab has this share of it."""
    nodes = {}
    for node, pages in pool.nodes.items():
        more = share.found[node] + share.added[node] - pages.pool
        surplus = 0 if more > 0 else pages.surplus
        nodes[node] = Pages(pages.pool + more + surplus, pages.free + more, surplus)
    return replace(pool, nodes=nodes)


def _needed(wanted: int, absorbed: int) -> int:
    """Surplus pages of others are on top of what is wanted, so that the wanted ones are free."""
    return wanted + absorbed if wanted else 0
