"""Which blows there are, and which of them a run of the tests deals."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from commit import turn

#: What cuts a run off; see deal.py.
KINDS = ("control_c", "kill_controller", "kill_tree")


#: Packages that no other task here needs, of tasks that install some: they are removed to be installed again.
PACKAGES = {
    ("ebpf_toolchain", "Compilers and libraries are installed"): "bpftool",
    ("spdk", "Install what it is built with"): "meson",
    ("csd_target", "Install what runs the target"): "daemon",
}


@dataclass(frozen=True)
class Task:
    """A task that a first run of site.yml has started.

    Attributes:
        names: its play, role and name, and which of those of the same names it is, counted from 0.
        status: how it ended on this machine: ok, changed, skipped.
    """

    names: tuple[str, str, str, int]
    status: str

    @property
    def place(self) -> tuple[str, str]:
        """Role and name."""
        return self.names[1], self.names[2]

    def __str__(self) -> str:
        play, role, task, number = self.names
        return f"{role or play}: {task}" + (f" ({number + 1})" if number else "")


@dataclass(frozen=True)
class Moment:
    """When in a task a run is struck: by default at its start, before anything of it runs.

    Attributes:
        runs: while its module runs a command of which these are words, or what that has started is such a command.
        places: right before its module renames or links something to a path with this in it.
        half: when its module has taken half of its steps, rounded down.
    """

    runs: tuple[str, ...] = ()
    places: str = ""
    half: bool = False

    @property
    def within(self) -> bool:
        """Whether a module has begun, so that a killed controller leaves it at work."""
        return bool(self.runs or self.places or self.half)

    def __str__(self) -> str:
        if self.runs:
            return f"while {' '.join(self.runs)} runs"
        if self.places:
            return f"before {self.places} is in place"
        return "half done" if self.half else "at its start"


@dataclass(frozen=True)
class Blow:
    """One blow."""

    task: Task
    moment: Moment
    kind: str

    @property
    def changes(self) -> bool:
        """Whether the task has something to do, once its role is taken back."""
        return self.task.status == "changed" or self.moment.within

    def __str__(self) -> str:
        return f"{self.task}, {self.moment}, {self.kind}"


START = Moment()
HALF = Moment(half=True)

# Where in the long work of a task, by role and name. Of all others that changed something in the first run: HALF.
WITHIN: dict[tuple[str, str], tuple[Moment, ...]] = {
    ("ebpf_toolchain", "Compilers and libraries are installed"): (Moment(runs=("dpkg", "--unpack")),),
    ("ebpf_toolchain", "An eBPF program is compiled, loaded and run"): (Moment(runs=("clang",)),),
    ("ebpf_examples", "The examples are built and installed"): (Moment(runs=("clang",)),),
    ("ebpf_examples", "An eBPF program says hello in the trace pipe"): (Moment(runs=("minimal",)),),
    ("spdk", "Install what it is built with"): (Moment(runs=("dpkg", "--unpack")),),
    ("spdk", "Fetch the source"): (Moment(runs=("apt-helper", "download-file")),),
    ("spdk", "Unpack and patch it"): (Moment(runs=("patch",)),),
    ("spdk", "Configure; output of this and what follows is in /var/log/hello_ebpf/spdk-build.log"): (
        Moment(runs=("meson",)),
    ),
    ("spdk", "Compile DPDK"): (Moment(runs=("cc1",)),),
    ("spdk", "Compile SPDK's libraries"): (Moment(runs=("cc1",)),),
    ("spdk", "Compile SPDK's modules"): (Moment(runs=("cc1",)),),
    ("spdk", "Link the target"): (Moment(runs=("make", "nvmf_tgt")),),
    ("spdk", "Pack the result"): (Moment(places="/archives/spdk"),),
    ("spdk", "Install it"): (Moment(places="/spdk/20"),),
    ("csd_target", "Compile the programs on the builder"): (Moment(runs=("clang",)),),
    ("csd_target", "Install what runs the target"): (Moment(runs=("dpkg", "--unpack")),),
    ("csd_target", "The target is built and installed"): (Moment(runs=("cc1",)), Moment(places="/hello-ebpf-target_")),
    # Ansible's own modules, which take their one step at once.
    ("csd_target", "Make the system user"): (),
    ("csd_target", "Make the system group"): (),
    ("csd_target", "Keep the target running"): (HALF, Moment(runs=("daemon",))),
    ("csd_host", "The tool is built and installed"): (Moment(runs=("cc1",)),),
    ("csd_host", "The tool is found by its name, and knows its drive"): (
        Moment(places="/csd"),
        Moment(places="/csd_host.json"),
    ),
    ("csd_bench", "The program is built and installed"): (Moment(runs=("cc1",)),),
    ("csd_bench", "The data set is on the device, verified"): (Moment(runs=("csd_bench", "write")),),
    ("csd_bench", "Baseline, offload and standard flow are measured"): (Moment(runs=("csd_bench",)),),
    ("csd_bench", "The report is written"): (Moment(places="/latest"),),
}


def tasks(record: Path) -> list[Task]:
    """The tasks that a run has started, in their order, from the record of the callback ``lab_run``."""
    found: list[Task] = []
    seen: Counter[tuple[str, str, str]] = Counter()
    for line in record.read_text().splitlines():
        entry: dict[str, Any] = json.loads(line)
        names = entry["play"], entry["role"], entry["task"]
        if entry["event"] == "start":
            found.append(Task((*names, seen[names]), "ok"))
            seen[names] += 1
        elif found and found[-1].names[:3] == names:
            found[-1] = Task(found[-1].names, entry["status"])
    return found


def step(task: Task, root: Path) -> str:
    """The playbook that site.yml imports, in which the task's play is; site.yml itself where several import it."""
    steps = _imports(root / "site.yml")
    found = [path for path in steps if task.names[0] in _plays(path)]
    if not found:
        raise LookupError(f"site.yml imports no playbook with the play {task.names[0]!r}")
    return str(found[0].relative_to(root)) if len(found) == 1 else "site.yml"


