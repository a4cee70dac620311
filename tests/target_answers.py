# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""A target that was started answers RPC, which SPDK does once its saved configuration is loaded."""

from __future__ import annotations

import subprocess
from pathlib import Path

from ansible.module_utils.hello_ebpf.errors import LabError
from ansible.module_utils.hello_ebpf.jsonrpc import Client

from waiting import until


def wait_for_rpc(process: subprocess.Popen[bytes], socket: Path, log: Path) -> None:
    """Wait until it answers. The end of its log is in the error when it ends, or never does."""

    def answers() -> bool:
        assert process.poll() is None, f"the target ended with {process.returncode}\n{end_of(log)}"
        try:
            with Client(str(socket)) as client:
                client.call("spdk_get_version")
        except LabError:
            return False
        return True

    until(f"{process.args!r} answers RPC", answers, found=lambda: end_of(log))


def end_of(log: Path) -> str:
    return log.read_text(errors="replace")[-3000:]
