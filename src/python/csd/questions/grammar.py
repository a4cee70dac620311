# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""From a question's text to its tree. Python's parser reads it; what means nothing here is refused with its place."""

from __future__ import annotations

import ast
import operator
import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ..errors import LabError
from . import summary, tree
from .record import Field, Record
from .tree import AllOf, AnyOf, Condition, Number

# cparam1, and eight bytes each of the 1000 that a command's program data may have.
MAX_CONSTANTS = 126
_SHOWN = 200  # characters, in a refusal
_OF_FLOATS_TOO = {"minimum", "maximum"}

_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}
_ARITHMETIC: dict[type[ast.operator], tuple[str, Callable[[int, int], int]]] = {
    ast.Add: ("+", operator.add),
    ast.Sub: ("-", operator.sub),
    ast.Mult: ("*", operator.mul),
    ast.FloorDiv: ("//", operator.floordiv),
    ast.Mod: ("%", operator.mod),
    ast.BitAnd: ("&", operator.and_),
    ast.BitOr: ("|", operator.or_),
    ast.BitXor: ("^", operator.xor),
    ast.LShift: ("<<", operator.lshift),
    ast.RShift: (">>", operator.rshift),
}
_UNARY: dict[type[ast.unaryop], Callable[[int], int]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Invert: operator.invert,
}
# Of a float's bytes: the bits of infinity; what is above is no number.
_INFINITE = {4: 0x7F80_0000, 8: 0x7FF0_0000_0000_0000}


@dataclass
class Question:
    """A question that was understood.

    Attributes:
        condition: of the records; None: all of them.
        number: what is summarized of these records; None: nothing.
        float_bytes: it has the order of floats of so many bytes; 0: it is an integer itself.
        key, keys: what it is summarized by, and which values of it have a group; None: there are no groups.
        constants: their values, each a word of 64 bits.
    """

    condition: Condition | None
    number: Number | None
    constants: list[int]
    float_bytes: int = 0
    key: Number | None = None
    keys: range | None = None


@dataclass(frozen=True)
class _Exact:
    """An integer of the question itself, however large; what is calculated from such alone is one too."""

    value: int


# What an expression is before it is compared: a number of the record, a constant, or a field of floats or bytes.
_Value = Number | _Exact | float | bytes | Field
_Read = TypeVar("_Read")


@dataclass(frozen=True)
class Summarized:
    """What is asked of the records beside which: the sum, for example, of an expression."""

    word: str
    text: str


@dataclass(frozen=True)
class Grouped:
    """By which expression there are groups, and for which of its values."""

    text: str
    keys: range

    def asked(self) -> str:
        return f"groups by {_shortened(self.text)!r}, {self.keys}"


def understand(
    where: str | None, record: Record, what: Summarized | None = None, by: Grouped | None = None
) -> Question:
    """The tree of a question.

    Raises:
        LabError: it is none, or none that the drive can answer; with the place in the text.
    """
    constants: list[int] = []
    condition = number = None
    found: Number | Field
    if where is not None:
        condition = _Reader(where, asked(where), record, constants).read(_Reader.condition)
    key = None if by is None else _key(by, record, constants)
    if what is not None:
        reader = _Reader(what.text, asked(None, what), record, constants)
        found = reader.read(_Reader.ordered if what.word in _OF_FLOATS_TOO else _Reader.summarized)
        if isinstance(found, Field):
            number, is_number = _float_key(found)
            return Question(AllOf((condition, is_number)) if condition else is_number, number, constants, found.bytes)
        number = found
    return Question(condition, number, constants, key=key, keys=None if by is None else by.keys)


def _key(by: Grouped, record: Record, constants: list[int]) -> Number:
    if by.keys.step != 1 or not 1 <= len(by.keys) <= summary.MAX_GROUPS:
        raise LabError(
            by.asked(),
            f"the drive has room for 1 to {summary.MAX_GROUPS} groups, of keys one behind the other",
            "give a smaller range, or make the key coarser: temperature // 1000",
        )
    key = _Reader(by.text, by.asked(), record, constants).read(_Reader.summarized)
    low, high = tree.UNSIGNED if key.unsigned else tree.SIGNED
    if by.keys[0] < low or by.keys[-1] > high:
        raise LabError(by.asked(), f"a key is from {low} to {high}", "give keys of these")
    return key


def asked(where: str | None, what: Summarized | None = None) -> str:
    """A question, for a refusal."""
    records = "the records" if where is None else f"the records where {_shortened(where)!r}"
    if what is None:
        return records
    return f"the {what.word} of {_shortened(what.text)!r}" + (f" of {records}" if where is not None else "")


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


