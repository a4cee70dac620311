"""A run that is cut off anywhere is taken up by the next: Ctrl-C, a killed ansible-playbook, a killed process tree."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lab import QUICK, REPORT, ROOT, make

# Generous: the longest step before a role begins is the build.
PATIENCE_SECONDS = 400


@dataclass(frozen=True)
class Blow:
    """When and how a run is cut off: so many seconds after the role's first task began.

    `always`: dealt in every run of the tests, so that each kind of blow and each kind of work is hit; the others by
    `make test-all`.
    """

    role: str
    seconds: float
    deal: Callable[[subprocess.Popen[bytes]], None]
    always: bool = False


def control_c(run: subprocess.Popen[bytes]) -> None:
    """What a terminal does: SIGINT to the foreground process group."""
    os.killpg(run.pid, signal.SIGINT)


def kill_controller(run: subprocess.Popen[bytes]) -> None:
    """SIGKILL to make and ansible-playbook alone: what they had started goes on by itself."""
    os.killpg(run.pid, signal.SIGKILL)


def kill_tree(run: subprocess.Popen[bytes]) -> None:
    """SIGKILL to every descendant: as if the machine's memory had run out."""
    victims = descendants(run.pid)
    for pid in [run.pid, *victims]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def descendants(pid: int) -> list[int]:
    """Every process below this one, as /proc tells it."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found = []
    waiting = [pid]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


BLOWS = [
    Blow("ebpf_toolchain", 0.3, control_c),
    Blow("ebpf_examples", 0.5, kill_tree, always=True),
    Blow("ebpf_examples", 2.0, control_c),
    Blow("spdk", 1.0, control_c),
    Blow("spdk", 3.0, kill_tree, always=True),
    Blow("spdk", 8.0, kill_controller, always=True),
    Blow("spdk", 12.0, control_c),
    Blow("spdk", 15.0, kill_tree),
    Blow("spdk", 25.0, control_c, always=True),
    Blow("hugepages", 0.2, kill_tree, always=True),
    Blow("hugepages", 0.4, control_c),
    Blow("csd_target", 0.5, control_c),
    Blow("csd_target", 0.9, kill_tree),
    Blow("csd_target", 1.3, kill_controller, always=True),
    Blow("csd_target", 2.0, kill_tree),
    Blow("csd_target", 3.5, control_c),
    Blow("nvme_tcp", 0.2, control_c),
    Blow("csd_host", 0.6, kill_tree),
    Blow("csd_host", 1.5, control_c, always=True),
    Blow("csd_bench", 0.5, kill_tree),
    Blow("csd_bench", 1.5, control_c),
    Blow("csd_bench", 3.0, kill_controller, always=True),
    Blow("csd_bench", 5.0, kill_tree),
]


def strike(blow: Blow, record: Path) -> str:
    """Start `make lab`, cut it off, and tell in which task it was; empty when it had ended before."""
    record.write_text("")
    run = subprocess.Popen(
        ["make", "--no-print-directory", "lab"],
        cwd=ROOT,
        env=os.environ | {"LAB_RUN_FILE": str(record)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + PATIENCE_SECONDS
    while run.poll() is None and blow.role not in {entry["role"] for entry in entries(record)}:
        assert time.monotonic() < deadline, f"the role {blow.role} did not begin"
        time.sleep(0.05)
    time.sleep(blow.seconds)
    if run.poll() is not None:
        return ""
    blow.deal(run)
    assert run.wait(timeout=60) != 0
    last = entries(record)[-1]
    return f"{last['role']}: {last['task']}"


def entries(record: Path) -> list[dict[str, str]]:
    """What a record holds so far; a line that is just being written is left for the next look."""
    return [json.loads(line) for line in record.read_text().splitlines(keepends=True) if line.endswith("\n")]


def test_a_run_cut_off_anywhere_is_taken_up_by_the_next(tmp_path: Path) -> None:
    """A run that is cut off anywhere is taken up by the next: by Ctrl-C, kill -9, or with all that it started."""
    blows = [blow for blow in BLOWS if blow.always or os.environ.get("HELLO_EBPF_ALL")]
    hits = []
    for blow in blows:
        where = strike(blow, tmp_path / "run.jsonl")
        print(
            f"{blow.deal.__name__} {blow.seconds} s into {blow.role}: {where or 'the run had ended before'}", flush=True
        )
        hits.append(where)
    assert len(set(hits) - {""}) >= len(blows) // 2, "too few runs were cut off for this test to mean anything"
    make(tmp_path, "lab", QUICK).succeeded()
    assert make(tmp_path, "lab", QUICK).succeeded().changed == set()
    assert json.loads(REPORT.read_text())["runs"]
