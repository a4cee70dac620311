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


def pages_are_ours(host: Host) -> bool:
    """Whether the lab reserves hugepages itself: as asked, else outside containers."""
    return bool(asked(host, "hugepages_manage", lambda host: not contained(host)))


def kernel_connects(host: Host) -> bool:
    """Whether this kernel can and shall hold the connection, asked of modprobe and devtmpfs, not of our module."""
    if asked(host, "nvme_tcp_initiator", "auto") == "spdk":
        return False
    reachable = bool(host.file("/dev/nvme-fabrics").exists)
    if host.file("/sys/module/nvme_tcp").is_directory:
        return reachable
    return host.run("modprobe --dry-run nvme_tcp").rc == 0 and (reachable or not contained(host))


def mounts(host: Host) -> set[str]:
    """Where file systems of the drives' namespaces shall be mounted."""
    connections = asked(host, "nvme_tcp_connections", [])
    return {one["mount"] for each in connections for one in each.get("namespaces", []) if one.get("mount")}
