"""What takes several commands: continuation, state that survives it, the standard flow, and what goes wrong."""

from __future__ import annotations

import struct

import pytest

from csd import flows
from csd.device import Device, StatusError
from csd.errors import LabError
from csd_double import DriveDouble, result


def job(device: Device, **changes: object) -> flows.Job:
    data = device.namespace(0)
    memory = device.namespace(3) if any(one.csi == 3 for one in device.namespaces) else None
    values = {"pind": 0, "start": 0, "length": 4096, **changes}
    return flows.Job(device.namespace(4), memory, data, **values)  # type: ignore[arg-type]


def run_scan(drive: DriveDouble, **changes: object) -> tuple[flows.Outcome, bytes]:
    device, kept = Device(drive), bytearray()
    return flows.scan(device, job(device, **changes), kept.extend), bytes(kept)


def test_a_scan_goes_on_where_its_buffer_became_full() -> None:
    drive = DriveDouble()
    drive.scans = [
        result(1, 1064, 4096, matches=2, data=b"a" * 128),
        result(1, 1000, 3032, matches=1, data=b"b" * 64),
        result(0, 2032, 2032, matches=1, data=b"c" * 64),
    ]
    outcome, kept = run_scan(drive)
    scans = [command for command in drive.sent if command.opcode == 0x82]
    assert [(scan.cdw10, scan.cdw12, scan.cdw2 >> 16) for scan in scans] == [
        (0, 4096, 0),
        (1064, 3032, 0),
        (2064, 2032, 0),
    ]
    assert {scan.room for scan in scans} == {8192}
    assert kept == b"a" * 128 + b"b" * 64 + b"c" * 64
    assert (outcome.end, outcome.matches, outcome.commands, outcome.examined) == ("whole", 4, 3, 4096)
    assert drive.opcodes() == [0x82] * 3


def test_state_survives_a_continuation_in_slm() -> None:
    drive = DriveDouble(state_bytes=6)
    drive.scans = [result(1, 64, 4096, state=b"123456"), result(0, 4032, 4032, state=b"abcdef")]
    outcome, _ = run_scan(drive)
    assert drive.opcodes() == [0x05, 0x89, 0x82, 0x82, 0x89]
    create = next(command for command in drive.sent if command.opcode == 0x89)
    # Two ranges at SLM's end: four bytes of no data, eight for a state of six.
    assert struct.unpack("<IIQ16xIIQ16x", create.data) == (2, 4, 0xE000, 2, 8, 0xF000)
    scans = [command for command in drive.sent if command.opcode == 0x82]
    # ... which is what the padding of four says; bit 0 of the second one: resume.
    assert [(scan.cdw3 >> 16, scan.cdw2 >> 16) for scan in scans] == [(7, 0b1000), (7, 0b1001)]
    assert drive.sent[-1].cdw10 == 1 | 7 << 16
    assert outcome.state == b"abcdef"


def test_a_program_that_emits_nothing_needs_no_memory() -> None:
    drive = DriveDouble(state_bytes=24, emit=2, csis=(0, 1, 4))
    drive.scans = [result(0, 4096, 4096, state=bytes(24))]
    outcome, kept = run_scan(drive)
    assert (drive.opcodes(), kept, outcome.state) == ([0x82], b"", bytes(24))


def test_offsets_become_bytes_of_the_namespace() -> None:
    drive = DriveDouble(emit=1)
    drive.scans = [
        result(1, 100, 4096, data=struct.pack("<QQ", 0, 90)),
        result(0, 3996, 3996, data=struct.pack("<Q", 5)),
    ]
    _, kept = run_scan(drive, start=1000)
    assert struct.unpack("<3Q", kept) == (1000, 1090, 1105)


def test_program_data_go_through_slm() -> None:
    drive = DriveDouble()
    drive.scans = [result(0, 4096, 4096)]
    run_scan(drive, parameters=b"needle!!", memory_at=64)
    assert drive.memory[64:72] == b"needle!!"


def test_a_failed_scan_leaves_no_range_set_behind() -> None:
    drive = DriveDouble()
    drive.refuse["io", 0x82] = 0x198
    with pytest.raises(StatusError) as refusal:
        run_scan(drive, parameters=b"data")
    assert drive.opcodes() == [0x05, 0x89, 0x82, 0x89]
    assert refusal.value.status == 0x198
    assert refusal.value.asked == "scan 4096 bytes at 0 of namespace 1 with slot 0 (a drive)"
    assert refusal.value.found == "the drive answered Program Not Activated (01h/98h)"
    assert refusal.value.fix == "activate it first (csd activate)"


