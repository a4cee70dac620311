#!/usr/bin/python
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Ansible module: the NVMe/TCP target as a supervised service."""

from __future__ import annotations

DOCUMENTATION = r"""
module: csd_target_service
short_description: Keep an SPDK target running
description:
  - Runs an SPDK application as a systemd unit where systemd is PID 1, else under C(daemon) with pidfile, log and
    respawn, and waits until its JSON-RPC answers.
  - Restarts it exactly when the running process is not what is declared (arguments, program file, supervisor), so
    that a run that was cut off between a change and a handler converges all the same.
  - It runs as a user of its own, without capabilities. Systemd's unit closes the rest of the machine to it; under
    C(daemon) there is what a process can give up by itself. What the kernel or a container denies of it is named in a
    warning and in RV(missing), or is an error with O(protection=required).
  - Before anything is changed it refuses a core or an RPC socket that another process holds (naming it), a
    configuration that is not JSON, data that its user may not open, and memory that the hugepage pool does not have.
  - A stale RPC socket (its owner is dead) is no obstacle, SPDK replaces it.
options:
  state:
    description: C(absent) stops the target and removes the service, its log, run folder and configuration.
    choices: [started, absent]
    default: started
    type: str
  name:
    description: Name of the service.
    default: csd_target
    type: str
  program:
    description: Path of the SPDK application. Needed unless O(state=absent).
    type: path
    required: true
  rpc_socket:
    description: Path of the JSON-RPC socket, mode 0660. Its folder is the service's own, mode 0750. Both
      belong to O(user) and O(group).
    type: path
    required: true
  config_file:
    description: JSON configuration loaded at every start; made empty when missing. M(spdk_target) keeps it. It is
      root's, and O(group) may read it.
    type: path
    required: true
  log:
    description: Where the output goes without systemd. With systemd it goes to the journal.
    type: path
    required: true
  user:
    description: Whom it runs as. As V(root) it keeps two capabilities, with O(pci) four.
    type: str
    default: root
  group:
    description: The group whose members reach the RPC socket, and so command the target.
    type: str
    default: root
  data:
    description: Files and block devices that it reads and writes. A file's whole folder is open to it.
    type: list
    elements: path
    default: []
  idle_priority:
    description: Run its reactors only where nothing else wants their cores (SCHED_IDLE).
    type: bool
    default: false
  protection:
    description: What to do where a layer of protection does not hold.
    type: str
    choices: [wanted, required]
    default: wanted
  workers:
    description:
      - Each program in a process of its own, of C(csd_worker), C(csd_spawner) and C(csd_compile) beside O(program),
        which has to be csd_tgt. Before a start it is seen that C(csd_compile) works for O(user); it needs gcc and
        binutils. What was compiled is kept in a folder of O(user) alone, C(/var/cache/hello_ebpf) and O(name).
    type: bool
    default: false
  compiler:
    description:
      - V(false) compiles nothing. It runs what came compiled with O(program), in C(programs/compiled) beside its
        folder, and what the builder made of O(programs) in this run, which is kept in C(/var/lib/hello_ebpf/compiled).
        All else is refused. Only with O(workers).
    type: bool
    default: true
  programs:
    description: The programs that M(csd_program) will be given. Looked at without O(compiler) alone.
    type: list
    elements: dict
    default: []
  built:
    description: What M(csd_program_build) returned as C(programs), by source. Looked at without O(compiler) alone.
    type: dict
    default: {}
  worker_cpus:
    description: CPUs on which programs run; none given are all that no reactor has. Only with O(workers).
    type: list
    elements: int
    default: []
  program_cpu_milliseconds:
    description: CPU time that a command's program may take, 1 to 3600000. Only with O(workers).
    type: int
    default: 10000
  program_faults:
    description: So many faults of a slot's program within a second deactivate the slot, 1 to 16; 0 is never. Only with
      O(workers).
    type: int
    default: 3
  programs_policy:
    description:
      - V(isolated) runs every program that a process can hold, V(verified) those alone that the verifier proves. Only
        with O(workers). A running target that holds others is not restarted with V(verified).
    type: str
    choices: [isolated, verified]
    default: isolated
  rest_microseconds:
    description:
      - How long a reactor without work rests at a time, at most; 0 to 10000, and 0 is never. Only with O(workers).
      - A rest is a hundredth of the time that the reactor has had no work. So a command that comes after a pause waits
        a hundredth of that pause at most, and the reactor leaves its core to others meanwhile.
    type: int
    default: 1000
  core_mask:
    description: Hexadecimal mask of the cores that reactors spin on, with C(0x).
    default: "0x1"
    type: str
  memory_megabytes:
    description: Hugepage memory reserved at start, in MiB, malloc bdevs' included. csd_ram and csd_slm bdevs take
      theirs beside it.
    default: 448
    type: int
  page_kilobytes:
    description: The size of its hugepages, in kB. Free pages of all other sizes are others', and stay theirs. The unit
      hides them from the program; without systemd a start that would take of them is refused.
    default: 2048
    type: int
  pci:
    description: Let SPDK take over PCI devices. Off, it touches none.
    default: false
    type: bool
  share_cores:
    description: Accept cores on which another SPDK application spins.
    default: false
    type: bool
  ready_seconds:
    description: How long RPC may take to answer after a start.
    default: 30
    type: int
  given_before:
    description: Of O(data), the files that a task before this one gives to O(user). Only check mode needs to be told.
    type: list
    elements: path
    default: []
  rebuilt:
    description: A task before this one has installed the program anew, or in check mode would have. Only check mode
      needs to be told, in a run the process shows that its file was replaced.
    default: false
    type: bool
  bdevs:
    description: The bdevs that M(spdk_target) will be given, with the same keys. A start counts the hugepages of the
      csd_ram and csd_slm ones. Where it would bring one in memory back otherwise than declared, it is refused, or with
      O(recreate=lose_data) brings the declared one. They alone are no reason to start anew.
    type: list
    elements: dict
    default: []
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
  recreate:
    description: What to do where one of O(bdevs) is there otherwise, as M(spdk_target) has it.
    type: str
    choices: [never, keep_data, lose_data]
    default: never
