"""What the callback lab_run recorded of the last ansible run, and the records of earlier ones."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

Changes = set[tuple[str, str]]

RUN = Path(os.environ.get("LAB_RUN_FILE", "reports/run.jsonl"))


def keep_record(name: str) -> None:
    """Keep the last run's record under a name, for a later stage."""
    shutil.copy(RUN, kept_record(name))


def kept_record(name: str) -> Path:
    return RUN.with_name(f"{name}.jsonl")


def ended(record: Path, host: str) -> list[dict[str, str]]:
    """The tasks that have ended on a host.

    Raises:
        AssertionError: none has: such a record proves nothing.
    """
    entries = [json.loads(line) for line in record.read_text().splitlines()]
    found = [entry for entry in entries if entry["event"] == "end" and entry["host"] == host]
    assert found, f"no task has ended on {host} in {record}"
    assert {entry["status"] for entry in found} <= {"ok", "changed", "skipped"}
    return found


def changed(record: Path, host: str) -> Changes:
    """(role, task) of each task that was changed, or in check mode predicted to be."""
    return {(entry["role"], entry["task"]) for entry in ended(record, host) if entry["status"] == "changed"}
