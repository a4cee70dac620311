# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Ansible action: the inventory has the groups that the playbooks work on.

Ansible passes over a play whose group is missing or empty, so a misspelt group ends in a run that did nothing and
succeeded. Any of the three may be missing: without builders every machine compiles for itself. This action takes no
options, runs on the controller and changes nothing.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

GROUPS = ("builder", "targets", "initiators")


class ActionModule(ActionBase):  # type: ignore[misc]  # ansible-core ships no types
    """See the module's docstring."""

    _requires_connection = False
    _VALID_ARGS: frozenset[str] = frozenset()

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        if error := wrong_groups((task_vars or {})["groups"]):
            raise AnsibleActionFail(error)
        return {"changed": False}


def wrong_groups(groups: Mapping[str, Sequence[str]]) -> str | None:
    """What is wrong with an inventory's groups (name to hosts); None where nothing is."""
    missing = [group for group in GROUPS if not groups.get(group)]
    for name in groups:
        near = difflib.get_close_matches(name.lower(), missing, n=1, cutoff=0.8)
        if near and name != near[0] and groups[name]:
            return (
                f"Asked: the group {name} of the inventory. Found: the playbooks know {', '.join(GROUPS)}; "
                f"{near[0]} has no hosts. Do: did you mean {near[0]}? Else give your own group a name less alike."
            )
    if len(missing) == len(GROUPS):
        return (
            f"Asked: a lab on the hosts of the inventory. Found: none is in a group {', '.join(GROUPS)}, so there is "
            "nothing to do. Do: put hosts into these groups, as inventory/fleet.example does."
        )
    return None
