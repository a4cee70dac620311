"""nvme_tcp_trace on real traffic, in a network namespace of its own: nothing else is on its loopback interface."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.hello_ebpf.jsonrpc import Client

from csd.commands import Command
from csd_live import CsdTarget, program
from live_target import CORE_MASK, LiveTarget
from own_network import own_network
from waiting import CEILING, until

PROGRAM = os.environ.get("HELLO_EBPF_NVME_TCP_TRACE", "/opt/hello_ebpf/examples/bin/nvme_tcp_trace")
BENCH = os.environ.get("HELLO_EBPF_CSD_BENCH", "/opt/hello_ebpf/csd_bench/bin/csd_bench")
NQN = "nqn.2026-11.io.hello-ebpf:trace-test"
HOST_NQN = "nqn.2026-11.io.hello-ebpf:trace-host"
PORT = 24140

RECORDS = 300001  # the last block is not full
IO_BYTES = 131072
BLOCK = 512
READ_BYTES = -(-RECORDS * 64 // BLOCK) * BLOCK
IOS = -(-READ_BYTES // IO_BYTES)
# IPv4 or IPv6 header, and TCP's with timestamps; an IPv6 packet beyond 64 KiB had 8 bytes more (a jumbogram's option).
HEADERS = {socket.AF_INET: 20 + 32, socket.AF_INET6: 40 + 32 - 8}
# From <linux/tcp.h>: struct tcp_info.
TCP_INFO_BYTES_RECEIVED = 128
TCP_INFO_BYTES_SENT = 200
TCP_INFO_BYTES_RETRANS = 208


def ip(*words: str) -> str:
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


def tc(*words: str) -> str:
    # It mounts a bpffs when it loads a program: not for everybody.
    return subprocess.run(["unshare", "--mount", "tc", *words], check=True, capture_output=True, text=True).stdout


@pytest.fixture(autouse=True)
def private_network() -> Iterator[None]:
    with own_network():
        yield


class Trace:
    """A tracer that answers with snapshots."""

    def __init__(self, *words: str, interface: str = "lo") -> None:
        self.interface = interface
        command = [PROGRAM, "--json", "--snapshots", "--interface", interface, "--port", str(PORT), *words]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.ready = self._line()
        assert self.ready["event"] == "ready"

    def __enter__(self) -> Trace:
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        assert self.process.wait(CEILING) in (0, -signal.SIGKILL)
        self.process.stdout.close()

    def _line(self) -> dict[str, Any]:
        assert self.process.stdout
        found: dict[str, Any] = json.loads(self.process.stdout.readline())
        return found

    def snapshot(self) -> dict[str, Any]:
        assert self.process.stdin
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        found = self._line()
        assert found["event"] == "snapshot"
        return found

    def port(self) -> dict[str, Any]:
        (port,) = self.snapshot()["ports"]
        assert port["port"] == PORT
        return dict(port)

    def at_rest(self, *, connections: int) -> tuple[dict[str, Any], tuple[int, int]]:
        """Once all have ended, at least so many, and nothing passed meanwhile: what it and the interface counted."""

        def look() -> tuple[dict[str, Any], tuple[int, int]] | None:
            interface = interface_counters(self.interface)
            port = self.port()
            begun, ended = (port["connections"][name] for name in ("begun", "ended"))
            still = interface == interface_counters(self.interface)
            return (port, interface) if still and begun == ended >= connections else None

        found = until(
            f"all connections have ended, {connections} or more, and nothing passes {self.interface}",
            look,
            found=lambda: f"It counts {self.port()['connections']}",
        )
        assert found
        return found


def pdus(port: dict[str, Any], direction: str) -> dict[str, int]:
    return {pdu["name"]: pdu["count"] for pdu in port[direction]["pdus"]}


def commands(port: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(entry["queue"], entry["name"]): entry for entry in port["commands"]}


def check_sums(port: dict[str, Any]) -> None:
    """Every byte and every PDU is accounted for."""
    in_pdus = sum(pdu["bytes"] for direction in ("to_target", "to_host") for pdu in port[direction]["pdus"])
    both = port["to_target"]["bytes"] + port["to_host"]["bytes"]
    assert in_pdus + port["not_parsed"]["bytes"] == both
    assert sum(entry["commands"] for entry in port["commands"]) == pdus(port, "to_target").get("CapsuleCmd", 0)
    for entry in port["commands"]:
        latency = entry["latency_us"]
        if latency:
            assert sum(bucket["count"] for bucket in latency["histogram"]) == entry["completions"]
            assert 0 < latency["minimum"] <= latency["p50"] <= latency["p99"] <= latency["maximum"]


def interface_counters(name: str = "lo") -> tuple[int, int]:
    """Bytes and packets that the interface sent, on loopback what it received too."""
    for line in Path("/proc/thread-self/net/dev").read_text().splitlines():
        if line.strip().startswith(f"{name}:"):
            fields = [int(field) for field in line.split(":")[1].split()]
            return fields[8], fields[9]
    raise AssertionError(f"no interface {name}")


def check_interface(
    port: dict[str, Any], before: tuple[int, int], after: tuple[int, int], family: socket.AddressFamily
) -> None:
    """The interface counted what we did; where it cut a packet in two, one more pair of headers."""
    sides = (port["to_target"], port["to_host"])
    more_bytes = after[0] - before[0] - sum(side["ip_bytes"] for side in sides)
    more_packets = after[1] - before[1] - sum(side["packets"] for side in sides)
    assert more_bytes == more_packets * HEADERS[family]


# --- A known sequence of commands, with SPDK at both ends ---


@contextlib.contextmanager
def spdk_target(folder: Path, *, address: str, success_flag: bool) -> Iterator[None]:
    family = "IPv6" if ":" in address else "IPv4"
    with LiveTarget(folder) as target:
        with Client(str(target.socket)) as client:
            client.call("nvmf_create_transport", {"trtype": "TCP", "c2h_success": success_flag})
            client.call("bdev_malloc_create", {"name": "data", "num_blocks": 65536, "block_size": BLOCK})
            client.call("nvmf_create_subsystem", {"nqn": NQN, "serial_number": "TRACE", "allow_any_host": True})
            client.call("nvmf_subsystem_add_ns", {"nqn": NQN, "namespace": {"bdev_name": "data", "nsid": 1}})
            listener = {"trtype": "TCP", "adrfam": family, "traddr": address, "trsvcid": str(PORT)}
            client.call("nvmf_subsystem_add_listener", {"nqn": NQN, "listen_address": listener})
        yield


def bench(*words: str, address: str = "127.0.0.1") -> dict[str, Any]:
    place = ["--traddr", address, "--trsvcid", str(PORT), "--subnqn", NQN, "--hostnqn", HOST_NQN, "--memory", "128"]
    core = ["--core", "0"] if CORE_MASK == "0x2" else []
    how = ["--records", str(RECORDS), "--io-size", str(IO_BYTES), "--queue-depth", "16"]
    done = subprocess.run(
        [BENCH, words[0], *place, *core, *how, *words[1:]], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("mtu", [65536, 1500])
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("success_flag", [False, True])
def test_a_known_sequence_of_commands(tmp_path: Path, mtu: int, address: str, success_flag: bool) -> None:
    """With an MTU of 1500 every packet beyond that is a large one that the interface takes whole (GSO)."""
    ip("link", "set", "lo", "mtu", str(mtu))
    with spdk_target(tmp_path, address=address, success_flag=success_flag), Trace() as trace:
        before = interface_counters()
        bench("write", "--force", address=address)
        bench("verify", address=address)
        port, after = trace.at_rest(connections=4)
        check_interface(port, before, after, socket.AF_INET6 if ":" in address else socket.AF_INET)
    check_sums(port)
    assert port["not_parsed"]["bytes"] == 0
    assert port["not_parsed"]["unmatched"] == 0
    assert port["connections"]["joined_midway"] == 0
    assert port["connections"]["begun"] == port["connections"]["ended"]
    counted = commands(port)
    assert counted["fabrics", "Connect"]["commands"] == 4  # two programs, an admin and an I/O queue each
    assert counted["fabrics", "Connect"]["data_bytes_to_target"] == 4 * 1024
    write, read = counted["io", "Write"], counted["io", "Read"]
    assert (write["nsid"], write["commands"], write["completions"], write["failed"]) == (1, IOS, IOS, 0)
    assert (read["nsid"], read["commands"], read["completions"], read["failed"]) == (1, IOS, IOS, 0)
    assert (write["data_bytes_to_target"], write["data_bytes_to_host"]) == (READ_BYTES, 0)
    assert (read["data_bytes_to_target"], read["data_bytes_to_host"]) == (0, READ_BYTES)
    assert {name for queue, name in counted if queue == "io"} == {"Write", "Read"}
    to_target, to_host = pdus(port, "to_target"), pdus(port, "to_host")
    assert (to_target["ICReq"], to_host["ICResp"]) == (4, 4)
    completions = sum(entry["completions"] for entry in port["commands"])
    by_data = completions - to_host["CapsuleResp"]
    assert by_data == 0 if not success_flag else by_data >= IOS
    assert to_target["H2CData"] == to_host["R2T"] >= IOS - 1
    if mtu == 1500:
        assert port["to_host"]["bytes"] / port["to_host"]["packets"] > 1448


def test_csd_bench_takes_its_bytes_from_here(tmp_path: Path) -> None:
    """Both ways of counting, of the same moments, agree to the byte."""
    with spdk_target(tmp_path, address="127.0.0.1", success_flag=False):
        bench("write", "--force")
        found = bench("baseline", "--selectivity", "0.01", "--repeats", "3", "--trace", PROGRAM)
        without = bench("baseline", "--selectivity", "0.01", "--repeats", "1", "--trace", "/nonexistent")
    assert (found["wire_source"], found["wire_reason"]) == ("nvme_tcp_trace", "")
    for sample in found["runs"][0]["samples"]:
        assert sample["wire_bytes_to_host"] == sample["tcp_bytes_to_host"] >= READ_BYTES
        assert sample["wire_bytes_to_target"] == sample["tcp_bytes_to_target"] >= IOS * 72
        assert sample["wire_bytes_not_parsed"] == 0
    assert without["wire_source"] == "tcp_info"
    assert without["wire_reason"] == "/nonexistent: No such file or directory"
    assert without["runs"][0]["samples"][0]["wire_bytes_to_host"] >= READ_BYTES
    assert "clsact" not in tc("qdisc", "show", "dev", "lo")


def test_the_computational_commands(tmp_path: Path) -> None:
    """The standard flow and scans against csd_tgt: each command by its name, its data by direction, its refusal."""
    data = b"".join(struct.pack("<QQIi40x", number, 0, 0, number) for number in range(16384))
    code = program("threshold", tmp_path)
    half = len(code) // 8 * 4
    blocks = struct.pack("<IIQH14x", 1, 0, 0, 15)
    ranges = struct.pack("<IIQ16xIIQ16x", 2, 0x10000, 0, 2, 0x10000, 0x10000)
    with CsdTarget(tmp_path, PORT) as target:
        drive = target.add_subsystem("traced", data)
        with Trace("--slm", "2", "--compute", "3") as trace, drive.device() as device:
            admin, io = device.transport.admin, device.transport.io
            statuses = [
                admin(Command(0x85, 3, cdw10=0x10000, cdw11=len(code), cdw14=half, data=code[:half])),
                admin(
                    Command(
                        0x85, 3, cdw10=0x10000, cdw11=len(code), cdw14=len(code) - half, cdw15=half, data=code[half:]
                    )
                ),
                admin(Command(0x88, 3, cdw10=0x10000)),
                io(Command(0x01, 2, cdw2=0x10000, cdw12=0x200, data=blocks)),
                io(Command(0x01, 3, cdw2=0, cdw3=2, cdw10=1000, data=ranges)),
                io(Command(0x02, 2, cdw10=0x10000, cdw12=0x10000, room=0x10000)),
                *(io(Command(0x82, 3, cdw3=1, cdw12=len(data), cdw14=16284, room=0x4000)) for _ in range(3)),
            ]
            assert [done.status for done in statuses] == [0] * 9
            assert statuses[-1].value == 100
            refused = io(Command(0x82, 3, cdw2=1, cdw3=1, cdw12=len(data), room=0x4000))  # slot 1 is empty
            port = trace.port()
    check_sums(port)
    counted = commands(port)
    load, scan = counted["admin", "Load Program"], counted["io", "CSD Scan"]
    assert (load["commands"], load["data_bytes_to_target"]) == (2, len(code))
    assert counted["admin", "Program Activation Management"]["commands"] == 1
    assert (counted["io", "SLM Copy"]["nsid"], counted["io", "SLM Copy"]["data_bytes_to_target"]) == (2, 32)
    assert (counted["io", "Execute Program"]["nsid"], counted["io", "Execute Program"]["data_bytes_to_target"]) == (
        3,
        64,
    )
    assert counted["io", "SLM Read"]["data_bytes_to_host"] == 0x10000
    assert (scan["commands"], scan["completions"], scan["failed"]) == (4, 4, 1)
    assert refused.status != 0
    (status,) = scan["statuses"]
    assert status["sct"] << 8 | status["sc"] == refused.status & 0x7FF
    assert port["not_parsed"]["bytes"] == 0


# --- Both ends by hand: what real ones seldom do ---

HEADER = struct.Struct("<BBBBI")


def pdu(kind: int, header: bytes, data: bytes = b"", flags: int = 0) -> bytes:
    offset = 8 + len(header)
    whole = offset + len(data)
    return HEADER.pack(kind, flags, offset, offset if data else 0, whole) + header + data


def command(opcode: int, cid: int, nsid: int = 1) -> bytes:
    return pdu(4, struct.pack("<BBHI56x", opcode, 0, cid, nsid))


def connect(cid: int, qid: int) -> bytes:
    return pdu(4, struct.pack("<BBHB37xH20x", 0x7F, 0, cid, 1, qid), bytes(1024))


def response(cid: int, status: int = 0) -> bytes:
    return pdu(5, struct.pack("<12xHH", cid, status << 1))


def data_to_host(cid: int, data: bytes) -> bytes:
    return pdu(7, struct.pack("<HHIII", cid, 0, 0, len(data), 0), data, flags=4)


class Pair:
    """A host's and a target's end of one connection."""

    def __init__(self, address: str = "127.0.0.1", port: int = PORT) -> None:
        self.family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(self.family) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((address, port))
            listener.listen()
            self.host = socket.socket(self.family)
            self.host.connect((address, port))
            self.target, _ = listener.accept()
        for end in (self.host, self.target):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Pair:
        return self

    def __exit__(self, *_: object) -> None:
        self.host.close()
        self.target.close()

    def to_target(self, data: bytes) -> None:
        self._move(self.host, self.target, data)

    def to_host(self, data: bytes) -> None:
        self._move(self.target, self.host, data)

    @staticmethod
    def _move(sender: socket.socket, receiver: socket.socket, data: bytes) -> None:
        thread = threading.Thread(target=sender.sendall, args=(data,))
        thread.start()
        left = len(data)
        while left:
            got = len(receiver.recv(left))
            assert got
            left -= got
        thread.join()

    def begin(self, qid: int = 1) -> None:
        self.to_target(pdu(0, bytes(120)))
        self.to_host(pdu(1, bytes(120)))
        self.to_target(connect(0, qid))
        self.to_host(response(0))

    def tcp_info(self) -> tuple[int, int]:
        """(to host, to target), of the kernel's own count."""
        info = self.host.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
        received, sent, again = (
            struct.unpack_from("<Q", info, offset)[0]
            for offset in (TCP_INFO_BYTES_RECEIVED, TCP_INFO_BYTES_SENT, TCP_INFO_BYTES_RETRANS)
        )
        return received, sent - again


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_bytes_are_tcps_own(address: str) -> None:
    """Even of a stream that is no NVMe/TCP: then all of it is told as not parsed."""
    with Trace() as trace, Pair(address) as pair:
        before = interface_counters()
        pair.to_target(b"GET / HTTP/1.1\r\n\r\n" * 5000)
        pair.to_host(os.urandom(3_000_001))
        port = trace.port()
        assert (port["to_host"]["bytes"], port["to_target"]["bytes"]) == pair.tcp_info()
        assert before != interface_counters()
    assert port["to_host"]["bytes"] == 3_000_001
    assert port["not_parsed"]["bytes"] == 3_000_001 + 18 * 5000
    assert port["not_parsed"]["lost_by_header"] == 2
    assert (port["to_host"]["pdus"], port["commands"]) == ([], [])