author: the hello_eBPF authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Keep the target running
  csd_target_service:
    program: /opt/hello_ebpf/spdk/current/bin/nvmf_tgt
    rpc_socket: /run/hello_ebpf/spdk.sock
    config_file: /etc/hello_ebpf/csd_target.json
    log: /var/log/hello_ebpf/csd_target.log
    core_mask: "0x1"
    memory_megabytes: 448
"""

RETURN = r"""
actions:
  description: The changes made, or in check mode the changes that would be made, in words.
  returned: always
  type: list
  elements: str
missing:
  description: The layers of protection that do not hold of the running process; in check mode of the one that runs now.
  returned: always
  type: list
  elements: str
  sample: [system call filter]
version:
  description: What the target's RPC says of itself; null when it does not run, in check mode as it is now.
  returned: always
  type: str
  sample: SPDK v20.07
supervisor:
  description: What keeps the process running.
  returned: always
  type: str
  sample: Systemd
accounts:
  description: The user that runs it and the group that may command it are there; false after O(state=absent).
  returned: always
  type: bool
"""

import os
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.hello_ebpf.arguments import arguments
from ansible.module_utils.hello_ebpf.plan import converge, errors_told, exit_with
from ansible.module_utils.hello_ebpf.service_access import accounts_are_there
from ansible.module_utils.hello_ebpf.service_unit import Service
from ansible.module_utils.hello_ebpf.spdk_target.tree import declared
from ansible.module_utils.hello_ebpf.supervisors import choose
from ansible.module_utils.hello_ebpf.target_blobs import blobs_of
from ansible.module_utils.hello_ebpf.target_service import (
    SHARED_MEMORY_ID,
    Target,
    TargetService,
    online_cores,
    parse_core_mask,
    render,
)
from ansible.module_utils.hello_ebpf.target_start import Memory, other_pools
from ansible.module_utils.hello_ebpf.target_workers import CACHES, Workers


def main() -> None:
    """Entry point."""
    module = AnsibleModule(arguments(DOCUMENTATION, files=("programs", "built")), supports_check_mode=True)
    # The target has to get through the folders that are made, however closed the calling shell's umask is.
    os.umask(0o022)
    with errors_told(module):
        run(module)


def run(module: AnsibleModule) -> None:
    """Bring the service to its declaration, and end the module."""
    asked = module.params
    workers = workers_of(asked) if asked["workers"] else None
    cores: tuple[int, ...] = ()
    if asked["state"] == "started":
        cores = parse_core_mask(asked["core_mask"], online_cores())
        if workers:
            workers.check(online_cores())
    target = Target(
        rpc_socket=Path(asked["rpc_socket"]),
        config_file=Path(asked["config_file"]),
        cores=cores,
        memory=Memory(asked["memory_megabytes"], asked["page_kilobytes"]),
        ready_seconds=asked["ready_seconds"],
        share_cores=asked["share_cores"],
        state=asked["state"],
        given_before=tuple(map(Path, asked["given_before"])),
        # A file behind an aio bdev is looked at when the bdev is made.
        declared=declared({"bdevs": asked["bdevs"]}, check=True),
        recreate=asked["recreate"],
        workers=workers,
    )
    supervisor = choose(service_of(asked, workers, cores))
    replaced = module.check_mode and asked["rebuilt"]
    work = TargetService(target, supervisor, check=module.check_mode, replaced=replaced)
    outcome = converge(work.read, work.plan, work.predict, check=module.check_mode)
    found = outcome.before if module.check_mode else outcome.after
    if found.missing and not (module.check_mode and outcome.changed):
        said = f"{asked['name']} runs without: {'; '.join(found.missing)}. The kernel, or a container, denies it."
        if asked["protection"] == "required" and not module.check_mode:
            module.fail_json(
                msg=f"Asked: all layers of protection. Found: {said} Do: run it where they can be had, or set "
                "csd_target_protection: wanted."
            )
        module.warn(said)
    exit_with(
        module,
        outcome,
        render,
        missing=found.missing,
        version=found.version,
        supervisor=type(supervisor).__name__,
        accounts=asked["state"] == "started" and accounts_are_there(asked["user"], asked["group"]),
    )


def workers_of(asked: dict[str, Any]) -> Workers:
    """The processes of programs."""
    program, compiles = Path(asked["program"]), asked["compiler"]
    return Workers(
        folder=program.parent,
        cpus=tuple(asked["worker_cpus"]),
        cpu_milliseconds=asked["program_cpu_milliseconds"],
        cache=CACHES / asked["name"] if compiles else None,
        policy=asked["programs_policy"],
        rest_microseconds=asked["rest_microseconds"],
        faults=asked["program_faults"],
        blobs=None if compiles else blobs_of(program, asked["programs"], asked["built"]),
    )


def service_of(asked: dict[str, Any], workers: Workers | None, cores: tuple[int, ...]) -> Service:
    """The target's process."""
    argv = [asked["program"], "-m", asked["core_mask"], "-s", str(asked["memory_megabytes"])]
    argv += ["-r", asked["rpc_socket"], "--json", asked["config_file"]]
    # Unlinked at start, the pages of a killed target go back to the pool by themselves; under a fixed id, its next
    # start takes over its trace buffer, where one named after the process would stay in memory.
    argv += ["--huge-unlink", "--num-trace-entries", "1024", "--shm-id", str(SHARED_MEMORY_ID)]
    if not asked["pci"]:
        argv += ["--no-pci", "--iova-mode", "va"]
    return Service(
        name=asked["name"],
        description="hello_eBPF computational storage target (SPDK NVMe/TCP)",
        argv=(*argv, *(workers.arguments if workers else ())),
        run_folder=Path(asked["rpc_socket"]).parent,
        log=Path(asked["log"]),
        user=asked["user"],
        group=asked["group"],
        data=tuple(map(Path, asked["data"])),
        reads=(Path(asked["config_file"]), *(workers.blobs.folders if workers and workers.blobs else ())),
        hides=other_pools(asked["page_kilobytes"]),
        idle=asked["idle_priority"],
        pci=asked["pci"],
        cache=workers.cache if workers else None,
        starts=workers.programs if workers else (),
        tasks=workers.tasks(cores) if workers else 0,
        dpdk_folder=f"dpdk/spdk{SHARED_MEMORY_ID}",
    )


if __name__ == "__main__":
    main()
