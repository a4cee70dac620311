# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Which rule of module_utils/hello_ebpf/names.py holds for which variable of the roles, before anything is changed."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[1]
# A collection has them among its plugins.
_UTILS = next(path for path in (_ROOT / "plugins/module_utils", _ROOT / "module_utils") if path.is_dir())
_spec = importlib.util.spec_from_file_location("hello_ebpf_names", _UTILS / "hello_ebpf/names.py")
assert _spec is not None
assert _spec.loader is not None
names = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(names)

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
# Every text of every role that no list of choices bounds; tests/unit/test_names.py says where one is missing. A part of
# a structure is named by its keys, an element of a list like the list, any key of a free mapping by a star.
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
    "csd_target_core_mask": names.line,  # what it means, the role checks
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


def wrong_names(variable: str, value: Any) -> Iterator[str]:
    """What is wrong with the names in a variable's value, as "Asked: … Found: … Do: …".

    Args:
        variable: its name.
        value: its value; a text that is still a template is not looked into.
    """
    yield from _wrong(variable, variable, value)


def rule_of(name: str) -> Any:
    """The rule for a name such as ``csd_target_bdevs.name``; None where there is none."""
    return RULES.get(name, RULES.get(f"{name.rpartition('.')[0]}.*"))


def _wrong(place: str, name: str, value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _wrong(f"{place}.{key}", f"{name}.{key}", item)
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from _wrong(f"{place}[{index}]", name, item)
    elif isinstance(value, str) and "{{" not in value and "{%" not in value:
        rule = rule_of(name)
        if rule and (wrong := rule(value)):
            yield f"Asked: {place}: {value!r}. Found: {wrong.found}. Do: {wrong.fix}."
