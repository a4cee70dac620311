# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""What a module takes, read out of its DOCUMENTATION, so that it is written once.

Managed hosts need not have a YAML parser. This one knows what the options of our modules are written in: mappings by
their indentation, and scalars and lists on the line of their key. tests/unit/test_argument_specs.py holds it against
PyYAML, for every module.
"""

from __future__ import annotations

import ast
from collections.abc import Collection
from typing import Any

from . import contents

Arguments = dict[str, dict[str, Any]]
# The type of an option that carries whole files, by the documented one.
FILES = {"dict": contents.mapping, "str": contents.text}


def arguments(documentation: str, *, files: Collection[str] = ()) -> Arguments:
    """The argument spec of a module.

    Args:
        documentation: its DOCUMENTATION.
        files: options, or suboptions, that carry whole files, which the managed host's log does not get.
    """
    return _spec(_keys(documentation.splitlines())["options"], files)


def _spec(options: list[str], files: Collection[str]) -> Arguments:
    spec: Arguments = {}
    for name, lines in _keys(options[1:]).items():
        keys = _keys(lines[1:])
        option = {key: _value(keys[key][0]) for key in keys if key not in ("description", "suboptions")}
        if "suboptions" in keys:
            option["options"] = _spec(keys["suboptions"], files)
        if name in files:
            kind = "elements" if "elements" in option else "type"
            option[kind] = FILES[option[kind]]
        spec[name] = option
    return spec


def _keys(lines: list[str]) -> dict[str, list[str]]:
    """The keys of a mapping, each with what stands behind it on its line, then the lines below it."""
    lines = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    indent = len(lines[0]) - len(lines[0].lstrip())
    keys: dict[str, list[str]] = {}
    below: list[str] = []
    for line in lines:
        if line[indent] != " ":
            key, _, behind = line.partition(":")
            below = keys[key.strip()] = [behind.strip()]
        else:
            below.append(line)
    return keys


def _value(text: str) -> Any:
    if text.startswith("["):
        return [_value(item.strip()) for item in text[1:-1].split(",") if item]
    if text in ("true", "false"):
        return text == "true"
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
