"""The hugetlbfs mount: made where nobody did, unmade only where we did."""

from __future__ import annotations

from dataclasses import replace

from .errors import LabError
from .hugepages_host import FSTAB_SOURCE, Host
from .hugepages_request import Request
from .hugepages_state import OurMount, State
from .mounts import Mount

# systemd mounts this one by itself at boot, with pages of the default size.
SYSTEMD_MOUNT = "/dev/hugepages"


def mount_goal(state: State, request: Request, host: Host) -> State:
    """The state with the mount as asked. One that should go and is in use stays.

    Raises:
        LabError: something else is at its path, or another one of ours cannot go.
    """
    path, kilobytes = request.mount if request.present else None, request.kilobytes
    ours, mounts = state.ours, list(state.mounts)
    if ours and ours.path != path:
        if users := ", ".join(host.mount_users(ours.path)):
            if path is None:
                return state
            raise LabError(
                asked=f"hugetlbfs at {path} in place of {ours.path}",
                found=f"{ours.path} is in use by {users}",
                fix="end that use, or leave hugepages_mount as it was",
            )
        mounts = [mount for mount in mounts if mount.path != ours.path]
        ours = None
    if path is None:
        return replace(state, mounts=mounts, ours=None, fstab="")
    there = state.mounted(path)
    if there and (there.filesystem, there.page_kilobytes) != ("hugetlbfs", kilobytes):
        size = f" of {there.page_kilobytes} kB pages" if there.page_kilobytes else ""
        raise LabError(
            asked=f"a hugetlbfs of {kilobytes} kB pages at {path}",
            found=f"{there.filesystem}{size} is mounted there",
            fix="set hugepages_mount to another folder",
        )
    options = f"nosuid,nodev,pagesize={kilobytes}K"
    if not there:
        folder = host.mount_point(path)
        if folder == "full":
            raise LabError(
                asked=f"mount hugetlbfs at {path}",
                found="that is no empty folder, and the mount would hide what is there",
                fix="set hugepages_mount to an empty folder, or to one that does not exist yet",
            )
        ours = OurMount(path, made_folder=folder == "missing" or bool(ours and ours.made_folder))
        mounts.append(Mount("", path, "hugetlbfs", options=options))
    by_itself = path == SYSTEMD_MOUNT and kilobytes == host.default_kilobytes()
    fstab = f"{FSTAB_SOURCE} {path} hugetlbfs {options} 0 0" if ours and not by_itself else ""
    return replace(state, mounts=mounts, ours=ours, fstab=fstab)
