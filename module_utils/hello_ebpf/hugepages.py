"""Hugepages: what was asked, held against what there is, as the fewest steps from one to the other.

The kernel's pool has many users and one number. How the lab's pages are told from those of others stands in
hugepages_share.py, what survives a reboot in hugepages_boot.py, the mount in hugepages_mount.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from . import names
from .errors import LabError, refuse
from .hugepages_boot import FSTAB, FSTAB_SOURCE, RECORD, SCRIPT, UNIT, UNIT_NAME, directory, foreign, script, unit
from .hugepages_host import Host, holders_text
from .hugepages_mount import MountGoal, mount_goal
from .hugepages_share import Change, account, balance, evenly, sizes
from .hugepages_state import Boot, BootLine, Mount, Pages, Pool, Record, Share, State
from .plan import Step


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


@dataclass(frozen=True)
class Goal:
    """What is to be done: the plan before it is steps.

    ``intent`` is the record that the steps start with, ``record`` the one that they end with.
    """

    pools: Mapping[int, Change]
    mount: MountGoal
    boot: Boot
    intent: Record | None
    record: Record | None


class Hugepages:
    """Reconciles pool, boot script and mount with a request."""

    def __init__(self, request: Request, host: Host) -> None:
        if request.manage is None:
            request = replace(request, manage=not host.contained())
        self.request = request
        self.host = host

    # ---- read, plan

    def read(self) -> State:
        request = self.request
        return self.host.read(
            kilobytes=request.kilobytes,
            mount=request.mount,
            keep_mount=request.present,
            count_lab_pages=request.present and not request.manage,
        )

    def goal(self, state: State) -> Goal:
        """What is missing from the state.

        Raises:
            LabError: what was asked cannot be had; nothing was changed.
        """
        request = self.request
        if request.present:
            self._check_pool(state)
        mount = mount_goal(state, request.mount if request.present else None, request.kilobytes)
        boot = Boot(fstab=mount.fstab)
        pools: dict[int, Change] = {}
        if request.present and not request.manage:
            self._check_free(state)
            boot = replace(state.boot, fstab=mount.fstab)
        else:
            pools = self._changes(state)
            self._check_memory(state, pools)
            if not request.present:
                boot = self._without_ours(state.boot, mount.fstab)
            else:
                self._check_places(state.boot)
                boot = Boot(script(self._boot_lines()), unit(), True, mount.fstab)
        self._check_writable(state, pools)
        intent, record = self._records(state, pools, mount)
        return Goal(pools, mount, boot, intent, record)

    def plan(self, state: State) -> Sequence[Step]:
        """The steps to the goal: the record before the pools grow, and after they shrank."""
        goal = self.goal(state)
        steps: list[Step] = []
        if goal.mount.unmount:
            gone = goal.mount.unmount
            there = state.mounted(gone.path)
            steps.append(
                Step(
                    f"unmount {gone.path}",
                    partial(self.host.unmount, gone.path, remove_folder=gone.made_folder),
                    partial(self.host.mount, gone.path, there.kilobytes) if there else None,
                )
            )
        steps += self._record_steps(state.record, goal.intent)
        # What is given back makes room for what is added.
        for kilobytes, change in goal.pools.items():
            steps += self._release_steps(state.pools[kilobytes], change)
        for kilobytes, change in goal.pools.items():
            steps += self._growth_steps(state.pools[kilobytes], change)
        if goal.mount.mount:
            path = goal.mount.mount
            made_folder = state.folder == "missing"
            steps.append(
                Step(
                    f"mount hugetlbfs of {self.request.kilobytes} kB pages at {path}",
                    partial(self.host.mount, path, self.request.kilobytes),
                    partial(self.host.unmount, path, remove_folder=made_folder),
                )
            )
        if replace(goal.boot, fstab="") != replace(state.boot, fstab=""):
            what = f"add {self.request.pages} pages at boot" if goal.boot.script else "add no pages at boot"
            steps.append(
                Step(
                    f"{what} ({SCRIPT})",
                    partial(self.host.write_boot, goal.boot),
                    partial(self.host.write_boot, state.boot),
                )
            )
        if goal.boot.fstab != state.boot.fstab:
            verb = "mount" if goal.mount.record else "do not mount"
            steps.append(
                Step(
                    f"{verb} hugetlbfs at boot ({FSTAB})",
                    partial(self.host.write_fstab, goal.boot.fstab),
                    partial(self.host.write_fstab, state.boot.fstab),
                )
            )
        return [*steps, *self._record_steps(goal.intent, goal.record)]

    def _changes(self, state: State) -> dict[int, Change]:
        request = self.request
        changes = {}
        for kilobytes in sorted(sizes(state) | ({request.kilobytes} if request.present else set())):
            pool = state.pools[kilobytes]
            wanted: dict[int | None, int] = {None: 0}
            if request.present and kilobytes == request.kilobytes:
                wanted = dict(request.nodes)
                if None not in wanted:
                    wanted = {**dict.fromkeys(pool.nodes, 0), **wanted}
            changes[kilobytes] = balance(pool, account(state, kilobytes), wanted)
        return changes

    def _records(
        self, state: State, pools: Mapping[int, Change], mount: MountGoal
    ) -> tuple[Record | None, Record | None]:
        """The record to begin with and the one to end with; the present one where nothing changes."""
        now = state.record
        current = now if now and now.boot_id == state.boot_id else None
        shares = {size: change.share for size, change in pools.items() if change.share}
        if self.request.present and not self.request.manage:
            shares = dict(current.pools) if current else {}
        moves = any(change.grow or change.release for change in pools.values())
        if now and not moves and now.mount == mount.record and _tells(now, current, shares):
            return now, now
        if not shares and not mount.record:
            return (now, None) if not moves else (_intent(state, current, pools, mount), None)
        record = Record(state.boot_id, shares, mount.record)
        return _intent(state, current, pools, mount) or record, record

    def _record_steps(self, before: Record | None, after: Record | None) -> list[Step]:
        if before == after:
            return []
        what = "write down what is the lab's" if after else "forget what was the lab's"
        return [
            Step(
                f"{what} ({RECORD})",
                partial(self.host.write_record, after) if after else self.host.forget,
                partial(self.host.write_record, before),
            )
        ]

    def _release_steps(self, pool: Pool, change: Change) -> list[Step]:
        kilobytes = pool.kilobytes
        steps = []
        for node, pages in change.release.items():
            size = pool.nodes[node].pool
            steps.append(
                Step(
                    f"take back {pages} pages of {kilobytes} kB from node {node}: {size} -> {size - pages}",
                    partial(self.host.shrink, kilobytes, node, pages),
                    partial(self.host.grow, kilobytes, node, pages),
                )
            )
        return steps

    def _growth_steps(self, pool: Pool, change: Change) -> list[Step]:
        kilobytes = pool.kilobytes
        steps = []
        for scope, pages in change.grow.items():
            size = pool.size if scope is None else pool.nodes[scope].pool
            where = "" if scope is None else f" on node {scope}"
            steps.append(
                Step(
                    f"add {pages} pages of {kilobytes} kB{where}: {size} -> {size + pages}",
                    partial(self.host.grow, kilobytes, scope, pages),
                    partial(self.host.restore, pool),
                )
            )
        return steps

    def _boot_lines(self) -> list[BootLine]:
        nodes = self.request.nodes.items()
        return [BootLine(self.request.kilobytes, node, pages) for node, pages in nodes if pages]

    @staticmethod
    def _without_ours(boot: Boot, fstab: str) -> Boot:
        """What somebody else has in the place of our script or unit stays."""
        unit_stays = foreign(boot.unit)
        kept = boot.script if foreign(boot.script) else "", boot.unit if unit_stays else ""
        return Boot(*kept, enabled=unit_stays and boot.enabled, fstab=fstab)

    # ---- preflight

    @staticmethod
    def _check_places(boot: Boot) -> None:
        for path, text in ((SCRIPT, boot.script), (UNIT, boot.unit)):
            if foreign(text):
                raise LabError(
                    asked=f"{path} for the lab's hugepages at boot",
                    found="there is one that the lab did not write",
                    fix="rename it, or set hugepages_manage: false",
                )

    def _check_pool(self, state: State) -> None:
        request = self.request
        if request.kilobytes not in state.pools:
            there = ", ".join(map(str, state.pools))
            raise LabError(
                asked=f"hugepages of {request.kilobytes} kB",
                found=f"this kernel has pages of {there} kB" if there else "this kernel has no hugepages at all",
                fix="set hugepages_size_kilobytes to one of those" if there else "boot one with CONFIG_HUGETLBFS",
            )
        asked_nodes = {node for node in request.nodes if node is not None}
        unknown = sorted(asked_nodes - set(state.node_kilobytes))
        if unknown:
            raise LabError(
                asked=f"hugepages on NUMA node {', '.join(map(str, unknown))}",
                found=f"this machine has node {', '.join(map(str, state.node_kilobytes))}"
                if state.node_kilobytes
                else "this kernel knows no NUMA nodes",
                fix="name those in hugepages_nodes, or set hugepages_count instead",
            )
        if request.manage and state.contained:
            raise LabError(
                asked=f"reserve {request.pages} pages of {request.kilobytes} kB",
                found="this is a container: the pool is its host's, and all containers share it",
                fix="run this role on the host, and set hugepages_manage: false here (then it only checks that "
                "enough pages are free)",
            )

    def _check_writable(self, state: State, pools: Mapping[int, Change]) -> None:
        if not state.writable and any(change.grow or change.release for change in pools.values()):
            raise LabError(
                asked="change the hugepage pool",
                found=f"{directory(self.request.kilobytes, None)}/nr_hugepages cannot be written",
                fix="run as root; where somebody else manages the pool (a container's host), set "
                "hugepages_manage: false",
            )

    def _check_free(self, state: State) -> None:
        request = self.request
        pool = state.pools[request.kilobytes]
        if pool.unused + state.lab_pages < request.pages:
            holders = holders_text(self.host.holders(request.kilobytes))
            raise LabError(
                asked=f"{request.pages} pages of {request.kilobytes} kB in a pool that is managed elsewhere "
                "(hugepages_manage: false)",
                found=f"{pool.unused} of {pool.size} are free, the lab's own processes hold {state.lab_pages} "
                f"({holders})",
                fix=f"have at least {request.pages - pool.unused - state.lab_pages} more reserved there, or ask for "
                "fewer",
            )
        for node, pages in request.nodes.items():
            if node is not None and pool.nodes[node].pool < pages:
                raise LabError(
                    asked=f"{pages} pages of {request.kilobytes} kB on node {node}, managed elsewhere",
                    found=f"the pool of that node has {pool.nodes[node].pool}",
                    fix="have more reserved there, or name other nodes in hugepages_nodes",
                )

    def _check_memory(self, state: State, pools: Mapping[int, Change]) -> None:
        """Hold the memory that is to be allocated against what is left after what is given back."""
        reserve = self.request.reserve_megabytes
        freed = sum(size * sum(change.release.values()) for size, change in pools.items())
        needed = sum(size * sum(change.allocated.values()) for size, change in pools.items())
        left = (state.available_kilobytes + freed) // 1024 - reserve
        # Pages that are there already are nobody's question any more, however little memory is left by now.
        if needed and needed // 1024 > left:
            pages = needed // self.request.kilobytes
            raise LabError(
                asked=f"{pages} more pages of {self.request.kilobytes} kB, {needed // 1024} MiB",
                found=f"{(state.available_kilobytes + freed) // 1024} MiB of memory are available, of which "
                f"hugepages_reserve_megabytes leaves {reserve} to everything else: room for {max(0, left)} MiB",
                fix="ask for less (hugepages_megabytes, hugepages_count), free memory, or lower "
                "hugepages_reserve_megabytes",
            )
        for size, change in pools.items():
            for node, pages in change.allocated.items():
                if node is not None and pages * size > state.node_kilobytes[node]:
                    raise LabError(
                        asked=f"{pages} more pages of {size} kB on node {node}, {pages * size // 1024} MiB",
                        found=f"about {state.node_kilobytes[node] // 1024} MiB are available on that node",
                        fix="ask for less there or name other nodes in hugepages_nodes",
                    )

    # ---- predict, tell

    def predict(self, state: State) -> State:
        """The state after the planned steps."""
        goal = self.goal(state)
        mounts = list(state.mounts)
        if goal.mount.unmount:
            mounts = [mount for mount in mounts if mount.path != goal.mount.unmount.path]
        if goal.mount.mount:
            mounts.append(Mount(goal.mount.mount, "hugetlbfs", self.request.kilobytes))
        pools = {size: _after(pool, goal.pools.get(size, Change())) for size, pool in state.pools.items()}
        booted = state.booted if goal.record else None
        return replace(state, pools=pools, mounts=mounts, boot=goal.boot, record=goal.record, booted=booted)

    def warnings(self, before: State, after: State, *, changed: bool) -> list[str]:
        """What a reader must know although nothing failed."""
        texts = []
        goal = self.goal(after)
        for size, change in goal.pools.items():
            if change.kept:
                holders = holders_text(self.host.holders(size))
                texts.append(
                    f"{change.kept} pages of {size} kB that the lab added are in use ({holders}) and stay until their "
                    "users have ended and this role runs again, or until a reboot"
                )
        if goal.mount.kept:
            texts.append(f"{goal.mount.kept}, stays until it is free and this role runs again, or until a reboot")
        if not (self.request.present and self.request.manage and changed):
            return texts
        if not before.systemd:
            texts.append(
                f"systemd does not run this machine: after a reboot the pages are back only if your init runs {SCRIPT}"
            )
        if before.setting and self.request.kilobytes == before.default_kilobytes:
            texts.append(
                f"{before.setting.path} sets vm.nr_hugepages = {before.setting.value}: at boot the lab's pages come on "
                "top of that; but sysctl --system sets the whole pool back to it, until this role runs again"
            )
        return texts

    def pools(self, state: State) -> list[dict[str, Any]]:
        """The pools with the lab's part in them, for the module's result."""
        told = []
        for size in sorted(sizes(state) | ({self.request.kilobytes} & set(state.pools))):
            owned = account(state, size)
            told.append(
                {
                    "size_kilobytes": size,
                    "pages": state.pools[size].size,
                    "lab_pages": sum(owned.ours.values()),
                    "nodes": {str(node): pages.pool for node, pages in state.pools[size].nodes.items()},
                }
            )
        return told

    def render(self, state: State) -> str:
        """The state as text for ``--diff``."""
        lines = []
        for size, pool in state.pools.items():
            owned = account(state, size)
            ours = sum(owned.ours.values())
            lines.append(f"pool of {size} kB pages: {pool.size} ({ours} of the lab)")
            if None not in self.request.nodes:
                lines += [
                    f"  node {node}: {pages.pool} ({owned.ours[node]} of the lab)" for node, pages in pool.nodes.items()
                ]
        lines += [
            f"hugetlbfs: {mount.path} ({mount.kilobytes} kB pages)"
            for mount in state.mounts
            if mount.filesystem == "hugetlbfs"
        ]
        lines.append(f"{UNIT_NAME}: {'enabled' if state.boot.enabled else 'not there'}; {SCRIPT}:")
        lines += [f"  {line}" for line in state.boot.script.splitlines()]
        # Other lines of fstab are nobody's business: they may hold passwords.
        lines += [f"{FSTAB}: {line}" for line in state.boot.fstab.splitlines() if line.startswith(FSTAB_SOURCE)]
        return "\n".join(lines) + "\n"


def _nodes(asked: Mapping[Any, Any]) -> dict[int | None, int]:
    try:
        return {int(node): int(pages) for node, pages in asked.items()}
    except (ValueError, TypeError):
        raise LabError(
            asked=f"hugepages_nodes: {dict(asked)}",
            found="something that is not a node's number and a number of pages",
            fix="write it as {0: 512, 1: 512}",
        ) from None


def _tells(record: Record, current: Record | None, shares: Mapping[int, Share]) -> bool:
    """The record says what the lab has. One of another boot does not; then the boot script's note must."""
    if not current:
        return bool(shares)
    if set(record.pools) != set(shares):
        return False
    return all(
        record.pools[size].by_node == share.by_node
        and sum(record.pools[size].added.values()) == sum(share.added.values())
        for size, share in shares.items()
    )


