"""Processes as /proc shows them: who runs, with which arguments, on which core, holding which lock or hugepages."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import re
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
# Begin, end, offset, device and inode of a mapping, then the size of its pages.
MAPPING = re.compile(
    r"^([0-9a-f]+)-([0-9a-f]+) \S+ (\S+) (\S+) (\d+)\b.*\n(?:\w+:.*\n)*?KernelPageSize: +(\d+) kB$", re.MULTILINE
)


@dataclass(frozen=True)
class Process:
    """A running process."""

    pid: int  # its process id
    argv: tuple[str, ...]  # its arguments, the program first
    executable: str  # the file it runs; ends in " (deleted)" when that file was replaced or removed since

    def __str__(self) -> str:
        return f"pid {self.pid} ({' '.join(self.argv) or self.executable})"


def running(proc: Path = PROC) -> Iterator[Process]:
    """Every process with a command line (kernel threads have none), zombies left out."""
    for folder in proc.iterdir():
        if folder.name.isdigit():
            process = find(int(folder.name), proc)
            if process is not None and process.argv:
                yield process


def open_files(pid: int) -> set[str]:
    """What a process has open; empty where it has ended meanwhile, or belongs to somebody whom we may not look at."""
    found = set()
    with contextlib.suppress(OSError):
        for entry in (PROC / str(pid) / "fd").iterdir():
            with contextlib.suppress(OSError):
                found.add(str(entry.readlink()))
    return found


def link_of(path: Path) -> str:
    """Where a link below /proc/PID leads."""
    try:
        return str(path.readlink())
    except PermissionError:
        return _as_owner("readlink", path).rstrip("\n")


def text_of(path: Path) -> str:
    """A file below /proc/PID that the kernel keeps for whoever could trace the process."""
    try:
        return path.read_text()
    except PermissionError:
        return _as_owner("cat", path)


def _as_owner(command: str, path: Path) -> str:
    """Root of a container may not look into other users' processes (CAP_SYS_PTRACE); each user may into its own."""
    if os.geteuid() != 0:
        raise PermissionError(path)
    owner = path.parents[-3].stat()
    done = subprocess.run(
        [command, str(path)], user=owner.st_uid, group=owner.st_gid, extra_groups=[], capture_output=True, check=False
    )
    if done.returncode != 0:
        raise PermissionError(path)
    return done.stdout.decode(errors="replace")


def find(pid: int, proc: Path = PROC) -> Process | None:
    """The process with this id; None when there is none (any more)."""
    folder = proc / str(pid)
    with contextlib.suppress(OSError):
        argv = (folder / "cmdline").read_bytes().rstrip(b"\0").decode(errors="replace").split("\0")
        return Process(pid, tuple(filter(None, argv)), link_of(folder / "exe"))
    return None


def users_of(path: str, proc: Path = PROC) -> Iterator[tuple[int, str]]:
    """Processes that have a file or folder open at or below a path, with their names."""
    for process in sorted(proc.glob("[0-9]*"), key=lambda process: int(process.name)):
        for link in (process / "cwd", process / "root", *process.glob("fd/*")):
            # It, or its file, ended while we looked.
            with contextlib.suppress(OSError):
                if link.readlink().is_relative_to(path):
                    yield int(process.name), (process / "comm").read_text().strip()
                    break


def mapped_pages(processes: Iterable[Process], kilobytes: int, proc: Path = PROC) -> int:
    """Hugepages of a size that these processes have mapped; 0 for a process that ended meanwhile.

    Touched or not: the kernel has reserved those that are not. What lies in a file (a memfd of the target's, which its
    workers map too) counts once, however often it is mapped.
    """
    pages: dict[object, int] = {}
    for process in processes:
        with contextlib.suppress(OSError):
            for begin, end, offset, device, inode, size in MAPPING.findall(text_of(proc / str(process.pid) / "smaps")):
                if int(size) == kilobytes:
                    where = (device, inode, offset) if inode != "0" else (process.pid, begin)
                    here = (int(end, 16) - int(begin, 16)) // (kilobytes * 1024)
                    pages[where] = max(pages.get(where, 0), here)
    return sum(pages.values())


@dataclass(frozen=True)
class Credentials:
    """As whom a process runs, and what the kernel lets it do."""

    # user, group: effective ones, by name; by number where they have none
    user: str
    group: str
    capabilities: int  # those that it has or could get, as a mask
    # no_new_privileges, filtered: it can never gain any; a seccomp filter holds its system calls
    no_new_privileges: bool
    filtered: bool
    mounts: str  # its mount namespace
    core_bytes: int | None  # how large a core file may get; None: without a limit
    idle: bool  # it runs only where nothing else wants the core


def credentials(pid: int, proc: Path = PROC) -> Credentials | None:
    """What the kernel says of a process; None when there is none (any more)."""
    folder = proc / str(pid)
    with contextlib.suppress(OSError):
        status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
        [core] = [
            line for line in (folder / "limits").read_text().splitlines() if line.startswith("Max core file size")
        ]
        limit = core.split()[4]
        return Credentials(
            user=user_name(int(status["Uid"].split()[1])),
            group=group_name(int(status["Gid"].split()[1])),
            capabilities=int(status["CapBnd"], 16) | int(status["CapPrm"], 16),
            no_new_privileges=status["NoNewPrivs"].strip() == "1",
            filtered=status["Seccomp"].strip() == "2",
            mounts=link_of(folder / "ns/mnt"),
            core_bytes=None if limit == "unlimited" else int(limit),
            idle=os.sched_getscheduler(pid) == os.SCHED_IDLE,
        )
    return None


def user_name(number: int) -> str:
    """A user's name, or number where there is no such user."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def group_name(number: int) -> str:
    """A group's name, or number where there is no such group."""
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def reactors(core: int, proc: Path = PROC) -> list[Process]:
    """The SPDK applications that spin on this core: each names its thread there ``reactor_<core>``."""
    return [process for process in running(proc) if f"reactor_{core}" in _thread_names(process.pid, proc)]


def lock_holder(path: Path, proc: Path = PROC) -> Process | None:
    """The process that holds an advisory lock on the file; None when the file is missing or nobody locks it."""
    try:
        status = path.stat()
    except OSError:
        return None
    identity = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    for line in (proc / "locks").read_text().splitlines():
        match = re.match(r"\d+: \w+ +\w+ +\w+ +(-?\d+) (\S+) ", line)
        if match and match[2] == identity:
            return find(int(match[1]), proc) or Process(int(match[1]), (), "in another pid namespace")
    return None


def _thread_names(pid: int, proc: Path) -> set[str]:
    names = set()
    with contextlib.suppress(OSError):
        for task in (proc / str(pid) / "task").iterdir():
            with contextlib.suppress(OSError):
                names.add((task / "comm").read_text().strip())
    return names
