"""The target's service over {run, check, diff, run again}, and its refusals, with a supervisor that lives in memory.

The real supervisors are tested by the integration run, which starts, kills and removes a real target.
"""

from __future__ import annotations

import base64
import ctypes
import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.hello_ebpf import supervisors, target_service
from ansible.module_utils.hello_ebpf.csd_program.programs import Place
from ansible.module_utils.hello_ebpf.errors import LabError
from ansible.module_utils.hello_ebpf.hugepages_pool import SYS
from ansible.module_utils.hello_ebpf.made import Made
from ansible.module_utils.hello_ebpf.plan import Outcome, converge
from ansible.module_utils.hello_ebpf.processes import Process
from ansible.module_utils.hello_ebpf.service_unit import Service
from ansible.module_utils.hello_ebpf.spdk_target.bdevs import Bdev
from ansible.module_utils.hello_ebpf.spdk_target.tree import Tree
from ansible.module_utils.hello_ebpf.supervisors import Daemon, Systemd, choose
from ansible.module_utils.hello_ebpf.target_blobs import Blobs, Declared
from ansible.module_utils.hello_ebpf.target_service import Found, Target, TargetService, parse_core_mask, render
from ansible.module_utils.hello_ebpf.target_start import Memory
from ansible.module_utils.hello_ebpf.target_workers import PROGRAMS, VERIFIED, Workers

from hugepages_machine import Machine
from refusals import refusal
from waiting import until

# Serves SPDK's RPC for two methods: enough to be a process with a socket that answers, and holds a program.
STAND_IN = """
import json, socket, sys
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[sys.argv.index('-r') + 1])
server.listen()
while True:
    connection = server.accept()[0]
    request = json.loads(connection.recv(65536))
    held = [{"name": "csd0_compute", "programs": [{"pind": 6, "not_proved": "it loops"}]}]
    result = held if request["method"] == "csd_get_programs" else {"version": "stand-in 1"}
    answer = {"jsonrpc": "2.0", "id": request["id"], "result": result}
    connection.sendall(json.dumps(answer).encode())
    connection.close()
"""


class InMemory:
    """A supervisor that starts a plain child process, and starts it again when it has ended."""

    sandboxes = False

    def __init__(self, service: Service) -> None:
        self.service = service
        self.died = 0
        self.told: str | None = None
        self.child: subprocess.Popen[bytes] | None = None

    def foreign(self) -> Path | None:
        return None

    def wanted(self) -> str:
        return "\n".join(self.service.argv)

    def definition(self) -> str | None:
        return self.told

    def install(self) -> None:
        self.told = self.wanted()

    def start(self) -> None:
        self.service.run_folder.mkdir(exist_ok=True)
        Path(self.service.argv[self.service.argv.index("-r") + 1]).unlink(missing_ok=True)
        self.child = subprocess.Popen(self.service.argv)

    def stop(self) -> None:
        if self.child:
            self.child.kill()
            self.child.wait()

    def remove(self) -> None:
        self.told = None

    def deaths(self) -> int:
        if self.child and self.child.poll() is not None:
            self.died += 1
            self.child = subprocess.Popen(self.service.argv)
        return self.died

    def last_words(self) -> str:
        return "it said nothing"

    def owns(self, process: Process) -> bool:
        return self.child is not None and process.pid == self.child.pid


