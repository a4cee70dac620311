# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Stages beside each other: each line has its stage's name, and the end of what a failed one said comes last."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from machines.console import ROOT

MAKE = """\
#!/bin/sh
case $2 in
good) echo well ;;
bad) seq 1 100; echo "the reason" >&2; exit 3 ;;
esac
"""


def test_the_end_of_a_failed_stage_is_repeated_last(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    script = shutil.copy(ROOT / "tests/together.sh", tmp_path / "tests")
    make = tmp_path / "make"
    make.write_text(MAKE)
    make.chmod(0o755)
    environment = os.environ | {"MAKE": str(make)}
    done = subprocess.run([script, "good", "bad"], env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert {"good | well", "bad | 1", "bad | the reason"} <= set(done.stdout.splitlines())
    said = done.stderr.splitlines()
    assert said[0] == "The end of bad:"
    assert "the reason" in said
    assert "10" not in said, "its end alone"
    assert said[-1] == "FAILED: bad; see the lines that begin with that"
    assert [line.split()[2:] for line in (tmp_path / "build/stages.txt").read_text().splitlines()] in (
        [["good"], ["bad", "(failed:", "3)"]],
        [["bad", "(failed:", "3)"], ["good"]],
    )
    done = subprocess.run([script, "good"], env=environment, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