@dataclass
class _Reader:
    text: str
    asked: str
    record: Record
    constants: list[int]

    def read(self, as_what: Callable[[_Reader, ast.expr], _Read]) -> _Read:
        try:
            # To Python, spaces in front would be an indentation.
            parsed = ast.parse(self.text.lstrip(" \t"), mode="eval")
            return as_what(self, parsed.body)
        except SyntaxError as error:
            raise self.refused_syntax(error) from None
        except (RecursionError, MemoryError):
            raise LabError(
                self.asked, "it is nested too deep", "ask it with fewer parentheses in one another"
            ) from None
        except ValueError as error:
            raise LabError(self.asked, str(error), "write it in printable characters") from None

    # ---- refusals

    def refused_syntax(self, error: SyntaxError) -> LabError:
        number = error.lineno or 1
        at = max(error.offset or 1, 1) + self.spaces(number)
        word = re.search(r"\bbetween\b", self.text)
        return LabError(
            self.asked,
            f"line {number}, character {at}: {error.msg}",
            "write low <= field <= high, for what SQL calls between"
            if word
            else "write comparisons with and, or, not, in: temperature >= 70000 and device in (3, 5)",
        )

    def refused(self, node: ast.expr, found: str, fix: str) -> LabError:
        """Because of a part of the text."""
        parsed = self.text.lstrip(" \t")
        # Python counts bytes of UTF-8.
        before = _lines(parsed)[node.lineno - 1].encode()[: node.col_offset].decode()
        at = len(before) + 1 + self.spaces(node.lineno)
        part = _shortened(ast.get_source_segment(parsed, node) or "")
        return LabError(self.asked, f"line {node.lineno}, character {at}, {part}: {found}", fix)

    def spaces(self, line: int) -> int:
        return len(self.text) - len(self.text.lstrip(" \t")) if line == 1 else 0

    # ---- conditions

    def condition(self, node: ast.expr) -> Condition:
        match node:
            case ast.BoolOp(op=ast.And(), values=values):
                return AllOf(tuple(self.condition(value) for value in values))
            case ast.BoolOp(values=values):
                return AnyOf(tuple(self.condition(value) for value in values))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return tree.Not(self.condition(operand))
            case ast.Compare(left=left, ops=operators, comparators=others):
                sides = [left, *others]
                pairs = [self.compared(one, sides[i], sides[i + 1]) for i, one in enumerate(operators)]
                return pairs[0] if len(pairs) == 1 else AllOf(tuple(pairs))
        self.value(node)  # which says what is wrong inside of it, if something is
        raise self.refused(node, "this is a value, not a condition", "compare it, for example with != 0")

    def compared(self, one: ast.cmpop, left: ast.expr, right: ast.expr) -> Condition:
        if isinstance(one, ast.In | ast.NotIn):
            if not isinstance(right, ast.Tuple | ast.List | ast.Set) or not right.elts:
                raise self.refused(right, "in takes a list of values", "write them in parentheses: device in (3, 5)")
            known = self.value(left)
            found = AnyOf(tuple(self.comparison("==", left, known, each, self.value(each)) for each in right.elts))
            return tree.Not(found) if isinstance(one, ast.NotIn) else found
        if type(one) not in _COMPARISONS:
            raise self.refused(left, "it is compared by is", "compare with == or !=")
        return self.comparison(_COMPARISONS[type(one)], left, self.value(left), right, self.value(right))

    def comparison(self, word: str, left: ast.expr, a: _Value, right: ast.expr, b: _Value) -> Condition:
        if isinstance(a, Number | _Exact) and isinstance(b, Number | _Exact):
            return tree.compare(word, self.number(left, a), self.number(right, b))
        fields = [one for one in (a, b) if isinstance(one, Field)]
        if not fields:
            raise self.refused(
                left if not isinstance(a, Number) else right, "no field of its type is compared with it", _KINDS
            )
        if fields[0].kind == "S":
            return self.texts(word, fields[0], (left, a), (right, b))
        return self.floats(word, fields[0], (left, a), (right, b))

    # ---- texts: bytes, filled up with NUL, as numpy compares them

    def texts(self, word: str, like: Field, *sides: tuple[ast.expr, _Value]) -> Condition:
        return _by_words(word, *(self.words(node, value, like) for node, value in sides))

    def words(self, node: ast.expr, value: _Value, like: Field) -> list[Number]:
        """The bytes of a text as big-endian numbers, which have its order."""
        at, numbers = 0, []
        if isinstance(value, bytes):
            whole = value.rstrip(b"\0")
            if len(whole) > like.bytes:
                raise self.refused(node, f"it has {len(whole)} bytes, field {like.name} has {like.bytes}", "shorten it")
        elif not isinstance(value, Field) or value.kind != "S" or value.bytes != like.bytes:
            raise self.refused(
                node, f"field {like.name}, which it is compared with, is a text of {like.bytes} bytes", _KINDS
            )
        while at < like.bytes:
            size = next(size for size in (8, 4, 2, 1) if at + size <= like.bytes)
            if isinstance(value, bytes):
                piece = whole.ljust(like.bytes, b"\0")[at : at + size]
                numbers.append(self.constant(node, int.from_bytes(piece, "big"), unsigned=True))
            else:
                numbers.append(_load(value.offset + at, size, big_endian=True, signed=False))
            at += size
        return numbers

    # ---- floats: IEEE's order, in which what is no number compares with nothing

    def floats(self, word: str, like: Field, *sides: tuple[ast.expr, _Value]) -> Condition:
        keys: list[Number] = []
        numbers: list[Condition] = []
        for node, value in sides:
            if isinstance(value, Field) and value.kind == "f" and value.bytes == like.bytes:
                key, is_number = _float_key(value)
                keys.append(key)
                numbers.append(is_number)
            elif isinstance(value, float | _Exact):
                keys.append(self.constant(node, self.float_order(node, value, like.bytes)))
            else:
                raise self.refused(
                    node, f"field {like.name}, which it is compared with, is a float of {like.bytes} bytes", _KINDS
                )
        held = tree.compare(word, *keys)
        if word == "!=":
            return AnyOf((*(tree.Not(one) for one in numbers), held))
        return AllOf((*numbers, held))

    def float_order(self, node: ast.expr, value: float | _Exact, size: int) -> int:
        try:
            number = float(value.value if isinstance(value, _Exact) else value)
            form, pattern = ("<f", "<i") if size == 4 else ("<d", "<q")
            return tree.order_of(8 * size, struct.unpack(pattern, struct.pack(form, number))[0])
        except OverflowError:
            raise self.refused(node, f"a float of {size} bytes cannot be so large", "write a smaller one") from None

    # ---- numbers

    def ordered(self, node: ast.expr) -> Number | Field:
        """What a minimum is of: of floats, a field alone."""
        if isinstance(node, ast.Name):
            value = self.value(node)
            if isinstance(value, Field) and value.kind == "f":
                return value
        return self.summarized(node)

    def summarized(self, node: ast.expr) -> Number:
        if isinstance(node, ast.BoolOp | ast.Compare) or isinstance(getattr(node, "op", None), ast.Not):
            raise self.refused(node, "this is a condition, not a number", "give it as where, or count what matches")
        value = self.value(node)
        kind = _kind(value)
        if kind == "a float":
            raise self.refused(
                node, "it is a float, and eBPF has no arithmetic of floats", "scan, and calculate on the host"
            )
        if kind:
            raise self.refused(node, f"it is {kind}", "name a field of integers, or calculate with such")
        return self.number(node, value)

    def value(self, node: ast.expr) -> _Value:
        match node:
            case ast.Name(id=name):
                return self.named(node, name)
            case ast.Constant(value=value):
                return self.literal(node, value)
            case ast.UnaryOp(op=ast.USub() | ast.UAdd() | ast.Invert()):
                return self.unary(node)
            case ast.BinOp(op=kind) if type(kind) in _ARITHMETIC:
                return self.binary(node, *_ARITHMETIC[type(kind)])
            case ast.BinOp(op=ast.Div()):
                raise self.refused(
                    node, "/ makes floats of integers", "write //, whose result is an integer, rounded down"
                )
            case ast.BoolOp() | ast.Compare() | ast.UnaryOp(op=ast.Not()):
                raise self.refused(node, "this is a condition, not a value", "let and, or and not join conditions")
        raise self.refused(
            node,
            "a question has no such expression",
            "use fields, constants, comparisons, and, or, not, in, + - * // % & | ^ ~ << >>",
        )

    def literal(self, node: ast.expr, value: object) -> _Value:
        match value:
            case int() if not isinstance(value, bool):
                return _Exact(value)
            case str():
                return value.encode()
            case float() | bytes():
                return value
        raise self.refused(node, "it is no value of a field", "compare with a number or a text")

    def named(self, node: ast.expr, name: str) -> _Value:
        found = self.record.fields.get(name)
        if found is None:
            known = ", ".join(self.record.fields)
            raise self.refused(node, f"the record has no such field; it has {known}", "name one of these")
        if not found.kind:
            raise self.refused(
                node, f"its type, {found.type}, is none that a question knows", "ask about i, u, f and S fields"
            )
        if found.kind in "fS":
            return found
        return _load(found.offset, found.bytes, found.big_endian, signed=found.kind == "i")

    def number(self, node: ast.expr, value: _Value) -> Number:
        if isinstance(value, Number):
            return value
        if isinstance(value, _Exact):
            if not tree.SIGNED[0] <= value.value <= tree.UNSIGNED[1]:
                raise self.refused(node, "it does not fit 64 bits", "write a number from -2**63 to 2**64 - 1")
            return self.constant(node, value.value)
        raise self.refused(
            node, f"it is {_kind(value)}, and is calculated with", "compare it alone: arithmetic is for integers"
        )

    def constant(self, node: ast.expr, value: int, *, unsigned: bool = False) -> Number:
        if len(self.constants) == MAX_CONSTANTS:
            raise self.refused(
                node, f"it is constant {MAX_CONSTANTS + 1} of the question", f"ask with {MAX_CONSTANTS} at most"
            )
        self.constants.append(value % tree.WORD)
        index = len(self.constants) - 1
        return tree.Parameter(unsigned or value > tree.SIGNED[1], value, value, index)

    def unary(self, node: ast.UnaryOp) -> _Value:
        value = self.value(node.operand)
        if isinstance(value, float) and not isinstance(node.op, ast.Invert):
            return -value if isinstance(node.op, ast.USub) else value
        if isinstance(value, _Exact):
            return _Exact(_UNARY[type(node.op)](value.value))
        number = self.number(node.operand, value)
        if isinstance(node.op, ast.UAdd):
            return number
        if isinstance(node.op, ast.Invert):
            return tree.inverted(number)
        if number.unsigned:
            raise self.refused(node, "it is the negative of an unsigned number of 64 bits", "compare the number itself")
        return tree.negated(number)

    def binary(self, node: ast.BinOp, word: str, exact: Callable[[int, int], int]) -> _Value:
        a, b = self.value(node.left), self.value(node.right)
        if word in {"<<", ">>"} and not (isinstance(b, _Exact) and 0 <= b.value <= 63):
            raise self.refused(node.right, "a shift is by a constant from 0 to 63", "write such a constant")
        if isinstance(a, _Exact) and isinstance(b, _Exact):
            if word in {"//", "%"} and b.value == 0:
                raise self.refused(node, "it divides by zero", "divide by another number")
            return _Exact(exact(a.value, b.value))
        left = self.number(node.left, a)
        right = (
            tree.immediate(b.value) if word in {"<<", ">>"} and isinstance(b, _Exact) else self.number(node.right, b)
        )
        if left.unsigned != right.unsigned and (right if left.unsigned else left).low < 0:
            raise self.refused(
                node,
                "it joins an unsigned number of 64 bits and one that may be negative: no 64 bits hold every result",
                "compare the two, or calculate with each alone",
            )
        return tree.binary(word, left, right)


