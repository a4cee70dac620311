#!/usr/bin/python
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Ansible module: one JSON-RPC method of an SPDK target."""

from __future__ import annotations

DOCUMENTATION = r"""
module: spdk_rpc
short_description: Call one JSON-RPC method of an SPDK target
description:
  - For what no other module covers. What is a resource with a state (subsystems, bdevs, listeners) is better declared
    with M(spdk_target).
  - In check mode a call that only reads is sent where a target runs; where none does, its result is null.
options:
  method:
    description: Name of the method, as C(rpc_get_methods) lists it.
    type: str
    required: true
  params:
    description: Parameters of the method. Those with a name like C(key), C(psk), C(secret), C(password) are not shown.
    type: dict
    default: {}
  changes:
    description: Whether the call changes the target. Such a call counts as changed, and is not sent in check mode.
    type: bool
    default: false
  socket:
    description: The target's JSON-RPC socket.
    type: path
    default: /run/hello_ebpf/spdk.sock
  timeout:
    description: Seconds that the call may take.
    type: float
    default: 60
  wait:
    description: Seconds to wait for a target that is just starting.
    type: float
    default: 0
author: the hello_eBPF authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Read the counters of the target's poll groups
  spdk_rpc:
    method: nvmf_get_stats
  register: stats

- name: Limit the I/O of a bdev
  spdk_rpc:
    method: bdev_set_qos_limit
    params:
      name: csd0_data
      rw_mbytes_per_sec: 100
    changes: true
"""

RETURN = r"""
actions:
  description: The call, when it is one that changes.
  returned: always
  type: list
  elements: str
result:
  description: The target's answer; null when the call was not sent.
  returned: always
  type: raw
sent:
  description: Whether the call was sent.
  returned: always
  type: bool
"""


from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.hello_ebpf.arguments import arguments
from ansible.module_utils.hello_ebpf.jsonrpc import Call
from ansible.module_utils.hello_ebpf.plan import converge, errors_told, exit_with
from ansible.module_utils.hello_ebpf.single_rpc import SingleRpc


def main() -> None:
    """Entry point."""
    module = AnsibleModule(arguments(DOCUMENTATION), supports_check_mode=True)
    asked = module.params
    call = Call(asked["method"], asked["params"])
    work = SingleRpc(
        asked["socket"],
        call,
        asked["changes"],
        check=module.check_mode,
        timeout=asked["timeout"],
        wait=asked["wait"],
    )
    with errors_told(module):
        outcome = converge(work.read, work.plan, work.predict, check=module.check_mode)
    exit_with(module, outcome, work.render, result=work.result, sent=work.sent)


if __name__ == "__main__":
    main()
