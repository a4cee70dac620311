#!/usr/bin/python
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Debian packages are installed, without python3-apt on the managed host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: debian_packages
short_description: Debian and Ubuntu packages are installed
description:
  - Installs what is missing of a list of packages, without recommended ones. Needs C(dpkg) and C(apt-get) alone,
    so it works, check mode included, in a minimal container that has neither C(python3-apt) nor package lists.
  - Package lists are refreshed only before an install, and only when there are none, when they are older than a
    day, or when they do not know a package or its version. A refresh is no change.
  - What an earlier task of the same run has seen or installed on the host is not asked for again.
  - A dpkg run that was cut off is finished first. Locks of another apt are waited for up to five minutes.
options:
  name:
    description:
      - Package names. C(a|b) is satisfied by either; where neither is installed, the first that the release has is.
    type: list
    elements: str
    required: true
  state:
    description: Packages are only ever added; another user of the machine may need what is there.
    type: str
    choices: [present]
    default: present
  predicted:
    description:
      - In check mode, packages that earlier tasks of the run would have installed, so that they are not predicted
        twice. The action plugin of the same name sees to it.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    support: full
    description: Nothing is written. Where there are package lists, apt simulates, so an unknown name fails.
  diff_mode: {support: full, description: "Shows what is before and after, as text."}
author: the hello_eBPF authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Compiler and libbpf are installed
  debian_packages:
    name: [clang, libbpf-dev]

- name: The first of two names that the release has is installed
  debian_packages:
    name: ["bpftool|linux-tools-generic"]
"""

RETURN = r"""
actions:
  description: The steps taken, or in check mode the steps that would be taken.
  returned: success
  type: list
  elements: str
  sample: [install clang libbpf-dev]
packages:
  description: Each asked item's package and version after the run; in check mode those that would be there.
  returned: success
  type: dict
  sample: {clang: {name: clang, version: "1:14.0-55.7~deb12u1"}}
"""

import shutil

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.hello_ebpf.arguments import arguments
from ansible.module_utils.hello_ebpf.errors import LabError
from ansible.module_utils.hello_ebpf.packages import Host, Packages, render
from ansible.module_utils.hello_ebpf.plan import converge, errors_told, exit_with
from ansible.module_utils.hello_ebpf.release import SUPPORTED


def main() -> None:
    module = AnsibleModule(arguments(DOCUMENTATION), supports_check_mode=True)
    packages = Packages(
        module.params["name"],
        module.run_command,
        Host(),
        check=module.check_mode,
        predicted=module.params["predicted"],
    )
    with errors_told(module):
        if not shutil.which("dpkg-query"):
            raise LabError(
                asked=f"the packages {' '.join(packages.wanted)}",
                found="this machine has no dpkg-query",
                fix=f"use {', '.join(SUPPORTED.values())}",
            )
        outcome = converge(packages.read, packages.plan, packages.predict, check=module.check_mode)
    present = {item: {"name": name, "version": version} for item, (name, version) in outcome.after.present.items()}
    exit_with(module, outcome, render, packages=present)


if __name__ == "__main__":
    main()
