"""Lets tests import module_utils under the name that Ansible gives it, library/ modules and csd by their own."""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ansible.module_utils
import pytest

ROOT = Path(__file__).resolve().parents[1]
ansible.module_utils.__path__.append(str(ROOT / "module_utils"))
sys.path[:0] = [str(ROOT / "library"), str(ROOT / "src/python")]


def loaded(path: str) -> Any:
    """The module of a file by its path in the project: a script, or an action plugin, which has a module's name."""
    spec = importlib.util.spec_from_file_location(f"{Path(path).stem}_by_path", ROOT / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# Wherever tests run: one that passes has asserted something.
pytest_plugins = ["machines.assertions"]


@pytest.fixture(autouse=True)
def notes(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The notes of what a test makes: not among those of a lab on this machine."""
    from ansible.module_utils.hello_ebpf import made

    record = tmp_path_factory.mktemp("notes") / "made.json"
    monkeypatch.setattr(made, "RECORD", record)
    return record


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may search; pytest's own are root's alone."""
    with tempfile.TemporaryDirectory(dir="/var/lib") as name:
        Path(name).chmod(0o755)
        yield Path(name)
