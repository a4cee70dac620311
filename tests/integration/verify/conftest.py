"""Chooses the tests by what was asked of each machine: one that says something else of it would be no proof."""

from __future__ import annotations

import pytest

from lab_asked import asked


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "asked(variable, default, value): holds only on a machine whose inventory says so"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out, and name as deselected, what was not asked of the test's machine."""
    chosen: list[pytest.Item] = []
    others: list[pytest.Item] = []
    for item in items:
        wanted = (
            asked(item.callspec.params["_testinfra_host"], mark.args[0], mark.kwargs["default"]) == mark.kwargs["value"]  # type: ignore[attr-defined]
            for mark in item.iter_markers("asked")
        )
        (chosen if all(wanted) else others).append(item)
    if others:
        config.hook.pytest_deselected(items=others)
        items[:] = chosen
