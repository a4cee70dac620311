# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Ansible callback: records every task as it ends, and prints where the time went."""

from __future__ import annotations

DOCUMENTATION = r"""
name: lab_run
type: notification
short_description: Record tasks and print where the time went
description:
  - Appends one JSON object a line to O(run_file) when a task starts (C(event=start)) and when it ends on a host
    (C(event=end), with C(play), C(role), C(task), C(host), C(status), C(seconds)).
  - Prints the seconds of each role and the slowest tasks at the end of a playbook.
  - The file is begun anew by every run.
options:
  run_file:
    description: Where the record goes; relative to the working directory.
    default: reports/run.jsonl
    env:
      - name: LAB_RUN_FILE
requirements:
  - enabled with C(callbacks_enabled)
"""

import json
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

SLOWEST = 8


class CallbackModule(CallbackBase):  # type: ignore[misc]  # ansible-core ships no types
    """See DOCUMENTATION."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "lab_run"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._begun = time.monotonic()
        self._task_begun = self._begun
        self._play = ""
        self._ended: list[dict[str, Any]] = []
        self._file: Path | None = None

    def set_options(self, task_keys: Any = None, var_options: Any = None, direct: Any = None) -> None:
        """Begin the record."""
        super().set_options(task_keys=task_keys, var_options=var_options, direct=direct)
        self._file = Path(self.get_option("run_file"))
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text("")

    def v2_playbook_on_play_start(self, play: Any) -> None:
        self._play = play.get_name().strip()

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        self._start(task)

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        self._start(task)

    def v2_runner_on_ok(self, result: Any) -> None:
        self._end(result, "changed" if result.result.get("changed") else "ok")

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._end(result, "failed")

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._end(result, "skipped")

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._end(result, "unreachable")

    def v2_playbook_on_stats(self, stats: Any) -> None:
        total = time.monotonic() - self._begun
        spent: dict[str, float] = defaultdict(float)
        # Hosts work side by side: a task took as long as its slowest host.
        tasks: dict[tuple[str, str], float] = {}
        for entry in self._ended:
            key = (entry["role"], entry["task"])
            tasks[key] = max(tasks.get(key, 0.0), entry["seconds"])
        for (role, _), seconds in tasks.items():
            spent[role] += seconds
        self._display.banner(f"WHERE THE TIME WENT ({total:.1f} s)")
        for role, seconds in sorted(spent.items(), key=lambda item: -item[1]):
            self._display.display(f"{seconds:8.1f} s  {role or '(no role)'}")
        self._display.display("the slowest tasks:")
        for (role, task), seconds in sorted(tasks.items(), key=lambda item: -item[1])[:SLOWEST]:
            self._display.display(f"{seconds:8.1f} s  {role or '(no role)'}: {task}")

    def _start(self, task: Any) -> None:
        self._task_begun = time.monotonic()
        self._record({"event": "start", **self._names(task)})

    def _end(self, result: Any, status: str) -> None:
        entry = {
            "event": "end",
            **self._names(result.task),
            "host": result.host.get_name(),
            "status": status,
            "seconds": round(time.monotonic() - self._task_begun, 3),
        }
        self._ended.append(entry)
        self._record(entry)

    def _names(self, task: Any) -> dict[str, str]:
        role = task._role.get_name() if task._role else ""
        return {"play": self._play, "role": role, "task": task.name or task.action}

    def _record(self, entry: dict[str, Any]) -> None:
        if self._file:
            with self._file.open("a") as file:
                file.write(json.dumps(entry) + "\n")
