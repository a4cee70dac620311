#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""What the roles compile, as Debian packages, for a Debian release; made in a container where they are missing.

archive.py 12|13              prints the folder's path below build/distribution

The roles do the work: the container is a fleet's builder, and the controller is this machine. What is made of the
present sources is found by the heading of its SHA256SUMS, whichever builder made it (the scenario fleet's, say), and
costs nothing. SPDK's download and build stay in the images' cache folder.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(1, str(Path(__file__).resolve().parents[2] / "module_utils"))

# Known to linters as ansible.module_utils.hello_ebpf.
from hello_ebpf.distribution.folder import digest_of, heading, read_sums  # type: ignore[import-not-found]

from machines import images
from machines.console import ROOT, MachineError, must, output, say, step

CPU = "x86-64-v2"
LABEL = "hello_ebpf.archive"
# Where the molecule environment is: community.docker, which reaches a container, is in no other.
PLAYBOOK = ROOT / ".venv-molecule/bin/ansible-playbook"
# The container has the host's kernel and no right to load programs; they are only compiled here.
VARIABLES = {"distribution_pack": "true", "ebpf_toolchain_run_programs": "false", "spdk_cpu": CPU}


def archive(release: str, project: Path = ROOT) -> Path:
    """Where the packages for a release are, or will be: any builder's that are whole, else our own's."""
    folder = project / "build/distribution"
    ours = Path(folder / builder(release))
    return next((path for path in (ours, *sorted(folder.glob("*/"))) if is_whole(path, release, project)), ours)


def builder(release: str) -> str:
    """The container's name, and its name in the inventory."""
    return f"hello-ebpf-builder-{release}"


def is_whole(folder: Path, release: str, project: Path = ROOT) -> bool:
    """Whether packages were made for a release of the present sources, and are as they were then."""
    head, sums = read_sums(folder)
    made = head == heading(f"debian-{release}", CPU, project) and sums
    return bool(made) and all(digest_of(folder / name) == digest for name, digest in sums.items())


@contextlib.contextmanager
def container(release: str, image: str, cache: Path) -> Iterator[str]:
    """A container that compiles; it is gone afterwards, and one that a killed run left is gone before."""
    name = builder(release)
    remove(name)
    cache.mkdir(parents=True, exist_ok=True)
    mount = f"{cache}:/var/cache/hello_ebpf/spdk"
    argv = ["docker", "run", "--detach", "--init", "--name", name, "--label", f"{LABEL}={release}", "--volume", mount]
    must(f"a container of {image}", [*argv, image, "sleep", "infinity"])
    try:
        yield name
    finally:
        remove(name)


def remove(name: str) -> None:
    if output(["docker", "container", "inspect", name]) is not None:
        must(f"the container {name} removed", ["docker", "rm", "--force", name])


def make(release: str, playbook: Path, image: str) -> Path:
    """Let the roles make the packages in a container."""
    wanted = archive(release)
    cache = images.cache().parent / "builders" / f"debian{release}"
    with container(release, image, cache) as name, tempfile.TemporaryDirectory() as folder:
        inventory = Path(folder) / "hosts.yml"
        inventory.write_text(
            f"builder: {{hosts: {{{name}: {{ansible_connection: community.docker.docker, "
            "ansible_python_interpreter: /usr/bin/python3, ansible_become: false}}}\n"
        )
        variables = [word for pair in VARIABLES.items() for word in ("--extra-vars", "=".join(pair))]
        argv = [
            str(playbook),
            "--inventory",
            str(inventory),
            *variables,
            "playbooks/toolchain.yml",
            "playbooks/build.yml",
        ]
        environment = os.environ | {"LAB_RUN_FILE": f"{folder}/run.jsonl", "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
        with step(f"compile for Debian {release} in a container"):
            # Standard output is kept for the folder's path.
            code = subprocess.run(argv, cwd=ROOT, env=environment, stdout=sys.stderr, check=False).returncode
        if code:
            raise MachineError(
                f"packages for Debian {release}",
                f"ansible-playbook ended with {code}; what it says is above",
                "mend what it names, and run again",
            )
    if not is_whole(wanted, release):
        raise MachineError(
            str(wanted), "the roles made no such packages", "compare tests/machines/archive.py with them"
        )
    return wanted


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("release", choices=["12", "13"])
    parser.add_argument("--ansible-playbook", type=Path, default=PLAYBOOK, help="one that has community.docker")
    parser.add_argument("--image", help="docker image to compile in, instead of the project's own")
    asked = parser.parse_args()
    try:
        path = archive(asked.release)
        if is_whole(path, asked.release):
            say(f"{path.name} has packages of the present sources")
        else:
            if not shutil.which(str(asked.ansible_playbook)):
                raise MachineError(
                    f"{asked.ansible_playbook} with community.docker",
                    "there is no such program",
                    "make the molecule environment (.venv-molecule) first; tests/machines/scenario.py does",
                )
            image = asked.image or images.image("container", asked.release)
            with images.locked(images.cache() / f".archive{asked.release}.lock"):
                if not is_whole(path, asked.release):
                    make(asked.release, asked.ansible_playbook.absolute(), image)
    except MachineError as error:
        print(error, file=sys.stderr)
        return 1
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
