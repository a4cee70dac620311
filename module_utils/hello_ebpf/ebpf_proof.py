"""The toolchain proven by use: a one-instruction program is compiled, loaded, run, and gone again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .errors import LabError
from .packages import Run

ANSWER = 42
SOURCE = f"""\
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("socket")
int proof(struct __sk_buff *packet)
{{
	return {ANSWER};
}}
"""
HEADERS = Path("usr/include/bpf/bpf_helpers.h")
TOOL_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
# A mount namespace of its own, and in it a bpf filesystem of its own: the pin ends with the command, whatever ends
# it, and nobody else sees either.
LOAD_AND_RUN = """\
mount --make-private /sys
mount -t bpf bpf /sys/fs/bpf
"$1" prog load "$2" /sys/fs/bpf/proof
exec "$1" --json prog run pinned /sys/fs/bpf/proof data_in "$3"
"""
# The kernel takes a packet for it: an Ethernet header is the shortest.
PACKET = bytes(14)


@dataclass(frozen=True)
class Tools:
    """The tools that a proof needs; empty where one is not there."""

    clang: str
    bpftool: str
    headers: str

    @property
    def missing(self) -> list[str]:
        found = {"clang": self.clang, "bpftool": self.bpftool, "libbpf's headers": self.headers}
        return [name for name, path in found.items() if not path]


def find_tools(run: Run, root: Path = Path("/")) -> Tools:
    """Where the tools are; a bpftool counts only when it works."""
    headers = root / HEADERS
    return Tools(
        clang=shutil.which("clang", path=TOOL_PATH) or "",
        bpftool=next((tool for tool in _bpftools(root) if run([tool, "version"])[0] == 0), ""),
        headers=str(headers) if headers.is_file() else "",
    )


def prove(run: Run, tools: Tools, folder: Path, *, run_programs: bool) -> str:
    """Compile, and where programs may run also load and run.

    Args:
        run: runs a command.
        tools: what to use.
        folder: an empty folder for the program.
        run_programs: false ends after the compiler.

    Returns:
        What was proven, as a sentence.
    """
    if tools.missing:
        raise LabError(
            asked="compile and load an eBPF program",
            found=f"not installed: {', '.join(tools.missing)}",
            fix="let the role ebpf_toolchain install its packages (do not skip its tag 'install')",
        )
    source, program, packet = folder / "proof.bpf.c", folder / "proof.bpf.o", folder / "packet"
    source.write_text(SOURCE)
    packet.write_bytes(PACKET)
    # clang's bpf target does not look where Debian keeps <asm/types.h>.
    headers = ["-isystem", "/usr/include/x86_64-linux-gnu"]
    code, _, errors = run([tools.clang, "-O2", "-g", "-target", "bpf", *headers, "-c", str(source), "-o", str(program)])
    if code:
        raise LabError(
            asked=f"compile an eBPF program with {tools.clang}",
            found=f"clang says: {' '.join(errors.split())}",
            fix="reinstall clang, libbpf-dev and linux-libc-dev, then run again",
        )
    if not run_programs:
        return "an eBPF program was compiled; this machine is declared not to run any"
    unshare = ["unshare", "--mount", "--propagation", "unchanged"]
    code, said, errors = run([*unshare, "sh", "-ec", LOAD_AND_RUN, "proof", tools.bpftool, str(program), str(packet)])
    if code:
        raise LabError(
            asked=f"load an eBPF program with {tools.bpftool} and run it",
            found=f"it says: {' '.join((errors or said).split())}",
            fix="run as root; in a container allow CAP_SYS_ADMIN and the bpf system call, or set "
            "ebpf_toolchain_run_programs to false: programs are then built here and not run",
        )
    answer = json.loads(said)["retval"]
    if answer != ANSWER:
        raise LabError(
            asked=f"an eBPF program that returns {ANSWER}",
            found=f"it returned {answer}",
            fix="look for what else changes eBPF programs on this machine; this one is a single instruction",
        )
    return f"an eBPF program was compiled, loaded and run, and returned {ANSWER}"


def _bpftools(root: Path) -> Iterator[str]:
    """Ubuntu's own command wants the tools of the very kernel that runs; those of any version will do."""
    if own := shutil.which("bpftool", path=TOOL_PATH):
        yield own
    yield from (str(path) for path in sorted(root.glob("usr/lib/linux-tools/*/bpftool"), reverse=True))
