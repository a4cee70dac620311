#!/usr/bin/python
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""One stage of fetching, building and installing SPDK."""

from __future__ import annotations

DOCUMENTATION = r"""
module: spdk_build
short_description: SPDK is built from verified source, stage by stage, and installed under a versioned prefix
description:
  - Brings one build of SPDK through one stage. A stage that is done is not repeated; one that was cut off goes on.
  - What is installed is named by its version and a stamp, a digest of everything that it is made of (source,
    patches, CPU level, flags, distribution). C(current) in O(prefix) links to it. Where what is asked for is
    installed and none of its files was altered, no stage is missing.
  - Builds only what the lab needs, the program C(nvmf_tgt), the static libraries of SPDK and DPDK under it, their
    headers, and two pkg-config files, C(hello_spdk) (initiator) and C(hello_spdk_target) (target).
  - The finished build is also a relocatable archive in O(cache), with its digest beside it; C(install) always
    installs from that archive.
options:
  stage:
    description:
      - What to do. V(plan) changes nothing; it fails where a later stage could not succeed (release, CPU, disk
        space, owner of the folders, mirror) and returns which stages are missing, in order.
      - V(fetch) the source and hold it against its digest; V(unpack) and patch it; V(configure); compile V(dpdk),
        V(lib), V(module), V(app); V(pack) the archive of the result; V(install) it.
    type: str
    choices: [plan, fetch, unpack, configure, dpdk, lib, module, app, pack, install]
    default: plan
  state:
    description: V(absent) removes all builds below O(prefix), downloads, build trees, archives and the log.
    type: str
    choices: [present, absent]
    default: present
  version:
    description: The version that the source must be, such as V(20.07).
    type: str
    required: true
  source:
    description:
      - V(ceph) takes the files that O(manifest) names from the first source package of ceph that the machine's own
        package sources sign and that has them just so. V(git) clones. V(archive) takes an archive of the source.
    type: str
    choices: [ceph, git, archive]
    default: ceph
  manifest:
    description: The SHA-256 of each file that is used, for O(source=ceph), in the form of C(sha256sum).
    type: str
    default: ""
  debian_suites:
    description: Debian suites that are asked, in this order, where no package source of the machine has such a package.
    type: list
    elements: str
    default: []
  debian_mirror:
    description: Debian mirror with O(debian_suites). Empty is the machine's own, if it runs Debian.
    type: str
    default: ""
  sha256:
    description: Digest of the archive, needed for O(source=archive).
    type: str
    default: ""
  git_url:
    description: Repository, a URL or a path.
    type: str
    default: https://github.com/spdk/spdk
  git_version:
    description: Tag or branch.
    type: str
    default: v20.07
  git_commit:
    description: The commit that O(git_version) must be. Empty takes what it is.
    type: str
    default: ""
  git_submodule_urls:
    description: Submodule name to URL, where a submodule comes from another place than the repository says.
    type: dict
    default: {}
  archive:
    description: Path on the managed host, or a URL, for O(source=archive).
    type: str
    default: ""
  prefix:
    description: Folder of all installed builds.
    type: path
    default: /opt/hello_ebpf/spdk
  cache:
    description: Folder of downloads, build trees and archives.
    type: path
    default: /var/cache/hello_ebpf/spdk
  log:
    description: File to which the output of everything that the stages run is appended.
    type: path
    default: /var/log/hello_ebpf/spdk-build.log
  cpu:
    description: The oldest x86-64 level that the build runs on.
    type: str
    choices: [x86-64-v2, x86-64-v3]
    default: x86-64-v2
  jobs:
    description: Parallel compilers; 0 is one for each core.
    type: int
    default: 0
  debug_info:
    description: Keep what a debugger needs. Symbols for backtraces are always kept.
    type: bool
    default: false
  sanitize:
    description:
      - SPDK's own libraries under AddressSanitizer and UBSan, for tests. The build lies beside the plain one, whose
        DPDK it takes where that is installed, and C(sanitized) links to it instead of C(current).
    type: bool
    default: false
  patches:
    description: Changes to the source, applied in this order; each has C(name) and C(content), a unified diff (-p1).
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: File name.
        type: str
        required: true
      content:
        description: Unified diff.
        type: str
        required: true
  lock_seconds:
    description: How long to wait for another run that works on a build.
    type: int
    default: 900
attributes:
  check_mode:
    support: full
    description: Nothing is written; a stage that is not done counts as a change.
  diff_mode: {support: full, description: "Shows what is before and after, as text."}
author: the hello_eBPF authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: See what is missing
  spdk_build:
    stage: plan
    version: "20.07"
    manifest: "{{ lookup('ansible.builtin.file', 'source.sha256') }}"
  register: spdk

