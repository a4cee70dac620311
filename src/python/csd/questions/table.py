# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Records on a drive, and questions about them: each becomes a program, in the drive for as long as it is asked."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import commands, flows, results
from ..commands import CSI_COMPUTE, CSI_NVM, CSI_SLM
from ..device import Device, Namespace, StatusError
from ..errors import LabError
from ..statuses import PROGRAM_IN_USE
from . import elf, summary
from .grammar import Grouped, Summarized, asked, understand
from .program import code
from .record import Record

if TYPE_CHECKING:
    from typing import Any

_OTHERS_PAGES = 2
_SLOT_PAGES = 2  # the drive writes the state behind the constants at each end, wanted or not


@dataclass(frozen=True)
class Program:
    """A question as the drive gets it: an object file, and its constants as parameters.

    Attributes:
        content: the same for questions that differ in their constants alone.
        unsigned: what it summarizes is an unsigned number of 64 bits.
        float_bytes: what it summarizes has the order of floats of so many bytes; 0: it is an integer itself.
    """

    content: bytes
    cparam1: int
    parameters: bytes
    unsigned: bool = False
    float_bytes: int = 0

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


def compiled(
    where: str | None,
    record: Record,
    emit: int = elf.EMIT_RECORD,
    what: Summarized | None = None,
    by: Grouped | None = None,
) -> Program:
    """The program of a question.

    Args:
        where: of which records; None: of all.
        record: what they look like.
        emit: for each of these: itself, its offset, or nothing.
        what: what it summarizes of them.
        by: in which groups.

    Raises:
        LabError: the question means nothing, or is too large.
    """
    question = understand(where, record, what, by)
    made = code(question, asked(where, what))
    states = summary.STATE_BYTES if by is None else len(by.keys) * summary.GROUP_BYTES
    first, *others = question.constants or [0]
    content = elf.program(
        made.instructions,
        made.addresses,
        record_bytes=record.bytes,
        emit=emit,
        state_bytes=0 if what is None else states,
    )
    unsigned = question.number is not None and question.number.unsigned
    return Program(content, first, struct.pack(f"<{len(others)}Q", *others), unsigned, question.float_bytes)


@dataclass(frozen=True)
class Answer:
    """What a question came to, and what it cost.

    Attributes:
        matches: records for which it is true.
        records: whole records that were examined.
        data: the matching records as they lie on the drive, in their order; of a count or a summary: nothing.
        complete: all of the range was gone through; False: the limit came first.
        examined: bytes that the drive went through; returned: bytes that came to the host.
        seconds: step -> time, as this host saw it.
        sha256: of the program.
    """

    matches: int
    records: int
    data: bytes
    complete: bool
    examined: int
    returned: int
    commands: int
    program_nanoseconds: int
    seconds: dict[str, float]
    sha256: str
    record: Record
    columns: tuple[str, ...] | None = None

    def array(self) -> Any:
        """The records as numpy's structured array, with the columns that were asked for. Needs numpy."""
        import numpy

        fields = self.record.fields
        dtype = self.record.dtype
        if dtype is None:
            dtype = numpy.dtype(
                {
                    "names": list(fields),
                    "formats": [one.type for one in fields.values()],
                    "offsets": [one.offset for one in fields.values()],
                    "itemsize": self.record.bytes,
                }
            )
        whole = numpy.frombuffer(self.data, dtype)
        return whole if self.columns is None else whole[list(self.columns)]


@dataclass(frozen=True)
class Summary:
    """Of the numbers that matching records have.

    Attributes:
        sum: exact, however large.
        minimum, maximum: None where nothing matches.
        answer: what it cost; without records. Of a group: what all of them cost.
    """

    count: int
    sum: int
    minimum: int | None
    maximum: int | None
    answer: Answer

    @property
    def mean(self) -> float | None:
        """The float that is nearest to it; None where nothing matches."""
        return self.sum / self.count if self.count else None


