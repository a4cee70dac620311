#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Make docs/reliability.md: each fault of docs/faults.yml, with the tests that say that they hold it.

A Python test says so by ``@pytest.mark.holds("base-1", ...)``, a whole file by ``pytestmark``; a C test by a comment
``holds("base-1")``. tests/unit/test_reliability.py keeps the page, the list and the tests together.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
FAULTS = ROOT / "docs/faults.yml"
PAGE = ROOT / "docs/reliability.md"
STATES = ("mended", "mended, untested", "cannot happen", "open")
GROUPS = {
    "base": "SPDK 20.07, the base. Its patches are in `roles/spdk/files/patches`; each says at its top what it mends.",
    "wire": "What was done from the network with a bare client.",
    "target": "csd_tgt's own code.",
    "standard": "What the drive did otherwise than the ratified command sets.",
}
HEAD = """# Reliability: known faults, and the tests that hold them

`tests/reliability.py` makes this page from [faults.yml](faults.yml) and from the tests.

| state | means |
|---|---|
| mended | the tests named fail without the mend; what is said besides limits that |
| mended, untested | mended by reading alone: no test can show the fault, for the reason told |
| cannot happen | not in our build, or not with our settings |
| open | it is there |

`who` can bring it about: peer, anyone who reaches the port; host, one that a subsystem lets in; rpc, a local caller of
the target's RPC socket; device, a failing or slow device or network; author, of a program.
"""


@cache
def faults() -> dict[str, dict[str, str]]:
    """The list, by the fault's name."""
    found: dict[str, dict[str, str]] = yaml.safe_load(FAULTS.read_text())
    return found


@cache
def held() -> dict[str, list[str]]:
    """For each fault the tests that hold it: path below the project, and the function's name in Python."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted([*ROOT.glob("tests/*/**/test_*.py"), *ROOT.glob("molecule/*/tests/**/test_*.py")]):
        for name, test in _marked(ast.parse(path.read_text())):
            found[name].append(f"{path.relative_to(ROOT)}{test}")
    for path in sorted(ROOT.glob("src/**/*.c")):
        for words in re.findall(r"holds\(([^)]*)\)", path.read_text()):
            for name in re.findall(r'"([^"]+)"', words):
                found[name].append(str(path.relative_to(ROOT)))
    return {name: sorted(set(tests)) for name, tests in found.items()}


def _marked(tree: ast.AST, prefix: str = "::") -> list[tuple[str, str]]:
    found = []
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Assign) and any(getattr(one, "id", "") == "pytestmark" for one in node.targets):
            found += [(name, "" if prefix == "::" else prefix[:-2]) for name in _names(node.value)]
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            for decorator in node.decorator_list:
                found += [(name, f"{prefix}{node.name}") for name in _names(decorator)]
            if isinstance(node, ast.ClassDef):
                found += _marked(node, f"{prefix}{node.name}::")
    return found


def _names(node: ast.expr) -> list[str]:
    """The arguments of each ``holds(...)`` in an expression."""
    return [
        argument.value
        for call in ast.walk(node)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "holds"
        for argument in call.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    ]


def page() -> str:
    """The whole page."""
    listed, tests = faults(), held()
    parts = [HEAD]
    for group, words in GROUPS.items():
        names = [name for name in listed if name.partition("-")[0] == group]
        counts = "; ".join(f"{sum(listed[name]['state'] == state for name in names)} {state}" for state in STATES)
        parts.append(f"\n## {words}\n\n{counts}.\n\n| | fault | severity | who | state |\n|---|---|---|---|---|\n")
        parts += [_row(name, listed[name], tests.get(name, [])) for name in names]
    return "".join(parts)


def _row(name: str, fault: dict[str, Any], tests: list[str]) -> str:
    told = "<br>".join(
        [f"{fault['state']}{': ' + fault['why'] if fault['why'] else ''}", *(f"`{one}`" for one in tests)]
    )
    return f"| {name} | {fault['fault']} | {fault['severity']} | {fault['who']} | {told} |\n"


if __name__ == "__main__":
    PAGE.write_text(page())
