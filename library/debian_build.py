#!/usr/bin/python
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""A product of this project is built from source on the managed host and installed as a whole."""

from __future__ import annotations

DOCUMENTATION = r"""
module: make_install
short_description: A product is built with make and installed, by digest
description:
  - Builds a product from the project's own sources, the folder src of the controller, on the managed host and installs
    the result into O(dest), in one task. What is installed says what it was made of; where that is what is asked for,
    nothing runs.
  - It is built again when a source, an argument, a tool's version or an input changed, and when an installed file
    is missing or altered.
  - The build is C(make -j DESTDIR=... PREFIX=dest [make_args] install_NAME). The Makefile installs into
    C($(DESTDIR)$(PREFIX)). What it made takes the place of O(dest) by a rename, so O(dest) is never half new, and a
    build that fails or is cut off leaves it as it was.
  - The environment of the build is clean (Debian's own tools on PATH, no MAKEFLAGS, no CFLAGS) but for
    O(environment).
options:
  name:
    description: The product, the same for present and absent. Names make's goal, the build folder and the log.
    type: str
    required: true
  rooms:
    description:
      - Folders of src that the product is made of (text files); what lies in src itself, such as the Makefile, comes
        with them. A change in another room builds nothing again. Hidden files and folders named C(build) are left out.
        Needed for O(state=present).
    type: list
    elements: str
  sources:
    description: Relative file name to its text. Filled in from O(rooms) by the action plugin; not for playbooks.
    type: dict
    default: {}
  dest:
    description:
      - Absolute path of the folder that will hold the result and nothing else; its content is replaced as a whole.
        A folder with files that this module did not put there is refused.
    type: path
    required: true
  make_args:
    description: Further arguments of make, such as C(SPDK=/opt/hello_ebpf/spdk/current).
    type: list
    elements: str
    default: []
  environment:
    description: Further environment of make and of O(tool_versions), such as C(PKG_CONFIG_PATH).
    type: dict
    default: {}
  tool_versions:
    description:
      - Commands whose output's first line names the version of something that the result depends on. One that
        cannot run fails the task; in check mode it counts as a change to come.
    type: list
    elements: str
    default: []
  inputs:
    description:
      - Files of the managed host that the result depends on, such as the stamp of a library that is linked in. One
        that is not there fails the task; in check mode it counts as a change to come.
    type: list
    elements: path
    default: []
  renewed:
    description: A task of this run before this one has made some of O(inputs) anew, or in check mode would have. Only
      check mode needs to be told, in a run the inputs themselves are others.
    type: bool
    default: false
  cache:
    description: Folder for build folders.
    type: path
    default: /var/cache/hello_ebpf/build
  log:
    description: File for make's output; by default C(/var/log/hello_ebpf/<name>-build.log).
    type: path
  state:
    description: V(absent) removes O(dest), the build folder and the log, and the folders named hello_ebpf above
      them once these are empty.
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
- name: Examples are built and installed
  make_install:
    name: ebpf_examples
    rooms: [trace, examples]
    dest: /opt/hello_ebpf/examples
    tool_versions: [clang --version, pkg-config --modversion libbpf]

- name: Benchmark client is built against the SPDK that is installed
  make_install:
    name: csd_bench
    rooms: [protocol, common, bench]
    dest: /opt/hello_ebpf/csd_bench
    environment:
      PKG_CONFIG_PATH: /opt/hello_ebpf/spdk/current/lib/pkgconfig
    tool_versions: [gcc --version]
    inputs: [/opt/hello_ebpf/spdk/current/share/hello_ebpf/stamp.json]

- name: Examples are gone
  make_install:
    name: ebpf_examples
    dest: /opt/hello_ebpf/examples
    state: absent
"""

RETURN = r"""
actions:
  description: The steps taken, or in check mode the steps that would be taken, with the reason.
  returned: success
  type: list
  elements: str
  sample: ["build ebpf_examples and install it into /opt/hello_ebpf/examples (changed: source examples/minimal.c)"]
files:
  description: The installed files below O(dest) and their digests; empty in check mode before a build.
  returned: success
  type: dict
  sample: {bin/minimal: 8c5a7f1b2d3e4f50}
log:
  description: The file that make's output of the last build is in.
  returned: success
  type: str
  sample: /var/log/hello_ebpf/ebpf_examples-build.log
"""

import os
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.hello_ebpf import contents
from ansible.module_utils.hello_ebpf.errors import LabError
from ansible.module_utils.hello_ebpf.make_install import MakeInstall, Request, render
from ansible.module_utils.hello_ebpf.plan import converge, exit_with


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "rooms": {"type": "list", "elements": "str"},
            "sources": {"type": contents.mapping, "default": {}},
            "dest": {"type": "path", "required": True},
            "make_args": {"type": "list", "elements": "str", "default": []},
            "environment": {"type": "dict", "default": {}},
            "tool_versions": {"type": "list", "elements": "str", "default": []},
            "inputs": {"type": "list", "elements": "path", "default": []},
            "renewed": {"type": "bool", "default": False},
            "cache": {"type": "path", "default": "/var/cache/hello_ebpf/build"},
            "log": {"type": "path"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        required_if=[("state", "present", ["rooms"])],
        supports_check_mode=True,
    )
    asked = module.params
    request = Request(
        name=asked["name"],
        dest=Path(asked["dest"]),
        sources=asked["sources"],
        make_args=tuple(asked["make_args"]),
        environment={name: str(value) for name, value in asked["environment"].items()},
        tool_versions=tuple(asked["tool_versions"]),
        inputs=tuple(Path(path) for path in asked["inputs"]),
        renewed=module.check_mode and asked["renewed"],
        cache=Path(asked["cache"]),
        log=Path(asked["log"] or f"/var/log/hello_ebpf/{asked['name']}-build.log"),
    )
    # What is installed is for everybody, however closed the calling shell's umask is.
    os.umask(0o022)
    build = MakeInstall(request, check=module.check_mode)
    plan, predict = (
        (build.plan, build.predict) if asked["state"] == "present" else (build.plan_absent, build.predict_absent)
    )
    try:
        outcome = converge(build.read, plan, predict, check=module.check_mode)
    except LabError as error:
        module.fail_json(msg=str(error))
    exit_with(module, outcome, render, files=outcome.after.files, log=str(request.log))


if __name__ == "__main__":
    main()
