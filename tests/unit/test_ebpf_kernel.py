"""The module ebpf_kernel over {run, check, diff, run again}: the kernel's verdict, and the mount of tracefs."""

from __future__ import annotations

import errno
import gzip
import os
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from ansible.module_utils.hello_ebpf.ebpf_kernel import (
    TRACING,
    EbpfKernel,
    Kernel,
    bpf_errno,
    parse_lockdown,
    refuse,
    render,
)
from ansible.module_utils.hello_ebpf.errors import LabError
from ansible.module_utils.hello_ebpf.plan import Outcome, converge
from ansible.module_utils.hello_ebpf.release import read_options

from refusals import refusal

GOOD = Kernel(
    release="6.1.0-44-amd64",
    machine="x86_64",
    bpf_errno=0,
    btf_bytes=5_000_000,
    has_tracefs=True,
    tracefs_source="tracefs",
    lockdown="integrity",
    options={"CONFIG_BPF_EVENTS": "y", "CONFIG_FTRACE_SYSCALLS": "y"},
)
SYSFS = "22 1 0:21 / /sys rw,relatime shared:7 - sysfs sysfs rw"


@dataclass
class Machine:
    """A root folder whose mount table the two mount commands change."""

    root: Path
    answer: int = 0
    refuses: str = ""
    commands: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name, text in {
            "proc/filesystems": "nodev\tsysfs\nnodev\ttracefs\n",
            "proc/self/mountinfo": f"{SYSFS}\n",
            "sys/kernel/btf/vmlinux": "types",
            "sys/kernel/security/lockdown": "[none] integrity confidentiality\n",
        }.items():
            self.write(name, text)

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def mounted(self, source: str) -> None:
        with (self.root / "proc/self/mountinfo").open("a") as mounts:
            mounts.write(f"35 22 0:12 / {TRACING} rw,nosuid - tracefs {source} rw\n")

    def run(self, args: list[str], *, environ_update: dict[str, str] | None = None) -> tuple[int, str, str]:
        self.commands.append(" ".join(args))
        if self.refuses:
            return 32, "", f"{args[0]}: {TRACING}: {self.refuses}.\n"
        if args[0] == "mount":
            self.mounted(args[-2])
        else:
            self.write("proc/self/mountinfo", f"{SYSFS}\n")
        return 0, "", ""

    def converge(self, *, absent: bool = False, run_programs: bool = True, check: bool = False) -> Outcome[Kernel]:
        kernel = EbpfKernel(self.run, run_programs=run_programs, root=self.root, probe=lambda: self.answer)
        plan, predict = (kernel.plan_absent, kernel.predict_absent) if absent else (kernel.plan, kernel.predict)
        return converge(kernel.read, plan, predict, check=check)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_tracefs_is_mounted_once_under_our_name(machine: Machine) -> None:
    predicted = machine.converge(check=True)
    assert machine.commands == []
    done = machine.converge()
    assert predicted.actions == done.actions == [f"mount tracefs on {TRACING}"]
    assert machine.commands == [f"mount -t tracefs -o nosuid,nodev,noexec hello_ebpf {TRACING}"]
    assert predicted.after == done.after
    assert machine.converge().actions == machine.converge(check=True).actions == []
    assert len(machine.commands) == 1


def test_the_diff_is_what_the_kernel_offers_line_by_line(machine: Machine) -> None:
    uname = os.uname()
    facts = (
        f"kernel {uname.release} {uname.machine}\nbpf(2): allowed\nBTF: 5 bytes\nlockdown: none\ntracefs on {TRACING}: "
    )
    outcome = machine.converge(check=True)
    assert render(outcome.before) == f"{facts}not mounted\n"
    assert render(outcome.after) == f"{facts}hello_ebpf\n"


def test_a_mount_of_others_is_used_and_never_taken_away(machine: Machine) -> None:
    machine.mounted("tracefs")
    assert machine.converge().actions == []
    assert machine.converge(absent=True).actions == []
    assert machine.commands == []


def test_absent_takes_our_mount_away_once(machine: Machine) -> None:
    machine.converge()
    machine.commands.clear()
    predicted = machine.converge(absent=True, check=True)
    assert machine.commands == []
    done = machine.converge(absent=True)
    assert predicted.actions == done.actions == [f"unmount tracefs from {TRACING}"]
    assert machine.commands == [f"umount {TRACING}"]
    assert machine.converge(absent=True).actions == []


def test_absent_asks_nothing_of_the_kernel(machine: Machine) -> None:
    (machine.root / "sys/kernel/btf/vmlinux").unlink()
    machine.answer = errno.ENOSYS
    assert machine.converge(absent=True).actions == []


def test_a_mount_that_is_not_allowed(machine: Machine) -> None:
    machine.refuses = "permission denied"
    assert refusal(machine.converge) == (
        f"Asked: tracefs on {TRACING}, where eBPF programs print. "
        f"Found: mount says: mount: {TRACING}: permission denied. "
        "Do: run as root; in a container allow CAP_SYS_ADMIN or mount the host's tracefs into it, or set "
        "ebpf_toolchain_run_programs to false: programs are then built here and not run."
    )


def test_a_mount_that_is_in_use(machine: Machine) -> None:
    machine.converge()
    machine.refuses = "target is busy"
    assert refusal(machine.converge, absent=True) == (
        f"Asked: unmount the tracefs that the lab mounted on {TRACING}. "
        f"Found: umount says: umount: {TRACING}: target is busy. "
        f"Do: end what uses it (fuser -vm {TRACING} names it), then run again."
    )