- name: Build
  spdk_build:
    stage: "{{ item }}"
    version: "20.07"
    manifest: "{{ lookup('ansible.builtin.file', 'source.sha256') }}"
  loop: "{{ spdk.missing }}"
"""

RETURN = r"""
missing:
  description: The stages that are still to do, in order.
  returned: O(state=present)
  type: list
  elements: str
  sample: [fetch, unpack, configure, dpdk, lib, module, app, pack, install]
path:
  description: What C(current) leads to; empty while nothing is installed.
  returned: O(state=present)
  type: str
  sample: /opt/hello_ebpf/spdk/20.07-0123456789ab
stamp:
  description: What the installed build is made of, without the list of its files.
  returned: O(state=present)
  type: dict
  sample: {version: "20.07", source: {kind: ceph, manifest_sha256: 71c0}}
archive:
  description: The archive of the build.
  returned: O(state=present)
  type: str
  sample: /var/cache/hello_ebpf/spdk/archives/spdk-20.07-0123456789ab-debian-12-x86-64-v2.tar.gz
archive_sha256:
  description: Digest of the archive that the installed build came from; empty while nothing is installed.
  returned: O(state=present)
  type: str
  sample: 0f343b0931126a20f133d67c2b018a3b5e8f1d2c4b6a79880716253443526170
log:
  description: The output of everything that was run.
  returned: O(state=present)
  type: str
  sample: /var/log/hello_ebpf/spdk-build.log
actions:
  description: The step taken, or in check mode the step that would be taken.
  returned: success
  type: list
  elements: str
  sample: [dpdk SPDK 20.07]
"""

import os
import platform
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.hello_ebpf.arguments import arguments
from ansible.module_utils.hello_ebpf.plan import converge, errors_told, exit_with
from ansible.module_utils.hello_ebpf.release import platform_name
from ansible.module_utils.hello_ebpf.spdk_build.lock import locked
from ansible.module_utils.hello_ebpf.spdk_build.request import Patch, Request
from ansible.module_utils.hello_ebpf.spdk_build.stages import SpdkAbsent, SpdkBuild, render, render_absent

NO_LOCK = -1


def main() -> None:
    module = AnsibleModule(arguments(DOCUMENTATION, files=("content",)), supports_check_mode=True)
    # What is installed is for everybody, however closed the calling shell's umask is.
    os.umask(0o022)
    request = request_of(module.params)
    with errors_told(module, log=str(request.log)):
        if module.params["state"] == "absent":
            _absent(module, request)
        else:
            _present(module, request)


def request_of(asked: dict[str, Any]) -> Request:
    """The module's arguments, and this machine, as a request."""
    names = Request.__dataclass_fields__.keys() & asked.keys()
    values = {name: asked[name] for name in names} | {
        "sha256": asked["sha256"].lower(),
        "debian_suites": tuple(asked["debian_suites"]),
        "git_submodule_urls": {name: str(url) for name, url in asked["git_submodule_urls"].items()},
        "prefix": Path(asked["prefix"]),
        "cache": Path(asked["cache"]),
        "log": Path(asked["log"]),
        "jobs": asked["jobs"] or len(os.sched_getaffinity(0)),
        "patches": tuple(Patch(patch["name"], patch["content"]) for patch in asked["patches"]),
        "platform": platform_name(Path("/etc/os-release").read_text()),
    }
    return Request(**values)


def _present(module: AnsibleModule, request: Request) -> None:
    stage = module.params["stage"]
    writes = stage != "plan" and not module.check_mode
    lock = locked(request.cache / "lock", f"{stage} SPDK {request.version}", request.lock_seconds)
    with lock if writes else nullcontext(NO_LOCK) as handle:
        build = SpdkBuild(request, stage, handle)
        if stage == "plan":
            build.preflight(build.read(), platform.machine(), Path("/proc/cpuinfo").read_text())
        outcome = converge(build.read, build.plan, build.predict, check=module.check_mode)
    there = outcome.after.installed
    exit_with(
        module,
        outcome,
        render,
        missing=list(outcome.after.missing),
        path=str(request.prefix / there.name) if there.name else "",
        stamp={name: value for name, value in (there.stamp or {}).items() if name != "files"},
        archive=str(request.build_archive),
        archive_sha256=there.archive_sha256,
        log=str(request.log),
    )


def _absent(module: AnsibleModule, request: Request) -> None:
    build = SpdkAbsent(request)
    lock = request.cache / "lock"
    # A lock file that is not there yet would itself be something to remove.
    held = locked(lock, "remove SPDK", request.lock_seconds) if lock.exists() and not module.check_mode else None
    with held or nullcontext(NO_LOCK):
        outcome = converge(build.read, build.plan, build.predict, check=module.check_mode)
    exit_with(module, outcome, render_absent)


if __name__ == "__main__":
    main()
