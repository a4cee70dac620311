#!/usr/bin/python
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""A product of this project is built from source on the managed host, packed as a Debian package and installed."""

from __future__ import annotations

DOCUMENTATION = r"""
module: debian_build
short_description: A product is built into a Debian package and installed, by digest
description:
  - Builds a product from the project's own sources, the folder src of the controller, on the managed host, packs it
    with Debian's own tools (folder packaging of the controller), and lets apt install the package, in one task.
  - The package's version ends with a digest of all that it was made of. Where dpkg says that this version is
    installed, and that none of its files was altered, nothing runs.
  - It is built again when a source, an argument, a tool's version or an input changed. When only an installed file is
    missing or altered, or the package is gone, the F(.deb) file of before is installed again.
  - The build is C(make -f debian/rules binary), which calls the product's C(make install_NAME). The same sources,
    tools and inputs give the same bytes. A build that fails or is cut off leaves what is installed as it was.
  - The environment of the build is clean (Debian's own tools on PATH, no MAKEFLAGS, no CFLAGS) but for
    O(environment).
  - The package of before stays beside the new one in O(packages), to go back to. What the release before this module
    had installed in O(dest) is removed first.
options:
  name:
    description: The product, the same for present and absent. Names make's goal, the build folder and the log.
    type: str
    required: true
  package:
    description: The Debian package that it becomes, as F(packaging/debian/control) names it.
    type: str
    required: true
  rooms:
    description:
      - Folders of src that the product is made of (text files); what lies in src itself, such as the Makefile, and
        the folder packaging come with them. A change in another room builds nothing again. Hidden files and folders
        named C(build) are left out. Needed for O(state=present).
    type: list
    elements: str
  sources:
    description: Relative file name to its text. Filled in from O(rooms) by the action plugin; not for playbooks.
    type: dict
    default: {}
  dest:
    description:
      - Absolute path of the folder that the package's files lie in. A folder with files that neither the package nor
        a release before it put there is refused; what others put into it later stays.
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
  cpu:
    description: The oldest x86-64 level that the product runs on; a field of the package says it.
    type: str
    default: x86-64-v2
  install:
    description: Install the package. V(false) makes the F(.deb) file alone.
    type: bool
    default: true
  cache:
    description: Folder for build folders.
    type: path
    default: /var/cache/hello_ebpf/build
  packages:
    description: Folder for F(.deb) files.
    type: path
    default: /var/cache/hello_ebpf/packages
  log:
    description: File for make's output; by default C(/var/log/hello_ebpf/<package>-build.log).
    type: path
  state:
    description: V(absent) removes the package, its F(.deb) files, the build folder and the log, and the folders named
      hello_ebpf above them once these are empty.
    type: str
    choices: [present, absent]
    default: present
attributes:
  check_mode: {support: full, description: "Tells what would be changed, and changes nothing."}
  diff_mode: {support: full, description: "Shows what is before and after, as text."}
author: the hello_eBPF authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Examples are built and installed
  debian_build:
    name: ebpf_examples
    package: hello-ebpf-examples
    rooms: [trace, examples]
    dest: /opt/hello_ebpf/examples
    tool_versions: [clang --version, pkg-config --modversion libbpf]

- name: Benchmark client is built against the SPDK that is installed
  debian_build:
    name: csd_bench
    package: hello-ebpf-bench
    rooms: [protocol, common, bench]
    dest: /opt/hello_ebpf/csd_bench
    make_args: [SPDK=/opt/hello_ebpf/spdk/current]
    tool_versions: [gcc --version]
    inputs: [/opt/hello_ebpf/spdk/current/share/hello_ebpf/stamp.json]

- name: Examples are gone
  debian_build:
    name: ebpf_examples
    package: hello-ebpf-examples
    dest: /opt/hello_ebpf/examples
    state: absent
"""

RETURN = r"""
actions:
  description: The steps taken, or in check mode the steps that would be taken, with the reason.
  returned: success
  type: list
  elements: str
  sample:
    - "build hello-ebpf-examples (changed: source examples/minimal.c)"
    - "install hello-ebpf-examples in /opt/hello_ebpf/examples (changed: source examples/minimal.c)"
package:
  description: The Debian package.
  returned: success
  type: str
  sample: hello-ebpf-examples
version:
  description: Its version; in check mode empty where something that it is made of is not there yet.
  returned: success
  type: str
  sample: 0.1.0+8c5a7f1b2d3e
file:
  description: The F(.deb) file, which in check mode may be to come; empty where RV(version) is.
  returned: success
  type: str
  sample: /var/cache/hello_ebpf/packages/hello-ebpf-examples_0.1.0+8c5a7f1b2d3e_amd64.deb
log:
  description: The file that make's output of the last build is in.
  returned: success
  type: str
  sample: /var/log/hello_ebpf/hello-ebpf-examples-build.log
"""

import os
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.hello_ebpf.arguments import arguments
from ansible.module_utils.hello_ebpf.debian_build import DebianBuild, Request, render
from ansible.module_utils.hello_ebpf.packages import Apt, Host
from ansible.module_utils.hello_ebpf.plan import converge, errors_told, exit_with
from ansible.module_utils.hello_ebpf.release import platform_name


def main() -> None:
    module = AnsibleModule(
        arguments(DOCUMENTATION, files=("sources",)),
        required_if=[("state", "present", ["rooms"])],
        supports_check_mode=True,
    )
    asked = module.params
    host = Host()
    request = Request(
        name=asked["name"],
        package=asked["package"],
        dest=Path(asked["dest"]),
        sources=asked["sources"],
        make_args=tuple(asked["make_args"]),
        environment={name: str(value) for name, value in asked["environment"].items()},
        tool_versions=tuple(asked["tool_versions"]),
        inputs=tuple(Path(path) for path in asked["inputs"]),
        renewed=module.check_mode and asked["renewed"],
        platform=platform_name(host.os_release.read_text()),
        cpu=asked["cpu"],
        install=asked["install"],
        cache=Path(asked["cache"]),
        packages=Path(asked["packages"]),
        log=Path(asked["log"] or f"/var/log/hello_ebpf/{asked['package']}-build.log"),
    )
    # What is installed is for everybody, however closed the calling shell's umask is.
    os.umask(0o022)
    build = DebianBuild(request, Apt(module.run_command, host), check=module.check_mode)
    present = asked["state"] == "present"
    plan, predict = (build.plan, build.predict) if present else (build.plan_absent, build.predict_absent)
    with errors_told(module):
        outcome = converge(build.read, plan, predict, check=module.check_mode)
        ingredients = build.ingredients() if present else {}
        # What will be made of inputs that are to come is not known yet.
        version = "" if request.renewed else build.version(ingredients)
    exit_with(
        module,
        outcome,
        render,
        package=request.package,
        version=version,
        file=str(build.file(ingredients)) if version else "",
        log=str(request.log),
    )


if __name__ == "__main__":
    main()
