"""Hugepages: what was asked, held against what there is, as the fewest steps from one to the other.

The kernel's pool has many users and one number. How the lab's pages are told from those of others stands in
hugepages_state.py, what survives a reboot in hugepages_boot.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from .errors import LabError
from .hugepages_boot import LINK, RECORD, SCRIPT, UNIT_NAME, files, foreign
from .hugepages_host import FSTAB, FSTAB_SOURCE, Host
from .hugepages_request import Request, check_boot, check_free, check_machine, check_pools
from .hugepages_state import OurMount, Record, Share, State, balance, held, kept, with_share
from .mounts import Mount
from .plan import Step

# systemd mounts this one by itself at boot, with pages of the default size.
SYSTEMD_MOUNT = "/dev/hugepages"


class Hugepages:
    """Reconciles pool, boot script and mount with a request."""

    def __init__(self, request: Request, host: Host) -> None:
        if request.manage is None:
            request = replace(request, manage=not host.contained())
        self.request = request
        self.host = host
        self.read = host.read

    def predict(self, state: State) -> State:
        """The state as asked.

        Raises:
            LabError: what was asked cannot be had; nothing was changed.
        """
        request, host = self.request, self.host
        if request.present:
            check_machine(request, state, host)
        goal = self._mount_goal(state)
        if request.present and not request.manage:
            check_free(request, state, host)
        else:
            shares = self._shares(state)
            pools = {**state.pools, **{size: with_share(state.pools[size], share) for size, share in shares.items()}}
            goal = replace(goal, pools=pools, shares={size: share for size, share in shares.items() if share.pages})
            check_pools(request, state, goal, host)
            goal = replace(goal, boot=self._boot(state))
        return replace(goal, record=self._record(state, goal))

    def _mount_goal(self, state: State) -> State:
        """The state with the mount as asked. One that should go and is in use stays.

        Raises:
            LabError: something else is at its path, or another one of ours cannot go.
        """
        request, host = self.request, self.host
        path, kilobytes = request.mount if request.present else None, request.kilobytes
        ours, mounts = state.ours, list(state.mounts)
        if ours and ours.path != path:
            if users := ", ".join(host.mount_users(ours.path)):
                if path is None:
                    return state
                raise LabError(
                    asked=f"hugetlbfs at {path} in place of {ours.path}",
                    found=f"{ours.path} is in use by {users}",
                    fix="end that use, or leave hugepages_mount as it was",
                )
            mounts = [mount for mount in mounts if mount.path != ours.path]
            ours = None
        if path is None:
            return replace(state, mounts=mounts, ours=None, fstab="")
        there = state.mounted(path)
        if there and (there.filesystem, there.page_kilobytes) != ("hugetlbfs", kilobytes):
            size = f" of {there.page_kilobytes} kB pages" if there.page_kilobytes else ""
            raise LabError(
                asked=f"a hugetlbfs of {kilobytes} kB pages at {path}",
                found=f"{there.filesystem}{size} is mounted there",
                fix="set hugepages_mount to another folder",
            )
        options = f"nosuid,nodev,pagesize={kilobytes}K"
        if not there:
            folder = host.mount_point(path)
            if folder == "full":
                raise LabError(
                    asked=f"mount hugetlbfs at {path}",
                    found="that is no empty folder, and the mount would hide what is there",
                    fix="set hugepages_mount to an empty folder, or to one that does not exist yet",
                )
            ours = OurMount(path, made_folder=folder == "missing" or bool(ours and ours.made_folder))
            mounts.append(Mount("", path, "hugetlbfs", options=options))
        by_itself = path == SYSTEMD_MOUNT and kilobytes == host.default_kilobytes()
        fstab = f"{FSTAB_SOURCE} {path} hugetlbfs {options} 0 0" if ours and not by_itself else ""
        return replace(state, mounts=mounts, ours=ours, fstab=fstab)

    def _shares(self, state: State) -> dict[int, Share]:
        """The lab's share of each pool that it has or wants pages of."""
        sizes = {*state.shares, *([self.request.kilobytes] if self.request.present else [])}
        return {
            size: balance(pool, held(pool, state.shares.get(size)), self.request.by_node(pool))
            for size, pool in state.pools.items()
            if size in sizes
        }

    def _boot(self, state: State) -> Mapping[str, str]:
        if not self.request.present:
            return foreign(state.boot)
        check_boot(state.boot)
        pool = state.pools[self.request.kilobytes]
        return files({pool.folder(node): pages for node, pages in self.request.by_node(pool).items()})

    def _record(self, state: State, goal: State) -> Record | None:
        """The present record where it still tells what is so; what others have changes without us."""
        told = [(there.ours, {size: share.pages for size, share in there.shares.items()}) for there in (state, goal)]
        wanted = bool(goal.shares or goal.ours)
        if told[0] == told[1] and state.pools == goal.pools and wanted == bool(state.record):
            return state.record
        return Record(state.boot_id, goal.shares, goal.ours) if wanted else None

    def _record_meanwhile(self, state: State, goal: State) -> Record | None:
        """While the steps are taken: on each node the more of what the lab has and will have."""
        if state.pools == goal.pools:
            return goal.record or state.record
        shares = {}
        for size, pool in state.pools.items():
            now = held(pool, state.shares.get(size))
            then = goal.shares.get(size, now)
            added = {node: max(pages, then.added[node]) for node, pages in now.added.items()}
            if any(added.values()):
                shares[size] = replace(then, added=added)
        return Record(state.boot_id, shares, goal.ours or state.ours)

    def plan(self, state: State) -> Sequence[Step]:
        """The steps to the goal: the record before the pools grow, and after they shrank."""
        goal = self.predict(state)
        meanwhile = self._record_meanwhile(state, goal)
        return [
            *self._unmounting(state, goal),
            *self._recording(state.record, meanwhile),
            *self._pool_steps(state, goal),
            *self._mounting(state, goal),
            *self._boot_steps(state, goal),
            *self._recording(meanwhile, goal.record),
        ]

    def _unmounting(self, state: State, goal: State) -> Iterator[Step]:
        gone = state.ours
        if gone and (goal.ours is None or goal.ours.path != gone.path):
            there = state.mounted(gone.path)
            undo = partial(self.host.mount, gone, there.page_kilobytes) if there else None
            yield Step(f"unmount {gone.path}", partial(self.host.unmount, gone), undo)

    def _recording(self, before: Record | None, after: Record | None) -> Iterator[Step]:
        if before != after:
            what = "write down what is the lab's" if after else "forget what was the lab's"
            write = partial(self.host.write_record, after) if after else self.host.forget
            yield Step(f"{what} ({RECORD})", write, partial(self.host.write_record, before))

    def _pool_steps(self, state: State, goal: State) -> list[Step]:
        """What is given back comes first: it makes room for what is added."""
        release, grow = [], []
        for size, pool in state.pools.items():
            for node, pages in pool.nodes.items():
                before, after = pages.pool, goal.pools[size].nodes[node].pool
                what = f"{abs(after - before)} pages of {size} kB{pool.on(node)}: {before} -> {after}"
                more = partial(self.host.grow, size, node, abs(after - before))
                less = partial(self.host.shrink, size, node, abs(after - before))
                if after < before:
                    release.append(Step(f"take back {what}", less, more))
                elif after > before:
                    grow.append(Step(f"add {what}", more, partial(self.host.restore, pool)))
        return release + grow

    def _mounting(self, state: State, goal: State) -> Iterator[Step]:
        new, kilobytes = goal.ours, self.request.kilobytes
        if new and self.request.present and not state.mounted(new.path):
            what = f"mount hugetlbfs of {kilobytes} kB pages at {new.path}"
            yield Step(what, partial(self.host.mount, new, kilobytes), partial(self.host.unmount, new))

    def _boot_steps(self, state: State, goal: State) -> Iterator[Step]:
        host = self.host
        if goal.boot != state.boot:
            what = f"add {self.request.pages} pages at boot" if SCRIPT in goal.boot else "add no pages at boot"
            undo = partial(host.write_boot, state.boot)
            yield Step(f"{what} ({SCRIPT})", partial(host.write_boot, goal.boot), undo)
        if goal.fstab != state.fstab:
            what = "mount" if goal.ours else "do not mount"
            undo = partial(host.write_fstab, state.fstab)
            yield Step(f"{what} hugetlbfs at boot ({FSTAB})", partial(host.write_fstab, goal.fstab), undo)

    # ---- tell

    def warnings(self, after: State, *, changed: bool) -> list[str]:
        """What a reader must know although nothing failed."""
        request, host = self.request, self.host
        goal = self.predict(after)
        stay = {size: kept(share, request.by_node(after.pools[size])) for size, share in goal.shares.items()}
        texts = [
            f"{pages} pages of {size} kB that the lab added are in use ({host.holders(size)}) and stay "
            "until their users have ended and this role runs again, or until a reboot"
            for size, pages in stay.items()
            if pages
        ]
        if goal.ours and not request.present:
            users = ", ".join(host.mount_users(goal.ours.path))
            texts.append(
                f"the mount {goal.ours.path}, in use by {users}, stays until it is free and this role runs again, or "
                "until a reboot"
            )
        if not (request.present and request.manage and changed):
            return texts
        if not host.systemd():
            texts.append(
                f"systemd does not run this machine: after a reboot the pages are back only if your init runs {SCRIPT}"
            )
        setting = host.setting()
        if setting and request.kilobytes == host.default_kilobytes():
            texts.append(
                f"{setting}: at boot the lab's pages come on top of that; but sysctl --system sets the whole "
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
            if len(pool.nodes) > 1:
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
