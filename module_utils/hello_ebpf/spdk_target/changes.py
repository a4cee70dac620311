# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""The RPCs that lead from one tree to another, each with the one that takes it back.

In this order: access and the right to load programs are taken away first, then namespaces, subsystems and bdevs go,
then bdevs, subsystems with their namespaces and hosts come, then rights that were widened, transports, and last the
listeners: nothing can be reached before it is whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from ..jsonrpc import Call
from .bdevs import CSD_TYPES, LOST, MIB, Bdev
from .subsystems import FIXED, LOAD, RUN, Subsystem, to_spdk
from .tree import Tree


@dataclass(frozen=True)
class Change:
    """One RPC that writes."""

    summary: str  # the change in words
    call: Call
    # the RPCs that take it back; none where SPDK has none (a transport, which is idle without listeners)
    undo: tuple[Call, ...] = ()
    left: str = ""  # what remains nevertheless when it was taken back; empty where nothing does


class Pair(NamedTuple):
    """The RPC that brings a thing, and the one that takes it away, both also in words."""

    bring: Call
    take: Call
    brings: str
    takes: str

    @property
    def comes(self) -> Change:
        """The change that brings it."""
        return Change(self.brings, self.bring, (self.take,))

    @property
    def goes(self) -> Change:
        """The change that takes it away."""
        return Change(self.takes, self.take, (self.bring,))


def changes(found: Tree, goal: Tree) -> list[Change]:
    """The fewest RPCs from one tree to the other, in the order in which they may be sent."""
    renewed = {name for name, item in goal.bdevs.items() if name in found.bdevs and item != found.bdevs[name]}
    kept = {nqn for nqn, item in goal.subsystems.items() if _stays(found.subsystems.get(nqn), item)}
    new = [item for nqn, item in goal.subsystems.items() if nqn not in kept]
    # A subsystem comes without what is in it.
    pairs = [(replace(item, hosts=(), namespaces=(), listeners=()), item) for item in new]
    pairs += [(found.subsystems[nqn], item) for nqn, item in goal.subsystems.items() if nqn in kept]
    going = [(before, _without(after, renewed)) for before, after in pairs]
    coming = [(after, _without(before, renewed)) for before, after in pairs]
    # A rule that only narrows comes before the host that it is for; one that widens, or goes, once all is in place.
    narrowed, widened = _rights(found, goal)
    return [
        *(part.goes for part in _beyond(going, _listeners, _any_host, _hosts)),
        *narrowed,
        *(part.goes for part in _beyond(going, _namespaces)),
        *(_delete_subsystem(item) for nqn, item in found.subsystems.items() if nqn not in kept),
        *(_delete_bdev(item) for name, item in found.bdevs.items() if name not in goal.bdevs or name in renewed),
        *(bdev(item).comes for name, item in goal.bdevs.items() if name not in found.bdevs or name in renewed),
        *(_subsystem(item).comes for item in new),
        *(part.comes for part in _beyond(coming, _namespaces, _hosts, _any_host)),
        *widened,
        *(_create_transport(*item) for item in goal.transports.items() if item[0] not in found.transports),
        *(part.comes for part in _beyond(coming, _listeners)),
    ]


def _stays(before: Subsystem | None, after: Subsystem) -> bool:
    """Whether a subsystem can become the other one without being made anew."""
    return before is not None and all(getattr(before, name) == getattr(after, name) for name in FIXED)


def _without(item: Subsystem, renewed: set[str]) -> Subsystem:
    """A subsystem without the namespaces of these bdevs, which go before their bdev does and come after it."""
    return replace(item, namespaces=tuple(one for one in item.namespaces or () if one.bdev not in renewed))


def _beyond(pairs: Iterable[tuple[Subsystem, Subsystem]], *kinds: Callable[[Subsystem], list[Pair]]) -> Iterator[Pair]:
    """What of these kinds is in the first of two subsystems, and not in the second."""
    for one, other in pairs:
        for kind in kinds:
            there = kind(other)
            yield from (part for part in kind(one) if part not in there)


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
    what, over = f"{item.type} bdev {item.name}", f" over {item.filename}" if item.filename else ""
    return Pair(
        Call(f"bdev_{item.type}_create", params),
        Call(f"bdev_{kind}_delete", {"name": item.name}),
        f"create {what}{over}, {item.size}",
        f"delete {what}, {item.size}",
    )


def _delete_bdev(item: Bdev) -> Change:
    change, lost = bdev(item).goes, LOST.get(item.type)
    if lost is None:
        return change
    left = f"an empty bdev like it is in its place, without the {lost} in it"
    return replace(change, summary=f"{change.summary}, and the {lost} in it", left=left)


