# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""The slots of one target brought to their declaration, and with them the file that the target comes back with.

A program cannot be altered: another one takes its place by deactivate, unload, load, activate. Each of these can be
taken back, the unload by loading what was there (the target's own configuration holds its bytes). So when the new
program is refused, the plan's own undoing puts the old one back and makes it active again.
"""

from __future__ import annotations

import base64
import errno
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ..errors import LabError
from ..jsonrpc import Client, RpcError
from ..plan import Step
from ..spdk_target import saved
from ..spdk_target.tree import read_tree
from .programs import GEOMETRY, Place, Program
from .slots import Drive, NoCsdError, Slot, drive_from_saved, read_drive, refusal, with_loads

# A command that runs a program holds it until it ends. csd_tgt logs each refusal.
BUSY_PATIENCE_S = 10.0
_BUSY_RETRY_S = 0.1
# Of a program in one request: SPDK drops a connection that sends one of more than 32 KiB.
PIECE_BYTES = 16 * 1024


@dataclass(frozen=True)
class Found:
    """What was found, or is predicted."""

    drive: Drive  # the slots
    # the target's configuration as it would be saved; None where it does not run or has none of ours
    running: saved.Config | None = None
    file: saved.SavedFile | None = None  # the saved file; None where none was asked for


@dataclass
class Programs:
    """The three functions that ``converge`` takes, for one target."""

    client: Client | None  # the connection; None for a target that does not run (in check mode)
    asked: Sequence[Program]  # the declared programs
    purge: bool = False  # empty the slots that are not declared, in every compute namespace of the target
    config_file: str | None = None  # where the target's configuration is kept; None for nowhere
    check: bool = False  # nothing will be sent that writes

    def read(self) -> Found:
        """The state, from the target itself; of one that does not run, from what it will start with."""
        file = saved.read_file(self.config_file) if self.config_file else None
        if self.client is None:
            return Found(_coming(file), file=file)
        try:
            drive = read_drive(self.client)
        except NoCsdError:
            # Another application runs, in whose place csd_tgt comes before the programs do.
            if self.check:
                return Found(_coming(file), file=file)
            raise
        running = saved.read_running(self.client, read_tree(self.client).transports)
        return Found(with_loads(drive, running), running, file)

    def plan(self, found: Found) -> Sequence[Step]:
        """The steps from what was found to what is declared; refuses what would fail halfway."""
        drive = found.drive
        for program in self.asked:
            self._check_place(program, drive)
        self._check_active(drive)
        steps = [step for place in self._purged(drive) for step in self._clear(place, drive.slots[place])]
        changing = [program for program in self.asked if not _holds(program, drive.slots.get(program.place))]
        # What makes room comes first: a slot that is emptied, a program that is no longer active.
        for program in sorted(changing, key=lambda one: one.state != "absent" and not _idles(one, drive)):
            steps += self._bring(program, drive.slots.get(program.place))
        path = self.config_file
        stale = found.file and found.running is not None and not saved.is_current(found.file, found.running)
        if path and (steps or stale):
            if self.client is not None and steps and not self.check:
                saved.check_folder(path)
            save = f"save the target's configuration to {path}"
            steps.append(Step(save, lambda: saved.save(self._connected(), path)))
        return steps

    def predict(self, found: Found) -> Found:
        """The state after the planned steps."""
        slots = {place: slot for place, slot in found.drive.slots.items() if place not in self._purged(found.drive)}
        for program in self.asked:
            there = slots.pop(program.place, None)
            if program.state != "absent":
                slots[program.place] = _predicted(program, there)
        return Found(Drive(found.drive.computes, slots), found.running, found.file)

    def render(self, found: Found) -> str:
        """A state as text: one slot a line."""
        geometry = {program.place: [name for name in GEOMETRY if name in program.options] for program in self.asked}
        return "".join(
            f"{place.compute} slot {place.slot}: {_words(slot, geometry.get(place, []))}\n"
            for place, slot in sorted(found.drive.slots.items())
        )

    # ---- what cannot be had

    def _check_place(self, program: Program, drive: Drive) -> None:
        if program.state == "absent":
            return
        what = f"program {program.name} in {program.place}"
        compute = drive.computes.get(program.place.compute)
        if compute is None:
            # In check mode the bdev may be one that a task before this one would have made.
            if self.check:
                return
            raise LabError(
                what,
                f"the target has no compute namespace {program.place.compute}, but "
                f"{', '.join(sorted(drive.computes)) or 'none at all'}",
                "declare it with spdk_target as a bdev of type csd_compute, or correct its name",
            )
        slots, most = compute.get("slots"), compute.get("max_program_bytes")
        if slots is not None and program.place.slot >= slots:
            raise LabError(
                what,
                f"{program.place.compute} has the slots 0 to {slots - 1}",
                "use one of these, or declare the bdev with more slots",
            )
        size = len(program.content or b"")
        if most is not None and size > most:
            raise LabError(
                f"{what} of {size} bytes",
                f"{program.place.compute} takes programs of at most {most} bytes",
                "make it smaller, or declare the bdev with a larger max_program_bytes",
            )

    def _check_active(self, drive: Drive) -> None:
        after = self.predict(Found(drive)).drive
        for name, compute in after.computes.items():
            slots = sorted(after.slots.items())
            active = [place for place, slot in slots if place.compute == name and slot.state == "active"]
            most = compute.get("max_active")
            if most is not None and len(active) > most:
                raise LabError(
                    f"{len(active)} active programs in {name} (slots {', '.join(str(one.slot) for one in active)})",
                    f"it was made for {most} at a time",
                    "declare some as present or absent, or the bdev with a higher max_active",
                )

    # ---- steps

    def _purged(self, drive: Drive) -> list[Place]:
        declared = {program.place for program in self.asked}
        return sorted(place for place in drive.slots if self.purge and place not in declared)

    def _bring(self, program: Program, there: Slot | None) -> Iterator[Step]:
        """The steps that bring one slot to its declaration."""
        place = program.place
        if there is not None and _same(program, there):
            yield self._activate(place) if program.state == "active" else self._deactivate(place)
            return
        if there is not None:
            yield from self._clear(place, there)
        if program.state != "absent":
            yield Step(
                f"load {program.name} into {place}",
                partial(self._load, program),
                partial(self._send, "csd_unload_program", place),
            )
            if program.state == "active":
                yield self._activate(place)

    def _clear(self, place: Place, there: Slot) -> Iterator[Step]:
        """The steps that empty a slot."""
        if there.state == "active":
            yield self._deactivate(place)
        what = "the program" if there.whole else "what was loaded so far"
        yield Step(
            f"unload {what} in {place}", partial(self._send, "csd_unload_program", place), self._reload(place, there)
        )

    def _activate(self, place: Place) -> Step:
        return Step(
            f"activate {place}",
            partial(self._send, "csd_activate_program", place),
            partial(self._send, "csd_deactivate_program", place),
        )

    def _deactivate(self, place: Place) -> Step:
        return Step(
            f"deactivate {place}",
            partial(self._drain, place),
            partial(self._send, "csd_activate_program", place),
        )

    def _reload(self, place: Place, there: Slot) -> Callable[[], object] | None:
        """What loads again what was in a slot; pieces of a program that never was whole are not worth it."""
        if not there.whole:
            return None
        if not there.loads:
            return partial(_cannot_reload, place)
        return partial(self._load_pieces, there.loads)

    def _load(self, program: Program) -> None:
        asked = f"load {program.name} into {program.place}"
        if program.content is None:
            raise LabError(asked, "its bytes are not known", "run again outside check mode")
        try:
            self._load_pieces(_pieces(program, program.content))
        except RpcError as error:
            reason = refusal(self._connected(), program.place)
            said = error.message if not reason or reason in error.message else f"{error.message}: {reason}"
            raise LabError(
                asked,
                f"the target refused it: {said}",
                "mend the program (docs/programs.md says what may run), then run again",
            ) from error

    def _load_pieces(self, pieces: Sequence[Mapping[str, Any]]) -> None:
        for params in pieces:
            self._connected().call("csd_load_program", params)

    def _drain(self, place: Place) -> None:
        """Deactivate. Of a program that runs no new run begins from the first call on; its last one is waited for."""
        try:
            self._send("csd_deactivate_program", place)
        except LabError:
            # Nothing is to be left half done: whoever runs it may go on.
            self._send("csd_activate_program", place)
            raise

    def _send(self, method: str, place: Place) -> None:
        """One RPC for a slot; asked again as long as the program runs or is being verified."""
        give_up = time.monotonic() + BUSY_PATIENCE_S
        while True:
            try:
                self._connected().call(method, {"name": place.compute, "pind": place.slot})
                return
            except RpcError as error:
                if error.code != -errno.EBUSY or time.monotonic() > give_up:
                    raise LabError(
                        f"{method.removeprefix('csd_').replace('_', ' ')} in {place}",
                        f"the target refused: {error.message}",
                        "look for who uses it (csd_get_stats, csd stats), or read the target's log, then run again",
                    ) from error
            time.sleep(_BUSY_RETRY_S)

    def _connected(self) -> Client:
        if self.client is None:
            raise LabError("a change to the target's programs", "it does not run", "start it")
        return self.client


def _coming(file: saved.SavedFile | None) -> Drive:
    """What a target will have that starts with this file; an unreadable one counts as empty."""
    try:
        return drive_from_saved(file.config if file else None)
    except (KeyError, TypeError, AttributeError):
        return Drive()


def _same(program: Program, there: Slot) -> bool:
    """Whether a slot holds the declared program, active or not."""
    return (
        program.content is not None
        and there.whole
        and there.sha256 == program.sha256
        and all(there.facts.get(name) == value for name, value in program.options.items())
    )


def _pieces(program: Program, content: bytes) -> list[dict[str, Any]]:
    """Parameters of the RPCs that load a program: one, where it fits into one request."""
    place = {"name": program.place.compute, "pind": program.place.slot}
    cut = [content[start : start + PIECE_BYTES] for start in range(0, len(content), PIECE_BYTES)]
    pieces = [{**place, "program": base64.b64encode(piece).decode(), **program.options} for piece in cut]
    if len(pieces) == 1:
        return pieces
    return [{**piece, "offset": number * PIECE_BYTES, "size": len(content)} for number, piece in enumerate(pieces)]


def _idles(program: Program, drive: Drive) -> bool:
    """Whether all that is declared is that the program, which is there, is not active."""
    there = drive.slots.get(program.place)
    return program.state == "present" and there is not None and _same(program, there)


def _holds(program: Program, there: Slot | None) -> bool:
    """Whether a slot is as declared."""
    if program.state == "absent" or there is None:
        return program.state == "absent" and there is None
    return _same(program, there) and (there.state == "active") == (program.state == "active")


def _predicted(program: Program, there: Slot | None) -> Slot:
    state = "active" if program.state == "active" else "loaded"
    if there is not None and _same(program, there):
        return replace(there, state=state)
    size = None if program.content is None else len(program.content)
    return Slot(state, program.sha256, size, program.options)


def _words(slot: Slot, geometry: Sequence[str]) -> str:
    """A slot in words."""
    if not slot.whole:
        return slot.state
    words = [f"sha256 {slot.sha256} ({slot.size} bytes)" if slot.sha256 else "what the compiler will make"]
    words += [f"{name} {slot.facts[name]}" for name in geometry if name in slot.facts]
    return ", ".join([slot.state, *words])


def _cannot_reload(place: Place) -> None:
    raise LabError(f"load again what was in {place}", "the target does not tell its bytes", "load it again by hand")
