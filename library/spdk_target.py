#!/usr/bin/python
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Ansible module: the object tree of an SPDK NVMe-oF target."""

from __future__ import annotations

DOCUMENTATION = r"""
module: spdk_target
short_description: Bring the object tree of an SPDK NVMe-oF target to what is declared
description:
  - Reconciles transports, block devices and subsystems (with hosts, namespaces and listeners) of one running target
    with the declaration, by the fewest RPCs over one connection, and reads the result back.
  - Contradictions in the declaration, a taken port, an object that cannot be altered are refused before any RPC that
    writes. When an RPC fails, those before it are taken back.
  - Objects that are not declared are left alone, unless O(purge=true). Within a declared subsystem,
    O(subsystems[].hosts) and O(subsystems[].listeners), where given, are the whole list, because they decide who
    reaches the data; namespaces that are not declared stay.
  - In check mode a target that does not run is planned for as it will start, with O(config_file) or empty.
  - csd_tgt has three types of bdev more. One is memory for data that programs read where they lie, one stands for
    memory of the drive (a namespace of the command set SLM), one for the slots of programs that run in it
    (Computational Programs). What is in the slots is declared with M(csd_program).
options:
  socket:
    description: The target's JSON-RPC socket.
    type: path
    default: /run/hello_ebpf/spdk.sock
  timeout:
    description: Seconds that one RPC may take.
    type: float
    default: 60
  wait:
    description: Seconds to wait for a target that is just starting.
    type: float
    default: 0
  state:
    description: V(absent) removes the declared subsystems and bdevs, and only those. Transports stay, for SPDK cannot
      remove them. A bdev that an undeclared subsystem uses is refused.
    type: str
    choices: [present, absent]
    default: present
  purge:
    description: Remove subsystems, bdevs, namespaces, hosts and listeners that are not declared. A bdev that a declared
      namespace refers to stays. The contents of purged malloc, csd_ram and csd_slm bdevs and the programs of purged
      csd_compute bdevs are lost.
    type: bool
    default: false
  recreate:
    description:
      - What to do where an object is not as declared and SPDK cannot alter it.
      - V(never) refuses.
      - V(keep_data) makes subsystems, namespaces, aio and null bdevs anew; connected hosts are disconnected.
      - V(lose_data) does so with malloc, csd_ram, csd_slm and csd_compute bdevs too, whose contents and programs are
        lost.
    type: str
    choices: [never, keep_data, lose_data]
    default: never
  config_file:
    description: Keep the target's configuration here (mode 0600, in the form that an SPDK application reads with
      C(--json)), so that it comes back whole after a restart. Its folder must exist.
    type: path
  transports:
    description: Transports. An option that is not given is SPDK's own choice. A transport that runs with another option
      is refused, for SPDK can neither alter nor remove it.
    type: list
    elements: dict
    suboptions:
      type:
        description: The transport type.
        type: str
        choices: [TCP]
        default: TCP
      c2h_success:
        description: Let the last data packet stand for success. Off by default, because SPDK 20.07 then sends no
          completion after data, and results of reading commands are lost.
        type: bool
        default: false
      max_queue_depth:
        description: Largest queue of a connection.
        type: int
      max_io_qpairs_per_ctrlr:
        description: Largest number of I/O queues of a controller.
        type: int
      in_capsule_data_size:
        description: Bytes that travel within a command.
        type: int
      max_io_size:
        description: Largest I/O in bytes.
        type: int
      io_unit_size:
        description: Size of an I/O buffer in bytes.
        type: int
      max_aq_depth:
        description: Largest admin queue.
        type: int
      num_shared_buffers:
        description: Number of I/O buffers.
        type: int
      buf_cache_size:
        description: I/O buffers that each poll group keeps for itself.
        type: int
      dif_insert_or_strip:
        description: Insert and strip protection information.
        type: bool
      sock_priority:
        description: Priority of the sockets.
        type: int
      abort_timeout_sec:
        description: Seconds that an abort waits for its command.
        type: int
      association_timeout:
        description: Milliseconds that a controller may stay without being enabled, or shut down, before its connections
          are ended. csd_tgt has it; its choice is two minutes.
        type: int
      max_connections:
        description: Connections that there may be; one more is closed at once. csd_tgt has it; its choice is 384.
        type: int
      max_connections_per_host:
        description: Connections that one host NQN may have in subsystems. csd_tgt has it; its choice is 160.
        type: int
      max_pending_connections:
        description: Connections of each reactor that are in no subsystem yet; for one more the oldest goes, of the same
          address where that has a quarter of them. csd_tgt has it; its choice is 128.
        type: int
      connect_timeout:
        description: Milliseconds that a connection has until its Connect is answered. csd_tgt has it; its choice is ten
          seconds.
        type: int
      transfer_timeout:
        description: Milliseconds that the data of a command may be under way without moving. csd_tgt has it; its choice
          is 30 seconds.
        type: int
      max_buffers_per_host:
        description: Of O(transports[].num_shared_buffers), how many one host's commands may hold. csd_tgt has it; its
          choice is half of them.
        type: int
  bdevs:
    description: Block devices.
    type: list
    elements: dict
    suboptions:
      name:
        description: Its name inside the target.
        type: str
        required: true
      type:
        description: V(malloc) is memory, V(aio) a file or block device, V(null) drops writes and reads nothing. csd_tgt
          has V(csd_ram), memory that programs read where it lies, V(csd_slm), memory of the drive, and V(csd_compute),
          slots for programs. V(malloc) takes of what the target took at its start; V(csd_ram) and V(csd_slm) take
          free hugepages of 2 MiB beside that, and ordinary memory where they are too few.
        type: str
        choices: [malloc, csd_ram, aio, 'null', csd_slm, csd_compute]
        required: true
      size_megabytes:
        description: Size in MiB. Either this or O(bdevs[].blocks), except for V(aio), whose size is its file's; where
          it is given for V(aio), it is checked. Not for V(csd_compute).
        type: int
      blocks:
        description: Size in blocks. For V(malloc), V(csd_ram), V(aio) and V(null).
        type: int
      block_size:
        description: Bytes of a block, 512 where it is not given. For V(malloc), V(csd_ram) (512 or 4096), V(aio) and
          V(null).
        type: int
      uuid:
        description: Its UUID. SPDK makes one up where none is given. Not for V(aio), where SPDK takes none.
        type: str
      filename:
        description: Absolute path of the file or block device, for V(aio). It is never made or resized.
        type: path
      slots:
        description: Programs that can be loaded at a time, for V(csd_compute). csd_tgt makes 16 where it is not given;
          so it does with what follows.
        type: int
      max_active:
        description: Programs that can be active at a time, for V(csd_compute). All slots where it is not given.
        type: int
      max_range_sets:
        description: Memory range sets, for V(csd_compute).
        type: int
      max_program_bytes:
        description: Bytes of one program, for V(csd_compute).
        type: int
      max_total_bytes:
        description: Bytes of all programs, for V(csd_compute). Whole MiB.
        type: int
      program_type:
        description: The program type (PTYPE) that stands for eBPF, for V(csd_compute).
        type: int
  subsystems:
    description: NVM subsystems.
    type: list
    elements: dict
    suboptions:
      nqn:
        description: Its NVMe Qualified Name.
        type: str
        required: true
      serial:
        description: Serial number, at most 20 characters.
        type: str
      model:
        description: Model number, at most 40 characters.
        type: str
      max_namespaces:
        description: Highest namespace id. With 0 it grows as needed, but not while hosts are connected.
        type: int
      allow_any_host:
        description: Let every host connect.
        type: bool
        default: false
      hosts:
        description:
          - The hosts that may connect. The whole list, where given. Connections that a host has when it is taken off
            the list stay until they end.
          - Each is an NQN, or a mapping of C(nqn) and C(programs). C(programs) is V(load), where the host may load,
            activate, deactivate and unload programs and run them, or V(run), where it may only run what is there
            (memory range sets, Execute Program, Scan). What it may not is answered with Operation Denied (00h/15h).
            Without C(programs) O(subsystems[].programs) holds.
        type: list
        elements: raw
        # Of those that are a mapping; Ansible itself does not look into what is raw.
        suboptions:
          nqn:
            description: The host's NQN.
            type: str
            required: true
          programs:
            description: What it may do with programs.
            type: str
            choices: [load, run]
      programs:
        description: What hosts may do with programs of which nothing else is said, those among them that
          O(subsystems[].allow_any_host) lets in. Only csd_tgt has programs.
        type: str
        choices: [load, run]
        default: load
      namespaces:
        description: Namespaces.
        type: list
        elements: dict
        suboptions:
          nsid:
            description: Namespace id.
            type: int
            required: true
          bdev:
            description: The block device, declared under O(bdevs) or already on the target.
            type: str
            required: true
          uuid:
            description: Its UUID, as hosts see it. The bdev's where none is given.
            type: str
          nguid:
            description: Its NGUID, 32 hexadecimal digits.
            type: str
          eui64:
            description: Its EUI-64, 16 hexadecimal digits.
            type: str
      listeners:
        description: Addresses at which it is reached. The whole list, where given.
        type: list
        elements: dict
        suboptions:
          transport:
            description: Transport type.
            type: str
            choices: [TCP]
            default: TCP
          family:
            description: Address family. Follows from the address where it is not given.
            type: str
            choices: [ipv4, ipv6]
          address:
            description: IP address of this machine.
            type: str
            required: true
          service_id:
            description: TCP port.
            type: str
            default: '4420'