@pytest.mark.parametrize(("word", "padding"), [(b"ERROR", 3), (b"abcdef", 2), (b"abc", 1), (b"abcd", 0)])
def test_a_scans_data_are_filled_up_to_what_slm_takes_and_the_command_says_by_how_much(
    word: bytes, padding: int
) -> None:
    drive = DriveDouble()
    drive.scans = [result(0, 4096, 4096)]
    run_scan(drive, parameters=word, memory_at=64)
    assert drive.memory[64 : 64 + len(word) + padding] == word + bytes(padding)
    [scan] = [command for command in drive.sent if command.opcode == 0x82]
    assert scan.cdw2 >> 16 == padding << 1


def test_what_a_scan_cannot_do() -> None:
    with pytest.raises(LabError, match=r"Found: the drive has no SLM namespace to hold them"):
        run_scan(DriveDouble(csis=(0, 1, 4)), parameters=b"1234")
    for following in (0, 4096):
        drive = DriveDouble()
        drive.scans = [result(1, following, 4096)]
        with pytest.raises(LabError, match=f"Found: the drive says to go on at {following}"):
            run_scan(drive)
    drive = DriveDouble()
    drive.scans = [b"nonsense"]
    with pytest.raises(LabError, match=r"Found: what came back is no result: a result begins with 43534452h"):
        run_scan(drive)


def test_the_standard_flow() -> None:
    drive = DriveDouble(state_bytes=8)

    def execute(command: object) -> None:
        drive.memory[0x3000:0x3100] = result(2, 640, 1024, matches=1, state=b"statestA", data=b"k" * 64).ljust(
            256, b"\0"
        )

    drive.on_execute = execute
    device, kept = Device(drive), bytearray()
    outcome = flows.execute(
        device,
        job(device, start=1000, length=1024, cparam1=3, cparam2=4, parameters=b"abc", memory_at=0x2000, room=4094),
        kept.extend,
    )
    copy, create, run, head, body, delete = drive.sent
    # Bytes 1000 to 2024 lie in blocks 1 to 3 of 512 bytes.
    assert (copy.cdw2, copy.cdw10, copy.data[8:18].hex()) == (3 * 512, 0x2000, "01000000000000000200")
    assert struct.unpack("<IIQ16xIIQ16x", create.data) == (2, 1024, 0x2000 + 488, 2, 4096, 0x3000)
    assert (run.cdw2, run.cdw3, run.cdw10, run.cdw12, run.data) == (7 << 16, 0, 3, 4, b"abc")
    assert (head.cdw10, head.cdw12, body.cdw10, body.cdw12) == (0x3000, 64, 0x3040, 72)
    assert delete.cdw10 == 1 | 7 << 16
    assert (outcome.end, outcome.matches, outcome.examined, outcome.state) == ("stopped", 1, 640, b"statestA")
    assert bytes(kept) == b"k" * 64
    assert set(outcome.seconds) == {"copy", "execute", "read"}


def test_what_the_standard_flow_cannot_do() -> None:
    device = Device(DriveDouble())
    with pytest.raises(LabError, match=r"Found: memory ranges begin at, and are, multiples of 4 bytes"):
        flows.execute(device, job(device, length=1022), print)
    with pytest.raises(LabError, match=r"Found: it has 65536 bytes; copied input ends at 65536"):
        flows.execute(device, job(device, length=65536), print)


def test_a_refused_load_says_why() -> None:
    drive = DriveDouble()
    drive.refuse["admin", 0x85] = 0x18E
    drive.reason = b"instruction 17: load of 8 bytes at offset 60 of a record of 64"
    with pytest.raises(StatusError) as refusal:
        Device(drive).load(3, 2, b"program")
    assert str(refusal.value) == (
        "Asked: load 7 bytes into slot 2 (a drive). Found: the drive answered Invalid Program Data (01h/8Eh): "
        "instruction 17: load of 8 bytes at offset 60 of a record of 64. "
        "Do: mend the program as the reason says, compile it and load it again."
    )
    drive.refuse["admin", 0x85] = 0x199
    with pytest.raises(StatusError) as refusal:
        Device(drive).load(3, 2, b"program")
    assert refusal.value.found == "the drive answered Program In Use (01h/99h)"
    with pytest.raises(LabError, match=r"Found: there is nothing to load"):
        Device(drive).load(3, 2, b"")


def test_which_namespace_is_meant() -> None:
    device = Device(DriveDouble(csis=(0, 3, 4, 3)))
    assert device.namespace(4).nsid == 3
    assert device.namespace(3, 4).nsid == 4
    with pytest.raises(LabError) as several:
        device.namespace(3)
    assert str(several.value) == (
        "Asked: the SLM namespace of a drive. Found: its namespaces are 1 (NVM), 2 (SLM), 3 (compute), 4 (SLM). "
        "Do: name the one that is meant."
    )
    with pytest.raises(LabError, match=r"Do: declare a compute namespace at the target, or name another"):
        device.namespace(4, 2)
