# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Ansible action: holds the variables that a user set against the roles' argument specifications.

Ansible ignores a misspelt variable silently, and sees a wrong type only when its role begins, minutes later. This
action finds both before the first role changes anything, keys of structures at any depth included. It runs on the
controller, takes no options and changes nothing.

Stricter than Ansible's own check where a value means something else than what was written: what is a string has to be
one (YAML reads 0xF without quotes as the number 15), a list is a list and not a string with commas.
"""

from __future__ import annotations

import difflib
import importlib.util
import re
from collections.abc import Iterable, Iterator, Mapping
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

# The variables of the playbooks themselves, by the same words as the roles' specifications.
PLAYBOOKS: dict[str, dict[str, Any]] = {
    "upgrade_serial": {"type": "raw"},
    "compiled_here": {"type": "bool"},
    "lab_folder": {"type": "path"},
}
# Values of a form that an argument specification cannot tell, and what to do about another. Of a list its elements are
# meant, of a mapping its keys.
FORMS = {
    "csd_target_core_mask": (
        r"0x0*[1-9a-fA-F][0-9a-fA-F]*",
        'write a hexadecimal mask, in quotes: "0x1" is core 0, "0x6" are cores 1 and 2, "0xF" are cores 0 to 3',
    ),
    "hugepages_nodes": (r"(\d+( |$))*", "name NUMA nodes by their numbers: {0: 512, 1: 512}"),
    "upgrade_serial": (r"([1-9]\d*%?( |$))+", "give a number of nodes, or a percentage of them such as 25%"),
}
# How alike a name must be to be taken for a misspelt one: inventories have variables of their own too.
ALIKE = 0.9
# What a value has to be; the others (bool, int, float) Ansible converts from what -e gives, which is always a string.
KINDS: dict[str, tuple[type | tuple[type, ...], str, str]] = {
    "str": (str, "a string", "put it in quotes"),
    "path": (str, "a string", "put it in quotes"),
    "list": ((list, tuple), "a list", "write a list; after -e as JSON: -e '{\"NAME\": [...]}'"),
    "dict": (Mapping, "a mapping", "write a mapping; after -e as JSON: -e '{\"NAME\": {...}}'"),
}


class ActionModule(ActionBase):  # type: ignore[misc]  # ansible-core ships no types
    """See the module's docstring."""

    _requires_connection = False
    _VALID_ARGS: frozenset[str] = frozenset()

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Collect every wrong variable, then fail once with all of them."""
        super().run(tmp, task_vars)
        variables = task_vars or {}
        roles = specifications(ROLES)
        known = {name: option for options in roles.values() for name, option in options.items()} | PLAYBOOKS
        wrong = []
        for name in sorted(variables):
            if name in known:
                wrong += self._wrong(name, variables[name], known[name])
            elif unknown := unknown_variable(name, roles, known):
                wrong.append(unknown)
        if wrong:
            raise AnsibleActionFail("\n".join(wrong))
        return {"changed": False}

    def _wrong(self, name: str, raw: Any, option: dict[str, Any]) -> list[str]:
        value = raw
        try:
            value = self._templar.template(raw)
            wrong = list(wrong_values(name, value, option))
        except AnsibleUndefinedVariable:
            # It refers to what is not known yet, such as a role's default: its keys are, and the role sees to the rest.
            wrong = list(wrong_shapes(name, raw, option))
        return wrong or list(variable_names.wrong_names(name, value))


def specifications(roles: Path) -> dict[str, dict[str, dict[str, Any]]]:
    """Role to its options, from each role's argument specification."""
    paths = sorted(roles.glob("*/meta/argument_specs.yml"))
    return {
        path.parents[1].name: yaml.safe_load(path.read_text())["argument_specs"]["main"]["options"] for path in paths
    }


def unknown_variable(name: str, roles: Mapping[str, Mapping[str, Any]], known: Iterable[str]) -> str | None:
    """What is wrong with a variable that nobody declares; None where it is the inventory's own."""
    asked = f"Asked: variable {name}."
    if private := _owner(name.removeprefix("__"), roles) if name.startswith("__") else None:
        return f"{asked} Found: it is the role {private}'s own. Do: set those of roles/{private}/defaults/main.yml."
    if role := _owner(name, roles):
        hint = _near(name, roles[role]) or f"see roles/{role}/defaults/main.yml for those there are"
        return f"{asked} Found: the role {role} knows no such variable. Do: {hint}"
    if not name.startswith("ansible_") and (near := _near(name, known, ALIKE)):
        return f"{asked} Found: nobody knows it. Do: {near} If it is your own, give it a name less alike."
    return None


