# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""The RPCs that lead from one tree to another, each with the one that takes it back.

In this order: access and the right to load programs are taken away first, then namespaces, subsystems and bdevs go,
then bdevs, subsystems with their namespaces and hosts come, then rights that were widened, transports, and last the
listeners: nothing can be reached before it is whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..jsonrpc import Call
from .model import CSD_TYPES, LOAD, LOST, MIB, RUN, Bdev, Listener, Namespace, Subsystem, Transport, Tree


@dataclass(frozen=True)
class Change:
    """One RPC that writes.

    Attributes:
        summary: the change in words.
        call: the RPC.
        undo: the RPCs that take it back; none where SPDK has none (a transport, which is idle without listeners).
        left: what remains nevertheless when it was taken back; empty where nothing does.
    """

    summary: str
    call: Call
    undo: tuple[Call, ...] = ()
    left: str = ""


def changes(found: Tree, goal: Tree) -> list[Change]:
    """The fewest RPCs from one tree to the other, in the order in which they may be sent."""
    renewed = {name for name, item in goal.bdevs.items() if name in found.bdevs and item != found.bdevs[name]}
    gone = [item for nqn, item in found.subsystems.items() if not _stays(item, goal.subsystems.get(nqn))]
    new = [item for nqn, item in goal.subsystems.items() if not _stays(found.subsystems.get(nqn), item)]
    kept = [(found.subsystems[nqn], item) for nqn, item in goal.subsystems.items() if item not in new]
    # A rule that only narrows comes before the host that it is for; one that widens, or goes, once all is in place.
    narrowed, widened = _rights(found, goal)
    return [
        *(change for before, after in kept for change in _take_access(before, after)),
        *narrowed,
        *(change for before, after in kept for change in _remove_namespaces(before, after, renewed)),
        *(_delete_subsystem(item) for item in gone),
        *(_delete_bdev(item) for name, item in found.bdevs.items() if name not in goal.bdevs or name in renewed),
        *(_create_bdev(item) for name, item in goal.bdevs.items() if name not in found.bdevs or name in renewed),
        *(_create_subsystem(item) for item in new),
        *(change for item in new for change in _fill(_empty(item), item, renewed)),
        *(change for before, after in kept for change in _fill(before, after, renewed)),
        *widened,
        *(_create_transport(item) for name, item in goal.transports.items() if name not in found.transports),
        *(change for item in new for change in _listen(_empty(item), item)),
        *(change for before, after in kept for change in _listen(before, after)),
    ]


def create_bdev(item: Bdev) -> Call:
    """The RPC that creates a bdev."""
    params: dict[str, Any] = {"name": item.name}
    if item.type == "aio":
        return Call("bdev_aio_create", {**params, "block_size": item.block_size, "filename": item.filename})
    if item.type == "csd_compute":
        params |= item.options
    elif item.type == "csd_slm":
        params["megabytes"] = (item.num_blocks or 0) * (item.block_size or 0) // MIB
    else:
        params |= {"block_size": item.block_size, "num_blocks": item.num_blocks}
    if item.uuid:
        params["uuid"] = item.uuid
    return Call(f"bdev_{item.type}_create", params)


def delete_bdev(item: Bdev) -> Call:
    """The RPC that deletes a bdev."""
    kind = "csd" if item.type in CSD_TYPES else item.type
    return Call(f"bdev_{kind}_delete", {"name": item.name})


def create_subsystem(item: Subsystem) -> Call:
    """The RPC that creates a subsystem, still without hosts, namespaces and listeners."""
    params: dict[str, Any] = {"nqn": item.nqn, "allow_any_host": item.allow_any_host}
    if item.serial is not None:
        params["serial_number"] = item.serial
    if item.model is not None:
        params["model_number"] = item.model
    if item.max_namespaces:
        params["max_namespaces"] = item.max_namespaces
    return Call("nvmf_create_subsystem", params)


def delete_subsystem(nqn: str) -> Call:
    """The RPC that deletes a subsystem with all that is in it."""
    return Call("nvmf_delete_subsystem", {"nqn": nqn})


