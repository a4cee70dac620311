"""Runs the lab's verbs as a user would, and reads what each run recorded."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REPORT = ROOT / "reports" / "latest" / "report.json"


def _asked(**variables: object) -> str:
    return f"-e '{json.dumps(variables)}'"


_QUICK: dict[str, object] = {
    "csd_bench_ways": ["baseline", "offload"],
    "csd_bench_selectivities": [0.01, 1.0],
    "csd_bench_repeats": 1,
    "csd_bench_warm_ups": 0,
    "csd_bench_phase_repeats": 1,
    "csd_bench_engine_megabytes": 8,
    "csd_bench_rpc": False,
    "csd_bench_io_sizes": [131072],
    "csd_bench_queue_depths": [8],
    "csd_bench_range_sizes": [8388608],
    "csd_bench_range_depths": [4],
    "csd_bench_chunk_sizes": [1048576],
    "csd_bench_chunk_depths": [2],
    "csd_bench_tune_repeats": 1,
    "csd_bench_tune_seconds": 1,
}
# A measurement of a few seconds, where its figures do not matter.
QUICK = _asked(**_QUICK)
# The least that is measured, of a small data set: where a lab is brought up many times.
_LEAST: dict[str, object] = {
    "csd_bench_ways": ["baseline"],
    "csd_bench_programs": {},
    "csd_bench_selectivities": [1.0],
    "csd_bench_records": 65536,
}
LEAST = _asked(**_QUICK | _LEAST)


@dataclass(frozen=True)
class Run:
    """An ended run of ansible-playbook.

    Attributes:
        code: its exit code.
        output: what it printed.
        tasks: the record of the callback ``lab_run``, one entry for each task that ended.
    """

    code: int
    output: str
    tasks: list[dict[str, str]]

    @property
    def changed(self) -> set[tuple[str, str, str]]:
        """(host, role, task) of each task that was changed."""
        return {(task["host"], task["role"], task["task"]) for task in self.tasks if task["status"] == "changed"}

    @property
    def recap_changed(self) -> int:
        """The sum of ``changed=`` over the hosts of Ansible's own recap."""
        return sum(map(int, re.findall(r"changed=(\d+)", self.output)))

    def succeeded(self) -> Run:
        """The run itself, when it succeeded; else the test ends with its output."""
        assert self.code == 0, self.output[-8000:]
        return self


def make(folder: Path, name: str, arguments: str = "") -> Run:
    """Run `make NAME`, with further arguments for ansible-playbook.

    Args:
        folder: where the record of the run goes.
        name: one of the Makefile's verbs.
        arguments: for ansible-playbook, e.g. ``--check --diff``.
    """
    return _recorded(folder, verb(name, arguments))


def verb(name: str, arguments: str = "") -> list[str]:
    """The command that runs `make NAME`, with further arguments for ansible-playbook."""
    # What a test of the tests sets wrongly stays wrong.
    always = os.environ.get("ARGS", "")
    return ["make", "--no-print-directory", name, f"ARGS={always} {arguments}"]


def playbook(folder: Path, name: str, *arguments: str) -> Run:
    """Run one of playbooks/ alone.

    Args:
        folder: where the record of the run goes.
        name: the playbook without its ending.
        arguments: for ansible-playbook; the inventory among them.
    """
    program = ROOT / ".venv/bin/ansible-playbook"
    return _recorded(folder, [str(program), f"playbooks/{name}.yml", *arguments])


def _recorded(folder: Path, command: list[str]) -> Run:
    record = folder / "run.jsonl"
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"LAB_RUN_FILE": str(record), "COLUMNS": "1000"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    print(f"--- {' '.join(command)}: exit code {done.returncode}\n{done.stdout}")
    return Run(done.returncode, done.stdout, ended(record))


def ended(record: Path) -> list[dict[str, str]]:
    """The tasks that a record says have ended."""
    entries = [json.loads(line) for line in record.read_text().splitlines()]
    return [entry for entry in entries if entry["event"] == "end"]
