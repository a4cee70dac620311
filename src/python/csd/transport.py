# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""What every way to a drive offers: one command there, its completion back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from .commands import Command


@dataclass(frozen=True)
class Completion:
    """How a command ended.

    Attributes:
        status: status code type in bits 10:8, status code in 7:0; 0 is success.
        value: DW0 (low) and DW1 (high) of the completion.
        data: what came back, for a command that reads.
    """

    status: int
    value: int
    data: bytes


class Transport(Protocol):
    """A connection to one subsystem. A refused command is an answer; LabError is raised where none came."""

    name: str

    def admin(self, command: Command) -> Completion: ...

    def io(self, command: Command) -> Completion: ...

    def close(self) -> None: ...