def test_a_machine_that_only_builds_needs_types_and_nothing_else(machine: Machine) -> None:
    machine.answer = errno.EPERM
    machine.write("proc/filesystems", "nodev\tsysfs\n")
    assert machine.converge(run_programs=False).actions == []
    assert machine.commands == []
    (machine.root / "sys/kernel/btf/vmlinux").unlink()
    with pytest.raises(LabError, match=r"Asked: build eBPF programs on kernel .* CONFIG_DEBUG_INFO_BTF"):
        machine.converge(run_programs=False)


@pytest.mark.parametrize(
    ("kernel", "found", "option"),
    [
        (replace(GOOD, btf_bytes=0), "no type information at /sys/kernel/btf/vmlinux", "CONFIG_DEBUG_INFO_BTF"),
        (replace(GOOD, bpf_errno=errno.ENOSYS), "no bpf(2) system call", "CONFIG_BPF_SYSCALL"),
        (replace(GOOD, has_tracefs=False), "no tracefs", "CONFIG_FTRACE"),
        (
            replace(GOOD, options={"CONFIG_BPF_EVENTS": "y"}),
            "no system call tracepoints",
            "CONFIG_FTRACE_SYSCALLS",
        ),
        (replace(GOOD, options={"CONFIG_FTRACE_SYSCALLS": "y"}), "no eBPF on tracepoints", "CONFIG_BPF_EVENTS"),
    ],
)
def test_the_missing_option_is_named(kernel: Kernel, found: str, option: str) -> None:
    assert refusal(refuse, kernel, run_programs=True) == (
        f"Asked: build and run eBPF programs on kernel 6.1.0-44-amd64. Found: {found} (kernel option {option}). "
        f"Do: boot a kernel that has {option} (the distribution's own has)."
    )


def test_all_missing_options_are_named_at_once() -> None:
    assert refusal(refuse, replace(GOOD, btf_bytes=0, has_tracefs=False), run_programs=True) == (
        "Asked: build and run eBPF programs on kernel 6.1.0-44-amd64. "
        "Found: no type information at /sys/kernel/btf/vmlinux (kernel option CONFIG_DEBUG_INFO_BTF); "
        "no tracefs (kernel option CONFIG_FTRACE). "
        "Do: boot a kernel that has CONFIG_DEBUG_INFO_BTF, CONFIG_FTRACE (the distribution's own has)."
    )


def test_another_machine_is_refused() -> None:
    assert refusal(refuse, replace(GOOD, machine="aarch64"), run_programs=True) == (
        "Asked: build and run eBPF programs on kernel 6.1.0-44-amd64. Found: the machine is aarch64. "
        "Do: use an x86_64 machine: it is the only one that the lab is built and tested on."
    )


def test_a_container_without_the_permission_is_told_what_to_do() -> None:
    assert refusal(refuse, replace(GOOD, bpf_errno=errno.EPERM), run_programs=True) == (
        "Asked: build and run eBPF programs on kernel 6.1.0-44-amd64. "
        "Found: bpf(2) answers 'Operation not permitted'. "
        "Do: run as root; in a container allow CAP_SYS_ADMIN and the bpf system call, "
        "or set ebpf_toolchain_run_programs to false: programs are then built here and not run."
    )


def test_lockdown_is_told() -> None:
    assert refusal(refuse, replace(GOOD, lockdown="confidentiality"), run_programs=True) == (
        "Asked: build and run eBPF programs on kernel 6.1.0-44-amd64. "
        "Found: kernel lockdown is 'confidentiality', which forbids tracing. "
        "Do: boot with lockdown=integrity or without lockdown, or set ebpf_toolchain_run_programs to false."
    )


@pytest.mark.parametrize(
    ("kernel", "run_programs"),
    [
        (GOOD, True),
        (replace(GOOD, options={}), True),
        (replace(GOOD, bpf_errno=errno.EPERM, lockdown="confidentiality"), False),
    ],
)
def test_a_good_kernel_is_not_refused(kernel: Kernel, run_programs: bool) -> None:
    """And the same one is, where it lacks what a program needs."""
    refuse(kernel, run_programs=run_programs)
    with pytest.raises(LabError):
        refuse(replace(kernel, bpf_errno=errno.EPERM), run_programs=True)


def test_lockdown_modes() -> None:
    assert parse_lockdown("none [integrity] confidentiality\n") == "integrity"
    assert parse_lockdown("") == "none"


@pytest.mark.parametrize("packed", [True, False])
def test_the_configuration_is_read_from_the_kernel_or_from_boot(tmp_path: Path, packed: bool) -> None:
    text = "# CONFIG_A is not set\nCONFIG_B=y\nCONFIG_C=m\n"
    for folder in ["proc", "boot"]:
        (tmp_path / folder).mkdir()
    if packed:
        (tmp_path / "proc/config.gz").write_bytes(gzip.compress(text.encode()))
    else:
        (tmp_path / "boot/config-6.1").write_text(text)
    assert read_options(tmp_path, "6.1") == {"CONFIG_B": "y", "CONFIG_C": "m"}
    assert read_options(tmp_path / "nowhere", "6.1") == {}


def test_bpf_answers_on_this_machine() -> None:
    """Live: whether allowed or not, the answer is one of the three that the verdict knows."""
    assert bpf_errno() in {0, errno.EPERM, errno.ENOSYS}
