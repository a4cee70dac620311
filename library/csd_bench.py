#!/usr/bin/python
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Ansible module: one host against one namespace: baseline, offload and standard flow."""

from __future__ import annotations

DOCUMENTATION = r"""
module: csd_bench
short_description: Measure baseline, offload and standard flow of one host against one namespace
description:
  - The same programs in up to three ways. C(baseline) reads the whole data set and runs the program on the host;
    C(offload) lets the drive run it by scan commands; C(slm) takes the standard flow of SLM Copy, Execute Program and
    SLM Read. Each at the fastest setting of those given; the ways take turns. Returned as data, for M(csd_report).
  - It is measured only when it has to be. The inputs of a measurement are the data set's digest, the program's, those
    of the programs in the drive, the SPDK build, the place and the settings; where these are the ones that
    O(measured_inputs) tells, nothing runs.
  - A repeat whose result differs from the known answer fails. The answer comes from the generator, without any device.
  - Bytes on the wire are C(nvme_tcp_trace)'s, in a run of its own, so that counting does not slow what is timed; where
    that is not there, the kernel's own counters of the connections. The target's CPU time is what its reactors were
    busy with, told by its RPC socket; it is null where the target is on another machine.
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
  ways:
    description: >-
      What is measured. Without O(programs), and on a file of a mounted file system, the baseline alone: programs run
      on a namespace.
    type: list
    elements: str
    choices: [baseline, offload, slm]
    default: [baseline, offload, slm]
  programs:
    description: >-
      Slots of the compute namespace by program: C(threshold), C(search), C(aggregate), C(histogram), C(sample), C(top).
      Empty: the target runs none.
    type: dict
    default: {}
  compute_nsid:
    description: Namespace id of the compute namespace.
    type: int
    default: 3
  slm_nsid:
    description: Namespace id of the SLM namespace.
    type: int
    default: 2
  range_sizes:
    description: Offload. Sizes to try of the range that one scan goes through, in bytes.
    type: list
    elements: int
    default: [1048576, 8388608, 16777216]
  range_depths:
    description: Offload. Numbers of scans at a time to try.
    type: list
    elements: int
    default: [1, 2, 4, 8, 16]
  chunk_sizes:
    description: Standard flow. Sizes to try of the chunk that is copied and executed at a time, in bytes.
    type: list
    elements: int
    default: [1048576, 4194304]
  chunk_depths:
    description: Standard flow. Numbers of chunks at a time to try.
    type: list
    elements: int
    default: [1, 2, 4]
  phase_program:
    description: The threshold program's file, for the times of load, verification, execution and result.
    type: path
    default: /opt/hello_ebpf/csd_target/programs/threshold.bpf.o
  phase_repeats:
    description: Passes of those.
    type: int
    default: 5
  trace:
    description: The program that counts bytes on the wire.
    type: path
    default: /opt/hello_ebpf/examples/bin/nvme_tcp_trace
  program_bench:
    description: The program that measures what programs cost, used where the target's address is one of this host's.
    type: path
    default: /opt/hello_ebpf/csd_target/bin/csd_program_bench
  engine_megabytes:
    description: Memory that it goes through, in MiB. Many times what any cache holds, so that memory is what is read.
    type: int
    default: 128
  link_mbits:
    description: >-
      Rates to which the interface to the target is shaped, for the threshold runs to be repeated over each. The
      interface is as before afterwards, whatever happens. Refused, before anything is measured, where the kernel
      cannot shape.
    type: list
    elements: int
    default: []
  link_repeats:
    description: Timed passes of those.
    type: int
    default: 2
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
  if_unavailable:
    description: >-
      What to do where the target, the device or the program is not there. V(fail), or V(report): return the reason as
      C(unavailable), so that one target that is down does not keep a host from the others.
    type: str
    choices: [fail, report]
    default: fail
  unavailable:
    description: Why the place cannot be measured, as M(csd_dataset) returned it. Nothing is measured then.
    type: str
    default: ''
attributes:
  check_mode: {support: full, description: "Tells what would be changed, and changes nothing."}
  diff_mode: {support: full, description: "Shows what is before and after, as text."}
author: the hello_eBPF authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Baseline, offload and standard flow are measured
  csd_bench:
    initiator: spdk
    address: 127.0.0.1
    subsystem_nqn: nqn.2026-11.io.hello-ebpf:csd0
    host_nqn: nqn.2026-11.io.hello-ebpf:host0
    records: 4194304
    seed: 1
    host_name: "{{ inventory_hostname }}"
    programs: {threshold: 0, aggregate: 2}
    measured_inputs: "{{ report.inputs }}"
  register: measurement
"""

RETURN = r"""
actions:
  description: The measurement, or in check mode the one that would be made, with the reason.
  returned: success
  type: list
  elements: str
  sample: ["measure the baseline and offload and the standard flow of localhost -> nqn... (there is no report of it)"]
host:
  description: The host's name in the report.
  returned: success
  type: str
label:
  description: Names the pair of host and target in a report.
  returned: success
  type: str
  sample: localhost -> nqn.2026-11.io.hello-ebpf:csd0 namespace 1 at 127.0.0.1 port 4420
place:
  description: The namespace and who reads it.
  returned: success
  type: dict
unavailable:
  description: Why it could not be measured; empty where it could.
  returned: success
  type: str
measurement:
  description: What was measured, in the report's terms; empty where nothing was.
  returned: success
  type: dict
  contains:
    runs:
      description: One entry for each way, program and selectivity, as in the report.
      type: list
    settings:
      description: What was tried, how fast each was, and what was chosen.
      type: dict
    inputs:
      description: What it was measured from.
      type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.hello_ebpf.arguments import arguments
from ansible.module_utils.hello_ebpf.bench.arguments import check_dataset, errors_told, program_of
from ansible.module_utils.hello_ebpf.bench.measurement import Measurement, render
from ansible.module_utils.hello_ebpf.bench.ratios import label_of
from ansible.module_utils.hello_ebpf.plan import converge, exit_with


def main() -> None:
    """Entry point."""
    module = AnsibleModule(arguments(DOCUMENTATION, files=("measured_inputs",)), supports_check_mode=True)
    asked = module.params
    program = program_of(asked)
    label = label_of({"host": asked["host_name"], "target": program.place})
    who = {"label": label, "host": asked["host_name"], "place": program.place.identity()}
    if asked["unavailable"]:
        module.exit_json(changed=False, actions=[], measurement={}, unavailable=asked["unavailable"], **who)
    with errors_told(module, measurement={}, **who):
        check_dataset(asked)
        work = Measurement(program, asked)
        outcome = converge(work.read, work.plan, work.predict, check=module.check_mode)
    exit_with(module, outcome, render, measurement=work.result, unavailable="", **who)


if __name__ == "__main__":
    main()
