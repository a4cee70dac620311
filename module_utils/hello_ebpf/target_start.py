# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""The bdevs that a target's start brings about: those of its saved configuration, and the declared ones after it.

What bdevs in memory hold ends with the process. So one of them that is to be made anew becomes the declared one in the
file already: the old one might not fit into the memory of the start any more. What may not be made anew is refused
while the target with its data still runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from .jsonrpc import Call
from .spdk_target import saved
from .spdk_target.bdevs import CREATES, MEMORY_TYPES, OWN_MEMORY_TYPES, Bdev
from .spdk_target.changes import bdev
from .spdk_target.goal import Options, bdevs_to_reach
from .spdk_target.tree import Tree
from .target_memory import Memory


@dataclass(frozen=True)
class Start:
    """What is to come."""

    config_file: Path  # the saved configuration
    bdevs: Mapping[str, Bdev]  # those that will be there, by name
    anew: tuple[tuple[Bdev, Bdev], ...]  # bdevs in memory that the file holds otherwise, each with what takes its place

    @property
    def summary(self) -> str:
        """The change of the file in words."""
        words = [f"{new.type} bdev {new.name}, {new.size}, for {old.type}, {old.size}" for old, new in self.anew]
        return f"write {'; '.join(words)}, to {self.config_file}, as its data end with the process"

    def memory(self, start: Memory) -> Memory:
        """What it takes at its start, and what these bdevs take."""
        own = [one for one in self.bdevs.values() if one.type in OWN_MEMORY_TYPES]
        sizes = [(f"{one.type} bdev {one.name}", (one.block_size or 0) * (one.num_blocks or 0)) for one in own]
        return replace(start, own=tuple(sizes))

    def write(self) -> None:
        """The declared bdevs into the file, in the places of those that they are to be."""
        anew = {new.name: bdev(new).bring for _, new in self.anew}
        config = saved.read_file(str(self.config_file)).config or {}
        saved.write_file(
            str(self.config_file),
            {subsystem: [_renewed(call, anew) for call in calls] for subsystem, calls in config.items()},
        )


def start(config_file: Path, declared: Tree, recreate: str) -> Start:
    """What a start with this file brings about, and what is declared beyond that.

    Raises:
        LabError: a bdev is otherwise than declared, and may not be made anew.
    """
    found = saved.tree_of_file(saved.read_file(str(config_file)))
    bdevs = bdevs_to_reach(found, declared, Options(recreate=recreate))
    pairs = [(item, bdevs[name]) for name, item in found.bdevs.items() if item.type in MEMORY_TYPES]
    return Start(config_file, bdevs, tuple((old, new) for old, new in pairs if old != new))


def _renewed(call: saved.SavedCall, anew: Mapping[str, Call]) -> saved.SavedCall:
    """A saved call, or where it makes one of these bdevs, the call that makes it as declared."""
    wanted = anew.get(str((call.get("params") or {}).get("name")))
    if wanted is None or call.get("method") not in CREATES:
        return call
    return {"method": wanted.method, "params": dict(wanted.params)}
