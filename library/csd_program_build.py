#!/usr/bin/python
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Ansible module: programs for a computational drive, compiled where they are C, read where they are not."""

from __future__ import annotations

DOCUMENTATION = r"""
module: csd_program_build
short_description: Compile programs for a computational drive, and return them
description:
  - Takes programs from the controller and returns their bytes for M(csd_program). C source is compiled by clang, for
    eBPF v3 with BTF, on the host that the task runs on, usually a builder (C(delegate_to)); it needs C(llvm-strip)
    beside clang. An ELF or a bare instruction stream is taken as it is.
  - Nothing stays on that host, so the task never changes anything, and check mode compiles too. Where clang or
    llvm-strip is not there yet in check mode, the bytes are null, and M(csd_program) predicts a change.
  - The same source, headers and clang give the same bytes. So a changed header or another clang replaces exactly
    those programs whose code becomes another. A comment that moves lines does so too, for a fault is told by its line.
options:
  sources:
    description:
      - Programs on the controller. A relative name is looked up in O(folders), then among the shipped programs
        (src/programs of this project). A name that ends in C(.c) is C source; all others are taken as they are. Every
        program may include the headers that the shipped ones include, C(csd_bpf.h) among them; those in its own folder
        come first.
    type: list
    elements: str
    required: true
  folders:
    description: Folders of the controller in which relative names are looked up; the first that has one counts.
    type: list
    elements: path
    default: []
  machine_code:
    description:
      - Whether O(compiler) makes machine code of them, too, for nodes without a compiler. Not of the shipped programs,
        which come compiled with csd_tgt.
    type: bool
    default: false
  compiler:
    description: csd_compile on the host that the task runs on. Needed for O(machine_code).
    type: path
  own:
    description: Those that are no shipped programs. Filled in by the action plugin; not for playbooks.
    type: list
    elements: str
    default: []
  include:
    description: Folders of the headers. Filled in by the action plugin; not for playbooks.
    type: list
    elements: path
    default: []
  units:
    description: What is to be compiled. Filled in by the action plugin; not for playbooks.
    type: list
    elements: dict
    default: []
    suboptions:
      source:
        description: The name as it was asked for.
        type: str
        required: true
      folder:
        description: Its folder on the controller.
        type: str
        required: true
      name:
        description: Its file name.
        type: str
        required: true
  texts:
    description: Folder to file name to text. Filled in by the action plugin; not for playbooks.
    type: dict
    default: {}
  contents:
    description: What need not be compiled, by name. Filled in by the action plugin; not for playbooks.
    type: dict
    default: {}
attributes:
  check_mode: {support: full, description: "Tells what would be changed, and changes nothing."}
author: the hello_eBPF authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Compile a program on the builder
  csd_program_build:
    sources: [hot.bpf.c]
    folders: ["{{ inventory_dir }}/programs"]
  delegate_to: build1.lab.example
  register: built

- name: It runs in slot 6
  csd_program:
    programs:
      - compute: csd0_compute
        slot: 6
        source: hot.bpf.c
    built: "{{ built.programs }}"
"""

RETURN = r"""
programs:
  description: Each source's bytes (base64; null where it could not be compiled in check mode), digest and size. Those
    that become machine code have it (base64), too, and what made it.
  returned: success
  type: dict
  sample: {hot.bpf.c: {content: f0VMRgIBAQ…, sha256: 5f70bf18…, bytes: 984}}
"""

import base64
import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.hello_ebpf.arguments import arguments
from ansible.module_utils.hello_ebpf.csd_program.compile import (
    Unit,
    compile_elf,
    compile_units,
    identity,
    missing_tool,
)
from ansible.module_utils.hello_ebpf.errors import LabError
from ansible.module_utils.hello_ebpf.plan import errors_told


def main() -> None:
    module = AnsibleModule(arguments(DOCUMENTATION, files=("texts", "contents")), supports_check_mode=True)
    asked = module.params
    units = [Unit(**unit) for unit in asked["units"]]
    programs: dict[str, Any] = {
        source: described(base64.b64decode(content)) for source, content in asked["contents"].items()
    }
    missing = missing_tool()
    if units and module.check_mode and missing:
        module.warn(f"no {missing} on {os.uname().nodename} yet: what it will make is not known")
        programs |= {unit.source: {"content": None, "sha256": None, "bytes": None} for unit in units}
    elif units:
        with errors_told(module), tempfile.TemporaryDirectory(prefix="csd_program_build.") as scratch:
            made = compile_units(units, asked["texts"], asked["include"], Path(scratch))
        for source, compiled in made.items():
            programs[source] = described(compiled.elf)
            if compiled.warnings:
                module.warn(f"clang about {source}: {compiled.warnings}")
    if asked["machine_code"] and asked["own"]:
        add_blobs(module, programs)
    module.exit_json(changed=False, programs=programs)


def add_blobs(module: AnsibleModule, programs: dict[str, Any]) -> None:
    """Machine code, of those that do not come compiled with csd_tgt."""
    compiler = Path(module.params["compiler"] or "csd_compile")
    if module.check_mode and not compiler.exists():
        module.warn(f"no {compiler} on {os.uname().nodename} yet: what it will make is not known")
        return
    with errors_told(module):
        made_by = identity(compiler)
        for source in module.params["own"]:
            elf = base64.b64decode(programs[source]["content"] or "")
            if not elf.startswith(b"\x7fELF"):
                raise LabError(
                    asked=f"compile {source} for nodes without a compiler",
                    found="it is a bare instruction stream, whose geometry is told when it is loaded",
                    fix="make it an ELF (clang -target bpf), or set csd_target_compiler: true",
                )
            blob = base64.b64encode(compile_elf(compiler, source, elf)).decode()
            programs[source] |= {"blob": blob, "made_by": made_by}


def described(content: bytes) -> dict[str, Any]:
    """A program as the module returns it."""
    digest = hashlib.sha256(content).hexdigest()
    return {"content": base64.b64encode(content).decode(), "sha256": digest, "bytes": len(content)}


if __name__ == "__main__":
    main()
