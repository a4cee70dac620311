# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""What the ratified command sets ask of a drive beside their commands' fields, byte for byte.

Reachability, the standard's logs, program identifiers, Flush and Fill, lengths of nothing, copies that are fast or not
at all, and what a host is told that knows the NVM command set alone.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from csd import commands
from csd.commands import BlockSource, Command, MemoryRange, MemorySource
from csd.device import Device
from csd.statuses import describe
from csd_live import BLOCK, CsdTarget, Subsystem, program
from nvme_wire import CC_ENABLE, CC_ENABLE_ALL_SETS, GET_FEATURES, IDENTIFY, SET_FEATURES, Wire, admin_queue, command

PORT = 26500
NVM, SLM, COMPUTE, MORE = 1, 2, 3, 5
MIB = 1 << 20
DATA = bytes(range(256)) * (MIB // 256)
OPTIONS = {"slots": 4, "max_range_sets": 6}


@dataclass
class Drive:
    """A target with one drive, and a host's connection to it."""

    target: CsdTarget
    subsystem: Subsystem
    device: Device
    threshold: bytes

    def admin(self, sent: Command) -> bytes:
        return self.device.admin(sent, "a command of the test").data

    def status(self, sent: Command) -> str:
        return describe(self.device.transport.io(sent).status)

    def wire(self, cc: int = CC_ENABLE_ALL_SETS) -> Wire:
        return admin_queue(self.subsystem.port, self.subsystem.nqn, self.subsystem.host_nqn, cc=cc)


DONE = describe(0x000)
INVALID_FIELD = describe(0x002)


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drive]:
    folder = tmp_path_factory.mktemp("standard")
    threshold = program("threshold", folder)
    with CsdTarget(folder, PORT) as target:
        subsystem = target.add_subsystem("standard", DATA, slm_megabytes=1, compute=OPTIONS)
        with subsystem.device() as device:
            yield Drive(target, subsystem, device, threshold)


# ---- reachability


def groups_log(*groups: tuple[int, list[int]], changes: int = 0, only: bool = False) -> bytes:
    """Log 1Ah."""
    log = struct.pack("<QH6x", changes, len(groups))
    for rgid, nsids in groups:
        log += struct.pack("<IIQ16x", rgid, 0 if only else len(nsids), 0)
        log += b"" if only else struct.pack(f"<{len(nsids)}I", *nsids)
    return log


def associations_log(*associations: tuple[int, int, list[int]], only: bool = False) -> bytes:
    """Log 1Bh."""
    log = struct.pack("<QH6x", 0, len(associations))
    for rasid, characteristics, rgids in associations:
        log += struct.pack("<IIQB15x", rasid, 0 if only else len(rgids), 0, characteristics)
        log += b"" if only else struct.pack(f"<{len(rgids)}I", *rgids)
    return log


GROUPS = [(1, [NVM, SLM]), (2, [COMPUTE])]
# Fast copies among blocks and memory; programs over both of them.
ASSOCIATIONS = [(1, 2, [1]), (2, 1, [1, 2])]
ONLY = 1 << 8  # RGO, RAO: CDW10 bit 8


def controller_log(drive: Drive, lid: int, length: int, *, offset: int = 0, only: bool = False) -> bytes:
    sent = commands.get_log(lid, 0xFFFFFFFF, length, offset=offset)
    return drive.admin(Command(**{**vars(sent), "cdw10": sent.cdw10 | ONLY * only}))


@pytest.mark.holds("standard-reachability")
def test_a_controller_reports_what_can_be_used_together(drive: Drive) -> None:
    """CRCAP and OAES in Identify Controller, and each namespace's group in CNS 08h."""
    controller = drive.admin(commands.identify(0x01))
    assert controller[134] == 0b11  # reachability reporting; a group never changes
    assert struct.unpack_from("<I", controller, 92)[0] & 1 << 17
    for nsid, group in ((NVM, 1), (SLM, 1), (COMPUTE, 2)):
        assert struct.unpack_from("<I", drive.admin(commands.identify(0x08, nsid=nsid)), 20)[0] == group


@pytest.mark.holds("standard-reachability")
@pytest.mark.parametrize("only", [False, True], ids=["whole", "descriptors only"])
def test_the_reachability_logs(drive: Drive, only: bool) -> None:
    for lid, log in ((0x1A, groups_log(*GROUPS, only=only)), (0x1B, associations_log(*ASSOCIATIONS, only=only))):
        assert controller_log(drive, lid, 512, only=only) == log.ljust(512, b"\0")
        # In pieces, also one that ends behind the log, it is the same; and from its very end there is nothing.
        pieces = [controller_log(drive, lid, 12, offset=at, only=only) for at in range(0, len(log), 12)]
        assert b"".join(pieces)[: len(log)] == log
        assert controller_log(drive, lid, 16, offset=len(log), only=only) == bytes(16)


