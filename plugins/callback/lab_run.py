# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Ansible callback: records every task as it ends, and prints where the time went and which nodes failed."""

from __future__ import annotations

DOCUMENTATION = r"""
name: lab_run
type: notification
short_description: Record tasks and print where the time went and which nodes failed
description:
  - Appends one JSON object a line to O(run_file) when a task starts (C(event=start)) and when it ends on a host
    (C(event=end), with C(play), C(role), C(task), C(host), C(status), C(seconds)).
  - Prints the seconds of each role and the slowest tasks at the end of a playbook.
  - Prints, last of all, which hosts failed or could not be reached, in which task, why, and what to do; and of a play
    with C(serial), which hosts are through, and which were not touched.
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
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

SLOWEST = 8
MACHINE_UP = (
    "Do: see that the machine is up and that Ansible reaches it (ansible -m ping), then run again; what is done on the "
    "others stays."
)


@dataclass(frozen=True)
class Failure:
    """A host that failed, where, and why; every later step of the run leaves it out."""

    host: str
    play: str
    role: str
    task: str
    why: str

    @property
    def text(self) -> str:
        place = f"{self.role}: {self.task}" if self.role else self.task
        lines = [f"{self.host} failed in: {place} (play: {self.play})"]
        return "\n".join(lines + [f"    {line}" for line in self.why.splitlines()])


@dataclass
class Turns:
    """A play that takes one host after the other."""

    all: list[str]
    seen: set[str] = field(default_factory=set)
    through: set[str] = field(default_factory=set)

    def told(self, failed: set[str]) -> dict[str, list[str]]:
        """Which hosts are through, which failed, and which were not touched."""
        return {
            "done": [host for host in self.all if host in self.through - failed],
            "failed": [host for host in self.all if host in failed],
            "begun, and stopped with it": [host for host in self.all if host in self.seen - self.through - failed],
            "not touched": [host for host in self.all if host not in self.seen | failed],
        }


def _all_hosts(play: Any) -> list[str]:
    inventory = play.get_variable_manager()._inventory
    return [host.get_name() for host in inventory.get_hosts(play.hosts, ignore_restrictions=True)]


@dataclass(frozen=True)
class Outcome:
    """How a task ended on a host."""

    host: str
    task: Any
    result: Mapping[str, Any]

    @classmethod
    def of(cls, told: Any) -> Outcome:
        """What Ansible tells a callback; ansible-core 2.18 and older have the same attributes with a _ before them."""
        if hasattr(told, "result"):
            return cls(told.host.get_name(), told.task, told.result)
        return cls(told._host.get_name(), told._task, told._result)


def reason(result: Mapping[str, Any]) -> str:
    """Why a task failed, in its own words; of a module that has given none, how it ended and the last that it said."""
    if "module_stderr" in result:
        last = str(result["module_stderr"]).strip().splitlines()[-1:]
        ended = f"The module gave no answer (exit code {result.get('rc')}): it died, or the machine did."
        return "\n".join([ended, *last, MACHINE_UP])
    return str(result.get("msg") or result.get("stderr") or "it says nothing").strip()


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
        self._failures: list[Failure] = []
        # Of a task that is a loop and not over yet, why which items failed on a host.
        self._items: dict[str, list[str]] = defaultdict(list)
        self._serial: dict[str, Turns] = {}
        self._turns: Turns | None = None
        self._file: Path | None = None

    def set_options(self, task_keys: Any = None, var_options: Any = None, direct: Any = None) -> None:
        """Begin the record."""
        super().set_options(task_keys=task_keys, var_options=var_options, direct=direct)
        self._file = Path(self.get_option("run_file"))
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text("")

    def v2_playbook_on_play_start(self, play: Any) -> None:
        self._play = play.get_name().strip()
        self._turns = None
        if any(str(turn) != "0" for turn in play.serial):
            # Each turn is a play of its own to Ansible; the next one begins when all of this one's hosts are through.
            self._turns = self._serial.setdefault(self._play, Turns(_all_hosts(play)))
            self._turns.through |= self._turns.seen

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        self._start(task)

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        self._start(task)

    def v2_runner_on_ok(self, result: Any) -> None:
        outcome = Outcome.of(result)
        self._end(outcome, "changed" if outcome.result.get("changed") else "ok")

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        outcome = Outcome.of(result)
        self._end(outcome, "failed")
        items = self._items.pop(outcome.host, [])
        if not ignore_errors:
            self._fail(outcome, "\n".join(items) or reason(outcome.result))

    # ansible-core 2.21 no longer says in a loop's result which items failed.
    def v2_runner_item_on_failed(self, result: Any) -> None:
        outcome = Outcome.of(result)
        self._items[outcome.host].append(reason(outcome.result))

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._end(Outcome.of(result), "skipped")

    def v2_runner_on_unreachable(self, result: Any) -> None:
        outcome = Outcome.of(result)
        self._end(outcome, "unreachable")
        self._fail(outcome, f"Not reached: {reason(outcome.result)}\n{MACHINE_UP}")

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
        self._tell_failures()

    def _tell_failures(self) -> None:
        for play, turns in self._serial.items():
            failed = {failure.host for failure in self._failures}
            if not failed & set(turns.all):
                continue
            self._display.banner(f"ONE AFTER THE OTHER: {play}")
            for word, hosts in turns.told(failed).items():
                if hosts:
                    self._display.display(f"{word}: {', '.join(hosts)}")
        if self._failures:
            self._display.banner("FAILED NODES")
        for failure in self._failures:
            self._display.display(failure.text)

    def _fail(self, outcome: Outcome, why: str) -> None:
        names = self._names(outcome.task)
        self._failures.append(Failure(outcome.host, names["play"], names["role"], names["task"], why))

    def _start(self, task: Any) -> None:
        self._task_begun = time.monotonic()
        self._record({"event": "start", **self._names(task)})

    def _end(self, outcome: Outcome, status: str) -> None:
        if self._turns:
            self._turns.seen.add(outcome.host)
        entry = {
            "event": "end",
            **self._names(outcome.task),
            "host": outcome.host,
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
