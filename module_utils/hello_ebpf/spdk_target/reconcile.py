# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""One target brought to its declaration: the tree over RPC, and the file that it comes back with."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..errors import LabError
from ..jsonrpc import Call, Client, NoTargetError, RpcError
from ..plan import Step
from . import saved
from .bdevs import OWN_MEMORY_TYPES
from .changes import Change, changes
from .goal import Options, goal
from .ports import check_listener, overlap
from .subsystems import Listener
from .tree import Tree, read_rights, read_tree, render


@dataclass(frozen=True)
class Found:
    """What was found, or is predicted."""

    tree: Tree  # the target's objects; of a target that does not run, those that it will start with
    # the target's configuration as it would be saved; None where no file was asked for, or it does not run
    running: saved.Config | None = None
    file: saved.SavedFile | None = None  # the saved file; None where none was asked for
    predicted: bool = False  # it is what the steps lead to


@dataclass
class Reconciler:
    """The three functions that ``converge`` takes, for one target."""

    client: Client | None  # the connection; None for a target that does not run (in check mode, or to remove from)
    asked: Tree  # the declared tree
    options: Options  # how far this run may go
    config_file: str | None = None  # where to keep what the target comes back with; None for nowhere
    check: bool = False  # nothing will be sent that writes
    planned: list[Call] = field(default_factory=list)

    def read(self) -> Found:
        """The state, from the target itself."""
        file = saved.read_file(self.config_file) if self.config_file else None
        if self.client is None:
            # What does not run has nothing to remove; what is to run will start with its file.
            coming = saved.tree_of_file(file) if file and not self.options.absent else Tree()
            return Found(coming, file=file)
        tree = read_tree(self.client)
        if self._has_programs(tree):
            tree = replace(tree, rights=read_rights(self.client))
        running = saved.read_running(self.client, tree.transports) if self.config_file else None
        return Found(tree, running, file)

    def _has_programs(self, tree: Tree) -> bool:
        """Whether rights on programs can matter here: SPDK's own target knows no such RPC."""
        bdevs = [*tree.bdevs.values(), *self.asked.bdevs.values()]
        return any(item.type == "csd_compute" for item in bdevs) or any(self.asked.rights.values())

    def plan(self, found: Found) -> Sequence[Step]:
        """The steps from what was found to what is declared; refuses what would fail halfway."""
        wanted = goal(found.tree, self.asked, self.options)
        needed = changes(found.tree, wanted)
        self._check_listeners(found.tree, wanted)
        steps = [
            Step(one.summary, partial(self._send, one.call), partial(self._take_back, one) if one.undo else None)
            for one in needed
        ]
        self._check_methods(needed)
        if not self.planned:
            self.planned = [change.call for change in needed]
        path = self.config_file
        if path and self._file_is_due(found, bool(needed)):
            if self.client is not None and steps:
                saved.check_folder(path)
            save = f"save the target's configuration to {path}"
            steps.append(Step(save, lambda: saved.save(self._connected(), path)))
        return steps

    def predict(self, found: Found) -> Found:
        """The state after the planned steps."""
        return replace(found, tree=goal(found.tree, self.asked, self.options), predicted=True)

    def render(self, found: Found) -> str:
        """A state as text."""
        return "\n".join([render(found.tree), *self._render_file(found), ""])

    def _check_methods(self, needed: Sequence[Change]) -> None:
        """Refuse what this target was not built for. In check mode another one may take its place before the run."""
        wanted = {change.call.method for change in needed if change.call.method.startswith(("bdev_csd_", "csd_"))}
        if not wanted or self.client is None or self.check:
            return
        missing = wanted - set(self.client.call("rpc_get_methods"))
        if missing:
            raise LabError(
                "; ".join(change.summary for change in needed if change.call.method in missing),
                f"the target at {self.client.path} has no {' and no '.join(sorted(missing))}: it is not csd_tgt",
                "run csd_tgt (the role csd_target builds it), or declare none of these",
            )

    def _check_listeners(self, found: Tree, wanted: Tree) -> None:
        served, leaving = _listeners(found), _listeners(found) - _listeners(wanted)
        for nqn, subsystem in wanted.subsystems.items():
            for listener in set(subsystem.listeners or ()) - served:
                if listener.transport not in wanted.transports:
                    raise LabError(
                        f"listen on {listener} for {nqn}",
                        f"the target has no transport {listener.transport}, and none is declared",
                        f"declare it: transports: [{{type: {listener.transport}}}]",
                    )
                # A port that the target itself is about to give up is not taken.
                if not any(overlap(listener, other) for other in leaving):
                    check_listener(listener, nqn)

    def _send(self, call: Call) -> None:
        write(self._connected(), call)

    def _take_back(self, change: Change) -> None:
        for call in change.undo:
            self._send(call)
        if change.left:
            raise LabError(f"undo: {change.summary}", change.left, "nothing more can be done")

    def _connected(self) -> Client:
        if self.client is None:
            raise LabError("a change to the target", "it does not run", "start it")
        return self.client

    def _file_is_due(self, found: Found, changing: bool) -> bool:
        if found.file is None:
            return False
        if self.options.absent and self.client is None:
            return False
        if found.running is None or changing:
            return changing or not found.file.exists
        return not saved.is_current(found.file, found.running)

    def _render_file(self, found: Found) -> list[str]:
        if found.file is None:
            return []
        details: list[str] = []
        if found.predicted:
            said = "as the target runs after this"
        elif not found.file.exists:
            said = "missing"
        elif found.running is None:
            said = "what the target starts with"
        elif saved.is_current(found.file, found.running):
            said = "as the target runs"
        else:
            said = "not as the target runs"
            held, runs = saved.lines(found.file.config), saved.lines(found.running)
            details = [f"  mode: {oct(found.file.mode or 0)}"] if not found.file.closed else []
            details += [f"  only in the file: {line}" for line in sorted(held - runs)]
            details += [f"  only in the target: {line}" for line in sorted(runs - held)]
        return ["config_file:", f"  {self.config_file}: {said}", *details]


