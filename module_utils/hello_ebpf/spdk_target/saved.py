# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""SPDK's own saved configuration: what a target started with ``--json FILE`` comes back with.

It is made of what the running target says (``framework_get_config``), with two amendments that 20.07 needs:

- It leaves out half of a transport's options, ``c2h_success`` among them; we fill in what nvmf_get_transports reports.
- It puts a subsystem's listeners before its hosts and namespaces. A host that reconnects in between is refused, or
  finds its namespaces gone; we put all listeners last.
"""

from __future__ import annotations

import json
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import LabError
from ..files import write_whole
from ..jsonrpc import Call, Client
from .tree import Tree, read_tree, tree_from_saved

MODE = 0o600
GROUP_MODE = 0o640  # of a group that is not root's own: the one that may command the target
_LISTEN = "nvmf_subsystem_add_listener"

SavedCall = Mapping[str, Any]
Config = Mapping[str, Sequence[SavedCall]]
Transports = Mapping[str, Mapping[str, Any]]  # type -> options


@dataclass(frozen=True)
class SavedFile:
    """The file as it was found. ``config`` is None where it holds no saved configuration. ``group``: its number."""

    exists: bool
    config: Config | None = None
    mode: int | None = None
    group: int = 0

    @property
    def closed(self) -> bool:
        """Whether root alone can read it, or root and the group that may command the target."""
        return self.mode in {None, MODE} or (self.mode == GROUP_MODE and self.group != 0)


def read_running(client: Client, transports: Transports) -> Config:
    """The configuration of the running target, by SPDK's own subsystems (bdev, nvmf, ...), in their order."""
    names = [item["subsystem"] for item in client.call("framework_get_subsystems")]
    configs = client.batch([Call("framework_get_config", {"name": name}) for name in names])
    # A subsystem without configuration reports null.
    return {name: _amended(config or [], transports) for name, config in zip(names, configs, strict=True)}


def read_file(path: str) -> SavedFile:
    """The saved file at a path."""
    try:
        text = Path(path).read_text(encoding="utf-8")
        status = Path(path).stat()
        mode, group = stat.S_IMODE(status.st_mode), status.st_gid
    except FileNotFoundError:
        return SavedFile(exists=False)
    except (OSError, UnicodeDecodeError):
        return SavedFile(exists=True)
    try:
        items = json.loads(text)["subsystems"]
        return SavedFile(True, {item["subsystem"]: item["config"] or [] for item in items}, mode, group)
    except (ValueError, KeyError, TypeError):
        return SavedFile(True, None, mode, group)


def tree_of_file(saved: SavedFile) -> Tree:
    """The objects that a target has which starts with this file."""
    try:
        return tree_from_saved(call for calls in (saved.config or {}).values() for call in calls)
    except (KeyError, TypeError, AttributeError):
        return Tree()


def lines(config: Config | None) -> set[str]:
    """A configuration as comparable lines. SPDK turns a subsystem's list of hosts round at every restart: what is
    compared is which calls there are, not their order.
    """
    return {
        f"{name}: {call.get('method')} {json.dumps(call.get('params', {}), sort_keys=True)}"
        for name, calls in (config or {}).items()
        for call in calls
    }


def is_current(saved: SavedFile, running: Config) -> bool:
    """Whether the file brings back what runs, and is closed to others."""
    return saved.config is not None and saved.closed and lines(saved.config) == lines(running)


def check_folder(path: str) -> None:
    """Refuse a path that could not be written, before anything is changed."""
    folder = Path(path).parent
    if not Path(path).is_absolute() or not folder.is_dir():
        raise LabError(
            f"the target's configuration in {path}",
            f"{folder} is not a folder",
            f"make it first: install -d -m 0755 {folder}",
        )


def save(client: Client, path: str) -> None:
    """Keep what runs."""
    check_folder(path)
    write_file(path, read_running(client, read_tree(client).transports))


def write_file(path: str, config: Config) -> None:
    """Replace the file in one step, for whom it was for; after a power cut it is the old one or the new one."""
    items = [{"subsystem": name, "config": list(calls)} for name, calls in config.items()]
    old = read_file(path)
    mode, group = (GROUP_MODE, old.group) if old.closed and old.mode == GROUP_MODE else (MODE, -1)
    write_whole(Path(path), json.dumps({"subsystems": items}, indent=2) + "\n", mode, group)


def _amended(config: Iterable[SavedCall], transports: Transports) -> list[SavedCall]:
    calls = [_with_options(call, transports) for call in config]
    return [call for call in calls if call["method"] != _LISTEN] + [c for c in calls if c["method"] == _LISTEN]


def _with_options(call: SavedCall, transports: Transports) -> SavedCall:
    if call["method"] != "nvmf_create_transport":
        return call
    params = call["params"]
    return {**call, "params": {**transports.get(params["trtype"].upper(), {}), **params}}
