"""report.html from a report, as the task csd_report makes it: the action plugin's page of what the module returns."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.module_utils.hello_ebpf.bench.figures import page

from conftest import loaded

action = loaded("plugins/action/csd_report.py")
TEMPLATE: Path = action.TEMPLATE


def html(report: Mapping[str, Any]) -> str:
    """The page of a report."""
    return str(action.html(page(report)))
