#!/usr/bin/python
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Debian packages that another machine compiled are fetched, and installed."""

from __future__ import annotations

DOCUMENTATION = r"""
module: distribution
short_description: Debian packages that a builder compiled are fetched to the controller, and installed on nodes
description:
  - On a builder (O(state=fetched)), the controller fetches the packages that it has not, each verified by its SHA-256,
    and writes C(SHA256SUMS) beside them.
  - On a node, looks which of them C(dpkg) has installed, and whether C(dpkg --verify) finds each file as it was. Only
    what is missing is sent, held against its SHA-256, and installed by C(apt-get), which brings the libraries.
  - Refuses, before anything is changed, packages of another release, or for CPUs that have what this machine's CPU
    lacks, or that would replace files of somebody else.
options:
  built:
    description: What M(debian_build) returned for each package. Needed for O(state=fetched).
    type: list
    elements: dict
  folder:
    description: Folder of the controller that packages are fetched to, or taken from. Without it and O(archive) they
      are taken from O(cache).
    type: str
  archive:
    description: Folder of the controller with packages from elsewhere and their SHA256SUMS, in place of O(folder).
    type: str
  archive_sha256:
    description: SHA-256 of that SHA256SUMS; empty takes it as it is.
    type: str
    default: ""
  packages:
    description: Package to the version that is to be installed, of packages that are made in this run; in check mode
      empty for one that is not made yet. Without it, what SHA256SUMS names, if it was made of the present sources.
    type: dict
    default: {}
  folders:
    description: The folders that packages put their files in.
    type: list
    elements: path
    default: []
  cache:
    description: Folder of the node that keeps what was sent, and what was installed before that.
    type: path
    default: /var/cache/hello_ebpf/distribution
  record:
    description: File in which releases before this one recorded what they had installed.
    type: path
    default: /opt/hello_ebpf/distribution.json
  files:
    description: Files of the builder. Filled in by the action plugin; not for playbooks.
    type: list
    elements: path
    default: []
  sha256:
    description: Names of packages' files to digests. Filled in by the action plugin; not for playbooks.
    type: dict
    default: {}
  sent:
    description: Folder of the managed host that files were sent to. Filled in by the action plugin; not for playbooks.
    type: path
  look:
    description: Change nothing, tell what would be, in a run too. Filled in by the action plugin; not for playbooks.
    type: bool
    default: false
  state:
    description: V(absent) purges the packages that were installed from a builder.
    type: str
    choices: [present, fetched, absent]
    default: present
attributes:
  check_mode: {support: full, description: "Tells what would be changed, and changes nothing."}
  diff_mode: {support: full, description: "Shows what is before and after, as text."}
author: the hello_eBPF authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: What the builder compiled is installed
  distribution:
    folder: build/distribution/builder1
    folders: [/opt/hello_ebpf/spdk, /opt/hello_ebpf/csd_target]
"""

RETURN = r"""
actions:
  description: The steps taken, or in check mode the steps that would be taken.
  returned: success
  type: list
  elements: str
  sample: [install hello-ebpf-target 1.0+0f343b093112]
packages:
  description: Each package's version; in check mode empty for one that is not made yet.
  returned: O(state=fetched)
  type: dict
  sample: {hello-ebpf-target: 1.0+0f343b093112}
stale:
  description: The packages that were installed, or in check mode would be.
  returned: O(state=present)
  type: list
  elements: str
  sample: [hello-ebpf-target]
previous:
  description: Of those that took another version's place, that version; O(cache) keeps it.
  returned: O(state=present)
  type: dict
  sample: {hello-ebpf-target: 1.0+5ad1c0de0002}
sent_bytes:
  description: Bytes of packages that were sent to this host in this task.
  returned: O(state=present)
  type: int
  sample: 5242880
"""

import os
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.hello_ebpf.arguments import arguments
from ansible.module_utils.hello_ebpf.debian_files import field_of
from ansible.module_utils.hello_ebpf.distribution.folder import digest_of
from ansible.module_utils.hello_ebpf.distribution.node import Machine, Node, Request, render
from ansible.module_utils.hello_ebpf.packages import Apt, Host
from ansible.module_utils.hello_ebpf.plan import converge, errors_told, exit_with
from ansible.module_utils.hello_ebpf.release import platform_name


def told(apt: Apt, file: Path) -> dict[str, str]:
    """What the controller has to know of a package on the builder."""
    platform, cpu = (field_of(apt, file, f"Hello-Ebpf-{field}") for field in ("Platform", "Cpu"))
    return {"sha256": digest_of(file), "platform": platform, "cpu": cpu}


def main() -> None:
    module = AnsibleModule(arguments(DOCUMENTATION), supports_check_mode=True)
    asked = module.params
    apt = Apt(module.run_command, Host())
    if asked["state"] == "fetched":
        files = [Path(file) for file in asked["files"] if Path(file).is_file()]
        module.exit_json(changed=False, files={str(file): told(apt, file) for file in files})
    # What is installed is for everybody, however closed the calling shell's umask is.
    os.umask(0o022)
    request = Request(
        packages={name: str(version) for name, version in asked["packages"].items()},
        cache=Path(asked["cache"]),
        record=Path(asked["record"]),
        folders=tuple(Path(folder) for folder in asked["folders"]),
        sha256=asked["sha256"],
        sent=Path(asked["sent"]) if asked["sent"] else None,
    )
    machine = Machine(platform_name(Path("/etc/os-release").read_text()), Path("/proc/cpuinfo").read_text())
    work = Node(request, machine, apt)
    present = asked["state"] == "present"
    plan, predict = (work.plan, work.predict) if present else (work.plan_absent, work.predict_absent)
    with errors_told(module):
        outcome = converge(work.read, plan, predict, check=module.check_mode or asked["look"])
    before = outcome.before
    results = {"stale": work.stale(before), "previous": work.previous(before), "lacking": list(before.lacking)}
    exit_with(module, outcome, render, **(results | {"sent_bytes": 0} if present else {}))


if __name__ == "__main__":
    main()
