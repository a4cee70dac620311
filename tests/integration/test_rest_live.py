# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""A reactor without work rests, and leaves its core to others; one that may not rest spins."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

import pytest

from csd_compute_target import ComputeTarget
from csd_live import BINARY
from waiting import until

PORT = 24165
RESTS = 50
SECONDS = 20


def rests(target: ComputeTarget) -> int:
    """How often the reactor has given its CPU away by itself."""
    for task in Path(f"/proc/{target.pid}/task").iterdir():
        if (task / "comm").read_text().startswith("reactor_"):
            status = (task / "status").read_text()
            found = re.search(r"^voluntary_ctxt_switches:\s+(\d+)$", status, re.M)
            assert found
            return int(found[1])
    raise AssertionError("no reactor")


def processor_seconds(target: ComputeTarget) -> float:
    return sum(map(int, Path(f"/proc/{target.pid}/stat").read_text().rpartition(")")[2].split()[11:13])) / 100


def test_a_target_that_nobody_uses_rests(tmp_path: Path) -> None:
    """A thousand rests of a millisecond leave a core to others for most of the time."""
    with ComputeTarget(tmp_path, PORT) as target:
        target.set_up()
        before = rests(target)
        until("the reactor rests", lambda: rests(target) > before + RESTS, SECONDS)
        begun, used, at = rests(target), processor_seconds(target), time.monotonic()
        until("it rests on", lambda: rests(target) > begun + 20 * RESTS, SECONDS)
        share = (processor_seconds(target) - used) / (time.monotonic() - at)
        print(f"share of a core without work: {share:.2f}")
        assert share < 0.5
        # It answers all the same.
        assert target.call("spdk_get_version")


def test_a_reactor_that_may_not_rest_spins(tmp_path: Path) -> None:
    target = ComputeTarget(tmp_path, PORT)
    target.start("--rest-microseconds", "0")
    try:
        target.set_up()
        before, used = rests(target), processor_seconds(target)
        until("it has spun for a second", lambda: processor_seconds(target) > used + 1, SECONDS)
        assert rests(target) < before + RESTS
    finally:
        target.stop()


@pytest.mark.parametrize("number", ["10001", "-1", "never", ""])
def test_a_rest_that_is_none_is_refused(number: str) -> None:
    """Before SPDK starts."""
    done = subprocess.run([BINARY, "--rest-microseconds", number], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"csd_tgt: --rest-microseconds {number}: a number from 0 to 10000" in done.stderr
