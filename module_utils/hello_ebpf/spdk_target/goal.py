# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""What a declaration means for the tree that was found: the tree to reach, or why it cannot be had.

What was not told is taken over from the found tree, so that it stays. A told ``hosts`` or ``listeners`` is the whole
list: it decides who reaches the data, and a host that is no longer declared must not keep its access. Namespaces
that were not declared stay, as they may belong to somebody else's software, unless ``purge`` is set.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..errors import LabError
from .bdevs import LOST, TYPES, Bdev
from .subsystems import FIXED, IDENTIFIERS, Namespace, Subsystem
from .tree import Tree

# Reserved for the lab's own measurements (rpc_bench), which one that was cut off may have left behind.
SCRATCH_NQN = "nqn.2026-11.io.hello-ebpf:rpc-bench"
SCRATCH_BDEV = "rpc_bench_data"
_BDEV_FIELDS = ("type", "block_size", "num_blocks", "uuid", "filename")
_NAMESPACE_FIELDS = ("bdev", *IDENTIFIERS)
# What a bdev of this type was in labs of before, whose teardown takes it too.
_BEFORE = {"csd_ram": "malloc"}


@dataclass(frozen=True)
class Options:
    """How far a run may go."""

    absent: bool = False  # remove the declared objects instead
    purge: bool = False  # remove what is not declared
    # what cannot be altered may be made anew: ``never``, where no data is lost (``keep_data``), always (``lose_data``)
    recreate: str = "never"


def goal(found: Tree, asked: Tree, options: Options) -> Tree:
    """The tree to reach.

    Raises:
        LabError: it cannot be reached, or not with these options.
    """
    if options.absent:
        return _without(found, asked)
    bdevs = bdevs_to_reach(found, asked, options)
    renewed = {name for name, item in bdevs.items() if name in found.bdevs and item != found.bdevs[name]}
    declared = {nqn: _subsystem(found, item, renewed, options) for nqn, item in asked.subsystems.items()}
    transports = {name: _transport(found, name, item) for name, item in asked.transports.items()}
    tree = Tree(
        transports={**found.transports, **transports},
        bdevs=bdevs,
        subsystems=declared if options.purge else {**found.subsystems, **declared},
    )
    if options.purge:
        kept = set(asked.bdevs) | {namespace.bdev for item in declared.values() for namespace in item.namespaces or ()}
        tree = replace(tree, bdevs={name: item for name, item in bdevs.items() if name in kept})
    tree = replace(tree, rights=_rights(found, asked, options))
    _check_namespaces(found, tree)
    _check_removed_bdevs(found, tree, asked, renewed)
    return tree


def bdevs_to_reach(found: Tree, asked: Tree, options: Options) -> dict[str, Bdev]:
    """Those that are there, with the declared ones beside or in place of them.

    Raises:
        LabError: one is otherwise than declared, and may not be made anew with these options.
    """
    return {**found.bdevs, **{name: _bdev(found, item, options) for name, item in asked.bdevs.items()}}


def foreign(tree: Tree, asked: Tree) -> list[str]:
    """What the target holds and neither the declaration nor the lab itself has put there."""
    subsystems = tree.subsystems.keys() - asked.subsystems.keys() - {SCRATCH_NQN}
    bdevs = tree.bdevs.keys() - asked.bdevs.keys() - {SCRATCH_BDEV}
    return [f"subsystem {nqn}" for nqn in sorted(subsystems)] + [f"bdev {name}" for name in sorted(bdevs)]


def _without(found: Tree, asked: Tree) -> Tree:
    for name, item in asked.bdevs.items():
        if name in found.bdevs and found.bdevs[name].type not in {item.type, _BEFORE.get(item.type)}:
            raise LabError(
                f"remove {item.type} bdev {name}",
                f"bdev {name} is of type {found.bdevs[name].type}",
                "check whose it is; it was left as it is",
            )
    tree = Tree(
        transports=found.transports,
        bdevs={name: item for name, item in found.bdevs.items() if name not in asked.bdevs},
        subsystems={nqn: item for nqn, item in found.subsystems.items() if nqn not in asked.subsystems},
        rights={nqn: rules for nqn, rules in found.rights.items() if nqn not in asked.subsystems},
    )
    _check_removed_bdevs(found, tree, asked, renewed=set())
    return tree


