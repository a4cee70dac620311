"""What a run of the hugepages module finds and changes: pools, mounts, and the lab's share as it was written down.

Whose pages are whose: the lab's come on top of those of others, and only the lab's are ever taken back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from .errors import LabError
from .hugepages_pool import Pages, Pool
from .mounts import Mount, mounted_at

SCHEMA = 1
_BY_NODE = ("found", "added", "absorbed")


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


@dataclass(frozen=True)
class OurMount:
    """The mount that the lab made; ``made_folder``: its folder too."""

    path: str
    made_folder: bool


@dataclass(frozen=True)
class Record:
    """What the lab added to the running kernel, written down before it is added."""

    boot_id: str  # the boot that this is about. Pools and mounts end with it
    pools: Mapping[int, Share]  # the lab's share by page size
    mount: OurMount | None = None  # the mount, where the lab made it

    def dump(self) -> str:
        record = {"schema": SCHEMA, **asdict(self)}
        # by_node: for a release that is to be gone back to.
        record["pools"] = {size: {"by_node": True, **asdict(share)} for size, share in self.pools.items()}
        return json.dumps(record, indent=1, sort_keys=True) + "\n"

    @staticmethod
    def load(text: str, path: str) -> Record:
        try:
            data: dict[str, Any] = json.loads(text)
            if data["schema"] != SCHEMA:
                raise ValueError(f"schema {data['schema']}")
            pools = {
                int(size): Share(*({int(node): int(share[name][node]) for node in share[name]} for name in _BY_NODE))
                for size, share in data["pools"].items()
            }
            mount = data["mount"]
            made = OurMount(str(mount["path"]), bool(mount["made_folder"])) if mount else None
            return Record(str(data["boot_id"]), pools, made)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise LabError(
                asked=f"read in {path} which hugepages are the lab's",
                found=f"the file is not what this version writes ({type(error).__name__}: {error})",
                fix="restore it, or remove it: the lab's share is then taken from the boot script, where there is one, "
                "and otherwise every page counts as somebody else's",
            ) from error


@dataclass(frozen=True)
class State:
    """Everything that steps change."""

    pools: Mapping[int, Pool]  # the kernel's pools by page size
    mounts: Sequence[Mount]  # every mount, in the order made
    boot_id: str  # the running boot
    record: Record | None  # what the lab wrote down in this boot, or in an earlier one
    # the lab's share by page size as it was written down for this boot, in the record or elsewhere
    shares: Mapping[int, Share]
    ours: OurMount | None  # the mount that the lab made in this boot, or that our line in fstab made
    # what brings the pages back after a reboot: the content of those of its files that are there
    boot: Mapping[str, str]
    fstab: str  # our line in it; empty where there is none

    def mounted(self, path: str) -> Mount | None:
        return mounted_at(path, self.mounts)


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
