"""The module lab_folders: the last step of a teardown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lab_folders

from module_run import run_module


def run(*paths: Path, check: bool = False) -> dict[str, Any]:
    return run_module(lab_folders.main, {"paths": [str(path) for path in paths]}, check=check)


def test_empty_ones_go_and_what_is_in_others_stays_and_is_named(tmp_path: Path) -> None:
    for name in ("opt/empty/inside", "etc/full/empty", "elsewhere"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "etc/csd.json").write_text("an administrator's")
    (tmp_path / "etc/full/link").symlink_to(tmp_path / "elsewhere")
    folders = [tmp_path / "opt", tmp_path / "etc", tmp_path / "missing"]
    expected = [f"remove {tmp_path / name}" for name in ("opt/empty/inside", "opt/empty", "opt", "etc/full/empty")]
    left = [str(tmp_path / "etc/csd.json"), str(tmp_path / "etc/full/link")]
    predicted = run(*folders, check=True)
    assert (predicted["actions"], predicted["left"]) == (expected, left)
    done = run(*folders)
    assert (done["actions"], done["left"]) == (expected, left)
    again = run(*folders)
    assert (again["actions"], again["left"]) == ([], left)
    assert (tmp_path / "elsewhere").is_dir()


def test_a_link_in_the_place_of_a_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "opt").symlink_to(tmp_path / "theirs")
    assert run(tmp_path / "opt")["actions"] == []
    assert (tmp_path / "opt").is_symlink()
