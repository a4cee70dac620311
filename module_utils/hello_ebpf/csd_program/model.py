# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""A program that is declared, and a slot as it was found."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

GEOMETRY = ("record_bytes", "stride_bytes", "state_bytes", "emit")


class Place(NamedTuple):
    """A slot of a compute namespace, by the name of its bdev and the program index."""

    compute: str
    slot: int

    def __str__(self) -> str:
        return f"slot {self.slot} of {self.compute}"


@dataclass(frozen=True)
class Program:
    """What is declared for a slot.

    Attributes:
        place: the slot.
        state: present (loaded, not active), active, or absent.
        name: what messages call it.
        content: its bytes; None where they are not known yet (check mode) or not needed (absent).
        options: further parameters of the load that were told: program_type, pid, and a bare stream's geometry.
    """

    place: Place
    state: str
    name: str = ""
    content: bytes | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        """The digest of its bytes; empty where they are not known."""
        return "" if self.content is None else hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True)
class Slot:
    """A slot that is not empty.

    Attributes:
        state: loaded or active; loading or verifying while somebody loads it.
        sha256: digest of the program's bytes.
        size: their number.
        facts: program_type, pid and geometry, as far as known; engine and what else the target tells.
        loads: parameters of the RPCs that load the same again, piece by piece; none where the target does not tell.
    """

    state: str
    sha256: str = ""
    size: int | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    loads: tuple[Mapping[str, Any], ...] = ()

    @property
    def whole(self) -> bool:
        """Whether it holds a program, and not the first pieces of one."""
        return self.state in {"loaded", "active"}


@dataclass(frozen=True)
class Drive:
    """The compute namespaces of a target by the names of their bdevs, with their limits as far as they are known, and
    their slots that are not empty.
    """

    computes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    slots: Mapping[Place, Slot] = field(default_factory=dict)
