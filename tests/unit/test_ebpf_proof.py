"""The toolchain's proof and the example's hello: what counts as proven, and every refusal's words."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import termios
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from ansible.module_utils.hello_ebpf.ebpf_hello import Hello, find_line
from ansible.module_utils.hello_ebpf.ebpf_proof import Tools, find_tools, prove
from ansible.module_utils.hello_ebpf.errors import LabError
from ansible.module_utils.hello_ebpf.processes import users_of

from waiting import until

TOOLS = Tools("/usr/bin/clang", "/usr/sbin/bpftool", "/usr/include/bpf/bpf_helpers.h")


@dataclass
class Commands:
    """Answers commands by their program's name."""

    answers: dict[str, tuple[int, str, str]] = field(default_factory=dict)
    ran: list[list[str]] = field(default_factory=list)

    def __call__(self, args: list[str], *, environ_update: dict[str, str] | None = None) -> tuple[int, str, str]:
        self.ran.append(args)
        return self.answers.get(Path(args[0]).name, (0, "", ""))


def test_compiled_loaded_and_run(tmp_path: Path) -> None:
    run = Commands({"unshare": (0, '{"retval":42,"duration":7}', "")})
    assert prove(run, TOOLS, tmp_path, run_programs=True) == (
        "an eBPF program was compiled, loaded and run, and returned 42"
    )
    assert [args[0] for args in run.ran] == ["/usr/bin/clang", "unshare"]


def test_a_machine_that_only_builds_only_compiles(tmp_path: Path) -> None:
    run = Commands()
    assert prove(run, TOOLS, tmp_path, run_programs=False) == (
        "an eBPF program was compiled; this machine is declared not to run any"
    )
    assert [args[0] for args in run.ran] == ["/usr/bin/clang"]


@pytest.mark.parametrize(
    ("tools", "answers", "text"),
    [
        (
            Tools("", "", ""),
            {},
            "Asked: compile and load an eBPF program. Found: not installed: clang, bpftool, libbpf's headers. "
            "Do: let the role ebpf_toolchain install its packages (do not skip its tag 'install').",
        ),
        (
            TOOLS,
            {"clang": (1, "", "proof.bpf.c:1:10: fatal error: 'linux/bpf.h' file not found\n")},
            "Asked: compile an eBPF program with /usr/bin/clang. "
            "Found: clang says: proof.bpf.c:1:10: fatal error: 'linux/bpf.h' file not found. "
            "Do: reinstall clang, libbpf-dev and linux-libc-dev, then run again.",
        ),
        (
            TOOLS,
            {"unshare": (255, "", "Error: failed to load object file\n")},
            "Asked: load an eBPF program with /usr/sbin/bpftool and run it. "
            "Found: it says: Error: failed to load object file. "
            "Do: run as root; in a container allow CAP_SYS_ADMIN and the bpf system call, or set "
            "ebpf_toolchain_run_programs to false: programs are then built here and not run.",
        ),
        (
            TOOLS,
            {"unshare": (0, '{"retval":41}', "")},
            "Asked: an eBPF program that returns 42. Found: it returned 41. "
            "Do: look for what else changes eBPF programs on this machine; this one is a single instruction.",
        ),
    ],
)
def test_what_is_not_proven_is_told(
    tmp_path: Path, tools: Tools, answers: dict[str, tuple[int, str, str]], text: str
) -> None:
    with pytest.raises(LabError) as error:
        prove(Commands(answers), tools, tmp_path, run_programs=True)
    assert str(error.value) == text


def test_a_bpftool_that_refuses_this_kernel_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ubuntu's own command, on a kernel that it has no tools for, beside tools for another one."""
    monkeypatch.setattr("shutil.which", lambda name, path: f"/usr/sbin/{name}")
    tool = tmp_path / "usr/lib/linux-tools/6.8.0-31-generic/bpftool"
    tool.parent.mkdir(parents=True)
    tool.touch()

    def run(args: list[str], *, environ_update: dict[str, str] | None = None) -> tuple[int, str, str]:
        return (2, "", "WARNING: bpftool not found for kernel") if args[0] == "/usr/sbin/bpftool" else (0, "", "")

    assert find_tools(run, tmp_path) == Tools("/usr/sbin/clang", str(tool), "")
    assert find_tools(run, tmp_path).missing == ["libbpf's headers"]
    tool.unlink()
    assert find_tools(run, tmp_path).missing == ["bpftool", "libbpf's headers"]


@dataclass
class Tracing:
    """A tracefs whose trace pipe is a named pipe, and a 'minimal' that writes into it."""

    root: Path
    line: str = "minimal-7 [000] ...21 1.5: bpf_trace_printk: hello_ebpf minimal: pid 7, token {token}\n"
    code: int = 0

    def __post_init__(self) -> None:
        self.program = self.root / "minimal"
        self.program.touch()
        self.tracing = self.root / "tracing"
        self.tracing.mkdir()
        (self.tracing / "tracing_on").write_text("1\n")
        self.pipe = self.tracing / "trace_pipe"
        os.mkfifo(self.pipe)

    def __call__(self, args: list[str], *, environ_update: dict[str, str] | None = None) -> tuple[int, str, str]:
        assert args[:2] == [str(self.program), "--token"]
        if self.code:
            return self.code, "", "minimal: the kernel does not load the eBPF program: Operation not permitted\n"
        writer = os.open(self.pipe, os.O_WRONLY | os.O_NONBLOCK)
        os.write(writer, ("another-9 [000] bpf_trace_printk: other\n" + self.line.format(token=args[2])).encode())
        os.close(writer)
        return 0, "pid 7: the kernel saw 1 of 1 calls\n", ""

    def hello(self, proc: Path = Path("/nonexistent")) -> Hello:
        return Hello(self, self.program, tracing=self.tracing, proc=proc, patience=0.2)