def _kind(value: _Value) -> str:
    """What is no integer."""
    if isinstance(value, Number | _Exact):
        return ""
    return "a float" if isinstance(value, float) or (isinstance(value, Field) and value.kind == "f") else "a text"


def _lines(text: str) -> list[str]:
    """As Python's parser counts them."""
    return re.split(r"\r\n|\r|\n", text)


_KINDS = "compare integers with integers, floats with floats of the same width or a constant, texts with texts"


def _load(offset: int, size: int, big_endian: bool, *, signed: bool) -> Number:
    bits = 8 * size
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    return tree.Load(not signed and bits == 64, low, high, offset, size, big_endian, signed)


def _float_key(of: Field) -> tuple[Number, Condition]:
    """A number that has the order of a field of floats, and the condition that it is no NaN."""
    bits = _load(of.offset, of.bytes, of.big_endian, signed=True)
    size = tree.binary("&", bits, tree.immediate((1 << (8 * of.bytes - 1)) - 1))
    key = tree.Unary(False, *_ordered(of.bytes), "order", bits, 8 * of.bytes)
    return key, tree.compare("<=", size, tree.immediate(_INFINITE[of.bytes]))


def _ordered(size: int) -> tuple[int, int]:
    most = (1 << (8 * size - 1)) - 1
    return -most, most


def _by_words(word: str, left: Sequence[Number], right: Sequence[Number]) -> Condition:
    """The first words that differ decide."""
    same = [tree.compare("==", a, b) for a, b in zip(left, right, strict=True)]
    if word in {"==", "!="}:
        return AllOf(tuple(same)) if word == "==" else tree.Not(AllOf(tuple(same)))
    decided = tree.compare(word, left[-1], right[-1])
    for i in reversed(range(len(left) - 1)):
        decided = AnyOf((tree.compare(word[0], left[i], right[i]), AllOf((same[i], decided))))
    return decided