class Bench:
    """A service in a temporary folder."""

    def __init__(self, folder: Path, program: str = STAND_IN, python: str = sys.executable) -> None:
        self.folder = folder
        self.socket = folder / "run" / "spdk.sock"
        self.config = folder / "target.json"
        script = folder / "stand_in.py"
        script.write_text(program)
        self.argv = (python, str(script), "-r", str(self.socket))
        service = Service("csd_test", "test", self.argv, folder / "run", folder / "log")
        self.supervisor = InMemory(service)

    def run(
        self,
        state: str = "started",
        *,
        check: bool = False,
        cores: tuple[int, ...] = (),
        replaced: bool = False,
        ready_seconds: int = 5,
        bdevs: Sequence[Bdev] = (),
        recreate: str = "never",
        sys: Path = SYS,
        workers: Workers | None = None,
    ) -> Outcome[Found]:
        target = Target(
            self.socket,
            self.config,
            cores,
            Memory(0, 2048),
            ready_seconds=ready_seconds,
            share_cores=False,
            state=state,
            declared=Tree(bdevs={one.name: one for one in bdevs}),
            recreate=recreate,
            workers=workers,
        )
        work = TargetService(target, self.supervisor, check=check, replaced=replaced, sys=sys)
        shm = self.folder / "shm"
        work.shared = (shm / "nvmf_trace", shm / "csd_tgt_trace", self.folder / "dpdk" / "spdk")
        return converge(work.read, work.plan, work.predict, check=check)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.supervisor.stop()


def test_check_predicts_what_a_run_does_and_changes_nothing(bench: Bench) -> None:
    predicted = bench.run(check=True)
    assert bench.supervisor.child is None
    assert not bench.config.exists()
    done = bench.run()
    assert (
        predicted.actions
        == done.actions
        == [
            f"write an empty configuration to {bench.config}",
            "define csd_test as declared",
            "start csd_test and wait until its RPC answers",
        ]
    )
    assert done.after.version == "stand-in 1"
    assert json.loads(bench.config.read_text()) == {"subsystems": []}
    assert bench.config.stat().st_mode & 0o777 == 0o600


def test_a_second_run_changes_nothing(bench: Bench) -> None:
    bench.run()
    assert bench.run().actions == bench.run(check=True).actions == []


def test_the_diff_shows_process_and_definition(bench: Bench) -> None:
    outcome = bench.run()
    assert render(outcome.before) == "process: none\nrpc: no answer\ndefinition:\n  none\n"
    assert f"process: {' '.join(bench.argv)}\nrpc: answers\ndefinition:\n" in render(outcome.after)


def test_a_dead_target_is_started_again(bench: Bench) -> None:
    bench.run()
    bench.supervisor.stop()
    assert bench.run().actions == ["start csd_test and wait until its RPC answers"]


def test_other_arguments_restart_it(bench: Bench) -> None:
    bench.run()
    old = bench.supervisor.child
    bench.supervisor.service = Service(
        "csd_test", "test", (*bench.argv, "--more"), bench.folder / "run", bench.folder / "log"
    )
    assert bench.run().actions == [
        "define csd_test as declared",
        "restart csd_test and wait until its RPC answers",
    ]
    assert old is not None
    assert old.poll() is not None


def test_a_policy_under_which_it_would_not_start_again_is_refused(bench: Bench) -> None:
    """It holds a program that is not proved; it runs on as it is."""
    bench.run()
    workers = Workers(bench.folder, (), 1000, policy=VERIFIED)
    argv = (*bench.argv, *workers.arguments)
    bench.supervisor.service = Service("csd_test", "test", argv, bench.folder / "run", bench.folder / "log")
    for check in (True, False):
        with pytest.raises(LabError, match="slot 6 of csd0_compute holds one that is not: it loops"):
            bench.run(check=check, workers=workers)
    assert bench.supervisor.child is not None
    assert bench.supervisor.child.poll() is None


