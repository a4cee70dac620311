"""The data set in the slowest and plainest words: what docs/dataset.md says, and nothing of the C code.

The C generator decides for one record by arithmetic whether a level takes it; this one walks the strata of each level
over the whole data set and draws one position from each.
"""

from __future__ import annotations

import struct
from fractions import Fraction

MASK = 2**64 - 1
GOLDEN = 0x9E3779B97F4A7C15
EPOCH_NS = 1767225600 * 10**9
RECORD = struct.Struct("<QQIi5Q")
# Share of the data set that a level keeps, and the lowest temperature of its members, in milli-degrees.
LEVELS = [(Fraction(1, 2), 25000), (Fraction(1, 10), 50000), (Fraction(1, 100), 70000), (Fraction(1, 1000), 85000)]
COLDEST, HOTTEST = -40000, 125000
STREAM_TIMESTAMP, STREAM_DEVICE, STREAM_TEMPERATURE, STREAM_PAYLOAD, STREAM_LEVEL = 0, 1, 2, 3, 8
THRESHOLDS = {0.001: 85000, 0.01: 70000, 0.1: 50000, 0.5: 25000, 1.0: COLDEST}


def mix64(value: int) -> int:
    """The finalizer of splitmix64."""
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB & MASK
    return value ^ (value >> 31)


def draw(seed: int, stream: int, counter: int) -> int:
    """The counter-th number of a stream."""
    key = mix64((seed + GOLDEN) & MASK)
    return mix64((key + GOLDEN * (16 * counter + stream + 1)) & MASK)


def half_up(value: Fraction) -> int:
    """Rounded, halves up."""
    return int(value + Fraction(1, 2))


def classes(records: int, seed: int) -> list[int]:
    """The class of each record: how many levels took it."""
    found = [0] * records
    members = list(range(records))
    for level, (share, _) in enumerate(LEVELS):
        keep = half_up(records * share)
        size = len(members)
        taken = []
        for stratum in range(keep):
            start, end = stratum * size // keep, (stratum + 1) * size // keep
            taken.append(members[start + draw(seed, STREAM_LEVEL + level, stratum) % (end - start)])
        for index in taken:
            found[index] = level + 1
        members = taken
    return found


def generate(records: int, seed: int, count: int | None = None) -> list[bytes]:
    """All records, or the first `count` of them."""
    lowest = [COLDEST, *(temperature for _, temperature in LEVELS), HOTTEST]
    made = []
    for index, heat in enumerate(classes(records, seed)[:count]):
        span = lowest[heat + 1] - lowest[heat]
        made.append(
            RECORD.pack(
                index,
                EPOCH_NS + index * 10**6 + draw(seed, STREAM_TIMESTAMP, index) % 10**6,
                draw(seed, STREAM_DEVICE, index) % 1000,
                lowest[heat] + draw(seed, STREAM_TEMPERATURE, index) % span,
                *(draw(seed, STREAM_PAYLOAD + i, index) for i in range(5)),
            )
        )
    return made


def temperature(record: bytes) -> int:
    """A record's temperature."""
    value: int = RECORD.unpack(record)[3]
    return value
