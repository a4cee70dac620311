# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""How it is measured, and how that is said to the program csd_bench."""

from __future__ import annotations

import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..errors import LabError
from .program import Place

MAX_SLOT = 65535

# What csd_bench calls the two numbers of each way's setting.
SIZES = {"baseline": "--io-size", "offload": "--range-size", "slm": "--chunk-size"}
DEPTHS = {"baseline": "--queue-depth", "offload": "--range-depth", "slm": "--chunk-depth"}


@dataclass(frozen=True)
class Settings:
    """How it is measured.

    Attributes:
        selectivities: one run for each, of the threshold.
        repeats: timed passes of each run.
        warm_ups: passes before them that are not counted.
        sizes, depths: by way, the settings that are tried; the fastest is used.
        tune_repeats: passes of each setting.
        tune_seconds: what trying all of a way may take.
        ways: baseline, offload, slm.
        programs: slots by name; empty: the target runs none.
        compute_nsid, slm_nsid: namespaces.
        phase_repeats: passes of the phases.
        engine_megabytes: memory that the engine's measurement goes through.
        link_mbits: the threshold runs once more at each of these rates.
        link_repeats: timed passes of those.
    """

    selectivities: tuple[float, ...]
    repeats: int
    warm_ups: int
    sizes: Mapping[str, Sequence[int]]
    depths: Mapping[str, Sequence[int]]
    tune_repeats: int
    tune_seconds: int
    ways: tuple[str, ...] = ("baseline",)
    programs: Mapping[str, int] = field(default_factory=dict)
    compute_nsid: int = 3
    slm_nsid: int = 2
    phase_repeats: int = 5
    engine_megabytes: int = 128
    link_mbits: tuple[int, ...] = ()
    link_repeats: int = 2

    @property
    def on_drive(self) -> bool:
        """Whether anything runs in the drive."""
        return any(way != "baseline" for way in self.ways)

    def for_place(self, place: Place) -> Settings:
        """What can be measured there: programs run on a namespace, not on a file on its file system."""
        on_namespace = place.initiator == "spdk" or _is_block_device(place.path)
        if self.programs and on_namespace:
            return self
        return replace(self, ways=("baseline",), programs={})

    def as_dict(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "selectivities": list(self.selectivities),
            "repeats": self.repeats,
            "warm_ups": self.warm_ups,
            "io_bytes": list(self.sizes["baseline"]),
            "queue_depths": list(self.depths["baseline"]),
            "tune_repeats": self.tune_repeats,
            "tune_seconds": self.tune_seconds,
            "ways": list(self.ways),
            "programs": dict(self.programs),
            "link_mbits": list(self.link_mbits),
        }
        if self.on_drive:
            found |= {
                "range_bytes": list(self.sizes["offload"]),
                "range_depths": list(self.depths["offload"]),
                "chunk_bytes": list(self.sizes["slm"]),
                "chunk_depths": list(self.depths["slm"]),
                "compute_nsid": self.compute_nsid,
                "slm_nsid": self.slm_nsid,
                "phase_repeats": self.phase_repeats,
                "engine_megabytes": self.engine_megabytes,
                "link_repeats": self.link_repeats,
            }
        return found

    def drive_words(self) -> list[str]:
        """Where the programs are."""
        return ["--compute-nsid", str(self.compute_nsid), "--slm-nsid", str(self.slm_nsid)]

    def tuned_at(self, way: str) -> list[float]:
        """Selectivities at which a way's setting is chosen: what returns little and what returns most differ."""
        little = 0.01 if 0.01 in self.selectivities else self.selectivities[0]
        most = max(self.selectivities)
        return [little, most] if way != "baseline" and little < MOST <= most else [little]

    def tune_words(self, way: str, selectivity: float) -> list[str]:
        """Arguments for the sweep of one way."""
        words = [SIZES[way], joined(self.sizes[way]), DEPTHS[way], joined(self.depths[way])]
        words += ["--repeats", str(self.tune_repeats), "--budget", str(self.tune_seconds)]
        words += ["--selectivity", str(selectivity)]
        if way != "baseline":
            words += ["--program", f"threshold={self.programs.get('threshold', 0)}", *self.drive_words()]
        return words

    def run_words(self, best: Mapping[str, Sequence[Mapping[str, int]]], only: Sequence[str] = ()) -> list[str]:
        """Arguments for the runs, with the settings of each way: one, or one for little and one for most."""
        words = ["--selectivity", joined(self.selectivities)]
        for way, settings in best.items():
            words += [SIZES[way], joined([setting["io_bytes"] for setting in settings])]
            words += [DEPTHS[way], joined([setting["queue_depth"] for setting in settings])]
        chosen = {name: slot for name, slot in self.programs.items() if not only or name in only}
        if chosen:
            words += ["--program", ",".join(f"{name}={slot}" for name, slot in chosen.items()), *self.drive_words()]
        return words


# From this selectivity on a run returns most of the data: csd_bench takes a second setting for it.
MOST = 0.5
PROGRAMS = ("threshold", "search", "aggregate", "histogram", "sample", "top")


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


def joined(values: Sequence[int | float]) -> str:
    return ",".join(str(value) for value in values)


def _is_block_device(path: str) -> bool:
    try:
        return stat.S_ISBLK(Path(path).stat().st_mode)
    except OSError:
        return False
