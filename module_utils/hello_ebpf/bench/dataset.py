# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""The data set on a device as a state: read by digest, written where it differs and nothing is lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from ..errors import LabError
from ..plan import Step
from .program import WRONG_DATA, Program

RECORD_BYTES = 64


# What csd_bench verify tells of a device. Records that differ are ``records_zero`` (never written), ``records_ours``
# (of another data set of ours, or damaged) or ``records_foreign`` (neither). In check mode, where what reading needs
# may come first, only ``unknown``: why it could not be read.
State = Mapping[str, Any]


class DatasetState:
    """``read``, ``plan`` and ``predict`` for ``converge``.

    Args:
        program: with the place and the data set.
        overwrite: write over what is neither zeros nor a data set of ours.
        check: nothing will be written, and the program, the target or the device may be made by an earlier task.
        written_by: who was asked to write it before; empty: nobody.
    """

    def __init__(self, program: Program, *, overwrite: bool, check: bool, written_by: str = "") -> None:
        self._program = program
        self._overwrite = overwrite
        self._check = check
        self._written_by = written_by

    def read(self) -> State:
        if self._program.place.file_is_missing():
            none = {"equal": False, "records_ours": 0, "records_foreign": 0}
            return none | {"records": self._program.records, "records_zero": self._program.records}
        try:
            return self._program.run("verify", accept=(0, WRONG_DATA))
        except LabError as error:
            if not self._check:
                raise
            return {"unknown": error.found}

    def plan(self, state: State) -> Sequence[Step]:
        if state.get("equal"):
            return []
        program = self._program
        what = f"write {program.records} records from seed {program.seed} to {program.place}"
        if state.get("records_foreign") and not self._overwrite:
            raise LabError(
                asked=what,
                found=f"something else lies there: of {state['records']} places {_words(state)}",
                fix="name the right device, or, if what lies there may be lost, set overwrite: true",
            )
        if self._check and self._written_by:
            return []
        # Without --force it is written only over zeros and data sets of ours.
        force = ["--force"] if self._overwrite else []
        return [Step(f"{what} ({_words(state)})", partial(program.run, "write", *force))]

    def predict(self, state: State) -> State:
        return {"equal": True, "records": self._program.records, "seed": self._program.seed}


def _words(state: State) -> str:
    if "unknown" in state:
        return f"it cannot be read yet: {state['unknown']}"
    zero, ours, foreign = (state[f"records_{whose}"] for whose in ("zero", "ours", "foreign"))
    return f"{zero} never written, {ours} of another data set or damaged, {foreign} somebody else's"


def render(state: State) -> str:
    """A state as text, one fact a line."""
    if "unknown" in state:
        return f"unknown: {state['unknown']}\n"
    if state["equal"]:
        return f"data set: {state['records']} records from seed {state['seed']}\n"
    return (
        f"never written: {state['records_zero']}\nanother data set or damaged: {state['records_ours']}\n"
        f"somebody else's: {state['records_foreign']}\n"
    )
