# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Hands a product's sources, of src and packaging beside plugins, to debian_build: one trip, also in check mode."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

PROJECT = Path(__file__).resolve().parents[2]


class ActionModule(ActionBase):  # type: ignore[misc]  # ansible-core ships no types
    """Reads the rooms of ``src`` here, so that the module sees every source's text on the managed host."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        args = dict(self._task.args)
        if args.get("state", "present") == "present":
            rooms = [str(room) for room in args.get("rooms") or []]
            sources = read_sources(PROJECT / "src", rooms) | read_sources(PROJECT / "packaging", ["debian"])
            args["sources"] = packed(sources)
        result: dict[str, Any] = self._execute_module(module_args=args, task_vars=task_vars)
        # The sources' texts are of no use in a result.
        result.get("invocation", {}).get("module_args", {}).pop("sources", None)
        return result


def packed(files: Mapping[str, str]) -> str:
    """Files as a short text, which module_utils/hello_ebpf/arguments.py unpacks.

    A module is one line of Python to the machine's interpreter, which reads a long line from a pipe slowly: half a
    second of CPU time for a megabyte.
    """
    return "zlib:" + base64.b64encode(zlib.compress(json.dumps(files).encode())).decode()


def read_sources(src: Path, rooms: Sequence[str]) -> dict[str, str]:
    """Name below src -> text, of src's own files and of these rooms; hidden ones and what a build left are no sources.

    Raises:
        AnsibleActionFail: there is no such room, or one of the files is no text.
    """
    paths = [path for path in src.glob("*") if path.is_file()]
    for room in rooms:
        if not (src / room).is_dir():
            there = ", ".join(sorted(path.name for path in src.glob("*/")))
            raise AnsibleActionFail(
                f"Asked: the sources in {src}/{room} on the controller. Found: no such folder; there are {there}. "
                "Do: correct rooms."
            )
        paths += [path for path in (src / room).rglob("*") if path.is_file()]
    sources = {}
    for path in sorted(paths):
        name = path.relative_to(src)
        if not any(part in {"build", "__pycache__"} or part.startswith(".") for part in name.parts):
            try:
                sources[str(name)] = path.read_text(encoding="utf-8")
            except UnicodeDecodeError as error:
                raise AnsibleActionFail(
                    f"Asked: the sources in {src}. Found: {name} is no UTF-8 text ({error.reason}). "
                    f"Do: keep what a build leaves in {src}/build, or remove it."
                ) from None
    return sources
