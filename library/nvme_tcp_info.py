#!/usr/bin/python
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Whether this machine's kernel can be an NVMe/TCP host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nvme_tcp_info
short_description: Whether this machine's kernel can be an NVMe/TCP host
description:
  - Reads the running kernel, its configuration and its module tree. Loads nothing, changes nothing.
  - A module that can be loaded counts as usable, and so does one that comes with a package of Ubuntu that apt knows.
  - In a container the modules are the host's, so what counts there is that one is loaded and that its control device
    can be reached.
attributes:
  check_mode: {support: full, description: "Tells what would be changed, and changes nothing."}
  diff_mode:
    description: It changes nothing.
    support: N/A
author: the hello_eBPF authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Ask the kernel
  nvme_tcp_info:
  register: nvme_tcp
"""

RETURN = r"""
kernel:
  description: Release of the running kernel.
  returned: always
  type: str
  sample: 6.1.0-28-amd64
usable:
  description: The kernel can connect, now or after RV(package) is installed and its module loaded.
  returned: always
  type: bool
loaded:
  description: The module is loaded, or built in.
  returned: always
  type: bool
reason:
  description: Why it is usable or not.
  returned: always
  type: str
  sample: "kernel 6.1.0-28-amd64: nvme_tcp is loaded"
fix:
  description: What would make it usable; empty when it is.
  returned: always
  type: str
package:
  description: The package that brings the module for the running kernel; empty where none is needed, or would help.
  returned: always
  type: str
  sample: linux-modules-extra-6.8.0-31-generic
"""

from dataclasses import asdict

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.hello_ebpf.nvme_kernel import probe


def main() -> None:
    module = AnsibleModule({}, supports_check_mode=True)
    module.exit_json(changed=False, **asdict(probe(module.run_command)))


if __name__ == "__main__":
    main()
