"""nvme-cli as an independent client: it sees, reads, writes, compares and computes what the lab's own tools do."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import struct
from collections.abc import Iterator
from typing import Any

import pytest

import record_reference as reference
from lab_asked import REPORTS
from lab_nvme import COMPUTE, DATA, DATA_MB, MODEL, NQN, SERIAL, SLM, SLM_MB, UUID, Nodes, controller

Host = Any  # testinfra.host.Host, which comes without types

BLOCK = 512
SIZE = 65536
BLOCKS = SIZE // BLOCK
# Behind the data set, which later tests read.
LBA = (48 << 20) // BLOCK
SLOT = 9
PID = 0x600D
PROGRAM = "/opt/hello_ebpf/csd_target/programs/threshold.bpf.o"
THRESHOLD = 50_000
RECORDS = 1024
STRANGER = "nqn.2014-08.org.example:stranger"
STRANGER_ID = "1b8f3c52-7d0e-4f6a-9c1d-5e2a40b7d9f3"
OUTPUT = 1 << 20
ROOM = 1 << 17


def nvme(host: Host, words: str) -> Any:
    """What a command prints as JSON."""
    return json.loads(host.check_output(f"nvme {words} --output-format=json"))


def passthru(host: Host, kind: str, node: str, words: str) -> int:
    """Send a command; its result, dword 0 of the completion."""
    done = host.run(f"nvme {kind}-passthru {node} {words}")
    assert done.rc == 0, done.stdout + done.stderr
    result = re.search(r"result: ?(?:0x)?([0-9a-fA-F]+)", done.stdout + done.stderr)
    assert result, done.stdout + done.stderr
    return int(result[1], 16)


def put(host: Host, path: str, data: bytes) -> str:
    """A file in the guest."""
    host.check_output("sh -c %s", f"base64 -d > {path} <<'END'\n{base64.encodebytes(data).decode()}END")
    return path


@pytest.fixture(scope="module")
def random_file(host: Host, folder: str) -> str:
    """64 KiB that nobody could guess."""
    host.check_output(f"dd if=/dev/urandom of={folder}/random bs={SIZE} count=1 status=none")
    return f"{folder}/random"


@pytest.fixture(scope="module")
def records() -> list[bytes]:
    dataset = json.loads((REPORTS / "latest/report.json").read_text())["dataset"]
    return reference.generate(dataset["records"], dataset["seed"], RECORDS)


def test_list_shows_the_drive(host: Host, nodes: dict[int, Nodes]) -> None:
    """By nvme-cli, list shows the data namespace with the drive's model and serial number."""
    shown = json.dumps(nvme(host, "list"))
    assert nodes[DATA].block.removeprefix("/dev/") in shown
    assert MODEL in shown
    assert SERIAL in shown
    assert NQN in host.check_output("nvme list-subsys")


def test_a_stranger_is_not_let_in(host: Host) -> None:
    """The kernel as a host that is not on the subsystem's list is refused, and says so."""
    name = controller(host)
    before = host.check_output("dmesg")
    # Not by nvme-cli: it refuses a second connection to a subsystem by itself, whoever asks.
    words = f"transport=tcp,traddr=127.0.0.1,trsvcid=4420,nqn={NQN},hostnqn={STRANGER},hostid={STRANGER_ID}"
    done = host.run(f"sh -c 'echo {words} >/dev/nvme-fabrics'")
    assert done.rc != 0
    said = host.check_output("dmesg").removeprefix(before)
    assert f"not allowed, hostnqn: {STRANGER}" in said or "failed to connect queue: 0" in said, said + done.stderr
    assert controller(host) == name


def test_id_ctrl_is_the_declared_identity(host: Host) -> None:
    """By nvme-cli, id-ctrl gives the declared serial number, model and subsystem."""
    seen = nvme(host, f"id-ctrl /dev/{controller(host)}")
    assert (seen["sn"].strip(), seen["mn"].strip(), seen["subnqn"]) == (SERIAL, MODEL, NQN)
    assert seen["nn"] >= 3


