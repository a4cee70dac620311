"""What the drive's workers make of a command: which settings are measured, and what the report says of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import csd_bench
import pytest
from ansible.module_utils.hello_ebpf.arguments import arguments
from ansible.module_utils.hello_ebpf.bench import workers
from ansible.module_utils.hello_ebpf.bench.headlines import headlines
from ansible.module_utils.hello_ebpf.bench.measurement import Measurement
from ansible.module_utils.hello_ebpf.bench.program import Place, Program
from ansible.module_utils.hello_ebpf.bench.target import Target

SECONDS = {"min": 0.01, "median": 0.02, "max": 0.04}
MEASURED = {
    "bytes": 1000000,
    "program": "threshold",
    "selectivity": 0.01,
    "rest_s": 0.002,
    "range_bytes": 8388608,
    "executes": [{"bytes": 4096, "worker": "asleep", "commands": 200, "seconds": SECONDS, "p99_s": 0.03}],
    "scans": [{"workers": 1, "repeats": 5, "seconds": SECONDS}],
}


@pytest.mark.parametrize(
    ("cpus", "asked"),
    [
        (None, [1]),
        ([1], [1]),
        ([1, 3], [1, 2]),
        ([1, 2, 3], [1, 2, 3]),
        (range(8), [1, 2, 4, 8]),
        (range(1000), [1, 2, 4, 8, 16, 32, 64, 128, 256]),
    ],
)
def test_as_many_workers_as_the_target_has_cpus_for_them(cpus: Sequence[int] | None, asked: list[int]) -> None:
    assert workers.depths(cpus) == asked


def test_one_worker_alone_has_a_reason() -> None:
    assert workers.reason([3]) == "this target runs programs on one CPU, 3: more workers would share it"
    assert workers.reason(None).startswith("on how many CPUs this target runs programs is not known here: ")
    assert workers.reason([1, 2]) == ""


def test_the_section() -> None:
    found = workers.section_of(MEASURED, [1])
    assert found["scans"] == [
        {"workers": 1, "repeats": 5, "bytes_per_s": {"min": 25000000, "median": 50000000, "max": 100000000}}
    ]
    assert found["executes"] == [
        {"bytes": 4096, "worker": "asleep", "commands": 200, "seconds": SECONDS, "p99_seconds": 0.03}
    ]
    assert (found["cpus"], found["rest_seconds"]) == ([1], 0.002)


def test_two_workers_are_compared_where_there_are_cpus_for_them() -> None:
    def measured(cpus: int) -> dict[str, Any]:
        rate = {"min": 9e9, "median": 10e9, "max": 11e9}
        double = {name: value * 1.8 for name, value in rate.items()}
        scans = [{"workers": 1, "bytes_per_s": rate}, {"workers": 2, "bytes_per_s": double}]
        return {"cpus": list(range(cpus)), "scans": scans}

    assert headlines([], [], {}, {"a -> t": measured(1), "b -> t": measured(2)}) == []
    [found] = headlines([], [], {}, {"a -> t": measured(3)})
    assert (found["host"], found["target"], found["found"]["median"]) == ("a", "t", 1.8)


def test_csd_bench_is_asked_for_the_declared_slot_and_the_targets_cpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Sequence[str]] = []

    def answer(self: Program, *words: str) -> dict[str, Any]:
        asked.append(words)
        return MEASURED

    monkeypatch.setattr(Program, "run", answer)
    monkeypatch.setattr(Target, "worker_cpus", lambda _: [1, 2])
    program = Program(tmp_path / "p", Place("spdk", address="127.0.0.1"), 1000, 1)
    defaults = {name: option.get("default") for name, option in arguments(csd_bench.DOCUMENTATION).items()}
    options = {"host_name": "here", "target_rpc_socket": "/socket", "programs": {"threshold": 4}}
    work = Measurement(program, defaults | options)
    found = work._workers({"offload": [{"io_bytes": 8388608, "queue_depth": 4}]})
    assert found == workers.section_of(MEASURED, [1, 2])
    words = "workers --selectivity 0.01 --program threshold=4 --compute-nsid 3 --slm-nsid 2 --range-size 8388608"
    assert asked == [tuple(f"{words} --range-depth 1,2 --repeats 5 --warm-ups 1".split())]
    assert work._workers({"slm": []}) is None
    assert work.inputs()["worker_cpus"] == [1, 2]
