# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""What a service's user can reach, looked at before it starts; and which layers of protection hold once it runs."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Collection
from pathlib import Path

from .errors import LabError
from .processes import PROC, Process, credentials
from .reach import Account
from .service_unit import Service, hidden


def group_number(name: str) -> int:
    """A group's number; 0 while it is not there, so that what is for it is for root meanwhile."""
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return 0


def accounts_are_there(user: str, group: str) -> bool:
    """Whether there is such a user, and such a group."""
    try:
        pwd.getpwnam(user)
        grp.getgrnam(group)
    except KeyError:
        return False
    return True


def check_access(service: Service, *, check: bool, sandboxed: bool, given_before: Collection[Path] = ()) -> None:
    """Refuse a program, a configuration or data that the service could not open.

    Args:
        service: what is to run.
        check: in check mode neither the user nor the files need be there yet.
        sandboxed: its supervisor keeps parts of the system from it.
        given_before: in check mode, what of its data would be its user's by now.
    """
    if sandboxed and not service.run_folder.is_relative_to("/run"):
        raise LabError(
            asked=f"{service.name} with its RPC socket in {service.run_folder}",
            found="systemd makes a service's run folder below /run",
            fix="set csd_target_rpc_socket to a path like /run/hello_ebpf/spdk.sock",
        )
    for does, path in _uses(service):
        if sandboxed and (place := hidden(path)):
            raise LabError(
                asked=f"{service.name} {does} {path}",
                found=f"its unit keeps {place} from it",
                fix="lay it elsewhere, for example below /var/lib/hello_ebpf; a program below /opt",
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
    if user.pw_uid != 0 and os.geteuid() == 0:
        _check_rights(
            service, Account(service.user, user.pw_uid, group_number(service.group)), given_before if check else ()
        )


def _uses(service: Service) -> list[tuple[str, Path]]:
    """All that the service's process opens by a name of the inventory's, each with what it does with it."""
    return [
        ("runs", Path(service.argv[0])),
        *(("runs", path) for path in service.starts),
        *(("reads", path) for path in service.reads),
        *(("works on", path) for path in service.data),
    ]


def _check_rights(service: Service, account: Account, given_before: Collection[Path]) -> None:
    rights = {"runs": "x", "works on": "rw"}
    for does, path in _uses(service):
        asked = f"{service.name} {does} {path} as {account.name}"
        if folder := account.obstacle(path):
            raise LabError(
                asked=asked,
                found=f"{account.name} may not search {folder}",
                fix=f"chmod o+x {folder}, or lay it elsewhere",
            )
        # What it reads is given to its group before it starts.
        if path.exists() and path not in given_before and not account.may(path, *rights.get(does, "")):
            how = f"chmod o+rx {path}" if does == "runs" else f"chown {account.name} {path}"
            raise LabError(
                asked=asked,
                found=f"{account.name} may not",
                fix=f"{how}, or let the role make it (csd_target_backing_files, csd_target_program)",
            )


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