def test_a_connection_joined_midway_is_told() -> None:
    with Pair() as pair:
        pair.begin()
        with Trace() as trace:
            for cid in range(10):
                pair.to_target(command(0x02, cid))
                pair.to_host(data_to_host(cid, os.urandom(5000)) + response(cid))
            port = trace.port()
    check_sums(port)
    assert port["connections"] == {"begun": 0, "joined_midway": 1, "ended": 0}
    (read,) = port["commands"]
    # Which queue it is, was said in the Connect that nobody saw; and the first PDU of each direction served to find the
    # place.
    assert (read["queue"], read["name"], read["nsid"], read["commands"]) == ("unknown", None, 1, 9)
    assert read["completions"] == 9
    assert port["not_parsed"]["bytes"] == 72 + 24 + 5000
    assert port["not_parsed"]["synchronised"] == 2
    # The first completion's command was not counted.
    assert port["not_parsed"]["unmatched"] == 1


def test_small_pdus_in_large_packets_are_all_counted() -> None:
    """4,000 commands and their responses in a few packets of 64 KiB; and again with packets of up to 256 KiB."""
    count = 4000
    with Trace() as trace, Pair() as pair:
        pair.begin()
        pair.to_target(b"".join(command(0x02, cid % 1024) for cid in range(count)))
        pair.to_host(b"".join(response(cid % 1024) for cid in range(count)))
        port = trace.port()
    check_sums(port)
    assert commands(port)["io", "Read"]["commands"] == count
    # Of those with the same number only the last is on its way.
    assert port["not_parsed"]["overwritten"] == count - 1024
    assert commands(port)["io", "Read"]["completions"] == 1024
    assert port["not_parsed"]["unmatched"] == count - 1024
    assert port["not_parsed"]["bytes"] == 0
    assert port["to_host"]["packets"] < count / 10


