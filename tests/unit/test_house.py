"""tests/measure/house.py counts what it says, and knows the way of csd_target_subsystems in this very tree."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import pytest

from machines.console import ROOT
from measure import house


def tree(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_lines_are_told_by_room_and_kind(tmp_path: Path) -> None:
    files = {
        "site.yml": "---\n",
        "README.md": "a\nb\n",
        "requirements-test.txt": "x\n" * 9,
        "roles/one/tasks/main.yml": "a\nb\nc\n",
        "roles/one/files/csd.c": "1\n",
        "roles/one/files/tests/test_csd.c": "1\n2\n",
        "roles/two/files/check.h": "1\n",
        "module_utils/hello_ebpf/names.py": "1\n",
        "module_utils/hello_ebpf/csd/device.py": "1\n2\n",
        "plugins/action/check_variables.py": "1\n",
        "plugins/action/_shared.py": "1\n",
        "library/spdk_target.py": "1\n",
        "tests/unit/test_names.py": "1\n2\n3\n",
        "docs/csd.md": "1\n",
    }
    (tree(tmp_path, files) / "library/link.py").symlink_to("spdk_target.py")
    seen = house.look(tmp_path, [*files, "library/link.py"])
    assert {name: dict(lines) for name, lines in seen.lines.items()} == {
        "(top)": {"code": 1, "docs": 2, "pins": 9},
        "roles/one": {"code": 4, "C tests": 2},
        "roles/two": {"C tests": 1},
        "module_utils/hello_ebpf/*": {"code": 1},
        "module_utils/hello_ebpf/csd": {"code": 2},
        "plugins": {"code": 2},
        "library": {"code": 1},
        "tests": {"tests": 3},
        "docs": {"docs": 1},
    }
    assert (seen.symlinks, seen.modules, seen.actions) == (1, 1, 1)


def test_who_uses_a_schema_does_not_write_it(tmp_path: Path) -> None:
    keys = "\n".join(f"{key}: 1" for key in house.SUBSYSTEM_KEYS)
    files = dict.fromkeys(("docs/a.md", "inventory/b.yml", "roles/c/defaults/main.yml", "tests/d.py"), keys)
    assert house.look(tree(tmp_path, files), files).schemas == ["docs/a.md"]


def test_the_hops_are_those_of_this_tree() -> None:
    assert house.look(ROOT, [name for name, _ in house.HOPS]).missing == []


def test_a_hop_that_is_gone_is_named(tmp_path: Path) -> None:
    files = {name: "" for name, _ in house.HOPS}
    assert house.look(tree(tmp_path, files), files).missing == [f"{name}:{symbol}" for name, symbol in house.HOPS]


def test_stages_beside_each_other_take_as_long_as_the_longest(tmp_path: Path) -> None:
    stages = tmp_path / "stages.txt"
    stages.write_text("    50 s  lint\n    90 s  unit\n   400 s  machines\n   300 s  vm (failed: 1)\n   310 s  vm\n")
    makefile = "check: x ## y\n\ttests/together.sh lint unit\n\ntest: x\n\trm -f x\n" + (
        "\ttests/together.sh lint unit machines\n\ttests/together.sh vm\n"
    )
    seconds = house.stage_seconds(stages)
    assert seconds == {"lint": 50, "unit": 90, "machines": 400, "vm": 310}
    assert house.verb_seconds(seconds, makefile) == {"check": 90, "test": 710}
    assert house.verb_seconds({"lint": 50}, makefile) == {}


def test_the_makefile_has_both_recipes() -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert "lint" in house.recipe(makefile, "check")[0]
    assert len(house.recipe(makefile, "test")) > 1


def test_seconds_are_given_by_verb() -> None:
    assert house.told("lab=145") == ("lab", 145)
    with pytest.raises(argparse.ArgumentTypeError, match="write one of lab, second, check, test"):
        house.told("lap=145")


def run(*words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, str(ROOT / "tests/measure/house.py"), *words]
    return subprocess.run(argv, check=False, capture_output=True, text=True)


def test_a_commit_is_told_as_a_table() -> None:
    done = run("--commit", "HEAD", "--seconds", "lab=145", "second=18")
    assert "| **all** |" in done.stdout
    assert "| `make lab`, seconds | 145 |" in done.stdout
    assert "| `make test`, seconds |  |" in done.stdout


def test_a_commit_that_is_not_there_is_refused() -> None:
    done = run("--commit", "no-such-commit")
    assert done.returncode == 1
    assert "Asked: git archive no-such-commit. Found: " in done.stderr
    assert "Do: name a commit that this clone has." in done.stderr