def add_namespace(nqn: str, item: Namespace) -> Call:
    """The RPC that adds a namespace."""
    params: dict[str, Any] = {"nsid": item.nsid, "bdev_name": item.bdev}
    identifiers = {"uuid": item.uuid, "nguid": item.nguid, "eui64": item.eui64}
    params |= {name: value for name, value in identifiers.items() if value is not None}
    return Call("nvmf_subsystem_add_ns", {"nqn": nqn, "namespace": params})


def remove_namespace(nqn: str, nsid: int) -> Call:
    """The RPC that removes a namespace; its bdev stays."""
    return Call("nvmf_subsystem_remove_ns", {"nqn": nqn, "nsid": nsid})


def add_host(nqn: str, host: str) -> Call:
    """The RPC that lets a host connect."""
    return Call("nvmf_subsystem_add_host", {"nqn": nqn, "host": host})


def remove_host(nqn: str, host: str) -> Call:
    """The RPC that lets a host no longer connect."""
    return Call("nvmf_subsystem_remove_host", {"nqn": nqn, "host": host})


def allow_any_host(nqn: str, *, allow: bool) -> Call:
    """The RPC that opens a subsystem to every host, or closes it."""
    return Call("nvmf_subsystem_allow_any_host", {"nqn": nqn, "allow_any_host": allow})


def add_listener(nqn: str, item: Listener) -> Call:
    """The RPC that makes a subsystem reachable at an address."""
    return Call("nvmf_subsystem_add_listener", {"nqn": nqn, "listen_address": _address(item)})


def remove_listener(nqn: str, item: Listener) -> Call:
    """The RPC that makes a subsystem no longer reachable at an address."""
    return Call("nvmf_subsystem_remove_listener", {"nqn": nqn, "listen_address": _address(item)})


def set_right(nqn: str, host: str, programs: str | None) -> Call:
    """The RPC that says what a host, or with no name all others, may do with programs; None takes the rule away."""
    params = {"nqn": nqn, "host": host, "programs": programs}
    return Call("csd_set_host_rights", {name: value for name, value in params.items() if value})


def _address(item: Listener) -> dict[str, str]:
    return {
        "trtype": item.transport,
        "adrfam": item.family,
        "traddr": item.address,
        "trsvcid": item.service_id,
    }


def _rights(found: Tree, goal: Tree) -> tuple[list[Change], list[Change]]:
    narrowed: list[Change] = []
    widened: list[Change] = []
    for nqn in sorted(found.rights.keys() | goal.rights.keys()):
        before, after = found.rights.get(nqn, {}), goal.rights.get(nqn, {})
        for host in sorted(before.keys() | after.keys()):
            was, becomes = before.get(host), after.get(host)
            if was != becomes:
                change = Change(
                    _right_in_words(nqn, host, becomes),
                    set_right(nqn, host, becomes),
                    (set_right(nqn, host, was),),
                )
                (narrowed if becomes == RUN else widened).append(change)
    return narrowed, widened


def _right_in_words(nqn: str, host: str, programs: str | None) -> str:
    who = f"host {host}" if host else "all other hosts"
    if programs is None:
        return f"drop what was said of programs of {nqn} and {who}"
    return f"let {who} {'load and run' if programs == LOAD else 'run, not load,'} programs of {nqn}"


def _stays(before: Subsystem | None, after: Subsystem | None) -> bool:
    """Whether a subsystem can become the other one without being made anew."""
    if before is None or after is None:
        return False
    return (before.serial, before.model, before.max_namespaces) == (after.serial, after.model, after.max_namespaces)


def _empty(item: Subsystem) -> Subsystem:
    """A subsystem as it is right after its creation."""
    return Subsystem(item.nqn, allow_any_host=item.allow_any_host, hosts=(), namespaces=(), listeners=())


