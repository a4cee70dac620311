# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""`ansible-test sanity`, and the Python environments in which it runs its tests, without a network.

By itself ansible-test fetches pip and packages from hosts that a machine may not reach, and holds nothing against a
digest. Here its environments link to packages of the one that runs this, which requirements*.txt pin.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import venv
from importlib.metadata import PackageNotFoundError, distribution, files
from pathlib import Path

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


def sanity(collection: Path, home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """`ansible-test sanity` of a collection; environments that are missing are made first."""
    planned = run(collection, home, "--prime-venvs", "--explain", "-v", *words)
    for folder in set(re.findall(r" -m venv --without-pip (\S+)$", planned.stdout + planned.stderr, re.MULTILINE)):
        make(Path(folder))
    return run(collection, home, *words)


def run(collection: Path, home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    program = str(Path(sys.executable).with_name("ansible-test"))
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "LC_ALL": "C.UTF-8", "COLUMNS": "1000"}
    command = [program, "sanity", "--local", "--color", "no", "--python", PYTHON, *words]
    return subprocess.run(command, cwd=collection, env=environment, capture_output=True, text=True, check=False)


def make(folder: Path) -> None:
    """One environment, as ansible-test leaves it. The name of its folder's folder's folder says which it is."""
    venv.create(folder, symlinks=True)
    packages = folder / f"lib/python{PYTHON}/site-packages"
    for name in required(folder.parents[1].name):
        link(name, packages)
    (folder / "meta.yaml.json").write_text("true")
    (folder / "marker.txt").touch()


def required(environment: str) -> dict[str, str]:
    """The packages of an environment, and their versions: none for `sanity`, of the tests that need none."""
    lists = Path(str(distribution("ansible-core").locate_file("ansible_test/_data/requirements")))
    listed = lists / f"{environment}.txt"
    return dict(re.findall(r"^([\w-]+)==(\S+)", listed.read_text(), re.MULTILINE)) if environment != "sanity" else {}


def link(name: str, packages: Path) -> None:
    """One package. One that is not installed is of other Pythons, or of a test with nothing to look at."""
    try:
        parts = {path.parts[0] for path in files(name) or [] if path.parts[0] not in ("..", "__pycache__")}
    except PackageNotFoundError:
        return
    for part in parts:
        (packages / part).symlink_to(Path(str(distribution(name).locate_file(part))))
