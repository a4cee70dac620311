#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Live tests by name, in the container that `KEEP=1 make test-fresh` left: make live K=NAME

The working tree goes into that container's clone, uncommitted changes included. Whatever differs there from the time
before, tests and pages apart, makes the lab in it converge first; what is unchanged is not built anew.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import tarfile
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fresh.container import LABEL, Container
from fresh.run import CLONE, HUGEPAGE_MEGABYTES, NAME, PASSED_ON
from machines import engines, turns
from machines.console import ROOT, MachineError, must, output, step

#: What pytest ends with where no test has such a name.
NONE_SELECTED = 5
#: Changes in these do not concern what is installed.
NOT_INSTALLED = ("tests/", "docs/", "molecule/")
LEAVE_ONE = "KEEP=1 make test-fresh makes one in about 20 minutes, and leaves it"


def kept() -> Container:
    """The container that a kept run has left."""
    asked = "a container with the lab, which KEEP=1 make test-fresh leaves"
    if not engines.answers():
        if engines.our_daemon() is None:
            raise MachineError(asked, "no docker daemon answers", LEAVE_ONE)
        os.environ["DOCKER_HOST"] = f"unix://{engines.SOCKET}"
    words = ["docker", "ps", "--filter", f"label={LABEL}", "--format", "{{.Names}}"]
    names = (output(words) or "").split()
    if NAME not in names:
        raise MachineError(asked, f"none that runs is called {NAME}", LEAVE_ONE)
    return Container(NAME)


def hand_over(container: Container) -> list[str]:
    """Put the working tree into the container's clone; the names of the files that differed there."""
    words = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = [name for name in must("the working tree's files", words).split("\0") if name]
    with tempfile.TemporaryDirectory(prefix="hello_ebpf-") as folder:
        packed = Path(folder) / "tree.tar"
        with tarfile.open(packed, "w") as archive:
            for name in names:
                if (ROOT / name).is_symlink() or (ROOT / name).is_file():
                    archive.add(ROOT / name, name, recursive=False)
        container.put(packed, "/var/tmp/tree.tar")
    container.put(ROOT / "tests/fresh/renew.py", "/var/tmp/renew.py")
    said = container.must(
        "the working tree in the container", "python3 /var/tmp/renew.py /var/tmp/tree.tar", folder=CLONE
    )
    return said.split("\n")


def run(container: Container, name: str) -> int:
    """Hand the tree over, and run the tests of that name; pytest's exit code."""
    with step("the working tree into the container"):
        changed = [path for path in hand_over(container) if path and not path.startswith(NOT_INSTALLED)]
    if changed:
        container.must("the lab anew before the tests", "rm -f build/live.ready", folder=CLONE)
    told = {name: os.environ[name] for name in PASSED_ON if os.environ.get(name)}
    command = f"tests/integration/live.sh {shlex.quote(name)}"
    code = container.run(command, folder=CLONE, env={"PYTHONPATH": f"{CLONE}/tests", "COLUMNS": "200", **told})
    container.take_results(CLONE)
    if code == NONE_SELECTED:
        raise MachineError(
            f"live tests that are called {name}",
            "none",
            "give a part of a file's or a test's name in tests/integration/test_*_live.py: make live K=tool",
        )
    return code


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", default="", help="as pytest's -k takes it")
    asked = parser.parse_args()
    try:
        if not asked.name.strip():
            raise MachineError("live tests by name", "no name", "give one: make live K=tool")
        with turns.held("fresh"):
            container = kept()
            with engines.hugepages(HUGEPAGE_MEGABYTES):
                return run(container, asked.name)
    except MachineError as failure:
        print(failure, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    engines.end_like_interrupts()
    sys.exit(main())