def _rights(found: Tree, asked: Tree, options: Options) -> dict[str, Mapping[str, str]]:
    """The rules to reach: of a declared subsystem the declared ones, but for hosts where no list of them is told."""
    rights = {} if options.purge else dict(found.rights)
    for nqn, wanted in asked.rights.items():
        kept = {} if options.purge or asked.subsystems[nqn].hosts is not None else found.rights.get(nqn, {})
        rights[nqn] = {**{host: programs for host, programs in kept.items() if host}, **wanted}
    return {nqn: rules for nqn, rules in rights.items() if rules}


def _transport(found: Tree, kind: str, asked: Mapping[str, Any]) -> Mapping[str, Any]:
    there = found.transports.get(kind)
    if there is None:
        return asked
    for name, wanted in asked.items():
        if there.get(name) != wanted:
            raise LabError(
                f"transport {kind} with {name} {_word(wanted)}",
                f"it runs with {name} {_word(there.get(name))}, and SPDK can neither alter nor remove a transport",
                "declare what it runs with; or stop the target, remove its saved configuration, and run again",
            )
    return there


def _bdev(found: Tree, asked: Bdev, options: Options) -> Bdev:
    there = found.bdevs.get(asked.name)
    if there is None:
        return asked
    wanted, real = _differences(asked, there, *_BDEV_FIELDS)
    if asked.type == there.type:
        told = {name: value for name, value in asked.options.items() if value != there.options.get(name)}
        wanted, real = wanted | told, real | {name: there.options.get(name) for name in told}
    if not wanted:
        return there
    _permit(
        options,
        asked=f"bdev {asked.name}: {_listed(wanted, asked.size)}",
        found=f"{there.type} bdev {asked.name} has {_listed(real, there.size)}{_in_use(found, asked.name)}",
        loses=LOST.get(there.type, ""),
        possible=there.type in TYPES,
    )
    return asked


def _subsystem(found: Tree, asked: Subsystem, renewed: set[str], options: Options) -> Subsystem:
    """The declared subsystem, completed by what the found one holds and nothing was told about."""
    there = found.subsystems.get(asked.nqn)
    if there is None:
        empty = Subsystem(asked.nqn, hosts=(), namespaces=(), listeners=())
        return _completed(asked, empty, asked.namespaces or (), purge=False)
    wanted, real = _differences(asked, there, *FIXED)
    if wanted:
        _permit(
            options,
            asked=f"subsystem {asked.nqn}: {_listed(wanted)}",
            found=f"it has {_listed(real)}, which SPDK cannot alter",
        )
    namespaces = {one.nsid: one for one in there.namespaces or ()}
    by_id = {one.nsid: _namespace(asked.nqn, one, namespaces, renewed, options) for one in asked.namespaces or ()}
    if not options.purge:
        by_id = {**namespaces, **by_id}
    return _completed(asked, there, [by_id[nsid] for nsid in sorted(by_id)], purge=options.purge)


def _completed(asked: Subsystem, there: Subsystem, namespaces: Iterable[Namespace], *, purge: bool) -> Subsystem:
    told = {name: value for name, value in vars(asked).items() if value is not None}
    kept = replace(there, hosts=(), listeners=()) if purge else there
    return replace(kept, **{**told, "namespaces": tuple(namespaces)})


def _namespace(
    nqn: str, asked: Namespace, there: dict[int, Namespace], renewed: set[str], options: Options
) -> Namespace:
    found = there.get(asked.nsid)
    if found is None:
        return asked
    wanted, real = _differences(asked, found, *_NAMESPACE_FIELDS)
    if wanted:
        _permit(
            options,
            asked=f"namespace {asked.nsid} of {nqn}: {_listed(wanted)}",
            found=f"it has {_listed(real)}, and hosts that use it would lose it",
        )
    if wanted or asked.bdev in renewed:
        # What was not told identified other data: SPDK is to choose it anew.
        return asked
    return found


