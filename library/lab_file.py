#!/usr/bin/python
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Ansible module: a file or link of the lab in a folder that others use too."""

from __future__ import annotations

DOCUMENTATION = r"""
module: lab_file
short_description: A file or link of the lab in a folder that others use too
description:
  - Makes a link or a small text file where nothing is, and keeps it as asked. What is there and was not made by the
    lab is refused, in check mode too, and never replaced or removed.
  - What is made is noted in C(/var/lib/hello_ebpf/made.json), with what tells it from another file. So are
    the folders that had to be made on the way to it.
options:
  owner:
    description: Who makes it. O(state=absent) removes all that was made for this owner, declared still or not; of
      the folders made on the way those that are empty.
    type: str
    required: true
  path:
    description: Where. Needed unless O(state=absent).
    type: path
  target:
    description: What the link leads to. This or O(content) is needed with O(path).
    type: path
  content:
    description: The file's text; everybody may read it.
    type: str
  state:
    description: Whether it is there.
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
    path: /usr/local/bin/csd
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

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.hello_ebpf.arguments import arguments
from ansible.module_utils.hello_ebpf.errors import LabError
from ansible.module_utils.hello_ebpf.files import LEADS_TO
from ansible.module_utils.hello_ebpf.lab_file import LabFile
from ansible.module_utils.hello_ebpf.made import Made
from ansible.module_utils.hello_ebpf.plan import converge, errors_told, exit_with


def main() -> None:
    module = AnsibleModule(
        arguments(DOCUMENTATION),
        supports_check_mode=True,
        required_if=[("state", "present", ("path",))],
        mutually_exclusive=[("target", "content")],
    )
    asked = module.params
    # A folder that is made on the way is for everybody, however closed the calling shell's umask is.
    os.umask(0o022)
    text = f"{LEADS_TO}{asked['target']}" if asked["target"] else asked["content"]
    path = Path(asked["path"]) if asked["path"] else None
    work = LabFile(Made(), asked["owner"], path, text or "")
    plan, predict = (
        (work.plan, work.predict) if asked["state"] == "present" else (work.plan_absent, work.predict_absent)
    )
    with errors_told(module):
        if path and text is None:
            raise LabError(str(work), "neither target nor content is given", "give one of them")
        outcome = converge(work.read, plan, predict, check=module.check_mode)
    exit_with(module, outcome, work.render)


if __name__ == "__main__":
    main()