def test_without_a_compiler_a_program_that_is_compiled_no_more_is_taken_out_before_a_start(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And refused where nothing that is declared comes in its place; the target runs on then."""
    bench.run()
    prefix = bench.folder / "csd_target"
    for folder in ("bin", "programs", "programs/compiled"):
        (prefix / folder).mkdir(parents=True)
    (prefix / "programs/compiled/identity").write_text("csd_compile 00\ngcc 12\n")
    for name in PROGRAMS:
        (prefix / "bin" / name).write_text("#!/bin/sh\necho csd_compile 00; echo gcc 12; exit 3\n")
        (prefix / "bin" / name).chmod(0o755)
    load = {"name": "c", "pind": 3, "program": base64.b64encode(b"\x7fELF").decode()}
    calls = [
        {"method": "csd_load_program", "params": load},
        {"method": "csd_activate_program", "params": {"name": "c", "pind": 3}},
    ]
    before = json.dumps({"subsystems": [{"subsystem": "bdev", "config": calls}]})
    bench.config.write_text(before)
    own = bench.folder / "compiled"
    monkeypatch.setattr(target_service, "OWN", own)
    held, runs = Workers(prefix / "bin", (), 1000, blobs=Blobs(prefix, own=own)), bench.supervisor.child
    argv = (*bench.argv, *held.arguments)
    assert argv[-4:] == ("--program-blobs", str(prefix / "programs/compiled"), "--program-blobs", str(own))
    bench.supervisor.service = Service("csd_test", "test", argv, bench.folder / "run", bench.folder / "log")
    with pytest.raises(LabError, match="has not compiled the program in slot 3 of c, and csd_target_programs does not"):
        bench.run(workers=held)
    assert bench.config.read_text() == before
    assert bench.supervisor.child is runs
    assert not own.exists()
    programs = {"mine.bpf.c": Declared(b"\x7fELF mine", b"blob", "csd_compile 00\ngcc 12\n")}
    declared = replace(held, blobs=Blobs(prefix, programs, {Place("c", 3)}, own))
    assert bench.run(check=True, workers=declared).actions == (done := bench.run(workers=declared)).actions
    assert done.actions == [
        f"make {own}",
        "keep mine.bpf.c as the builder compiled it",
        "define csd_test as declared",
        f"take slot 3 of c out of {bench.config}: what is declared follows",
        "restart csd_test and wait until its RPC answers",
    ]
    assert json.loads(bench.config.read_text()) == {"subsystems": [{"subsystem": "bdev", "config": []}]}
    assert len(list(own.iterdir())) == 1
    assert bench.run(workers=declared).actions == bench.run(check=True, workers=declared).actions == []
    # A new program is no reason to start anew.
    programs["more.bpf.c"] = Declared(b"\x7fELF more", b"blob", "csd_compile 00\ngcc 12\n")
    assert bench.run(workers=declared).actions == ["keep more.bpf.c as the builder compiled it"]
    bench.run("absent")
    assert not own.exists()


def test_another_program_at_the_same_path_restarts_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHOME", sys.base_prefix)
    program = tmp_path / "bin" / "target"
    program.parent.mkdir()
    shutil.copy2(os.path.realpath(sys.executable), program)
    bench = Bench(tmp_path, python=str(program))
    try:
        bench.run()
        assert bench.run().actions == []
        # Check mode has not installed anything; it is told.
        restart = ["restart csd_test and wait until its RPC answers"]
        assert bench.run(check=True, replaced=True).actions == restart
        # A whole folder takes the place of the old one, as a distribution does it, byte for byte the same or not.
        program.parent.rename(tmp_path / "old")
        shutil.copytree(tmp_path / "old", tmp_path / "bin")
        assert bench.run(check=True).actions == restart
        shutil.rmtree(tmp_path / "old")
        assert bench.run(check=True).actions == bench.run().actions == restart
        assert bench.run().actions == []
    finally:
        bench.supervisor.stop()


def test_absent_leaves_nothing_and_is_idempotent(bench: Bench) -> None:
    bench.run()
    trace = bench.folder / "shm" / "nvmf_trace"
    trace.parent.mkdir()
    trace.touch()
    predicted = bench.run("absent", check=True)
    assert bench.run("absent").actions == predicted.actions
    assert not bench.config.exists()
    assert not bench.socket.parent.exists()
    assert not trace.exists()
    assert bench.run("absent").actions == bench.run("absent", check=True).actions == []


@pytest.fixture
def cached(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """With a folder for compiled programs."""
    caches = bench.folder / "caches"
    monkeypatch.setattr(target_service, "CACHES", caches)
    bench.supervisor.service = replace(bench.supervisor.service, cache=caches / "csd_test")
    return bench


def test_compiled_programs_go_with_the_service_and_what_others_put_beside_them_stays(cached: Bench) -> None:
    for theirs in (True, False):
        cached.run()
        cache = cached.folder / "caches/csd_test"
        cache.mkdir(parents=True, exist_ok=True)
        for name in ("0123456789abcdef" * 4, "identity", "unfinished"):
            (cache / name).touch()
        (cache / "theirs").touch() if theirs else (cache / "theirs").unlink()
        cached.run("absent")
        assert cached.run("absent").actions == []
        assert inside(cached) == (["caches/csd_test/theirs", "stand_in.py"] if theirs else ["stand_in.py"])
        if theirs:
            Made().note("csd_test", cache)
    assert not cache.parent.exists()


def test_a_folder_of_others_is_no_cache(cached: Bench) -> None:
    cache = cached.folder / "caches/csd_test"
    cache.mkdir(parents=True)
    (cache / "identity").touch()
    for check in (True, False):
        assert refusal(cached.run, check=check) == (
            f"Asked: {cache} for csd_test. Found: it is there, and the lab did not make it. Do: move it away."
        )
    assert cached.run("absent").actions == []
    assert inside(cached) == ["caches/csd_test/identity", "stand_in.py"]


def test_a_socket_served_by_another_is_refused_and_left_alone(bench: Bench) -> None:
    bench.socket.parent.mkdir()
    bench.socket.touch()
    with Path(f"{bench.socket}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(LabError) as error:
            bench.run()
        assert f"Asked: serve RPC on {bench.socket}. Found: it is served by pid {os.getpid()} (" in str(error.value)
        assert "Do: stop that process, or set csd_target_rpc_socket to another path." in str(error.value)
        assert bench.run("absent").actions == []
    assert bench.socket.exists()
    assert not bench.config.exists()


def test_a_stale_socket_is_no_obstacle(bench: Bench) -> None:
    bench.run()
    bench.supervisor.stop()
    bench.socket.unlink()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(bench.socket))
    Path(f"{bench.socket}.lock").touch()
    assert bench.run().after.version == "stand-in 1"


def test_a_core_on_which_another_spins_is_refused(bench: Bench) -> None:
    named, over = threading.Event(), threading.Event()

    def pose_as_reactor() -> None:
        ctypes.CDLL(None).prctl(15, b"reactor_978", 0, 0, 0)
        named.set()
        over.wait()

    thread = threading.Thread(target=pose_as_reactor)
    thread.start()
    named.wait()
    try:
        with pytest.raises(LabError) as error:
            bench.run(cores=(978,), check=True)
    finally:
        over.set()
        thread.join()
    assert f"Asked: run a reactor on core 978. Found: core 978 is taken by pid {os.getpid()} (" in str(error.value)
    assert "or accept a shared core with csd_target_share_cores: true" in str(error.value)


def test_a_broken_configuration_is_refused_before_a_start(bench: Bench) -> None:
    bench.run()
    bench.supervisor.stop()
    bench.supervisor.child = None
    bench.config.write_text("{")
    with pytest.raises(LabError, match=r"Found: the file is not JSON: .* Do: restore it, or remove it"):
        bench.run()
    assert bench.supervisor.child is None


def test_a_missing_program_is_refused(bench: Bench) -> None:
    service = Service("csd_test", "test", ("/nowhere/nvmf_tgt",), bench.folder / "run", bench.folder / "log")
    bench.supervisor.service = service
    with pytest.raises(
        LabError, match=r"Asked: run /nowhere/nvmf_tgt\. Found: no such program\. Do: let the role csd_target build it"
    ):
        bench.run()
    # In check mode the role before this one has not built it yet.
    assert bench.run(check=True).changed


def test_too_few_hugepages_are_refused_with_numbers(bench: Bench) -> None:
    target = Target(
        bench.socket, bench.config, (), Memory(1 << 40, 2048), ready_seconds=5, share_cores=False, state="started"
    )
    work = TargetService(target, bench.supervisor, check=False)
    with pytest.raises(
        LabError, match=r"Asked: \d+ MiB of hugepages \(\d+ pages of 2048 kB\)\. Found: \d+ of \d+ pages of that size"
    ):
        converge(work.read, work.plan, work.predict, check=False)


RAM = Bdev("csd0_data", "csd_ram", 512, 65536)
NAMESPACE = {"nqn": "nqn.2026-11.io.example:a", "namespace": {"nsid": 1, "bdev_name": "csd0_data", "uuid": "1-2"}}


def saved(*bdevs: tuple[str, Mapping[str, Any]]) -> str:
    """A configuration with these bdevs, one of them a namespace."""
    made = [{"method": method, "params": params} for method, params in bdevs]
    nvmf = [
        {"method": "nvmf_create_subsystem", "params": {"nqn": NAMESPACE["nqn"]}},
        {"method": "nvmf_subsystem_add_ns", "params": NAMESPACE},
    ]
    both = [{"subsystem": "bdev", "config": made}, {"subsystem": "nvmf", "config": nvmf}]
    return json.dumps({"subsystems": both}, indent=2) + "\n"


MALLOC = ("bdev_malloc_create", {"name": "csd0_data", "num_blocks": 65536, "block_size": 512, "uuid": "3-4"})
OTHER = ("bdev_malloc_create", {"name": "other", "num_blocks": 2048, "block_size": 512})


def test_what_a_start_may_not_bring_back_otherwise_is_refused_while_the_data_are_there(bench: Bench) -> None:
    """The memory of the start need not hold a malloc bdev of before any more: it would not come up with it."""
    bench.run()
    bench.config.write_text(saved(OTHER, MALLOC))
    before = bench.run().after.process
    bench.supervisor.service = replace(bench.supervisor.service, argv=(*bench.argv, "-s", "448"))
    for recreate in ("never", "keep_data"):
        for check in (True, False):
            assert refusal(bench.run, check=check, bdevs=[RAM], recreate=recreate) == (
                "Asked: bdev csd0_data: type 'csd_ram'. "
                f"Found: malloc bdev csd0_data has type 'malloc'; it is namespace 1 of {NAMESPACE['nqn']}. "
                "Do: declare what is there, choose another name, or let it be made anew with "
                "csd_target_recreate: lose_data (its data is lost)."
            )
    assert bench.config.read_text() == saved(OTHER, MALLOC)
    assert before is not None
    assert Path(f"/proc/{before.pid}/cmdline").exists()


def test_a_start_that_may_lose_data_brings_what_is_declared(bench: Bench, tmp_path: Path) -> None:
    machine = Machine(tmp_path / "machine")
    machine.set_pool(16)
    bench.run()
    bench.config.write_text(saved(OTHER, MALLOC))
    bench.supervisor.service = replace(bench.supervisor.service, argv=(*bench.argv, "-s", "448"))
    actions = [
        "define csd_test as declared",
        "write csd_ram bdev csd0_data, 32 MiB (65536 blocks of 512), for malloc, 32 MiB (65536 blocks of 512), to "
        f"{bench.config}, as its data end with the process",
        "restart csd_test and wait until its RPC answers",
    ]
    asked: dict[str, Any] = {"bdevs": [RAM], "recreate": "lose_data", "sys": machine.path("/sys")}
    assert bench.run(check=True, **asked).actions == actions
    assert bench.config.read_text() == saved(OTHER, MALLOC)
    assert bench.run(**asked).actions == actions
    ram = ("bdev_csd_ram_create", {"name": "csd0_data", "block_size": 512, "num_blocks": 65536})
    assert json.loads(bench.config.read_text()) == json.loads(saved(OTHER, ram))
    assert bench.run(**asked).actions == []


def test_a_start_counts_the_pages_of_bdevs_that_are_to_come(bench: Bench, tmp_path: Path) -> None:
    """Those that are declared, and those that only the file holds; without a start nothing is counted."""
    machine = Machine(tmp_path / "machine")
    machine.set_pool(16)
    asked: dict[str, Any] = {"bdevs": [RAM], "sys": machine.path("/sys")}
    assert bench.run(**asked).after.version
    bench.config.write_text(saved(("bdev_csd_slm_create", {"name": "drive", "megabytes": 2})))
    more = {**asked, "bdevs": [replace(RAM, num_blocks=1 << 30)]}
    assert bench.run(**more).actions == []
    bench.supervisor.service = replace(bench.supervisor.service, argv=(*bench.argv, "--new"))
    assert refusal(bench.run, **asked) == (
        "Asked: 34 MiB of hugepages (17 pages of 2048 kB): 0 for the start (csd_target_memory_megabytes), "
        "2 for csd_slm bdev drive, 32 for csd_ram bdev csd0_data. Found: 16 of 16 pages of that size are free. "
        "Do: raise hugepages_megabytes, lower csd_target_memory_megabytes, make those bdevs smaller, or stop what "
        "holds the pages."
    )


def test_a_target_that_never_answers_is_an_error_with_its_last_words(tmp_path: Path) -> None:
    bench = Bench(tmp_path, program="import time; time.sleep(60)")
    try:
        with pytest.raises(
            LabError, match=r"answers RPC within 5 s\. Found: no answer; its last words: it said nothing"
        ):
            bench.run()
    finally:
        bench.supervisor.stop()


def test_a_target_that_dies_at_once_is_reported_at_once(tmp_path: Path) -> None:
    """Case A19: 120 s of polling a crash loop."""
    bench = Bench(tmp_path, program="raise SystemExit(3)")
    try:
        with pytest.raises(LabError) as error:
            bench.run(ready_seconds=120)
    finally:
        bench.supervisor.stop()
    assert "Found: it has died 2 times since its start; its last words: it said nothing" in str(error.value)


def test_a_target_that_dies_once_has_another_chance(tmp_path: Path) -> None:
    once = f"import pathlib\npath = pathlib.Path({str(tmp_path / 'died')!r})\n"
    once += "if not path.exists():\n    path.touch()\n    raise SystemExit(3)\n"
    bench = Bench(tmp_path, program=once + STAND_IN)
    try:
        assert bench.run().after.version == "stand-in 1"
        assert bench.supervisor.died == 1
    finally:
        bench.supervisor.stop()


def test_deaths_as_systemd_tells_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    systemd = Systemd(Service("csd_test", "test", ("/bin/true",), Path("/run/csd_test"), Path("/log")), tmp_path)
    for shown, deaths in [("0\nSubState=running", 0), ("0\nSubState=auto-restart", 1), ("1\nSubState=auto-restart", 2)]:
        monkeypatch.setattr(supervisors, "run", lambda *argv, shown=shown: f"NRestarts={shown}\n")
        assert systemd.deaths() == deaths


def test_deaths_as_daemon_tells_them(tmp_path: Path) -> None:
    daemon = Daemon(Service("csd_test", "test", ("/bin/true",), tmp_path / "run", tmp_path / "log"))
    assert daemon.deaths() == 0
    (tmp_path / "log").write_text(
        "dying\n"
        "20261127 00:26:08 csd_test: client (pid 22876) exited with 3 status, respawning\n"
        "what a program prints: csd_test: client (pid 1) exited\n"
        "20261127 00:26:08 csd_test: client (pid 22877) killed by signal 11, respawning\n"
        "20261127 00:26:08 csd_test: terminating too quickly, waiting 10 seconds\n"
    )
    assert daemon.deaths() == 2


@pytest.mark.parametrize(
    ("mask", "text"),
    [
        ("0x4", "Asked: core mask 0x4 (cores 2). Found: core 2 is not among this machine's cores 0, 1."),
        ("0x0", "Asked: core mask '0x0'. Found: not a hexadecimal mask with 0x and at least one core."),
        ("15", "Asked: core mask '15'. Found: not a hexadecimal mask with 0x and at least one core."),
        ("all", "Asked: core mask 'all'. Found: not a hexadecimal mask with 0x and at least one core."),
    ],
)
def test_a_wrong_core_mask_is_refused(mask: str, text: str) -> None:
    assert text in refusal(parse_core_mask, mask, frozenset({0, 1}))


def test_core_masks() -> None:
    assert parse_core_mask("0x3", frozenset(range(4))) == (0, 1)
    assert parse_core_mask("0xa", frozenset(range(4))) == (1, 3)


def test_systemd_where_it_is_pid_1(tmp_path: Path) -> None:
    service = Service("csd_test", "test", ("/bin/true", "-r", "x"), Path("/run/csd_test"), Path("/log"))
    assert isinstance(choose(service, tmp_path), Daemon)
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    assert isinstance(choose(service, tmp_path), Systemd)


def test_the_unit_restarts_after_a_crash_and_at_boot(tmp_path: Path) -> None:
    service = Service("csd_test", "test", ("/bin/true", "-r", "x"), Path("/run/csd_test"), Path("/log"))
    systemd = Systemd(service, tmp_path)
    for line in ["ExecStart=/bin/true -r x", "Restart=always", "UMask=0117", "WantedBy=multi-user.target"]:
        assert line in systemd.wanted().splitlines()
    # Installed but not enabled would not come back after a reboot, so it counts as missing.
    (tmp_path / "csd_test.service").write_text(systemd.wanted())
    assert systemd.definition() is None
    (tmp_path / "multi-user.target.wants").mkdir()
    (tmp_path / "multi-user.target.wants" / "csd_test.service").symlink_to("../csd_test.service")
    assert systemd.definition() == systemd.wanted()


# ---- what is not ours


def inside(bench: Bench) -> list[str]:
    return sorted(str(path.relative_to(bench.folder)) for path in bench.folder.rglob("*") if not path.is_dir())


def test_a_socket_in_a_folder_of_others_is_refused_and_the_folder_left_as_it_was(bench: Bench) -> None:
    """Case A1: /var/tmp/spdk.sock. Its folder was closed to all others, and at teardown removed."""
    shared = bench.folder / "run"
    shared.mkdir(mode=0o777)
    (shared / "theirs").touch()
    before = shared.stat()
    for check in (True, False):
        assert refusal(bench.run, check=check) == (
            f"Asked: the RPC socket {bench.socket}. Found: the folder {shared} is not the lab's, and that of the "
            "socket is closed to all but root and the group root. Do: set csd_target_rpc_socket to a path in a folder "
            "of its own, like /run/hello_ebpf/spdk.sock; SPDK's rpc.py takes it with -s."
        )
    assert bench.run("absent").actions == []
    assert (shared.stat().st_mode, shared.stat().st_uid) == (before.st_mode, before.st_uid)
    assert inside(bench) == ["run/theirs", "stand_in.py"]


@pytest.mark.parametrize("name", ["target.json", "log"])
def test_a_file_of_others_in_a_place_of_ours_is_refused_and_stays(bench: Bench, name: str) -> None:
    """Case A8: what an administrator wrote."""
    (bench.folder / name).write_text('{"subsystems": []}')
    for check in (True, False):
        assert refusal(bench.run, check=check) == (
            f"Asked: {bench.folder / name} for csd_test. Found: it is there, and the lab did not make it. "
            "Do: move it away, or set csd_target_config_file and csd_target_log to other paths."
        )
    for _ in range(2):
        assert bench.run("absent").actions == []
    assert (bench.folder / name).read_text() == '{"subsystems": []}'


def test_what_others_have_put_beside_the_socket_stays(bench: Bench) -> None:
    bench.run()
    (bench.folder / "run/theirs").touch()
    (bench.folder / "dpdk/spdk").mkdir(parents=True)
    (bench.folder / "dpdk/spdk/config").touch()
    (bench.folder / "dpdk/spdk/theirs").touch()
    assert bench.run("absent").changed
    assert bench.run("absent").actions == []
    assert inside(bench) == ["dpdk/spdk/theirs", "run/theirs", "stand_in.py"]


def test_what_an_earlier_declaration_made_goes_too(bench: Bench) -> None:
    bench.run()
    bench.supervisor.stop()
    bench.socket, bench.config = bench.folder / "other/spdk.sock", bench.folder / "other.json"
    assert bench.run("absent").changed
    assert inside(bench) == ["stand_in.py"]
    assert bench.run("absent").actions == []


def test_what_runs_is_ours_though_its_notes_were_lost(bench: Bench, notes: Path) -> None:
    bench.run()
    notes.unlink()
    expected = [f"note that {bench.socket.parent}, {bench.config} is of csd_test"]
    assert bench.run(check=True).actions == bench.run().actions == expected
    assert bench.run().actions == []
    bench.run("absent")
    assert inside(bench) == ["stand_in.py"]


def test_a_second_target_is_refused_in_one_sentence(bench: Bench) -> None:
    """Case A14: the shared-memory id would be the other's."""
    other = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)", "-r", "/run/other/spdk.sock", "--shm-id", "4421"]
    )
    service = Service("csd_test", "test", (*bench.argv, "--shm-id", "4421"), bench.folder / "run", bench.folder / "log")
    bench.supervisor.service = service
    shm = bench.folder / "shm/nvmf_trace"
    shm.parent.mkdir()
    shm.touch()
    try:
        for check in (True, False):
            with pytest.raises(LabError) as refused:
                bench.run(check=check)
            assert str(refused.value).startswith(
                f"Asked: csd_test with its RPC socket {bench.socket}. Found: pid {other.pid} ("
            )
            assert str(refused.value).endswith(
                "--shm-id 4421) has the same shared-memory id, and a machine has one such target. Do: declare the "
                "drives of both in one csd_target_subsystems, or take that one down first."
            )
        assert bench.run("absent").actions == []
        assert shm.exists()
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()
    bench.run()
    assert bench.run().actions == []