def test_id_ns_is_the_declared_namespace(host: Host, nodes: dict[int, Nodes]) -> None:
    """By nvme-cli, id-ns and ns-descs give the data namespace's size, block size and UUID."""
    seen = nvme(host, f"id-ns {nodes[DATA].block}")
    assert seen["nsze"] * BLOCK == DATA_MB << 20
    assert 1 << seen["lbafs"][seen["flbas"] & 0xF]["ds"] == BLOCK
    assert UUID.format(DATA) in host.check_output(f"nvme ns-descs {nodes[DATA].block}")


def test_it_reads_what_it_wrote(host: Host, nodes: dict[int, Nodes], folder: str, random_file: str) -> None:
    """By nvme-cli, write, then read: the same 64 KiB; the block device shows them too."""
    where = f"{nodes[DATA].block} --start-block={LBA} --block-count={BLOCKS - 1} --data-size={SIZE}"
    host.check_output(f"nvme write {where} --data={random_file}")
    host.check_output(f"nvme read {where} --data={folder}/read")
    host.check_output(
        f"dd if={nodes[DATA].block} of={folder}/block iflag=direct bs={SIZE} skip={LBA // BLOCKS} count=1 status=none"
    )
    for found in ("read", "block"):
        assert host.run(f"cmp {random_file} {folder}/{found}").rc == 0


def test_compare_tells_equal_from_different(host: Host, nodes: dict[int, Nodes], folder: str, random_file: str) -> None:
    """By nvme-cli, compare succeeds on equal data, and fails with Compare Failure where one byte differs."""
    where = f"{nodes[DATA].block} --start-block={LBA} --block-count={BLOCKS - 1} --data-size={SIZE}"
    host.check_output(f"nvme write {where} --data={random_file}")
    host.check_output(f"nvme compare {where} --data={random_file}")
    other = "data = bytearray(open(sys.argv[1], 'rb').read()); data[-1] ^= 1; open(sys.argv[2], 'wb').write(data)"
    host.check_output("python3 -c %s %s %s", f"import sys; {other}", random_file, f"{folder}/other")
    done = host.run(f"nvme compare {where} --data={folder}/other")
    assert done.rc != 0
    assert re.search(r"compare.?fail", (done.stdout + done.stderr).lower()), done.stdout + done.stderr


def test_admin_passthru_agrees_with_id_ctrl(host: Host, folder: str) -> None:
    """By nvme-cli, admin-passthru of Identify (06h) gives the 4096 bytes that id-ctrl shows."""
    drive = f"/dev/{controller(host)}"
    identify = "--opcode=0x06 --cdw10=1 --data-len=4096 --read --raw-binary"
    host.check_output("sh -c %s", f"nvme admin-passthru {drive} {identify} > {folder}/passthru")
    host.check_output("sh -c %s", f"nvme id-ctrl {drive} --raw-binary > {folder}/id-ctrl")
    assert host.file(f"{folder}/passthru").size == 4096
    host.check_output(f"cmp {folder}/passthru {folder}/id-ctrl")
    assert SERIAL in host.file(f"{folder}/passthru").content.decode(errors="replace")


def raw(host: Host, folder: str, words: str) -> bytes:
    """What a command prints as bytes."""
    host.check_output("sh -c %s", f"nvme {words} --raw-binary > {folder}/raw")
    content: bytes = host.file(f"{folder}/raw").content
    return content


def test_effects_log_shows_each_command_sets_commands(host: Host) -> None:
    """By nvme-cli, effects-log gives the commands of each command set: reservations in NVM's, Flush in all three."""
    for csi, commands in (
        (0, {0x00, 0x01, 0x02, 0x05, 0x08, 0x09, 0x0D, 0x0E, 0x11, 0x15}),
        (3, {0x00, 0x01, 0x02, 0x04, 0x05}),
        (4, {0x00, 0x01, 0x82}),
    ):
        seen = nvme(host, f"effects-log /dev/{controller(host)} --csi={csi}")
        [page] = seen if isinstance(seen, list) else [seen]
        # Its keys are IOCS_0 (Flush), ACS_133 (...).
        supported = {
            name: {int(key.split("_")[1].split()[0]) for key in page[name]} for name in ("admin_cmd_set", "io_cmd_set")
        }
        assert (csi, supported["io_cmd_set"]) == (csi, commands)
        assert {0x85, 0x88, 0x89} <= supported["admin_cmd_set"]


