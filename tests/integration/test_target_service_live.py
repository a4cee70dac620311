# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""csd_target_service with csd_tgt under daemon(1): an own user, a closed socket, no capabilities, a crash loop.

Under systemd the scenario `default` shows the same.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import csd_target_service
import pytest
from ansible.module_utils.hello_ebpf import supervisors
from ansible.module_utils.hello_ebpf.csd_program.compile import Unit, compile_units
from ansible.module_utils.hello_ebpf.jsonrpc import Client
from ansible.module_utils.hello_ebpf.made import Made
from ansible.module_utils.hello_ebpf.processes import credentials, running
from ansible.module_utils.hello_ebpf.supervisors import Daemon
from ansible.module_utils.hello_ebpf.target_service import TargetService
from ansible.module_utils.hello_ebpf.target_workers import PROGRAMS

from conftest import ROOT
from csd_live import HEADERS
from live_target import CORE_MASK, CSD_TGT
from module_run import run_module

USER, GROUP = "nobody", "users"
NAME = "csd_service_test"
SEE = """
import sys
from pathlib import Path
sys.path.insert(0, "tests")
import conftest  # noqa
from ansible.module_utils.hello_ebpf.processes import PROC, credentials, find, mapped_pages
pid = int(sys.argv[1])
try:
    Path(f"/proc/{pid}/exe").readlink()
    print(False)
except PermissionError:
    print(True)
print(find(pid).executable, credentials(pid).user, mapped_pages([find(pid)], 2048, PROC), sep="\\n")
"""
CONNECT = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"


class Bench:
    """A service in a folder that its user can search."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # Where it was built, its user may not look.
        self.program = Path(shutil.copy2(CSD_TGT, folder / "csd_tgt"))
        for name in PROGRAMS:
            shutil.copy2(CSD_TGT.parent / name, folder / name)
        self.socket = folder / "run" / "spdk.sock"
        self.config = folder / "etc" / "target.json"

    def run(self, state: str = "started", *, check: bool = False, **more: Any) -> dict[str, Any]:
        params = {
            "state": state,
            "name": NAME,
            "program": str(self.program),
            "rpc_socket": str(self.socket),
            "config_file": str(self.config),
            "log": str(self.folder / "log" / "target.log"),
            "user": USER,
            "group": GROUP,
            "core_mask": CORE_MASK,
            "share_cores": True,
            "memory_megabytes": 512,
            "ready_seconds": 300,
            "idle_priority": True,
            "workers": True,
            **more,
        }
        return run_module(csd_target_service.main, params, check=check)

    def pid(self) -> int:
        """Our target's; daemon(1) has the same arguments behind its own."""
        [pid] = [one.pid for one in running() if one.argv[0].startswith(f"{NAME}: ") and str(self.socket) in one.argv]
        return pid

    def connects(self, user: int, group: int) -> bool:
        words = ["python3", "-c", CONNECT, str(self.socket)]
        return subprocess.run(words, user=user, group=group, extra_groups=[], check=False, stderr=-3).returncode == 0


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    folder = Path(tempfile.mkdtemp(prefix="csd-service-"))
    folder.chmod(0o755)
    # Beside a target of the lab's own: another trace buffer, and daemon(1) though systemd may run here.
    monkeypatch.setattr(csd_target_service, "SHARED_MEMORY_ID", 4478)
    monkeypatch.setattr(TargetService, "shared", (Path("/dev/shm/csd_tgt_trace.4478"), folder / "none"))
    monkeypatch.setattr(csd_target_service, "choose", Daemon)
    made = Bench(folder)
    try:
        yield made
    finally:
        gone = made.run("absent")
        shutil.rmtree(folder)
        assert "msg" not in gone, gone["msg"]


def test_it_runs_as_a_user_of_its_own(bench: Bench) -> None:
    predicted = bench.run(check=True)
    done = bench.run()
    assert "msg" not in done, done["msg"]
    assert predicted["actions"] == done["actions"]
    assert done["missing"] == []
    assert bench.run()["actions"] == bench.run(check=True)["actions"] == []

    seen = credentials(bench.pid())
    assert seen is not None
    assert (seen.user, seen.group, seen.capabilities) == (USER, GROUP, 0)
    assert (seen.no_new_privileges, seen.core_bytes, seen.idle) == (True, 0, True)
    # None of its pages has a name that another process could open.
    maps = Path(f"/proc/{bench.pid()}/maps").read_text()
    assert "memfd:" in maps
    assert "/dev/hugepages" not in maps

    for path, mode in [(bench.socket, 0o660), (bench.socket.parent, 0o750)]:
        found = path.stat()
        assert (path.owner(), path.group(), oct(stat.S_IMODE(found.st_mode))) == (USER, GROUP, oct(mode))
    assert (bench.config.owner(), bench.config.group(), bench.config.stat().st_mode & 0o777) == ("root", GROUP, 0o640)

    members = bench.socket.stat().st_gid
    assert bench.connects(4242, members)
    assert not bench.connects(4242, 4242)
    with Client(str(bench.socket)) as client:
        assert client.call("csd_get_host_rights") == []


