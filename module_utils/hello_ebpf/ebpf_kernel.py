"""The running kernel as eBPF needs it: what it has, what is missing by the option's name, and tracefs."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from .errors import LabError
from .files import text_in
from .mounts import mounted_at, mounts
from .packages import Run
from .plan import Step
from .release import read_options

MACHINE = "x86_64"
TRACING = "/sys/kernel/tracing"
# The source that a mount of ours carries in the mount table: how 'absent' knows it from a mount of others.
MOUNTED_BY_US = "hello_ebpf"

BPF_SYSCALL = 321
BPF_PROG_GET_NEXT_ID = 11


@dataclass(frozen=True)
class Kernel:
    """What one kernel offers to eBPF programs."""

    release: str  # as uname tells it
    machine: str  # as uname tells it
    bpf_errno: int  # what bpf(2) answers to a harmless question; 0 where it is allowed
    btf_bytes: int  # size of the kernel's own type information; 0 where there is none
    has_tracefs: bool  # the kernel knows the filesystem
    tracefs_source: str | None  # the source of the mount on /sys/kernel/tracing; None where nothing is mounted there
    lockdown: str = "none"  # the kernel's lockdown mode; "none" where it has no lockdown
    # the kernel's configuration; empty where it cannot be read
    options: dict[str, str] = field(default_factory=dict, repr=False)

    def lacks(self, option: str) -> bool:
        """Whether the configuration is known and does not have the option built in or as a module."""
        return bool(self.options) and self.options.get(option) not in ("y", "m")


@dataclass(frozen=True)
class Need:
    """Something that the kernel must have: the option that gives it, and how its lack shows."""

    option: str
    lack: str
    missing: Callable[[Kernel], bool]


TO_BUILD = (Need("CONFIG_DEBUG_INFO_BTF", "no type information at /sys/kernel/btf/vmlinux", lambda k: not k.btf_bytes),)
TO_RUN = (
    Need("CONFIG_BPF_SYSCALL", "no bpf(2) system call", lambda k: k.bpf_errno == errno.ENOSYS),
    Need("CONFIG_FTRACE", "no tracefs", lambda k: not k.has_tracefs),
    Need("CONFIG_FTRACE_SYSCALLS", "no system call tracepoints", lambda k: k.lacks("CONFIG_FTRACE_SYSCALLS")),
    Need("CONFIG_BPF_EVENTS", "no eBPF on tracepoints", lambda k: k.lacks("CONFIG_BPF_EVENTS")),
)


@dataclass(frozen=True)
class EbpfKernel:
    """The kernel's verdict, and tracefs mounted: ``read``, ``plan`` (``plan_absent``), ``predict`` for ``converge``."""

    run: Run  # runs a command
    run_programs: bool  # eBPF programs are to run here; otherwise they are only built
    root: Path = Path("/")  # the machine's root folder
    probe: Callable[[], int] | None = None  # asks bpf(2), and returns the errno; None: really

    def read(self) -> Kernel:
        uname = os.uname()
        tracefs = mounted_at(TRACING, [mount for mount in mounts(self.root) if mount.filesystem == "tracefs"])
        return Kernel(
            release=uname.release,
            machine=uname.machine,
            bpf_errno=(self.probe or bpf_errno)(),
            btf_bytes=_size(self.root / "sys/kernel/btf/vmlinux"),
            has_tracefs="tracefs" in (self.root / "proc/filesystems").read_text().split(),
            tracefs_source=tracefs.source if tracefs else None,
            lockdown=parse_lockdown(text_in(self.root / "sys/kernel/security/lockdown")),
            options=read_options(self.root, uname.release),
        )

    def plan(self, kernel: Kernel) -> list[Step]:
        refuse(kernel, run_programs=self.run_programs)
        if kernel.tracefs_source is not None or not self.run_programs:
            return []
        return [Step(f"mount tracefs on {TRACING}", self._mount, self._unmount)]

    def plan_absent(self, kernel: Kernel) -> list[Step]:
        if kernel.tracefs_source != MOUNTED_BY_US:
            return []
        return [Step(f"unmount tracefs from {TRACING}", self._unmount)]

    def predict(self, kernel: Kernel) -> Kernel:
        return replace(kernel, tracefs_source=MOUNTED_BY_US)

    def predict_absent(self, kernel: Kernel) -> Kernel:
        return replace(kernel, tracefs_source=None)

    def _mount(self) -> None:
        options = "nosuid,nodev,noexec"
        code, _, errors = self.run(["mount", "-t", "tracefs", "-o", options, MOUNTED_BY_US, TRACING])
        if code:
            raise LabError(
                asked=f"tracefs on {TRACING}, where eBPF programs print",
                found=f"mount says: {errors.strip().rstrip('.')}",
                fix="run as root; in a container allow CAP_SYS_ADMIN or mount the host's tracefs into it, or set "
                "ebpf_toolchain_run_programs to false: programs are then built here and not run",
            )

    def _unmount(self) -> None:
        code, _, errors = self.run(["umount", TRACING])
        if code:
            raise LabError(
                asked=f"unmount the tracefs that the lab mounted on {TRACING}",
                found=f"umount says: {errors.strip().rstrip('.')}",
                fix=f"end what uses it (fuser -vm {TRACING} names it), then run again",
            )


