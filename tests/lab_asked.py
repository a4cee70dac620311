"""What was asked of a machine: its variables in the inventory, where tests run over one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

Host = Any  # testinfra.host.Host, which comes without types

ROOT = Path(__file__).resolve().parents[1]
# Where the run under test put its reports.
REPORTS = Path(os.environ.get("HELLO_EBPF_REPORTS", ROOT / "reports"))


def asked(host: Host, variable: str, default: object) -> Any:
    """A variable of the machine's in the inventory; where it is not set, the role's default.

    Args:
        host: the machine.
        variable: its name.
        default: a value, or a function of the machine.
    """
    variables = host.backend.get_variables() if host.backend.NAME == "ansible" else {}
    if variable in variables:
        return variables[variable]
    return default(host) if callable(default) else default


def contained(host: Host) -> bool:
    """Whether this is a container: the kernel gives its first PID namespace a fixed number."""
    return bool(host.check_output("readlink /proc/self/ns/pid") != "pid:[4026531836]")


def outside_containers(host: Host) -> bool:
    """What the roles make of a variable that says nothing of its own."""
    return not contained(host)
