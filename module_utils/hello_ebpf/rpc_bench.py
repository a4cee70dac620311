# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""What one connection saves: the lab's objects configured by us, and by one process per RPC with SPDK's rpc.py.

Measured on a running target, beside its own objects: the names below are reserved for it, and what a run that was
cut off has left is removed before the next.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .bench import spread
from .errors import LabError
from .jsonrpc import Client
from .plan import Outcome, converge
from .spdk_target.bdevs import Bdev
from .spdk_target.goal import SCRATCH_BDEV, SCRATCH_NQN, Options
from .spdk_target.reconcile import Found, Reconciler
from .spdk_target.subsystems import Listener, Namespace, Subsystem
from .spdk_target.tree import Tree

HOST = "nqn.2026-11.io.hello-ebpf:rpc-bench-host"
SERIAL = "RPCBENCH"
MODEL = "hello_eBPF CSD"
UUID = "6c1f2d7e-5a0b-4c6e-9a57-0e8bff0ebe0c"
# Small, so that what is measured is the RPCs: clearing a bdev's memory is the target's work and the same either way.
MEGABYTES = 8
BLOCK_SIZE = 512
REPEATS_MIN = 5


def scratch_tree(address: str, service_id: str) -> Tree:
    """The lab's default objects under reserved names. Its transport is the target's own, which cannot be made twice."""
    family = "ipv6" if ":" in address else "ipv4"
    return Tree(
        bdevs={SCRATCH_BDEV: Bdev(SCRATCH_BDEV, "malloc", BLOCK_SIZE, MEGABYTES * 2**20 // BLOCK_SIZE)},
        subsystems={
            SCRATCH_NQN: Subsystem(
                SCRATCH_NQN,
                SERIAL,
                MODEL,
                hosts=(HOST,),
                namespaces=(Namespace(1, SCRATCH_BDEV, UUID),),
                listeners=(Listener("TCP", family, address, service_id),),
            )
        },
    )


def rpc_py_arguments(address: str, service_id: str) -> list[list[str]]:
    """The same objects as arguments of rpc.py, one process each. Reading the transports stands for creating one."""
    family = "ipv6" if ":" in address else "ipv4"
    return [
        ["nvmf_get_transports"],
        ["bdev_malloc_create", "-b", SCRATCH_BDEV, str(MEGABYTES), str(BLOCK_SIZE)],
        ["nvmf_create_subsystem", SCRATCH_NQN, "-s", SERIAL, "-d", MODEL],
        ["nvmf_subsystem_add_ns", SCRATCH_NQN, SCRATCH_BDEV, "-n", "1", "-u", UUID],
        ["nvmf_subsystem_add_host", SCRATCH_NQN, HOST],
        ["nvmf_subsystem_add_listener", SCRATCH_NQN, "-t", "tcp", "-f", family, "-a", address, "-s", service_id],
    ]


def measure(path: str, rpc_py: str, *, address: str, service_id: str, repeats: int) -> dict[str, Any]:
    """Configure and remove the objects in both ways, in turns.

    Args:
        path: the target's RPC socket.
        rpc_py: SPDK's scripts/rpc.py of the target's version.
        address: an address of this machine that the scratch subsystem listens at while it is there.
        service_id: a free port at it.
        repeats: how often.

    Raises:
        LabError: it cannot be measured, with the reason.
    """
    if repeats < REPEATS_MIN:
        raise LabError(f"{repeats} repeats", f"a median needs {REPEATS_MIN}", f"ask for at least {REPEATS_MIN}")
    if not Path(rpc_py).is_file():
        raise LabError(f"a measurement with {rpc_py}", "no such file", "name scripts/rpc.py of the installed SPDK")
    asked = scratch_tree(address, service_id)
    commands = [[sys.executable, rpc_py, "-s", path, *words] for words in rpc_py_arguments(address, service_id)]
    python_start, one_connection, process_per_rpc = [], [], []
    remove(path, asked)
    try:
        for _ in range(repeats):
            python_start.append(_seconds(lambda: _run([sys.executable, "-c", "pass"])))
            one_connection.append(_seconds(lambda: configure(path, asked)))
            remove(path, asked)
            process_per_rpc.append(_seconds(lambda: _run(*commands)))
            # Both ways must have led to the same objects, or the figures compare nothing.
            if configure(path, asked).changed:
                raise LabError("the same objects in both ways", "rpc.py made others", "use the rpc.py of this SPDK")
            remove(path, asked)
    finally:
        remove(path, asked)
    start, one, each = map(spread.of, (python_start, one_connection, process_per_rpc))
    return {
        "rpcs": len(commands),
        "bdev_megabytes": MEGABYTES,
        "repeats": repeats,
        "one_connection_s": _rounded(one),
        "process_per_rpc_s": _rounded(each),
        "python_start_s": _rounded(start),
        "ratio": round(each["median"] / one["median"], 2),
        "ratio_with_python_start": round(each["median"] / (one["median"] + start["median"]), 2),
    }


def configure(path: str, asked: Tree) -> Outcome[Found]:
    """Make the scratch objects."""
    return _reconcile(path, asked, Options(), check=False)


def remove(path: str, asked: Tree, *, check: bool = False) -> Outcome[Found]:
    """Remove the scratch objects, where there are any."""
    return _reconcile(path, asked, Options(absent=True), check=check)


def _reconcile(path: str, asked: Tree, options: Options, *, check: bool) -> Outcome[Found]:
    """What spdk_target does, reading before and after included."""
    with Client(path) as client:
        work = Reconciler(client, asked, options)
        return converge(work.read, work.plan, work.predict, check=check)


def _seconds(act: Callable[[], object]) -> float:
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def _run(*commands: Sequence[str]) -> None:
    """Run commands one after the other, each of which must succeed."""
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        if done.returncode:
            reason = f"exit code {done.returncode}: {done.stderr.strip()[-500:]}"
            raise LabError(" ".join(command), reason, "mend the cause, then measure again")


def _rounded(seconds: spread.Spread) -> dict[str, float]:
    return {name: round(value, 6) for name, value in seconds.items()}
