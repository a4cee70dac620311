# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""What a question is once it was understood: conditions over numbers of 64 bits, and nothing else.

Texts and floats are gone here: a text is compared as numbers of its bytes, a float as a number that has the same order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

WORD = 1 << 64
SIGNED = (-(1 << 63), (1 << 63) - 1)
UNSIGNED = (0, WORD - 1)


@dataclass(frozen=True)
class Number:
    """A number of 64 bits: signed in two's complement, or unsigned; on every path between ``low`` and ``high``."""

    unsigned: bool
    low: int
    high: int


@dataclass(frozen=True)
class Load(Number):
    """Bytes of the record. ``extend``: as a signed number of this width."""

    offset: int
    bytes: int
    big_endian: bool
    extend: bool


@dataclass(frozen=True)
class Parameter(Number):
    """A constant of the question: which one, counted from 0. The program gets its value with each command."""

    index: int


@dataclass(frozen=True)
class Immediate(Number):
    """A number that belongs to the program, whatever the question's constants are."""

    value: int


@dataclass(frozen=True)
class Unary(Number):
    """``operator``: - or ~, or "order" (``order_of``)."""

    operator: str
    operand: Number
    bits: int = 64


@dataclass(frozen=True)
class Binary(Number):
    """``operator``: + - * // % & | ^ << >>."""

    operator: str
    left: Number
    right: Number


@dataclass(frozen=True)
class Condition:
    """What is true of a record, or false."""


@dataclass(frozen=True)
class Compare(Condition):
    """``operator``: == != < <= > >=, of two numbers that are both signed, or else are both taken as unsigned."""

    operator: str
    left: Number
    right: Number
    unsigned: bool


@dataclass(frozen=True)
class AllOf(Condition):
    of: tuple[Condition, ...]


@dataclass(frozen=True)
class AnyOf(Condition):
    of: tuple[Condition, ...]


@dataclass(frozen=True)
class Not(Condition):
    of: Condition


def immediate(value: int) -> Immediate:
    return Immediate(value > SIGNED[1], value, value, value)


def compare(operator: str, left: Number, right: Number) -> Condition:
    """By value: a negative number is less than every unsigned one."""
    if left.unsigned == right.unsigned:
        return Compare(operator, left, right, left.unsigned)
    signed, is_left = (right, False) if left.unsigned else (left, True)
    alike = Compare(operator, left, right, True)
    if signed.low >= 0:
        return alike
    negative = Compare("<", signed, immediate(0), False)
    if operator == "!=" or operator in (("<", "<=") if is_left else (">", ">=")):
        return AnyOf((negative, alike))
    return AllOf((Not(negative), alike))


def order_of(bits: int, pattern: int) -> int:
    """Of a float's bits, as a signed number: one that is ordered as the floats are, with 0 for both zeros."""
    return pattern if pattern >= 0 else -(1 << (bits - 1)) - pattern


def _multiplied(left: Number, right: Number) -> tuple[int, int]:
    corners = [a * b for a in (left.low, left.high) for b in (right.low, right.high)]
    return min(corners), max(corners)


def _spread(left: Number, right: Number) -> tuple[int, int]:
    if left.low < 0 or right.low < 0:
        return SIGNED
    return 0, (1 << max(left.high, right.high).bit_length()) - 1


def _masked(left: Number, right: Number) -> tuple[int, int]:
    highs = [one.high for one in (left, right) if one.low >= 0]
    return (0, min(highs)) if highs else SIGNED


_BOUNDS: dict[str, Callable[[Number, Number], tuple[int, int]]] = {
    "+": lambda a, b: (a.low + b.low, a.high + b.high),
    "-": lambda a, b: (a.low - b.high, a.high - b.low),
    "*": _multiplied,
    "//": lambda a, b: (0, a.high) if a.low >= 0 and b.low >= 0 else SIGNED,
    "%": lambda a, b: (0, max(b.high - 1, 0)) if b.low >= 0 else SIGNED,
    "&": _masked,
    "|": _spread,
    "^": _spread,
    "<<": lambda a, b: (a.low << b.low, a.high << b.low),
    ">>": lambda a, b: (a.low >> b.low, a.high >> b.low),
}


def binary(operator: str, left: Number, right: Number) -> Binary:
    """The caller has seen to it that both are signed, or can be taken as unsigned."""
    unsigned = left.unsigned or (right.unsigned and operator not in {"<<", ">>"})
    return Binary(unsigned, *_within(unsigned, *_BOUNDS[operator](left, right)), operator, left, right)


def negated(operand: Number) -> Unary:
    return Unary(False, *_within(False, -operand.high, -operand.low), "-", operand)


def inverted(operand: Number) -> Unary:
    unsigned = operand.unsigned
    return Unary(unsigned, *(UNSIGNED if unsigned else (~operand.high, ~operand.low)), "~", operand)


def _within(unsigned: bool, low: int, high: int) -> tuple[int, int]:
    """What may not fit wraps: then any number of its kind may come out."""
    least, most = UNSIGNED if unsigned else SIGNED
    return (low, high) if least <= low and high <= most else (least, most)