def _take_access(before: Subsystem, after: Subsystem) -> Iterator[Change]:
    nqn = after.nqn
    for listener in before.listeners or ():
        if listener not in (after.listeners or ()):
            yield Change(
                f"stop listening on {listener} for {nqn}",
                remove_listener(nqn, listener),
                (add_listener(nqn, listener),),
            )
    if before.allow_any_host and not after.allow_any_host:
        yield Change(
            f"close {nqn} to hosts that are not listed",
            allow_any_host(nqn, allow=False),
            (allow_any_host(nqn, allow=True),),
        )
    for host in before.hosts or ():
        if host not in (after.hosts or ()):
            yield Change(
                f"no longer allow host {host} to connect to {nqn}",
                remove_host(nqn, host),
                (add_host(nqn, host),),
            )


def _remove_namespaces(before: Subsystem, after: Subsystem, renewed: set[str]) -> Iterator[Change]:
    for namespace in before.namespaces or ():
        if namespace.bdev in renewed or namespace not in (after.namespaces or ()):
            yield Change(
                f"remove namespace {namespace.nsid} (bdev {namespace.bdev}) from {after.nqn}",
                remove_namespace(after.nqn, namespace.nsid),
                (add_namespace(after.nqn, namespace),),
            )


def _delete_subsystem(item: Subsystem) -> Change:
    content = [
        *(add_namespace(item.nqn, namespace) for namespace in item.namespaces or ()),
        *(add_host(item.nqn, host) for host in item.hosts or ()),
        *(add_listener(item.nqn, listener) for listener in item.listeners or ()),
    ]
    return Change(
        f"delete subsystem {item.nqn} with {len(item.namespaces or ())} namespace(s)",
        delete_subsystem(item.nqn),
        (create_subsystem(item), *content),
    )


def _delete_bdev(item: Bdev) -> Change:
    lost = LOST.get(item.type, "")
    return Change(
        f"delete {item.type} bdev {item.name}, {item.size}{f', and the {lost} in it' if lost else ''}",
        delete_bdev(item),
        (create_bdev(item),),
        left=f"an empty bdev like it is in its place, without the {lost} in it" if lost else "",
    )


def _create_bdev(item: Bdev) -> Change:
    over = f" over {item.filename}" if item.filename else ""
    return Change(
        f"create {item.type} bdev {item.name}{over}, {item.size}",
        create_bdev(item),
        (delete_bdev(item),),
    )


def _create_subsystem(item: Subsystem) -> Change:
    told = [("serial", item.serial), ("model", item.model), ("max_namespaces", item.max_namespaces)]
    words = [f"{name} {value}" for name, value in told if value]
    open_to_all = ["open to every host"] if item.allow_any_host else []
    details = ", ".join(words + open_to_all)
    return Change(
        f"create subsystem {item.nqn}{f' ({details})' if details else ''}",
        create_subsystem(item),
        (delete_subsystem(item.nqn),),
    )


def _fill(before: Subsystem, after: Subsystem, renewed: set[str]) -> Iterator[Change]:
    nqn = after.nqn
    for namespace in after.namespaces or ():
        if namespace.bdev in renewed or namespace not in (before.namespaces or ()):
            yield Change(
                f"add namespace {namespace.nsid} (bdev {namespace.bdev}) to {nqn}",
                add_namespace(nqn, namespace),
                (remove_namespace(nqn, namespace.nsid),),
            )
    for host in after.hosts or ():
        if host not in (before.hosts or ()):
            yield Change(
                f"allow host {host} to connect to {nqn}",
                add_host(nqn, host),
                (remove_host(nqn, host),),
            )
    if after.allow_any_host and not before.allow_any_host:
        yield Change(
            f"open {nqn} to every host",
            allow_any_host(nqn, allow=True),
            (allow_any_host(nqn, allow=False),),
        )


def _create_transport(item: Transport) -> Change:
    words = ", ".join(f"{name} {str(value).lower()}" for name, value in item.options.items())
    return Change(
        f"create transport {item.type}{f' ({words})' if words else ''}",
        Call("nvmf_create_transport", {"trtype": item.type, **item.options}),
    )


def _listen(before: Subsystem, after: Subsystem) -> Iterator[Change]:
    for listener in after.listeners or ():
        if listener not in (before.listeners or ()):
            yield Change(
                f"listen on {listener} for {after.nqn}",
                add_listener(after.nqn, listener),
                (remove_listener(after.nqn, listener),),
            )
