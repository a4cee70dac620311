"""A pytest plugin: when a test fails, what the machine's systemd and journal say of the target stands in its report."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

COMMANDS = [
    "systemctl --no-pager --failed",
    "systemctl --no-pager --full status csd_target.service",
    "journalctl --no-pager --unit csd_target.service --lines 30",
]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, None]:
    """Add a section for each command to the report of a failed test."""
    report: pytest.TestReport = (yield).get_result()
    host = getattr(item, "funcargs", {}).get("host")
    if report.failed and host is not None:
        for command in COMMANDS:
            done = host.run(command)
            report.sections.append((f"{command} (exit code {done.rc})", done.stdout + done.stderr))
