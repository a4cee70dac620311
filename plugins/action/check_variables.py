# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Ansible action: holds the variables that a user set against the roles' argument specifications.

Ansible ignores a misspelt variable silently, and sees a wrong type only when its role begins, minutes later. This
action finds both before the first role changes anything. It runs on the controller and changes nothing.

Options:
    roles: names of the roles; each has meta/argument_specs.yml in the project's roles folder.
"""

from __future__ import annotations

import difflib
import importlib.util
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from ansible.errors import AnsibleActionFail, AnsibleUndefinedVariable
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase

PROJECT = Path(__file__).resolve().parents[2]
ROLES = PROJECT / "roles"
# Beside the plugins, where no import finds it.
_names = importlib.util.spec_from_file_location("variable_names", PROJECT / "plugins/variable_names.py")
assert _names is not None
assert _names.loader is not None
variable_names = importlib.util.module_from_spec(_names)
_names.loader.exec_module(variable_names)


class ActionModule(ActionBase):  # type: ignore[misc]  # ansible-core ships no types
    """See the module's docstring."""

    _requires_connection = False
    _VALID_ARGS = frozenset({"roles"})

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Collect every wrong variable, then fail once with all of them."""
        super().run(tmp, task_vars)
        variables = task_vars or {}
        specifications = {role: _options(role) for role in self._task.args["roles"]}
        wrong = []
        for role, options in specifications.items():
            for name in sorted(name for name in variables if _owner(name, specifications) == role):
                if name not in options:
                    wrong.append(_unknown(name, role, options))
                elif error := self._type_error(name, variables[name], options[name]):
                    wrong.append(f"Asked: {name}. Found: {error}. Do: correct its value.")
                else:
                    wrong += self._wrong_names(name, variables[name])
        if wrong:
            raise AnsibleActionFail("\n".join(wrong))
        return {"changed": False}

    def _wrong_names(self, name: str, value: Any) -> list[str]:
        try:
            return list(variable_names.wrong_names(name, self._templar.template(value)))
        except AnsibleUndefinedVariable:
            return list(variable_names.wrong_names(name, value))

    def _type_error(self, name: str, value: Any, option: dict[str, Any]) -> str | None:
        try:
            value = self._templar.template(value)
        except AnsibleUndefinedVariable:
            return None  # refers to a role's default, which is not loaded yet: the role itself validates it
        option = {key: item for key, item in option.items() if key not in {"description", "default"}}
        result = ArgumentSpecValidator({name: option}).validate({name: value})
        return "; ".join(result.error_messages) or None


def _options(role: str) -> dict[str, Any]:
    path = ROLES / role / "meta" / "argument_specs.yml"
    specification: dict[str, Any] = yaml.safe_load(path.read_text())
    options: dict[str, Any] = specification["argument_specs"]["main"]["options"]
    return options


def _owner(name: str, roles: Iterable[str]) -> str | None:
    """The role that a variable's prefix names; the longest where one role's name begins another's."""
    return max((role for role in roles if name.startswith(f"{role}_")), key=len, default=None)


def _unknown(name: str, role: str, options: dict[str, Any]) -> str:
    near = difflib.get_close_matches(name, options, n=1)
    hint = f"did you mean {near[0]}?" if near else f"see roles/{role}/defaults/main.yml for those there are"
    return f"Asked: variable {name}. Found: the role {role} knows no such variable. Do: {hint}"
