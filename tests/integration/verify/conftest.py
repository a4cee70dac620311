"""Chooses the tests by machine: one that says something else of it would be no proof. What is left out is named."""

from __future__ import annotations

import pytest
from _pytest.terminal import TerminalReporter

from machines import claims

LEFT_OUT = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[LEFT_OUT] = []


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what does not hold of the test's machine."""
    chosen: list[pytest.Item] = []
    others: list[pytest.Item] = []
    for item in items:
        missing = [
            mark.args[1]
            for mark in item.iter_markers("only_where")
            if not mark.args[0](item.callspec.params["_testinfra_host"])  # type: ignore[attr-defined]
        ]
        (others if missing else chosen).append(item)
        config.stash[LEFT_OUT] += [f"{claims.of(item)} (only where {what})" for what in missing]
    if others:
        config.hook.pytest_deselected(items=others)
        items[:] = chosen


def pytest_terminal_summary(terminalreporter: TerminalReporter, config: pytest.Config) -> None:
    """Name what was left out."""
    for line in config.stash[LEFT_OUT]:
        terminalreporter.write_line(f"NOT PROVED HERE: {line}")
