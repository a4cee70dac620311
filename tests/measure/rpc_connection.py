"""One RPC connection against one process per RPC, on a target of its own: python tests/measure/rpc_connection.py

Needs root, hugepages, and an installed lab, or HELLO_EBPF_NVMF_TGT and SPDK's scripts/rpc.py as first argument.
Prints the figures as JSON.
"""

from __future__ import annotations

import json
import socket
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import conftest  # noqa: F401  Before all others: it makes them importable.

# isort: split
from ansible.module_utils.hello_ebpf import rpc_bench
from ansible.module_utils.hello_ebpf.jsonrpc import Client

from live_target import LiveTarget

REPEATS = 15


def main() -> None:
    """Start a target, measure, print."""
    rpc_py = sys.argv[1] if sys.argv[1:] else "/opt/hello_ebpf/spdk/current/scripts/rpc.py"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    with tempfile.TemporaryDirectory() as folder, LiveTarget(Path(folder)) as target:
        with Client(str(target.socket)) as client:
            client.call("nvmf_create_transport", {"trtype": "TCP", "c2h_success": False})
        figures = rpc_bench.measure(str(target.socket), rpc_py, address="127.0.0.1", service_id=port, repeats=REPEATS)
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
