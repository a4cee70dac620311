#!/usr/bin/python
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Ansible module: a sparse file behind an aio bdev."""

from __future__ import annotations

DOCUMENTATION = r"""
module: backing_file
short_description: Make the file behind an aio bdev
description:
  - Makes a sparse file of the given size, mode 0600, when it is missing, and gives it to O(owner).
  - Never resizes or overwrites; a file of another size is an error, because it holds data.
options:
  path:
    description: Path of the file. Missing folders are made.
    type: path
    required: true
  megabytes:
    description: Size in MiB.
    type: int
    required: true
  owner:
    description: The user who reads and writes it; whoever has it, where it is not given.
    type: str
  state:
    description: C(absent) removes the file and the data in it.
    choices: [present, absent]
    default: present
    type: str
author: hello_eBPF
"""

EXAMPLES = r"""
- name: Make the file behind an aio bdev
  backing_file:
    path: /var/lib/hello_ebpf/csd0.img
    megabytes: 512
"""

RETURN = r"""
actions:
  description: The changes made, or in check mode the changes that would be made, in words.
  returned: always
  type: list
  elements: str
bytes:
  description: Size of the file; null when it is absent.
  returned: always
  type: int
"""

import os
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.hello_ebpf.backing_file import BackingFile
from ansible.module_utils.hello_ebpf.errors import LabError
from ansible.module_utils.hello_ebpf.plan import converge, exit_with

ARGUMENTS = {
    "path": {"type": "path", "required": True},
    "megabytes": {"type": "int", "required": True},
    "owner": {"type": "str"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    asked = module.params
    # Its owner has to get through the folders that are made, however closed the calling shell's umask is.
    os.umask(0o022)
    work = BackingFile(Path(asked["path"]), asked["megabytes"] * 1024 * 1024, asked["state"], asked["owner"])
    try:
        outcome = converge(work.read, work.plan, work.predict, check=module.check_mode)
    except LabError as error:
        module.fail_json(msg=str(error))
    exit_with(module, outcome, work.render, bytes=outcome.after.size if outcome.after else None)


if __name__ == "__main__":
    main()
