"""Which ansible-core runs the playbooks, and which settings it takes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = Path(sys.prefix)
PREFLIGHT = (ROOT / "playbooks/preflight.yml").read_text()


def pinned(name: str) -> str:
    """The ansible-core that requirements of this name pin."""
    found = re.search(r"^ansible-core==(\S+)$", (ROOT / f"{name}.in").read_text(), re.MULTILINE)
    assert found
    assert f"\nansible-core=={found[1]} " in "\n" + (ROOT / f"{name}.txt").read_text()
    return found[1]


def series(version: str) -> tuple[int, int]:
    major, minor, *_ = version.split(".")
    return int(major), int(minor)


def test_the_declared_range_is_the_one_that_is_run() -> None:
    """Preflight, README and the environments of both ends name the same versions."""
    oldest, newest = series(pinned("requirements-oldest")), series(pinned("requirements-newest"))
    assert oldest <= series(pinned("requirements")) <= newest
    assert f"is version('{oldest[0]}.{oldest[1]}', '>=')" in PREFLIGHT
    assert f"is version('{newest[0]}.{newest[1] + 1}', '<')" in PREFLIGHT
    for text in (PREFLIGHT, (ROOT / "README.md").read_text(), (ROOT / "requirements.in").read_text()):
        assert f"{oldest[0]}.{oldest[1]} to {newest[0]}.{newest[1]}" in text


def preflight(folder: Path, version: str) -> str:
    """What preflight says to an ansible-core of another version."""
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    done = subprocess.run(
        [program, "-i", "inventory/local", "-e", f"__ansible_core={version}", "playbooks/preflight.yml"],
        cwd=ROOT,
        env=os.environ | {"LAB_RUN_FILE": str(folder / "run.jsonl"), "COLUMNS": "1000"},
        capture_output=True,
        text=True,
        check=False,
    )
    return " ".join((done.stdout + done.stderr).split())


@pytest.mark.parametrize("version", ["2.15.13", "2.22.0"])
def test_another_version_is_refused_before_anything_changes(tmp_path: Path, version: str) -> None:
    said = preflight(tmp_path, version)
    assert f"Asked: ansible-core 2.16 to 2.21. Found: {version}, of /" in said
    assert "changed=0" in said
    assert "failed=1" in said


@pytest.mark.parametrize("version", ["2.16.0", "2.21.9"])
def test_the_ends_are_in_the_range(tmp_path: Path, version: str) -> None:
    assert "failed=0" in preflight(tmp_path, version)


def test_make_works_where_others_may_write(tmp_path: Path) -> None:
    """WSL, Vagrant and some CI give all files mode 777; Ansible then ignores the ansible.cfg that lies there."""
    there = tmp_path / "hello_eBPF"
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in files.rstrip("\0").split("\0"):
        (there / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).exists():
            shutil.copy2(ROOT / name, there / name, follow_symlinks=False)
    there.chmod(0o777)
    # --old-file: nothing is installed into the environment that runs this test.
    command = ["make", f"VENV={ENVIRONMENT}", f"--old-file={ENVIRONMENT}/.run", "plan", "ARGS=--syntax-check"]
    environment = {name: value for name, value in os.environ.items() if name not in ("ANSIBLE_CONFIG", "MAKEFLAGS")}
    done = subprocess.run(command, cwd=there, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "world writable" not in done.stderr
