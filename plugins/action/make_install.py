# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Hands the source folder of the controller to the module make_install: one round trip, honest in check mode."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):  # type: ignore[misc]  # ansible-core ships no types
    """Reads ``src`` here, so that the module sees every source's text on the managed host."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        args = dict(self._task.args)
        if args.get("state", "present") == "present":
            args["sources"] = read_sources(Path(str(args.get("src", ""))))
        result: dict[str, Any] = self._execute_module(module_args=args, task_vars=task_vars)
        # The sources' texts are of no use in a result.
        result.get("invocation", {}).get("module_args", {}).pop("sources", None)
        return result


def read_sources(folder: Path) -> dict[str, str]:
    """Relative name -> text of the files in a folder; hidden ones and what a build left there are no sources.

    Raises:
        AnsibleActionFail: there is no such folder, it has no Makefile, or one of the files is no text.
    """
    sources = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and not any(part == "build" or part.startswith(".") for part in name.parts):
            try:
                sources[str(name)] = path.read_text(encoding="utf-8")
            except UnicodeDecodeError as error:
                raise AnsibleActionFail(
                    f"Asked: the sources in {folder}. Found: {name} is no UTF-8 text ({error.reason}). "
                    f"Do: keep what a build leaves in {folder}/build, or remove it."
                ) from None
    if "Makefile" not in sources:
        raise AnsibleActionFail(
            f"Asked: the sources in '{folder}' on the controller. Found: no Makefile in it. "
            "Do: let src name the folder that holds the Makefile."
        )
    return sources
