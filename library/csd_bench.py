#!/usr/bin/python
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Ansible module: one host's baseline against one namespace."""

from __future__ import annotations

DOCUMENTATION = r"""
module: csd_bench
short_description: Measure the baseline of one host against one namespace
description:
  - The whole data set is read and filtered on the host, once for each selectivity, at the fastest I/O size and queue
    depth of those given. Returned as data, for M(csd_report) to write.
  - It is measured only when it has to be. The inputs of a measurement are the data set's digest, the program's, the
    SPDK build, the place and the settings; where these are the ones that O(measured_inputs) tells, nothing runs.
  - A run that selects other records than the known answer, which the generator gives without any device, fails.
  - Bytes on the wire are the kernel's own counters of the connections to the target. The target's CPU time is what
    its reactors were busy with, told by its RPC socket; it is null where the target is on another machine.
options:
  program:
    description: The installed program C(csd_bench).
    type: path
    default: /opt/hello_ebpf/csd_bench/bin/csd_bench
  initiator:
    description: >-
      V(kernel) reads O(path), a block device or a file of the host, by direct asynchronous reads. V(spdk) connects to
      the namespace itself, through SPDK's user-space initiator.
    type: str
    choices: [kernel, spdk]
    required: true
  path:
    description: With O(initiator=kernel), the block device or file.
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
    description: UUID that the namespace must have.
    type: str
    default: ''
  device_bytes:
    description: Size in bytes that the device must have; V(0) takes any that is large enough.
    type: int
    default: 0
  records:
    description: Number of records of the data set.
    type: int
    required: true
  seed:
    description: What the records are made from.
    type: int
    required: true
  dataset_sha256:
    description: The data set's digest, as M(csd_dataset) returned it.
    type: str
    default: ''
  selectivities:
    description: One run for each; possible are 0.001, 0.01, 0.1, 0.5 and 1.
    type: list
    elements: float
    default: [0.001, 0.01, 0.1, 0.5, 1]
  repeats:
    description: Timed passes of each run.
    type: int
    default: 5
  warm_ups:
    description: Passes before them that are not counted.
    type: int
    default: 1
  io_sizes:
    description: I/O sizes to try, in bytes.
    type: list
    elements: int
    default: [65536, 131072, 262144, 524288, 1048576]
  queue_depths:
    description: Queue depths to try.
    type: list
    elements: int
    default: [1, 2, 4, 8, 16, 32]
  tune_repeats:
    description: Passes of each I/O size and queue depth; the fastest one counts.
    type: int
    default: 3
  tune_seconds:
    description: What trying them all may take. On a slow device less is read in each pass.
    type: int
    default: 20
  target_rpc_socket:
    description: The target's JSON-RPC socket, used where the target's address is one of this host's.
    type: path
    default: ''
  spdk_stamp:
    description: Stamp of the SPDK build that the program is linked with.
    type: path
    default: /opt/hello_ebpf/spdk/current/share/hello_ebpf/stamp.json
  host_name:
    description: The host's name in the report.
    type: str
    required: true
  measured_inputs:
    description: C(inputs) of the latest report.
    type: dict
    default: {}
  measure:
    description: Measure although nothing changed.
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
    description: Seconds that the sweep, and all runs together, may take.
    type: float
    default: 3600
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
author: hello_eBPF
"""

EXAMPLES = r"""
- name: Baseline is measured
  csd_bench:
    initiator: spdk
    address: 127.0.0.1
    subsystem_nqn: nqn.2026-11.io.hello-ebpf:csd0
    host_nqn: nqn.2026-11.io.hello-ebpf:host0
    records: 4194304
    seed: 1
    host_name: "{{ inventory_hostname }}"
    measured_inputs: "{{ report.inputs }}"
  register: measurement
"""

RETURN = r"""
actions:
  description: The measurement, or in check mode the one that would be made, with the reason.
  returned: success
  type: list
  elements: str
  sample: ["measure the baseline of localhost -> nqn... (there is no report of it)"]
label:
  description: Names the pair of host and target in a report.
  returned: success
  type: str
  sample: localhost -> nqn.2026-11.io.hello-ebpf:csd0 namespace 1 at 127.0.0.1 port 4420
measurement:
  description: What was measured, in the report's terms; empty where nothing was.
  returned: success
  type: dict
  contains:
    runs:
      description: One entry for each selectivity, as in the report.
      type: list
    settings:
      description: What was tried, how fast each was, and what was chosen.
      type: dict
    inputs:
      description: What it was measured from.
      type: dict
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.hello_ebpf.bench.arguments import PLACE, check_dataset, place_of
from ansible.module_utils.hello_ebpf.bench.measurement import Measurement, Settings, Subject, render
from ansible.module_utils.hello_ebpf.bench.program import Program
from ansible.module_utils.hello_ebpf.errors import LabError
from ansible.module_utils.hello_ebpf.plan import converge, exit_with

ARGUMENTS = {
    **PLACE,
    "dataset_sha256": {"type": "str", "default": ""},
    "selectivities": {"type": "list", "elements": "float", "default": [0.001, 0.01, 0.1, 0.5, 1]},
    "repeats": {"type": "int", "default": 5},
    "warm_ups": {"type": "int", "default": 1},
    "io_sizes": {"type": "list", "elements": "int", "default": [65536, 131072, 262144, 524288, 1048576]},
    "queue_depths": {"type": "list", "elements": "int", "default": [1, 2, 4, 8, 16, 32]},
    "tune_repeats": {"type": "int", "default": 3},
    "tune_seconds": {"type": "int", "default": 20},
    "target_rpc_socket": {"type": "path", "default": ""},
    "spdk_stamp": {"type": "path", "default": "/opt/hello_ebpf/spdk/current/share/hello_ebpf/stamp.json"},
    "host_name": {"type": "str", "required": True},
    "measured_inputs": {"type": "dict", "default": {}},
    "measure": {"type": "bool", "default": False},
}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    asked = module.params
    program = Program(
        Path(asked["program"]), place_of(asked), asked["records"], asked["seed"], timeout=asked["timeout"]
    )
    subject = Subject(
        program=program,
        host_name=asked["host_name"],
        dataset_sha256=asked["dataset_sha256"],
        rpc_socket=asked["target_rpc_socket"],
        spdk_stamp=Path(asked["spdk_stamp"]),
    )
    settings = Settings(
        selectivities=tuple(asked["selectivities"]),
        repeats=asked["repeats"],
        warm_ups=asked["warm_ups"],
        io_bytes=tuple(asked["io_sizes"]),
        queue_depths=tuple(asked["queue_depths"]),
        tune_repeats=asked["tune_repeats"],
        tune_seconds=asked["tune_seconds"],
    )
    work = Measurement(subject, settings, asked["measured_inputs"], force=asked["measure"])
    try:
        check_dataset(asked)
        outcome = converge(work.read, work.plan, work.predict, check=module.check_mode)
    except LabError as error:
        module.fail_json(msg=str(error))
    exit_with(module, outcome, render, label=subject.label, measurement=work.result)


if __name__ == "__main__":
    main()
