# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""What a service's user can reach, looked at before it starts; and which layers of protection hold once it runs."""

from __future__ import annotations

import grp
import os
import pwd
import subprocess
from pathlib import Path

from .errors import LabError
from .processes import PROC, Process, credentials
from .service_unit import hidden
from .services import Service


def group_number(name: str) -> int:
    """A group's number; 0 while it is not there, so that what is for it is for root meanwhile."""
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return 0


def check_access(service: Service, *, check: bool, sandboxed: bool) -> None:
    """Refuse data that the service's user could not open.

    Args:
        service: what is to run.
        check: in check mode neither the user nor the files need be there yet.
        sandboxed: its supervisor keeps parts of the system from it.
    """
    if sandboxed and not service.run_folder.is_relative_to("/run"):
        raise LabError(
            asked=f"{service.name} with its RPC socket in {service.run_folder}",
            found="systemd makes a service's run folder below /run",
            fix="set csd_target_rpc_socket to a path like /run/hello_ebpf/spdk.sock",
        )
    for path in service.data:
        if sandboxed and (place := hidden(path)):
            raise LabError(
                asked=f"{service.name} works on {path}",
                found=f"its unit keeps {place} from it",
                fix="lay the file elsewhere, for example below /var/lib/hello_ebpf",
            )
    try:
        user = pwd.getpwnam(service.user)
    except KeyError:
        if check:
            return
        raise LabError(
            asked=f"run {service.name} as {service.user}",
            found="there is no such user",
            fix="let the role csd_target make it (do not skip its tag 'service'), or set csd_target_user",
        ) from None
    if user.pw_uid == 0 or os.geteuid() != 0:
        return
    for path in service.data:
        if path.exists() and not _can_use(path, user.pw_uid, group_number(service.group)):
            raise LabError(
                asked=f"{service.name} reads and writes {path} as {service.user}",
                found=f"{service.user} may not",
                fix=f"chown {service.user} {path}, let it search the folders above ({path.parent}), or declare the "
                "file in csd_target_backing_files",
            )


def _can_use(path: Path, user: int, group: int) -> bool:
    """Whether this user may read and write a path: the kernel decides, who knows folders, ACLs and mounts."""
    words = ["test", "-r", str(path), "-a", "-w", str(path)]
    done = subprocess.run(words, user=user, group=group, extra_groups=[], cwd="/", check=False)
    return done.returncode == 0


def missing_layers(service: Service, process: Process | None, *, systemd: bool, proc: Path = PROC) -> tuple[str, ...]:
    """The layers that the kernel, or a container, has denied: asked for, and not in force as the kernel tells it."""
    found = credentials(process.pid, proc) if process else None
    if found is None:
        return ()
    held = {
        f"user {service.user}": found.user == service.user,
        f"group {service.group}": found.group == service.group,
        "no capabilities": service.user == "root" or found.capabilities == 0,
        "no new privileges": found.no_new_privileges,
        "no core files": found.core_bytes == 0,
    }
    if systemd:
        init = credentials(1, proc)
        held |= {
            "system call filter": found.filtered,
            "read-only system, own /tmp and /dev (a mount namespace)": init is None or found.mounts != init.mounts,
        }
    return tuple(layer for layer, holds in held.items() if not holds)