def test_reachability_is_reported(host: Host, folder: str) -> None:
    """By nvme-cli, id-ctrl, cmdset-ind-id-ns and get-log give reachability: CRCAP, groups, both logs."""
    drive = f"/dev/{controller(host)}"
    identity = raw(host, folder, f"id-ctrl {drive}")
    assert identity[134] == 3
    assert struct.unpack_from("<I", identity, 92)[0] & 1 << 17
    for nsid, group in ((DATA, 1), (SLM, 1), (COMPUTE, 2)):
        seen = raw(host, folder, f"cmdset-ind-id-ns {drive} --namespace-id={nsid}")
        # NSTAT: ready. RGRPID.
        assert (nsid, seen[14], struct.unpack_from("<I", seen, 20)[0]) == (nsid, 1, group)
    groups = raw(host, folder, f"get-log {drive} --log-id=0x1a --log-len=92")
    assert struct.unpack_from("<H", groups, 8) == (2,)
    assert struct.unpack("<II24xII", groups[16:56]) == (1, 2, DATA, SLM)
    assert struct.unpack("<II24xI", groups[56:]) == (2, 1, COMPUTE)
    associations = raw(host, folder, f"get-log {drive} --log-id=0x1b --log-len=92")
    assert struct.unpack_from("<H", associations, 8) == (2,)
    assert struct.unpack("<II8xB15xI", associations[16:52]) == (1, 1, 2, 1)
    assert struct.unpack("<II8xB15xII", associations[52:]) == (2, 2, 1, 1, 2)


def test_io_passthru_reads_and_writes_the_drives_memory(
    host: Host, nodes: dict[int, Nodes], folder: str, random_file: str
) -> None:
    """By nvme-cli, io-passthru writes the drive's memory and reads it back; csd sees the same bytes."""
    where = f"--namespace-id={SLM} --cdw10=8192 --cdw12={SIZE} --data-len={SIZE}"
    passthru(host, "io", nodes[SLM].generic, f"--opcode=0x05 {where} --input-file={random_file} --write")
    host.check_output(
        "sh -c %s", f"nvme io-passthru {nodes[SLM].generic} --opcode=0x02 {where} --read --raw-binary > {folder}/slm"
    )
    host.check_output(f"cmp {random_file} {folder}/slm")
    host.check_output(f"csd slm read --start 8192 --length {SIZE} --output {folder}/csd")
    host.check_output(f"cmp {random_file} {folder}/csd")


@pytest.fixture(scope="module")
def slot(host: Host, folder: str) -> Iterator[int]:
    """The shipped threshold program in a slot of its own, loaded and activated by nvme-cli alone."""
    drive, size = f"/dev/{controller(host)}", host.file(PROGRAM).size
    # The type that log 83h lists first, and a program identifier (PIT 1).
    kind = raw(host, folder, f"get-log {drive} --log-id=0x83 --namespace-id={COMPUTE} --log-len=64")[32]
    pind = SLOT | kind << 16 | 1 << 25
    load = f"--opcode=0x85 --namespace-id={COMPUTE} --cdw10={pind} --cdw11={size} --cdw12={PID} --cdw14={size}"
    passthru(host, "admin", drive, f"{load} --data-len={size} --input-file={PROGRAM} --write")
    passthru(host, "admin", drive, f"--opcode=0x88 --namespace-id={COMPUTE} --cdw10={1 << 16 | SLOT}")
    yield SLOT
    passthru(host, "admin", drive, f"--opcode=0x88 --namespace-id={COMPUTE} --cdw10={SLOT}")
    passthru(host, "admin", drive, f"--opcode=0x85 --namespace-id={COMPUTE} --cdw10={1 << 24 | SLOT}")


def test_the_program_list_shows_the_program(host: Host, folder: str, slot: int) -> None:
    """By nvme-cli, get-log of the program list (82h) shows the loaded program: active, its type and identifier."""
    words = f"get-log /dev/{controller(host)} --log-id=0x82 --namespace-id={COMPUTE} --log-len={64 * (slot + 2)}"
    descriptor = raw(host, folder, words)[64 * (slot + 1) :]
    # PEOCC 1: downloaded; ACT; PIT 1: a PUID.
    assert struct.unpack_from("<BB6xQ", descriptor) == (1 | 1 << 2 | 1 << 3, 0xC0, PID)


