#!/usr/bin/python
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Ansible module: files and links of the lab in folders that others use too."""

from __future__ import annotations

DOCUMENTATION = r"""
module: lab_file
short_description: Files and links of the lab in folders that others use too
description:
  - Makes links and small text files where nothing is, and keeps them as asked. What is there and was not made by the
    lab is refused before anything is made, in check mode too, and never replaced or removed.
  - What is made is noted in C(/var/lib/hello_ebpf/made.json), with what tells it from another file. So are
    the folders that had to be made on the way to it.
options:
  owner:
    description: Who makes it. O(state=absent) removes all that was made for this owner, declared still or not; of
      the folders made on the way those that are empty.
    type: str
    required: true
  files:
    description: What is made. Needed unless O(state=absent).
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Where.
        type: path
        required: true
      target:
        description: What the link leads to. This or C(content) is needed.
        type: path
      content:
        description: The file's text; everybody may read it.
        type: str
  state:
    description: Whether they are there.
    choices: [present, absent]
    default: present
    type: str
attributes:
  check_mode: {support: full, description: "Tells what would be changed, and changes nothing."}
  diff_mode: {support: full, description: "Shows what is before and after, as text."}
author: the hello_eBPF authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: The tool is found by its name
  lab_file:
    owner: csd_host
    files:
      - path: /usr/local/bin/csd
        target: /opt/hello_ebpf/csd_host/bin/csd
"""

RETURN = r"""
actions:
  description: The changes made, or in check mode the changes that would be made, in words.
  returned: success
  type: list
  elements: str
"""

import os
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.hello_ebpf.arguments import arguments
from ansible.module_utils.hello_ebpf.errors import LabError
from ansible.module_utils.hello_ebpf.files import LEADS_TO
from ansible.module_utils.hello_ebpf.lab_file import LabFiles
from ansible.module_utils.hello_ebpf.made import Made
from ansible.module_utils.hello_ebpf.plan import converge, errors_told, exit_with


def main() -> None:
    module = AnsibleModule(arguments(DOCUMENTATION), supports_check_mode=True)
    asked = module.params
    # A folder that is made on the way is for everybody, however closed the calling shell's umask is.
    os.umask(0o022)
    with errors_told(module):
        files = {Path(file["path"]): text_of(asked["owner"], file) for file in asked["files"]}
        work = LabFiles(Made(), asked["owner"], files)
        plan, predict = (
            (work.plan, work.predict) if asked["state"] == "present" else (work.plan_absent, work.predict_absent)
        )
        outcome = converge(work.read, plan, predict, check=module.check_mode)
    exit_with(module, outcome, work.render)


def text_of(owner: str, asked: dict[str, Any]) -> str:
    """What is asked of one file: its text, or where the link leads to."""
    target, content = asked["target"], asked["content"]
    if (target is None) == (content is None):
        found = "neither target nor content is given" if target is None else "both target and content are given"
        raise LabError(f"{asked['path']} for {owner}", found, "give one of them")
    return content if target is None else f"{LEADS_TO}{target}"


if __name__ == "__main__":
    main()
