#!/usr/bin/python
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""What another machine compiled is installed from one archive."""

from __future__ import annotations

DOCUMENTATION = r"""
module: distribution
short_description: What the builder compiled is installed from one archive, in one transfer
description:
  - Looks what is installed and whether every file is as it was installed. Only where that is not the archive that is
    asked for, the controller sends it; it is held against its SHA-256 and unpacked beside the installed folders, and
    those that differ are exchanged, each by a rename. What was not compiled anew stays as it is, and so does what runs.
  - Refuses, before anything is sent or changed, an archive of another release, or one for CPUs that have what this
    machine's CPU lacks.
options:
  archive:
    description: Path of the archive on the controller. Empty takes the one in O(folder) that is made of the project's
      present sources. Needed for O(state=present).
    type: str
  folder:
    description: Folder of the controller, for an empty O(archive); what a builder made earlier is there.
    type: str
  sha256:
    description: Its SHA-256. Empty takes what the file C(.sha256) beside the archive says.
    type: str
    default: ""
  pending:
    description: The archive is made in this run; in check mode it need not be there yet.
    type: bool
    default: false
  parts:
    description: Name to the folder in which the part is expected.
    type: dict
    required: true
  renewed:
    description: The parts that are made anew in this run; check mode needs to be told.
    type: list
    elements: str
    default: []
  record:
    description: File that says what is installed.
    type: path
    default: /opt/hello_ebpf/distribution.json
  sent:
    description: Path of the archive on the managed host. Filled in by the action plugin; not for playbooks.
    type: path
  look:
    description: Change nothing, tell what would be, in a run too.
    type: bool
    default: false
  manifest:
    description: What the archive holds. Filled in by the action plugin; not for playbooks.
    type: dict
  state:
    description: V(absent) removes what came with an archive.
    type: str
    choices: [present, absent]
    default: present
attributes:
  check_mode:
    description: Tells what would be changed, and changes nothing.
    support: full
  diff_mode:
    description: Shows what is before and after, as text.
    support: full
author: the hello_eBPF authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: What the builder compiled is installed
  distribution:
    archive: build/distribution/builder1/hello_ebpf-debian-12-x86-64-v2-0123456789ab.tar.gz
    sha256: 0f343b0931126a20f133d67c2b018a3b5e8f1d2c4b6a79880716253443526170
    parts:
      spdk: /opt/hello_ebpf/spdk
      csd_target: /opt/hello_ebpf/csd_target
"""

RETURN = r"""
actions:
  description: The steps taken, or in check mode the steps that would be taken.
  returned: success
  type: list
  elements: str
  sample: [install csd_target of the distribution 0f343b093112]
stale:
  description: The parts that were exchanged, or in check mode would be.
  returned: O(state=present)
  type: list
  elements: str
  sample: [csd_target]
sha256:
  description: The archive that is installed now.
  returned: O(state=present)
  type: str
  sample: 0f343b0931126a20f133d67c2b018a3b5e8f1d2c4b6a79880716253443526170
sent_bytes:
  description: Bytes of the archive that were sent to this host in this task.
  returned: O(state=present)
  type: int
  sample: 5242880
"""

import os
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.hello_ebpf import contents
from ansible.module_utils.hello_ebpf.distribution.content import Manifest
from ansible.module_utils.hello_ebpf.distribution.install import Install, Machine, Request, render
from ansible.module_utils.hello_ebpf.errors import LabError
from ansible.module_utils.hello_ebpf.plan import converge, exit_with
from ansible.module_utils.hello_ebpf.release import platform_name


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "archive": {"type": "str"},
            "folder": {"type": "str"},
            "sha256": {"type": "str", "default": ""},
            "pending": {"type": "bool", "default": False},
            "parts": {"type": "dict", "required": True},
            "renewed": {"type": "list", "elements": "str", "default": []},
            "record": {"type": "path", "default": "/opt/hello_ebpf/distribution.json"},
            "sent": {"type": "path"},
            "look": {"type": "bool", "default": False},
            "manifest": {"type": contents.mapping},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        required_if=[("state", "present", ["archive"])],
        supports_check_mode=True,
    )
    asked = module.params
    # What is installed is for everybody, however closed the calling shell's umask is.
    os.umask(0o022)
    request = Request(
        parts={name: Path(folder) for name, folder in asked["parts"].items()},
        record=Path(asked["record"]),
        archive=Path(asked["sent"]) if asked["sent"] else None,
        sha256=asked["sha256"],
        manifest=Manifest.from_json(asked["manifest"]) if asked["manifest"] else None,
        renewed=tuple(asked["renewed"]),
    )
    machine = Machine(platform_name(Path("/etc/os-release").read_text()), Path("/proc/cpuinfo").read_text())
    work = Install(request, machine)
    plan, predict = (
        (work.plan, work.predict) if asked["state"] == "present" else (work.plan_absent, work.predict_absent)
    )
    try:
        outcome = converge(work.read, plan, predict, check=module.check_mode or asked["look"])
    except LabError as error:
        module.fail_json(msg=str(error))
    stale = work.stale(outcome.before) if asked["state"] == "present" else []
    exit_with(module, outcome, render, stale=stale, sha256=outcome.after.sha256, sent_bytes=0)


if __name__ == "__main__":
    main()
