"""The hugetlbfs mount: made where nobody did, unmade only where we did."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import LabError
from .hugepages_boot import FSTAB_SOURCE
from .hugepages_state import MountRecord, State

# systemd mounts this one by itself at boot, with pages of the default size.
SYSTEMD_MOUNT = "/dev/hugepages"


@dataclass(frozen=True)
class MountGoal:
    """What is to be done about mounts.

    Attributes:
        mount: the path to mount; empty for nothing to do.
        unmount: the mount of ours that is to go, when it is there.
        record: the mount of ours afterwards.
        fstab: the text of fstab afterwards.
        kept: why a mount of ours stays that should go.
    """

    mount: str
    unmount: MountRecord | None
    record: MountRecord | None
    fstab: str
    kept: str = ""


def mount_goal(state: State, path: str | None, kilobytes: int) -> MountGoal:
    """Plan the mount at ``path``; None when none is wanted.

    Raises:
        LabError: something else is at that path.
    """
    ours = _ours(state)
    if ours and ours.path == path:
        leaving = None
    else:
        leaving, ours = ours, None
    if leaving and state.mount_users:
        users = ", ".join(state.mount_users)
        if path is not None:
            raise LabError(
                asked=f"hugetlbfs at {path} in place of {leaving.path}",
                found=f"{leaving.path} is in use by {users}",
                fix="end that use, or leave hugepages_mount as it was",
            )
        return MountGoal("", None, leaving, state.boot.fstab, f"the mount {leaving.path}, in use by {users}")
    fstab = _without_ours(state.boot.fstab)
    if path is None:
        return MountGoal("", leaving, None, fstab)
    there = state.mounted(path)
    if there and (there.filesystem, there.kilobytes) != ("hugetlbfs", kilobytes):
        size = f" of {there.kilobytes} kB pages" if there.kilobytes else ""
        raise LabError(
            asked=f"a hugetlbfs of {kilobytes} kB pages at {path}",
            found=f"{there.filesystem}{size} is mounted there",
            fix="set hugepages_mount to another folder",
        )
    if not there and state.folder == "full":
        raise LabError(
            asked=f"mount hugetlbfs at {path}",
            found="that is no empty folder, and the mount would hide what is there",
            fix="set hugepages_mount to an empty folder, or to one that does not exist yet",
        )
    if not there:
        ours = MountRecord(path, made_folder=state.folder == "missing" or bool(ours and ours.made_folder))
    if ours and (path != SYSTEMD_MOUNT or kilobytes != state.default_kilobytes):
        fstab += "\n" if fstab and not fstab.endswith("\n") else ""
        fstab += f"{FSTAB_SOURCE} {path} hugetlbfs nosuid,nodev,pagesize={kilobytes}K 0 0\n"
    return MountGoal("" if there else path, leaving, ours, fstab)


def _ours(state: State) -> MountRecord | None:
    """The mount that the lab made: in this boot as recorded, in another one as our line in fstab says."""
    recorded = state.record.mount if state.record else None
    lines = (line.split() for line in state.boot.fstab.splitlines())
    declared = next((words[1] for words in lines if words and words[0] == FSTAB_SOURCE), None)
    if recorded and (declared == recorded.path or (state.record and state.record.boot_id == state.boot_id)):
        return recorded
    return MountRecord(declared, made_folder=False) if declared else None


def _without_ours(fstab: str) -> str:
    return "".join(line for line in fstab.splitlines(keepends=True) if (line.split() or [""])[0] != FSTAB_SOURCE)
