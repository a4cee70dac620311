# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""The slots of a running target, or those that a target will have which starts with a saved configuration."""

from __future__ import annotations

import base64
import binascii
import hashlib
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import LabError
from ..jsonrpc import METHOD_NOT_FOUND, Client, RpcError
from ..spdk_target.saved import Config
from .programs import Place

VERIFYING_PATIENCE_S = 10.0
_VERIFYING_RETRY_S = 0.02
# What csd_get_programs tells beside state, digest and size; how runs ended is no fact about a slot.
_NO_SAVED_FACTS = frozenset({"name", "pind", "program", "offset", "size"})
_NO_FACTS = frozenset({"pind", "state", "bytes", "sha256", "reason", "deactivated", "faults", "last_fault"})


@dataclass(frozen=True)
class Slot:
    """A slot that is not empty."""

    state: str  # loaded or active; loading or verifying while somebody loads it
    sha256: str = ""  # digest of the program's bytes
    size: int | None = None  # their number
    # program_type, pid and geometry, as far as known; engine and what else the target tells
    facts: Mapping[str, Any] = field(default_factory=dict)
    # parameters of the RPCs that load the same again, piece by piece; none where the target does not tell
    loads: tuple[Mapping[str, Any], ...] = ()

    @property
    def whole(self) -> bool:
        """Whether it holds a program, and not the first pieces of one."""
        return self.state in {"loaded", "active"}


@dataclass(frozen=True)
class Drive:
    """The compute namespaces of a target by the names of their bdevs, with their limits as far as they are known, and
    their slots that are not empty.
    """

    computes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    slots: Mapping[Place, Slot] = field(default_factory=dict)


def read_drive(client: Client) -> Drive:
    """The slots of a running target; waits for what is being verified at the moment.

    Raises:
        LabError: the target is not csd_tgt.
    """
    give_up = time.monotonic() + VERIFYING_PATIENCE_S
    while True:
        drive = _drive(_get_programs(client))
        if time.monotonic() > give_up or all(slot.state != "verifying" for slot in drive.slots.values()):
            return drive
        time.sleep(_VERIFYING_RETRY_S)


def drive_from_saved(config: Config | None) -> Drive:
    """The slots that a target has after it loaded a saved configuration."""
    computes: dict[str, Mapping[str, Any]] = {}
    slots: dict[Place, Slot] = {}
    for call in (call for calls in (config or {}).values() for call in calls):
        method, params = call.get("method"), call.get("params") or {}
        if method == "bdev_csd_compute_create":
            computes[params["name"]] = params
        elif method == "csd_load_program":
            # A large program is saved in pieces.
            before = slots[_place(params)].loads if params.get("offset") else ()
            slots[_place(params)] = _saved_slot((*before, params))
        elif method == "csd_activate_program":
            slots[_place(params)] = replace(slots[_place(params)], state="active")
    return Drive(computes, slots)


def with_loads(drive: Drive, config: Config) -> Drive:
    """The slots, each with the RPC that loads the same again, as far as the target's own configuration tells."""
    saved = drive_from_saved(config).slots
    slots = {}
    for place, slot in drive.slots.items():
        same = saved.get(place)
        slots[place] = replace(slot, loads=same.loads) if same is not None and same.sha256 == slot.sha256 else slot
    return Drive(drive.computes, slots)


def refusal(client: Client, place: Place) -> str:
    """Why the last load of a slot was refused; empty where the target does not say."""
    for compute in _get_programs(client):
        for slot in compute["programs"]:
            if Place(compute["name"], slot["pind"]) == place:
                return str(slot.get("reason") or "")
    return ""


def _get_programs(client: Client) -> Any:
    try:
        return client.call("csd_get_programs")
    except RpcError as error:
        if error.code != METHOD_NOT_FOUND:
            raise
        raise NoCsdError(
            f"programs on the target at {client.path}",
            "it has no csd_get_programs: it is not csd_tgt",
            "run csd_tgt (the role csd_target builds it)",
        ) from error


class NoCsdError(LabError):
    """The target is another application than csd_tgt."""


def _drive(answer: Iterable[Mapping[str, Any]]) -> Drive:
    computes, slots = {}, {}
    for compute in answer:
        computes[compute["name"]] = compute
        for found in compute["programs"]:
            if found["state"] != "empty":
                facts = {name: value for name, value in found.items() if name not in _NO_FACTS}
                place = Place(compute["name"], found["pind"])
                slots[place] = Slot(found["state"], found.get("sha256") or "", found.get("bytes"), facts)
    return Drive(computes, slots)


def _saved_slot(loads: tuple[Mapping[str, Any], ...]) -> Slot:
    try:
        content = b"".join(base64.b64decode(params["program"], validate=True) for params in loads)
    except (binascii.Error, ValueError, TypeError):
        content = b""
    facts = {name: value for name, value in loads[0].items() if name not in _NO_SAVED_FACTS}
    return Slot("loaded", hashlib.sha256(content).hexdigest(), len(content), facts, loads)


def _place(params: Mapping[str, Any]) -> Place:
    return Place(params["name"], params["pind"])