def test_root_of_a_container_sees_it_too(bench: Bench) -> None:
    """Without CAP_SYS_PTRACE root cannot look into another user's process by itself."""
    assert "msg" not in bench.run()
    words = ["setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace", sys.executable, "-c", SEE]
    seen = subprocess.run([*words, str(bench.pid())], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    denied, executable, user, pages = seen.splitlines()
    assert (denied, executable, user) == ("True", str(bench.program), USER)
    assert int(pages) >= 256


def test_another_user_or_priority_is_another_service(bench: Bench) -> None:
    bench.run()
    done = bench.run(user="daemon", idle_priority=False)
    assert [action.split()[0] for action in done["actions"]] == ["define", "restart"]
    seen = credentials(bench.pid())
    assert seen is not None
    assert (seen.user, seen.idle) == ("daemon", False)
    assert bench.run(user="daemon", idle_priority=False)["actions"] == []


def test_it_compiles_programs_and_says_so_where_it_cannot(bench: Bench) -> None:
    """As its user, under its umask; with other CPUs and another budget it is another service."""
    assert "msg" not in bench.run(worker_cpus=[0], program_cpu_milliseconds=250)
    told = ["--workers", str(bench.folder), "--worker-cpus", "0", "--program-cpu-milliseconds", "250"]
    assert "\0".join(told) in Path(f"/proc/{bench.pid()}/cmdline").read_text()
    folder = str(ROOT / "src/programs/buffer")
    places = [*HEADERS, Path(folder)]
    given = {str(path): {one.name: one.read_text() for one in path.glob("*.[ch]")} for path in places}
    unit = Unit("group_by.bpf.c", folder, "group_by.bpf.c")
    with tempfile.TemporaryDirectory() as scratch:
        made = compile_units([unit], given, list(given), Path(scratch))
    content = base64.b64encode(made["group_by.bpf.c"].elf).decode()
    with Client(str(bench.socket)) as client:
        client.call("bdev_csd_compute_create", {"name": "compute"})
        client.call("csd_load_program", {"name": "compute", "pind": 0, "program": content})
        [program] = [one for one in client.call("csd_get_programs")[0]["programs"] if one["pind"] == 0]
    assert (program["state"], program["kind"]) == ("loaded", "csd/buffer")

    assert "msg" not in bench.run()
    assert "--worker-cpus" not in Path(f"/proc/{bench.pid()}/cmdline").read_text().split("\0")
    assert bench.run()["actions"] == []
    # A compiler that does not work is found before the target is stopped.
    running_now = bench.pid()
    (bench.folder / "csd_compile").write_text("#!/bin/sh\necho no as in /usr/bin >&2\nexit 3\n")
    said = bench.run(program_cpu_milliseconds=500)["msg"]
    assert said.startswith(
        f"Asked: compile programs on this machine, as {USER}. "
        f"Found: {bench.folder}/csd_compile says: no as in /usr/bin. Do: "
    )
    assert bench.pid() == running_now


def test_a_crash_loop_is_reported_at_once_with_its_last_words(bench: Bench) -> None:
    """Case A19. The second death is enough, and what the program said is in the error."""
    bench.config.parent.mkdir()
    # As one that the role wrote.
    Made().note(NAME, bench.config)
    bench.config.write_text(
        json.dumps({"subsystems": [{"subsystem": "bdev", "config": [{"method": "no_such", "params": {}}]}]})
    )
    done = bench.run(ready_seconds=600)
    assert re.search(r"it has died [23] times since its start; its last words: ", done["msg"])
    assert "Method not found" in done["msg"]


def test_data_that_its_user_may_not_open_are_refused_before_a_start(bench: Bench) -> None:
    data = bench.folder / "data.img"
    data.write_bytes(bytes(4096))
    data.chmod(0o600)
    done = bench.run(data=[str(data)])
    assert f"Asked: {NAME} works on {data} as {USER}. Found: {USER} may not." in done["msg"]
    assert not bench.socket.parent.exists()
    shutil.chown(data, USER)
    assert "msg" not in bench.run(data=[str(data)])
    with Client(str(bench.socket)) as client:
        client.call("bdev_aio_create", {"name": "data", "filename": str(data), "block_size": 512})


def test_the_log_is_cut_to_its_end_at_a_start(bench: Bench) -> None:
    log = bench.folder / "log" / "target.log"
    log.parent.mkdir()
    # As one that the role wrote.
    Made().note(NAME, log)
    log.write_bytes(b"old\n" * supervisors.LOG_KEPT)
    assert "msg" not in bench.run()
    assert log.stat().st_size < supervisors.LOG_KEPT + 65536
    assert (log.owner(), log.stat().st_mode & 0o777) == (USER, 0o640)