@dataclass(frozen=True)
class Table:
    """Records one behind the other in a range of a drive's data namespace. A piece of one at the end is none."""

    device: Device
    record: Record
    start: int
    length: int
    compute: Namespace
    memory: Namespace | None
    data: Namespace

    def scan(self, where: str | None = None, columns: Sequence[str] | None = None, limit: int | None = None) -> Answer:
        """The records for which a question is true, in their order.

        Args:
            where: the question (docs/questions.md); None: every record.
            columns: fields of the answer's array; None: all. The drive sends whole records.
            limit: how many records at most, from 1 on; None: all.

        Raises:
            LabError: the question means nothing, or the drive refuses something.
        """
        for name in columns or ():
            if name not in self.record.fields:
                known = ", ".join(self.record.fields)
                raise LabError(f"column {name}", f"the record has no such field; it has {known}", "name one of these")
        if limit is not None and limit < 1:
            raise LabError(
                f"at most {limit} records", "this is less than one", "give a limit from 1 on, or None for all"
            )
        program = compiled(where, self.record)
        return self._ask(program, tuple(columns) if columns is not None else None, limit)[0]

    def count(self, where: str | None = None) -> int:
        """For how many records a question is true. No record comes to the host."""
        return self._ask(compiled(where, self.record, elf.EMIT_NOTHING))[0].matches

    def summary(self, what: str, where: str | None = None) -> Summary:
        """Count, sum, minimum, maximum and mean in one run. No record comes to the host.

        Args:
            what: an expression of integers (docs/questions.md).
            where: of which records; None: of all.

        Raises:
            LabError: the question means nothing, or the drive refuses something.
        """
        return self._summarized("summary", what, where)

    def sum(self, what: str, where: str | None = None) -> int:
        """See ``summary``; 0 where nothing matches."""
        return self._summarized("sum", what, where).sum

    def mean(self, what: str, where: str | None = None) -> float | None:
        """See ``summary``; None where nothing matches."""
        return self._summarized("mean", what, where).mean

    def min(self, what: str, where: str | None = None) -> int | float | None:
        """Of an expression of integers, or of a field of floats, in which NaN does not count; None: of nothing."""
        return self._extreme("minimum", what, where)

    def max(self, what: str, where: str | None = None) -> int | float | None:
        """See ``min``."""
        return self._extreme("maximum", what, where)

    def group_by(self, key: str, keys: range, what: str | None = None, where: str | None = None) -> dict[int, Summary]:
        """A summary for each key that a matching record has, in one run.

        Args:
            key: an expression of integers.
            keys: all that it may come to.
            what: an expression of integers; None: the key itself.
            where: of which records; None: of all.

        Raises:
            LabError: a record has another key; or as ``summary`` does.
        """
        by = Grouped(key, keys)
        program = compiled(where, self.record, elf.EMIT_NOTHING, Summarized("summary", what or key), by)
        answer, state = self._ask(program)
        groups = summary.groups(state, program.unsigned)
        others = answer.matches - sum(group[0] for group in groups)
        if others:
            raise LabError(by.asked(), f"{others} records have another key", "give more keys, or ask where it is one")
        return {one: Summary(*found, answer) for one, found in zip(keys, groups, strict=True) if found[0]}

    def _extreme(self, word: str, what: str, where: str | None) -> int | float | None:
        program = compiled(where, self.record, elf.EMIT_NOTHING, Summarized(word, what))
        found = self._run(program)
        number = found.minimum if word == "minimum" else found.maximum
        return number if number is None or not program.float_bytes else summary.floating(number, program.float_bytes)

    def _summarized(self, word: str, what: str, where: str | None) -> Summary:
        return self._run(compiled(where, self.record, elf.EMIT_NOTHING, Summarized(word, what)))

    def _run(self, program: Program) -> Summary:
        answer, state = self._ask(program)
        return Summary(answer.matches, *summary.read(state, answer.matches, program.unsigned), answer)

    def _ask(
        self, program: Program, columns: tuple[str, ...] | None = None, limit: int | None = None
    ) -> tuple[Answer, bytes]:
        """The answer, and the state in which the program ended."""
        kept = bytearray()
        most = None if limit is None else limit * self.record.bytes
        with loaded(self.device, self.compute.nsid, program) as slot:
            job = flows.Job(
                self.compute,
                self.memory,
                self.data,
                slot,
                self.start,
                self.length // self.record.bytes * self.record.bytes,
                cparam1=program.cparam1,
                parameters=program.parameters,
                memory_at=parameters_at(self.memory, program, slot),
                most=most,
            )
            outcome = flows.scan(self.device, job, kept.extend)
        answer = Answer(
            outcome.matches if limit is None else min(outcome.matches, limit),
            outcome.records,
            bytes(kept[:most]),  # a buffer is made of whole words: with small records there may be more
            outcome.end == results.ENDS[results.END_WHOLE] and (most is None or len(kept) <= most),
            outcome.examined,
            outcome.data_bytes,
            outcome.commands,
            outcome.nanoseconds,
            outcome.seconds,
            program.sha256,
            self.record,
            columns,
        )
        return answer, outcome.state


