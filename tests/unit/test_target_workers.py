# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Programs in processes of their own: the target's command line, and what is refused before a start."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import csd_target_service
import pytest
from ansible.module_utils.hello_ebpf import target_workers
from ansible.module_utils.hello_ebpf.errors import LabError
from ansible.module_utils.hello_ebpf.service_unit import Service
from ansible.module_utils.hello_ebpf.supervisors import Daemon
from ansible.module_utils.hello_ebpf.target_workers import PROGRAMS, Workers

from conftest import ROOT
from module_run import run_module

BIN = Path("/opt/hello_ebpf/csd_target/bin")


def asked(folder: Path, **more: Any) -> dict[str, Any]:
    """The module's options."""
    return {
        "program": str(BIN / "csd_tgt"),
        "rpc_socket": str(folder / "run/spdk.sock"),
        "config_file": str(folder / "target.json"),
        "log": str(folder / "log"),
        **more,
    }


def service(monkeypatch: pytest.MonkeyPatch, folder: Path, **more: Any) -> Service:
    """What the module would run."""
    seen: list[Service] = []

    def choose(service: Service) -> Daemon:
        seen.append(service)
        return Daemon(service)

    monkeypatch.setattr(csd_target_service, "choose", choose)
    params = asked(folder, share_cores=True, core_mask="0x1", **more)
    run_module(csd_target_service.main, params, check=True)
    [found] = seen
    return found


@pytest.mark.parametrize(
    ("user", "group", "state", "there"),
    [
        ("root", "root", "started", True),
        ("nosuch", "root", "started", False),
        ("root", "nosuch", "started", False),
        ("root", "root", "absent", False),
    ],
)
def test_it_tells_whether_user_and_group_are_there(
    user: str, group: str, state: str, there: bool, tmp_path: Path
) -> None:
    params = asked(tmp_path, share_cores=True, core_mask="0x1", user=user, group=group, state=state)
    assert run_module(csd_target_service.main, params, check=True)["accounts"] is there


def test_the_command_line_of_a_target_with_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = service(monkeypatch, tmp_path, workers=True)
    cache = ("--program-cache", "/var/cache/hello_ebpf/csd_target")
    assert found.argv[-6:] == ("--workers", str(BIN), "--program-cpu-milliseconds", "10000", *cache)
    assert found.cache == Path(cache[1])
    assert found.starts == tuple(BIN / name for name in ("csd_worker", "csd_spawner", "csd_compile"))
    asked = {"worker_cpus": [0], "program_cpu_milliseconds": 250, "programs_policy": "verified"}
    found = service(monkeypatch, tmp_path, workers=True, **asked)
    assert found.argv[-10:] == (
        *("--workers", str(BIN), "--worker-cpus", "0", "--program-cpu-milliseconds", "250"),
        *(*cache, "--programs-policy", "verified"),
    )  # fmt: skip


def test_the_command_line_of_a_target_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SPDK's own has none of these options."""
    found = service(monkeypatch, tmp_path, worker_cpus=[0], program_cpu_milliseconds=250)
    assert not {"--workers", "--worker-cpus", "--program-cpu-milliseconds", "--program-cache"} & set(found.argv)
    assert (found.starts, found.tasks, found.cache) == ((), 0, None)


def test_several_cpus_are_a_list() -> None:
    words = Workers(BIN, (1, 3, 4), 10000, faults=0).arguments
    time = ("--program-cpu-milliseconds", "10000")
    assert words == ("--workers", str(BIN), "--worker-cpus", "1,3,4", *time, "--program-faults", "0")


