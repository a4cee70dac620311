#!/usr/bin/python
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Ansible module: what one RPC connection saves over one process per RPC."""

from __future__ import annotations

DOCUMENTATION = r"""
module: spdk_rpc_bench
short_description: Measure one RPC connection against one process per RPC
description:
  - Configures and removes a subsystem with bdev, namespace, host and listener on a running target in turns, with the
    project's own client over one connection (reading before and after included) and with SPDK's C(rpc.py), one process
    for each RPC.
  - The target's own objects are not touched. The subsystem V(nqn.2026-11.io.hello-ebpf:rpc-bench) and the bdev
    V(rpc_bench_data) are reserved for this; what a measurement that was cut off has left is removed by the next one, or
    by O(state=absent).
  - Leaves nothing behind, so it never counts as changed. In check mode nothing is measured.
options:
  socket:
    description: The target's JSON-RPC socket.
    type: path
    default: /run/hello_ebpf/spdk.sock
  rpc_py:
    description: SPDK's C(scripts/rpc.py), of the version that runs.
    type: path
    default: /opt/hello_ebpf/spdk/current/scripts/rpc.py
  address:
    description: Address of this machine to listen at meanwhile.
    type: str
    default: 127.0.0.1
  service_id:
    description: A free TCP port at it.
    type: str
    default: '4429'
  repeats:
    description: How often, at least 5.
    type: int
    default: 7
  state:
    description: V(absent) measures nothing, and removes what a measurement that was cut off has left.
    type: str
    choices: [measured, absent]
    default: measured
author: the hello_eBPF authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Measure what one RPC connection saves
  spdk_rpc_bench:
    repeats: 9
  register: measured
"""

RETURN = r"""
actions:
  description: With O(state=absent), what was removed, or in check mode would be, in words.
  returned: always
  type: list
  elements: str
rpc:
  description: The figures; null in check mode and with O(state=absent).
  returned: always
  type: dict
  contains:
    rpcs:
      description: How many RPCs, and so processes, rpc.py takes.
      type: int
    bdev_megabytes:
      description: Size of the bdev, small because clearing memory is the target's work and the same either way.
      type: int
    repeats:
      description: How often each way was measured.
      type: int
    one_connection_s:
      description: Seconds over one connection (min, median, max).
      type: dict
    process_per_rpc_s:
      description: Seconds with one process per RPC (min, median, max).
      type: dict
    python_start_s:
      description: Seconds that an empty Python process takes (min, median, max).
      type: dict
    ratio:
      description: Median of the second to median of the first.
      type: float
    ratio_with_python_start:
      description: The same, with one start of Python added to the first.
      type: float
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.hello_ebpf import rpc_bench
from ansible.module_utils.hello_ebpf.arguments import arguments
from ansible.module_utils.hello_ebpf.jsonrpc import NoTargetError
from ansible.module_utils.hello_ebpf.plan import Outcome, errors_told


def main() -> None:
    module = AnsibleModule(arguments(DOCUMENTATION), supports_check_mode=True)
    asked = module.params
    figures, actions = None, []
    with errors_told(module):
        if asked["state"] == "absent":
            actions = removed(asked["socket"], asked["address"], asked["service_id"], check=module.check_mode)
        elif not module.check_mode:
            figures = rpc_bench.measure(
                asked["socket"],
                asked["rpc_py"],
                address=asked["address"],
                service_id=asked["service_id"],
                repeats=asked["repeats"],
            )
    shown = {"before": "".join(f"to do: {action}\n" for action in actions), "after": ""}
    module.exit_json(changed=bool(actions), actions=actions, diff=shown, rpc=figures)


def removed(socket: str, address: str, service_id: str, *, check: bool) -> list[str]:
    """Remove the scratch objects; what does not run has none."""
    try:
        outcome: Outcome[Any] = rpc_bench.remove(socket, rpc_bench.scratch_tree(address, service_id), check=check)
    except NoTargetError:
        return []
    return outcome.actions


if __name__ == "__main__":
    main()