def parameters_at(memory: Namespace | None, program: Program, slot: int) -> int | None:
    """Two pages of SLM for each slot, constants and state: whose program is in the slot has them, whatever others ask.

    They lie in front of the last two pages, which other scans take (``flows``). None: it needs none, or has no SLM.
    """
    if memory is None or not program.parameters:
        return None
    at = (memory.bytes // flows.PAGE - _OTHERS_PAGES - _SLOT_PAGES * (slot + 1)) * flows.PAGE
    if at < 0:
        raise LabError(
            f"the constants of a question in slot {slot}",
            f"SLM namespace {memory.nsid} has {memory.bytes} bytes: its pages would begin {-at} before it",
            "ask with one constant, or give the drive more SLM",
        )
    return at


@contextmanager
def loaded(device: Device, nsid: int, program: Program) -> Iterator[int]:
    """A slot with the program, for as long as it is needed: the first empty one that nobody else takes."""
    empty = [one.pind for one in device.programs(nsid) if one.state == "empty"]
    slot = next((pind for pind in empty if _load(device, nsid, pind, program)), None)
    if slot is None:
        raise LabError(
            f"a slot for a question ({device.name})",
            f"none of compute namespace {nsid} is empty",
            "unload a program that is not needed (csd list, csd unload)",
        )
    try:
        device.activate(nsid, slot)
        yield slot
    finally:
        # After a lost connection these fail too: what was lost is the error that counts.
        with suppress(LabError):
            device.transport.admin(commands.deactivate_program(nsid, slot))
            device.transport.admin(commands.unload_program(nsid, slot))


def _load(device: Device, nsid: int, pind: int, program: Program) -> bool:
    """False: somebody else's program came into the slot first."""
    try:
        device.load(nsid, pind, program.content)
    except StatusError as error:
        if error.status == PROGRAM_IN_USE:
            return False
        raise
    return True


def table(
    device: Device,
    record: Record,
    *,
    start: int,
    length: int | None,
    compute: int | None,
    memory: int | None,
    data: int | None,
) -> Table:
    """See ``Device.table``."""
    of = device.namespace(CSI_NVM, data)
    has_memory = memory is not None or any(one.csi == CSI_SLM for one in device.namespaces)
    whole = max(of.bytes - start, 0) if length is None else length
    if start < 0 or whole < 0:
        raise LabError(
            f"{whole} bytes at {start}", "a range begins at 0 or later and has no less than 0 bytes", "give such"
        )
    return Table(
        device,
        record,
        start,
        whole,
        device.namespace(CSI_COMPUTE, compute),
        device.namespace(CSI_SLM, memory) if has_memory else None,
        of,
    )
