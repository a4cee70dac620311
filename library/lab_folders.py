#!/usr/bin/python
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Ansible module: the lab's own folders go when nothing is left in them."""

from __future__ import annotations

DOCUMENTATION = r"""
module: lab_folders
short_description: The lab's own folders go when nothing is left in them
description:
  - The last step of a teardown. What the lab made was removed before, by whoever made it; so what is still there is
    somebody else's, or stays for its data, and is named.
options:
  paths:
    description: The folders. Empty ones go, and empty ones in them.
    type: list
    elements: path
    required: true
attributes:
  check_mode:
    support: full
    description: What tasks before it would remove is still there, so nothing is predicted.
  diff_mode: {support: full, description: "Shows what is before and after, as text."}
author: the hello_eBPF authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: The lab's own folders are gone
  lab_folders:
    paths: [/opt/hello_ebpf, /etc/hello_ebpf]
"""

RETURN = r"""
actions:
  description: The folders that were removed, or in check mode would be.
  returned: success
  type: list
  elements: str
left:
  description: The files that are still there.
  returned: success
  type: list
  elements: str
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.hello_ebpf.arguments import arguments
from ansible.module_utils.hello_ebpf.plan import Step, converge, errors_told, exit_with
from ansible.module_utils.hello_ebpf.removal import rmdir

Empty = tuple[Path, ...]


@dataclass(frozen=True)
class Folders:
    """``read``, ``plan`` and ``predict`` for ``converge``; the state is the folders with no file at any depth."""

    paths: Sequence[Path]

    def read(self) -> Empty:
        tops = (path for path in self.paths if path.is_dir() and not path.is_symlink())
        found = (Path(folder) for top in tops for folder, _, _ in os.walk(top, topdown=False) if not top.is_mount())
        return tuple(folder for folder in found if not files_in(folder))

    def plan(self, found: Empty) -> list[Step]:
        return [Step(f"remove {folder}", partial(rmdir, folder)) for folder in found]

    def predict(self, _found: Empty) -> Empty:
        return ()

    def left(self) -> list[str]:
        """What is still there."""
        return sorted(name for path in self.paths for name in files_in(path))


def files_in(folder: Path) -> list[str]:
    """Files, links and mount points at any depth."""
    found = []
    for place, folders, files in os.walk(folder):
        kept = [name for name in folders if (Path(place) / name).is_symlink() or (Path(place) / name).is_mount()]
        found += [str(Path(place) / name) for name in (*files, *kept)]
        folders[:] = [name for name in folders if name not in kept]
    return found


def render(found: Empty) -> str:
    return "".join(f"{folder}: empty\n" for folder in found)


def main() -> None:
    module = AnsibleModule(arguments(DOCUMENTATION), supports_check_mode=True)
    work = Folders([Path(path) for path in module.params["paths"]])
    with errors_told(module):
        outcome = converge(work.read, work.plan, work.predict, check=module.check_mode)
    exit_with(module, outcome, render, left=work.left())


if __name__ == "__main__":
    main()
