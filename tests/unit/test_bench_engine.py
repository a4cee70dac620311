"""What programs cost: csd_program_bench called, its figures in the report, and the headlines on them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.hello_ebpf.bench import engine
from ansible.module_utils.hello_ebpf.bench.headlines import headlines
from ansible.module_utils.hello_ebpf.errors import LabError

WHO = {"host": "here", "target": "t"}
LOCAL = "127.0.0.1"


def spread(value: float) -> dict[str, float]:
    return {"min": value * 0.9, "median": value, "max": value * 1.1}


def entry(program: str, speed: float, selectivity: float | None = None) -> dict[str, Any]:
    return {
        "program": program,
        "kind": "csd/buffer",
        "parameters": "",
        "engine": "worker",
        "selectivity": selectivity,
        "ns_per_record": spread(2.0),
        "native_ns_per_record": spread(2.0 * speed),
        "speed_of_native": spread(speed),
    }


def printed(*entries: dict[str, Any]) -> dict[str, Any]:
    return {
        "engine": list(entries),
        "compile": [{"program": "grep", "wall_seconds": spread(0.5), "cpu_seconds": spread(0.3), "code_bytes": 8192}],
        "memory_read_bytes_per_s": spread(2e10),
        "memory_read": "every word",
        "native_flags": "-O3",
        "drive_flags": "-O3 -fwrapv",
    }


def installed(tmp_path: Path, bench: str, compiler: str = "exit 0") -> Path:
    """csd_program_bench and csd_compile as scripts."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in (("csd_program_bench", bench), ("csd_compile", compiler)):
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    return folder / "csd_program_bench"


@pytest.mark.parametrize(("repeats", "passes", "compilations"), [(1, "1", "1"), (5, "5", "3"), (1000, "100", "3")])
def test_it_is_called_and_its_figures_are_taken_over(
    repeats: int, passes: str, compilations: str, tmp_path: Path
) -> None:
    (tmp_path / "printed").write_text(json.dumps(printed(entry("grep", 0.9))))
    program = installed(tmp_path, f'echo "$@" >{tmp_path}/asked; cat {tmp_path}/printed')
    found = engine.measure(program, 16, repeats, WHO)
    asked = f"--json --megabytes 16 --repeats {passes} --compiles {compilations} {tmp_path}/programs\n"
    assert (tmp_path / "asked").read_text() == asked
    one = found["engine"][0]
    assert (one["host"], one["target"], one["program"], one["kind"]) == ("here", "t", "grep", "csd/buffer")
    assert (one["ns_per_record"], one["ns_per_record_spread"]) == (2.0, spread(2.0))
    assert (one["native_ns_per_record"], one["native_ns_per_record_spread"]) == (1.8, spread(1.8))
    assert found["compile"] == [{**WHO, **printed()["compile"][0]}]
    assert found["memory"]["bytes_per_s"] == spread(2e10)


def test_a_difference_that_it_found_is_an_error(tmp_path: Path) -> None:
    program = installed(tmp_path, "echo csd_program_bench: grep: it differs >&2; exit 1")
    with pytest.raises(LabError, match=r"Found: exit code 1: csd_program_bench: grep: it differs\."):
        engine.measure(program, 16, 5, WHO)


@pytest.mark.parametrize(
    ("address", "compiler", "why"),
    [
        (LOCAL, "exit 0", ""),
        ("192.0.2.1", "exit 0", "the target is another machine (192.0.2.1); csd_program_bench runs where programs do"),
        (LOCAL, "echo no gcc >&2; exit 3", "csd_compile cannot compile here: no gcc"),
    ],
)
def test_where_nothing_can_be_measured_it_says_why(tmp_path: Path, address: str, compiler: str, why: str) -> None:
    program = installed(tmp_path, "exit 9", compiler)
    assert engine.unavailable(program, address).endswith(why)


def test_without_the_program_it_says_so(tmp_path: Path) -> None:
    assert engine.unavailable(tmp_path / "missing", LOCAL) == f"there is no {tmp_path}/missing"


def test_headlines_are_of_all_programs_together_and_of_the_slowest() -> None:
    entries = [entry("grep", 1.0), entry("top", 0.64), entry("threshold", 0.1, 0.5), entry("threshold", 0.8, 0.01)]
    mean, slowest = headlines([], engine.section_of(printed(*entries), WHO, 1)["engine"], {}, {})
    assert (mean["figure"], mean["found"]["median"]) == ("programs against native C, geometric mean", 0.8)
    assert slowest["figure"] == "the slowest program against native C (top)"
    assert slowest["found"]["median"] == 0.64
    assert {one["host"] for one in (mean, slowest)} == {"here"}


def test_an_earlier_report_without_these_ratios_has_no_such_headline() -> None:
    old = {key: value for key, value in entry("grep", 1.0).items() if key != "speed_of_native"}
    assert headlines([], [{**WHO, **old}], {}, {}) == []
