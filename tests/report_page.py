"""report.html from a report, as the task csd_report makes it: the action plugin's page of what the module returns."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.module_utils.hello_ebpf.bench.figures import page

_PLUGIN = Path(__file__).resolve().parents[1] / "plugins/action/csd_report.py"
_spec = importlib.util.spec_from_file_location("csd_report_action", _PLUGIN)
assert _spec is not None
assert _spec.loader is not None
action = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(action)
TEMPLATE: Path = action.TEMPLATE


def html(report: Mapping[str, Any]) -> str:
    """The page of a report."""
    return str(action.html(page(report)))
