"""report.html from a report, as the role csd_bench makes it: its template over what csd_report returns as page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
from ansible.module_utils.hello_ebpf.bench.page import page

TEMPLATE = Path(__file__).resolve().parents[1] / "roles/csd_bench/templates/report.html.j2"


def html(report: Mapping[str, Any]) -> str:
    """With the settings that ansible.builtin.template has."""
    environment = jinja2.Environment(
        trim_blocks=True, keep_trailing_newline=True, autoescape=False
    )  # the template escapes
    return environment.from_string(TEMPLATE.read_text()).render(__csd_bench_page=page(report))
