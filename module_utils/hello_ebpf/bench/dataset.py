# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""The data set on a device as a state: read by digest, written where it differs and nothing is lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from ..errors import LabError
from ..plan import Step
from .program import WRONG_DATA, Program

RECORD_BYTES = 64


@dataclass(frozen=True)
class State:
    """What lies on the device.

    Attributes:
        records: how many records were looked for.
        seed: of which seed.
        sha256: digest of what lies there; empty: not known.
        equal: it is the data set.
        zero, ours, foreign: records that differ: never written; of another data set of ours, or damaged; neither.
        unknown: why it could not be read; only in check mode, where what it needs may come first.
    """

    records: int
    seed: int
    sha256: str = ""
    equal: bool = False
    zero: int = 0
    ours: int = 0
    foreign: int = 0
    unknown: str = ""

    @property
    def text(self) -> str:
        """In words, for messages."""
        if self.unknown:
            return f"it cannot be read yet: {self.unknown}"
        return f"{self.zero} never written, {self.ours} of another data set or damaged, {self.foreign} somebody else's"


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
        records, seed = self._program.records, self._program.seed
        if self._program.place.file_is_missing():
            return State(records, seed, zero=records)
        try:
            found = self._program.run("verify", accept=(0, WRONG_DATA))
        except LabError as error:
            if not self._check:
                raise
            return State(records, seed, unknown=error.found)
        return State(
            records=records,
            seed=seed,
            sha256=found["sha256"],
            equal=found["equal"],
            zero=found["records_zero"],
            ours=found["records_ours"],
            foreign=found["records_foreign"],
        )

    def plan(self, state: State) -> Sequence[Step]:
        if state.equal:
            return []
        program = self._program
        what = f"write {program.records} records from seed {program.seed} to {program.place}"
        if state.foreign and not self._overwrite:
            raise LabError(
                asked=what,
                found=f"something else lies there: of {state.records} places {state.text}",
                fix="name the right device, or, if what lies there may be lost, set overwrite: true",
            )
        if self._check and self._written_by:
            return []
        # Without --force it is written only over zeros and data sets of ours.
        force = ["--force"] if self._overwrite else []
        return [Step(f"{what} ({state.text})", partial(program.run, "write", *force))]

    def predict(self, state: State) -> State:
        return State(self._program.records, self._program.seed, equal=True)


def render(state: State) -> str:
    """A state as text, one fact a line."""
    if state.unknown:
        return f"unknown: {state.unknown}\n"
    if state.equal:
        return f"data set: {state.records} records from seed {state.seed}\n"
    return f"never written: {state.zero}\nanother data set or damaged: {state.ours}\nsomebody else's: {state.foreign}\n"
