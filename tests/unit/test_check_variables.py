"""Wrong variables are found before the first role begins: the action check_variables in a real playbook run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def preflight(tmp_path: Path, *extra: str) -> subprocess.CompletedProcess[str]:
    command = [
        str(Path(sys.executable).parent / "ansible-playbook"),
        "-i",
        "inventory/local",
        "playbooks/preflight.yml",
    ]
    for variable in extra:
        command += ["-e", variable]
    environment = os.environ | {"LAB_RUN_FILE": str(tmp_path / "run.jsonl"), "COLUMNS": "1000"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_the_shipped_inventory_passes(tmp_path: Path) -> None:
    done = preflight(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        (
            "csd_target_memory_megabites=5",
            "Asked: variable csd_target_memory_megabites. Found: the role csd_target knows no such variable. "
            "Do: did you mean csd_target_memory_megabytes?",
        ),
        (
            "spdk_zzzzzzzz=5",
            "Asked: variable spdk_zzzzzzzz. Found: the role spdk knows no such variable. "
            "Do: see roles/spdk/defaults/main.yml for those there are",
        ),
        (
            "csd_target_ready_seconds=soon",
            "Asked: csd_target_ready_seconds. Found: argument 'csd_target_ready_seconds' is of type",
        ),
        ("csd_target_state=off", "value of csd_target_state must be one of: present, absent, got: off"),
    ],
)
def test_a_wrong_variable_is_named_with_what_to_do(tmp_path: Path, variable: str, text: str) -> None:
    done = preflight(tmp_path, variable)
    assert done.returncode != 0
    assert text in " ".join((done.stdout + done.stderr).split())


def test_all_wrong_variables_are_named_at_once(tmp_path: Path) -> None:
    done = preflight(tmp_path, "hugepages_cuont=5", "spdk_sauce=git")
    assert "did you mean hugepages_count?" in done.stdout + done.stderr
    assert "did you mean spdk_source?" in done.stdout + done.stderr