def test_the_standard_flow_by_nvme_cli_alone(
    host: Host, nodes: dict[int, Nodes], folder: str, slot: int, records: list[bytes]
) -> None:
    """Load, activate, copy to SLM, execute, read SLM by nvme-cli alone: it finds what the reference selects."""
    expected = [record for record in records if reference.temperature(record) >= THRESHOLD]
    drive, length = f"/dev/{controller(host)}", RECORDS * 64
    source = struct.pack("<IIQH14x", DATA, 0, 0, length // BLOCK - 1)
    copy = f"--opcode=0x01 --namespace-id={SLM} --cdw2={length} --cdw10=0 --cdw12={2 << 8}"
    put(host, f"{folder}/source", source)
    passthru(host, "io", nodes[SLM].generic, f"{copy} --data-len=32 --input-file={folder}/source --write")
    put(host, f"{folder}/ranges", struct.pack("<IIQ16xIIQ16x", SLM, length, 0, SLM, ROOM, OUTPUT))
    create = f"--opcode=0x89 --namespace-id={COMPUTE} --cdw10=0 --cdw11=2"
    rsid = passthru(host, "admin", drive, f"{create} --data-len=64 --input-file={folder}/ranges --write")
    try:
        execute = f"--opcode=0x01 --namespace-id={COMPUTE} --cdw2={rsid << 16 | slot} --cdw10={THRESHOLD}"
        assert passthru(host, "io", nodes[COMPUTE].generic, execute) == len(expected)
    finally:
        passthru(host, "admin", drive, f"--opcode=0x89 --namespace-id={COMPUTE} --cdw10={rsid << 16 | 1}")
    read = f"--opcode=0x02 --namespace-id={SLM} --cdw10={OUTPUT} --cdw12={SIZE} --data-len={SIZE} --read --raw-binary"
    host.check_output("sh -c %s", f"nvme io-passthru {nodes[SLM].generic} {read} > {folder}/result")
    result = host.file(f"{folder}/result").content
    magic, records_seen, matches = result[:4], *struct.unpack_from("<QQ", result, 8)
    state_bytes, data_bytes = struct.unpack_from("<II", result, 40)
    assert (magic, records_seen, matches) == (b"CSDR", RECORDS, len(expected))
    kept = result[64 + state_bytes : 64 + state_bytes + data_bytes]
    assert hashlib.sha256(kept).digest() == hashlib.sha256(b"".join(expected)).digest()


def test_a_scan_by_nvme_cli_alone(
    host: Host, nodes: dict[int, Nodes], folder: str, slot: int, records: list[bytes]
) -> None:
    """The Scan command by nvme-cli alone: one round trip, and the records that the reference selects."""
    expected = b"".join(record for record in records if reference.temperature(record) >= THRESHOLD)
    scan = (
        f"--opcode=0x82 --namespace-id={COMPUTE} --cdw2={slot} --cdw3={DATA} --cdw12={RECORDS * 64} --cdw14={THRESHOLD}"
    )
    node = nodes[COMPUTE].generic
    assert passthru(host, "io", node, f"{scan} --data-len={SIZE} --read") == len(expected) // 64
    host.check_output(
        "sh -c %s", f"nvme io-passthru {node} {scan} --data-len={SIZE} --read --raw-binary > {folder}/scan"
    )
    result = host.file(f"{folder}/scan").content
    state_bytes, data_bytes = struct.unpack_from("<II", result, 40)
    assert result[64 + state_bytes : 64 + state_bytes + data_bytes] == expected


def test_a_wrong_command_is_refused_with_its_status(host: Host, nodes: dict[int, Nodes]) -> None:
    """A command beyond the memory's end is refused with Invalid Field, and the connection lives on."""
    where = f"--namespace-id={SLM} --cdw10={SLM_MB << 20} --cdw12=4096 --data-len=4096"
    done = host.run(f"nvme io-passthru {nodes[SLM].generic} --opcode=0x02 {where} --read")
    assert done.rc != 0
    assert re.search(r"invalid.field|0x?2\b", (done.stdout + done.stderr).lower()), done.stdout + done.stderr
    assert host.file(f"/sys/class/nvme/{controller(host)}/state").content_string == "live\n"