author: the hello_eBPF authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: A memory-backed namespace that one host may use, over loopback
  spdk_target:
    transports:
      - type: TCP
    bdevs:
      - name: csd0_data
        type: malloc
        size_megabytes: 512
    subsystems:
      - nqn: nqn.2026-11.io.hello-ebpf:csd0
        serial: HELLOEBPF0000001
        hosts: [nqn.2026-11.io.hello-ebpf:host0]
        namespaces:
          - nsid: 1
            bdev: csd0_data
            uuid: 6c1f2d7e-5a0b-4c6e-9a57-0e8bff0e0001
        listeners:
          - address: 127.0.0.1
    config_file: /etc/hello_ebpf/csd_target.json

- name: A drive that programs run in, on csd_tgt
  spdk_target:
    bdevs:
      - name: csd0_data
        type: csd_ram
        size_megabytes: 512
      - name: csd0_memory
        type: csd_slm
        size_megabytes: 64
      - name: csd0_compute
        type: csd_compute
    subsystems:
      - nqn: nqn.2026-11.io.hello-ebpf:csd0
        max_namespaces: 16
        namespaces:
          - nsid: 1
            bdev: csd0_data
          - nsid: 2
            bdev: csd0_memory
          - nsid: 3
            bdev: csd0_compute

