"""The drive as a host sees it through `csd`, held against the data set's own reference and the target's RPC."""

from __future__ import annotations

import hashlib
import json
import struct
from typing import Any

import pytest

import record_reference as reference
from lab_asked import REPORTS

Host = Any  # testinfra.host.Host, which comes without types

SLOTS = {"threshold": 0, "search": 1, "aggregate": 2, "histogram": 3, "sample": 4, "top": 5}
# A part of the data set that a test can make anew in no time.
RECORDS = 20_000
BYTES = RECORDS * 64

# The target's word, by no client of the lab's: one line of JSON over the socket.
RPC = """
import json, socket, sys
with socket.socket(socket.AF_UNIX) as s:
    s.connect("/run/hello_ebpf/spdk.sock")
    s.sendall(json.dumps({"jsonrpc": "2.0", "id": 1, "method": sys.argv[1]}).encode())
    s.settimeout(60)
    text = b""
    while True:
        part = s.recv(65536)
        text += part
        try:
            print(json.dumps(json.loads(text)["result"]))
            break
        except json.JSONDecodeError:
            if not part:
                raise
"""


def csd(host: Host, words: str) -> Any:
    return json.loads(host.check_output(f"csd {words} --json"))


def rpc(host: Host, method: str) -> Any:
    return json.loads(host.check_output("python3 -c %s %s", RPC, method))


def programs(host: Host) -> dict[int, Any]:
    """What is loaded, by slot, as the host sees it."""
    [compute] = csd(host, "list")["compute"]
    return {program["pind"]: program for program in compute["programs"] if program["state"] != "empty"}


@pytest.fixture(scope="module")
def records() -> list[bytes]:
    dataset = json.loads((REPORTS / "latest/report.json").read_text())["dataset"]
    return reference.generate(dataset["records"], dataset["seed"], RECORDS)


def test_three_namespaces_and_the_six_shipped_programs_active(host: Host) -> None:
    assert [namespace["kind"] for namespace in csd(host, "list")["namespaces"]] == ["NVM", "SLM", "compute"]
    seen = programs(host)
    assert set(seen) >= set(SLOTS.values())
    assert {program["state"] for program in seen.values()} == {"active"}


def test_host_target_and_file_agree_about_every_program(host: Host) -> None:
    by_host = {slot: program["sha256"] for slot, program in programs(host).items()}
    [compute] = rpc(host, "csd_get_programs")
    by_target = {program["pind"]: program["sha256"] for program in compute["programs"] if program["state"] != "empty"}
    by_file = {
        slot: host.check_output(f"sha256sum /opt/hello_ebpf/csd_target/programs/{name}.bpf.o").split()[0]
        for name, slot in SLOTS.items()
    }
    assert by_host == by_target
    assert {slot: by_host[slot] for slot in by_file} == by_file


def test_a_scan_brings_back_what_a_reference_selects(host: Host, records: list[bytes]) -> None:
    expected = [record for record in records if reference.temperature(record) >= 50_000]
    found = csd(host, f"scan --slot {SLOTS['threshold']} --cparam1 50000 --length {BYTES}")
    assert found["records"] == RECORDS
    assert found["matches"] == len(expected)
    assert found["kept_sha256"] == hashlib.sha256(b"".join(expected)).hexdigest()


def test_a_state_comes_back(host: Host, records: list[bytes]) -> None:
    values = [reference.temperature(record) for record in records]
    found = csd(host, f"scan --slot {SLOTS['aggregate']} --length {BYTES}")
    state = struct.unpack("<Qqii", bytes.fromhex(found["state"]))
    assert state == (len(values), sum(values), min(values), max(values))


def test_the_standard_flow_gives_the_same(host: Host, records: list[bytes]) -> None:
    expected = b"".join(record for record in records if reference.temperature(record) >= 50_000)
    found = csd(host, f"exec --slot {SLOTS['threshold']} --cparam1 50000 --length {BYTES}")
    assert found["kept_sha256"] == hashlib.sha256(expected).hexdigest()


def test_the_target_counted_what_the_host_asked(host: Host) -> None:
    def counters() -> dict[str, int]:
        [compute] = rpc(host, "csd_get_stats")
        found: dict[str, int] = next(each for each in compute["programs"] if each["pind"] == SLOTS["sample"])
        return found

    before = counters()
    found = csd(host, f"scan --slot {SLOTS['sample']} --cparam1 10 --length {BYTES}")
    after = counters()
    assert after["records"] - before["records"] == RECORDS
    assert after["matches"] - before["matches"] == found["matches"] == RECORDS // 10
    assert after["scanned_bytes"] - before["scanned_bytes"] == BYTES


def test_a_refused_program_changes_nothing_and_says_why(host: Host) -> None:
    """The bare stream `r0 = *(u64 *)(r1 + 64); exit` reads behind its 64-byte record."""
    before = programs(host)
    stream = host.check_output("mktemp")
    try:
        host.check_output(
            "python3 -c %s %s",
            "import sys; open(sys.argv[1], 'wb').write(bytes.fromhex('7910400000000000' '9500000000000000'))",
            stream,
        )
        done = host.run(f"csd load --slot 15 {stream}")
    finally:
        host.check_output(f"rm {stream}")
    assert done.rc != 0
    assert "instruction 0" in done.stderr
    assert "record" in done.stderr
    assert programs(host) == before
