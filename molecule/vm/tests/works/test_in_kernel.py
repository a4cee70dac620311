"""eBPF in the guest's own kernel: minimal, and nvme_tcp_trace on the kernel's connection."""

from __future__ import annotations

import json
from typing import Any

from integration.verify.test_ebpf import (  # noqa: F401
    test_bootstrap_sees_an_exec_its_exit_code_and_its_duration,
    test_minimal_leaves_no_program_in_the_kernel,
    test_minimal_prints_from_inside_the_kernel,
    test_nvme_tcp_trace_counts_and_leaves_nothing,
)
from lab_nvme import COMPUTE, DATA, SLM, Nodes

Host = Any  # testinfra.host.Host, which comes without types

TRACE = "/opt/hello_ebpf/examples/bin/nvme_tcp_trace"
READS, SIZE = 32, 16384
# IPv4's and TCP's headers, with timestamps.
HEADERS = 20 + 32

# The tracer joins connections that are there: first a few reads on each CPU, each with a queue of its own, so that it
# has found its place in every stream; then what is counted, between two of its snapshots and two looks at lo.
TRACED = """
import json, os, subprocess, sys, time
trace, device, reads, size, slm, compute = sys.argv[1:]
command = [trace, '--json', '--snapshots', '--interface', 'lo', '--port', '4420', '--slm', slm, '--compute', compute]
tracer = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

def line():
    return json.loads(tracer.stdout.readline())

def lo():
    return [int(open(f'/sys/class/net/lo/statistics/tx_{name}').read()) for name in ('bytes', 'packets')]

def count():
    tracer.stdin.write(chr(10))
    tracer.stdin.flush()
    [port] = line()['ports']
    return port['to_target'], port['to_host'], port

def look():
    # Two looks at both that find the same: nothing passed, and both counts are of the same moment.
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        before, first = lo(), count()
        again, second = lo(), count()
        if lo() == again == before and second[:2] == first[:2]:
            return {'lo': before, 'port': second[2]}
    sys.exit('something passed lo at every look for 120 s')

def read(count):
    subprocess.run(['dd', f'if={device}', 'of=/dev/null', f'bs={size}', f'count={count}', 'iflag=direct'], check=True)

line()
everywhere = os.sched_getaffinity(0)
for cpu in everywhere:
    os.sched_setaffinity(0, {cpu})
    read(8)
os.sched_setaffinity(0, everywhere)
before = look()
read(reads)
after = look()
tracer.stdin.close()
tracer.wait()
print(json.dumps([before, after]))
"""


def of_reads(port: dict[str, Any]) -> dict[str, int]:
    """All Read commands, on queues whose Connect was seen or not."""
    names = ("commands", "completions", "failed", "data_bytes_to_host")
    reads = [each for each in port["commands"] if each["opcode"] == 2 and each.get("nsid") in {None, DATA}]
    return {name: sum(each[name] for each in reads) for name in names}


def test_trace_counts_a_known_sequence_and_what_the_interface_counts(host: Host, nodes: dict[int, Nodes]) -> None:
    """In the guest's kernel, nvme_tcp_trace counts 32 reads of 16 KiB exactly, and the bytes that lo itself counted."""
    words = [TRACE, nodes[DATA].block, *map(str, (READS, SIZE, SLM, COMPUTE))]
    said = host.check_output("python3 -c %s %s %s %s %s %s %s", TRACED, *words)
    before, after = json.loads(said)
    counted = {name: value - of_reads(before["port"])[name] for name, value in of_reads(after["port"]).items()}
    assert counted == {
        "commands": READS, "completions": READS, "failed": 0, "data_bytes_to_host": READS * SIZE
    }, (before, after)  # fmt: skip
    sides = ("to_target", "to_host")
    traced = {
        name: sum(after["port"][side][name] - before["port"][side][name] for side in sides)
        for name in ("ip_bytes", "packets")
    }
    on_lo = [late - early for early, late in zip(before["lo"], after["lo"], strict=True)]
    # Where the interface cut a packet in two there is one more set of headers.
    assert on_lo[0] - traced["ip_bytes"] == (on_lo[1] - traced["packets"]) * HEADERS, (on_lo, traced)