@pytest.mark.holds("standard-reachability")
def test_the_reachability_logs_count_their_changes(drive: Drive) -> None:
    """A namespace that comes and goes is in its group, and each of the two changes the count."""
    target, subsystem = drive.target, drive.subsystem
    before = struct.unpack_from("<Q", controller_log(drive, 0x1A, 16))[0]
    associations = controller_log(drive, 0x1B, 256)
    target.call("bdev_csd_slm_create", {"name": "more_memory", "megabytes": 1})
    added = {"nqn": subsystem.nqn, "namespace": {"bdev_name": "more_memory", "nsid": MORE}}
    target.call("nvmf_subsystem_add_ns", added)
    expected = groups_log((1, [NVM, SLM, MORE]), (2, [COMPUTE]), changes=before + 1)
    assert controller_log(drive, 0x1A, len(expected)) == expected
    # It was read once more, and nothing had changed; the associations are between groups, which stay.
    assert controller_log(drive, 0x1A, len(expected)) == expected
    assert controller_log(drive, 0x1B, 256) == associations
    # The new memory is reached from the old one, and from blocks.
    parts = [MemorySource(MORE, 0, 64, fast_only=True)]
    assert drive.status(commands.slm_copy_memory(SLM, 0, parts)) == DONE
    target.call("nvmf_subsystem_remove_ns", {"nqn": subsystem.nqn, "nsid": MORE})
    target.call("bdev_csd_delete", {"name": "more_memory"})
    expected = groups_log(*GROUPS, changes=before + 2)
    assert controller_log(drive, 0x1A, len(expected)) == expected


@pytest.mark.holds("standard-reachability")
def test_a_host_enables_the_reachability_notices(drive: Drive) -> None:
    """Feature 0Bh keeps bits 17 and 18, of each controller for itself, beside those that were there before."""
    with drive.wire() as first, drive.wire() as second:
        wanted = 1 << 18 | 1 << 17 | 1 << 8
        assert first.call(command(SET_FEATURES, first.cid(), dw10=0x0B, dw11=wanted))[0].status == (0, 0)
        for wire, value in ((first, wanted), (second, 1 << 8)):
            found, _ = wire.call(command(GET_FEATURES, wire.cid(), dw10=0x0B))
            assert (found.status, found.dw0 & (1 << 18 | 1 << 17 | 1 << 8)) == ((0, 0), value)
        # Bits that mean nothing here are not kept.
        assert first.call(command(SET_FEATURES, first.cid(), dw10=0x0B, dw11=0x7FFFF000))[0].status == (0, 0)
        assert first.call(command(GET_FEATURES, first.cid(), dw10=0x0B))[0].dw0 == 1 << 18 | 1 << 17


# ---- who knows which command sets


