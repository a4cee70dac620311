"""csd_program and spdk_target against csd_tgt itself: programs that are edited, refused, removed; crash and return.

HELLO_EBPF_CSD_TGT names another csd_tgt than the installed one.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter, deque
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any

import csd_program
import pytest
import spdk_target
from ansible.module_utils.hello_ebpf.csd_program.compile import Unit, compile_units
from ansible.module_utils.hello_ebpf.jsonrpc import Client

from conftest import ROOT
from csd import commands
from csd.spdk import Place, SpdkTransport
from csd_live import BRIDGE, HEADERS, HOST_CORE, PROGRAMS
from live_target import CSD_TGT, LiveTarget
from module_run import run_module
from waiting import until

OWN = ROOT / "inventory/fleet.example/programs"
SHIPPED = ("threshold", "search", "aggregate", "histogram", "sample", "top")
# mov r0, 1; exit: keeps every record.
BARE = bytes.fromhex("b7000000010000009500000000000000")
BEYOND = """\
#include "csd_bpf.h"
struct pair { __u64 a, b; };
CSD_RECORD(struct pair, 16, CSD_EMIT_RECORD);
CSD_PROGRAM
int beyond(const struct pair *pair)
{
	return pair[1].a > 3;
}
"""
NQN = "nqn.2026-11.io.hello-ebpf:live"
HOST = "nqn.2026-11.io.hello-ebpf:live-host"
PORT = "24150"
COMPUTE = "csd0_compute"
DRIVE: dict[str, Any] = {
    "transports": [{"type": "TCP"}],
    "bdevs": [
        {"type": "csd_ram", "name": "csd0_data", "size_megabytes": 16},
        {"type": "csd_slm", "name": "csd0_memory", "size_megabytes": 8},
        {"type": "csd_compute", "name": COMPUTE},
    ],
    "subsystems": [
        {
            "nqn": NQN,
            "max_namespaces": 16,
            "hosts": [HOST],
            "namespaces": [
                {"nsid": 1, "bdev": "csd0_data"},
                {"nsid": 2, "bdev": "csd0_memory"},
                {"nsid": 3, "bdev": COMPUTE},
            ],
            "listeners": [{"address": "127.0.0.1", "service_id": PORT}],
        }
    ],
}


class Drive:
    """A csd_tgt of our own, with what is declared kept in a file."""

    def __init__(self, target: LiveTarget, folder: Path) -> None:
        self.target = target
        self.file = folder / "saved.json"

    def declare(self, params: dict[str, Any] = DRIVE, *, check: bool = False, **more: Any) -> dict[str, Any]:
        common = {"socket": str(self.target.socket), "config_file": str(self.file)}
        return run_module(spdk_target.main, {**params, **common, **more}, check=check)

    def load(self, *programs: dict[str, Any], check: bool = False, **more: Any) -> dict[str, Any]:
        common = {"socket": str(self.target.socket), "config_file": str(self.file), "built": BUILT}
        return run_module(csd_program.main, {"programs": list(programs), **common, **more}, check=check)

    def slots(self) -> dict[int, dict[str, Any]]:
        """What the target itself says of its first compute namespace."""
        with Client(str(self.target.socket)) as client:
            [compute] = client.call("csd_get_programs", {"name": COMPUTE})
        return {slot["pind"]: slot for slot in compute["programs"] if slot["state"] != "empty"}

    def crash_and_return(self) -> None:
        self.target.kill()
        self.target.start("--json", str(self.file))


def compiled(folder: Path) -> dict[str, bytes]:
    """Every program of these tests."""
    (folder / "own").mkdir()
    (folder / "own" / "beyond.bpf.c").write_text(BEYOND)
    places = {PROGRAMS: [f"{name}.bpf.c" for name in SHIPPED], OWN: ["hot.bpf.c"], folder / "own": ["beyond.bpf.c"]}
    headers = [str(place) for place in HEADERS]
    units = [Unit(name.split(".")[0], str(place), name) for place, names in places.items() for name in names]
    texts = {
        str(place): {path.name: path.read_text() for path in place.iterdir() if path.suffix in {".c", ".h"}}
        for place in {*places, *HEADERS}
    }
    scratch = folder / "scratch"
    scratch.mkdir()
    return {name: made.elf for name, made in compile_units(units, texts, headers, scratch).items()}


BUILT: dict[str, Any] = {}
ELF: dict[str, bytes] = {}


@pytest.fixture(scope="module", autouse=True)
def programs(tmp_path_factory: pytest.TempPathFactory) -> None:
    ELF.update({**compiled(tmp_path_factory.mktemp("programs")), "bare": BARE})
    BUILT.update({name: {"content": base64.b64encode(elf).decode()} for name, elf in ELF.items()})


@pytest.fixture
def drive(tmp_path: Path) -> Iterator[Drive]:
    """A drive as the lab has it, and nothing loaded."""
    with LiveTarget(tmp_path, CSD_TGT) as target:
        made = Drive(target, tmp_path)
        assert "msg" not in (done := made.declare()), done
        yield made


class BusyHost:
    """A host that has scans of slot 0 under way all the time; counts how they end, by status."""

    def __init__(self) -> None:
        self.ends: Counter[int] = Counter()
        self._stop = Event()
        self._thread = Thread(target=self._run)

    def __enter__(self) -> BusyHost:
        place = Place("127.0.0.1", PORT, NQN, HOST)
        self._host = SpdkTransport(place, program=BRIDGE, core=HOST_CORE, timeout_seconds=60)
        self._thread.start()
        self.wait_for(0)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._host.close()

    def wait_for(self, status: int) -> None:
        """Wait until another scan ends with this status."""
        before = self.ends[status]
        until(f"a scan ends with {status:#x}", lambda: self.ends[status] != before, found=lambda: self.ends)

    def _run(self) -> None:
        under_way: deque[int] = deque()
        while not self._stop.is_set():
            while len(under_way) < 8:
                under_way.append(self._host.submit(commands.scan(3, 0, 1, 0, 16 << 20, room=8192)))
            self.ends[self._host.wait(under_way.popleft()).status] += 1
        for tag in under_way:
            self._host.wait(tag)


def program(slot: int, source: str, state: str = "active", **more: Any) -> dict[str, Any]:
    return {"compute": COMPUTE, "slot": slot, "source": source, "state": state, **more}


ALL = [program(slot, name) for slot, name in enumerate(SHIPPED)]


def test_the_drives_objects_over_check_run_and_run_again(tmp_path: Path) -> None:
    with LiveTarget(tmp_path, CSD_TGT) as target:
        drive = Drive(target, tmp_path)
        predicted, done, again = drive.declare(check=True), drive.declare(), drive.declare()
        assert predicted["actions"] == done["actions"]
        assert "create csd_slm bdev csd0_memory, 8 MiB (2048 blocks of 4096)" in done["actions"]
        assert (again["changed"], again["actions"]) == (False, [])
        compute = next(bdev for bdev in again["tree"]["bdevs"] if bdev["name"] == COMPUTE)
        assert (compute["slots"], compute["max_active"]) == (16, 16)
        # It comes back whole, with the same UUIDs.
        drive.crash_and_return()
        assert drive.declare()["changed"] is False
        assert drive.declare(DRIVE, state="absent")["changed"]
        assert drive.declare(DRIVE, state="absent")["changed"] is False
        with Client(str(target.socket)) as client:
            assert client.call("bdev_get_bdevs") == []


def test_every_option_of_a_compute_namespace_is_read_back(drive: Drive) -> None:
    options = {
        "slots": 4,
        "max_active": 2,
        "max_range_sets": 3,
        "max_program_bytes": 4096,
        "max_total_bytes": 2 * 1024 * 1024,
        "program_type": 0xC0,
    }
    bdevs = [{"type": "csd_compute", "name": "other", **options}, {"type": "csd_compute", "name": "four", "slots": 4}]
    asked = {"bdevs": bdevs}
    assert drive.declare(asked)["changed"]
    assert drive.declare(asked)["changed"] is False
    four = {"bdevs": [bdevs[0], {**bdevs[1], "slots": 5}]}
    assert "recreate: lose_data (its programs are lost)" in drive.declare(four)["msg"]
    assert drive.declare(four, recreate="lose_data")["changed"]
    assert drive.load({**program(0, "top"), "compute": "other"})["changed"]
    assert drive.load({**program(0, "top"), "compute": "other"})["changed"] is False
    said = drive.load({**program(4, "top"), "compute": "other"})["msg"]
    assert "other has the slots 0 to 3" in said
    slots = [{**program(slot, "top"), "compute": "other"} for slot in (1, 2)]
    assert "Found: it was made for 2 at a time" in drive.load(*slots)["msg"]


def test_the_shipped_programs_over_check_run_and_run_again(drive: Drive) -> None:
    predicted, done = drive.load(*ALL, check=True), drive.load(*ALL)
    assert predicted["actions"] == done["actions"]
    assert len(done["actions"]) == 13
    assert predicted["diff"] == done["diff"]
    slots = drive.slots()
    assert {slot: (one["state"], one["sha256"]) for slot, one in slots.items()} == {
        slot: ("active", hashlib.sha256(ELF[name]).hexdigest()) for slot, name in enumerate(SHIPPED)
    }
    for check in (True, False):
        again = drive.load(*ALL, check=check)
        assert (again["changed"], again["actions"]) == (False, [])
    # The two modules agree about the file.
    assert drive.declare()["changed"] is False
    assert drive.load(*ALL)["changed"] is False


def test_an_edited_program_is_replaced_and_only_that_one(drive: Drive) -> None:
    drive.load(*ALL)
    edited = [program(0, "hot", pid=77), *ALL[1:]]
    predicted, done = drive.load(*edited, check=True), drive.load(*edited)
    assert (
        predicted["actions"][:-1]
        == done["actions"][:-1]
        == [
            f"deactivate slot 0 of {COMPUTE}",
            f"unload the program in slot 0 of {COMPUTE}",
            f"load hot into slot 0 of {COMPUTE}",
            f"activate slot 0 of {COMPUTE}",
        ]
    )
    assert (drive.slots()[0]["pid"], drive.slots()[0]["state_bytes"]) == (77, 8)
    assert drive.load(*edited)["changed"] is False


def test_a_program_that_hosts_run_without_pause_is_replaced_and_a_refused_one_is_not(drive: Drive) -> None:
    drive.load(program(0, "aggregate"))
    with BusyHost() as host:
        done = drive.load(program(0, "top"))
        assert done.get("changed"), done
        host.wait_for(0)
        assert "the target refused it" in drive.load(program(0, "beyond"))["msg"]
        host.wait_for(0)
    assert drive.slots()[0]["sha256"] == hashlib.sha256(ELF["top"]).hexdigest()
    # No Program, Invalid Program Index or Program Not Activated, for the moment in which it was so; nothing else.
    assert host.ends.keys() <= {0, *(0x100 | status for status in (0x8F, 0x96, 0x98))}, host.ends


def test_a_refused_program_leaves_the_old_one_active_and_says_why(drive: Drive) -> None:
    drive.load(program(0, "threshold", pid=5), program(1, "bare", "present", record_bytes=32, emit="offset"))
    before, file = drive.slots(), drive.file.read_text()
    result = drive.load(program(1, "top"), program(0, "beyond"))
    assert "msg" in result
    assert result["msg"].startswith(f"Asked: load beyond into slot 0 of {COMPUTE}. Found: the target refused it: ")
    # The verifier's own words: which instruction, and what is wrong with it.
    assert "instruction " in result["msg"]
    assert "(5 earlier step(s) were undone)" in result["msg"]
    assert "NOT undone" not in result["msg"]
    assert drive.slots() == before
    assert drive.file.read_text() == file
    assert drive.declare()["changed"] is False
    # Into an empty slot: it stays empty.
    assert "the target refused it" in drive.load(program(9, "beyond"))["msg"]
    assert drive.slots() == before


def test_states_and_absence(drive: Drive) -> None:
    drive.load(*ALL)
    asked = [
        program(0, "threshold", "present"),
        {"compute": COMPUTE, "slot": 1, "state": "absent"},
        program(2, "aggregate", "absent"),
        {"compute": COMPUTE, "slot": 12, "state": "absent"},
    ]
    predicted, done = drive.load(*asked, check=True), drive.load(*asked)
    assert predicted["actions"] == done["actions"]
    assert {slot: one["state"] for slot, one in drive.slots().items()} == {
        0: "loaded",
        **dict.fromkeys((3, 4, 5), "active"),
    }
    assert drive.load(*asked)["changed"] is False
    assert drive.load(program(5, "top"), purge=True)["changed"]
    assert list(drive.slots()) == [5]


def test_a_bare_stream_has_its_geometry_from_the_declaration(drive: Drive) -> None:
    asked = program(3, "bare", record_bytes=128, stride_bytes=16, state_bytes=8, emit="offset")
    assert drive.load(asked)["changed"]
    found = drive.slots()[3]
    assert {name: found[name] for name in ("record_bytes", "stride_bytes", "state_bytes", "emit")} == {
        "record_bytes": 128,
        "stride_bytes": 16,
        "state_bytes": 8,
        "emit": "offset",
    }
    assert drive.load(asked)["changed"] is False
    drive.crash_and_return()
    assert drive.load(asked)["changed"] is False
    assert drive.load({**asked, "record_bytes": 64})["changed"]
    assert drive.slots()[3]["record_bytes"] == 64


def test_a_program_too_large_for_one_request(drive: Drive) -> None:
    # The same ELF with a section's worth of nothing behind it: what a compiler with much to say might make.
    large = ELF["top"] + bytes(40000)
    built = {"large": {"content": base64.b64encode(large).decode()}}
    assert drive.load(program(0, "large"), built=built)["changed"]
    assert drive.slots()[0]["bytes"] == len(large)
    assert drive.load(program(0, "large"), built=built)["changed"] is False
    before = drive.slots()
    assert "the target refused it" in drive.load(program(0, "beyond"))["msg"]
    assert drive.slots() == before
    drive.crash_and_return()
    assert drive.slots() == before


def test_a_crashed_target_returns_with_its_programs(drive: Drive) -> None:
    drive.load(*ALL[:5], program(5, "top", "present", pid=9))
    before = drive.slots()
    drive.crash_and_return()
    assert drive.slots() == before
    assert drive.load(*ALL[:5], program(5, "top", "present", pid=9))["changed"] is False
    assert drive.declare()["changed"] is False


def test_check_mode_knows_what_a_stopped_target_will_start_with(drive: Drive) -> None:
    drive.load(*ALL)
    drive.target.kill()
    assert drive.load(*ALL, check=True)["changed"] is False
    assert drive.declare(check=True)["changed"] is False
    assert drive.load(program(0, "hot"), check=True)["changed"] is True


def test_what_somebody_else_loaded_is_replaced_where_it_is_declared_and_left_where_not(drive: Drive) -> None:
    drive.load(*ALL)
    with Client(str(drive.target.socket)) as client:
        for slot, name in ((0, "hot"), (7, "top")):
            content = base64.b64encode(ELF[name]).decode()
            if slot == 0:
                client.call("csd_deactivate_program", {"name": COMPUTE, "pind": slot})
                client.call("csd_unload_program", {"name": COMPUTE, "pind": slot})
            client.call("csd_load_program", {"name": COMPUTE, "pind": slot, "program": content})
    done = drive.load(*ALL)
    assert done["actions"][:-1] == [
        f"unload the program in slot 0 of {COMPUTE}",
        f"load threshold into slot 0 of {COMPUTE}",
        f"activate slot 0 of {COMPUTE}",
    ]
    assert sorted(drive.slots()) == [0, 1, 2, 3, 4, 5, 7]
    saved = [call for item in json.loads(drive.file.read_text())["subsystems"] for call in item["config"] or []]
    loads = [call["params"]["pind"] for call in saved if call["method"] == "csd_load_program"]
    assert list(dict.fromkeys(loads)) == [0, 1, 2, 3, 4, 5, 7]