def wrong_values(place: str, value: Any, option: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with a value, by its shape, else by what Ansible itself finds."""
    shapes = list(wrong_shapes(place, value, option))
    yield from shapes
    if not shapes and (error := _invalid(place, value, option)):
        yield f"Asked: {place}. Found: {error}. Do: correct its value."


def wrong_shapes(place: str, value: Any, option: Mapping[str, Any]) -> Iterator[str]:
    """Keys that are not declared, at any depth, and values of another kind than the declared one.

    Args:
        place: the variable, or a part of it such as ``csd_target_bdevs[0].name``.
        value: what was set. A text that is still a template is not looked into.
        option: its argument specification.
    """
    if isinstance(value, str) and ("{{" in value or "{%" in value):
        return
    asked = f"Asked: {place}: {value}."
    kind = option.get("type", "str")
    pattern, fix = FORMS.get(place, (".*", None))
    if value is None:
        if option.get("required") or not _can_be_null(option):
            yield f"{asked} Found: it has no value. Do: give it one, or leave it out."
    elif kind in KINDS and not isinstance(value, KINDS[kind][0]):
        _, wanted, how = KINDS[kind]
        found = f"{_kind(value)}, where {wanted} is wanted"
        if wanted == "a string":
            found += "; YAML takes what looks like a number, a date, a list or yes for one unless it is in quotes"
        yield f"{asked} Found: {found}. Do: {fix or how.replace('NAME', place)}."
    elif kind in {"int", "float"} and isinstance(value, bool):
        yield f"{asked} Found: {_kind(value)}, where a number is wanted. Do: correct its value."
    elif fix and not re.fullmatch(pattern, _words(value)):
        yield f"{asked} Found: it is not of that form. Do: {fix}."
    elif isinstance(value, Mapping) and "options" in option:
        yield from _wrong_keys(place, value, option["options"])
    elif kind == "list":
        for index, item in enumerate(value):
            yield from _wrong_element(f"{place}[{index}]", item, option)


def _wrong_keys(place: str, value: Mapping[str, Any], options: Mapping[str, Any]) -> Iterator[str]:
    for key, item in value.items():
        if key in options:
            yield from wrong_shapes(f"{place}.{key}", item, options[key])
        else:
            hint = _near(str(key), options) or f"possible are {', '.join(options)}"
            yield f"Asked: {place}.{key}. Found: there is no such key. Do: {hint}"


def _wrong_element(place: str, value: Any, option: Mapping[str, Any]) -> Iterator[str]:
    """An element of a list. A ``raw`` one for which there are ``options`` is a mapping of these, or a string."""
    elements = option.get("elements", "raw")
    if elements != "raw":
        yield from wrong_shapes(place, value, {**option, "type": elements, "required": True})
    elif "options" in option and isinstance(value, Mapping):
        yield from wrong_values(place, value, {"type": "dict", "options": option["options"]})
    elif "options" in option:
        yield from wrong_shapes(place, value, {"type": "str", "required": True})


def _invalid(place: str, value: Any, option: Mapping[str, Any]) -> str | None:
    spec = {key: item for key, item in option.items() if key not in {"description", "default"}}
    return "; ".join(ArgumentSpecValidator({place: spec}).validate({place: value}).error_messages) or None


def _can_be_null(option: Mapping[str, Any]) -> bool:
    """Whether null is a value like another: without a default it stands for none, and a template may come to it."""
    default = option.get("default")
    return default is None or "none" in str(default)


def _words(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, (list, tuple, Mapping)) else str(value)


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, (int, float)):
        return f"the number {value}"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, Mapping):
        return "a mapping"
    return (
        "a list"
        if isinstance(value, (list, tuple))
        else f"a {type(value).__name__.removeprefix('_AnsibleTagged').lower()}"
    )


def _owner(name: str, roles: Iterable[str]) -> str | None:
    """The role that a variable's prefix names; the longest where one role's name begins another's."""
    return max((role for role in roles if name.startswith(f"{role}_")), key=len, default=None)


def _near(name: str, names: Iterable[str], alike: float = 0.6) -> str | None:
    near = difflib.get_close_matches(name, names, n=1, cutoff=alike)
    return f"did you mean {near[0]}?" if near else None
