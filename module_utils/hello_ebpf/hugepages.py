"""Hugepages: what was asked, held against what there is, as the fewest steps from one to the other.

The kernel's pool has many users and one number. How the lab's pages are told from those of others stands in
hugepages_share.py, what survives a reboot in hugepages_boot.py, the mount in hugepages_mount.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from .hugepages_boot import LINK, RECORD, SCRIPT, UNIT_NAME, files, foreign
from .hugepages_host import FSTAB, Host
from .hugepages_mount import MountGoal, mount_goal
from .hugepages_pool import Pool
from .hugepages_request import Request, check_boot, check_changes, check_free, check_machine
from .hugepages_share import Change, Share, balance, held
from .hugepages_state import Record, State
from .mounts import Mount
from .plan import Step


@dataclass(frozen=True)
class Goal:
    """What is to be done: the plan before it is steps.

    Attributes:
        pools: the changes of the pools that are ours to change.
        shares: the lab's share of each pool afterwards.
        mount, boot: what becomes of the mount, and what the next boot is to do.
    """

    pools: Mapping[int, Change]
    shares: Mapping[int, Share]
    mount: MountGoal
    boot: Mapping[str, str]

    @property
    def moves(self) -> bool:
        return any(change.moves for change in self.pools.values())


class Hugepages:
    """Reconciles pool, boot script and mount with a request."""

    def __init__(self, request: Request, host: Host) -> None:
        if request.manage is None:
            request = replace(request, manage=not host.contained())
        self.request = request
        self.host = host
        self.read = host.read

    def goal(self, state: State) -> Goal:
        """What is missing from the state.

        Raises:
            LabError: what was asked cannot be had; nothing was changed.
        """
        request = self.request
        if request.present:
            check_machine(request, state)
        mount = mount_goal(state, request.mount if request.present else None, request.kilobytes, self.host)
        if request.present and not request.manage:
            check_free(request, state, self.host)
            return Goal({}, state.shares, mount, state.boot)
        pools = self._changes(state)
        check_changes(request, state, pools)
        if request.present:
            check_boot(state.boot)
        boot = files(request.kilobytes, request.nodes) if request.present else foreign(state.boot)
        return Goal(pools, {size: change.share for size, change in pools.items() if change.share.pages}, mount, boot)

    def plan(self, state: State) -> Sequence[Step]:
        """The steps to the goal: the record before the pools grow, and after they shrank."""
        goal = self.goal(state)
        host, kilobytes = self.host, self.request.kilobytes
        intent, record = self._records(state, goal)
        steps: list[Step] = []
        if gone := goal.mount.unmount:
            there = state.mounted(gone.path)
            undo = partial(host.mount, gone, there.page_kilobytes) if there else None
            steps.append(Step(f"unmount {gone.path}", partial(host.unmount, gone), undo))
        steps += self._record_steps(state.record, intent)
        # What is given back makes room for what is added.
        for size, change in goal.pools.items():
            steps += [self._release(state.pools[size], node, pages) for node, pages in change.release.items()]
        for size, change in goal.pools.items():
            steps += [self._growth(state.pools[size], node, pages) for node, pages in change.grow.items()]
        if new := goal.mount.mount:
            what = f"mount hugetlbfs of {kilobytes} kB pages at {new.path}"
            steps.append(Step(what, partial(host.mount, new, kilobytes), partial(host.unmount, new)))
        if goal.boot != state.boot:
            what = f"add {self.request.pages} pages at boot" if SCRIPT in goal.boot else "add no pages at boot"
            write, undo = partial(host.write_boot, goal.boot), partial(host.write_boot, state.boot)
            steps.append(Step(f"{what} ({SCRIPT})", write, undo))
        if goal.mount.fstab != state.fstab:
            what = "mount" if goal.mount.ours else "do not mount"
            write, undo = partial(host.write_fstab, goal.mount.fstab), partial(host.write_fstab, state.fstab)
            steps.append(Step(f"{what} hugetlbfs at boot ({FSTAB})", write, undo))
        return [*steps, *self._record_steps(intent, record)]

    def _changes(self, state: State) -> dict[int, Change]:
        request = self.request
        changes = {}
        for size in sorted({*state.shares, *([request.kilobytes] if request.present else [])}):
            pool = state.pools[size]
            now = held(pool, state.shares.get(size))
            wanted: dict[int | None, int] = dict.fromkeys(pool.nodes, 0) if now.by_node else {None: 0}
            if request.present and size == request.kilobytes:
                wanted = {**({} if None in request.nodes else dict.fromkeys(pool.nodes, 0)), **request.nodes}
            changes[size] = balance(pool, now, wanted)
        return changes

    def _records(self, state: State, goal: Goal) -> tuple[Record | None, Record | None]:
        """The record to begin with and the one to end with; the present one where it still tells what is so."""
        record = None
        if goal.shares or goal.mount.ours:
            record = Record(state.boot_id, goal.shares, goal.mount.ours)
        same = _told(goal.shares) == _told(state.shares) and goal.mount.ours == state.ours
        if not goal.moves:
            if same and bool(record) == bool(state.record):
                return state.record, state.record
            return record or state.record, record
        # While the steps are taken: on each node the more of what the lab has and will have.
        shares = {}
        for size, change in goal.pools.items():
            now = held(state.pools[size], state.shares.get(size))
            added = {node: max(pages, change.share.added[node]) for node, pages in now.added.items()}
            if any(added.values()):
                shares[size] = replace(change.share if change.share.pages else now, added=added)
        return Record(state.boot_id, shares, goal.mount.ours or state.ours), record

    def _record_steps(self, before: Record | None, after: Record | None) -> list[Step]:
        if before == after:
            return []
        what = "write down what is the lab's" if after else "forget what was the lab's"
        write = partial(self.host.write_record, after) if after else self.host.forget
        return [Step(f"{what} ({RECORD})", write, partial(self.host.write_record, before))]

    def _release(self, pool: Pool, node: int, pages: int) -> Step:
        size, kilobytes = pool.on(node).pool, pool.kilobytes
        return Step(
            f"take back {pages} pages of {kilobytes} kB from node {node}: {size} -> {size - pages}",
            partial(self.host.shrink, kilobytes, node, pages),
            partial(self.host.grow, kilobytes, node, pages),
        )

    def _growth(self, pool: Pool, node: int | None, pages: int) -> Step:
        size, kilobytes = pool.on(node).pool, pool.kilobytes
        where = "" if node is None else f" on node {node}"
        return Step(
            f"add {pages} pages of {kilobytes} kB{where}: {size} -> {size + pages}",
            partial(self.host.grow, kilobytes, node, pages),
            partial(self.host.restore, pool),
        )

    # ---- predict, tell

    def predict(self, state: State) -> State:
        """The state after the planned steps."""
        goal = self.goal(state)
        gone, new = goal.mount.unmount, goal.mount.mount
        mounts = [mount for mount in state.mounts if not gone or mount.path != gone.path]
        if new:
            mounts.append(Mount("", new.path, "hugetlbfs", options=f"pagesize={self.request.kilobytes}K"))
        return replace(
            state,
            pools={**state.pools, **{size: change.apply(state.pools[size]) for size, change in goal.pools.items()}},
            mounts=mounts,
            record=self._records(state, goal)[1],
            shares=goal.shares,
            ours=goal.mount.ours,
            boot=goal.boot,
            fstab=goal.mount.fstab,
        )

    def warnings(self, before: State, after: State, *, changed: bool) -> list[str]:
        """What a reader must know although nothing failed."""
        goal = self.goal(after)
        texts = [
            f"{change.kept} pages of {size} kB that the lab added are in use ({self.host.holders(size)}) and stay "
            "until their users have ended and this role runs again, or until a reboot"
            for size, change in goal.pools.items()
            if change.kept
        ]
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
                f"{before.setting}: at boot the lab's pages come on top of that; but sysctl --system sets the whole "
                "pool back to it, until this role runs again"
            )
        return texts

    def pools(self, state: State) -> list[dict[str, Any]]:
        """The pools with the lab's part in them, for the module's result."""
        return [
            {
                "size_kilobytes": size,
                "pages": pool.size,
                "lab_pages": held(pool, state.shares.get(size)).pages,
                "nodes": {str(node): pages.pool for node, pages in pool.nodes.items()},
            }
            for size, pool in state.pools.items()
            if size in state.shares or size == self.request.kilobytes
        ]

    def render(self, state: State) -> str:
        """The state as text for ``--diff``."""
        lines = []
        for size, pool in state.pools.items():
            share = held(pool, state.shares.get(size))
            lines.append(f"pool of {size} kB pages: {pool.size} ({share.pages} of the lab)")
            if None not in self.request.nodes:
                lines += [
                    f"  node {node}: {pages.pool} ({share.added[node]} of the lab)"
                    for node, pages in pool.nodes.items()
                ]
        hugetlbfs = (mount for mount in state.mounts if mount.filesystem == "hugetlbfs")
        lines += [f"hugetlbfs: {mount.path} ({mount.page_kilobytes} kB pages)" for mount in hugetlbfs]
        lines.append(f"{UNIT_NAME}: {'enabled' if LINK in state.boot else 'not there'}; {SCRIPT}:")
        lines += [f"  {line}" for line in state.boot.get(SCRIPT, "").splitlines()]
        # Other lines of fstab are nobody's business: they may hold passwords.
        lines += [f"{FSTAB}: {state.fstab}"] if state.fstab else []
        return "\n".join(lines) + "\n"


def _told(shares: Mapping[int, Share]) -> dict[int, tuple[bool, int]]:
    """What a record must tell of them; what others have changes without us."""
    return {size: (share.by_node, share.pages) for size, share in shares.items()}
