# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""A target's objects as one tree: declared, read from a running target, or from what a target will start with.

The same classes hold what is declared and what was found. In a declaration None means 'not told': such a field is
neither compared nor changed. In a found tree None means that SPDK does not report it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any

from ..errors import LabError
from ..jsonrpc import METHOD_NOT_FOUND, Call, Client, RpcError
from .bdevs import CREATES, Bdev, declared_bdev, reported_bdev, saved_bdev
from .subsystems import IDENTIFIERS, Namespace, Subsystem, declared_rights, no_duplicate

READS = (Call("nvmf_get_transports"), Call("bdev_get_bdevs"), Call("nvmf_get_subsystems"))


@dataclass(frozen=True)
class Tree:
    """A target's objects, by their names."""

    transports: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # type -> options
    bdevs: Mapping[str, Bdev] = field(default_factory=dict)
    subsystems: Mapping[str, Subsystem] = field(default_factory=dict)
    # subsystem -> host, "" for all others -> LOAD or RUN
    rights: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def rules(self) -> list[dict[str, str]]:
        """The rights as csd_tgt lists them, in a stable order; a rule without a host is for all others."""
        return [
            {"nqn": nqn, **({"host": host} if host else {}), "programs": programs}
            for nqn, rules in sorted(self.rights.items())
            for host, programs in sorted(rules.items())
        ]

    def users(self, bdev: str) -> list[tuple[str, Namespace]]:
        """The namespaces on a bdev, each with its subsystem's NQN."""
        return [
            (nqn, namespace)
            for nqn, subsystem in self.subsystems.items()
            for namespace in subsystem.namespaces or ()
            if namespace.bdev == bdev
        ]


def declared(params: Mapping[str, Any], *, check: bool) -> Tree:
    """The declared tree.

    Args:
        params: ``transports``, ``bdevs``, ``subsystems`` and ``state`` of the module's arguments.
        check: in check mode the file behind an aio bdev may still be missing: an earlier task would have made it.

    Raises:
        LabError: the declaration contradicts itself, or NVMe, or SPDK.
    """
    transports = [_declared_transport(item) for item in params.get("transports") or ()]
    removing = params.get("state") == "absent"
    bdevs = [declared_bdev(item, check=check, removing=removing) for item in params.get("bdevs") or ()]
    subsystems = [Subsystem.declared(item) for item in params.get("subsystems") or ()]
    no_duplicate("transport", (kind for kind, _ in transports))
    no_duplicate("bdev name", (item.name for item in bdevs))
    no_duplicate("subsystem NQN", (item.nqn for item in subsystems))
    no_duplicate("file behind an aio bdev", (os.path.realpath(item.filename) for item in bdevs if item.filename))
    namespaces = [namespace for item in subsystems for namespace in item.namespaces or ()]
    for name in ("bdev", *IDENTIFIERS):
        values = (getattr(namespace, name) for namespace in namespaces)
        no_duplicate(f"{name} of a namespace", (value for value in values if value is not None))
    return Tree(
        transports=dict(transports),
        bdevs={item.name: item for item in bdevs},
        subsystems={item.nqn: item for item in subsystems},
        rights={item["nqn"]: declared_rights(item) for item in params.get("subsystems") or ()},
    )


