# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""One host against one namespace: when it is to be measured, and the measuring."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import LabError
from ..plan import Step
from . import engine, host, link, ratios, report, workers
from .program import Program, UnavailableError, flags
from .settings import setting_words, settings_of
from .target import CpuSeconds, Target, is_ours

# By way, the settings that were found to be the fastest: one, or one for little and one for most.
Best = Mapping[str, Sequence[Mapping[str, int]]]

WIRE_BYTES = ("wire_bytes_to_host", "wire_bytes_to_target", "wire_bytes_not_parsed")
NAMES = {"baseline": "the baseline", "offload": "offload", "slm": "the standard flow"}


class Measurement:
    """``read``, ``plan`` and ``predict`` for ``converge``; ``result`` holds what was measured.

    The state is what the present report was measured from. It is what is asked for when these are today's inputs.

    Args:
        program: csd_bench, with the place and the data set.
        asked: the arguments of the module csd_bench, which documents them.
    """

    def __init__(self, program: Program, asked: Mapping[str, Any]) -> None:
        self._program = program
        self._asked = asked
        self._settings = settings_of(asked, program.place)
        # The pair of host and target, as each entry of a report has it, and its name there.
        self._who = {"host": asked["host_name"], "target": str(program.place)}
        self._label = ratios.label_of(self._who)
        self._recorded: Mapping[str, Any] = asked["measured_inputs"].get(self._label, {})
        self._force = asked["measure"]
        self._target = Target(asked["target_rpc_socket"], program.place.address)
        self.result: dict[str, Any] = {}

    def inputs(self) -> dict[str, Any]:
        """Everything that a figure depends on and that this project decides."""
        program, asked, on_drive = self._program, self._asked, self._settings.on_drive
        return {
            "dataset": {
                "records": program.records,
                "seed": program.seed,
                "sha256": asked["dataset_sha256"],
            },
            "program_sha256": host.digest(program.path),
            "program_bench_sha256": host.digest(Path(asked["program_bench"])) if on_drive else "",
            "programs": self._target.digests() if on_drive else {},
            "worker_cpus": self._target.worker_cpus() if on_drive else None,
            "spdk_stamp": host.spdk_build(Path(asked["spdk_stamp"]))["stamp"],
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
        ways = " and ".join(NAMES[way] for way in self._settings.ways)
        return [Step(f"measure {ways} of {self._label} ({why})", self._measure)]

    def predict(self, state: Mapping[str, Any]) -> dict[str, Any]:
        return self.inputs()

    def _measure(self) -> None:
        program, asked, settings = self._program, self._asked, self._settings
        # What cannot be done is refused before anything is measured.
        shaper = link.shaper_for(link.interface_to(program.place.address)) if asked["link_mbits"] else None
        answer = program.run("answer")
        if (sha256 := asked["dataset_sha256"]) not in {"", answer["sha256"]}:
            raise LabError(
                asked=f"a measurement on the data set with SHA-256 {sha256}",
                found=f"{program.records} records from seed {program.seed} have SHA-256 {answer['sha256']}",
                fix="give the digest that csd_dataset returned for the same records and seed",
            )
        sweeps = {
            way: [program.run("tune", *settings.tune_words(way, at)) for at in settings.tuned_at(way)]
            for way in settings.ways
        }
        best = {way: [sweep["best"] for sweep in found] for way, found in sweeps.items()}
        measured, runs = self._compare(best, asked["repeats"], asked["warm_ups"])
        wire_source = self._count_wire(best, runs, measured)
        left_out = self.left_out()
        result = {
            "label": self._label,
            "inputs": self.inputs(),
            "host": host.facts(),
            "spdk": host.spdk_build(Path(asked["spdk_stamp"])),
            "initiator": program.place.initiator,
            "dataset": report.dataset_of(answer),
            "known_answer": answer["selectivities"],
            "settings": self._settings_of(sweeps),
            "programs": measured.get("programs", []),
            "wire_source": wire_source,
            "left_out": left_out,
            "runs": runs,
            "phases": self._phases(best) if settings.on_drive else None,
            "workers": self._workers(best) if settings.on_drive else None,
            **({} if "engine" in left_out else self._costs()),
            "links": [] if shaper is None else [self._shaped(shaper, mbits, best) for mbits in asked["link_mbits"]],
        }
        report.check_runs(runs, answer["selectivities"])
        self.result = result
        self._recorded, self._force = result["inputs"], False

    def _settings_of(self, sweeps: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
        """Of the baseline as the first reports had it; the others' beside it."""
        others = {
            way: [
                {"selectivity": at, "chosen": sweep["best"], "sweep": sweep["sweep"]}
                for at, sweep in zip(self._settings.tuned_at(way), found, strict=True)
            ]
            for way, found in sweeps.items()
            if way != "baseline"
        }
        first = next(iter(sweeps.values()))[0]
        return self._settings.as_dict() | {"chosen": first["best"], "sweep": first["sweep"], "ways_chosen": others}

    def _compare(
        self, best: Best, repeats: int, warm_ups: int, *, more: Sequence[str] = (), only: Sequence[str] = ()
    ) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """What the program measured, and the report's runs: with what each repeat cost the target."""
        begun: dict[report.RunKey, CpuSeconds | None] = {}
        cpu: dict[report.RunKey, list[CpuSeconds]] = defaultdict(list)

        def on_event(event: Mapping[str, Any]) -> None:
            spent, key = self._target.cpu(), report.key_of(event)
            if event["event"] == "begin":
                begun[key] = spent
            elif spent is not None and (before := begun[key]) is not None:
                cpu[key].append(spent - before)

        words = [*self._settings.run_words(best, only), *flags(repeats=repeats, warm_ups=warm_ups), *more, "--step"]
        measured = self._program.run("compare", *words, on_event=on_event)
        return measured, report.runs_of(measured, cpu, **self._who)

    def _count_wire(self, best: Best, runs: Sequence[dict[str, Any]], measured: Mapping[str, Any]) -> dict[str, str]:
        """Bytes on the wire by nvme_tcp_trace, in a run of its own: what is timed is not slowed by the counting."""
        timed = {"source": measured.get("wire_source", "none"), "reason": measured.get("wire_reason", "")}
        if timed["source"] == "none":
            return timed
        trace = self._asked["trace"]
        if not Path(trace).exists():
            return timed | {"reason": f"there is no {trace}"}
        counted, counted_runs = self._compare(best, 1, 0, more=flags(trace=trace))
        if counted.get("wire_source") != "nvme_tcp_trace":
            return timed | {"reason": counted.get("wire_reason", "")}
        samples = {report.key_of(run): run["samples"][0] for run in counted_runs}
        for run in runs:
            sample = samples[report.key_of(run)]
            if "wire_bytes_to_host" in sample:
                run |= {f"tcp_bytes_{way}": run[f"wire_bytes_{way}"] for way in ("to_host", "to_target")}
                run |= {name: sample[name] for name in WIRE_BYTES}
        return {"source": "nvme_tcp_trace", "reason": ""}

    def _phases(self, best: Best) -> dict[str, Any]:
        """What each step takes alone; or why it could not be measured."""
        elf = self._asked["phase_program"]
        if not Path(elf).is_file():
            return {"reason": f"{elf} is not on this host, which compiles for itself and is no target"}
        words = [*flags(selectivity=0.01, elf=elf), *self._settings.drive_words()]
        chunk = best["slm"][0]["io_bytes"] if "slm" in best else None
        words += flags(chunk_size=chunk, repeats=self._asked["phase_repeats"], warm_ups=1)
        try:
            return report.phases_of(self._program.run("phases", *words))
        except UnavailableError as error:
            return {"reason": str(error)}

    def _workers(self, best: Best) -> dict[str, Any] | None:
        """What the drive's workers make of a command; None where no threshold program is declared for scans."""
        slot = self._settings.programs.get("threshold")
        if slot is None or "offload" not in best:
            return None
        cpus = self._target.worker_cpus()
        words = [*flags(selectivity=0.01, program=f"threshold={slot}"), *self._settings.drive_words()]
        words += setting_words("offload", [best["offload"][0]["io_bytes"]], workers.depths(cpus))
        words += flags(repeats=self._asked["repeats"], warm_ups=1)
        return workers.section_of(self._program.run("workers", *words), cpus)

    def _costs(self) -> dict[str, Any]:
        """What programs cost, where any run in the drive."""
        asked = self._asked
        if not self._settings.on_drive:
            return {}
        return engine.measure(Path(asked["program_bench"]), asked["engine_megabytes"], asked["repeats"], self._who)

    def left_out(self) -> dict[str, str]:
        """What cannot be told from here, and why."""
        address = self._program.place.address
        found = {}
        if address and not is_ours(address):
            why = f"the target is another machine ({address})"
            found["target_cpu"] = f"{why}; its reactors' counters are told by its RPC socket, to root there alone"
        if self._settings.on_drive and (why := engine.unavailable(Path(self._asked["program_bench"]), address)):
            found["engine"] = why
        return found

    def _shaped(self, shaper: link.Shaper, mbits: int, best: Best) -> dict[str, Any]:
        """The threshold runs again over a slower link."""
        with shaper.at(mbits):
            _, runs = self._compare(best, self._asked["link_repeats"], 0, only=["threshold"])
        shaped = {"mbits": mbits, "interface": shaper.interface, "shaper": shaper.kind}
        return self._who | shaped | {"runs": runs, "ratios": ratios.of_runs(runs)}


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
