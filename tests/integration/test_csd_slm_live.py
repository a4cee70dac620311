# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Namespaces of several command sets on a real csd_tgt: what hosts ask of them, and SLM, also while it is taken away.

HELLO_EBPF_CSD_TGT names another program than the installed one: a csd_tgt built with sanitizers
(tests/sanitized/build.sh) fails these tests on leaks and use after free.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from ansible.module_utils.hello_ebpf.errors import LabError

from csd import commands
from csd.commands import BlockSource, Command, MemorySource
from csd.spdk import SpdkTransport
from csd_compute_target import COMPUTE, DATA, NQN, SLM, ComputeTarget

PORT = 24103
MIB = 1 << 20
SLM_BYTES = 64 * MIB
ABORTED, INTERRUPTED, NO_NAMESPACE, RESERVED = 0x007, 0x021, 0x00B, 0x083


@pytest.fixture
def target(tmp_path: Path) -> Iterator[ComputeTarget]:
    with ComputeTarget(tmp_path, PORT) as target:
        target.set_up(slm_megabytes=SLM_BYTES // MIB)
        yield target


def identify(host: SpdkTransport, cns: int, *, nsid: int = 0, csi: int = 0) -> bytes:
    completion = host.admin(commands.identify(cns, nsid=nsid, csi=csi))
    assert completion.status == 0, f"CNS {cns:02X}h: {completion.status:03x}h"
    return completion.data


def long_commands(host: SpdkTransport, count: int = 24) -> list[int]:
    """Fills, copies within SLM and copies of the data, for seconds."""
    half = SLM_BYTES // 2
    kinds = (
        commands.slm_fill(SLM, 0, SLM_BYTES),
        commands.slm_copy_memory(SLM, half, [MemorySource(SLM, 0, half)]),
        commands.slm_copy_blocks(SLM, 4, [BlockSource(DATA, index * 100, 400) for index in range(250)], 512),
    )
    return [host.submit(kinds[index % 3]) for index in range(count)]


def test_what_hosts_identify(target: ComputeTarget) -> None:
    with target.host() as host:
        for nsid, csi in ((DATA, 0), (SLM, 3), (COMPUTE, 4)):
            descriptors = identify(host, 0x03, nsid=nsid)
            uuid = target.call("bdev_get_bdevs")[nsid - 1]["uuid"].replace("-", "")
            assert descriptors[:25] == b"\x03\x10\0\0" + bytes.fromhex(uuid) + bytes([4, 1, 0, 0, csi])
            assert not any(descriptors[25:])
            assert identify(host, 0x07, csi=csi)[:8] == struct.pack("<II", nsid, 0)
            independent = identify(host, 0x08, nsid=nsid)
            assert (independent[1], independent[14]) == (1, 1)  # shared, ready
            assert independent[0] == (0 if csi == 0 else 1 << 5)  # VWCNP: no volatile write cache
        # A host that knows NVM only sees one namespace with blocks, and may discard them.
        assert struct.unpack_from("<Q", identify(host, 0x00, nsid=DATA))[0] == 131072
        for nsid in (SLM, COMPUTE):
            assert not any(identify(host, 0x00, nsid=nsid))
        assert identify(host, 0x01)[520] & 0x04
        assert struct.unpack_from("<QB", identify(host, 0x05, nsid=SLM, csi=3)) == (SLM_BYTES, 2)
        sets = host.admin(Command(commands.IDENTIFY, cdw10=0xFFFF001C, room=4096))
        assert struct.unpack_from("<QQ", sets.data) == (0b11001, 0)


@pytest.mark.holds("target-7")
def test_effects_log(target: ComputeTarget) -> None:
    """Flush is in every command set; NVM's has the reservations, which work (see the last test)."""
    nvm = {0x00, 0x01, 0x02, 0x05, 0x08, 0x09, 0x0D, 0x0E, 0x11, 0x15}
    with target.host() as host:
        for csi, supported in ((0, nvm), (3, {0x00, 0x01, 0x02, 0x04, 0x05}), (4, {0x00, 0x01, 0x82})):
            log = host.admin(commands.get_log(0x05, 0xFFFFFFFF, 4096, csi=csi)).data
            entries = struct.unpack("<512I", log[:2048])
            assert {opcode for opcode in range(256) if entries[256 + opcode] & 1} == supported
            assert {0x85, 0x88, 0x89} <= {opcode for opcode in range(256) if entries[opcode] & 1}
            # In two halves it is the same.
            halves = [host.admin(commands.get_log(0x05, 0, 2048, offset=at, csi=csi)).data for at in (0, 2048)]
            assert b"".join(halves) == log


def test_copies_land_where_they_belong(target: ComputeTarget, tmp_path: Path) -> None:
    """From a file, whose device wants other alignments than SLM's 4 bytes; many ranges; neighbours stay."""
    data = random.Random(3).randbytes(4 * MIB)
    image = tmp_path / "blocks"
    image.write_bytes(data)
    target.call("bdev_aio_create", name="blocks", filename=str(image), block_size=512)
    target.call("nvmf_subsystem_add_ns", nqn=NQN, namespace={"bdev_name": "blocks"})
    source = [BlockSource(4, 1, 1), BlockSource(4, 8191, 1), BlockSource(4, 16, 3000), BlockSource(4, 0, 2000)]
    expected = b"".join(data[part.lba * 512 : (part.lba + part.blocks) * 512] for part in source)
    with target.host() as host:
        for destination in (4096, 8, MIB + 4):
            assert host.io(commands.slm_fill(SLM, 0, SLM_BYTES)).status == 0
            for neighbour in (destination - 4, destination + len(expected)):
                assert host.io(commands.slm_write(SLM, neighbour, b"UUUU")).status == 0
            assert host.io(commands.slm_copy_blocks(SLM, destination, source, 512)).status == 0
            assert read(host, destination - 4, len(expected) + 8) == b"UUUU" + expected + b"UUUU"
        parts = [MemorySource(SLM, MIB + 4, 512), MemorySource(SLM, MIB + 8, 3 * MIB // 2)]
        assert host.io(commands.slm_copy_memory(SLM, 32 * MIB, parts)).status == 0
        assert read(host, 32 * MIB, 1024) == expected[:512] + expected[4:516]


def read(host: SpdkTransport, start: int, length: int, piece: int = 131072) -> bytes:
    parts = []
    for at in range(0, length, piece):
        completion = host.io(commands.slm_read(SLM, start + at, min(piece, length - at)))
        assert completion.status == 0
        parts.append(completion.data)
    return b"".join(parts)


def test_data_in_several_pieces(tmp_path: Path) -> None:
    """A transport whose buffers are smaller than its transfers: nothing is lost or torn at their seams."""
    with ComputeTarget(tmp_path, PORT) as target:
        target.set_up(transport={"max_io_size": 131072, "io_unit_size": 8192, "in_capsule_data_size": 8192})
        data = random.Random(5).randbytes(131072)
        with target.host() as host:
            for length in (8192, 8196, 131068, 131072):
                assert host.io(commands.slm_write(SLM, 4, data[:length])).status == 0
                assert host.io(commands.slm_read(SLM, 4, length)).data == data[:length]
            sources = [MemorySource(SLM, 4 + 512 * index, 512) for index in range(256)]
            assert host.io(commands.slm_copy_memory(SLM, MIB, list(reversed(sources)))).status == 0
            expected = b"".join(data[at : at + 512] for at in range(131072 - 512, -1, -512))
            assert host.io(commands.slm_read(SLM, MIB, 131072)).data == expected
            # An admin command's buffer is zeroed, all of it and nothing else.
            log = host.admin(commands.get_log(0x05, 0, 65536, csi=4)).data
            assert log[:4096] == host.admin(commands.get_log(0x05, 0, 4096, csi=4)).data
            assert not any(log[4096:])


def test_abort(target: ComputeTarget) -> None:
    with target.host() as host:
        tags = long_commands(host)
        unknown = host.admin(Command(0x08, cdw10=1 | 0x7777 << 16))
        assert (unknown.status, unknown.value & 1) == (0, 1)
        aborted = [host.abort(tag).value & 1 == 0 for tag in tags[12:]]
        statuses = [host.wait(tag).status for tag in tags]
        assert statuses[:12] == [0] * 12
        # What was not too late for is aborted, and nothing else.
        assert statuses[12:] == [ABORTED if was else 0 for was in aborted]
        assert any(aborted)


def test_namespace_taken_away_under_load(target: ComputeTarget) -> None:
    with target.host() as host:
        tags = long_commands(host)
        with pytest.raises(LabError, match="csd0_memory is a namespace of a subsystem"):
            target.call("bdev_csd_delete", name="csd0_memory")
        target.call("nvmf_subsystem_remove_ns", nqn=NQN, nsid=SLM)
        statuses = [host.wait(tag).status for tag in tags]
        assert set(statuses) <= {0, INTERRUPTED, NO_NAMESPACE}
        assert statuses[-1] != 0, "it waited for the commands"
        assert host.io(commands.slm_read(SLM, 0, 4096)).status == NO_NAMESPACE
        target.call("bdev_csd_delete", name="csd0_memory")
        target.call("bdev_csd_slm_create", name="csd0_memory", megabytes=1)
        target.call("nvmf_subsystem_add_ns", nqn=NQN, namespace={"bdev_name": "csd0_memory", "nsid": SLM})
        assert host.io(commands.slm_read(SLM, 0, 4096)).data == bytes(4096)


def test_subsystem_changed_under_load(target: ComputeTarget) -> None:
    """A change does not wait for commands that take long: they are interrupted, and may be sent again."""
    latency = {f"{kind}_{way}_latency": 250_000 for kind in ("avg", "p99") for way in ("read", "write")}
    target.call("bdev_malloc_create", name="base", num_blocks=256, block_size=512)
    target.call("bdev_delay_create", name="late", base_bdev_name="base", **latency)
    target.call("nvmf_subsystem_add_ns", nqn=NQN, namespace={"bdev_name": "late", "nsid": 6})
    with target.host() as host:
        # A minute: 240 reads, one after another.
        held = host.submit(commands.slm_copy_blocks(SLM, 0, [BlockSource(6, 0, 1)] * 240, 512))
        tags = long_commands(host)
        # What came before this one has begun.
        assert host.io(commands.slm_read(SLM, 0, 4)).status == 0
        address = {"trtype": "TCP", "adrfam": "IPv4", "traddr": "127.0.0.2", "trsvcid": str(PORT)}
        target.call("nvmf_subsystem_add_listener", nqn=NQN, listen_address=address)
        assert host.wait(held).status == INTERRUPTED
        # Those that had been done are not interrupted.
        assert {host.wait(tag).status for tag in tags} <= {0, INTERRUPTED}
        assert host.io(commands.slm_fill(SLM, 0, SLM_BYTES)).status == 0


@dataclass(frozen=True)
class FirstHalf(Command):
    """The first of two fused commands."""

    def encode(self) -> bytes:
        entry = bytearray(super().encode())
        entry[1] |= 0x01
        return bytes(entry)


def test_half_a_fused_command_holds_nothing_up(target: ComputeTarget) -> None:
    host = target.connect()
    host.submit(FirstHalf(0x05, DATA, data=bytes(512)))
    assert host.io(commands.slm_read(SLM, 0, 4096)).status == 0
    host._process.kill()
    host.close()
    with target.host() as host:
        assert host.io(FirstHalf(commands.SLM_READ, SLM, cdw12=4096, room=4096)).status == 0x002
    target.call("nvmf_delete_subsystem", nqn=NQN)


def test_reservations_hold_for_copies(target: ComputeTarget) -> None:
    """Who may not read the data cannot have them copied, or scanned, either."""
    key = struct.pack("<QQ", 0, 1)
    copy = commands.slm_copy_blocks(SLM, 0, [BlockSource(DATA, 0, 8)], 512)
    with target.host() as holder, target.host() as other:
        assert other.io(copy).status == 0
        assert holder.io(Command(0x0D, DATA, data=key)).status == 0  # register key 1
        assert holder.io(Command(0x11, DATA, cdw10=2 << 8, data=struct.pack("<QQ", 1, 0))).status == 0  # exclusive
        assert holder.io(copy).status == 0
        assert other.io(commands.read_blocks(DATA, 0, 8, 512)).status == RESERVED
        assert other.io(copy).status == RESERVED
