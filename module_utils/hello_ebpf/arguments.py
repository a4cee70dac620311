# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""What a module takes, read out of its DOCUMENTATION, so that it is written once.

Managed hosts need not have a YAML parser. This one knows what the options of our modules are written in: mappings by
their indentation, and scalars and lists on the line of their key. tests/unit/test_argument_specs.py holds it against
PyYAML, for every module.

An argument that carries whole files has a type of its own, which leaves only their size in the managed host's log.
AnsibleModule writes each argument to syslog as ``str()`` gives it. ``no_log`` would keep them out of there too, but it
takes every string in them for a secret, file names and digests included, and blots those out of all that a module says.
"""

from __future__ import annotations

import ast
import base64
import json
import zlib
from collections.abc import Collection
from typing import Any

from ansible.module_utils.common.validation import check_type_dict, check_type_str

Arguments = dict[str, dict[str, Any]]

# Before what the controller's half of a module has packed.
PACKED = "zlib:"


class _Files(dict[str, Any]):
    """A mapping that is written as its size."""

    def __repr__(self) -> str:
        return f"({len(self)} entries, {len(dict.__repr__(self))} characters)"


class _Text(str):
    """A text that is written as its size. Only within a list or a mapping: AnsibleModule logs a bare one as it is."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"({len(self)} characters)"


def mapping(value: Any) -> dict[str, Any]:
    """``type:`` of an argument, or ``elements:`` of a list, that is a mapping with files' contents in it.

    Raises:
        TypeError: it is no mapping.
    """
    if isinstance(value, str) and value.startswith(PACKED):
        value = json.loads(zlib.decompress(base64.b64decode(value.removeprefix(PACKED))))
    return _Files(check_type_dict(value))


def text(value: Any) -> str:
    """``type:`` of a suboption that is a file's content."""
    return _Text(check_type_str(value))


# The type of an option that carries whole files, by the documented one.
FILES = {"dict": mapping, "str": text}


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
