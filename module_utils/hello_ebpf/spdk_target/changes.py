# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""The RPCs that lead from one tree to another, each with the one that takes it back.

In this order: access and the right to load programs are taken away first, then namespaces, subsystems and bdevs go,
then bdevs, subsystems with their namespaces and hosts come, then rights that were widened, transports, and last the
listeners: nothing can be reached before it is whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeVar

from ..jsonrpc import Call
from .model import CSD_TYPES, FIXED, LOAD, LOST, MIB, RUN, Bdev, Listener, Namespace, Subsystem, Tree, to_spdk

Item = TypeVar("Item")


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
        *(_create_transport(*item) for item in goal.transports.items() if item[0] not in found.transports),
        *(change for item in new for change in _listen(_empty(item), item)),
        *(change for before, after in kept for change in _listen(before, after)),
    ]


class Pair(NamedTuple):
    """The RPC that brings a thing, and the one that takes it away."""

    bring: Call
    take: Call

    def comes(self, summary: str) -> Change:
        """The change that brings it."""
        return Change(summary, self.bring, (self.take,))

    def goes(self, summary: str) -> Change:
        """The change that takes it away."""
        return Change(summary, self.take, (self.bring,))


def bdev(item: Bdev) -> Pair:
    """A bdev."""
    params: dict[str, Any] = {"name": item.name}
    if item.type == "aio":
        params |= {"block_size": item.block_size, "filename": item.filename}
    elif item.type == "csd_compute":
        params |= item.options
    elif item.type == "csd_slm":
        params["megabytes"] = (item.num_blocks or 0) * (item.block_size or 0) // MIB
    else:
        params |= {"block_size": item.block_size, "num_blocks": item.num_blocks}
    if item.uuid and item.type != "aio":
        params["uuid"] = item.uuid
    kind = "csd" if item.type in CSD_TYPES else item.type
    return Pair(Call(f"bdev_{item.type}_create", params), Call(f"bdev_{kind}_delete", {"name": item.name}))


def _subsystem(item: Subsystem) -> Pair:
    """A subsystem: it comes without hosts, namespaces and listeners, and goes with them."""
    params = to_spdk(replace(item, max_namespaces=item.max_namespaces or None))
    return Pair(Call("nvmf_create_subsystem", params), Call("nvmf_delete_subsystem", {"nqn": item.nqn}))


def _namespace(nqn: str, item: Namespace) -> Pair:
    """A namespace; its bdev stays."""
    return Pair(
        Call("nvmf_subsystem_add_ns", {"nqn": nqn, "namespace": to_spdk(item)}),
        Call("nvmf_subsystem_remove_ns", {"nqn": nqn, "nsid": item.nsid}),
    )


def _host(nqn: str, host: str) -> Pair:
    """A host's right to connect."""
    params = {"nqn": nqn, "host": host}
    return Pair(Call("nvmf_subsystem_add_host", params), Call("nvmf_subsystem_remove_host", params))


def _any_host(nqn: str) -> Pair:
    """Every host's right to connect."""
    opened, closed = ({"nqn": nqn, "allow_any_host": allow} for allow in (True, False))
    return Pair(Call("nvmf_subsystem_allow_any_host", opened), Call("nvmf_subsystem_allow_any_host", closed))


def _listener(nqn: str, item: Listener) -> Pair:
    """An address at which a subsystem is reached."""
    params = {"nqn": nqn, "listen_address": to_spdk(item)}
    return Pair(Call("nvmf_subsystem_add_listener", params), Call("nvmf_subsystem_remove_listener", params))


def _set_right(nqn: str, host: str, programs: str | None) -> Call:
    """The RPC that says what a host, or with no name all others, may do with programs; None takes the rule away."""
    params = {"nqn": nqn, "host": host, "programs": programs}
    return Call("csd_set_host_rights", {name: value for name, value in params.items() if value})


def _rights(found: Tree, goal: Tree) -> tuple[list[Change], list[Change]]:
    narrowed: list[Change] = []
    widened: list[Change] = []
    for nqn in sorted(found.rights.keys() | goal.rights.keys()):
        before, after = found.rights.get(nqn, {}), goal.rights.get(nqn, {})
        for host in sorted(before.keys() | after.keys()):
            was, becomes = before.get(host), after.get(host)
            if was != becomes:
                pair = Pair(_set_right(nqn, host, becomes), _set_right(nqn, host, was))
                change = pair.comes(_right_in_words(nqn, host, becomes))
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
    return all(getattr(before, name) == getattr(after, name) for name in FIXED)


