"""The hugetlbfs mount: made where nobody did, unmade only where we did."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import LabError
from .hugepages_host import FSTAB_SOURCE, Host
from .hugepages_state import OurMount, State

# systemd mounts this one by itself at boot, with pages of the default size.
SYSTEMD_MOUNT = "/dev/hugepages"


@dataclass(frozen=True)
class MountGoal:
    """What is to be done about mounts.

    Attributes:
        mount: to be mounted.
        unmount: to be unmounted, when it is there.
        ours: the mount of ours afterwards.
        fstab: our line in fstab afterwards.
        kept: why a mount of ours stays that should go.
    """

    mount: OurMount | None = None
    unmount: OurMount | None = None
    ours: OurMount | None = None
    fstab: str = ""
    kept: str = ""


def mount_goal(state: State, path: str | None, kilobytes: int, host: Host) -> MountGoal:
    """Plan the mount at ``path``; None when none is wanted.

    Raises:
        LabError: something else is at that path.
    """
    ours, leaving = state.ours, None
    if ours and ours.path != path:
        ours, leaving = None, ours
    if leaving and (users := ", ".join(host.mount_users(leaving.path))):
        if path is not None:
            raise LabError(
                asked=f"hugetlbfs at {path} in place of {leaving.path}",
                found=f"{leaving.path} is in use by {users}",
                fix="end that use, or leave hugepages_mount as it was",
            )
        return MountGoal(ours=leaving, fstab=state.fstab, kept=f"the mount {leaving.path}, in use by {users}")
    if path is None:
        return MountGoal(unmount=leaving)
    there = state.mounted(path)
    if there and (there.filesystem, there.page_kilobytes) != ("hugetlbfs", kilobytes):
        size = f" of {there.page_kilobytes} kB pages" if there.page_kilobytes else ""
        raise LabError(
            asked=f"a hugetlbfs of {kilobytes} kB pages at {path}",
            found=f"{there.filesystem}{size} is mounted there",
            fix="set hugepages_mount to another folder",
        )
    if not there:
        folder = host.mount_point(path)
        if folder == "full":
            raise LabError(
                asked=f"mount hugetlbfs at {path}",
                found="that is no empty folder, and the mount would hide what is there",
                fix="set hugepages_mount to an empty folder, or to one that does not exist yet",
            )
        ours = OurMount(path, made_folder=folder == "missing" or bool(ours and ours.made_folder))
    by_itself = path == SYSTEMD_MOUNT and kilobytes == state.default_kilobytes
    options = f"nosuid,nodev,pagesize={kilobytes}K"
    fstab = f"{FSTAB_SOURCE} {path} hugetlbfs {options} 0 0" if ours and not by_itself else ""
    return MountGoal(None if there else ours, leaving, ours, fstab)
