# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Random records and random questions about them, and what numpy says to each."""

from __future__ import annotations

import ast
import random
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

INTEGERS = [order + kind + size for order in "<>" for kind in "iu" for size in "1248"]
FLOATS = ["<f4", ">f4", "<f8", ">f8"]
EDGES = [0, 1, 2, 3, 7, 127, 128, 255, 256, 32767, 32768, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**62, 2**63 - 1]
FLOAT_EDGES = [0.0, -0.0, 1.0, -1.0, 0.1, -0.1, float("inf"), float("-inf"), float("nan"), 5e-324, 1e-40, 3e38, -2.5]
TEXTS = [
    b"",
    b"a",
    b"ab",
    b"abc",
    b"b",
    b"\xff\xfe",
    b"a\0b",
    b"error",
    b"error: timeout",
    b"error: tide",
    b"error: t",
    b"zz",
]


def random_dtype(chance: random.Random) -> np.dtype[Any]:
    """Fields of any type at any alignment, some of them over one another's bytes."""
    names, formats, offsets = [], [], []
    whole = chance.randint(24, 200)
    # Of 64 unsigned bits only what cannot be negative may be calculated with: such fields alone have questions enough.
    integers = ["<u8", ">u8", "<u8", ">u4", "<u1"] if chance.random() < 0.2 else INTEGERS
    for number in range(chance.randint(3, 8)):
        form = chance.choice([*integers, *integers, *FLOATS, f"S{chance.randint(1, 21)}"])
        names.append(f"f{number}")
        formats.append(form)
        offsets.append(chance.randint(0, whole - np.dtype(form).itemsize))
    return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": whole})


def random_records(chance: random.Random, dtype: np.dtype[Any], count: int) -> bytes:
    """Bytes of chance, and in half of them one field each with a value at an edge."""
    made = bytearray(chance.randbytes(count * dtype.itemsize))
    assert dtype.fields is not None
    assert dtype.names is not None
    for number in range(0, count, 2):
        for name in dtype.names:
            kind, offset = dtype.fields[name][:2]
            made_of = _edge(chance, kind)
            at = number * dtype.itemsize + offset
            made[at : at + kind.itemsize] = made_of
    return bytes(made)


def _edge(chance: random.Random, kind: np.dtype[Any]) -> bytes:
    if kind.kind == "S":
        return chance.choice(TEXTS)[: kind.itemsize].ljust(kind.itemsize, b"\0")
    if kind.kind == "f":
        with np.errstate(over="ignore"):
            return np.array([chance.choice(FLOAT_EDGES)], kind).tobytes()
    number = chance.choice(EDGES) * chance.choice([1, -1]) % (1 << 8 * kind.itemsize)
    return number.to_bytes(kind.itemsize, "big" if kind.str[0] == ">" else "little")


@dataclass
class Writer:
    """Writes questions of chance over the fields of a type."""

    chance: random.Random
    dtype: np.dtype[Any]

    def names(self, kinds: str) -> list[str]:
        assert self.dtype.fields is not None
        return [name for name, of in self.dtype.fields.items() if of[0].kind in kinds]

    def condition(self, depth: int) -> str:
        pick = self.chance.random()
        if depth > 0 and pick < 0.25:
            return f"({self.condition(depth - 1)} and {self.condition(depth - 1)})"
        if depth > 0 and pick < 0.5:
            return f"({self.condition(depth - 1)} or {self.condition(depth - 1)})"
        if depth > 0 and pick < 0.6:
            return f"not {self.condition(depth - 1)}"
        kinds: list[Callable[[], str]] = [self.integers] * 3
        kinds += [self.texts] if self.names("S") else []
        kinds += [self.floats] if self.names("f") else []
        return self.chance.choice(kinds)()

    def relation(self) -> str:
        return self.chance.choice(["==", "!=", "<", "<=", ">", ">="])

    def integers(self) -> str:
        pick = self.chance.random()
        left = self.number(2)
        if pick < 0.15:
            listed = ", ".join(self.number(0) for _ in range(self.chance.randint(1, 4)))
            return f"{left} {self.chance.choice(['in', 'not in'])} ({listed},)"
        if pick < 0.3:
            return f"{self.number(0)} {self.relation()} {left} {self.relation()} {self.number(1)}"
        return f"{left} {self.relation()} {self.number(1)}"

    def number(self, depth: int) -> str:
        fields = self.names("iu")
        if depth == 0 or self.chance.random() < 0.3:
            if fields and self.chance.random() < 0.65:
                return self.chance.choice(fields)
            return str(self.chance.choice(EDGES) * self.chance.choice([1, 1, -1]))
        pick = self.chance.random()
        if pick < 0.1:
            return f"({self.chance.choice('-~')}{self.number(depth - 1)})"
        if pick < 0.25:
            return f"({self.number(depth - 1)} {self.chance.choice(['<<', '>>'])} {self.chance.randint(0, 63)})"
        word = self.chance.choice(["+", "-", "*", "//", "%", "&", "|", "^"])
        return f"({self.number(depth - 1)} {word} {self.number(depth - 1)})"

    def texts(self) -> str:
        assert self.dtype.fields is not None
        name = self.chance.choice(self.names("S"))
        size = self.dtype.fields[name][0].itemsize
        constants = [text[:size] for text in TEXTS]
        if self.chance.random() < 0.2:
            return f"{name} in ({self.chance.choice(constants)!r}, {self.chance.choice(constants)!r})"
        same = [other for other in self.names("S") if self.dtype.fields[other][0].itemsize == size]
        other = self.chance.choice([*same, repr(self.chance.choice(constants)), repr(self.chance.choice(constants))])
        return f"{name} {self.relation()} {other}"

    def floats(self) -> str:
        assert self.dtype.fields is not None
        name = self.chance.choice(self.names("f"))
        of = self.dtype.fields[name][0]
        same = [other for other in self.names("f") if self.dtype.fields[other][0].itemsize == of.itemsize]
        constants = [number for number in FLOAT_EDGES if abs(number) < 1e300]
        other = self.chance.choice([*same, repr(self.chance.choice(constants)), str(self.chance.randint(-3, 3))])
        return f"{name} {self.relation()} {other}"


