"""What a run of the hugepages module finds: the kernel's pools, mounts, and what the lab wrote down about its share."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from .errors import LabError

SCHEMA = 1


@dataclass(frozen=True)
class Pages:
    """The pages of one size on one node.

    Attributes:
        total: all pages, those beyond the pool (surplus) included.
        free: pages that no process has touched; some of them may be reserved.
        surplus: pages in use beyond the pool: overcommitted, or in use when the pool was made smaller.
    """

    total: int
    free: int
    surplus: int = 0

    @property
    def pool(self) -> int:
        """The pool's size: what a write to nr_hugepages sets."""
        return self.total - self.surplus


@dataclass(frozen=True)
class Pool:
    """All pages of one size.

    Attributes:
        kilobytes: the size of a page.
        reserved: free pages that a mapping will touch later. The kernel counts them for the whole machine only.
        nodes: pages by NUMA node. A kernel without NUMA has node 0 alone.
    """

    kilobytes: int
    reserved: int
    nodes: Mapping[int, Pages]

    @property
    def size(self) -> int:
        return sum(pages.pool for pages in self.nodes.values())

    @property
    def unused(self) -> int:
        return sum(pages.free for pages in self.nodes.values()) - self.reserved


@dataclass(frozen=True)
class Mount:
    """A mounted filesystem; ``kilobytes`` is hugetlbfs' page size."""

    path: str
    filesystem: str
    kilobytes: int = 0


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
    added: Mapping[int, int]
    absorbed: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class MountRecord:
    """The mount that the lab made; ``made_folder``: its folder too."""

    path: str
    made_folder: bool


@dataclass(frozen=True)
class Record:
    """What the lab added to the running kernel, written down before it is added.

    Attributes:
        boot_id: the boot that this is about. Pools and mounts end with it.
        pools: the lab's share by page size.
        mount: the mount, where the lab made it.
    """

    boot_id: str
    pools: Mapping[int, Share]
    mount: MountRecord | None = None

    def dump(self) -> str:
        return json.dumps({"schema": SCHEMA, **asdict(self)}, indent=1, sort_keys=True) + "\n"

    @staticmethod
    def load(text: str, path: str) -> Record:
        try:
            data: dict[str, Any] = json.loads(text)
            if data["schema"] != SCHEMA:
                raise ValueError(f"schema {data['schema']}")
            pools = {
                int(kilobytes): Share(
                    bool(share["by_node"]),
                    _by_node(share["found"]),
                    _by_node(share["added"]),
                    _by_node(share["absorbed"]),
                )
                for kilobytes, share in data["pools"].items()
            }
            mount = data["mount"]
            made = MountRecord(str(mount["path"]), bool(mount["made_folder"])) if mount else None
            return Record(str(data["boot_id"]), pools, made)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise LabError(
                asked=f"read in {path} which hugepages are the lab's",
                found=f"the file is not what this version writes ({type(error).__name__}: {error})",
                fix="restore it, or remove it: the lab's share is then taken from the boot script, where there is one, "
                "and otherwise every page counts as somebody else's",
            ) from error


@dataclass(frozen=True)
class BootLine:
    """Pages that the boot script adds, or has added; ``node`` None: the kernel chooses. ``found``: before it did."""

    kilobytes: int
    node: int | None
    pages: int
    found: int = 0


@dataclass(frozen=True)
class Boot:
    """What brings the pages back after a reboot; empty texts where there is nothing."""

    script: str = ""
    unit: str = ""
    enabled: bool = False
    fstab: str = ""


@dataclass(frozen=True)
class Setting:
    """A file of somebody else that sets the pool of the default size."""

    path: str
    value: str


@dataclass(frozen=True)
class State:
    """Everything that decides.

    Attributes:
        pools: the kernel's pools by page size.
        default_kilobytes: the page size that vm.nr_hugepages is about.
        available_kilobytes: memory that the kernel can still hand out.
        node_kilobytes: the same by node, estimated: the kernel does not say it.
        mounts: every mount, in the order made.
        folder: what is at the asked mount point: missing, empty or full (of what the mount would hide).
        mount_users: who keeps the lab's mount busy; looked up only when it is to go.
        record: what the lab added in this boot, or in an earlier one.
        boot_id: the running boot.
        booted: what the boot script has added in this boot; None when it did not run.
        script_is_new: the boot script was written in this boot, so after its pages had been added.
        boot: what the next boot will do.
        systemd: systemd is PID 1.
        contained: we run in a container.
        writable: the kernel lets us change the pool.
        setting: the foreign sysctl setting that wins at boot.
        lab_pages: pages of the asked size that processes of the lab hold; looked up only when the pool is not ours.
    """

    pools: Mapping[int, Pool]
    default_kilobytes: int
    available_kilobytes: int
    node_kilobytes: Mapping[int, int]
    mounts: Sequence[Mount]
    folder: str
    mount_users: Sequence[str]
    record: Record | None
    boot_id: str
    booted: Sequence[BootLine] | None
    script_is_new: bool
    boot: Boot
    systemd: bool
    contained: bool
    writable: bool
    setting: Setting | None
    lab_pages: int

    def mounted(self, path: str) -> Mount | None:
        """What one sees at ``path``: the last mount made there."""
        return next((mount for mount in reversed(self.mounts) if mount.path == path), None)


def _by_node(data: Mapping[str, int]) -> dict[int, int]:
    return {int(node): int(pages) for node, pages in data.items()}
