# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Write each role's README.md from its argument specification.

    .venv/bin/python scripts/role_readmes.py

To be run when a specification changes; tests/unit/test_role_readmes.py says when a page is stale.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
# Ansible's markup: M(module), V(value), O(option), C(code).
MARKUP = re.compile(r"\b[MVOC]\(([^()]*(?:\([^()]*\))?[^()]*)\)")


def page(role: str, specification: dict[str, Any]) -> str:
    """A role's page: what it does, then a table of its variables."""
    main = specification["argument_specs"]["main"]
    words = "\n".join(f"- {text(line)}" for line in main["description"])
    rows = "\n".join(f"| `{name}` | {kind(option)} | {described(option)} |" for name, option in main["options"].items())
    return f"""\
# {role}

{main["short_description"]}.

{words}

| variable | type | what it is |
|---|---|---|
{rows}

Defaults, with more words, are in [defaults/main.yml](defaults/main.yml); structures, key by key, in
[meta/argument_specs.yml](meta/argument_specs.yml), which this page is made from (`scripts/role_readmes.py`).
"""


def kind(option: dict[str, Any]) -> str:
    """An option's type, and its elements' where it is a list."""
    return f"list of {option['elements']}" if option["type"] == "list" else str(option["type"])


def described(option: dict[str, Any]) -> str:
    """An option's description, whether it has to be given, what it may be, and its default where that is short."""
    lines = option["description"]
    parts = [text(line) for line in (lines if isinstance(lines, list) else [lines])]
    if option.get("required"):
        parts.append("Required.")
    if "choices" in option:
        parts.append(f"One of {', '.join(f'`{choice}`' for choice in option['choices'])}.")
    default = option.get("default")
    if default not in (None, "") and not isinstance(default, (dict, list)) and len(str(default)) <= 60:
        parts.append(f"Default: `{str(default).lower() if isinstance(default, bool) else default}`.")
    return " ".join(parts).replace("|", "\\|")


def text(line: str) -> str:
    return MARKUP.sub(r"`\1`", " ".join(line.split()))


def pages(root: Path) -> dict[Path, str]:
    """Path of each role's README.md to what it has to say."""
    return {
        path.parents[1] / "README.md": page(path.parents[1].name, yaml.safe_load(path.read_text()))
        for path in sorted(root.glob("roles/*/meta/argument_specs.yml"))
    }


def main() -> None:
    for path, told in pages(ROOT).items():
        path.write_text(told)


if __name__ == "__main__":
    main()
