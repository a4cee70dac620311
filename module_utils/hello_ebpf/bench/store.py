# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""The folder of reports: one folder a report, and the link ``latest``."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import LabError
from ..files import link_to
from ..plan import Step
from .summary import summary

LATEST = "latest"
NAME = "report.json"


def load(folder: Path) -> dict[str, Any]:
    """The latest report; empty where there is none.

    Raises:
        LabError: it is there and cannot be read.
    """
    path = folder / LATEST / NAME
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise LabError(
            asked=f"the report {path}",
            found=str(error),
            fix=f"move it away ({folder / LATEST} is a link to its folder); the next run writes a new one",
        ) from error
    return found


class Reports:
    """``read``, ``plan`` and ``predict`` for ``converge``: measurements that no report holds make a new one.

    Args:
        folder: of the reports.
        measured: labels of the pairs of host and target that were measured now.
        make: makes a report of what was measured and of the previous report, empty where there is none.
    """

    def __init__(self, folder: Path, measured: Sequence[str], make: Callable[..., dict[str, Any]]) -> None:
        self._folder = folder
        self._measured = measured
        self._make = make
        self._written = False

    def read(self) -> dict[str, Any]:
        return load(self._folder)

    def plan(self, state: Mapping[str, Any]) -> Sequence[Step]:
        if not self._measured or self._written:
            return []
        return [Step(f"write a report of {', '.join(self._measured)} into {self._folder}", self._write)]

    def predict(self, state: dict[str, Any]) -> dict[str, Any]:
        return state

    def _write(self) -> None:
        """All or nothing: the report is whole before anything points to it."""
        now = time.time_ns()
        created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now // 10**9))
        made = self._make(self.read(), created=created)
        # Milliseconds keep two reports of one second apart.
        name = time.strftime("%Y%m%dT%H%M%S", time.gmtime(now // 10**9)) + f".{now // 10**6 % 1000:03d}Z"
        folder = self._folder / name
        folder.mkdir(parents=True)
        (folder / NAME).write_text(json.dumps(made, indent=1) + "\n")
        link_to(self._folder / LATEST, name)
        self._written = True


def render(state: Mapping[str, Any]) -> str:
    """A report as text, a run a line."""
    if not state:
        return "no report\n"
    return "".join(f"{line}\n" for line in [f"created {state['created']}", *summary(state)])
