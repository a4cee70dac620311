"""How long site.yml takes on 1, 4 and 12 nodes, first and second run: python tests/measure/fleet_time.py

Containers on this machine: one builder, and storage nodes that take what it made. The builder's own run (packages,
compiling, packing) is told apart and counts for no node. With 12 nodes the run ends before targets are launched,
because each target's reactor spins on a core; and so that the figures can be compared, all three sizes are measured up
to there. 1 and 4 nodes are measured to their end as well.

Takes about 15 minutes. Needs root, docker and .venv-molecule; installs and starts docker where none answers.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from machines import engines, images
from machines.console import ROOT, must, output, say, step

LABEL = "hello_ebpf.measure=fleet_time"
NETWORK = "hello_ebpf_fleet_time"
BUILDER = "fleet-time-builder"
SIZES = (1, 4, 12)
# Of so many nodes the targets are launched too; each one's memory comes from this machine's huge pages.
LAUNCHED = 4
TARGET_MEGABYTES = 512
DATA_MEGABYTES, SLM_MEGABYTES = 32, 16
# site.yml's steps before the target.
UP_TO_THE_TARGET = ["playbooks/preflight.yml", "playbooks/toolchain.yml", "playbooks/build.yml"]
CREATE = ROOT / "molecule/shared/create.yml"
BIN = ROOT / ".venv-molecule/bin"


@dataclass(frozen=True)
class Timed:
    """A run of playbooks.

    Attributes:
        what: in words.
        nodes: how many, without the builder.
        run: first or second.
        forks, pipelining: Ansible's settings.
        seconds: by the clock.
        changed: tasks that changed something, over all nodes.
    """

    what: str
    nodes: int
    run: str
    forks: int
    pipelining: bool
    seconds: float
    changed: int

    @property
    def row(self) -> str:
        pipelining = "on" if self.pipelining else "off"
        return (
            f"| {self.what} | {self.nodes} | {self.run} | {self.forks} | {pipelining} | {self.seconds:.1f} "
            f"| {self.seconds / self.nodes:.1f} | {self.changed} |"
        )


class Fleet:
    """The containers, and the inventories over them.

    Args:
        folder: for inventories and records.
        forks: how many nodes Ansible works on at a time.
    """

    def __init__(self, folder: Path, forks: int) -> None:
        self._folder = folder
        self.forks = forks

    def make(self, count: int) -> None:
        """The builder and so many nodes; molecule's own playbook makes them, with the capabilities it names."""
        names = [BUILDER, *node_names(count)]
        image = images.image("container", "12")
        platforms = [{"name": name, "image": image, "networks": [{"name": NETWORK}]} for name in names]
        variables = {"molecule_yml": {"platforms": platforms, "scenario": {"name": "fleet_time"}}}
        if NETWORK not in (output(["docker", "network", "ls", "--format", "{{.Name}}"]) or "").split():
            must("a network for the nodes", ["docker", "network", "create", "--label", LABEL, NETWORK])
        self._ansible(names, [str(CREATE), "-e", json.dumps(variables)], "made", self.forks, pipelining=True)

    def play(
        self, what: str, count: int, books: list[str], run: str, *, forks: int | None = None, pipelining: bool = True
    ) -> Timed:
        """Run playbooks on the builder and so many nodes, by the clock."""
        forks = forks or self.forks
        begun = time.monotonic()
        changed = self._ansible([BUILDER, *node_names(count)], books, what, forks, pipelining=pipelining)
        timed = Timed(what, max(count, 1), run, forks, pipelining, time.monotonic() - begun, changed)
        say(f"{what}, {count} nodes, {run} run: {timed.seconds:.1f} s, changed {changed}")
        return timed

    def _ansible(self, names: list[str], words: list[str], what: str, forks: int, *, pipelining: bool) -> int:
        inventory = self._folder / f"{len(names)}.json"
        inventory.write_text(json.dumps(inventory_of(names)))
        environment = os.environ | {
            "LAB_RUN_FILE": str(self._folder / "run.jsonl"),
            "ANSIBLE_FORKS": str(forks),
            "ANSIBLE_PIPELINING": str(pipelining),
            "HELLO_EBPF_REPORTS": str(self._folder / "reports"),
        }
        done = subprocess.run(
            [str(BIN / "ansible-playbook"), "-i", str(inventory), *words],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            sys.exit(f"{done.stdout}\n{what} ended with exit code {done.returncode}; what it says is above")
        return sum(map(int, re.findall(r"changed=(\d+)", done.stdout)))


def node_names(count: int) -> list[str]:
    return [f"fleet-time-node{number}" for number in range(1, count + 1)]


def inventory_of(names: list[str]) -> dict[str, Any]:
    """The first is the builder, the others are storage nodes; in containers the pool of hugepages is the host's."""
    nodes: dict[str, dict[str, str]] = {name: {} for name in names[1:]}
    variables: dict[str, Any] = {
        "ansible_connection": "community.docker.docker",
        "ansible_user": "root",
        "hugepages_manage": False,
        "hugepages_megabytes": TARGET_MEGABYTES,
        "csd_target_memory_megabytes": TARGET_MEGABYTES - DATA_MEGABYTES - SLM_MEGABYTES,
        "csd_target_bdevs": [
            {"type": "csd_ram", "name": "csd0_data", "size_megabytes": DATA_MEGABYTES, "block_size": 512},
            {"type": "csd_slm", "name": "csd0_memory", "size_megabytes": SLM_MEGABYTES},
            {"type": "csd_compute", "name": "csd0_compute"},
        ],
        "csd_target_share_cores": True,
        "distribution_folder": str(ROOT / "build/fleet_time/distribution"),
    }
    children = {"builder": {"hosts": {names[0]: {}}}, "targets": {"hosts": nodes}, "initiators": {"hosts": {}}}
    return {"all": {"children": children, "vars": variables}}


def clear() -> None:
    """Containers and network of this script, of this run or of one that was killed; known by their label."""
    found = output(["docker", "ps", "--all", "--quiet", "--filter", "label=hello_ebpf.scenario=fleet_time"]) or ""
    if found.split():
        must("the nodes removed", ["docker", "rm", "--force", "--volumes", *found.split()])
    networks = output(["docker", "network", "ls", "--quiet", "--filter", f"label={LABEL}"]) or ""
    for network in networks.split():
        must("their network removed", ["docker", "network", "rm", network])


@contextlib.contextmanager
def cleared() -> Iterator[None]:
    clear()
    try:
        yield
    finally:
        with step("removing the nodes"):
            clear()


def measure(fleet: Fleet, sizes: tuple[int, ...]) -> Iterator[Timed]:
    """Every size from untouched containers, with the archive made before."""
    fleet.make(0)
    fleet.play("builder alone: packages, compile, pack", 0, UP_TO_THE_TARGET, "first")
    previous = 0
    for size in sizes:
        # The nodes before stay as they are in the second run; new ones are untouched. So each size gets its own.
        remove(previous)
        fleet.make(size)
        yield fleet.play("up to the target", size, UP_TO_THE_TARGET, "first")
        yield fleet.play("up to the target", size, UP_TO_THE_TARGET, "second")
        if size <= LAUNCHED:
            yield fleet.play("site.yml", size, ["site.yml"], "first, after that")
            yield fleet.play("site.yml", size, ["site.yml"], "second")
        else:
            say(f"{size} nodes: the run ends before targets are launched: a reactor spins on a core each")
        previous = size
    for forks, pipelining in ((4, True), (fleet.forks, False)):
        what = "up to the target"
        yield fleet.play(what, previous, UP_TO_THE_TARGET, "second", forks=forks, pipelining=pipelining)


def remove(count: int) -> None:
    if count:
        must("the nodes removed", ["docker", "rm", "--force", "--volumes", *node_names(count)])


def main() -> None:
    """Make the fleet, measure, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--forks", type=int, default=16, help="ansible.cfg has 16")
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    asked = parser.parse_args()
    # One target's more: one that starts anew overlaps with its pages.
    pages = (LAUNCHED + 1) * TARGET_MEGABYTES
    with engines.docker(), engines.hugepages(pages), cleared(), tempfile.TemporaryDirectory() as folder:
        rows = [timed.row for timed in measure(Fleet(Path(folder), asked.forks), tuple(asked.sizes))]
    print("| what | nodes | run | forks | pipelining | seconds | seconds a node | changed |")
    print("|---|---|---|---|---|---|---|---|")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
