"""scripts/python_environment.sh on a machine whose Python has no ensurepip, as Debian's and Ubuntu's have not."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from conftest import ROOT

# Python 3.12 as Ubuntu 24.04 has it: ensurepip is there once its package is.
PYTHON = """\
#!/bin/sh
case "$*" in
*version_info*3,*) exit {too_old} ;;
--version) echo "Python 3.9.2" ;;
*"import ensurepip"*) test -e {folder}/installed ;;
*print*) echo python3.12-venv ;;
"-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
"-m pip --version") exit 0 ;;
"-m pip install"*) echo "pip $*" >>{folder}/ran ;;
*) echo "not expected: $*" >&2; exit 9 ;;
esac
"""
APT_GET = """\
#!/bin/sh
echo "apt-get $* needrestart=$NEEDRESTART_MODE frontend=$DEBIAN_FRONTEND" >>{folder}/ran
case "$*" in *install*) touch {folder}/installed ;; esac
"""


def run(folder: Path, *, user: int = 0, too_old: bool = False) -> subprocess.CompletedProcess[str]:
    programs = {
        "python": PYTHON.format(folder=folder, too_old=int(too_old)),
        "apt-get": APT_GET.format(folder=folder),
        "id": f"#!/bin/sh\necho {user}\n",
    }
    for name, text in programs.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return subprocess.run(
        [str(ROOT / "scripts/python_environment.sh"), str(folder / "python"), "venv", "wanted.txt", "stamp"],
        cwd=folder,
        env=os.environ | {"PATH": f"{folder}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_package_of_this_very_python_is_installed(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert done.returncode == 0, done.stderr
    ran = (tmp_path / "ran").read_text().splitlines()
    assert ran[0].startswith("apt-get update ")
    assert " install " in ran[1]
    assert " python3.12-venv needrestart=l frontend=noninteractive" in ran[1]
    assert ran[2].startswith("pip -m pip install ")
    assert "--require-hashes --requirement wanted.txt" in ran[2]
    assert (tmp_path / "stamp").exists()


def test_where_it_is_there_nothing_is_installed(tmp_path: Path) -> None:
    (tmp_path / "installed").touch()
    assert run(tmp_path, user=1000).returncode == 0
    assert "apt-get" not in (tmp_path / "ran").read_text()


@pytest.mark.parametrize(
    ("user", "too_old", "text"),
    [
        (
            1000,
            False,
            "Asked: a private Python environment. Found: python3.12-venv is missing and this is not root. "
            "Do: run it as root, or install python3.12-venv (sudo apt-get install python3.12-venv).\n",
        ),
        (
            0,
            True,
            "Asked: Python 3.11 or newer. Found: Python 3.9.2. Do: set PYTHON=/path/to/a/newer/python3.\n",
        ),
    ],
)
def test_refusals(tmp_path: Path, user: int, too_old: bool, text: str) -> None:
    done = run(tmp_path, user=user, too_old=too_old)
    assert (done.returncode, done.stderr) == (1, text)
    assert not (tmp_path / "venv").exists()
    assert not (tmp_path / "stamp").exists()
