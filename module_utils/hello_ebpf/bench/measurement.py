# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""One host's baseline against one namespace: when it is to be measured, and the measuring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import LabError
from ..plan import Step
from . import host, report
from .program import Program
from .target_cpu import CpuSeconds, TargetCpu, Ticks, between


@dataclass(frozen=True)
class Settings:
    """How it is measured.

    Attributes:
        selectivities: one run for each.
        repeats: timed passes of each run.
        warm_ups: passes before them that are not counted.
        io_bytes, queue_depths: the settings that are tried; the fastest is used.
        tune_repeats: passes of each setting.
        tune_seconds: what trying them all may take.
    """

    selectivities: tuple[float, ...]
    repeats: int
    warm_ups: int
    io_bytes: tuple[int, ...]
    queue_depths: tuple[int, ...]
    tune_repeats: int
    tune_seconds: int

    def as_dict(self) -> dict[str, Any]:
        return {
            "selectivities": list(self.selectivities),
            "repeats": self.repeats,
            "warm_ups": self.warm_ups,
            "io_bytes": list(self.io_bytes),
            "queue_depths": list(self.queue_depths),
            "tune_repeats": self.tune_repeats,
            "tune_seconds": self.tune_seconds,
        }


@dataclass(frozen=True)
class Subject:
    """What is measured.

    Attributes:
        program: with the place and the data set.
        host_name: the host's name in the report.
        dataset_sha256: the data set's digest, as it was verified; empty: not known yet.
        rpc_socket: the target's, where it may be on this machine; else empty.
        spdk_stamp: the installed SPDK's stamp file.
    """

    program: Program
    host_name: str
    dataset_sha256: str
    rpc_socket: str
    spdk_stamp: Path

    @property
    def label(self) -> str:
        """Names the pair of host and target in a report."""
        return f"{self.host_name} -> {self.program.place}"


class Measurement:
    """``read``, ``plan`` and ``predict`` for ``converge``; ``result`` holds what was measured.

    The state is what the present report was measured from. It is what is asked for when these are today's inputs.

    Args:
        subject: what is measured.
        settings: how.
        recorded: the inputs of the present report, by label.
        force: measure again although nothing changed.
    """

    def __init__(
        self, subject: Subject, settings: Settings, recorded: Mapping[str, Mapping[str, Any]], *, force: bool
    ) -> None:
        self._subject = subject
        self._settings = settings
        self._recorded: Mapping[str, Any] = recorded.get(subject.label, {})
        self._force = force
        self.result: dict[str, Any] = {}

    def inputs(self) -> dict[str, Any]:
        """Everything that a figure depends on and that this project decides."""
        program = self._subject.program
        return {
            "dataset": {
                "records": program.records,
                "seed": program.seed,
                "sha256": self._subject.dataset_sha256,
            },
            "program_sha256": host.digest(program.path),
            "spdk_stamp": host.spdk_build(self._subject.spdk_stamp)["stamp"],
            "place": program.place.identity(),
            "settings": self._settings.as_dict(),
        }

    def read(self) -> dict[str, Any]:
        return dict(self._recorded)

    def plan(self, state: Mapping[str, Any]) -> Sequence[Step]:
        inputs = self.inputs()
        if self._force:
            why = "asked for"
        elif not state:
            why = "there is no report of it"
        elif changed := sorted(name for name in inputs if state.get(name) != inputs[name]):
            why = f"changed: {', '.join(changed)}"
        else:
            return []
        return [Step(f"measure the baseline of {self._subject.label} ({why})", self._measure)]

    def predict(self, state: Mapping[str, Any]) -> dict[str, Any]:
        return self.inputs()

    def _measure(self) -> None:
        program, settings = self._subject.program, self._settings
        answer = program.answer()
        sweep = self._tune()
        best = sweep["best"]
        baseline, cpu = self._baseline(best)
        if self._subject.dataset_sha256 not in {"", answer["sha256"]}:
            raise LabError(
                asked=f"a baseline on the data set with SHA-256 {self._subject.dataset_sha256}",
                found=f"{program.records} records from seed {program.seed} have SHA-256 {answer['sha256']}",
                fix="give the digest that csd_dataset returned for the same records and seed",
            )
        self.result = {
            "label": self._subject.label,
            "inputs": self.inputs(),
            "host": host.facts(),
            "spdk": host.spdk_build(self._subject.spdk_stamp),
            "initiator": program.place.initiator,
            "dataset": report.dataset_of(answer),
            "known_answer": answer["selectivities"],
            "settings": settings.as_dict() | {"chosen": best, "sweep": sweep["sweep"]},
            "runs": report.runs_of(baseline, cpu, self._subject.host_name, str(program.place)),
        }
        report.check_runs(self.result["runs"], answer["selectivities"])
        self._recorded, self._force = self.result["inputs"], False

    def _tune(self) -> dict[str, Any]:
        """The fastest setting, and how the others did."""
        settings = self._settings
        words = ["--io-size", _joined(settings.io_bytes), "--queue-depth", _joined(settings.queue_depths)]
        words += ["--repeats", str(settings.tune_repeats), "--budget", str(settings.tune_seconds)]
        words += ["--selectivity", str(settings.selectivities[0])]
        return self._subject.program.tune(words)

    def _baseline(self, best: Mapping[str, int]) -> tuple[dict[str, Any], dict[float, CpuSeconds]]:
        """The runs, and what each repeat cost the target, by selectivity."""
        settings = self._settings
        clock = TargetCpu(self._subject.rpc_socket, self._subject.program.place.address)
        begun: dict[float, Ticks | None] = {}
        cpu: dict[float, CpuSeconds] = {}

        def on_event(event: str, selectivity: float) -> None:
            ticks = clock.read()
            if event == "begin":
                begun[selectivity] = ticks
            elif ticks is not None and (before := begun[selectivity]) is not None:
                cpu[selectivity] = between(before, ticks, settings.repeats)

        words = ["--io-size", str(best["io_bytes"]), "--queue-depth", str(best["queue_depth"])]
        words += ["--repeats", str(settings.repeats), "--warm-ups", str(settings.warm_ups)]
        words += ["--selectivity", _joined(settings.selectivities)]
        return self._subject.program.baseline(words, on_event), cpu


def _joined(values: Sequence[int | float]) -> str:
    return ",".join(str(value) for value in values)


def render(state: Mapping[str, Any]) -> str:
    """What a report was measured from, one fact a line."""
    if not state:
        return "no report\n"
    lines = []
    for name, value in sorted(state.items()):
        if isinstance(value, Mapping):
            lines += [f"{name}.{key}: {value[key]}" for key in sorted(value)]
        else:
            lines.append(f"{name}: {value}")
    return "".join(f"{line}\n" for line in lines)
