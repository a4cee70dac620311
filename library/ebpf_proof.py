#!/usr/bin/python
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""The eBPF toolchain works: a program is compiled, loaded and run."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ebpf_proof
short_description: The eBPF toolchain works, proven by use
description:
  - Compiles a one-instruction eBPF program with clang and libbpf's headers, loads it with bpftool, runs it once on an
    empty packet, and checks what it returned. Fails where one of these fails.
  - Changes nothing. The program is pinned in a mount namespace of its own and is gone when the task ends.
options:
  run_programs:
    description: Load and run the program too. V(false) ends after the compiler.
    type: bool
    default: true
attributes:
  check_mode:
    support: full
    description: Tools that are not installed yet are named, and are no failure.
  diff_mode:
    description: Has nothing to show.
    support: none
author: the hello_eBPF authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: The toolchain works
  ebpf_proof:
"""

RETURN = r"""
msg:
  description: What was proven.
  returned: always
  type: str
  sample: an eBPF program was compiled, loaded and run, and returned 42
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.hello_ebpf.arguments import arguments
from ansible.module_utils.hello_ebpf.ebpf_proof import find_tools, prove
from ansible.module_utils.hello_ebpf.plan import errors_told


def main() -> None:
    module = AnsibleModule(arguments(DOCUMENTATION), supports_check_mode=True)
    tools = find_tools(module.run_command)
    if module.check_mode and tools.missing:
        module.exit_json(changed=False, msg=f"{', '.join(tools.missing)} will be installed; nothing to prove yet")
    with errors_told(module), TemporaryDirectory(prefix="ebpf_proof.") as folder:
        proven = prove(module.run_command, tools, Path(folder), run_programs=module.params["run_programs"])
    module.exit_json(changed=False, msg=proven)


if __name__ == "__main__":
    main()
