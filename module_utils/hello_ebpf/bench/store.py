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
from ..plan import Outcome, Step, converge
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


def write(
    folder: Path, measured: Sequence[str], make: Callable[..., dict[str, Any]], *, check: bool
) -> Outcome[dict[str, Any]]:
    """Bring measurements that no report holds into a new one.

    Args:
        folder: of the reports.
        measured: labels of the pairs of host and target that were measured now.
        make: makes a report of what was measured and of the previous report, empty where there is none.
        check: write nothing.
    """
    now = time.time_ns()
    second = time.gmtime(now // 10**9)
    # Milliseconds keep two reports of one second apart.
    name = time.strftime("%Y%m%dT%H%M%S", second) + f".{now // 10**6 % 1000:03d}Z"

    def plan(_: object) -> Sequence[Step]:
        if not measured or (folder / name).exists():
            return []
        return [Step(f"write a report of {', '.join(measured)} into {folder}", apply)]

    def apply() -> None:
        """All or nothing: the report is whole before anything points to it."""
        made = make(load(folder), created=time.strftime("%Y-%m-%dT%H:%M:%SZ", second))
        (folder / name).mkdir(parents=True)
        (folder / name / NAME).write_text(json.dumps(made, indent=1) + "\n")
        link_to(folder / LATEST, name)

    return converge(lambda: load(folder), plan, lambda state: state, check=check)


def render(state: Mapping[str, Any]) -> str:
    """A report as text, a run a line."""
    if not state:
        return "no report\n"
    return "".join(f"{line}\n" for line in [f"created {state['created']}", *summary(state)])
