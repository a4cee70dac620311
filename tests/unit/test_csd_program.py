"""csd_program over {check, run, diff, run again}, its undoing, and its refusals, against slots in memory."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import csd_program
import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.hello_ebpf.csd_program import reconcile

from csd_target_double import COMPUTE, FakeCsdTarget
from module_run import run_module

OLD, NEW, BARE = b"\x7fELF old", b"\x7fELF new", b"\xb7\0\0\0\x01\0\0\0\x95\0\0\0\0\0\0\0"
REASON = "instruction 17: load of 8 bytes at offset 60 of a record of 64"


@pytest.fixture
def target(tmp_path: Path) -> Iterator[FakeCsdTarget]:
    with FakeCsdTarget(tmp_path / "spdk.sock") as fake:
        yield fake


def program(slot: int, source: str = "new.bpf.c", state: str = "active", **more: Any) -> dict[str, Any]:
    return {"compute": "csd0_compute", "slot": slot, "source": source, "state": state, **more}


def built(**contents: bytes | None) -> dict[str, Any]:
    """What csd_program_build returns: old=... is for old.bpf.c."""
    return {
        f"{name}.bpf.c": {"content": None if content is None else base64.b64encode(content).decode()}
        for name, content in contents.items()
    }


def run(target: FakeCsdTarget, *programs: dict[str, Any], check: bool = False, **more: Any) -> dict[str, Any]:
    params = {"programs": list(programs), "built": built(old=OLD, new=NEW, bare=BARE), "socket": str(target.path)}
    return run_module(csd_program.main, params | more, check=check)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Case:
    """From a state of the target, by a declaration, to another."""

    def __init__(self, before: dict[int, tuple[str, bytes]], asked: list[dict[str, Any]], *actions: str) -> None:
        self.before = before
        self.asked = asked
        self.actions = list(actions)
        self.after: dict[int, tuple[str, bytes]] = {}

    def leads_to(self, after: dict[int, tuple[str, bytes]]) -> Case:
        self.after = after
        return self


CASES = {
    "first load": Case(
        {}, [program(0)], "load new.bpf.c into slot 0 of csd0_compute", "activate slot 0 of csd0_compute"
    ).leads_to({0: ("active", NEW)}),
    "loaded only": Case({}, [program(0, state="present")], "load new.bpf.c into slot 0 of csd0_compute").leads_to(
        {0: ("loaded", NEW)}
    ),
    "in place": Case({0: ("active", NEW)}, [program(0)]).leads_to({0: ("active", NEW)}),
    "activated": Case({0: ("loaded", NEW)}, [program(0)], "activate slot 0 of csd0_compute").leads_to(
        {0: ("active", NEW)}
    ),
    "deactivated": Case(
        {0: ("active", NEW)}, [program(0, state="present")], "deactivate slot 0 of csd0_compute"
    ).leads_to({0: ("loaded", NEW)}),
    "edited": Case(
        {0: ("active", OLD)},
        [program(0)],
        "deactivate slot 0 of csd0_compute",
        "unload the program in slot 0 of csd0_compute",
        "load new.bpf.c into slot 0 of csd0_compute",
        "activate slot 0 of csd0_compute",
    ).leads_to({0: ("active", NEW)}),
    "another's first pieces": Case(
        {0: ("loading", OLD)},
        [program(0, state="present")],
        "unload what was loaded so far in slot 0 of csd0_compute",
        "load new.bpf.c into slot 0 of csd0_compute",
    ).leads_to({0: ("loaded", NEW)}),
    "absent": Case(
        {0: ("active", OLD), 1: ("loaded", NEW)},
        [program(0, state="absent"), {"compute": "csd0_compute", "slot": 1, "state": "absent"}],
        "deactivate slot 0 of csd0_compute",
        "unload the program in slot 0 of csd0_compute",
        "unload the program in slot 1 of csd0_compute",
    ),
    "absent already": Case({1: ("active", OLD)}, [program(0, state="absent")]).leads_to({1: ("active", OLD)}),
    "room first": Case(
        {1: ("active", NEW), 2: ("active", OLD)},
        [program(0), program(1, state="present"), program(2, state="absent")],
        "deactivate slot 1 of csd0_compute",
        "deactivate slot 2 of csd0_compute",
        "unload the program in slot 2 of csd0_compute",
        "load new.bpf.c into slot 0 of csd0_compute",
        "activate slot 0 of csd0_compute",
    ).leads_to({0: ("active", NEW), 1: ("loaded", NEW)}),
    "another geometry of a bare stream": Case(
        {0: ("loaded", BARE)},
        [program(0, "bare.bpf.c", "present", record_bytes=128, emit="offset")],
        "unload the program in slot 0 of csd0_compute",
        "load bare.bpf.c into slot 0 of csd0_compute",
    ).leads_to({0: ("loaded", BARE)}),
}


@pytest.mark.parametrize("name", CASES)
def test_check_run_and_run_again(name: str, target: FakeCsdTarget) -> None:
    case = CASES[name]
    for slot, (state, content) in case.before.items():
        target.load(slot, content, state=state)
    predicted = run(target, *case.asked, check=True)
    assert target.written == []
    done = run(target, *case.asked)
    assert target.state() == case.after
    assert len(target.written) == len(case.actions)
    again = run(target, *case.asked)
    assert target.written == []
    assert predicted["actions"] == done["actions"] == case.actions
    assert predicted["changed"] is done["changed"] is bool(case.actions)
    assert predicted["diff"] == done["diff"]
    assert (again["changed"], again["actions"]) == (False, [])
    assert again["diff"]["before"] == again["diff"]["after"] == done["diff"]["after"]
    assert (done["diff"]["before"] != done["diff"]["after"]) is bool(case.actions)


def test_what_is_not_declared_stays_unless_purged(target: FakeCsdTarget) -> None:
    target.load(5, OLD)
    assert run(target, program(0))["changed"]
    assert sorted(target.state()) == [0, 5]
    predicted = run(target, program(0), purge=True, check=True)
    done = run(target, program(0), purge=True)
    assert (
        predicted["actions"]
        == done["actions"]
        == ["deactivate slot 5 of csd0_compute", "unload the program in slot 5 of csd0_compute"]
    )
    assert predicted["diff"] == done["diff"]
    assert sorted(target.state()) == [0]
    assert run(target, purge=True)["changed"]
    assert target.state() == {}


def test_the_result_and_the_diff_tell_what_is_in_the_slots(target: FakeCsdTarget) -> None:
    target.load(1, OLD, state="loaded")
    result = run(target, program(0, "bare.bpf.c", pid=7, record_bytes=32, stride_bytes=16, emit="nothing"))
    assert result["diff"]["before"] == f"csd0_compute slot 1: loaded, sha256 {sha256(OLD)} (8 bytes)\n"
    assert result["diff"]["after"] == (
        f"csd0_compute slot 0: active, sha256 {sha256(BARE)} (16 bytes), "
        "record_bytes 32, stride_bytes 16, emit nothing\n"
        f"csd0_compute slot 1: loaded, sha256 {sha256(OLD)} (8 bytes)\n"
    )
    assert result["programs"][0] == {
        "compute": "csd0_compute",
        "slot": 0,
        "state": "active",
        "sha256": sha256(BARE),
        "bytes": 16,
        "pid": 7,
        "program_type": 0xC0,
        "engine": "worker",
        "runs_in": "worker",
        "record_bytes": 32,
        "stride_bytes": 16,
        "state_bytes": 64,
        "emit": "nothing",
    }


class TestRefusedProgram:
    """The verifier says no: the old program is in place and active again, and the reason is told."""

    @pytest.mark.parametrize("tells", [True, False], ids=["in the answer", "in csd_get_programs"])
    def test_the_old_one_is_back(self, tells: bool, target: FakeCsdTarget) -> None:
        target.load(0, OLD, pid=9)
        target.load(1, OLD, state="loaded")
        target.refused[NEW], target.tells_reason = REASON, tells
        before = deepcopy(target.slots)
        result = run(target, program(1, "bare.bpf.c", "present"), program(0))
        said = REASON if tells else f"Invalid Program Data: {REASON}"
        assert result["msg"] == (
            "Asked: load new.bpf.c into slot 0 of csd0_compute. "
            f"Found: the target refused it: {said} (4 earlier step(s) were undone). "
            "Do: mend the program (docs/programs.md says what may run), then run again."
        )
        assert target.slots == before
        assert target.written == [
            *("unload 1", "load 1", "deactivate 0", "unload 0", "load 0"),
            *("load 0", "activate 0", "unload 1", "load 1"),
        ]

    def test_nothing_was_there(self, target: FakeCsdTarget) -> None:
        target.refused[NEW] = REASON
        result = run(target, program(0))
        assert result["msg"] == (
            "Asked: load new.bpf.c into slot 0 of csd0_compute. "
            f"Found: the target refused it: Invalid Program Data: {REASON}. "
            "Do: mend the program (docs/programs.md says what may run), then run again."
        )
        assert target.slots == {}

    def test_the_old_one_cannot_be_had(self, target: FakeCsdTarget) -> None:
        target.load(0, OLD, state="loaded")
        target.refused[NEW], target.hides = REASON, True
        result = run(target, program(0))
        assert result["msg"] == (
            "Asked: load new.bpf.c into slot 0 of csd0_compute. "
            f"Found: the target refused it: Invalid Program Data: {REASON} (0 earlier step(s) were undone; NOT undone: "
            "unload the program in slot 0 of csd0_compute (Asked: load again what was in slot 0 of csd0_compute. "
            "Found: the target does not tell its bytes. Do: load it again by hand.)). "
            "Do: mend the program (docs/programs.md says what may run), then run again."
        )

    def test_a_failed_activation_is_undone_too(self, target: FakeCsdTarget) -> None:
        target.load(0, OLD, state="loaded")
        target.fails = "csd_activate_program"
        result = run(target, program(0))
        assert result["msg"] == (
            "Asked: activate program in slot 0 of csd0_compute. "
            "Found: the target refused: the drive is on fire (2 earlier step(s) were undone). "
            "Do: look for who uses it (csd_get_stats, csd stats), or read the target's log, then run again."
        )
        assert target.state() == {0: ("loaded", OLD)}


def test_a_running_program_is_waited_for(target: FakeCsdTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    target.load(0, OLD)
    target.busy = 3
    assert run(target, program(0))["changed"]
    assert target.state() == {0: ("active", NEW)}
    target.busy = 1000
    monkeypatch.setattr(reconcile, "BUSY_PATIENCE_S", 0.1)
    assert run(target, program(0, state="absent"))["msg"] == (
        "Asked: deactivate program in slot 0 of csd0_compute. Found: the target refused: the program runs. "
        "Do: look for who uses it (csd_get_stats, csd stats), or read the target's log, then run again."
    )
    assert target.state() == {0: ("active", NEW)}
    # The target lets no run begin once it was asked to deactivate: that is taken back.
    assert target.written[-2:] == ["deactivate 0", "activate 0"]


def test_a_program_that_is_being_verified_is_waited_for(target: FakeCsdTarget) -> None:
    target.load(0, NEW)
    target.verifying = 2
    assert run(target, program(0))["changed"] is False


class TestConfigFile:
    """What the target comes back with holds the programs."""

    def test_it_is_kept(self, target: FakeCsdTarget, tmp_path: Path) -> None:
        file = tmp_path / "saved.json"
        predicted = run(target, program(0), config_file=str(file), check=True)
        assert not file.exists()
        done = run(target, program(0), config_file=str(file))
        assert predicted["actions"] == done["actions"]
        assert done["actions"][-1] == f"save the target's configuration to {file}"
        [bdev, _] = json.loads(file.read_text())["subsystems"]
        assert [call["method"] for call in bdev["config"]] == [
            "bdev_csd_compute_create",
            "csd_load_program",
            "csd_activate_program",
        ]
        assert file.stat().st_mode & 0o777 == 0o600
        assert run(target, program(0), config_file=str(file))["changed"] is False

    def test_it_is_mended(self, target: FakeCsdTarget, tmp_path: Path) -> None:
        file = tmp_path / "saved.json"
        target.load(0, NEW)
        assert run(target, program(0), config_file=str(file))["actions"] == [
            f"save the target's configuration to {file}"
        ]

    def test_a_refused_program_leaves_it(self, target: FakeCsdTarget, tmp_path: Path) -> None:
        file = tmp_path / "saved.json"
        run(target, program(0, "old.bpf.c"), config_file=str(file))
        before = file.read_text()
        target.refused[NEW] = REASON
        assert "refused" in run(target, program(0), config_file=str(file))["msg"]
        assert file.read_text() == before
        assert run(target, program(0, "old.bpf.c"), config_file=str(file))["changed"] is False

    def test_a_folder_that_is_not_there_is_found_before_anything_changes(self, target: FakeCsdTarget) -> None:
        result = run(target, program(0), config_file="/nonexistent/saved.json")
        assert result["msg"] == (
            "Asked: the target's configuration in /nonexistent/saved.json. Found: /nonexistent is not a folder. "
            "Do: make it first: install -d -m 0755 /nonexistent."
        )
        assert target.slots == {}


class TestCheckMode:
    """A machine on which the tasks before this one have changed nothing either."""

    @pytest.fixture(autouse=True)
    def warnings(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        said: list[str] = []
        monkeypatch.setattr(AnsibleModule, "warn", lambda module, text: said.append(text))
        return said

    def test_no_target_runs(self, tmp_path: Path, warnings: list[str]) -> None:
        nobody = FakeCsdTarget(tmp_path / "none.sock")
        result = run(nobody, program(0), config_file=str(tmp_path / "none" / "saved.json"), check=True)
        assert result["actions"] == [
            "load new.bpf.c into slot 0 of csd0_compute",
            "activate slot 0 of csd0_compute",
            f"save the target's configuration to {tmp_path}/none/saved.json",
        ]
        assert result["target_running"] is False
        assert warnings == [f"no such socket at {tmp_path}/none.sock: planned for the target as it will start"]
        assert run(nobody, program(0))["msg"] == (
            f"Asked: a connection to the target's RPC socket {tmp_path}/none.sock. Found: no such socket. "
            "Do: start the target, or name the socket that it was given."
        )

    def test_the_target_will_start_with_its_programs(self, target: FakeCsdTarget, tmp_path: Path) -> None:
        file = tmp_path / "saved.json"
        run(target, program(0), program(1, state="present"), config_file=str(file))
        nobody = FakeCsdTarget(tmp_path / "none.sock")
        asked = [program(0), program(1, state="present")]
        assert run(nobody, *asked, config_file=str(file), check=True)["changed"] is False
        assert run(nobody, program(0, "old.bpf.c"), config_file=str(file), check=True)["changed"] is True
        file.write_text('{"subsystems": [{"subsystem": "bdev", "config": [{"method": "csd_load_program"}]}]}')
        assert run(nobody, *asked, config_file=str(file), check=True)["changed"] is True

    def test_the_target_has_no_compute_namespace_yet(self, tmp_path: Path) -> None:
        with FakeCsdTarget(tmp_path / "empty.sock", {}) as target:
            assert run(target, program(0), check=True)["changed"] is True
            assert run(target, program(0))["msg"] == (
                "Asked: program new.bpf.c in slot 0 of csd0_compute. "
                "Found: the target has no compute namespace csd0_compute, but none at all. "
                "Do: declare it with spdk_target as a bdev of type csd_compute, or correct its name."
            )

    def test_another_application_runs(self, target: FakeCsdTarget, monkeypatch: pytest.MonkeyPatch) -> None:
        answer = target._answer
        monkeypatch.setattr(
            target, "_answer", lambda method, params: answer("nope" if method == "csd_get_programs" else method, params)
        )
        assert run(target, program(0), check=True)["changed"] is True
        assert run(target, program(0))["msg"] == (
            f"Asked: programs on the target at {target.path}. "
            "Found: it has no csd_get_programs: it is not csd_tgt. "
            "Do: run csd_tgt (the role csd_target builds it)."
        )

    def test_what_is_not_compiled_yet_is_a_change(self, target: FakeCsdTarget) -> None:
        target.load(0, NEW)
        unknown = built(new=None)
        result = run(target, program(0), built=unknown, check=True)
        assert result["changed"] is True
        assert result["diff"]["after"] == "csd0_compute slot 0: active, what the compiler will make\n"
        assert run(target, program(0), built=unknown)["msg"] == (
            "Asked: program new.bpf.c in slot 0 of csd0_compute. Found: built has no content for it. "
            "Do: run csd_program_build outside check mode too."
        )


def test_a_file_of_the_managed_host(target: FakeCsdTarget, tmp_path: Path) -> None:
    path = tmp_path / "x.o"
    asked = {"compute": "csd0_compute", "slot": 0, "path": str(path)}
    assert run(target, asked, check=True)["changed"] is True
    assert run(target, asked)["msg"] == (
        f"Asked: program {path} in slot 0 of csd0_compute. Found: this host has no such file. "
        "Do: correct the path, or make the file first."
    )
    path.write_bytes(OLD)
    assert run(target, asked)["changed"] is True
    assert target.state() == {0: ("active", OLD)}
    assert run(target, {**asked, "path": str(tmp_path)})["msg"] == (
        f"Asked: program {tmp_path} in slot 0 of csd0_compute. Found: it cannot be read: Is a directory. "
        "Do: give the path of a file."
    )


WHAT = "Asked: program new.bpf.c in slot 0 of csd0_compute"
REFUSALS: dict[str, tuple[list[dict[str, Any]], dict[str, Any], str]] = {
    "slot twice": (
        [program(0), program(0, "old.bpf.c")],
        {},
        "Asked: 2 programs in slot 0 of csd0_compute. Found: a slot holds one. Do: declare each slot once.",
    ),
    "slot below 0": (
        [program(-1)],
        {},
        "Asked: a program in slot -1 of csd0_compute. Found: slots are numbered from 0 to 65535. "
        "Do: choose one of these.",
    ),
    "slot beyond the last": (
        [program(8)],
        {},
        "Asked: program new.bpf.c in slot 8 of csd0_compute. Found: csd0_compute has the slots 0 to 7. "
        "Do: use one of these, or declare the bdev with more slots.",
    ),
    "another namespace": (
        [program(0) | {"compute": "csd9"}],
        {},
        "Asked: program new.bpf.c in slot 0 of csd9. "
        "Found: the target has no compute namespace csd9, but csd0_compute. "
        "Do: declare it with spdk_target as a bdev of type csd_compute, or correct its name.",
    ),
    "neither source nor path": (
        [program(0, "")],
        {},
        "Asked: a program in slot 0 of csd0_compute with neither source nor path. "
        "Found: one of them tells what to load. "
        "Do: give one of them, or state: absent.",
    ),
    "source and path": (
        [program(0, path="/x")],
        {},
        "Asked: a program in slot 0 of csd0_compute with source and path. Found: one of them tells what to load. "
        "Do: give one of them, or state: absent.",
    ),
    "not built": (
        [program(0)],
        {"built": built(old=OLD)},
        f"{WHAT}. Found: built does not have it, but old.bpf.c. Do: let csd_program_build compile it first, and hand "
        "its result `programs` on as built; or give path, for a file of this host.",
    ),
    "no base64": (
        [program(0)],
        {"built": {"new.bpf.c": {"content": "?"}}},
        f"{WHAT}. Found: its content is no base64 (Only base64 data is allowed). "
        "Do: hand on what csd_program_build returns.",
    ),
    "empty": ([program(0)], {"built": built(new=b"")}, f"{WHAT}. Found: a file of 0 bytes. Do: give a program."),
    "geometry of an ELF": (
        [program(0, record_bytes=8, emit="record")],
        {},
        f"{WHAT} with record_bytes, emit. Found: an ELF tells its own geometry (CSD_RECORD in the source); only a bare "
        "instruction stream cannot. Do: leave it out here, and correct the source instead.",
    ),
    "beyond the namespace's limit": (
        [program(0)],
        {"built": built(new=bytes(65537))},
        f"{WHAT} of 65537 bytes. Found: csd0_compute takes programs of at most 65536 bytes. "
        "Do: make it smaller, or declare the bdev with a larger max_program_bytes.",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refused_before_anything_changes(name: str, target: FakeCsdTarget) -> None:
    programs, more, message = REFUSALS[name]
    assert run(target, *programs, **more)["msg"] == message
    assert target.written == []


def test_a_large_program_travels_in_pieces_and_comes_back_so_too(target: FakeCsdTarget, tmp_path: Path) -> None:
    large, file = b"\x7fELF" + bytes(range(256)) * 160, tmp_path / "saved.json"
    asked: dict[str, Any] = {"built": built(new=large, old=OLD), "config_file": str(file)}
    assert run(target, program(0, pid=4), **asked)["changed"]
    assert target.state() == {0: ("active", large)}
    assert target.written == ["load 0", "load 0", "load 0", "activate 0"]
    assert run(target, program(0, pid=4), **asked)["changed"] is False
    nobody = FakeCsdTarget(tmp_path / "none.sock")
    assert run(nobody, program(0, pid=4), **asked, check=True)["changed"] is False
    before = deepcopy(target.slots)
    target.refused[OLD] = REASON
    assert "2 earlier step(s) were undone" in run(target, program(0, "old.bpf.c"), **asked)["msg"]
    assert target.slots == before


def test_more_active_programs_than_the_namespace_takes(tmp_path: Path) -> None:
    with FakeCsdTarget(tmp_path / "s", {"csd0_compute": {**COMPUTE, "max_active": 2}}) as target:
        target.load(7, OLD)
        for check in (True, False):
            assert run(target, program(0), program(1), check=check)["msg"] == (
                "Asked: 3 active programs in csd0_compute (slots 0, 1, 7). Found: it was made for 2 at a time. "
                "Do: declare some as present or absent, or the bdev with a higher max_active."
            )
        assert target.written == []
        assert run(target, program(0), program(7, "old.bpf.c", "present"), program(1))["changed"]


def test_a_request_in_a_message_does_not_show_a_whole_program(target: FakeCsdTarget) -> None:
    target.load(0, bytes(900))
    target.refused[NEW] = REASON
    target.refused[bytes(900)] = "it was fine before"
    assert '"program": "(1200 characters)"' in run(target, program(0))["msg"]
