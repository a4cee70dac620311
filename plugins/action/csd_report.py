# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Writes the page of a report that the module csd_report has just written, so that one task tells and predicts both."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
from ansible.plugins.action import ActionBase

TEMPLATE = Path(__file__).resolve().parents[2] / "roles/csd_bench/templates/report.html.j2"


class ActionModule(ActionBase):  # type: ignore[misc]  # ansible-core ships no types
    """The module runs on the controller; Jinja2 is here, and need not be in the Python that runs it."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        result: dict[str, Any] = self._execute_module(task_vars=task_vars)
        if page := result.pop("page", None):
            path = Path(result["path"]).with_name("report.html")
            path.write_text(html(page))
            path.chmod(0o644)
        return result


def html(page: Mapping[str, Any]) -> str:
    """The page, every value in it escaped."""
    environment = jinja2.Environment(trim_blocks=True, keep_trailing_newline=True, autoescape=True)
    return environment.from_string(TEMPLATE.read_text()).render(page=page)