def test_reactors_that_never_rest_are_told_so() -> None:
    assert "--rest-microseconds" not in Workers(BIN, (), 10000).arguments
    assert Workers(BIN, (), 10000, rest_microseconds=0).arguments[-2:] == ("--rest-microseconds", "0")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (
            {"worker_cpus": [0, 4711]},
            r"Asked: programs on the CPUs 0, 4711\. Found: CPU 4711 is not among this machine's 0.*\. Do: set "
            r"csd_target_worker_cpus to CPUs that are there, or to \[\] for every one that no reactor has\.",
        ),
        ({"worker_cpus": [-1]}, r"Asked: programs on the CPUs -1\. Found: CPU -1 is not among this machine's 0"),
        (
            {"program_cpu_milliseconds": 0},
            r"Asked: 0 ms of CPU time for a command's program\. Found: csd_tgt takes 1 to 3600000\. Do: correct "
            r"csd_target_program_cpu_milliseconds\.",
        ),
        ({"program_cpu_milliseconds": 3_600_001}, r"Asked: 3600001 ms of CPU time"),
        (
            {"program_faults": 17},
            r"Asked: to deactivate a slot after 17 faults within a second\. Found: csd_tgt takes 0, which is never, to "
            r"16\. Do: correct csd_target_program_faults\.",
        ),
        (
            {"rest_microseconds": 10_001},
            r"Asked: reactors that rest for 10001 µs at a time, at most\. Found: csd_tgt takes 0, which is never, to "
            r"10000\. Do: correct csd_target_rest_microseconds\.",
        ),
    ],
)
def test_what_csd_tgt_would_refuse_is_refused_before_anything_is_changed(
    tmp_path: Path, more: dict[str, Any], words: str
) -> None:
    params = asked(tmp_path, workers=True)
    for check in (True, False):
        assert re.match(words, run_module(csd_target_service.main, {**params, **more}, check=check)["msg"])
    assert not (tmp_path / "target.json").exists()
    # A teardown asks for nothing.
    assert "msg" not in run_module(csd_target_service.main, {**params, **more, "state": "absent"}, check=True)


def test_the_limit_of_tasks_is_enough_for_all_workers() -> None:
    """By the constants of csd_workers.c: each thread of the target has so many at most, and a spawner."""
    text = (ROOT / "src/target/csd_workers.c").read_text()
    found = re.search(r"^#define MOST_WORKERS\s+(\d+)$", text, re.MULTILINE)
    assert found
    assert int(found[1]) + 1 == target_workers.WORKERS_OF_A_THREAD
    found = re.search(r"^#define MOST_CPU_MILLISECONDS\s+(\d+)$", text, re.MULTILINE)
    assert found
    assert int(found[1]) == target_workers.MOST_MILLISECONDS
    workers = Workers(BIN, (), 1)
    assert workers.tasks((0,)) == 258
    assert workers.tasks((0, 1, 2)) - workers.tasks((0,)) == 130


def stand_in(folder: Path, script: str) -> Workers:
    """Programs that can be run by anybody; the compiler does what a script says."""
    for name in PROGRAMS:
        (folder / name).write_text("#!/bin/sh\n" + (script if name == "csd_compile" else ""))
        (folder / name).chmod(0o755)
    return Workers(folder, (), 1000)


@pytest.mark.parametrize("user", ["root", "daemon"])
def test_a_compiler_that_works_is_taken(open_folder: Path, user: str) -> None:
    seen = open_folder / "seen"
    seen.touch()
    seen.chmod(0o666)
    stand_in(open_folder, f'echo "$* $(/usr/bin/id -un) $HOME." >{seen}').check_programs(user, user)
    assert seen.read_text() == f"--identity {user} .\n"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (
            "echo 'no objdump in /usr/bin:/bin: the package binutils brings it' >&2; exit 3",
            "no objdump in /usr/bin:/bin: the package binutils brings it",
        ),
        ("exit 3", "nothing, and ended with 3"),
    ],
)
def test_a_compiler_that_does_not_work_is_told_with_its_words(open_folder: Path, script: str, said: str) -> None:
    with pytest.raises(LabError) as refused:
        stand_in(open_folder, script).check_programs("daemon", "daemon")
    assert str(refused.value) == (
        f"Asked: compile programs on this machine, as daemon. Found: {open_folder}/csd_compile says: {said}. "
        "Do: let the role csd_target install gcc and binutils (do not skip its tag 'install'), or mend what is named."
    )


def test_a_compiler_that_hangs_is_told(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(target_workers, "COMPILER_SECONDS", 1)
    with pytest.raises(LabError, match=r"csd_compile says: nothing for 1 s\. Do: "):
        stand_in(open_folder, "exec sleep 60").check_programs("daemon", "daemon")


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_that_is_missing_is_named(open_folder: Path, name: str) -> None:
    workers = stand_in(open_folder, "")
    (open_folder / name).unlink()
    with pytest.raises(LabError) as refused:
        workers.check_programs("root", "root")
    assert str(refused.value) == (
        f"Asked: each program in a process of its own. Found: {open_folder}/{name} is not there, or not executable. "
        "Do: let the role csd_target install it with csd_tgt (do not skip its tag 'install')."
    )
