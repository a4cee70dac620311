#!/usr/bin/python
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Single files of a Debian package are in a folder, without the package being installed."""

from __future__ import annotations

DOCUMENTATION = r"""
module: debian_package_files
short_description: Single files of a Debian package are in a folder, the package is not installed
description:
  - For one library of a package that would bring hundreds of files and other packages, or whose headers must not be
    mistaken for those of another version.
  - The package comes through C(apt-get download) from the machine's own archives, and apt holds it against their signed
    lists. Nothing is installed, no maintainer script runs. Needs C(apt-get) and C(dpkg-deb) alone.
  - The folder tells what it was taken from. Where that is what is asked for and no file was altered, apt is not asked.
  - The folder is replaced by a rename, so it is never half new.
options:
  package:
    description: The package's name.
    type: str
    required: true
  version:
    description: Its version. Without it, any that was taken before stays, and else the newest is taken.
    type: str
  files:
    description:
      - Name below O(dest) to path in the package, without a leading slash. A C(*) stands for any part of a name
        between two slashes, such as the machine's multiarch name. Needed for O(state=present).
    type: dict
  dest:
    description: Absolute path of the folder that holds these files and nothing else. A folder with other content is
      refused.
    type: path
    required: true
  state:
    description: V(absent) removes O(dest), and the folders named hello_ebpf above it once these are empty.
    type: str
    choices: [present, absent]
    default: present
attributes:
  check_mode:
    support: full
    description: Nothing is written. A package that the lists do not have fails, where there are lists.
  diff_mode:
    support: full
author: hello_eBPF
"""

EXAMPLES = r"""
- name: DPDK's eBPF library is there, without the rest of DPDK
  debian_package_files:
    package: libdpdk-dev
    files:
      lib/librte_bpf.a: usr/lib/*/librte_bpf.a
      include/rte_bpf.h: usr/include/dpdk/rte_bpf.h
      include/bpf_def.h: usr/include/dpdk/bpf_def.h
    dest: /opt/hello_ebpf/rte_bpf
"""

RETURN = r"""
actions:
  description: The steps taken, or in check mode the steps that would be taken, with the reason.
  returned: success
  type: list
  elements: str
version:
  description: The version of the package that the files are of; in check mode the one that would be.
  returned: success
  type: str
  sample: 22.11.11-0+deb12u1
files:
  description: The files below O(dest) and their digests.
  returned: success
  type: dict
  sample: {lib/librte_bpf.a: 8c5a7f1b2d3e4f50}
"""

import os
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.hello_ebpf.errors import LabError
from ansible.module_utils.hello_ebpf.package_files import PackageFiles, Request, render
from ansible.module_utils.hello_ebpf.packages import Apt, Host
from ansible.module_utils.hello_ebpf.plan import converge, exit_with


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "package": {"type": "str", "required": True},
            "version": {"type": "str"},
            "files": {"type": "dict"},
            "dest": {"type": "path", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        required_if=[("state", "present", ["files"])],
        supports_check_mode=True,
    )
    asked = module.params
    request = Request(asked["package"], Path(asked["dest"]), asked["files"] or {}, asked["version"] or "")
    work = PackageFiles(request, Apt(module.run_command, Host()), check=module.check_mode)
    present = asked["state"] == "present"
    # What is installed is for everybody, however closed the calling shell's umask is.
    os.umask(0o022)
    try:
        outcome = converge(
            work.read,
            work.plan if present else work.plan_absent,
            work.predict if present else work.predict_absent,
            check=module.check_mode,
        )
    except LabError as error:
        module.fail_json(msg=str(error))
    exit_with(module, outcome, render, version=outcome.after.version, files=outcome.after.files)


if __name__ == "__main__":
    main()
