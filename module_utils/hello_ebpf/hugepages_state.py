"""What a run of the hugepages module finds and changes: pools, mounts, and what the lab wrote down about its share."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .errors import LabError
from .hugepages_pool import Pool
from .hugepages_share import Share
from .mounts import Mount, mounted_at

SCHEMA = 1
_BY_NODE = ("found", "added", "absorbed")


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