def _imports(playbook: Path) -> list[Path]:
    names = [play.get("ansible.builtin.import_playbook") for play in yaml.safe_load(playbook.read_text())]
    return [playbook.parent / name for name in names if name]


def _plays(playbook: Path) -> set[str]:
    """The names of a playbook's plays, those of what it imports included."""
    own = {play["name"] for play in yaml.safe_load(playbook.read_text())}
    return own.union(*map(_plays, _imports(playbook)))


def not_run(record: Path, roles: Path) -> list[str]:
    """Tasks of the roles that the run did not come to: what they stand in was left out on this machine."""
    came_to = {task.place for task in tasks(record)}
    found = []
    for path in sorted(roles.glob("*/tasks/*.yml")):
        role = path.parents[1].name
        for task in _flat(yaml.safe_load(path.read_text())):
            if path.stem != "absent" and (role, task["name"]) not in came_to and "block" not in task:
                found.append(f"{role}: {task['name']} ({path.name})")
    return found


def _flat(listed: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for task in listed for one in (task, *_flat(task.get("block", [])))]


def all_blows(record: Path, commit: str) -> list[Blow]:
    """A blow at the start of each task, and one within each that has long work or changed something.

    The kinds take turns, and begin with another one for another commit. Those at tasks that have nothing to do come
    last: after each of them a run changes nothing.
    """
    aims = []
    for task in tasks(record):
        aims.append((task, START))
        aims += [(task, moment) for moment in WITHIN.get(task.place, (HALF,) if task.status == "changed" else ())]
    first = turn(commit, "kind")
    blows = [Blow(task, moment, KINDS[(first + number) % 3]) for number, (task, moment) in enumerate(aims)]
    return sorted(blows, key=lambda blow: not blow.changes)


def dealt(blows: list[Blow], commit: str, count: int) -> list[Blow]:
    """So many of all blows, evenly spread; which ones, the commit decides, so that in time each one is dealt.

    One of them strikes a stage of SPDK's build, and comes first: it is then made on a machine where SPDK is not built
    yet. Each of the others would have it built once more. The kinds of the others take turns.
    """
    long = [blow for blow in blows if builds_spdk(blow.task)]
    short = [blow for blow in blows if not builds_spdk(blow.task)]
    return _spread(long, commit, 1) + _spread(short, commit, count - 1, KINDS)


def builds_spdk(task: Task) -> bool:
    """Whether it is a stage of SPDK's build."""
    return task.names[1] == "spdk" and task.status == "changed" and task.place not in PACKAGES


def _spread(blows: list[Blow], commit: str, count: int, kinds: tuple[str, ...] = ()) -> list[Blow]:
    """So many blows, each the next one of its kind from where its part of the list begins."""
    first = turn(commit, "blow") % len(blows)
    chosen: list[int] = []
    for number, start in enumerate(
        sorted((first + number * len(blows) // count) % len(blows) for number in range(count))
    ):
        kind = kinds[(first + number) % len(kinds)] if kinds else blows[start].kind
        following = ((start + further) % len(blows) for further in range(len(blows)))
        chosen.append(next(one for one in following if blows[one].kind == kind and one not in chosen))
    return [blows[number] for number in sorted(chosen)]
