#!/usr/bin/python
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Ansible module: the system user of a service, and the group that may command it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: service_account
short_description: Make the system user of a service
description:
  - Makes a system user (with a group of its name, no home and no shell) and a system group, where they are missing.
  - Removes what it made, and nothing that was there before. It notes that in the user's comment.
options:
  user:
    description: The user. V(root) is always there.
    type: str
    required: true
  group:
    description: The group that may command the service. The user's own where it has the user's name.
    type: str
    required: true
  state:
    description: V(absent) removes both, where this module made them.
    choices: [present, absent]
    default: present
    type: str
author: the hello_eBPF authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Make the target's user, and a group whose members may use its RPC socket
  service_account:
    user: csd_target
    group: storage
"""

RETURN = r"""
actions:
  description: The changes made, or in check mode the changes that would be made, in words.
  returned: always
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.hello_ebpf.plan import converge, errors_told, exit_with
from ansible.module_utils.hello_ebpf.service_account import ServiceAccount

ARGUMENTS = {
    "user": {"type": "str", "required": True},
    "group": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    asked = module.params
    work = ServiceAccount(asked["user"], asked["group"], asked["state"])
    with errors_told(module):
        outcome = converge(work.read, work.plan, work.predict, check=module.check_mode)
    exit_with(module, outcome, work.render)


if __name__ == "__main__":
    main()