@pytest.mark.parametrize(("address", "option"), [("::1", "gso_max_size"), ("127.0.0.1", "gso_ipv4_max_size")])
def test_packets_beyond_64_kib(address: str, option: str) -> None:
    """BIG TCP: longer than the IP header can say."""
    # iproute2 of Debian 12 knows the first of them only.
    done = subprocess.run(["ip", "link", "set", "lo", option, "262144"], check=False, capture_output=True, text=True)
    if done.returncode and option != "gso_max_size":
        set_link_attribute("lo", IFLA_GSO_IPV4_MAX_SIZE, 262144)
    count, size = 40, 1_000_000
    with Trace() as trace, Pair(address) as pair:
        pair.begin()
        for cid in range(count):
            pair.to_target(command(0x02, cid))
            pair.to_host(data_to_host(cid, bytes(size)) + response(cid))
        port = trace.port()
        assert (port["to_host"]["bytes"], port["to_target"]["bytes"]) == pair.tcp_info()
    check_sums(port)
    assert port["not_parsed"]["bytes"] == 0
    assert commands(port)["io", "Read"]["completions"] == count
    assert commands(port)["io", "Read"]["data_bytes_to_host"] == count * size
    # IPv4 has it since Linux 6.3.
    kernel = tuple(int(part) for part in os.uname().release.split(".")[:2])
    large = port["to_host"]["ip_bytes"] / port["to_host"]["packets"] > 65536
    assert large == (address == "::1" or kernel >= (6, 3))


