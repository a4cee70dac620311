"""Whose pages are whose: the lab's come on top of those of others, and only the lab's are ever taken back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .hugepages_boot import script_lines
from .hugepages_state import BootLine, Pool, Share, State


@dataclass(frozen=True)
class Account:
    """The pages of a pool by owner, by node.

    Attributes:
        ours: pages that the lab added and that are still there.
        others: the rest.
        absorbed: pages of ours that were surplus pages of others.
        recorded: what this was told from; None when nothing says that the lab added any.
    """

    ours: Mapping[int, int]
    others: Mapping[int, int]
    absorbed: Mapping[int, int]
    recorded: Share | None


@dataclass(frozen=True)
class Change:
    """What is to be done with one pool.

    Attributes:
        grow: pages to add, by node, or under None for all nodes together.
        allocated: how many of them are new memory; the others are surplus pages that become part of the pool.
        release: pages to take back, by node.
        kept: pages of ours that cannot be taken back now, because they are in use or reserved.
        share: what the lab has afterwards; None for nothing.
    """

    grow: Mapping[int | None, int] = field(default_factory=dict)
    allocated: Mapping[int | None, int] = field(default_factory=dict)
    release: Mapping[int, int] = field(default_factory=dict)
    kept: int = 0
    share: Share | None = None


def account(state: State, kilobytes: int) -> Account:
    """Tell the lab's pages from those of others.

    What others have is what was found before the lab added its pages, or more when the pool holds more than both
    together (they grew it meanwhile), or less when the pool is smaller than what was found (they shrank it). So a
    run that was cut off between writing the record and growing the pool counts nothing twice.
    """
    pool = state.pools[kilobytes]
    share = _recorded(state, kilobytes)
    size = {node: pages.pool for node, pages in pool.nodes.items()}
    if share is None:
        return Account(dict.fromkeys(size, 0), size, dict.fromkeys(size, 0), None)
    more = {node: max(0, size[node] - share.found.get(node, 0)) for node in size}
    ours = {node: min(share.added.get(node, 0), more[node]) for node in size}
    if not share.by_node:
        # The kernel chose the nodes: what lies elsewhere than the record guessed is ours too.
        more_in_all = max(0, sum(size.values()) - sum(share.found.values()))
        left = min(sum(share.added.values()), more_in_all) - sum(ours.values())
        for node in size:
            further = max(0, min(left, more[node] - ours[node]))
            ours[node] += further
            left -= further
    others = {node: size[node] - ours[node] for node in size}
    return Account(ours, others, {node: share.absorbed.get(node, 0) for node in size}, share)


def balance(pool: Pool, owned: Account, wanted: Mapping[int | None, int]) -> Change:
    """The way from what the lab has to what it wants: pages by node, or under None for all nodes together."""
    grow: dict[int | None, int] = {}
    allocated: dict[int | None, int] = {}
    release = dict.fromkeys(pool.nodes, 0)
    absorbed = dict(owned.absorbed)
    after = dict(owned.ours)
    kept = 0
    free_to_go = max(0, pool.unused + sum(absorbed.values()))
    for scope, pages in wanted.items():
        members = sorted(pool.nodes) if scope is None else [scope]
        has = sum(owned.ours[node] for node in members)
        missing = pages - has + (sum(absorbed[node] for node in members) if pages else 0)
        if missing > 0:
            allocated[scope] = missing
            for node in members:
                absorbed[node] += pool.nodes[node].surplus
                missing += pool.nodes[node].surplus
            grow[scope] = missing
            for node, part in evenly(missing, members).items():
                after[node] += part
        elif missing < 0:
            room = {node: min(owned.ours[node], pool.nodes[node].free + absorbed[node]) for node in members}
            for _ in range(-missing):
                node = max(room, key=lambda node: room[node])
                if room[node] == 0 or free_to_go == 0:
                    break
                room[node] -= 1
                free_to_go -= 1
                release[node] += 1
                after[node] -= 1
            kept += -missing - sum(release[node] for node in members)
    by_node = None not in wanted
    if not any(after.values()):
        share = None
    elif not any(wanted.values()):
        share = Share(owned.recorded.by_node if owned.recorded else by_node, owned.others, after, absorbed)
    else:
        share = Share(by_node, owned.others, after, absorbed)
    return Change(grow, allocated, {node: part for node, part in release.items() if part}, kept, share)


def sizes(state: State) -> set[int]:
    """The page sizes that the lab has, or may have, pages of."""
    lines = (*(state.booted or ()), *lost(state))
    recorded = state.record.pools if state.record and state.record.boot_id == state.boot_id else {}
    return {size for size in (*recorded, *(line.kilobytes for line in lines)) if size in state.pools}


def lost(state: State) -> list[BootLine]:
    """The pages that the boot script names, where it is all that tells of them: the record was lost.

    A script of an earlier boot tells nothing: what is in the pool now may be all of others.
    """
    if state.record is not None or state.booted is not None or not state.script_is_new:
        return []
    return script_lines(state.boot.script)


def evenly(pages: int, nodes: Iterable[int]) -> dict[int, int]:
    """Pages spread over nodes as the kernel does it where it can."""
    order = sorted(nodes)
    each, rest = divmod(pages, len(order))
    return {node: each + (position < rest) for position, node in enumerate(order)}


def _recorded(state: State, kilobytes: int) -> Share | None:
    """What tells the lab's share: the record of this boot, else what the boot script noted, else the script itself."""
    if state.record and state.record.boot_id == state.boot_id:
        return state.record.pools.get(kilobytes)
    lines = [line for line in (*(state.booted or ()), *lost(state)) if line.kilobytes == kilobytes]
    if not lines:
        return None
    nodes = state.pools[kilobytes].nodes
    if lines[0].node is None:
        return Share(False, evenly(lines[0].found, nodes), evenly(lines[0].pages, nodes))
    return Share(
        True,
        {line.node: line.found for line in lines if line.node is not None},
        {line.node: line.pages for line in lines if line.node is not None},
    )
