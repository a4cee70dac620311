# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""The role csd_host without SPDK: `csd_host_bridge: false` installs a tool that needs python3 alone."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from dpkg_database import dpkg_database

ROOT = Path(__file__).resolve().parents[2]
RECAP = re.compile(r"changed=(\d+) .*failed=(\d+)")


def run(folder: Path, database: dict[str, str], *words: str, state: str = "present") -> int:
    """Run the role with everything below a folder and a dpkg database of its own; how many tasks changed something.

    Its notes lie below the folder too: at removal an owner's files all go, those of a run beside this one as well.
    """
    below = {"cache": str(folder / "cache"), "packages": str(folder / "packages"), "log": str(folder / "log")}
    role = {
        "role": "csd_host",
        "csd_host_state": state,
        "csd_host_bridge": False,
        "csd_host_spdk": str(folder / "no SPDK"),
        "csd_host_prefix": str(folder / "csd_host"),
        "csd_host_link": str(folder / "usr/bin/csd"),
    }
    play = {"hosts": "all", "gather_facts": False, "module_defaults": {"debian_build": below}, "roles": [role]}
    book = folder / "play.yml"
    book.write_text(json.dumps([play]))
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", "-c", "local", str(book)]
    environment = os.environ | {"LAB_RUN_FILE": str(folder / "run.jsonl"), "ANSIBLE_ROLES_PATH": str(ROOT / "roles")}
    environment |= database
    command += ["-e", f"ansible_python_interpreter={sys.executable}", *words]
    library = folder / "var/lib"
    library.mkdir(parents=True, exist_ok=True)
    unshare = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", 'mount --bind "$0" /var/lib && exec "$@"']
    done = subprocess.run(
        [*unshare, str(library), *command], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    recap = RECAP.search(done.stdout)
    assert recap
    return int(recap[1])


def python_files(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.py")}


def test_without_the_bridge_nothing_is_compiled_and_the_way_through_spdk_is_named(tmp_path: Path) -> None:
    database = dpkg_database(tmp_path / "dpkg")
    predicted = run(tmp_path, database, "--check")
    assert not (tmp_path / "csd_host").exists()
    assert run(tmp_path, database) == predicted == 2
    assert [path.name for path in (tmp_path / "csd_host/bin").iterdir()] == ["csd"]
    assert python_files(tmp_path / "csd_host/lib/csd") == python_files(ROOT / "src/python/csd")

    # Beside the link, where man and bash look.
    found = {"man/man1/csd.1": "csd.1", "bash-completion/completions/csd": "csd.bash"}
    for name, source in found.items():
        assert (tmp_path / "usr/share" / name).read_bytes() == (ROOT / "src/host" / source).read_bytes()

    # What the role told the tool of its drive would take it to SPDK's initiator.
    said = subprocess.run([tmp_path / "usr/bin/csd", "list"], capture_output=True, text=True, check=False)
    assert said.returncode == 1
    assert f"asked: SPDK's initiator, {tmp_path}/csd_host/bin/csd_nvme\n" in said.stderr
    assert "do:    install it (role csd_host with csd_host_bridge: true)" in said.stderr

    predicted = run(tmp_path, database, "--check", state="absent")
    assert run(tmp_path, database, state="absent") == predicted == 2
    assert not (tmp_path / "usr").exists()
    assert not (tmp_path / "csd_host").exists()
    assert list((tmp_path / "var/lib").iterdir()) == []