def _declared_transport(item: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    options = {name: item[name] for name in sorted(item) if name != "type" and item[name] is not None}
    io_unit, max_io = options.get("io_unit_size"), options.get("max_io_size")
    if io_unit is not None and max_io is not None and max_io < io_unit:
        raise LabError(
            f"transport {item['type']} with io_unit_size {io_unit} and max_io_size {max_io}",
            "an I/O unit larger than the largest I/O",
            "make io_unit_size at most max_io_size",
        )
    return item["type"], options


def read_tree(client: Client) -> Tree:
    """The objects of a running target, in one round trip."""
    transports, bdevs, subsystems = client.batch(READS)
    return Tree(
        transports=dict(map(_reported_transport, transports)),
        bdevs={item.name: item for item in map(reported_bdev, bdevs)},
        # The discovery subsystem is SPDK's own: it is always there.
        subsystems={item["nqn"]: Subsystem.reported(item) for item in subsystems if item["subtype"] == "NVMe"},
    )


def read_rights(client: Client) -> dict[str, dict[str, str]]:
    """Who may load programs; nothing where the target is not csd_tgt, which knows no programs either."""
    try:
        rules = client.call("csd_get_host_rights")
    except RpcError as error:
        if error.code == METHOD_NOT_FOUND:
            return {}
        raise
    rights: dict[str, dict[str, str]] = {}
    for rule in rules:
        rights.setdefault(rule["nqn"], {})[rule.get("host", "")] = rule["programs"]
    return rights


def tree_from_saved(calls: Iterable[Mapping[str, Any]]) -> Tree:
    """The objects that a target has after it loaded saved calls."""
    transports: dict[str, dict[str, Any]] = {}
    bdevs: dict[str, Bdev] = {}
    subsystems: dict[str, dict[str, Any]] = {}
    rights: dict[str, dict[str, str]] = {}
    for call in calls:
        method, params = str(call.get("method")), call.get("params") or {}
        if method == "nvmf_create_transport":
            transports |= dict([_reported_transport(params)])
        elif method in CREATES:
            bdevs[params["name"]] = saved_bdev(method.removeprefix("bdev_").removesuffix("_create"), params)
        elif method == "nvmf_create_subsystem":
            subsystems[params["nqn"]] = {**params, "hosts": [], "namespaces": [], "listen_addresses": []}
        elif method == "nvmf_subsystem_add_host":
            subsystems[params["nqn"]]["hosts"].append({"nqn": params["host"]})
        elif method == "nvmf_subsystem_add_ns":
            subsystems[params["nqn"]]["namespaces"].append(params["namespace"])
        elif method == "nvmf_subsystem_add_listener":
            subsystems[params["nqn"]]["listen_addresses"].append(params["listen_address"])
        elif method == "csd_set_host_rights":
            rights.setdefault(params["nqn"], {})[params.get("host", "")] = params["programs"]
    return Tree(transports, bdevs, {nqn: Subsystem.reported(item) for nqn, item in subsystems.items()}, rights)


def _reported_transport(item: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    return item["trtype"].upper(), {name: item[name] for name in sorted(item) if name != "trtype"}


def render(tree: Tree) -> str:
    """The tree as YAML-like text, one fact a line, in a stable order."""
    ordered = replace(
        tree,
        transports=dict(sorted(tree.transports.items())),
        bdevs=dict(sorted(tree.bdevs.items())),
        subsystems=dict(sorted(tree.subsystems.items())),
    )
    data = as_data(ordered)
    return "\n".join(line for name, items in data.items() for line in _field_lines(name, items, ""))


def as_data(value: Any) -> Any:
    """A tree, or a part of it, as a module returns it: what is not known is left out."""
    if isinstance(value, Tree):
        return {
            "transports": [{"type": kind, **options} for kind, options in value.transports.items()],
            "bdevs": [as_data(item) for item in value.bdevs.values()],
            "subsystems": [as_data(item) for item in value.subsystems.values()],
            **({"rights": value.rules} if value.rights else {}),
        }
    if is_dataclass(value) and not isinstance(value, type):
        pairs = [(item.name, getattr(value, item.name)) for item in fields(value) if item.name != "options"]
        return {name: as_data(item) for name, item in pairs if item is not None} | dict(getattr(value, "options", {}))
    return [as_data(item) for item in value] if isinstance(value, tuple) else value


def _field_lines(name: str, value: Any, indent: str) -> list[str]:
    if not isinstance(value, list):
        return [f"{indent}{name}: {_scalar(value)}"]
    if not value:
        return [f"{indent}{name}: []"]
    return [f"{indent}{name}:", *(line for item in value for line in _item_lines(item, indent + "  "))]


def _item_lines(item: Any, indent: str) -> list[str]:
    """A list's item: its first line carries the dash."""
    if not isinstance(item, Mapping):
        return [f"{indent}- {_scalar(item)}"]
    # Whether a bdev is claimed follows from the namespaces: it is no fact of its own.
    shown = [(name, value) for name, value in item.items() if name != "claimed"]
    lines = [line for name, value in shown for line in _field_lines(name, value, indent + "  ")]
    return [f"{indent}- {lines[0].lstrip()}", *lines[1:]]


def _scalar(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
