#!/usr/bin/python
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""The example 'minimal' runs, and its line is read from the trace pipe."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ebpf_hello
short_description: The example minimal runs, and its line comes out of the trace pipe
description:
  - Runs the program with a token unique to this run and reads the trace pipe until a line with that token comes.
    Fails where it does not.
  - Changes nothing. Reading the trace pipe takes lines away that other programs printed and nobody has read yet.
options:
  program:
    description: Path of the installed program.
    type: path
    default: /opt/hello_ebpf/examples/bin/minimal
attributes:
  check_mode:
    support: full
    description: A program that is not built yet, and tracefs that is not mounted yet, are named and are no failure.
  diff_mode:
    description: Has nothing to show.
    support: none
author: the hello_eBPF authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: An eBPF program of this lab says hello
  ebpf_hello:
"""

RETURN = r"""
msg:
  description: The line, as the trace pipe gave it.
  returned: always
  type: str
  sample: "minimal-4499 [001] ...21 2369.857506: bpf_trace_printk: hello_ebpf minimal: pid 4499, token 5d1c"
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.hello_ebpf.arguments import arguments
from ansible.module_utils.hello_ebpf.ebpf_hello import Hello
from ansible.module_utils.hello_ebpf.plan import errors_told


def main() -> None:
    module = AnsibleModule(arguments(DOCUMENTATION), supports_check_mode=True)
    hello = Hello(module.run_command, Path(module.params["program"]))
    if module.check_mode and hello.missing:
        module.exit_json(changed=False, msg=f"{', '.join(hello.missing)} will be there; nothing to run yet")
    with errors_told(module):
        line = hello.say()
    module.exit_json(changed=False, msg=line)


if __name__ == "__main__":
    main()
