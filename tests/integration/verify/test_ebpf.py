"""The toolchain and the examples, seen by independent tools: they compile, load, trace and print."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from lab_asked import contained
from waiting import SHELL

Host = Any  # testinfra.host.Host, which comes without types

EXAMPLES = "/opt/hello_ebpf/examples/bin"
BPFTOOL = (
    "for tool in bpftool /usr/lib/linux-tools/*/bpftool; do"
    ' "$tool" version >/dev/null 2>&1 && exec "$tool" {arguments}; done; exit 1'
)
# How long a process lasts that is to last: at least so long.
LASTS_MS = 300
LASTS = f"sleep {LASTS_MS / 1000}"


def bpftool(host: Host, arguments: str) -> Any:
    return json.loads(host.check_output("sh -c %s", BPFTOOL.format(arguments=arguments)))


@pytest.mark.parametrize(
    "command", ["clang --version", "llvm-objdump --version", "gcc --version", "make --version", "pkg-config --version"]
)
def test_the_tool_is_there(host: Host, command: str) -> None:
    assert host.run(command).rc == 0


@pytest.mark.parametrize("library", ["libbpf", "libelf", "zlib"])
def test_the_library_can_be_built_with(host: Host, library: str) -> None:
    assert host.check_output("pkg-config --libs %s", library).startswith("-l")


def test_clang_compiles_for_bpf(host: Host) -> None:
    assert "bpfel" in host.check_output("clang --print-targets")


def test_bpftool_works_on_this_kernel(host: Host) -> None:
    assert bpftool(host, "--json version")["version"]


def test_the_kernel_has_types_and_tracefs(host: Host) -> None:
    assert host.file("/sys/kernel/btf/vmlinux").size > 1_000_000
    mount = host.mount_point("/sys/kernel/tracing")
    assert mount.exists
    assert mount.filesystem == "tracefs"


@pytest.mark.parametrize("program", ["minimal", "bootstrap", "nvme_tcp_trace"])
def test_the_example_is_installed_for_everybody(host: Host, program: str) -> None:
    file = host.file(f"{EXAMPLES}/{program}")
    assert (file.is_file, file.mode, file.user) == (True, 0o755, "root")
    assert host.run(f"{EXAMPLES}/{program} --help").stdout.startswith(f"Usage: {program}")


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        ("minimal --count 0", "minimal: --count needs a number above 0, not '0'"),
        ("minimal --count 3x", "minimal: --count needs a number above 0, not '3x'"),
        ("minimal --token 01234567890123456789012345678901", "minimal: --token is longer than 31 characters"),
        ("bootstrap --seconds -1", "bootstrap: --seconds needs a number above 0, not '-1'"),
        ("bootstrap everything", "bootstrap: unexpected argument 'everything'"),
        (
            "nvme_tcp_trace --interface lo --port 0",
            "asked: --port 0\nfound: possible is a number from 1 to 65535\ndo: correct the value",
        ),
    ],
)
def test_a_wrong_argument_is_refused(host: Host, command: str, complaint: str) -> None:
    done = host.run(f"{EXAMPLES}/{command}")
    assert done.rc != 0
    assert done.stderr.strip() == complaint


def test_minimal_prints_from_inside_the_kernel(host: Host) -> None:
    """Read with cat from the trace pipe: one line a call, with the number of the process that made it."""
    script = SHELL + (
        "timeout 120 cat /sys/kernel/tracing/trace_pipe > $0.lines & reader=$!;"
        f' {EXAMPLES}/minimal --count 3 --token $0; reached "[ \\$(grep -c $0 $0.lines) -ge 3 ]";'
        " kill $reader; cat $0.lines; rm $0.lines"
    )
    token = host.check_output("mktemp -u -p . tokenXXXXXXXX").removeprefix("./")
    output = host.check_output("cd /tmp && sh -c %s %s", script, token)
    said = next(line for line in output.splitlines() if line.startswith("pid "))
    pid = said.split()[1].rstrip(",")
    assert f"pid {pid}, token {token}: the kernel saw 3 of 3 calls" in said
    lines = [line for line in output.splitlines() if "bpf_trace_printk" in line and token in line]
    assert len(lines) == 3
    # The trace numbers processes as the kernel's first PID namespace does, which a container does not see. It learns a
    # process's name when that leaves its CPU: who reads at once finds <...> in its place.
    in_a_container = contained(host)
    for line in lines:
        assert re.match(rf"\s*(minimal|<\.\.\.>)-{r'[0-9]+' if in_a_container else pid} ", line)
        assert line.endswith(f"hello_ebpf minimal: pid {pid}, token {token}")


def test_minimal_leaves_no_program_in_the_kernel(host: Host) -> None:
    host.check_output(f"{EXAMPLES}/minimal")
    assert [program for program in bpftool(host, "--json prog show") if program.get("name") == "hello"] == []


def traced(host: Host, options: str, command: str, last: str) -> list[dict[str, Any]]:
    """What bootstrap tells, as JSON, from before a command until ``last``, a shell's condition about the file $0."""
    script = SHELL + (
        f'{EXAMPLES}/bootstrap --json {options} > $0 2> $0.errors & tracer=$!; reached "grep -q tracing $0.errors";'
        f' {command}; reached "{last}"; kill -INT $tracer; wait $tracer; cat $0; rm $0 $0.errors'
    )
    output = host.check_output("sh -c %s %s", script, host.check_output("mktemp"))
    return [json.loads(line) for line in output.splitlines()]


