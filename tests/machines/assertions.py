# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""A pytest plugin (``machines.assertions``): a test that passes has asserted something, and nothing was left out.

A test fails here although nothing in it has failed, where

- no assertion ran while it was called: one in a helper of its file counts, and so does ``pytest.raises``;
- an assertion of its own did not run that stands under no condition. So a loop had nothing to go over, every turn was
  skipped, or the test returned early.

What a test is to leave out on some machines is said by a condition that it asserts itself, by a parameter, or by the
marker ``asked`` of tests/integration/verify, not by an assertion that is passed by.
"""

from __future__ import annotations

import ast
import functools
import inspect
import sys
from collections.abc import Container, Generator, Iterator
from pathlib import Path
from types import CodeType

import pytest

ROOT = Path(__file__).resolve().parents[2]
RAN = pytest.StashKey[set[int]]()

# pytest compiles test files otherwise when it has to tell of assertions that pass, but takes what lies in __pycache__
# from before for the same. So its files have a place of their own.
sys.pycache_prefix = str(ROOT / "build/pycache")


@functools.cache
def functions(path: str) -> dict[int, ast.FunctionDef]:
    """The functions of a file by their first line, decorators included, as a code object has it."""
    found = (node for node in ast.walk(ast.parse(Path(path).read_text())) if isinstance(node, ast.FunctionDef))
    return {min([node.lineno, *(each.lineno for each in node.decorator_list)]): node for node in found}


def unconditional(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements that run when a function does: none under a condition, in a ``while`` or in a function of their own.

    Nor where an error may cut them off: in ``pytest.raises``, ``suppress``, ``try`` with ``except``. Those in a ``for``
    are among them: one that goes over nothing proves nothing.
    """
    for statement in body:
        yield statement
        if isinstance(statement, ast.For) or (isinstance(statement, ast.With) and not takes_errors(statement)):
            yield from unconditional(statement.body)
        if isinstance(statement, ast.Try):
            yield from () if statement.handlers else unconditional(statement.body)
            yield from unconditional(statement.finalbody)


def takes_errors(statement: ast.stmt, names: Container[str] = ("raises", "suppress")) -> bool:
    """Whether a statement is a ``with pytest.raises(...)`` or the like."""
    calls = [item.context_expr for item in statement.items] if isinstance(statement, ast.With) else []
    return any(isinstance(call, ast.Call) and ast.unparse(call.func).split(".")[-1] in names for call in calls)


def fault(code: CodeType, ran: set[int]) -> str | None:
    """Why a test that passed proved less than it says, or nothing.

    Args:
        code: of the test's function.
        ran: the lines of the assertions that ran while it was called.
    """
    statements = list(unconditional(functions(code.co_filename)[code.co_firstlineno].body))
    missed = [each for each in statements if isinstance(each, ast.Assert) and each.lineno not in ran]
    if missed:
        return "these did not run: " + "; ".join(f"line {each.lineno}: {ast.unparse(each)}" for each in missed)
    if not ran and not any(takes_errors(each, ["raises"]) for each in statements):
        return "none ran"
    return None


def pytest_assertion_pass(item: pytest.Item, lineno: int) -> None:
    """Note that an assertion ran, and where."""
    if RAN in item.stash:
        item.stash[RAN].add(lineno)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Let a test that passes without its assertions fail."""
    item.stash[RAN] = set()
    yield
    function = getattr(item, "function", None)
    if function is not None and (why := fault(inspect.unwrap(function).__code__, item.stash[RAN])):
        pytest.fail(
            f"Asked: a test whose assertions run. Found: of {item.nodeid} {why}. "
            "Do: give it something to assert here, or leave it out here by name.",
            pytrace=False,
        )
