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

# Runs a command between two counts of the interface, and then stops the tracer.
TRACED = """
counters() {{ cat /sys/class/net/lo/statistics/tx_bytes /sys/class/net/lo/statistics/tx_packets; }}
{trace} --json --interface lo --port 4420 --slm {slm} --compute {compute} > $0 2> $0.errors & tracer=$!
while kill -0 $tracer && ! grep -q counting $0.errors; do sleep 0.05; done
before=$(counters)
{command}
after=$(counters)
kill -INT $tracer
wait $tracer
echo $before $after
cat $0
rm $0 $0.errors
"""


def traced(host: Host, command: str) -> tuple[list[int], dict[str, Any]]:
    """(bytes, packets before, bytes, packets after) of lo, and what the tracer counted at the target's port."""
    script = TRACED.format(trace=TRACE, slm=SLM, compute=COMPUTE, command=command)
    counters, *rest = host.check_output("sh -c %s %s", script, host.check_output("mktemp")).split("\n")
    [port] = json.loads("\n".join(rest))["ports"]
    return [int(word) for word in counters.split()], port


def test_trace_counts_a_known_sequence_and_what_the_interface_counts(host: Host, nodes: dict[int, Nodes]) -> None:
    """nvme_tcp_trace in the guest's kernel counts 32 reads of 16 KiB exactly, and the bytes that lo itself counted."""
    command = f"dd if={nodes[DATA].block} of=/dev/null bs={SIZE} count={READS} iflag=direct status=none"
    (bytes_before, packets_before, bytes_after, packets_after), port = traced(host, command)
    read = [each for each in port["commands"] if each["opcode"] == 2 and each["data_bytes_to_host"] == READS * SIZE]
    assert [(each["commands"], each["completions"], each["failed"]) for each in read] == [(READS, READS, 0)]
    sides = (port["to_target"], port["to_host"])
    more_bytes = bytes_after - bytes_before - sum(side["ip_bytes"] for side in sides)
    more_packets = packets_after - packets_before - sum(side["packets"] for side in sides)
    # lo has link headers; where the interface cut a packet in two, there is one more set of headers.
    links = 14 * (packets_after - packets_before)
    assert more_bytes - links == more_packets * HEADERS, (more_bytes, more_packets, port)
