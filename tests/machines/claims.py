# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""A pytest plugin (``-p machines.claims``): each test that passed is a claim that was proved.

A claim reads as the first line of the test's docstring. It is appended to the file that HELLO_EBPF_CLAIMS names as
soon as the test and its teardown have passed, so the list is made of what really happened; a test that asserted nothing
fails (assertions.py, which comes with it).
"""

from __future__ import annotations

import os
import re
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

pytest_plugins = ["machines.assertions"]

FILE = "HELLO_EBPF_CLAIMS"
PASSED = pytest.StashKey[bool]()


def wording(doc: str | None, name: str) -> str:
    """What a test proves: the first line of its docstring, else its name."""
    first = (doc or "").strip().partition("\n")[0].strip().rstrip(".")
    return first or re.sub(r"^test_", "", name).replace("_", " ")


def stage(path: Path) -> str:
    """What a test was run after, where its file's folder below ``tests`` says so: ``tests/rebooted/test_x.py``."""
    parts = path.parts[:-1]
    below = parts[len(parts) - parts[::-1].index("tests") :] if "tests" in parts else ()
    return "/".join(below)


def claim(doc: str | None, function: str, parameters: str | None, after: str = "") -> str:
    """One line of the list: the claim, with the host or case that it was proved for."""
    where = re.sub(r"\w+://", "", parameters or "").split("?")[0]
    return (f"{after}: " if after else "") + wording(doc, function) + (f" [{where}]" if where else "")


def of(item: pytest.Item) -> str:
    """What a test claims."""
    doc = getattr(getattr(item, "function", None), "__doc__", None)
    case = getattr(getattr(item, "callspec", None), "id", None)
    return claim(doc, getattr(item, "originalname", item.name), case, stage(item.path))


def record(line: str) -> None:
    """Append a claim to the list, if one is kept."""
    path = os.environ.get(FILE)
    if path:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with Path(path).open("a") as handle:
            handle.write(f"{line}\n")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, None]:
    """Record a test whose call and whose teardown have passed."""
    report: pytest.TestReport = (yield).get_result()
    if report.when == "call":
        item.stash[PASSED] = report.passed and not hasattr(report, "wasxfail")
    elif report.when == "teardown" and report.passed and item.stash.get(PASSED, False):
        record(of(item))
