# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""The notes of what the lab made, with several runs on one machine at a time."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

from ansible.module_utils.hello_ebpf.made import Made

RUNS, ROUNDS = 4, 20


def _note_and_forget(record: Path, owner: str) -> None:
    made = Made(record)
    for number in range(ROUNDS):
        made.note(owner, f"/{number}")
        assert dict(made.of(owner)) == {f"/{number}": ""}
        made.forget(owner, f"/{number}")


def test_runs_at_the_same_time_lose_no_note(tmp_path: Path) -> None:
    """The folder goes with the last note, while others wait for their turn in it."""
    record = tmp_path / "lab/made.json"
    forked = multiprocessing.get_context("fork")
    runs = [forked.Process(target=_note_and_forget, args=(record, f"owner {number}")) for number in range(RUNS)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert [run.exitcode for run in runs] == [0] * RUNS
    assert not record.parent.exists()