def _subsystem(item: Subsystem) -> Pair:
    """A subsystem: it comes without hosts, namespaces and listeners, and goes with them."""
    params = to_spdk(replace(item, max_namespaces=item.max_namespaces or None))
    words = [f"{name} {getattr(item, name)}" for name in FIXED if getattr(item, name)]
    details = ", ".join(words + (["open to every host"] if item.allow_any_host else []))
    return Pair(
        Call("nvmf_create_subsystem", params),
        Call("nvmf_delete_subsystem", {"nqn": item.nqn}),
        f"create subsystem {item.nqn}{f' ({details})' if details else ''}",
        f"delete subsystem {item.nqn} with {len(item.namespaces or ())} namespace(s)",
    )


def _delete_subsystem(item: Subsystem) -> Change:
    change = _subsystem(item).goes
    content = (*_namespaces(item), *_hosts(item), *_listeners(item))
    return replace(change, undo=(*change.undo, *(part.bring for part in content)))


def _namespaces(item: Subsystem) -> list[Pair]:
    """A subsystem's namespaces; the bdev of one that goes stays."""
    return [
        Pair(
            Call("nvmf_subsystem_add_ns", {"nqn": item.nqn, "namespace": to_spdk(one)}),
            Call("nvmf_subsystem_remove_ns", {"nqn": item.nqn, "nsid": one.nsid}),
            f"add namespace {one.nsid} (bdev {one.bdev}) to {item.nqn}",
            f"remove namespace {one.nsid} (bdev {one.bdev}) from {item.nqn}",
        )
        for one in item.namespaces or ()
    ]


def _hosts(item: Subsystem) -> list[Pair]:
    """The hosts' rights to connect."""
    return [
        Pair(
            Call("nvmf_subsystem_add_host", {"nqn": item.nqn, "host": host}),
            Call("nvmf_subsystem_remove_host", {"nqn": item.nqn, "host": host}),
            f"allow host {host} to connect to {item.nqn}",
            f"no longer allow host {host} to connect to {item.nqn}",
        )
        for host in item.hosts or ()
    ]


def _any_host(item: Subsystem) -> list[Pair]:
    """Every host's right to connect, where all have it."""
    opened, closed = ({"nqn": item.nqn, "allow_any_host": allow} for allow in (True, False))
    pair = Pair(
        Call("nvmf_subsystem_allow_any_host", opened),
        Call("nvmf_subsystem_allow_any_host", closed),
        f"open {item.nqn} to every host",
        f"close {item.nqn} to hosts that are not listed",
    )
    return [pair] if item.allow_any_host else []


def _listeners(item: Subsystem) -> list[Pair]:
    """The addresses at which a subsystem is reached."""
    return [
        Pair(
            Call("nvmf_subsystem_add_listener", {"nqn": item.nqn, "listen_address": to_spdk(one)}),
            Call("nvmf_subsystem_remove_listener", {"nqn": item.nqn, "listen_address": to_spdk(one)}),
            f"listen on {one} for {item.nqn}",
            f"stop listening on {one} for {item.nqn}",
        )
        for one in item.listeners or ()
    ]


def _create_transport(kind: str, options: Mapping[str, Any]) -> Change:
    words = ", ".join(f"{name} {str(value).lower()}" for name, value in options.items())
    return Change(
        f"create transport {kind}{f' ({words})' if words else ''}",
        Call("nvmf_create_transport", {"trtype": kind, **options}),
    )


def _rights(found: Tree, goal: Tree) -> tuple[list[Change], list[Change]]:
    narrowed: list[Change] = []
    widened: list[Change] = []
    for nqn in sorted(found.rights.keys() | goal.rights.keys()):
        before, after = found.rights.get(nqn, {}), goal.rights.get(nqn, {})
        for host in sorted(before.keys() | after.keys()):
            was, becomes = before.get(host), after.get(host)
            if was != becomes:
                summary, undo = _right_in_words(nqn, host, becomes), _set_right(nqn, host, was)
                change = Change(summary, _set_right(nqn, host, becomes), (undo,))
                (narrowed if becomes == RUN else widened).append(change)
    return narrowed, widened


def _set_right(nqn: str, host: str, programs: str | None) -> Call:
    """The RPC that says what a host, or with no name all others, may do with programs; None takes the rule away."""
    params = {"nqn": nqn, "host": host, "programs": programs}
    return Call("csd_set_host_rights", {name: value for name, value in params.items() if value})


def _right_in_words(nqn: str, host: str, programs: str | None) -> str:
    who = f"host {host}" if host else "all other hosts"
    if programs is None:
        return f"drop what was said of programs of {nqn} and {who}"
    return f"let {who} {'load and run' if programs == LOAD else 'run, not load,'} programs of {nqn}"
