# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Hands the programs of the controller to the module csd_program_build, which compiles those that are C."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

SRC = Path(__file__).resolve().parents[2] / "src"
# Where programs lie that come with csd_tgt; and the headers that every program may include.
SHIPPED = (str(SRC / "programs"), str(SRC / "programs/buffer"))
HEADERS = (str(SRC / "protocol"), *SHIPPED)


class ActionModule(ActionBase):  # type: ignore[misc]  # ansible-core ships no types
    """Reads ``sources`` and the headers that they may include here, so that the builder needs no copy of them."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        args = dict(self._task.args)
        args |= gather(_strings(args.get("sources")), _strings(args.get("folders")))
        result: dict[str, Any] = self._execute_module(module_args=args, task_vars=task_vars)
        # The texts are of no use in a result.
        for name in ("texts", "contents", "units", "include", "own"):
            result.get("invocation", {}).get("module_args", {}).pop(name, None)
        return result


def gather(sources: Sequence[str], folders: Sequence[str]) -> dict[str, Any]:
    """What the module needs to know of these sources: ``units``, ``texts``, ``contents``, ``include`` and ``own``.

    Raises:
        AnsibleActionFail: a source is in none of the folders, or a C source or header is no text.
    """
    units: list[dict[str, str]] = []
    contents: dict[str, str] = {}
    own: list[str] = []
    needed: dict[str, list[Path]] = {folder: _headers(Path(folder)) for folder in HEADERS}
    for source in dict.fromkeys(sources):
        path = find(source, [*folders, *SHIPPED])
        folder = str(path.parent)
        if folder not in SHIPPED:
            own.append(source)
        if path.suffix != ".c":
            contents[source] = base64.b64encode(path.read_bytes()).decode()
            continue
        units.append({"source": source, "folder": folder, "name": path.name})
        needed.setdefault(folder, _headers(path.parent)).append(path)
    texts = {folder: {str(path.relative_to(folder)): _text(path) for path in paths} for folder, paths in needed.items()}
    return {
        "units": units,
        "texts": texts if units else {},
        "contents": contents,
        "include": list(HEADERS),
        "own": own,
    }


def find(source: str, folders: Sequence[str]) -> Path:
    """A source's path: itself where it is absolute, else below the first of the folders that has it.

    Raises:
        AnsibleActionFail: it is nowhere.
    """
    # Joined to an absolute path, a folder has no say.
    candidates = [Path(folder) / source for folder in folders] or [Path(source)]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    looked = ", ".join(dict.fromkeys(map(str, candidates)))
    raise AnsibleActionFail(
        f"Asked: the program {source}. Found: the controller has no file {looked}. "
        "Do: put it there, or correct its name."
    )


def _headers(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.h"))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise AnsibleActionFail(
            f"Asked: C source from {path}. Found: it is no UTF-8 text ({error.reason}). Do: correct the file."
        ) from None


def _strings(value: Any) -> list[str]:
    return [str(item) for item in value or []]