def refuse(kernel: Kernel, *, run_programs: bool) -> None:
    """Raise LabError when programs cannot be built on this kernel, or not be run where that is asked for."""
    needs = TO_BUILD + (TO_RUN if run_programs else ())
    lacking = [need for need in needs if need.missing(kernel)]
    asked = f"{'build and run' if run_programs else 'build'} eBPF programs on kernel {kernel.release}"
    if kernel.machine != MACHINE:
        raise LabError(
            asked=asked,
            found=f"the machine is {kernel.machine}",
            fix=f"use an {MACHINE} machine: it is the only one that the lab is built and tested on",
        )
    if lacking:
        options = ", ".join(need.option for need in lacking)
        raise LabError(
            asked=asked,
            found="; ".join(f"{need.lack} (kernel option {need.option})" for need in lacking),
            fix=f"boot a kernel that has {options} (the distribution's own has)",
        )
    if not run_programs:
        return
    if kernel.lockdown == "confidentiality":
        raise LabError(
            asked=asked,
            found="kernel lockdown is 'confidentiality', which forbids tracing",
            fix="boot with lockdown=integrity or without lockdown, or set ebpf_toolchain_run_programs to false",
        )
    if kernel.bpf_errno:
        raise LabError(
            asked=asked,
            found=f"bpf(2) answers '{os.strerror(kernel.bpf_errno)}'",
            fix="run as root; in a container allow CAP_SYS_ADMIN and the bpf system "
            "call, or set ebpf_toolchain_run_programs to false: programs are then built here and not run",
        )


def render(kernel: Kernel) -> str:
    """A kernel as text: one fact a line."""
    bpf = "allowed" if not kernel.bpf_errno else os.strerror(kernel.bpf_errno)
    return (
        f"kernel {kernel.release} {kernel.machine}\n"
        f"bpf(2): {bpf}\n"
        f"BTF: {kernel.btf_bytes} bytes\n"
        f"lockdown: {kernel.lockdown}\n"
        f"tracefs on {TRACING}: {kernel.tracefs_source or 'not mounted'}\n"
    )


def bpf_errno() -> int:
    """Ask bpf(2) for the first loaded program's id: changes nothing, and needs what loading needs."""
    libc = ctypes.CDLL(None, use_errno=True)
    attributes = ctypes.create_string_buffer(16)
    answer = libc.syscall(BPF_SYSCALL, BPF_PROG_GET_NEXT_ID, attributes, len(attributes))
    error = ctypes.get_errno() if answer < 0 else 0
    # No program is loaded: that is an answer too.
    return 0 if error == errno.ENOENT else error


def parse_lockdown(modes: str) -> str:
    """The bracketed word of ``none [integrity] confidentiality``."""
    return next((mode.strip("[]") for mode in modes.split() if mode.startswith("[")), "none")


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