@pytest.fixture
def tracing(tmp_path: Path) -> Tracing:
    return Tracing(tmp_path)


def test_the_line_of_this_run_is_read(tracing: Tracing) -> None:
    assert tracing.hello().say("abc") == tracing.line.format(token="abc").strip()
    first, second = tracing.hello().say(), tracing.hello().say()
    assert first != second, "each run has its own token"


def test_what_is_not_there(tracing: Tracing) -> None:
    tracing.program.unlink()
    tracing.pipe.unlink()
    assert tracing.hello().missing == [str(tracing.program), f"tracefs on {tracing.tracing}"]
    with pytest.raises(LabError) as error:
        tracing.hello().say()
    assert str(error.value) == (
        f"Asked: {tracing.program} run, and its line from the trace pipe. "
        f"Found: not there: {tracing.program}, tracefs on {tracing.tracing}. "
        "Do: run the roles ebpf_toolchain (mounts tracefs) and ebpf_examples (builds the program) first."
    )


def test_tracing_that_is_switched_off(tracing: Tracing) -> None:
    (tracing.tracing / "tracing_on").write_text("0\n")
    with pytest.raises(LabError) as error:
        tracing.hello().say()
    assert str(error.value) == (
        f"Asked: a line from {tracing.pipe}. "
        f"Found: somebody switched tracing off ({tracing.tracing}/tracing_on is 0). "
        f"Do: switch it on when they are done: echo 1 > {tracing.tracing}/tracing_on."
    )


def test_a_program_that_fails(tracing: Tracing) -> None:
    tracing.code = 1
    with pytest.raises(LabError) as error:
        tracing.hello().say()
    assert str(error.value) == (
        f"Asked: {tracing.program} run. Found: it ended with 1: "
        "minimal: the kernel does not load the eBPF program: Operation not permitted. "
        "Do: run it by hand as root; the role ebpf_toolchain names what the kernel lacks."
    )


def test_a_line_that_does_not_come_and_who_may_have_it(tracing: Tracing) -> None:
    tracing.line = "another run's line\n"
    reader = subprocess.Popen(["sleep", "60"], stdin=os.open(tracing.pipe, os.O_RDONLY | os.O_NONBLOCK))
    try:
        with pytest.raises(LabError) as error:
            tracing.hello(Path("/proc")).say("abc")
    finally:
        reader.kill()
        reader.wait()
    assert str(error.value) == (
        f"Asked: the line with token abc from {tracing.pipe} within 0.2 s. "
        "Found: it did not come, although the program says: pid 7: the kernel saw 1 of 1 calls; "
        f"also read by pid {reader.pid} (sleep). "
        "Do: end other readers of the trace pipe, which take lines away from each other, and run again."
    )


def test_a_pipe_that_another_reads_for_a_moment_is_waited_for(
    tracing: Tracing, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [16, 16]
    really_open = os.open

    def busy_twice(path: Path, flags: int) -> int:
        if flags == os.O_RDONLY | os.O_NONBLOCK and answers:
            raise OSError(answers.pop(), "Device or resource busy", str(path))
        return really_open(path, flags)

    monkeypatch.setattr("os.open", busy_twice)
    assert "token abc" in tracing.hello().say("abc")
    assert answers == []


def test_a_pipe_that_has_its_one_reader(tracing: Tracing, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(path: Path, flags: int) -> int:
        raise OSError(16, "Device or resource busy", str(path))

    monkeypatch.setattr("os.open", busy)
    with pytest.raises(LabError) as error:
        tracing.hello().say()
    assert str(error.value) == (
        f"Asked: a line from {tracing.pipe}. Found: the pipe has one reader at a time, and has one for 0.2 s. "
        "Do: end that reader and run again."
    )


def test_a_line_that_comes_late_and_in_pieces(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.set_blocking(read, False)

    def taken() -> bool:
        waiting = fcntl.ioctl(read, termios.FIONREAD, bytes(4))
        return int.from_bytes(waiting, sys.byteorder) == 0

    def slowly() -> None:
        for piece in [b"noise\nhello tok", b"en-1 wor", b"ld\nrest"]:
            until("the piece before it is taken", taken)
            os.write(write, piece)

    writer = threading.Thread(target=slowly)
    writer.start()
    assert find_line(read, "token-1", 60) == "hello token-1 world"
    writer.join()
    assert find_line(read, "token-2", 0.05) is None


def test_readers_are_found_by_their_open_files(tmp_path: Path) -> None:
    for pid, target in {"11": "/sys/kernel/tracing/trace_pipe", "12": "/dev/null"}.items():
        (tmp_path / pid / "fd").mkdir(parents=True)
        (tmp_path / pid / "fd" / "3").symlink_to(target)
        (tmp_path / pid / "comm").write_text("cat\n")
    assert list(users_of("/sys/kernel/tracing/trace_pipe", tmp_path)) == [(11, "cat")]