@contextmanager
def connected(module: AnsibleModule, *, absent: bool = False) -> Iterator[Client | None]:
    """The target that a module's arguments name. None where it need not run: in check mode, or to remove something."""
    asked, client = module.params, None
    try:
        client = Client(asked["socket"], timeout=asked["timeout"], wait=asked["wait"])
    except NoTargetError as error:
        if not (module.check_mode or absent):
            raise
        if not absent:
            module.warn(f"{error.found} at {asked['socket']}: planned for the target as it will start")
    with client or nullcontext():
        yield client


def _listeners(tree: Tree) -> set[Listener]:
    return {listener for item in tree.subsystems.values() for listener in item.listeners or ()}


def write(client: Client, call: Call) -> Any:
    """Send an RPC that writes; a refusal gets the remedy that SPDK does not name."""
    try:
        [result] = client.batch([call])
    except RpcError as error:
        raise LabError(error.asked, error.found, _remedy(call, error)) from error
    refuse_false(call, result)
    return result


def refuse_false(call: Call, result: Any) -> None:
    """A deletion that failed is answered with false instead of an error."""
    if result is False:
        raise LabError(
            str(call),
            "the target answered false: it did not do it",
            "read the reason in the target's log, which says more than its answer",
        )


def _remedy(call: Call, error: RpcError) -> str:
    if error.code == -errno.ENOMEM and call.method.removeprefix("bdev_").removesuffix("_create") in OWN_MEMORY_TYPES:
        return (
            "ask for less, or free memory of the machine: it takes free hugepages of 2 MiB beside those of the "
            "target's start, and ordinary memory where they are too few"
        )
    if error.code == -errno.ENOMEM:
        # DPDK 20.05 with --huge-unlink does not get back what it took beyond -s and gave away.
        return (
            "ask for less, or give the target more hugepage memory at its start (-s); the memory of bdevs that were "
            "deleted may be had again only after a restart"
        )
    if call.method == "nvmf_subsystem_add_ns":
        return (
            "read the reason in the target's log; where it says 'Can't extend NSID range while controllers are "
            "connected', disconnect the hosts, or declare max_namespaces when the subsystem is created"
        )
    return error.fix