IFLA_GSO_IPV4_MAX_SIZE = 63
RTM_NEWLINK = 16


def set_link_attribute(interface: str, attribute: int, value: int) -> None:
    """What this machine's ``ip`` may be too old for."""
    link = struct.pack("=BxHiII", socket.AF_UNSPEC, 0, socket.if_nametoindex(interface), 0, 0)
    body = link + struct.pack("=HHI", 8, attribute, value)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as netlink:
        netlink.send(struct.pack("=IHHII", 16 + len(body), RTM_NEWLINK, 1 | 4, 1, 0) + body)
        answer = netlink.recv(4096)
    assert struct.unpack_from("=i", answer, 16)[0] == 0


def test_several_connections_and_ports_and_a_reset() -> None:
    with (
        Trace("--port", f"{PORT},{PORT + 1}") as trace,
        Pair() as first,
        Pair(port=PORT + 1) as second,
        Pair() as third,
    ):
        for pair in (first, second, third):
            pair.begin(qid=1 if pair is not third else 0)
        # Byte by byte by turns: each stream is followed for itself.
        for at in range(72):
            for pair in (first, second):
                pair.to_target(command(0x82, 7, nsid=3)[at : at + 1])
        third.to_target(command(0x85, 1))
        third.to_host(response(1, 0x18E))
        first.to_host(response(7))
        second.to_host(response(7))
        third.host.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        third.host.close()  # RST
        ports = {port["port"]: port for port in trace.snapshot()["ports"]}
    for port in ports.values():
        check_sums(port)
        assert commands(port)["io", "CSD Scan"]["completions"] == 1
        assert port["not_parsed"]["bytes"] == 0
    load = commands(ports[PORT])["admin", "Load Program"]
    assert (load["commands"], load["failed"]) == (1, 1)
    assert load["statuses"] == [{"sct": 1, "sc": 0x8E, "count": 1}]
    assert ports[PORT]["connections"] == {"begun": 2, "joined_midway": 0, "ended": 1}
    assert ports[PORT + 1]["connections"] == {"begun": 1, "joined_midway": 0, "ended": 0}