- name: Take the same away again, and nothing else
  spdk_target:
    bdevs:
      - name: csd0_data
        type: csd_ram
    subsystems:
      - nqn: nqn.2026-11.io.hello-ebpf:csd0
    state: absent
"""

RETURN = r"""
actions:
  description: The changes made, or in check mode the changes that would be made, in words.
  returned: always
  type: list
  elements: str
rpcs:
  description: The RPCs sent that write, or in check mode those that would be sent, each with its method and params.
  returned: always
  type: list
  elements: dict
tree:
  description: The transports, bdevs and subsystems of the target, and the rights on its programs, read back; in check
    mode, as predicted.
  returned: always
  type: dict
foreign:
  description: What the target holds that is not declared.
  returned: always
  type: list
  elements: str
  sample: ['subsystem nqn.2019-01.com.example:other', bdev other]
target_running:
  description: Whether a target answered. It need not in check mode, and not with O(state=absent).
  returned: always
  type: bool
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.hello_ebpf.arguments import arguments
from ansible.module_utils.hello_ebpf.errors import LabError
from ansible.module_utils.hello_ebpf.plan import converge, errors_told, exit_with
from ansible.module_utils.hello_ebpf.spdk_target.goal import Options, foreign
from ansible.module_utils.hello_ebpf.spdk_target.reconcile import Reconciler, connected
from ansible.module_utils.hello_ebpf.spdk_target.tree import as_data, declared


def main() -> None:
    """Entry point."""
    module = AnsibleModule(arguments(DOCUMENTATION), supports_check_mode=True)
    params = module.params
    options = Options(params["state"] == "absent", params["purge"], params["recreate"])
    with errors_told(module):
        if options.absent and options.purge:
            fix = "for an empty target use purge alone"
            raise LabError("state: absent with purge: true", "two contrary requests", fix)
        asked = declared(params, check=module.check_mode)
        with connected(module, absent=options.absent) as client:
            work = Reconciler(client, asked, options, params["config_file"], module.check_mode)
            outcome = converge(work.read, work.plan, work.predict, check=module.check_mode)
    exit_with(
        module,
        outcome,
        work.render,
        rpcs=[call.as_dict() for call in work.planned],
        tree=as_data(outcome.after.tree),
        foreign=foreign(outcome.after.tree, asked),
        target_running=client is not None,
    )


if __name__ == "__main__":
    main()