def test_a_unit_of_somebody_else_is_refused_and_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(tmp_path)
    units = tmp_path / "units"
    (units / "multi-user.target.wants").mkdir(parents=True)
    unit = units / "csd_test.service"
    unit.write_text("[Service]\nExecStart=/bin/true\n")
    (units / "multi-user.target.wants/csd_test.service").symlink_to(unit)
    monkeypatch.setattr(supervisors, "run", lambda *argv: pytest.fail(f"{argv}"))
    systemd = Systemd(bench.supervisor.service, units)
    for state in ("started", "absent"):
        memory = Memory(0, 2048)
        target = Target(bench.socket, bench.config, (), memory, ready_seconds=5, share_cores=False, state=state)
        work = TargetService(target, systemd, check=False)
        if state == "started":
            assert refusal(converge, work.read, work.plan, work.predict, check=False) == (
                f"Asked: the unit {unit}. Found: there is one that the lab did not write. "
                "Do: rename it, or set csd_target_manage_service: false where it runs the target."
            )
        else:
            assert converge(work.read, work.plan, work.predict, check=False).actions == []
    assert unit.read_text() == "[Service]\nExecStart=/bin/true\n"


def test_a_target_in_a_container_of_this_machine_is_no_second_one(bench: Bench) -> None:
    """Its shared memory is its own."""
    python = [sys.executable, "-c", "import time; time.sleep(60)", "-r", "/run/other/spdk.sock", "--shm-id", "4422"]
    other = subprocess.Popen(["unshare", "--pid", "--fork", "--kill-child", *python])
    service = Service("csd_test", "test", (*bench.argv, "--shm-id", "4422"), bench.folder / "run", bench.folder / "log")
    bench.supervisor.service = service
    work = TargetService(
        Target(bench.socket, bench.config, (), Memory(0, 2048), ready_seconds=5, share_cores=False, state="started"),
        bench.supervisor,
        check=True,
    )
    try:
        inside = Path(f"/proc/{other.pid}/task/{other.pid}/children")
        [child] = until("unshare(1) has started the other target", lambda: inside.read_text().split())
        # unshare(1) itself has the same arguments behind its own, and is on this side.
        assert (seen := work._other()) is not None
        assert seen.pid == other.pid
        assert not work._is_here(Process(int(child), (), ""))
    finally:
        other.kill()
        other.wait()
