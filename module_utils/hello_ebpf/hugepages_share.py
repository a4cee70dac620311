"""Whose pages are whose: the lab's come on top of those of others, and only the lab's are ever taken back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from .hugepages_pool import Pages, Pool


@dataclass(frozen=True)
class Share:
    """The lab's part of a pool, by node.

    Attributes:
        by_node: the nodes were chosen; otherwise only the sum was asked for, and the kernel chose them.
        found: the pool's size without the lab's pages.
        added: the lab's pages.
        absorbed: how many of them were surplus pages of others: growing a pool first turns those into pages of it.
    """

    by_node: bool
    found: Mapping[int, int]
    added: Mapping[int, int] = field(default_factory=dict)
    absorbed: Mapping[int, int] = field(default_factory=dict)

    @property
    def pages(self) -> int:
        return sum(self.added.values())


@dataclass(frozen=True)
class Change:
    """What is to be done with one pool.

    Attributes:
        share: what the lab has afterwards.
        grow: pages to add, by node, or under None for all nodes together.
        release: pages to take back, by node.
        kept: pages of ours that cannot be taken back now, because they are in use or reserved.
    """

    share: Share
    grow: Mapping[int | None, int]
    release: Mapping[int, int]
    kept: int

    @property
    def moves(self) -> bool:
        return bool(self.grow or self.release)

    def apply(self, pool: Pool) -> Pool:
        """The pool afterwards; without a choice of nodes with the even spread that the kernel aims at."""
        nodes = dict(pool.nodes)
        for scope, pages in self.grow.items():
            for node, part in evenly(pages, nodes if scope is None else [scope]).items():
                nodes[node] = Pages(nodes[node].pool + part, nodes[node].free + part)
        for node, part in self.release.items():
            nodes[node] = replace(nodes[node], total=nodes[node].total - part, free=nodes[node].free - part)
        return replace(pool, nodes=nodes)


def held(pool: Pool, share: Share | None) -> Share:
    """A share as it is by now: what of ``added`` is still there, and in ``found`` what others have.

    Others have what was found, or more when the pool holds more than found and added together (they grew it
    meanwhile), or less when the pool is smaller than what was found (they shrank it). So a run that was cut off
    between writing the record and growing the pool counts nothing twice. Without a share all is others'.
    """
    size = {node: pages.pool for node, pages in pool.nodes.items()}
    share = share or Share(False, size)
    more = {node: max(0, size[node] - share.found.get(node, 0)) for node in size}
    ours = {node: min(share.added.get(node, 0), more[node]) for node in size}
    if not share.by_node:
        # The kernel chose the nodes: what lies elsewhere than the record guessed is ours too.
        left = min(share.pages, pool.size - sum(share.found.values())) - sum(ours.values())
        for node in size:
            further = max(0, min(left, more[node] - ours[node]))
            ours[node] += further
            left -= further
    others = {node: size[node] - ours[node] for node in size}
    return Share(share.by_node, others, ours, {node: share.absorbed.get(node, 0) for node in size})


def balance(pool: Pool, now: Share, wanted: Mapping[int | None, int]) -> Change:
    """The way from the share that the lab holds to what it wants: pages by node, or under None for all together."""
    grow: dict[int | None, int] = {}
    release = dict.fromkeys(pool.nodes, 0)
    added, absorbed = dict(now.added), dict(now.absorbed)
    kept = 0
    free_to_go = max(0, pool.unused + sum(absorbed.values()))
    for scope, pages in wanted.items():
        members = sorted(pool.nodes) if scope is None else [scope]
        missing = pages - sum(added[node] for node in members)
        if pages:
            missing += sum(absorbed[node] for node in members)
        if missing > 0:
            for node in members:
                absorbed[node] += pool.nodes[node].surplus
            grow[scope] = missing + pool.on(scope).surplus
            for node, part in evenly(grow[scope], members).items():
                added[node] += part
        elif missing < 0:
            room = {node: min(added[node], pool.nodes[node].free + absorbed[node]) for node in members}
            for _ in range(-missing):
                node = max(room, key=lambda node: room[node])
                if room[node] == 0 or free_to_go == 0:
                    break
                room[node] -= 1
                free_to_go -= 1
                release[node] += 1
                added[node] -= 1
            kept += -missing - sum(release[node] for node in members)
    share = Share(None not in wanted, now.found, added, absorbed)
    return Change(share, grow, {node: part for node, part in release.items() if part}, kept)


def evenly(pages: int, nodes: Iterable[int]) -> dict[int, int]:
    """Pages spread over nodes as the kernel does it where it can."""
    order = sorted(nodes)
    each, rest = divmod(pages, len(order))
    return {node: each + (position < rest) for position, node in enumerate(order)}
