# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""The list of faults, the tests that hold them, and the page made of both agree."""

from __future__ import annotations

import ast

import pytest

import reliability


def test_the_page_is_what_list_and_tests_say() -> None:
    assert reliability.PAGE.read_text() == reliability.page(), "run: .venv/bin/python tests/reliability.py"


def test_every_fault_that_a_test_names_is_listed() -> None:
    assert set(reliability.held()) <= set(reliability.faults())


@pytest.mark.parametrize("name", reliability.faults())
def test_a_mended_fault_has_a_test_and_any_other_a_reason(name: str) -> None:
    fault = reliability.faults()[name]
    assert set(fault) == {"fault", "severity", "who", "state", "why"}
    assert fault["state"] in reliability.STATES
    if fault["state"] == "mended":
        assert reliability.held().get(name), f"no test says that it holds {name}"
    else:
        assert fault["why"], f"{name} is {fault['state']}: say why"
        assert not reliability.held().get(name), f"a test says that it holds {name}, which is {fault['state']}"


def test_every_fault_is_on_the_page() -> None:
    assert {name.partition("-")[0] for name in reliability.faults()} == set(reliability.GROUPS)


def test_marks_are_found_on_functions_classes_and_files() -> None:
    source = """
pytestmark = [pytest.mark.slow, pytest.mark.holds("a-1")]
@pytest.mark.holds("b-1", "b-2")
def test_one(): ...
@pytest.mark.holds("c-1")
class TestTwo:
    @pytest.mark.holds("d-1")
    def test_three(self): ...
"""
    assert reliability._marked(ast.parse(source)) == [
        ("a-1", ""),
        ("b-1", "::test_one"),
        ("b-2", "::test_one"),
        ("c-1", "::TestTwo"),
        ("d-1", "::TestTwo::test_three"),
    ]
