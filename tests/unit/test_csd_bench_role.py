"""The role csd_bench: what it refuses before anything is changed, and in which words; the page of its report."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from report_page import html
from report_sample import LABEL, measurement

ROOT = Path(__file__).resolve().parents[2]


def play(tmp_path: Path, part: str, variables: dict[str, Any], *words: str) -> str:
    """Run one part of the role alone; return what ansible-playbook printed."""
    include = {"name": "csd_bench", "tasks_from": part}
    tasks = [{"ansible.builtin.include_role": include}]
    book, told = tmp_path / "play.yml", tmp_path / "variables.json"
    book.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]))
    told.write_text(json.dumps({"ansible_python_interpreter": sys.executable, **variables}))
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    command = [program, "-i", "localhost,", "-c", "local", str(book), "-e", f"@{told}", *words]
    environment = {
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "LAB_RUN_FILE": str(tmp_path / "run.jsonl"),
        "ANSIBLE_ROLES_PATH": str(ROOT / "roles"),
        "COLUMNS": "1000",
    }
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    return done.stdout


def preflight(tmp_path: Path, **variables: Any) -> str:
    return play(tmp_path, "preflight", variables)


def test_a_report_that_was_written_has_its_page(tmp_path: Path) -> None:
    result = {"label": LABEL, "changed": True, "measurement": measurement(), "unavailable": ""}
    reports = tmp_path / "reports"
    asked = {"csd_bench_reports": str(reports), "__csd_bench_measured": {"changed": True, "results": [result]}}
    # One task tells and predicts the report and its page.
    predicted = play(tmp_path, "report", asked, "--check")
    assert "changed=1 " in predicted
    assert not reports.exists()
    assert "changed=1 " in play(tmp_path, "report", asked)
    page = (reports / "latest/report.html").read_text()
    assert page == html(json.loads((reports / "latest/report.json").read_text()))
    assert (reports / "latest/report.html").stat().st_mode & 0o777 == 0o644
    result["changed"] = False
    assert "changed=0" in play(tmp_path, "report", asked)


def test_the_defaults_pass(tmp_path: Path) -> None:
    assert "failed=0" in preflight(tmp_path)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        (
            {"csd_bench_selectivities": [0.01, 0.02]},
            "Asked: csd_bench_selectivities 0.01, 0.02. Found: the data set is exact at 0.001, 0.01, 0.1, 0.5 and 1 "
            "only. Do: choose from these, at least one.",
        ),
        (
            {"csd_bench_io_sizes": [1000], "csd_bench_queue_depths": [1]},
            "Asked: csd_bench_io_sizes 1000; csd_bench_queue_depths 1. Found: possible are multiples of 512 up to "
            "16777216, and depths from 1 to 256, at least one of each. Do: correct them.",
        ),
        (
            {"csd_bench_io_sizes": [4096], "csd_bench_queue_depths": []},
            "Asked: csd_bench_io_sizes 4096; csd_bench_queue_depths . Found: possible are multiples of 512 up to "
            "16777216, and depths from 1 to 256, at least one of each. Do: correct them.",
        ),
        (
            {"csd_bench_io_sizes": [1048576], "csd_bench_queue_depths": [128]},
            "Asked: I/O size 1048576 at queue depth 128, with csd_bench_memory_megabytes 256. Found: its buffers take "
            "256.0 MiB (twice the depth), which leaves less than a quarter for the rest. "
            "Do: raise csd_bench_memory_megabytes to at least 342, or try smaller ones.",
        ),
        (
            {"csd_bench_connections": [{"subsystem_nqn": "nqn.x", "address": "127.0.0.1"}]},
            "Asked: csd_bench_connections nqn.x. Found: one of them names no namespaces, so there is nothing to "
            "measure at it. Do: give namespaces with an nsid, or leave the connection out of csd_bench_connections.",
        ),
    ],
)
def test_refusals(tmp_path: Path, variables: dict[str, Any], message: str) -> None:
    said = preflight(tmp_path, **variables)
    assert "failed=1" in said
    assert message in said


def test_one_host_at_a_time_writes_and_measures() -> None:
    """Each task that uses a target for its figures, or writes to a namespace, lets one host in at a time."""
    tasks = [
        task
        for path in sorted((ROOT / "roles/csd_bench/tasks").glob("*.yml"))
        for task in yaml.safe_load(path.read_text())
        if {"csd_dataset", "csd_bench"} & task.keys()
    ]
    assert {name for task in tasks for name in task} >= {"csd_dataset", "csd_bench"}
    assert {task["name"]: task.get("throttle") for task in tasks} == {task["name"]: 1 for task in tasks}
