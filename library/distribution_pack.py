#!/usr/bin/python
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""What is compiled on the builder, in one archive on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: distribution_pack
short_description: Installed folders of the builder are packed into one archive, and fetched to the controller
description:
  - Packs the folders O(parts) of the managed host into one archive; the same files give the same bytes. Where the
    archive already holds what is installed, nothing is packed.
  - Fetches the archive into O(dest) of the controller when the one there has another digest, in one transfer, and
    holds it against its SHA-256. Older archives in O(dest) are removed.
  - The archive is named C(hello_ebpf-<release>-<CPU level>-<digest of the project's sources>.tar.gz) and has a file
    C(.sha256) beside it.
options:
  parts:
    description: Name to folder. Of a folder with a link C(current), what that leads to is packed.
    type: dict
    required: true
  cpu:
    description: The oldest x86-64 level that the parts run on; whoever takes the archive is held against it.
    type: str
    choices: [x86-64-v2, x86-64-v3]
    default: x86-64-v2
  folder:
    description: Folder of the archive on the managed host. Other archives of this kind in it go; other files stay.
    type: path
    default: /var/cache/hello_ebpf/distribution
  dest:
    description: Folder of the archive on the controller, like O(folder). Used by the action plugin.
    type: path
  renewed:
    description: Parts that a task of this run before this one has made anew, or in check mode would have. Only check
      mode needs to be told.
    type: list
    elements: str
    default: []
  sources:
    description: Digest of the project's sources. Filled in by the action plugin; not for playbooks.
    type: str
    default: ""
  state:
    description: V(absent) removes the archives from the managed host.
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
- name: What the fleet needs is in one archive on the controller
  distribution_pack:
    parts:
      spdk: /opt/hello_ebpf/spdk
      csd_target: /opt/hello_ebpf/csd_target
    dest: build/distribution/builder1
  register: packed
"""

RETURN = r"""
actions:
  description: The steps taken, or in check mode the steps that would be taken.
  returned: success
  type: list
  elements: str
  sample: ["pack spdk, csd_target into /var/cache/hello_ebpf/distribution/hello_ebpf-debian-12-x86-64-v2-0123.tar.gz"]
archive:
  description: The archive on the managed host.
  returned: O(state=present)
  type: str
  sample: /var/cache/hello_ebpf/distribution/hello_ebpf-debian-12-x86-64-v2-0123456789ab.tar.gz
fetched:
  description: The archive on the controller.
  returned: O(state=present)
  type: str
  sample: build/distribution/builder1/hello_ebpf-debian-12-x86-64-v2-0123456789ab.tar.gz
sha256:
  description: Its digest; empty in check mode where the archive would be made.
  returned: O(state=present)
  type: str
  sample: 0f343b0931126a20f133d67c2b018a3b5e8f1d2c4b6a79880716253443526170
renewed:
  description: In check mode, the parts that are other than in the archive, or would be.
  returned: O(state=present)
  type: list
  elements: str
  sample: [csd_target]
"""

import os
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.hello_ebpf.distribution.pack import Pack, State, render
from ansible.module_utils.hello_ebpf.distribution.sources import archive_name
from ansible.module_utils.hello_ebpf.errors import LabError
from ansible.module_utils.hello_ebpf.plan import converge, exit_with
from ansible.module_utils.hello_ebpf.release import platform_name


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "parts": {"type": "dict", "required": True},
            "cpu": {"type": "str", "choices": ["x86-64-v2", "x86-64-v3"], "default": "x86-64-v2"},
            "folder": {"type": "path", "default": "/var/cache/hello_ebpf/distribution"},
            "dest": {"type": "path"},
            "renewed": {"type": "list", "elements": "str", "default": []},
            "sources": {"type": "str", "default": ""},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        supports_check_mode=True,
    )
    asked = module.params
    # The archive is for everybody, however closed the calling shell's umask is: the controller's user fetches it.
    os.umask(0o022)
    platform = platform_name(Path("/etc/os-release").read_text())
    archive = Path(asked["folder"]) / archive_name(platform, asked["cpu"], asked["sources"])
    pack = Pack(
        archive,
        {name: Path(folder) for name, folder in asked["parts"].items()},
        platform=platform,
        cpu=asked["cpu"],
        renewed=tuple(asked["renewed"]) if module.check_mode else (),
        check=module.check_mode,
    )
    plan, predict = (
        (pack.plan, pack.predict) if asked["state"] == "present" else (pack.plan_absent, pack.predict_absent)
    )
    try:
        outcome = converge(pack.read, plan, predict, check=module.check_mode)
    except LabError as error:
        module.fail_json(msg=str(error))
    after = outcome.after
    exit_with(
        module,
        outcome,
        render,
        archive=str(archive),
        sha256=after.sha256,
        renewed=sorted({*_other(outcome.before), *pack.renewed}),
    )


def _other(state: State) -> list[str]:
    """Parts that are not as they are in the archive."""
    packed = state.packed.files if state.packed else {}
    return [name for name in {*state.wanted.files, *state.lacking} if packed.get(name) != state.wanted.files.get(name)]


if __name__ == "__main__":
    main()
