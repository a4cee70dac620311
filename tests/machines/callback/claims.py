# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Ansible callback: each task named ``Proved: ...`` that was ok on a host is a claim that was proved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = r"""
name: claims
type: notification
short_description: Record what the tasks of a playbook proved
description:
  - A task whose name begins with C(Proved:) and that ended ok on a host appends the rest of its name, and the host, to
    the file O(file). A task that was skipped or failed proves nothing.
options:
  file:
    description: The list of claims; nothing is recorded where it is empty.
    default: ""
    env:
      - name: HELLO_EBPF_CLAIMS
requirements:
  - enabled with C(ANSIBLE_CALLBACKS_ENABLED)
"""

MARK = "Proved:"


class CallbackModule(CallbackBase):  # type: ignore[misc]  # ansible-core ships no types
    """See DOCUMENTATION."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "claims"
    CALLBACK_NEEDS_ENABLED = True

    def v2_runner_on_ok(self, result: Any) -> None:
        name = result.task.get_name().strip()
        # Within a role the name has the role before it.
        head, mark, claim = name.partition(MARK)
        proved = mark and (not head or head.endswith(" : ")) and not result.task_fields.get("check_mode")
        if proved and self.get_option("file"):
            path = Path(self.get_option("file"))
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a") as handle:
                handle.write(f"{claim.strip()} [{result.host.get_name()}]\n")
