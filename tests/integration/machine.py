#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""What the lab changes on a machine, read without the lab's own code; prints it as JSON. Needs python3 alone.

The pool of huge pages is not among it: this machine is a container, and whoever runs beside it shares the kernel's.
"""

from __future__ import annotations

import json
from pathlib import Path

# What only the lab makes. Debian packages stay by design.
TRACES = [
    "/opt/hello_ebpf",
    "/etc/hello_ebpf",
    "/var/cache/hello_ebpf",
    "/var/lib/hello_ebpf",
    "/var/log/hello_ebpf",
    "/run/hello_ebpf",
    "/etc/systemd/system/csd_target.service",
    "/usr/local/bin/csd",
    "/usr/local/share/man/man1/csd.1",
    "/usr/local/share/bash-completion/completions/csd",
]

# Where dpkg lists what each package brought.
PACKAGES = Path("/var/lib/dpkg/info")
# Where a setting outlives a reboot.
SETTINGS = ["/etc/sysctl.d", "/etc/tmpfiles.d", "/etc/modules-load.d", "/etc/systemd/system", "/etc/nvme", "/dev/shm"]


def machine() -> dict[str, object]:
    """The facts."""
    return {
        "traces": [path for path in TRACES if Path(path).exists()],
        "packages": sorted(path.stem for path in PACKAGES.glob("hello-ebpf-*.list")),
        "mounts": mounts(),
        "listens on 4420": listens(4420),
        "settings": settings(),
        "processes": sorted(name for name in processes().values() if name.startswith(("reactor_", "csd_"))),
    }


def mounts() -> list[str]:
    """Where something is mounted."""
    return sorted(line.split()[1] for line in Path("/proc/mounts").read_text().splitlines())


def settings() -> list[str]:
    """What lies where settings lie; without what Debian packages brought, and their units that are enabled."""
    known = packaged()
    found = []
    for path in (path for folder in SETTINGS for path in Path(folder).rglob("*")):
        enabled = str(path.readlink()) if path.is_symlink() else ""
        if path.suffix != ".wants" and not {str(path), enabled} & known:
            found.append(str(path))
    return sorted(found)


def packaged() -> set[str]:
    """Paths that Debian packages of others brought."""
    others = [path for path in PACKAGES.glob("*.list") if not path.name.startswith("hello-ebpf-")]
    return {line for path in others for line in path.read_text().splitlines() if line}


def processes() -> dict[int, str]:
    """Process number to name."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/comm"):
        try:
            found[int(path.parent.name)] = path.read_text().strip()
        except OSError:
            continue
    return found


def listens(port: int) -> bool:
    """Whether a server listens on this TCP port."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return any(line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "0A" for line in lines)


if __name__ == "__main__":
    print(json.dumps(machine(), indent=1))