@pytest.mark.holds("standard-identify")
def test_the_nvm_structure_of_a_namespace_of_another_set(drive: Drive) -> None:
    """CNS 00h: Invalid I/O Command Set to a host that selected all sets; zeros to one that knows NVM only."""
    for cc, status in ((CC_ENABLE_ALL_SETS, (1, 0x2C)), (CC_ENABLE, (0, 0))):
        with drive.wire(cc) as wire:
            for nsid in (SLM, COMPUTE):
                found, data = wire.call(command(IDENTIFY, wire.cid(), nsid, sgl=(0, 4096, 0x5A), dw10=0))
                assert (found.status, any(data)) == (status, False)
            found, data = wire.call(command(IDENTIFY, wire.cid(), NVM, sgl=(0, 4096, 0x5A), dw10=0))
            assert (found.status, struct.unpack_from("<Q", data)[0]) == ((0, 0), MIB // BLOCK)


@pytest.mark.holds("standard-logs")
def test_the_logs_that_are_supported_are_there_and_no_others(drive: Drive) -> None:
    """Log 00h, entry for entry, against what Get Log Page says to each."""
    supported = struct.unpack("<256I", controller_log(drive, 0x00, 1024))
    for lid, entry in enumerate(supported):
        nsid = COMPUTE if lid > 0x80 else 0
        status = drive.device.transport.admin(commands.get_log(lid, nsid, 16)).status
        assert (lid, entry) == (lid, int(status == 0))


@pytest.mark.holds("standard-logs")
def test_the_features_that_are_supported_are_there_and_no_others(drive: Drive) -> None:
    """Log 12h, entry for entry, against what Get Features says to each."""
    supported = struct.unpack("<256I", controller_log(drive, 0x12, 1024))
    for fid, entry in enumerate(supported):
        # Host Identifier: of 128 bits, and with room for them and no more, since SGLS bit 18 is 0.
        sent = Command(GET_FEATURES, NVM, cdw10=fid, cdw11=int(fid == 0x81), room=16 if fid == 0x81 else 4096)
        assert (fid, entry) == (fid, int(drive.device.transport.admin(sent).status == 0))


# ---- programs


def program_list(drive: Drive) -> list[bytes]:
    """Log 82h's descriptors."""
    log = drive.admin(commands.get_log(0x82, COMPUTE, 64 + 64 * 4))
    assert log[:64] == struct.pack("<I60x", 4)
    return [log[at : at + 64] for at in range(64, len(log), 64)]


@pytest.mark.holds("standard-logs", "standard-puid")
def test_the_program_list_byte_for_byte(drive: Drive) -> None:
    """PEOCC 1:0, ACT 2 and PIT 5:3 of byte 0, PTYPE in byte 1, PID in 15:8; a slot that is being filled is empty."""
    device, code = drive.device, drive.threshold
    assert program_list(drive) == [bytes(64)] * 4
    device.load(COMPUTE, 0, code)
    device.load(COMPUTE, 1, code, program_type=0x01, pid=0x1122334455667788)
    device.activate(COMPUTE, 1)
    begun = Command(0x85, COMPUTE, cdw10=0x02C00003, cdw11=128, cdw12=5, cdw14=64, data=bytes(64))
    device.admin(begun, "begin a load")
    first, second, *rest = program_list(drive)
    assert first == bytes.fromhex("01 c0") + bytes(62)
    assert second == bytes.fromhex("0d 01 000000000000 8877665544332211") + bytes(48)
    assert rest == [bytes(64)] * 2
    # Log C0h tells the rest of it.
    programs = device.programs(COMPUTE)
    assert [one.state for one in programs] == ["loaded", "active", "empty", "loading"]
    assert [one.pid for one in programs] == [None, 0x1122334455667788, None, 5]
    device.deactivate(COMPUTE, 1)
    assert program_list(drive)[1][0] == 0x09
    for slot in (0, 1, 3):
        device.unload(COMPUTE, slot)
    assert program_list(drive) == [bytes(64)] * 4


@pytest.mark.holds("standard-puid")
def test_an_identifier_is_kept_with_its_program(drive: Drive) -> None:
    """By RPC as over NVMe: 0 is an identifier too, and what was loaded without one has none."""
    target, device = drive.target, drive.device
    device.load(COMPUTE, 0, drive.threshold)
    device.load(COMPUTE, 1, drive.threshold, pid=0)
    device.load(COMPUTE, 2, drive.threshold, pid=(1 << 64) - 1)
    [compute] = target.call("csd_get_programs")
    assert [one["pid"] for one in compute["programs"]] == [None, 0, (1 << 64) - 1]
    config = target.call("framework_get_config", {"name": "bdev"})
    loads = [call["params"] for call in config if call["method"] == "csd_load_program"]
    assert [load.get("pid") for load in loads] == [None, 0, (1 << 64) - 1]
    for slot in range(3):
        device.unload(COMPUTE, slot)
    # ... and the way back.
    for load in loads:
        target.call("csd_load_program", load)
    assert [descriptor[0] for descriptor in program_list(drive)] == [0x01, 0x09, 0x09, 0x00]
    for slot in range(3):
        device.unload(COMPUTE, slot)


@pytest.mark.holds("standard-logs")
def test_the_program_types_and_range_sets_byte_for_byte(drive: Drive) -> None:
    """Logs 83h and 84h."""
    device = drive.device
    types = struct.pack("<I28x", 2)
    for kind in (0xC0, 0x01):
        types += struct.pack("<BB6xQ16s", kind, 1, 65536, b"eBPF")
    assert drive.admin(commands.get_log(0x83, COMPUTE, 128)) == types.ljust(128, b"\0")
    assert device.ebpf_type(COMPUTE) == 0xC0

    assert drive.admin(commands.get_log(0x84, COMPUTE, 64)) == bytes(64)
    ranges = [MemoryRange(SLM, 4 * at, 4) for at in range(8)]
    made = [device.create_range_set(COMPUTE, ranges[:count]) for count in (1, 8, 3)]
    device.delete_range_set(COMPUTE, made[0])
    sets = struct.pack("<I28x", 2)
    for rsid, count in ((made[1], 8), (made[2], 3)):
        sets += struct.pack("<HH28x", rsid, count) + b"".join(one.encode() for one in ranges[:count])
    assert drive.admin(commands.get_log(0x84, COMPUTE, 1024)) == sets.ljust(1024, b"\0")
    assert drive.admin(commands.get_log(0x84, COMPUTE, 64, offset=len(sets) - 32)) == sets[-32:].ljust(64, b"\0")
    assert [(one.rsid, len(one.ranges), one.in_use) for one in device.range_sets(COMPUTE)] == [
        (made[1], 8, False),
        (made[2], 3, False),
    ]
    for rsid in made[1:]:
        device.delete_range_set(COMPUTE, rsid)


# ---- memory


@pytest.mark.holds("standard-fill")
@pytest.mark.parametrize("opcode", [0x04, 0x00], ids=["04h", "00h"])
def test_fill_zeroes(drive: Drive, opcode: int) -> None:
    """At either opcode that the sources give; what lies beside it stays."""
    drive.device.write_memory(SLM, 0, b"x" * 64)
    assert drive.status(Command(opcode, SLM, cdw10=8, cdw12=16)) == DONE
    assert drive.device.read_memory(SLM, 0, 64) == b"x" * 8 + bytes(16) + b"x" * 40
    # Larger than what is done at once.
    assert drive.status(Command(opcode, SLM, cdw10=4, cdw12=MIB - 4)) == DONE
    assert drive.device.read_memory(SLM, 0, MIB) == b"xxxx" + bytes(MIB - 4)


@pytest.mark.holds("standard-flush")
def test_flush_is_in_every_command_set(drive: Drive) -> None:
    """Opcode 00h with all fields 0 succeeds, and changes nothing."""
    drive.device.write_memory(SLM, 0, b"x" * 64)
    assert [drive.status(Command(commands.FLUSH, nsid)) for nsid in (NVM, SLM, COMPUTE)] == [DONE] * 3
    assert drive.device.read_memory(SLM, 0, 64) == b"x" * 64
    assert drive.subsystem.image.read_bytes() == DATA


@pytest.mark.holds("standard-length-0")
def test_nothing_is_a_length(drive: Drive) -> None:
    """Read, Write, Fill and Copy of no bytes succeed, up to the memory's very end, and change nothing."""
    device = drive.device
    device.write_memory(SLM, 0, b"x" * 64)
    for start in (0, 8, MIB):
        for sent in (
            commands.slm_read(SLM, start, 0),
            commands.slm_write(SLM, start, b""),
            commands.slm_fill(SLM, start, 0),
            commands.slm_copy_memory(SLM, start, [MemorySource(SLM, 0, 0)]),
        ):
            assert (sent.opcode, drive.status(sent)) == (sent.opcode, DONE)
    assert device.read_memory(SLM, 0, 64) == b"x" * 64
    # Nothing between something.
    parts = [MemorySource(SLM, 0, 4), MemorySource(SLM, 70, 0), MemorySource(SLM, 4, 4)]
    assert drive.status(commands.slm_copy_memory(SLM, 64, parts)) == INVALID_FIELD
    parts[1] = MemorySource(SLM, 68, 0)
    assert drive.status(commands.slm_copy_memory(SLM, 64, parts)) == DONE
    assert device.read_memory(SLM, 64, 8) == b"x" * 8


@pytest.mark.holds("standard-fast-copy")
def test_a_copy_that_is_fast_or_not_at_all(drive: Drive) -> None:
    """FCO: done where device and memory suit each other, refused where the bytes would go through another buffer."""
    block = [BlockSource(NVM, 1, 1, fast_only=True)]
    assert drive.status(commands.slm_copy_blocks(SLM, 0, block, BLOCK)) == DONE
    assert drive.device.read_memory(SLM, 0, BLOCK) == DATA[BLOCK : 2 * BLOCK]
    assert drive.status(commands.slm_copy_memory(SLM, BLOCK, [MemorySource(SLM, 0, 64, fast_only=True)])) == DONE
    drive.device.fill_memory(SLM, 0, MIB)
    # Only the second of two ranges is not to be slow; nothing is copied of the first.
    sources = [BlockSource(NVM, 1, 1), BlockSource(NVM, 2, 1, fast_only=True)]
    assert drive.status(commands.slm_copy_blocks(SLM, 4, sources, BLOCK)) == describe(0x186)
    assert drive.device.read_memory(SLM, 0, 3 * BLOCK) == bytes(3 * BLOCK)
    assert drive.status(commands.slm_copy_blocks(SLM, 4, [BlockSource(NVM, 1, 1)], BLOCK)) == DONE
