# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Tells the module debian_packages what earlier tasks of the run saw installed, and spares it where that is all.

In check mode, what they would have installed counts, so that it is not predicted twice.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ansible.plugins.action import ActionBase

FACT = "debian_packages_known"


class ActionModule(ActionBase):  # type: ignore[misc]  # ansible-core ships no types
    """Carries what is known from task to task as a fact of the host."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        args = dict(self._task.args)
        checks = bool(self._task.check_mode)
        # The controller's process: a fact cache that outlives it must not decide a later run; nor may a prediction, or
        # what another machine has.
        run = f"{os.getppid()} {'check' if checks else 'real'} {self._task.delegate_to or ''}"
        known = known_in((task_vars or {}).get("ansible_facts", {}).get(FACT, {}), run)
        asked = args.get("name")
        if asked and isinstance(asked, list):
            there = {str(item): stands_for(str(item), known) for item in asked}
            if all(there.values()):
                return {"changed": False, "actions": [], "packages": there}
        if checks:
            args["predicted"] = list(known)
        result: dict[str, Any] = self._execute_module(module_args=args, task_vars=task_vars)
        if not result.get("failed"):
            seen = {package["name"]: package["version"] for package in result["packages"].values()}
            result["ansible_facts"] = {FACT: {"run": run, "versions": known | seen}}
        return result


def known_in(fact: Mapping[str, Any], run: str) -> dict[str, str]:
    """Packages that a fact names, with their versions, where this very run made it."""
    return dict(fact["versions"]) if fact.get("run") == run else {}


def stands_for(item: str, known: Mapping[str, str]) -> dict[str, str]:
    """The known package that stands for an item (``a``, or ``a|b``); empty where none does."""
    names = (name.strip() for name in item.split("|"))
    return next(({"name": name, "version": known[name]} for name in names if name in known), {})
