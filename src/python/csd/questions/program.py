# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""From a question's tree to eBPF (RFC 9669): a function that gets a record in r1 and returns 1 to keep it, or 0.

With a number to summarize, it adds that of each kept record to the state of its run (summary.py).

A number is calculated in r0; the right side of an operation goes to r1, and r2 helps. What waits for its right side
lies in a register or, deeper, in the frame. r6 is the record, r7 csd_parameters. The drive has gcc translate it: there
is no need to be clever here. Jumps go forward only, so its verifier can prove every such program.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..errors import LabError
from . import summary, tree
from .grammar import Question
from .tree import AllOf, AnyOf, Binary, Compare, Condition, Immediate, Load, Not, Number, Parameter, Unary

MAX_INSTRUCTIONS = 4096  # that the drive's verifier looks at
_RECORD, _PARAMETERS, _FRAME = 6, 7, 10
_WAITING = (3, 4, 5, 8, 9)
_FRAME_WORDS = 64
_DATA_AT = 24  # of struct csd_parameters
_MAX_DISPLACEMENT = 32760

_ADD, _SUB, _MUL, _DIV, _OR, _AND, _LSH, _RSH, _NEG, _MOD, _XOR, _MOV, _ARSH = range(13)
_LOADS = {8: 0x79, 4: 0x61, 2: 0x69, 1: 0x71}
_STORE = 0x7B
_LOAD_IMMEDIATE, _TO_BIG_ENDIAN, _EXIT = 0x18, 0xDC, 0x95
_SIGNED_DIVISION = 1  # as offset
_ALWAYS, _EQUAL, _GREATER, _NOT_EQUAL = 0, 1, 2, 5
_SIMPLE = {"+": _ADD, "-": _SUB, "*": _MUL, "&": _AND, "|": _OR, "^": _XOR, "<<": _LSH}
_JUMPS = {
    False: {"==": 1, "!=": 5, "<": 12, "<=": 13, ">": 6, ">=": 7},
    True: {"==": 1, "!=": 5, "<": 10, "<=": 11, ">": 2, ">=": 3},
}
_OPPOSITE = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
_INSTRUCTION = struct.Struct("<BBhi")


@dataclass(frozen=True)
class Code:
    """Instructions, and which of them load the address of csd_parameters or csd_state: their place in instructions."""

    instructions: bytes
    addresses: tuple[tuple[int, str], ...]


def code(question: Question, asked: str) -> Code:
    """The program of a question.

    Raises:
        LabError: it is larger than what the drive's verifier looks at.
    """
    writer = _Writer()
    try:
        writer.program(question)
    except (RecursionError, _TooDeepError):
        raise LabError(asked, "it is nested too deep", "ask it with fewer parentheses in one another") from None
    count = len(writer.words)
    if count > MAX_INSTRUCTIONS:
        raise LabError(
            asked,
            f"it takes {count} instructions, the drive's verifier looks at {MAX_INSTRUCTIONS}",
            "ask it in several questions",
        )
    return Code(writer.assembled(), tuple(writer.addresses))


class _TooDeepError(Exception):
    pass


