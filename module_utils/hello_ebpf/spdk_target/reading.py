# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""The tree of a running target, or of the saved configuration that a target will start with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..jsonrpc import Call, Client, RpcError
from .model import (
    COMPUTE_LIMITS,
    IDENTIFIERS,
    MIB,
    SLM_BLOCK,
    TYPES,
    Bdev,
    Listener,
    Namespace,
    Subsystem,
    Tree,
    from_spdk,
    uuid_text,
)

READS = (Call("nvmf_get_transports"), Call("bdev_get_bdevs"), Call("nvmf_get_subsystems"))
_PRODUCTS = {
    "Malloc disk": "malloc",
    "CSD RAM disk": "csd_ram",
    "AIO disk": "aio",
    "Null disk": "null",
    "CSD SLM": "csd_slm",
    "CSD compute": "csd_compute",
}
_METHOD_NOT_FOUND = -32601
CREATES = frozenset(f"bdev_{kind}_create" for kind in TYPES)


def read_tree(client: Client) -> Tree:
    """The objects of a running target, in one round trip."""
    transports, bdevs, subsystems = client.batch(READS)
    return Tree(
        transports=dict(map(_transport, transports)),
        bdevs={item.name: item for item in map(_bdev, bdevs)},
        # The discovery subsystem is SPDK's own: it is always there.
        subsystems={item["nqn"]: _subsystem(item) for item in subsystems if item["subtype"] == "NVMe"},
    )


def read_rights(client: Client) -> dict[str, dict[str, str]]:
    """Who may load programs; nothing where the target is not csd_tgt, which knows no programs either."""
    try:
        rules = client.call("csd_get_host_rights")
    except RpcError as error:
        if error.code == _METHOD_NOT_FOUND:
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
            transports |= dict([_transport(params)])
        elif method in CREATES:
            bdevs[params["name"]] = _saved_bdev(method.removeprefix("bdev_").removesuffix("_create"), params)
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
    return Tree(transports, bdevs, {nqn: _subsystem(item) for nqn, item in subsystems.items()}, rights)


def _transport(item: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    return item["trtype"].upper(), {name: item[name] for name in sorted(item) if name != "trtype"}


def _bdev(item: Mapping[str, Any]) -> Bdev:
    kind = _PRODUCTS.get(item["product_name"], item["product_name"])
    specific = item.get("driver_specific") or {}
    # A compute namespace is a bdev without blocks to speak of.
    sized = kind != "csd_compute"
    return Bdev(
        name=item["name"],
        type=kind,
        block_size=item["block_size"] if sized else None,
        num_blocks=item["num_blocks"] if sized else None,
        uuid=uuid_text(item["uuid"]) if item.get("uuid") else None,
        filename=specific.get("aio", {}).get("filename"),
        options=_options(specific.get("csd_compute") or {}),
        claimed=item["claimed"],
    )


def _options(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: found[name] for name in COMPUTE_LIMITS if name in found}


def _saved_bdev(kind: str, params: Mapping[str, Any]) -> Bdev:
    if kind == "csd_slm":
        params = {**params, "block_size": SLM_BLOCK, "num_blocks": params["megabytes"] * MIB // SLM_BLOCK}
    return Bdev(
        name=params["name"],
        type=kind,
        block_size=params.get("block_size"),
        num_blocks=params.get("num_blocks"),
        uuid=uuid_text(params["uuid"]) if params.get("uuid") else None,
        filename=params.get("filename"),
        options=_options(params) if kind == "csd_compute" else {},
    )


def _subsystem(item: Mapping[str, Any]) -> Subsystem:
    namespaces = [_namespace(namespace) for namespace in item["namespaces"]]
    # SPDK leaves this field out where the subsystem was created without a limit.
    found = {"max_namespaces": 0, **from_spdk(Subsystem, item)}
    return Subsystem(
        **found,
        hosts=tuple(sorted(host["nqn"] for host in item["hosts"])),
        namespaces=tuple(sorted(namespaces, key=lambda namespace: namespace.nsid)),
        listeners=tuple(sorted(map(_listener, item["listen_addresses"]))),
    )


def _namespace(item: Mapping[str, Any]) -> Namespace:
    identifiers = {name: form(item[name]) for name, form in IDENTIFIERS.items() if item.get(name)}
    return Namespace(**from_spdk(Namespace, item) | dict.fromkeys(IDENTIFIERS) | identifiers)


def _listener(item: Mapping[str, Any]) -> Listener:
    found = from_spdk(Listener, {"adrfam": "ipv4", **item})
    return Listener(**found | {"transport": found["transport"].upper(), "family": found["family"].lower()})