def test_only_the_named_controller() -> None:
    with Trace("--address", "127.0.0.2") as trace, Pair("127.0.0.1") as other, Pair("127.0.0.2") as ours:
        for pair in (other, ours):
            pair.begin()
        port = trace.port()
        assert (port["to_host"]["bytes"], port["to_target"]["bytes"]) == ours.tcp_info()
    assert port["connections"]["begun"] == 1


def test_a_pair_of_interfaces_has_both_hooks() -> None:
    """Where what goes out does not come in again: each direction passes another hook."""
    with contextlib.ExitStack() as stack:
        other = subprocess.Popen(["unshare", "-n", "sleep", "60"])
        stack.callback(other.wait)
        stack.callback(other.kill)
        inside = ["nsenter", "-t", str(other.pid), "-n"]
        ours = Path("/proc/thread-self/ns/net").stat().st_ino
        until("it has a network of its own", lambda: Path(f"/proc/{other.pid}/ns/net").stat().st_ino != ours)
        ip("link", "add", "trace0", "type", "veth", "peer", "name", "trace1", "netns", str(other.pid))
        ip("address", "add", "192.0.2.1/24", "dev", "trace0")
        ip("link", "set", "trace0", "up")
        for words in (["address", "add", "192.0.2.2/24", "dev", "trace1"], ["link", "set", "trace1", "up"]):
            subprocess.run([*inside, "ip", *words], check=True)
        exchange = b"".join(data_to_host(cid, bytes(100_000)) + response(cid) for cid in range(20))
        script = (
            "import socket, sys\n"
            f"listener = socket.create_server(('192.0.2.2', {PORT}))\n"
            "print('up', flush=True)\n"
            "end, _ = listener.accept()\n"
            "end.sendall(sys.stdin.buffer.read())\n"
            "end.shutdown(socket.SHUT_WR)\n"
            "while end.recv(65536): pass\n"
        )
        target = subprocess.Popen([*inside, "python3", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert target.stdin
        assert target.stdout
        stack.callback(target.wait)
        stack.callback(target.kill)
        assert target.stdout.readline() == b"up\n"
        trace = stack.enter_context(Trace(interface="trace0"))
        assert trace.ready["hooks"] == ["egress", "ingress"]
        with socket.create_connection(("192.0.2.2", PORT)) as host:
            host.sendall(pdu(0, bytes(120)) + connect(99, 1) + b"".join(command(0x02, cid) for cid in range(20)))
            target.stdin.write(pdu(1, bytes(120)) + response(99) + exchange)
            target.stdin.close()
            left = 128 + 24 + len(exchange)
            while left:
                left -= len(host.recv(1 << 20))
        port, _ = trace.at_rest(connections=1)
    check_sums(port)
    read = commands(port)["io", "Read"]
    assert (read["commands"], read["completions"], read["data_bytes_to_host"]) == (20, 20, 2_000_000)
    assert port["to_host"]["bytes"] == 128 + 24 + len(exchange)
    assert port["not_parsed"]["bytes"] == 0
    assert port["connections"] == {"begun": 1, "joined_midway": 0, "ended": 1}


# --- What it leaves behind ---


def filters() -> str:
    return tc("filter", "show", "dev", "lo", "egress") + tc("filter", "show", "dev", "lo", "ingress")


def test_nothing_stays_behind() -> None:
    before = tc("qdisc", "show", "dev", "lo")
    for stop in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        with Trace() as trace:
            assert "clsact" in tc("qdisc", "show", "dev", "lo")
            assert "nvme_tcp_out" in filters()
            trace.process.send_signal(stop)
            assert trace.process.wait(CEILING) == 0
        assert tc("qdisc", "show", "dev", "lo") == before


def test_what_a_killed_one_left_goes_with_the_next() -> None:
    before = tc("qdisc", "show", "dev", "lo")
    for _ in range(3):
        with Trace() as trace:
            assert filters().count("nvme_tcp_out:[") == 1
            trace.process.kill()
            trace.process.wait()
    assert filters().count("nvme_tcp_out:[") == 1
    with Trace() as trace:
        assert filters().count("nvme_tcp_out:[") == 1
        with Pair() as pair:
            pair.begin()
            assert pdus(trace.port(), "to_target") == {"ICReq": 1, "CapsuleCmd": 1}
    assert tc("qdisc", "show", "dev", "lo") == before


def test_two_at_once_both_count_and_the_last_takes_the_qdisc() -> None:
    with Trace() as first, Trace() as second, Pair() as pair:
        assert filters().count("nvme_tcp_out:[") == 2
        pair.begin()
        assert pdus(first.port(), "to_target") == pdus(second.port(), "to_target") == {"ICReq": 1, "CapsuleCmd": 1}
        first.process.send_signal(signal.SIGINT)
        first.process.wait()
        assert filters().count("nvme_tcp_out:[") == 1
        pair.to_target(command(0x02, 1))
        assert pdus(second.port(), "to_target")["CapsuleCmd"] == 2
    assert "clsact" not in tc("qdisc", "show", "dev", "lo")


def test_sixteen_at_a_time_and_a_place_is_free_again() -> None:
    with contextlib.ExitStack() as stack:
        tracers = [stack.enter_context(Trace()) for _ in range(16)]
        refused = subprocess.run([PROGRAM, "-i", "lo"], check=False, capture_output=True, text=True)
        assert refused.returncode == 1
        check_refusal(refused, ("counting on interface lo", "16 tracers run on this interface", "end one of them"))
        tracers[3].process.kill()
        tracers[3].process.wait()
        with Trace():
            assert filters().count("nvme_tcp_out:[") == 16


def test_its_filters_have_the_priority_that_is_asked_for() -> None:
    with Trace():
        assert "pref 1 " in filters()
    with Trace("--priority", "9"):
        assert "pref 9 " in filters()
        assert "pref 1 " not in filters()


def test_foreign_filters_and_qdiscs_stay() -> None:
    tc("qdisc", "add", "dev", "lo", "clsact")
    with Trace() as trace:
        trace.process.kill()
        trace.process.wait()
    with Trace():
        pass
    assert "clsact" in tc("qdisc", "show", "dev", "lo")
    assert filters() == ""
    tc("qdisc", "del", "dev", "lo", "clsact")
    # One that comes while we are there keeps the qdisc that we brought.
    with Trace():
        add_filter(7)
        foreign = [line for line in filters().splitlines() if "pref 7" in line]
        assert foreign
    assert filters().splitlines() == foreign


def add_filter(priority: int) -> None:
    """Somebody else's: the same kind of filter, another program."""
    program = Path("/tmp") / f"foreign_{os.getpid()}.o"
    source = '__attribute__((section("classifier"), used)) int foreign(void *skb) { return -1; }\n'
    subprocess.run(
        ["clang", "-O2", "-target", "bpf", "-x", "c", "-c", "-", "-o", str(program)],
        input=source,
        text=True,
        check=True,
    )
    tc(
        "filter",
        "add",
        "dev",
        "lo",
        "egress",
        "pref",
        str(priority),
        "bpf",
        "da",
        "obj",
        str(program),
        "sec",
        "classifier",
    )
    program.unlink()


# --- For people, and what it refuses ---


def test_the_live_view(tmp_path: Path) -> None:
    view = tmp_path / "view"
    with view.open("w") as out:
        words = [PROGRAM, "-i", "lo", "-p", str(PORT), "--compute", "3", "--slm", "2"]
        process = subprocess.Popen(words, stdout=out, stderr=subprocess.PIPE, text=True)
    assert process.stderr
    assert process.stderr.readline() == "nvme_tcp_trace: counting on lo; Ctrl-C ends it\n"
    with Pair() as pair:
        pair.begin()
        for cid, (opcode, nsid) in enumerate([(0x02, 1), (0x82, 3), (0x01, 3), (0x01, 2)]):
            pair.to_target(command(opcode, cid, nsid))
            pair.to_host(response(cid))
        # The last of them; each view is of all that came since the one before.
        until("the live view shows it", lambda: "SLM Copy" in view.read_text(), found=view.read_text)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=CEILING)
    live, whole = view.read_text().split("in all:\n")
    for text in (live, whole):
        for name in ("Connect", "Read", "CSD Scan", "Execute Program", "SLM Copy"):
            assert name in text
        assert "not parsed: 0 bytes" in text
    assert process.returncode == 0


def test_one_document_at_the_end() -> None:
    words = [PROGRAM, "--json", "--interface", "lo", "--duration", "0.3"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    (line,) = done.stdout.splitlines()
    assert (json.loads(line)["event"], json.loads(line)["ports"][0]["port"]) == ("end", 4420)


REFUSALS = {
    "no interface": (["-i", "nope0"], "counting on interface nope0", "no such interface; there are: lo", "name one"),
    "not said where": ([], "nvme_tcp_trace", "it is not said where", "give --interface"),
    "port 0": (["-i", "lo", "-p", "0"], "--port 0", "possible is a number from 1 to 65535", "correct the value"),
    "nine ports": (["-i", "lo", "-p", "1,2,3,4,5,6,7,8,9"], "--port", "more than 8 numbers", "give fewer"),
    "a name": (["-i", "lo", "-a", "example.org"], "--address example.org", "neither an IPv4", "in numbers"),
    "no time": (["-i", "lo", "-d", "-1"], "--duration -1", "a number of seconds above 0", "correct the value"),
    "snapshots": (["-i", "lo", "-s"], "nvme_tcp_trace --snapshots", "snapshots are JSON", "give --json too"),
    "more words": (["-i", "lo", "more"], "nvme_tcp_trace more", "belongs to no option", "see nvme_tcp_trace --help"),
}


def check_refusal(done: subprocess.CompletedProcess[str], texts: Sequence[str]) -> None:
    lines = done.stderr.splitlines()
    assert (done.stdout, len(lines)) == ("", 3)
    for line, start, text in zip(lines, ("asked: ", "found: ", "do: "), texts, strict=True):
        assert line.startswith(start)
        assert text in line


@pytest.mark.parametrize("case", REFUSALS)
def test_what_it_refuses(case: str) -> None:
    words, *texts = REFUSALS[case]
    done = subprocess.run([PROGRAM, *words], check=False, capture_output=True, text=True)
    assert done.returncode in (1, 2)
    check_refusal(done, texts)


def test_without_the_right() -> None:
    words = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", PROGRAM, "-i", "lo"]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    check_refusal(done, ("the eBPF program", "does not load it: Operation not permitted", "run it as root"))


def test_an_interface_with_another_kind_of_qdisc_in_the_way() -> None:
    tc("qdisc", "add", "dev", "lo", "ingress")
    done = subprocess.run([PROGRAM, "-i", "lo", "-d", "0.1"], check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "asked: counting on interface lo",
        "found: an ingress qdisc stands where the clsact qdisc would be",
        "do: remove it, if nobody needs it: tc qdisc del dev IF ingress",
    ]
    assert "ingress" in tc("qdisc", "show", "dev", "lo")
