#!/usr/bin/python
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Ansible module: eBPF programs in the slots of a computational drive."""

from __future__ import annotations

DOCUMENTATION = r"""
module: csd_program
short_description: eBPF programs are in the slots of a computational drive, by digest
description:
  - Brings slots of csd_tgt's compute namespaces to what is declared, over the target's JSON-RPC, and reads them back. A
    program stays untouched as long as its bytes are the same.
  - Another program takes the place of the one that is there by deactivate, unload, load and activate. When the target
    refuses it, everything is put back as it was, and the error tells the verifier's reason.
  - One call takes all programs of a target.
  - In check mode a target that does not run is planned for as it will start, with O(config_file) or empty.
options:
  programs:
    description: The programs. Slots that are not named are left alone, unless O(purge=true).
    type: list
    elements: dict
    required: true
    suboptions:
      compute:
        description: The compute namespace, by the name of its bdev.
        type: str
        required: true
      slot:
        description: The slot (program index, PIND).
        type: int
        required: true
      source:
        description: The program, by its name in O(built). Either this or O(programs[].path).
        type: str
      path:
        description: The program, as a file of the managed host (eBPF ELF, or a bare instruction stream).
        type: path
      state:
        description: V(active) is loaded and can be run, V(present) is loaded and cannot, V(absent) is an empty slot.
        type: str
        choices: [active, present, absent]
        default: active
      program_type:
        description: Program type (PTYPE). The namespace's own for eBPF where it is not given.
        type: int
      pid:
        description: Program identifier (PID) that hosts read in the program list.
        type: int
      record_bytes:
        description: Bytes of a record. This and the following are for a bare instruction stream, which cannot tell them
          itself; an ELF does.
        type: int
      stride_bytes:
        description: Bytes from one record to the next.
        type: int
      state_bytes:
        description: Bytes of the program's state.
        type: int
      emit:
        description: What is returned for a kept record.
        type: str
        choices: [record, offset, nothing]
  built:
    description: What M(csd_program_build) returned as C(programs), by source.
    type: dict
    default: {}
  purge:
    description: Empty all slots that are not declared, in every compute namespace of the target.
    type: bool
    default: false
  config_file:
    description: Keep the target's configuration here, programs included, so that it comes back with them after a
      restart. The same file as M(spdk_target)'s.
    type: path
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
attributes:
  check_mode: {support: full, description: "Tells what would be changed, and changes nothing."}
  diff_mode: {support: full, description: "Shows what is before and after, as text."}
author: the hello_eBPF authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Compile a program on the builder
  csd_program_build:
    sources: [hot.bpf.c]
    folders: ["{{ inventory_dir }}/programs"]
  delegate_to: build1.lab.example
  register: built

- name: It can be run in slot 6, and is there again after a restart
  csd_program:
    programs:
      - compute: csd0_compute
        slot: 6
        source: hot.bpf.c
    built: "{{ built.programs }}"
    config_file: /etc/hello_ebpf/csd_target.json

- name: A program of the managed host is loaded, but cannot be run yet
  csd_program:
    programs:
      - compute: csd0_compute
        slot: 7
        path: /opt/hello_ebpf/csd_target/programs/top.bpf.o
        state: present

- name: Slot 6 is empty
  csd_program:
    programs:
      - compute: csd0_compute
        slot: 6
        state: absent
"""

RETURN = r"""
actions:
  description: The changes made, or in check mode the changes that would be made, in words.
  returned: always
  type: list
  elements: str
  sample: [load hot.bpf.c into slot 6 of csd0_compute, activate slot 6 of csd0_compute]
programs:
  description: Every slot of the target that is not empty, read back; in check mode, as predicted.
  returned: always
  type: list
  elements: dict
  sample: [{compute: csd0_compute, slot: 6, state: active, sha256: 5f70bf18…, bytes: 984, engine: worker}]
target_running:
  description: Whether a target answered. It need not in check mode.
  returned: always
  type: bool
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.hello_ebpf.arguments import arguments
from ansible.module_utils.hello_ebpf.csd_program.programs import declared
from ansible.module_utils.hello_ebpf.csd_program.reconcile import Programs
from ansible.module_utils.hello_ebpf.csd_program.slots import Drive
from ansible.module_utils.hello_ebpf.plan import converge, errors_told, exit_with
from ansible.module_utils.hello_ebpf.spdk_target.reconcile import connected


def main() -> None:
    """Entry point."""
    module = AnsibleModule(arguments(DOCUMENTATION, files=("built",)), supports_check_mode=True)
    params = module.params
    with errors_told(module):
        asked = declared(params["programs"], params["built"], check=module.check_mode)
        with connected(module) as client:
            work = Programs(client, asked, params["purge"], params["config_file"], module.check_mode)
            outcome = converge(work.read, work.plan, work.predict, check=module.check_mode)
    exit_with(module, outcome, work.render, programs=listed(outcome.after.drive), target_running=client is not None)


def listed(drive: Drive) -> list[dict[str, Any]]:
    """The slots as the module returns them."""
    return [
        {**place._asdict(), "state": slot.state, "sha256": slot.sha256, "bytes": slot.size, **slot.facts}
        for place, slot in sorted(drive.slots.items())
    ]


if __name__ == "__main__":
    main()
