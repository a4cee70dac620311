# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Ansible callback: stops a run at the start of one task, or in its modules, until the test has dealt its blow."""

from __future__ import annotations

import json
import os
import socket
from collections import Counter
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = r"""
name: lab_blow
type: notification
short_description: Stop a run at the start of one task, or in its modules
description:
  - At the start of the task O(task) it tells the test so through O(socket), and waits for an answer or an end.
  - With O(within) it does not stop there; the task's modules do, by C(../module/sitecustomize.py).
options:
  task:
    description: Play, role, task, and which of those of the same names, counted from 0; a JSON list.
    env:
      - name: HELLO_EBPF_BLOW_TASK
  socket:
    description: The test's socket.
    env:
      - name: HELLO_EBPF_BLOW_AT
  within:
    description: Stop in the modules.
    type: bool
    default: false
    env:
      - name: HELLO_EBPF_BLOW_WITHIN
requirements:
  - enabled with C(ANSIBLE_CALLBACKS_ENABLED)
"""

MODULE = Path(__file__).resolve().parents[1] / "module"


class CallbackModule(CallbackBase):  # type: ignore[misc]  # ansible-core ships no types
    """See DOCUMENTATION."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "lab_blow"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._play = ""
        self._seen: Counter[tuple[str, str, str]] = Counter()

    def v2_playbook_on_play_start(self, play: Any) -> None:
        self._play = play.get_name().strip()

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        self._start(task)

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        self._start(task)

    def _start(self, task: Any) -> None:
        names = self._play, task._role.get_name() if task._role else "", task.name or task.action
        here = [*names, self._seen[names]]
        self._seen[names] += 1
        # Workers are forked from this process, and modules inherit their environment.
        for name in ("PYTHONPATH", "HELLO_EBPF_BLOW_MEET"):
            os.environ.pop(name, None)
        if here != json.loads(self.get_option("task")):
            return
        if self.get_option("within"):
            os.environ |= {"PYTHONPATH": str(MODULE), "HELLO_EBPF_BLOW_MEET": self.get_option("socket")}
            return
        with socket.socket(socket.AF_UNIX) as meeting:
            meeting.connect(self.get_option("socket"))
            meeting.sendall(b'{"starts": true}\n')
            meeting.recv(1)