def _intent(state: State, current: Record | None, pools: Mapping[int, Change], mount: MountGoal) -> Record | None:
    """The record to hold while the steps are taken: on each node the more of what the lab has and will have."""
    shares: dict[int, Share] = {}
    for size, change in pools.items():
        owned = account(state, size)
        if change.share is None and not any(owned.ours.values()):
            continue
        coming = change.share or Share(
            bool(owned.recorded and owned.recorded.by_node), owned.others, {}, owned.absorbed
        )
        added = {node: max(owned.ours[node], coming.added.get(node, 0)) for node in owned.ours}
        shares[size] = replace(coming, added=added)
    if not shares and not mount.record:
        return None
    return Record(state.boot_id, shares, mount.record or (current.mount if current else None))


def _after(pool: Pool, change: Change) -> Pool:
    """A pool after a change; without a choice of nodes the even spread that the kernel aims at."""
    nodes = {node: Pages(pages.total, pages.free, pages.surplus) for node, pages in pool.nodes.items()}
    for scope, pages in change.grow.items():
        for node, part in evenly(pages, nodes if scope is None else [scope]).items():
            old = nodes[node]
            nodes[node] = Pages(old.pool + part, old.free + part, 0)
    for node, part in change.release.items():
        old = nodes[node]
        nodes[node] = Pages(old.total - part, old.free - part, old.surplus)
    return replace(pool, nodes=nodes)
