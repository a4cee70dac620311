# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Who may load programs: declared with spdk_target, enforced by csd_tgt, asked over the wire by two hosts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import spdk_target
from ansible.module_utils.hello_ebpf.jsonrpc import Client, RpcError

from csd import commands, results
from csd.commands import Command, MemoryRange
from csd.device import Device
from csd.spdk import Place, SpdkTransport
from csd_live import BRIDGE, HOST_CORE, compile_program
from live_target import CSD_TGT, LiveTarget
from module_run import run_module

NQN = "nqn.2026-11.io.hello-ebpf:rights"
BOSS = "nqn.2026-11.io.hello-ebpf:boss"
GUEST = "nqn.2026-11.io.hello-ebpf:guest"
PORT = "26600"
DATA, SLM, COMPUTE = 1, 2, 3
DENIED, INVALID_PIND = 0x015, 0x18F
RUNS = {"nqn": GUEST, "programs": "run"}
KEEP = """
#include "csd_bpf.h"
struct record { __u8 byte[512]; };
CSD_RECORD(struct record, 512, CSD_EMIT_NOTHING);
CSD_PROGRAM
int keep(const struct record *record)
{
	return record->byte[0] == 0 ? CSD_KEEP : CSD_DROP;
}
"""


class Drive:
    """A csd_tgt with one subsystem, whose hosts are declared anew by each test."""

    def __init__(self, target: LiveTarget, folder: Path) -> None:
        self.target = target
        self.file = folder / "saved.json"

    def declare(self, hosts: list[Any] | None, *, check: bool = False, **more: Any) -> dict[str, Any]:
        subsystem = {
            "nqn": NQN,
            "max_namespaces": 16,
            "hosts": hosts,
            "namespaces": [
                {"nsid": DATA, "bdev": "data"},
                {"nsid": SLM, "bdev": "memory"},
                {"nsid": COMPUTE, "bdev": "compute"},
            ],
            "listeners": [{"address": "127.0.0.1", "service_id": PORT}],
            **more,
        }
        params = {
            "socket": str(self.target.socket),
            "config_file": str(self.file),
            "transports": [{"type": "TCP"}],
            "bdevs": [
                {"type": "malloc", "name": "data", "size_megabytes": 1},
                {"type": "csd_slm", "name": "memory", "size_megabytes": 2},
                {"type": "csd_compute", "name": "compute"},
            ],
            "subsystems": [subsystem],
        }
        done = run_module(spdk_target.main, params, check=check)
        assert "msg" not in done, done["msg"]
        return done

    def call(self, method: str, params: dict[str, Any] | None = None) -> Any:
        with Client(str(self.target.socket)) as client:
            return client.call(method, params)

    def host(self, nqn: str) -> Device:
        place = Place("127.0.0.1", PORT, NQN, nqn)
        return Device(SpdkTransport(place, program=BRIDGE, core=HOST_CORE, timeout_seconds=60))


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("program")
    source = folder / "keep.bpf.c"
    source.write_text(KEEP)
    return compile_program(source, folder)


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drive]:
    folder = tmp_path_factory.mktemp("rights")
    target = LiveTarget(folder, CSD_TGT)
    try:
        target.start("--no-pci", "--iova-mode", "va")
        yield Drive(target, folder)
    finally:
        target.kill()


@pytest.fixture
def hosts(drive: Drive) -> Iterator[Callable[[str], Device]]:
    """Connects hosts, and disconnects them all at the end."""
    made: list[Device] = []

    def connect(nqn: str) -> Device:
        made.append(drive.host(nqn))
        return made[-1]

    yield connect
    for device in made:
        device.close()


def changing(program: bytes, pind: int = 0) -> dict[str, Command]:
    """Every command that the right is for."""
    return {
        "load": next(iter(commands.load_program(COMPUTE, pind, program, chunk=1 << 20))),
        "activate": commands.activate_program(COMPUTE, pind),
        "deactivate": commands.deactivate_program(COMPUTE, pind),
        "unload": commands.unload_program(COMPUTE, pind),
    }


def statuses(device: Device, asked: dict[str, Command]) -> dict[str, int]:
    return {name: device.transport.admin(command).status for name, command in asked.items()}


