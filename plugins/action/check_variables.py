# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Ansible action: holds the variables that a user set against the roles' argument specifications.

Ansible ignores a misspelt variable silently, and sees a wrong type only when its role begins, minutes later. This
action finds both before the first role changes anything, keys of structures at any depth included. So it does with a
name that breaks its rule (module_utils/hello_ebpf/names.py). It runs on the controller, takes no options and changes
nothing.

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
# A collection has them among its plugins.
_UTILS = next(path for path in (PROJECT / "plugins/module_utils", PROJECT / "module_utils") if path.is_dir())
_spec = importlib.util.spec_from_file_location("hello_ebpf_names", _UTILS / "hello_ebpf/names.py")
assert _spec is not None
assert _spec.loader is not None
names = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(names)

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
_CONNECTION = {
    "subsystem_nqn": names.nqn,
    "address": names.address,
    "service_id": names.service_id,
    "host_nqn": names.nqn,
    "host_id": names.uuid,
    "namespaces.uuid": names.uuid,
    "namespaces.mount": names.mount_point,
    "namespaces.mount_options": names.mount_options,
}
# The rule for every text of every role that no list of choices bounds; tests/unit/test_names.py says where one is
# missing. A part of a structure is named by its keys, an element of a list like the list, any key of a free mapping by
# a star.
RULES: dict[str, Any] = {
    **{f"nvme_tcp_connections.{key}": rule for key, rule in _CONNECTION.items()},
    "nvme_tcp_failed_subsystems": names.nqn,
    "nvme_tcp_after_units": names.unit,
    **{f"csd_bench_connections.{key}": rule for key, rule in _CONNECTION.items()},
    "csd_bench_target_rpc_socket": names.socket,
    "csd_bench_prefix": names.plain_path,
    "csd_bench_spdk": names.plain_path,
    "csd_bench_trace": names.path,
    "csd_bench_phase_program": names.path,
    "csd_bench_program_bench": names.path,
    "csd_bench_reports": names.line,
    "csd_bench_report_hosts": names.line,
    "csd_host_connection.traddr": names.address,
    "csd_host_connection.trsvcid": names.service_id,
    "csd_host_connection.subnqn": names.nqn,
    "csd_host_connection.hostnqn": names.nqn,
    "csd_host_connection.device": names.path,
    "csd_host_prefix": names.plain_path,
    "csd_host_link": names.path,
    "csd_host_spdk": names.plain_path,
    "csd_target_prefix": names.plain_path,
    "csd_target_spdk": names.plain_path,
    "csd_target_program": names.program,
    "csd_target_user": names.account,
    "csd_target_rpc_group": names.account,
    "csd_target_rpc_socket": names.socket,
    "csd_target_config_file": names.path,
    "csd_target_log": names.path,
    "csd_target_core_mask": names.line,  # FORMS has more
    "csd_target_bdevs.name": names.bdev,
    "csd_target_bdevs.uuid": names.or_empty(names.uuid),
    "csd_target_bdevs.filename": names.path,
    "csd_target_backing_files.path": names.path,
    "csd_target_subsystems.nqn": names.nqn,
    "csd_target_subsystems.serial": names.serial,
    "csd_target_subsystems.model": names.model,
    "csd_target_subsystems.hosts": names.nqn,
    "csd_target_subsystems.hosts.nqn": names.nqn,
    "csd_target_subsystems.namespaces.bdev": names.bdev,
    "csd_target_subsystems.namespaces.uuid": names.or_empty(names.uuid),
    "csd_target_subsystems.namespaces.nguid": names.or_empty(names.nguid),
    "csd_target_subsystems.namespaces.eui64": names.or_empty(names.eui64),
    "csd_target_subsystems.listeners.address": names.listener_address,
    "csd_target_subsystems.listeners.service_id": names.service_id,
    "csd_target_programs.compute": names.bdev,
    "csd_target_programs.source": names.argument,
    "csd_target_builder": names.line,
    "distribution_archive": names.line,
    "distribution_archive_sha256": names.or_empty(names.digest),
    "distribution_builder": names.line,
    "distribution_builders": names.line,
    "distribution_takers": names.line,
    "distribution_folder": names.line,
    "distribution_cache": names.path,
    "distribution_record": names.path,
    "distribution_parts.*": names.plain_path,
    "ebpf_examples_dest": names.plain_path,
    "hugepages_mount": names.mount_point,
    "spdk_version": names.word,
    "spdk_manifest": names.path,
    "spdk_debian_suites": names.word,
    "spdk_debian_mirror": names.or_empty(names.url),
    "spdk_git_url": names.argument,
    "spdk_git_version": names.word,
    "spdk_git_commit": names.or_empty(names.digest),
    "spdk_git_submodule_urls.*": names.argument,
    "spdk_archive": names.argument,
    "spdk_archive_sha256": names.or_empty(names.digest),
    "spdk_patches": names.line,
    "spdk_prefix": names.plain_path,
    "spdk_cache": names.plain_path,
    "spdk_log": names.path,
}
# How alike a name must be to be taken for a misspelt one: inventories have variables of their own too.
ALIKE = 0.9
ANYTHING = {"type": "raw"}
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
        try:
            return list(wrong_values(name, self._templar.template(raw), option))
        except AnsibleUndefinedVariable:
            # It refers to what is not known yet, such as a role's default: its keys are, and the role sees to the rest.
            return list(wrong_shapes(name, raw, option))


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
    """Keys that are not declared, at any depth, values of another kind than the declared one, and wrong names.

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
    elif isinstance(value, Mapping):
        yield from _wrong_keys(place, value, option.get("options"))
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from _wrong_element(f"{place}[{index}]", item, option)
    elif isinstance(value, str) and (rule := rule_of(place)) and (wrong := rule(value)):
        yield f"Asked: {place}: {value!r}. Found: {wrong.found}. Do: {wrong.fix}."


def rule_of(place: str) -> Any:
    """The rule for a place such as ``csd_target_bdevs[0].name``; None where there is none."""
    name = re.sub(r"\[\d+\]", "", place)
    return RULES.get(name, RULES.get(f"{name.rpartition('.')[0]}.*"))


def _wrong_keys(place: str, value: Mapping[str, Any], options: Mapping[str, Any] | None) -> Iterator[str]:
    for key, item in value.items():
        if options is None or key in options:
            yield from wrong_shapes(f"{place}.{key}", item, options[key] if options else ANYTHING)
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
    else:
        yield from wrong_shapes(place, value, {"type": "str", "required": True} if "options" in option else ANYTHING)


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
