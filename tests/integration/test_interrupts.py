"""A run that is cut off anywhere is taken up by the next: Ctrl-C, a killed ansible-playbook, a killed process tree.

Four blows, chosen by the commit; with HELLO_EBPF_ALL each one: at the start of each task of site.yml, and within each
that has long work or changes something. After each, `make lab` reaches the finished lab. More in docs/testing.md.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from blows.choice import PACKAGES, START, Blow, all_blows, builds_spdk, dealt, not_run, step, tasks
from blows.deal import strike
from commit import commit
from lab import LEAST, REPORT, ROOT, make, playbook, verb
from machine import machine, mounts

# Beside the guest six took 429 s.
DEALT_IN_CI = 4
LIST = ROOT / "build/interrupts.md"
#: What is taken back before a role's tasks are struck, last one first, where it is not the role alone: huge pages are
#: in use while the target runs, and the data set goes with the target.
UNDONE = {"hugepages": ["csd_target", "hugepages"], "csd_bench": ["csd_bench", "csd_target"]}


def first_run() -> Path:
    """The record of README's first command, of which each task is struck."""
    record = Path(os.environ.get("HELLO_EBPF_BEGAN", "/nowhere")) / "lab.jsonl"
    assert record.is_file(), (
        f"Asked: each task of site.yml, struck. Found: no record of a first run, {record}. "
        "Do: set HELLO_EBPF_BEGAN to its folder, as tests/fresh/run.py does."
    )
    return record


BLOWS = all_blows(first_run(), commit())
if not os.environ.get("HELLO_EBPF_ALL"):
    BLOWS = dealt(BLOWS, commit(), DEALT_IN_CI)


def undo(blow: Blow, folder: Path) -> None:
    """Give the task that is struck something to do again, where it had something to do in the first run."""
    if package := PACKAGES.get(blow.task.place):
        subprocess.run(["apt-get", "remove", "-qq", "-y", package], check=True, stdin=subprocess.DEVNULL)
    elif blow.changes and Path("/opt/hello_ebpf").exists():
        roles = UNDONE.get(blow.task.names[1], [blow.task.names[1]])
        told = json.dumps({"undo": roles} | {f"{role}_state": "absent" for role in roles})
        playbook(folder, "../tests/integration/blows/undo", "-e", told).succeeded()


MOUNTS = ("/dev/hugepages", "/sys/kernel")
SPDK_CACHE = Path("/var/cache/hello_ebpf/spdk")


def keep_stages(blow: Blow, kept: Path) -> None:
    """Keep what a run that was struck in SPDK's build has made, unless something still works on it."""
    if builds_spdk(blow.task) and blow.kind != "kill_controller" and SPDK_CACHE.exists():
        copy_instead(SPDK_CACHE, kept)


def put_back_stages(blow: Blow, kept: Path) -> None:
    """Let SPDK's build be where an earlier blow had left it, so that not all is built anew up to the next one."""
    if builds_spdk(blow.task) and kept.exists():
        copy_instead(kept, SPDK_CACHE)


def copy_instead(source: Path, target: Path) -> None:
    """Let one folder be like another."""
    if target.exists():
        shutil.rmtree(target)
    shutil.copytree(source, target, symlinks=True)


def finished() -> dict[str, object]:
    """The lab as it is when a run has ended, of this machine's mounts the lab's own."""
    found = machine() | {"mounts": [line for line in mounts() if line.startswith(MOUNTS)]}
    said = subprocess.run(["csd", "list", "--json"], stdout=subprocess.PIPE, check=True, text=True).stdout
    [compute] = json.loads(said)["compute"]
    return found | {"programs": {one["pind"]: one["sha256"] for one in compute["programs"] if one["state"] == "active"}}


@pytest.fixture(scope="module")
def finished_before() -> list[dict[str, object]]:
    """The lab as the first run that was not struck has left it."""
    return []


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the stages of SPDK's build are kept."""
    return tmp_path_factory.mktemp("stages") / "spdk"


def command(blow: Blow) -> list[str]:
    """The run that is struck: the whole of site.yml; where it has nothing to do, its step that the task is in."""
    if blow.changes:
        return verb("lab", LEAST)
    program = str(ROOT / ".venv/bin/ansible-playbook")
    return [program, "-i", "inventory/local", *shlex.split(LEAST), step(blow.task, ROOT)]


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("blow", BLOWS, ids=str)
def test_a_run_cut_off_is_taken_up_by_the_next(
    blow: Blow, tmp_path: Path, kept: Path, finished_before: list[dict[str, object]]
) -> None:
    """A run that is cut off is taken up by the next."""
    undo(blow, tmp_path)
    put_back_stages(blow, kept)
    strike(blow, command(blow), tmp_path / "struck")
    keep_stages(blow, kept)
    begun = time.monotonic()
    run = make(tmp_path, "lab", LEAST).succeeded()
    seconds = time.monotonic() - begun
    assert blow.changes or run.changed == set()
    lab = finished()
    assert lab["listens on 4420"]
    assert lab["programs"]
    assert json.loads(REPORT.read_text())["runs"]
    assert lab == (finished_before or [lab])[0]
    finished_before.append(lab)
    play, role, name, _ = blow.task.names
    LIST.parent.mkdir(exist_ok=True)
    with LIST.open("a") as table:
        table.write(f"| {role or play} | {name} | {blow.task.status} | {blow.moment} | {blow.kind} | {seconds:.0f} |\n")


def test_what_was_not_struck_is_named() -> None:
    """Every task of site.yml that a run comes to on this machine is in the list of those to be struck."""
    print(LIST.read_text())
    for task in tasks(first_run()):
        if task.status == "skipped":
            print(f"skipped on this machine, so struck at most at its start: {task}")
    for name in not_run(first_run(), ROOT / "roles"):
        print(f"not struck, because no run here comes to it: {name}")
    aims = {blow.task for blow in all_blows(first_run(), commit()) if blow.moment == START}
    assert aims == set(tasks(first_run()))
