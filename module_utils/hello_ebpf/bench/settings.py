# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""How it is measured, and how that is said to the program csd_bench."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import LabError
from .program import Place, flags, is_block_device

MAX_SLOT = 65535
PROGRAMS = ("threshold", "search", "aggregate", "histogram", "sample", "top")
# From this selectivity on a run returns most of the data: csd_bench takes a second setting for it.
MOST = 0.5
# By way, whose size and whose depth its setting is: --io-size and --queue-depth, io_sizes and queue_depths.
SETTING = {"baseline": ("io", "queue"), "offload": ("range", "range"), "slm": ("chunk", "chunk")}
# The options that a figure depends on; and those that matter only where something runs in the drive.
ALWAYS = ("selectivities", "repeats", "warm_ups", "tune_repeats", "tune_seconds", "link_mbits")
ON_DRIVE = ("compute_nsid", "slm_nsid", "phase_repeats", "engine_megabytes", "link_repeats")


@dataclass(frozen=True)
class Settings:
    """How it is measured.

    Attributes:
        asked: the options of the module csd_bench, which documents them.
        ways: that can be measured there.
        programs: slots by name; empty: the target runs none.
    """

    asked: Mapping[str, Any]
    ways: Sequence[str]
    programs: Mapping[str, int]

    @property
    def on_drive(self) -> bool:
        """Whether anything runs in the drive."""
        return any(way != "baseline" for way in self.ways)

    def as_dict(self) -> dict[str, Any]:
        """What a figure depends on, as the report has it."""
        found = {name: self.asked[name] for name in (*ALWAYS, *(ON_DRIVE if self.on_drive else ()))}
        for way, (size, depth) in SETTING.items():
            if way == "baseline" or self.on_drive:
                found |= {
                    f"{size}_bytes": self.asked[f"{size}_sizes"],
                    f"{depth}_depths": self.asked[f"{depth}_depths"],
                }
        return found | {"ways": self.ways, "programs": self.programs}

    def drive_words(self) -> list[str]:
        """Where the programs are."""
        return flags(compute_nsid=self.asked["compute_nsid"], slm_nsid=self.asked["slm_nsid"])

    def tuned_at(self, way: str) -> list[float]:
        """Selectivities at which a way's setting is chosen: what returns little and what returns most differ."""
        selectivities = self.asked["selectivities"]
        little = 0.01 if 0.01 in selectivities else selectivities[0]
        most = max(selectivities)
        return [little, most] if way != "baseline" and little < MOST <= most else [little]

    def tune_words(self, way: str, selectivity: float) -> list[str]:
        """Arguments for the sweep of one way."""
        asked, (size, depth) = self.asked, SETTING[way]
        words = [*flags(ways=way), *setting_words(way, asked[f"{size}_sizes"], asked[f"{depth}_depths"])]
        words += flags(repeats=asked["tune_repeats"], budget=asked["tune_seconds"], selectivity=selectivity)
        if way != "baseline":
            words += [*flags(program=f"threshold={self.programs.get('threshold', 0)}"), *self.drive_words()]
        return words

    def run_words(self, best: Mapping[str, Sequence[Mapping[str, int]]], only: Sequence[str] = ()) -> list[str]:
        """Arguments for the runs, with the settings of each way: one, or one for little and one for most."""
        words = flags(ways=self.ways, selectivity=self.asked["selectivities"])
        for way, settings in best.items():
            sizes, depths = ([setting[name] for setting in settings] for name in ("io_bytes", "queue_depth"))
            words += setting_words(way, sizes, depths)
        chosen = [f"{name}={slot}" for name, slot in self.programs.items() if not only or name in only]
        return [*words, *flags(program=chosen), *self.drive_words()] if chosen else words


def setting_words(way: str, sizes: Sequence[int], depths: Sequence[int]) -> list[str]:
    """A way's sizes and depths as arguments."""
    size, depth = SETTING[way]
    return flags(**{f"{size}_size": sizes, f"{depth}_depth": depths})


def settings_of(asked: Mapping[str, Any], place: Place) -> Settings:
    """What can be measured at a place: programs run on a namespace, not on a file on its file system.

    Raises:
        LabError: it cannot be measured so.
    """
    programs = slots_of(asked["programs"])
    if programs and (place.initiator == "spdk" or is_block_device(place.path)):
        return Settings(asked, asked["ways"], programs)
    return Settings(asked, ["baseline"], {})


def slots_of(asked: Mapping[str, Any]) -> dict[str, int]:
    """Slots by program, from the module's argument.

    Raises:
        LabError: no such program, or no such slot.
    """
    found = {}
    for name, slot in asked.items():
        if name not in PROGRAMS or not str(slot).isdigit() or int(slot) > MAX_SLOT:
            raise LabError(
                asked=f"programs: {name} in slot {slot}",
                found=f"possible are {', '.join(PROGRAMS)}, each in a slot from 0 to {MAX_SLOT}",
                fix="correct the name or the slot",
            )
        found[name] = int(slot)
    return found
