# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""The state in which a program keeps sum, minimum and maximum of a number, and what it says.

A number is kept as one of 64 unsigned bits that has its order: a signed one is raised by 2^63. Then the zeros with
which a run begins are right for all of the state:

    low, high    the sum, in 128 bits: of fewer than 2^64 records, each below 2^64, it cannot wrap
    greatest     the greatest
    least        the greatest complement, which is that of the least
    count        of records; of groups alone, each of which has all of these: without groups, the drive counts itself
"""

from __future__ import annotations

import struct

from . import tree

LEAST_SIGNED = -(1 << 63)
LOW_AT, HIGH_AT, GREATEST_AT, LEAST_AT = 0, 8, 16, 24
COUNT_AT = STATE_BYTES = 32
GROUP_BYTES = 40
MAX_GROUPS = 4096 // GROUP_BYTES  # in what a program may have of state
_STATE = struct.Struct("<4Q")


def floating(number: int, size: int) -> float:
    """The float of so many bytes whose number in the order of floats this is."""
    pattern = tree.order_of(8 * size, number)
    found: float = struct.unpack("<f" if size == 4 else "<d", pattern.to_bytes(size, "little", signed=True))[0]
    return found


def read(state: bytes, count: int, unsigned: bool) -> tuple[int, int | None, int | None]:
    """Sum, minimum and maximum of so many records."""
    low, high, greatest, least = _STATE.unpack(state)
    raised = 0 if unsigned else -LEAST_SIGNED
    total = (high << 64 | low) - count * raised
    if count == 0:
        return total, None, None
    return total, ((1 << 64) - 1 - least) - raised, greatest - raised


def groups(state: bytes, unsigned: bool) -> list[tuple[int, int, int | None, int | None]]:
    """Count, sum, minimum and maximum of each group."""
    found = []
    for at in range(0, len(state), GROUP_BYTES):
        (count,) = struct.unpack_from("<Q", state, at + COUNT_AT)
        found.append((count, *read(state[at : at + STATE_BYTES], count, unsigned)))
    return found
