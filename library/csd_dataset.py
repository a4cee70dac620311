#!/usr/bin/python
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Ansible module: the benchmark's data set on a device."""

from __future__ import annotations

DOCUMENTATION = r"""
module: csd_dataset
short_description: Deterministic sensor records on a device, verified by digest
description:
  - The device holds the data set of O(records) records that O(seed) makes. It is read back and compared by SHA-256
    with what the generator makes; where it differs it is written, and read back again.
  - Nothing is lost. It is written only over places that hold zeros or records of this project (of any seed or size,
    or damaged); anything else there fails the module, unless O(overwrite).
  - In check mode, where the program, the device or the target are not there yet, the data set counts as one to be
    written, and the action says what it could not read.
options:
  program:
    description: The installed program C(csd_bench).
    type: path
    default: /opt/hello_ebpf/csd_bench/bin/csd_bench
  initiator:
    description: >-
      V(kernel) reads and writes O(path), a block device or a file of the host. V(spdk) connects to the namespace
      itself, through SPDK's user-space initiator.
    type: str
    choices: [kernel, spdk]
    required: true
  path:
    description: >-
      With O(initiator=kernel), the block device or file. A file is made, and made longer, as needed; its file system
      must know direct I/O.
    type: path
    default: ''
  address:
    description: IP address of the target's listener.
    type: str
    default: ''
  service_id:
    description: TCP port of the target's listener.
    type: str
    default: '4420'
  subsystem_nqn:
    description: NQN of the subsystem.
    type: str
    default: ''
  host_nqn:
    description: NQN of this host, which the subsystem must allow.
    type: str
    default: ''
  nsid:
    description: Namespace id.
    type: int
    default: 1
  uuid:
    description: UUID that the namespace must have; a device with another one is refused.
    type: str
    default: ''
  device_bytes:
    description: Size in bytes that the device must have; V(0) takes any that is large enough.
    type: int
    default: 0
  records:
    description: Number of records, 64 bytes each.
    type: int
    required: true
  seed:
    description: What the records are made from, 0 to 2^63-1.
    type: int
    required: true
  overwrite:
    description: Write over whatever lies on the device.
    type: bool
    default: false
  memory_megabytes:
    description: With O(initiator=spdk), hugepage memory that the program takes while it runs.
    type: int
    default: 256
  core:
    description: With O(initiator=spdk), the core that the program spins on. The last one unless given.
    type: int
  timeout:
    description: Seconds that one pass over the device may take.
    type: float
    default: 3600
  if_unavailable:
    description: >-
      What to do where the target, the device or the program is not there. V(fail), or V(report): return the reason as
      C(unavailable), so that one target that is down does not keep a host from the others.
    type: str
    choices: [fail, report]
    default: fail
  written_by:
    description: >-
      The host of this play that was asked to write it to the same namespace before. In check mode, what that host would
      write counts as written.
    type: str
    default: ''
attributes:
  check_mode: {support: full, description: "Tells what would be changed, and changes nothing."}
  diff_mode: {support: full, description: "Shows what is before and after, as text."}
author: the hello_eBPF authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Data set is on the namespace, through SPDK's initiator
  csd_dataset:
    initiator: spdk
    address: 127.0.0.1
    subsystem_nqn: nqn.2026-11.io.hello-ebpf:csd0
    host_nqn: nqn.2026-11.io.hello-ebpf:host0
    uuid: 6c1f2d7e-5a0b-4c6e-9a57-0e8bff0e0001
    records: 4194304
    seed: 1

- name: Data set is in a file on the namespace's ext4
  csd_dataset:
    initiator: kernel
    path: /mnt/csd0/csd_bench.records
    records: 4194304
    seed: 1
"""

RETURN = r"""
actions:
  description: The steps taken, or in check mode the steps that would be taken, with the reason.
  returned: success
  type: list
  elements: str
  sample: ["write 4194304 records from seed 1 to /dev/nvme0n1 (4194304 never written, 0 of another data set ...)"]
sha256:
  description: SHA-256 of the records as they were read back; empty in check mode where they are not there yet.
  returned: success
  type: str
  sample: 29ae242b970baf086a49d1a8e4693b2aa20a19f00d516f1eea12764708430d9f
records:
  description: Number of records.
  returned: success
  type: int
  sample: 4194304
bytes:
  description: Their size.
  returned: success
  type: int
  sample: 268435456
unavailable:
  description: With O(if_unavailable=report), why it could be neither read nor written; empty where it is there.
  returned: success
  type: str
"""


from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.hello_ebpf.arguments import arguments
from ansible.module_utils.hello_ebpf.bench.arguments import check_dataset, errors_told, program_of
from ansible.module_utils.hello_ebpf.bench.dataset import RECORD_BYTES, DatasetState, render
from ansible.module_utils.hello_ebpf.plan import converge, exit_with


def main() -> None:
    module = AnsibleModule(arguments(DOCUMENTATION), supports_check_mode=True)
    asked = module.params
    state = DatasetState(
        program_of(asked), overwrite=asked["overwrite"], check=module.check_mode, written_by=asked["written_by"]
    )
    size = {"records": asked["records"], "bytes": asked["records"] * RECORD_BYTES}
    with errors_told(module, sha256="", **size):
        check_dataset(asked)
        outcome = converge(state.read, state.plan, state.predict, check=module.check_mode)
    exit_with(module, outcome, render, sha256=outcome.after.get("sha256", ""), unavailable="", **size)


if __name__ == "__main__":
    main()