def _empty(item: Subsystem) -> Subsystem:
    """A subsystem as it is right after its creation."""
    return Subsystem(item.nqn, allow_any_host=item.allow_any_host, hosts=(), namespaces=(), listeners=())


def _beyond(items: tuple[Item, ...] | None, others: tuple[Item, ...] | None) -> list[Item]:
    return [item for item in items or () if item not in (others or ())]


def _take_access(before: Subsystem, after: Subsystem) -> Iterator[Change]:
    nqn = after.nqn
    for listener in _beyond(before.listeners, after.listeners):
        yield _listener(nqn, listener).goes(f"stop listening on {listener} for {nqn}")
    if before.allow_any_host and not after.allow_any_host:
        yield _any_host(nqn).goes(f"close {nqn} to hosts that are not listed")
    for host in _beyond(before.hosts, after.hosts):
        yield _host(nqn, host).goes(f"no longer allow host {host} to connect to {nqn}")


def _remove_namespaces(before: Subsystem, after: Subsystem, renewed: set[str]) -> Iterator[Change]:
    for item in before.namespaces or ():
        if item.bdev in renewed or item not in (after.namespaces or ()):
            yield _namespace(after.nqn, item).goes(f"remove namespace {item.nsid} (bdev {item.bdev}) from {after.nqn}")


def _delete_subsystem(item: Subsystem) -> Change:
    pair = _subsystem(item)
    content = [
        *(_namespace(item.nqn, namespace) for namespace in item.namespaces or ()),
        *(_host(item.nqn, host) for host in item.hosts or ()),
        *(_listener(item.nqn, listener) for listener in item.listeners or ()),
    ]
    return Change(
        f"delete subsystem {item.nqn} with {len(item.namespaces or ())} namespace(s)",
        pair.take,
        (pair.bring, *(part.bring for part in content)),
    )


def _delete_bdev(item: Bdev) -> Change:
    lost = LOST.get(item.type, "")
    change = bdev(item).goes(
        f"delete {item.type} bdev {item.name}, {item.size}{f', and the {lost} in it' if lost else ''}"
    )
    return replace(change, left=f"an empty bdev like it is in its place, without the {lost} in it") if lost else change


def _create_bdev(item: Bdev) -> Change:
    over = f" over {item.filename}" if item.filename else ""
    return bdev(item).comes(f"create {item.type} bdev {item.name}{over}, {item.size}")


def _create_subsystem(item: Subsystem) -> Change:
    words = [f"{name} {getattr(item, name)}" for name in FIXED if getattr(item, name)]
    open_to_all = ["open to every host"] if item.allow_any_host else []
    details = ", ".join(words + open_to_all)
    return _subsystem(item).comes(f"create subsystem {item.nqn}{f' ({details})' if details else ''}")


def _fill(before: Subsystem, after: Subsystem, renewed: set[str]) -> Iterator[Change]:
    nqn = after.nqn
    for item in after.namespaces or ():
        if item.bdev in renewed or item not in (before.namespaces or ()):
            yield _namespace(nqn, item).comes(f"add namespace {item.nsid} (bdev {item.bdev}) to {nqn}")
    for host in _beyond(after.hosts, before.hosts):
        yield _host(nqn, host).comes(f"allow host {host} to connect to {nqn}")
    if after.allow_any_host and not before.allow_any_host:
        yield _any_host(nqn).comes(f"open {nqn} to every host")


def _create_transport(kind: str, options: Mapping[str, Any]) -> Change:
    words = ", ".join(f"{name} {str(value).lower()}" for name, value in options.items())
    return Change(
        f"create transport {kind}{f' ({words})' if words else ''}",
        Call("nvmf_create_transport", {"trtype": kind, **options}),
    )


def _listen(before: Subsystem, after: Subsystem) -> Iterator[Change]:
    for listener in _beyond(after.listeners, before.listeners):
        yield _listener(after.nqn, listener).comes(f"listen on {listener} for {after.nqn}")