def test_bootstrap_sees_an_exec_its_exit_code_and_its_duration(host: Host) -> None:
    # The kernel shows what runs in other containers too.
    folder = host.check_output("mktemp -d")
    marked = f"{folder}/ebpf_verify_sh"
    host.check_output("cp /bin/sh %s", marked)
    try:
        commands = f'{marked} -c "{LASTS}; exit 37"; {marked} -c "kill -9 \\$\\$"'
        events = traced(host, "", commands, "grep -q 'exit.*ebpf_verify_sh.*signal.: 9,' $0")
    finally:
        host.check_output("rm -r %s", folder)
    execs = [event for event in events if event["event"] == "exec" and event["filename"] == marked]
    assert len(execs) == 2
    slow, killed = (
        next(event for event in events if event["event"] == "exit" and event["pid"] == begun["pid"]) for begun in execs
    )
    assert (slow["comm"], slow["exit_code"], slow["signal"]) == ("ebpf_verify_sh", 37, 0)
    assert slow["duration_ms"] >= LASTS_MS
    assert slow["time"] - execs[0]["time"] == pytest.approx(slow["duration_ms"] / 1000, abs=0.001)
    assert (killed["exit_code"], killed["signal"]) == (0, 9)
    child = next(event for event in events if event["event"] == "exec" and event["ppid"] == slow["pid"])
    assert child["comm"] == "sleep"


def test_bootstrap_shows_only_what_ran_long_enough(host: Host) -> None:
    events = traced(host, f"--min-duration {LASTS_MS // 2}", f"/bin/sh -c true; {LASTS}", "grep -q 'comm.: .sleep' $0")
    assert "sleep" in {event["comm"] for event in events}
    assert [event for event in events if event["event"] != "exit" or event["duration_ms"] < LASTS_MS // 2] == []


def test_bootstrap_ends_by_itself(host: Host) -> None:
    assert len(traced(host, "--count 2", "/bin/true; /bin/true; /bin/true", "[ \\$(wc -l < $0) -ge 2 ]")) == 2
    done = host.run(f"{EXAMPLES}/bootstrap --seconds 1")
    assert done.rc == 0
    assert done.stdout.startswith("TIME ")


def test_nvme_tcp_trace_counts_and_leaves_nothing(host: Host) -> None:
    """What it cannot parse it counts openly: a known number of bytes that are no NVMe/TCP.

    In a network namespace of its own, so that nothing else is on the interface.
    """
    speak = SHELL + (
        "ip link set lo up;"
        f" {EXAMPLES}/nvme_tcp_trace --json --interface lo --port 4420 > $0 2> $0.errors & tracer=$!;"
        ' reached "grep -q counting $0.errors";'
        " python3 -c 'import socket, sys;"
        ' listener = socket.create_server(("127.0.0.1", 4420));'
        ' host = socket.create_connection(("127.0.0.1", 4420)); target = listener.accept()[0];'
        " host.sendall(bytes(1000)); target.recv(1000, socket.MSG_WAITALL)';"
        " kill -INT $tracer; wait $tracer; cat $0; rm $0 $0.errors; tc qdisc show dev lo; tc filter show dev lo egress"
    )
    output = host.check_output("unshare -n sh -c %s %s", speak, host.check_output("mktemp"))
    found, *left = output.splitlines()
    (port,) = json.loads(found)["ports"]
    assert (port["port"], port["to_target"]["bytes"], port["to_host"]["bytes"]) == (4420, 1000, 0)
    assert port["not_parsed"]["bytes"] == 1000
    assert port["connections"]["begun"] == 1
    assert not any("clsact" in line or "nvme_tcp" in line for line in left)