# ---- what numpy says


def numpy_answer(text: str, records: Any) -> list[bool]:
    """Which records numpy finds, by the arithmetic of int64 and uint64 that docs/questions.md promises."""
    with np.errstate(all="ignore"):
        answer = _condition(ast.parse(text, mode="eval").body, records)
    return [bool(one) for one in np.broadcast_to(answer, len(records))]


def numpy_numbers(text: str, records: Any) -> list[int]:
    """What an expression of integers comes to in each record, by the same arithmetic."""
    with np.errstate(all="ignore"):
        numbers = _value(ast.parse(text, mode="eval").body, records)
    return [int(one) for one in np.broadcast_to(np.asarray(numbers), len(records))]


_RELATIONS = {
    ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
}
_OPERATIONS = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.FloorDiv: np.floor_divide,
    ast.Mod: np.remainder,
    ast.BitAnd: np.bitwise_and,
    ast.BitOr: np.bitwise_or,
    ast.BitXor: np.bitwise_xor,
    ast.LShift: np.left_shift,
    ast.RShift: np.right_shift,
}


def _condition(node: ast.expr, records: Any) -> Any:
    match node:
        case ast.BoolOp(op=ast.And(), values=values):
            return np.logical_and.reduce([_whole(_condition(value, records), records) for value in values])
        case ast.BoolOp(values=values):
            return np.logical_or.reduce([_whole(_condition(value, records), records) for value in values])
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return ~_whole(_condition(operand, records), records)
        case ast.Compare(left=left, ops=operators, comparators=others):
            sides = [left, *others]
            pairs = [_compared(one, sides[i], sides[i + 1], records) for i, one in enumerate(operators)]
            return np.logical_and.reduce(pairs)
    raise AssertionError(ast.dump(node))


def _whole(answer: Any, records: Any) -> Any:
    return np.broadcast_to(answer, len(records))


def _compared(one: ast.cmpop, left: ast.expr, right: ast.expr, records: Any) -> Any:
    if isinstance(one, ast.In | ast.NotIn):
        assert isinstance(right, ast.Tuple)
        found = np.logical_or.reduce([_compared(ast.Eq(), left, each, records) for each in right.elts])
        return ~found if isinstance(one, ast.NotIn) else found
    a, b = _value(left, records), _value(right, records)
    if isinstance(a, int) and isinstance(b, int):
        a, b = np.array([a], object), np.array([b], object)
    return _whole(_RELATIONS[type(one)](a, b), records)


def _value(node: ast.expr, records: Any) -> Any:
    """A column; of integers as int64, or uint64 if it has that width itself; or a constant."""
    match node:
        case ast.Name(id=name):
            column = records[name]
            if column.dtype.kind in "iu":
                return column.astype(np.uint64 if column.dtype.str[1:] == "u8" else np.int64)
            return column.astype(column.dtype.newbyteorder("="))
        case ast.Constant(value=value):
            return value.encode() if isinstance(value, str) else value
        case ast.UnaryOp(op=op, operand=operand):
            inner = _value(operand, records)
            return -inner if isinstance(op, ast.USub) else ~inner
        case ast.BinOp(left=left, op=op, right=right):
            a, b = _value(left, records), _value(right, records)
            if isinstance(a, int) and isinstance(b, int):
                return eval(compile(ast.Expression(node), "", "eval"))
            return _calculated(type(op), a, b, len(records))
    raise AssertionError(ast.dump(node))


def _calculated(op: type[ast.operator], a: Any, b: Any, count: int) -> Any:
    """As uint64 where one side is: the other one cannot be negative then. Else as int64. Shifts: as their left side."""
    sides = (a,) if op in {ast.LShift, ast.RShift} else (a, b)
    wide = any(one >= 2**63 if isinstance(one, int) else one.dtype == np.uint64 for one in sides)
    return _OPERATIONS[op](*(_as(one, np.uint64 if wide else np.int64, count) for one in (a, b)))


def _as(value: Any, kind: Any, count: int) -> Any:
    return np.full(count, value, kind) if isinstance(value, int) else value.astype(kind)


def judge_input(content: bytes, cparam1: int, parameters: bytes, records: bytes, count: int) -> bytes:
    """What build/judge reads for one program."""
    given = struct.pack("<QQII", cparam1, 0, len(parameters), 0) + parameters.ljust(1000, b"\0")
    return struct.pack("<II", len(content), count) + content + given + records


def judged(said: str) -> Sequence[tuple[str, list[bool]]]:
    """Verdict and records of each program."""
    lines = [line.rsplit(" ", 1) for line in said.splitlines()]
    return [(verdict, [digit == "1" for digit in kept]) for verdict, kept in lines]


def judged_states(said: str) -> Sequence[tuple[str, list[bool], bytes]]:
    """The same, and the state that it ended in, of programs that have one."""
    parts = [line.rpartition(" ") for line in said.splitlines()]
    return [(*judged(line)[0], bytes.fromhex(state)) for line, _, state in parts]