def _permit(options: Options, *, asked: str, found: str, loses: str = "", possible: bool = True) -> None:
    """Refuse to make an object anew unless the caller allowed it."""
    allowed = ("lose_data",) if loses else ("keep_data", "lose_data")
    if possible and options.recreate in allowed:
        return
    fix = "declare what is there, or choose another name"
    if possible:
        lost = f"its {loses} {'are' if loses.endswith('s') else 'is'} lost"
        effect = lost if loses else "hosts are disconnected, no data is lost"
        fix = (
            "declare what is there, choose another name, or let it be made anew with csd_target_recreate: "
            f"{allowed[0]} ({effect})"
        )
    raise LabError(asked, found, fix)


def _check_namespaces(found: Tree, tree: Tree) -> None:
    """Every new namespace has its bdev, and no bdev has two."""
    for nqn, subsystem in tree.subsystems.items():
        there = (found.subsystems[nqn].namespaces if nqn in found.subsystems else None) or ()
        for namespace in [one for one in subsystem.namespaces or () if one not in there]:
            asked = f"namespace {namespace.nsid} of {nqn} on bdev {namespace.bdev}"
            if namespace.bdev not in tree.bdevs:
                raise LabError(
                    asked,
                    f"no bdev {namespace.bdev} is declared or on the target",
                    "declare the bdev under bdevs, or mend the name",
                )
            others = [user for user in tree.users(namespace.bdev) if user != (nqn, namespace)]
            if others:
                raise LabError(
                    asked,
                    f"the bdev is already {_names(others)}; a bdev can be in one namespace",
                    "use another bdev, or remove that namespace first (purge: true removes what is not declared)",
                )
            limit = subsystem.max_namespaces
            if limit and namespace.nsid > limit:
                raise LabError(
                    asked,
                    f"the subsystem was created with max_namespaces {limit}",
                    "use a lower nsid, or declare a higher max_namespaces",
                )
            _check_claim(found, asked, namespace.bdev)


def _check_claim(found: Tree, asked: str, name: str) -> None:
    there = found.bdevs.get(name)
    if there is not None and there.claimed and not found.users(name):
        raise LabError(
            asked,
            f"bdev {name} is claimed inside the target by something that is no namespace (for example a partition "
            "table that SPDK found on it, or another bdev on top)",
            "remove what lies on top of it, or use another bdev",
        )


def _check_removed_bdevs(found: Tree, tree: Tree, asked: Tree, renewed: set[str]) -> None:
    """A bdev goes, or is made anew, only where it is ours to take away."""
    for name in [name for name in found.bdevs if name not in tree.bdevs] + sorted(renewed):
        asked_text = f"{'make bdev anew:' if name in renewed else 'remove bdev'} {name}"
        users = [(nqn, one) for nqn, one in tree.users(name) if nqn not in asked.subsystems]
        if users:
            raise LabError(
                asked_text,
                f"it is {_names(users)}, which is not declared here",
                "remove that namespace first, or leave the bdev out of this declaration",
            )
        if found.bdevs[name].type not in TYPES:
            raise LabError(
                asked_text,
                f"it is of type {found.bdevs[name].type}; this module removes {', '.join(TYPES)} only",
                "remove it with spdk_rpc and the method of its type",
            )
        _check_claim(found, asked_text, name)


def _differences(asked: object, found: object, *names: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The named fields that were told and are otherwise: as asked, and as found."""
    wanted = {name: getattr(asked, name) for name in names if getattr(asked, name) not in {None, getattr(found, name)}}
    return wanted, {name: getattr(found, name) for name in wanted}


def _in_use(found: Tree, name: str) -> str:
    users = found.users(name)
    return f"; it is {_names(users)}" if users else ""


def _names(users: Sequence[tuple[str, Namespace]]) -> str:
    return " and ".join(f"namespace {one.nsid} of {nqn}" for nqn, one in users)


def _listed(told: Mapping[str, Any], size: str = "") -> str:
    """Fields in words; a size is clearer than its two factors."""
    by_size = size and told.keys() & {"block_size", "num_blocks"}
    words = [f"{name} {_word(value)}" for name, value in told.items() if name not in {"block_size", "num_blocks"}]
    return ", ".join([size, *words] if by_size else words)


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value) if isinstance(value, str) else str(value)
