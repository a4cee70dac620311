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
  - A file that is there already is used as it is, and stays at removal; its owner gets it back.
options:
  path:
    description: Path of the file. Missing folders are made. Needed unless O(state=absent).
    type: path
  megabytes:
    description: Size in MiB. Needed unless O(state=absent).
    type: int
  owner:
    description: The user who reads and writes it; whoever has it, where it is not given.
    type: str
  state:
    description: C(absent) removes all files that this module made, declared still or not, and the folders made for
      them; with O(remove_data=false) only those that nothing was written to.
    choices: [present, absent]
    default: present
    type: str
  remove_data:
    description: With O(state=absent), also files that hold data.
    type: bool
    default: false
author: the hello_eBPF authors (!UNKNOWN)
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
  description: Size of the file.
  returned: O(state=present)
  type: int
kept:
  description: Files that this module made and that stay for their data.
  returned: O(state=absent)
  type: list
  elements: str
"""

import os
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.hello_ebpf.arguments import arguments
from ansible.module_utils.hello_ebpf.backing_file import BackingFile, BackingFilesGone
from ansible.module_utils.hello_ebpf.plan import converge, errors_told, exit_with


def main() -> None:
    module = AnsibleModule(
        arguments(DOCUMENTATION), supports_check_mode=True, required_if=[("state", "present", ("path", "megabytes"))]
    )
    asked = module.params
    # Its owner has to get through the folders that are made, however closed the calling shell's umask is.
    os.umask(0o022)
    with errors_told(module):
        if asked["state"] == "absent":
            _absent(module)
        else:
            file = BackingFile(Path(asked["path"]), asked["megabytes"] * 1024 * 1024, asked["owner"])
            outcome = converge(file.read, file.plan, file.predict, check=module.check_mode)
            exit_with(module, outcome, file.render, bytes=outcome.after.size if outcome.after else None)


def _absent(module: AnsibleModule) -> None:
    work = BackingFilesGone(remove_data=module.params["remove_data"])
    outcome = converge(work.read, work.plan, work.predict, check=module.check_mode)
    exit_with(module, outcome, work.render, kept=work.kept())


if __name__ == "__main__":
    main()
