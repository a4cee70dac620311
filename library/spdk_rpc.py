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


from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.hello_ebpf.arguments import arguments
from ansible.module_utils.hello_ebpf.jsonrpc import Call, Client, NoTargetError
from ansible.module_utils.hello_ebpf.plan import errors_told
from ansible.module_utils.hello_ebpf.spdk_target.reconcile import refuse_false


def main() -> None:
    module = AnsibleModule(arguments(DOCUMENTATION), supports_check_mode=True)
    asked = module.params
    call, changes = Call(asked["method"], asked["params"]), asked["changes"]
    sent, result = False, None
    if not (changes and module.check_mode):
        with errors_told(module):
            sent, result = send(asked, call, check=module.check_mode)
            if changes:
                refuse_false(call, result)
    diff = {"before": f"not sent: {call}\n", "after": f"sent: {call}\n"} if changes else {"before": "", "after": ""}
    actions = [f"call {call}"] if changes else []
    module.exit_json(changed=changes, actions=actions, diff=diff, result=result, sent=sent)


def send(asked: dict[str, Any], call: Call, *, check: bool) -> tuple[bool, Any]:
    """Send a call: whether it was sent, and the answer."""
    try:
        with Client(asked["socket"], timeout=asked["timeout"], wait=asked["wait"]) as client:
            return True, client.call(call.method, call.params)
    except NoTargetError:
        # In check mode the target may be one that this very play would have started.
        if check:
            return False, None
        raise


if __name__ == "__main__":
    main()
