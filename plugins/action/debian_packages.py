# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""In check mode, tells the module debian_packages what earlier tasks of the same run would have installed."""

from __future__ import annotations

import os
from typing import Any

from ansible.plugins.action import ActionBase

FACT = "debian_packages_predicted"


class ActionModule(ActionBase):  # type: ignore[misc]  # ansible-core ships no types
    """Carries the prediction from task to task as a fact of the host."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        args = dict(self._task.args)
        checks = bool(self._task.check_mode)
        # The controller's process: a fact cache that outlives it must not decide a later run.
        run = os.getppid()
        known = predicted((task_vars or {}).get("ansible_facts", {}).get(FACT, {}), run)
        if checks:
            args["predicted"] = known
        result: dict[str, Any] = self._execute_module(module_args=args, task_vars=task_vars)
        if checks and not result.get("failed"):
            names = {package["name"] for package in result["packages"].values()}
            result["ansible_facts"] = {FACT: {"run": run, "names": sorted(names.union(known))}}
        return result


def predicted(fact: dict[str, Any], run: int) -> list[str]:
    """The packages that a fact names, where this very run made it."""
    return list(fact["names"]) if fact.get("run") == run else []