@dataclass
class _Writer:
    words: list[tuple[int, int, int, int]] = field(default_factory=list)
    addresses: list[tuple[int, str]] = field(default_factory=list)
    jumps: dict[int, int] = field(default_factory=dict)  # instruction -> label
    labels: list[int] = field(default_factory=list)  # where each one is; -1: not yet

    # ---- instructions

    def emit(self, opcode: int, to: int = 0, source: int = 0, offset: int = 0, value: int = 0) -> None:
        self.words.append((opcode, to | source << 4, offset, value))

    def alu(self, operation: int, to: int, source: int, offset: int = 0) -> None:
        self.emit(operation << 4 | 0x0F, to, source, offset)

    def alu_with(self, operation: int, to: int, value: int) -> None:
        self.emit(operation << 4 | 0x07, to, value=value)

    def jump(self, relation: int, to: int, label: int, *, source: int | None = None, value: int = 0) -> None:
        self.jumps[len(self.words)] = label
        self.emit(relation << 4 | (0x05 if source is None else 0x0D), to, source or 0, value=value)

    def label(self) -> int:
        self.labels.append(-1)
        return len(self.labels) - 1

    def place(self, label: int) -> None:
        self.labels[label] = len(self.words)

    def load_immediate(self, to: int, value: int) -> None:
        low, high = struct.unpack("<ii", struct.pack("<Q", value % tree.WORD))
        self.emit(_LOAD_IMMEDIATE, to, value=low)
        self.emit(0, value=high)

    def load_address(self, to: int, name: str) -> None:
        self.addresses.append((len(self.words), name))
        self.load_immediate(to, 0)

    def assembled(self) -> bytes:
        made = bytearray()
        for at, (opcode, registers, offset, value) in enumerate(self.words):
            to = self.labels[self.jumps[at]] - at - 1 if at in self.jumps else offset
            made += _INSTRUCTION.pack(opcode, registers, to, value)
        return bytes(made)

    # ---- the program

    def program(self, question: Question) -> None:
        condition, number, key = question.condition, question.number, question.key
        drop, ungrouped = self.label(), self.label()
        self.alu(_MOV, _RECORD, 1)
        asked = list(_numbers(condition)) if condition else []
        for one in (number, key):
            asked += _leaves(one) if one else []
        if any(isinstance(one, Parameter) for one in asked):
            self.load_address(_PARAMETERS, "csd_parameters")
        if condition is not None:
            self.jump_if(condition, False, drop)
        if key is not None and question.keys is not None:
            self.group(key, question.keys, ungrouped)
        if number is not None:
            self.number(number, 0 if key is None else 1)
            self.load_address(2, "csd_state")
            if key is not None:
                self.alu(_ADD, 2, _WAITING[0])
                self.count()
            self.summarize(number.unsigned)
        self.place(ungrouped)
        self.alu_with(_MOV, 0, 1)
        self.emit(_EXIT)
        if condition is not None:
            self.place(drop)
            self.alu_with(_MOV, 0, 0)
            self.emit(_EXIT)

    def group(self, key: Number, keys: range, otherwise: int) -> None:
        """Where the state of a key's group begins, to what waits first; a record of another key counts in none."""
        self.number(key, 0)
        self.load_immediate(1, keys[0])
        self.alu(_SUB, 0, 1)
        self.load_immediate(1, len(keys) - 1)
        self.jump(_JUMPS[True][">"], 0, otherwise, source=1)
        self.alu_with(_MUL, 0, summary.GROUP_BYTES)
        self.wait(0)

    def count(self) -> None:
        self.emit(_LOADS[8], 1, 2, summary.COUNT_AT)
        self.alu_with(_ADD, 1, 1)
        self.emit(_STORE, 2, 1, summary.COUNT_AT)

    def summarize(self, unsigned: bool) -> None:
        """r0 into the state at r2."""
        if not unsigned:
            self.load_immediate(1, summary.LEAST_SIGNED)
            self.alu(_XOR, 0, 1)
        no_carry = self.label()
        self.emit(_LOADS[8], 1, 2, summary.LOW_AT)
        self.alu(_ADD, 1, 0)
        self.emit(_STORE, 2, 1, summary.LOW_AT)
        self.jump(_JUMPS[True][">="], 1, no_carry, source=0)
        self.emit(_LOADS[8], 1, 2, summary.HIGH_AT)
        self.alu_with(_ADD, 1, 1)
        self.emit(_STORE, 2, 1, summary.HIGH_AT)
        self.place(no_carry)
        self.raise_to(summary.GREATEST_AT)
        self.alu_with(_XOR, 0, -1)
        self.raise_to(summary.LEAST_AT)

    def raise_to(self, at: int) -> None:
        """A word of the state to r0, if that is greater."""
        enough = self.label()
        self.emit(_LOADS[8], 1, 2, at)
        self.jump(_JUMPS[True][">="], 1, enough, source=0)
        self.emit(_STORE, 2, 0, at)
        self.place(enough)

    # ---- conditions: each jumps where it is what was asked for, and goes on where not

    def jump_if(self, condition: Condition, wanted: bool, to: int) -> None:
        match condition:
            case Not(of=inner):
                self.jump_if(inner, not wanted, to)
            case AllOf(of=parts) | AnyOf(of=parts):
                self.join(parts, isinstance(condition, AllOf), wanted, to)
            case Compare(operator=word, left=left, right=right, unsigned=unsigned):
                self.sides(left, right, 0)
                relation = _JUMPS[unsigned][word if wanted else _OPPOSITE[word]]
                self.jump(relation, 0, to, source=1)

    def join(self, parts: tuple[Condition, ...], every: bool, wanted: bool, to: int) -> None:
        if every != wanted:  # the first that decides is enough
            for part in parts:
                self.jump_if(part, wanted, to)
            return
        past = self.label()
        for part in parts[:-1]:
            self.jump_if(part, not wanted, past)
        self.jump_if(parts[-1], wanted, to)
        self.place(past)

    # ---- numbers

    def sides(self, left: Number, right: Number, depth: int) -> None:
        """The left one to r0, the right one to r1."""
        if isinstance(right, Load | Parameter | Immediate):
            self.number(left, depth)
            self.leaf(right, 1)
            return
        self.number(left, depth)
        self.wait(depth)
        self.number(right, depth + 1)
        self.alu(_MOV, 1, 0)
        self.resume(depth)

    def wait(self, depth: int) -> None:
        if depth < len(_WAITING):
            self.alu(_MOV, _WAITING[depth], 0)
            return
        if depth - len(_WAITING) >= _FRAME_WORDS:
            raise _TooDeepError
        self.emit(_STORE, _FRAME, 0, -8 * (depth - len(_WAITING) + 1))

    def resume(self, depth: int) -> None:
        if depth < len(_WAITING):
            self.alu(_MOV, 0, _WAITING[depth])
        else:
            self.emit(_LOADS[8], 0, _FRAME, -8 * (depth - len(_WAITING) + 1))

    def number(self, number: Number, depth: int) -> None:
        """A number to r0."""
        match number:
            case Unary(operator=word, operand=operand, bits=bits):
                self.number(operand, depth)
                self.unary(word, bits)
            case Binary(operator=word, left=left, right=right, unsigned=unsigned):
                self.sides(left, right, depth)
                self.binary(word, unsigned)
            case _:
                self.leaf(number, 0)

    def leaf(self, number: Number, to: int) -> None:
        match number:
            case Load():
                self.load(number, to)
            case Parameter(index=index):
                self.emit(_LOADS[8], to, _PARAMETERS, 0 if index == 0 else _DATA_AT + 8 * (index - 1))
            case Immediate(value=value):
                self.load_immediate(to, value)

    def load(self, load: Load, to: int) -> None:
        if load.offset <= _MAX_DISPLACEMENT:
            self.emit(_LOADS[load.bytes], to, _RECORD, load.offset)
        else:
            self.alu(_MOV, to, _RECORD)
            self.alu_with(_ADD, to, load.offset)
            self.emit(_LOADS[load.bytes], to, to)
        if load.big_endian and load.bytes > 1:
            self.emit(_TO_BIG_ENDIAN, to, value=8 * load.bytes)
        if load.extend and load.bytes < 8:
            self.alu(_MOV, to, to, 8 * load.bytes)

    def unary(self, word: str, bits: int) -> None:
        if word == "~":
            self.alu_with(_XOR, 0, -1)
        elif word == "-":
            self.emit(_NEG << 4 | 0x07, 0)
        else:  # tree.order_of
            done = self.label()
            self.jump(_JUMPS[False][">="], 0, done)
            self.alu(_MOV, 1, 0)
            self.load_immediate(0, -(1 << (bits - 1)))
            self.alu(_SUB, 0, 1)
            self.place(done)

    def binary(self, word: str, unsigned: bool) -> None:
        """Of r0 and r1 to r0."""
        if word in _SIMPLE:
            self.alu(_SIMPLE[word], 0, 1)
        elif word == ">>":
            self.alu(_RSH if unsigned else _ARSH, 0, 1)
        elif word == "//":
            self.quotient(unsigned)
        else:
            self.rest(unsigned)

    def quotient(self, unsigned: bool) -> None:
        """Rounded down. By zero, as RFC 9669 has it: 0."""
        if unsigned:
            self.alu(_DIV, 0, 1)
            return
        done = self.label()
        self.alu(_MOV, 2, 0)
        self.alu(_DIV, 0, 1, _SIGNED_DIVISION)
        self.jump(_EQUAL, 1, done)
        self.alu(_MOD, 2, 1, _SIGNED_DIVISION)
        self.jump(_EQUAL, 2, done)
        self.alu(_XOR, 2, 1)
        self.jump(_JUMPS[False][">="], 2, done)
        self.alu_with(_ADD, 0, -1)
        self.place(done)

    def rest(self, unsigned: bool) -> None:
        """With the sign of what is divided by. By zero: 0; RFC 9669 would give what was divided."""
        done, divides = self.label(), self.label()
        self.jump(_NOT_EQUAL, 1, divides)
        self.alu_with(_MOV, 0, 0)
        self.jump(_ALWAYS, 0, done)
        self.place(divides)
        if unsigned:
            self.alu(_MOD, 0, 1)
        else:
            self.alu(_MOD, 0, 1, _SIGNED_DIVISION)
            self.jump(_EQUAL, 0, done)
            self.alu(_MOV, 2, 0)
            self.alu(_XOR, 2, 1)
            self.jump(_JUMPS[False][">="], 2, done)
            self.alu(_ADD, 0, 1)
        self.place(done)


def _numbers(condition: Condition) -> Iterator[Number]:
    match condition:
        case Not(of=inner):
            yield from _numbers(inner)
        case AllOf(of=parts) | AnyOf(of=parts):
            for part in parts:
                yield from _numbers(part)
        case Compare(left=left, right=right):
            yield from _leaves(left)
            yield from _leaves(right)


def _leaves(number: Number) -> Iterator[Number]:
    match number:
        case Unary(operand=operand):
            yield from _leaves(operand)
        case Binary(left=left, right=right):
            yield from _leaves(left)
            yield from _leaves(right)
        case _:
            yield number