def test_one_host_loads_and_the_other_runs(drive: Drive, hosts: Callable[[str], Device], program: bytes) -> None:
    drive.declare([BOSS, RUNS])
    boss, guest = hosts(BOSS), hosts(GUEST)
    boss.load(COMPUTE, 0, program)
    boss.activate(COMPUTE, 0)

    refused = statuses(guest, changing(program))
    assert refused == dict.fromkeys(refused, DENIED)
    # Not even which slots there are: the right is looked at first.
    assert statuses(guest, changing(program, pind=999))["activate"] == DENIED
    assert statuses(boss, changing(program, pind=999))["activate"] == INVALID_PIND
    assert guest.program(COMPUTE, 0).state == "active"

    rsid = guest.create_range_set(COMPUTE, [MemoryRange(SLM, 0, 4096)])
    guest.write_memory(SLM, 0, bytes(512))
    guest.delete_range_set(COMPUTE, rsid)
    scan = guest.io(commands.scan(COMPUTE, 0, DATA, 0, 4096, room=4096), "scan")
    assert results.result(scan.data).records == 8
    assert statuses(boss, {"deactivate": commands.deactivate_program(COMPUTE, 0)}) == {"deactivate": 0}
    boss.unload(COMPUTE, 0)
    # A peer that asks again and again does not fill the log.
    assert drive.target.log.read_text().count(f"host {GUEST} may run programs") == 1


def test_a_right_holds_for_hosts_that_are_connected(
    drive: Drive, hosts: Callable[[str], Device], program: bytes
) -> None:
    drive.declare([BOSS, GUEST])
    guest = hosts(GUEST)
    guest.load(COMPUTE, 1, program)
    drive.declare([BOSS, RUNS])
    assert statuses(guest, {"unload": commands.unload_program(COMPUTE, 1)}) == {"unload": DENIED}
    drive.declare([BOSS, {"nqn": GUEST, "programs": "load"}])
    guest.unload(COMPUTE, 1)


def test_all_other_hosts_can_have_one(drive: Drive, hosts: Callable[[str], Device], program: bytes) -> None:
    only_boss: dict[str, Any] = {"allow_any_host": True, "programs": "run"}
    drive.declare([{"nqn": BOSS, "programs": "load"}], **only_boss)
    stranger, boss = hosts(f"{GUEST}-of-nobody"), hosts(BOSS)
    refused = statuses(stranger, changing(program))
    assert refused == dict.fromkeys(refused, DENIED)
    boss.load(COMPUTE, 2, program)
    boss.unload(COMPUTE, 2)


def test_check_run_again_restart_and_removal(drive: Drive) -> None:
    drive.declare([BOSS])
    predicted = drive.declare([BOSS, RUNS], check=True)
    assert drive.call("csd_get_host_rights") == []
    done = drive.declare([BOSS, RUNS])
    assert (
        predicted["actions"]
        == done["actions"]
        == [
            f"let host {GUEST} run, not load, programs of {NQN}",
            f"allow host {GUEST} to connect to {NQN}",
            f"save the target's configuration to {drive.file}",
        ]
    )
    assert predicted["diff"]["before"] == done["diff"]["before"]
    assert done["tree"]["rights"] == [{"nqn": NQN, "host": GUEST, "programs": "run"}]
    assert drive.declare([BOSS, RUNS])["actions"] == []

    # What somebody changed by hand is found and put right.
    drive.call("csd_set_host_rights", {"nqn": NQN, "host": GUEST, "programs": "load"})
    assert drive.declare([BOSS, RUNS])["actions"][0] == f"let host {GUEST} run, not load, programs of {NQN}"

    drive.target.kill()
    drive.target.start("--no-pci", "--iova-mode", "va", "--json", str(drive.file))
    assert drive.call("csd_get_host_rights") == [{"nqn": NQN, "host": GUEST, "programs": "run"}]
    assert drive.declare([BOSS, RUNS])["actions"] == []

    drive.declare([BOSS])
    assert drive.call("csd_get_host_rights") == []


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({}, "expected: nqn (string)"),
        ({"nqn": ""}, "an NQN has 1 to 223 bytes"),
        ({"nqn": NQN, "host": "n" * 224}, "an NQN has 1 to 223 bytes"),
        ({"nqn": NQN, "programs": "all"}, "programs is 'all': give load or run"),
        ({"nqn": NQN, "host": "nobody"}, f"there is no rule for nobody at {NQN}"),
        ({"nqn": NQN}, f"there is no rule for all other hosts at {NQN}"),
    ],
)
def test_the_rpc_says_what_is_wrong(drive: Drive, params: dict[str, Any], said: str) -> None:
    with pytest.raises(RpcError) as error:
        drive.call("csd_set_host_rights", params or {"host": "x"})
    assert said in error.value.message
