# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""The package as pip installs it: built without a network, whole, and alone in its environment."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from csd import kernel
from csd_double import DriveDouble

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = ROOT / "src/python"
PIP = [sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check", "--quiet"]


def run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built in a copy, with its links as they are: setuptools leaves its work beside the sources."""
    copy = tmp_path_factory.mktemp("tree")
    leave = shutil.ignore_patterns("__pycache__", "build", "*.egg-info")
    for folder in ("src/python", "module_utils"):
        shutil.copytree(ROOT / folder, copy / folder, symlinks=True, ignore=leave)
    shutil.copy(ROOT / "LICENSE", copy)
    options = ["--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir", str(copy)]
    run(*PIP, "wheel", *options, copy / "src/python")
    [made] = copy.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of commands of an environment that holds the package alone."""
    environment = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "venv", "--without-pip", environment)
    run(*PIP, "--python", environment / "bin/python", "install", "--no-index", wheel)
    return environment / "bin"


def test_the_wheel_holds_every_file_of_the_package(wheel: Path) -> None:
    """Those that are links in the tree as what they lead to."""
    with zipfile.ZipFile(wheel) as archive:
        held = {name: archive.read(name) for name in archive.namelist() if name.startswith("csd/")}
    files = [path for path in (PACKAGE / "csd").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert held == {str(path.relative_to(PACKAGE)): path.read_bytes() for path in files}
    assert {"csd/errors.py", "csd/jsonrpc.py", "csd/names.py", "csd/py.typed"} <= held.keys()


@pytest.mark.parametrize("command", [["csd"], ["python", "-I", "-m", "csd"]], ids=["csd", "python -m csd"])
def test_the_tool_runs_where_it_was_installed(installed: Path, command: list[str]) -> None:
    tool: list[str | Path] = [installed / command[0], *command[1:]]
    assert run(*tool, "--help").startswith("usage: csd [-h] [--device PATH]")
    done = subprocess.run([*tool, "trace", "--slot", "0", "--rpc-socket", "/nowhere"], capture_output=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(b"asked: a connection to the target's RPC socket /nowhere\nfound: no such socket\n")


def test_nothing_of_the_package_needs_more_than_python(installed: Path) -> None:
    """Every module is imported, by an interpreter that sees the package and its own library alone."""
    files = (PACKAGE / "csd").rglob("*.py")
    names = sorted(".".join(path.relative_to(PACKAGE).with_suffix("").parts) for path in files)
    names.remove("csd.__main__")
    assert run(installed / "python", "-I", "-c", f"import {', '.join(names)}; print(csd.__file__)").startswith(
        str(installed.parent)
    )


@pytest.mark.parametrize("page", ["src/python/README.md", "docs/csd.md"])
def test_the_examples_run(page: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[str] = []

    def connected(path: str) -> DriveDouble:
        asked.append(path)
        return DriveDouble()

    monkeypatch.setattr(kernel, "KernelTransport", connected)
    [example] = re.findall(r"^```python\n(.*?)^```$", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)
    exec(compile(example, page, "exec"), {})
    assert asked == ["/dev/nvme0"]
    assert capsys.readouterr().out == "0 active\n"
