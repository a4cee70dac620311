# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""csd_tgt --workers: many hosts that load programs, what is costly to compile, and the cache of compiled programs.

The compiler is a script: it counts its runs, waits where a program's name says so, and gives gcc one second.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from ansible.module_utils.hello_ebpf.csd_program.compile import compile_elf, identity
from ansible.module_utils.hello_ebpf.errors import LabError
from ansible.module_utils.hello_ebpf.target_blobs import Blobs, Declared

from csd import commands, results
from csd.spdk import Place, SpdkTransport
from csd_compute_target import COMPUTE, DATA, NQN, ComputeTarget, compiled
from csd_live import BINARY, BRIDGE, ROOT
from waiting import until

PORT = 24168
ROOM = 131072
REFUSED, INTERRUPTED = 0x18E, 0x021
ENGINE = ROOT / "src/engine"
COMPILER = """#!/bin/sh
cd {folder}
[ "$1" = --identity ] && exec {real} {options} "$@"
echo run >>runs
cat >object.$$
gate=$(grep -a -o -m1 'gate_[a-z]*' object.$$)
[ -z "$gate" ] || {{ : >begun.$gate; read go <$gate; }}
exec {real} {options} "$@" <object.$$
"""
BRIEF = "--cpu-seconds 1 --fallback-cpu-seconds 1"
NOWHERE = "--path /nowhere"

COUNTS = """
#include "csd_bpf.h"
struct record { __u64 word[8]; };
struct totals { __u64 seen; };
CSD_RECORD_STATE(struct record, 64, CSD_EMIT_NOTHING, struct totals);
CSD_PROGRAM
int %s(const struct record *record)
{
	csd_state.seen += 1 + record->word[0];
	return CSD_DROP;
}
"""


class LoadTarget(ComputeTarget):
    """A csd_tgt with a compiler that the test can look at."""

    def __init__(self, folder: Path, port: int) -> None:
        super().__init__(folder, port)
        self.programs = folder / "programs"
        self.programs.mkdir()
        for name in ("csd_worker", "csd_spawner"):
            (self.programs / name).symlink_to(BINARY.parent / name)
        self.compiler(BRIEF)

    def compiler(self, options: str) -> None:
        """What compiles from now on."""
        script = self.programs / "csd_compile"
        real = BINARY.parent / "csd_compile"
        script.write_text(COMPILER.format(folder=self.folder, real=real, options=options))
        script.chmod(0o755)

    def gate(self, name: str) -> Path:
        """A compiler waits at it for whoever writes into it, if its program is called so."""
        gate = self.folder / name
        os.mkfifo(gate)
        return gate

    def start(self, *arguments: str) -> None:
        super().start("--workers", str(self.programs), *arguments)

    @property
    def compiled(self) -> int:
        """How often a compiler was started."""
        runs = self.folder / "runs"
        return len(runs.read_text().splitlines()) if runs.exists() else 0

    def slots(self) -> dict[int, str]:
        """States of the slots that are not empty."""
        programs = self.call("csd_get_programs", name="csd0_compute")[0]["programs"]
        return {program["pind"]: program["state"] for program in programs if program["state"] != "empty"}

    def program(self, name: str) -> bytes:
        return compiled(COUNTS % name, self.folder)

    @contextmanager
    def host_of(self, name: str) -> Iterator[SpdkTransport]:
        """A host of its own name."""
        place = Place("127.0.0.1", str(self.port), NQN, f"nqn.2026-11.io.hello-ebpf:{name}")
        transport = SpdkTransport(place, program=BRIDGE, core=0, memory_megabytes=64, timeout_seconds=60)
        try:
            yield transport
        finally:
            transport.close()


@pytest.fixture
def target(tmp_path: Path) -> Iterator[LoadTarget]:
    with LoadTarget(tmp_path, PORT) as target:
        target.set_up()
        yield target


def load(host: SpdkTransport, pind: int, program: bytes) -> int:
    """Send a program that fits one command; its tag."""
    (command,) = commands.load_program(COMPUTE, pind, program, chunk=ROOM)
    return host.submit_admin(command)


def counted(host: SpdkTransport, pind: int, records: int = 1000) -> None:
    completion = host.io(commands.scan(COMPUTE, pind, DATA, 0, 64 * records, room=4096))
    assert completion.status == 0, f"{completion.status:03x}h"
    assert results.result(completion.data).state == struct.pack("<Q", records)


def test_a_costly_compile_keeps_nobody_else_waiting(target: LoadTarget) -> None:
    """Another host's program and an administrator's are compiled meanwhile; the same host's waits for its turn."""
    gate = target.gate("gate_one")
    with target.host_of("one") as one, target.host_of("other") as other:
        costly = load(one, 0, target.program("gate_one"))
        second = load(one, 1, target.program("second"))
        until("the compiler works", (target.folder / "begun.gate_one").exists)
        assert other.wait(load(other, 2, target.program("other"))).status == 0
        target.load(3, target.program("other"))  # without a cache, compiled once more
        assert target.slots() == {0: "verifying", 1: "verifying", 2: "loaded", 3: "active"}
        gate.write_text("go\n")
        assert (one.wait(costly).status, one.wait(second).status) == (0, 0)
    assert target.compiled == 4


def test_who_leaves_takes_its_loads_along(target: LoadTarget) -> None:
    """Queued ones are never compiled, the one under way is ended; it would not end by itself."""
    target.gate("gate_never")
    with target.host_of("one") as one:
        load(one, 0, target.program("gate_never"))
        until("the compiler works", (target.folder / "begun.gate_never").exists)
        for pind in (1, 2, 3):
            load(one, pind, target.program("queued"))
        until("all are on their way", lambda: target.slots() == dict.fromkeys(range(4), "verifying"))
        one._process.kill()
    until("the slots are empty", lambda: target.slots() == {})
    with target.host_of("one") as one:
        assert one.wait(load(one, 0, target.program("again"))).status == 0
    assert target.compiled == 2


def test_a_change_of_the_subsystem_waits_for_no_compiler(target: LoadTarget) -> None:
    """Its hosts may send again what they were loading; an administrator's load goes with the namespace."""
    target.gate("gate_host")
    target.gate("gate_rpc")
    with target.host_of("one") as one, ThreadPoolExecutor() as administrator:
        by_host = load(one, 0, target.program("gate_host"))
        until("the compiler works", (target.folder / "begun.gate_host").exists)
        by_rpc = administrator.submit(target.load, 1, target.program("gate_rpc"))
        until("the compiler works", (target.folder / "begun.gate_rpc").exists)
        target.call("nvmf_subsystem_remove_ns", nqn=NQN, nsid=COMPUTE)
        assert one.wait(by_host).status == INTERRUPTED
        assert target.slots() == {1: "verifying"}
        target.call("bdev_csd_delete", name="csd0_compute")
        with pytest.raises(LabError, match="slot 1: nobody waits for its program any more: it is dropped"):
            by_rpc.result()


def test_a_program_that_is_too_costly_is_refused_while_others_go_on(target: LoadTarget) -> None:
    bomb = target.folder / "bomb"
    source = ENGINE / "compiler/tests/bomb.c"
    subprocess.run(["gcc", f"-I{ENGINE}/translator/tests", source, "-o", bomb], check=True)
    text = subprocess.run([bomb, "deep", "4000"], capture_output=True, check=True).stdout
    made = target.folder / "bomb.o"
    clang = ["clang", "-target", "bpf", "-mcpu=v3", "-x", "assembler", "-c", "-", "-o", str(made)]
    subprocess.run(clang, input=text, check=True)
    target.load(1, target.program("counts"))
    scans = 0
    with target.host_of("one") as one, target.host_of("other") as other:
        counted(other, 1)
        costly = load(one, 0, made.read_bytes())
        until("the compiler works", lambda: target.compiled == 2)
        while target.slots().get(0) == "verifying":
            counted(other, 1, 100_000)
            scans += 1
        assert one.wait(costly).status == REFUSED
        counted(other, 1)
    assert scans > 0
    programs = target.call("csd_get_programs", name="csd0_compute")[0]["programs"]
    gcc = "gcc needs more than its 1 seconds of CPU time"
    assert programs[0]["reason"] == f"too costly to compile: at -O3, {gcc}; at -O1, {gcc}"


def test_the_cache_spares_the_compiler(tmp_path: Path) -> None:
    """Also where there is none any more, and only for what nobody has altered."""
    cache = tmp_path / "cache"
    target = LoadTarget(tmp_path, PORT)
    try:
        target.start("--program-cache", str(cache))
        target.set_up()
        target.load(0, target.program("counts"))
        target.load(1, target.program("counts"))
        assert target.compiled == 1
        (entry,) = (path for path in cache.iterdir() if len(path.name) == 64)
        whole = bytearray(entry.read_bytes())
        whole[len(whole) // 2] ^= 1
        entry.write_bytes(whole)
        target.load(2, target.program("counts"))
        assert target.compiled == 2
        target.stop()

        target.compiler(NOWHERE)
        target.start("--program-cache", str(cache))
        target.set_up()
        target.load(0, target.program("counts"))
        assert target.compiled == 2
        with target.host_of("one") as host:
            counted(host, 0)
        with pytest.raises(LabError, match="no gcc in /nowhere: the package gcc brings it"):
            target.load(1, target.program("another"))
        target.stop()
    finally:
        target.kill()


def test_a_node_without_a_compiler_runs_what_its_builder_compiled(tmp_path: Path) -> None:
    """From folders that it only reads; all else it refuses, in words that say what to do, and a host's status."""
    cache, blobs, more = tmp_path / "cache", tmp_path / "prefix/programs/compiled", tmp_path / "more"

    def state() -> dict[Path, tuple[bytes, int]]:
        paths = [*blobs.iterdir(), *more.iterdir()]
        return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in paths}

    target = LoadTarget(tmp_path, PORT)
    shipped = [target.program(name) for name in ("counts", "others")]
    refused = (
        "this node has no compiler, and its builder has not compiled this program: load one of those that it has, "
        "declare it in csd_target_programs, or give the node a compiler (csd_target_compiler: true)"
    )
    try:
        target.start("--program-cache", str(cache))
        target.set_up()
        for pind, program in enumerate(shipped):
            target.load(pind, program)
        target.stop()
        shutil.copytree(cache, blobs)
        blobs.chmod(0o755)
        assert target.compiled == 2
        # One that is declared beside them, as the role brings it.
        own = target.program("own")
        code = compile_elf(BINARY.parent / "csd_compile", "own", own)
        declared = {"own": Declared(own, code, identity(BINARY.parent / "csd_compile"))}
        brought = Blobs(tmp_path / "prefix", declared, own=more)
        for source, entry in brought.to_write().items():
            brought.write(source, entry)
        assert brought.to_write() == {}
        before = state()
        assert len(before) == 4
        # Nor does it compile where there is a compiler.
        for options in (NOWHERE, BRIEF):
            target.compiler(options)
            target.start("--program-blobs", str(blobs), "--program-blobs", str(more))
            target.set_up()
            for pind, program in enumerate([*shipped, own]):
                target.load(pind, program)
            with pytest.raises(LabError) as told:
                target.load(5, target.program("another"))
            assert refused in str(told.value)
            with target.host_of("one") as host:
                counted(host, 0)
                counted(host, 2)
                assert host.wait(load(host, 3, target.program("another"))).status == REFUSED
                assert host.wait(load(host, 4, shipped[0])).status == 0
            programs = target.call("csd_get_programs", name="csd0_compute")[0]["programs"]
            assert {one["pind"]: one["reason"] for one in programs if one["reason"]} == dict.fromkeys((3, 5), refused)
            target.stop()
        assert target.compiled == 2
        assert state() == before
    finally:
        target.kill()


def test_a_folder_of_compiled_programs_that_others_can_write_to_is_refused(tmp_path: Path) -> None:
    """Before SPDK starts; and what has no effect."""

    def said(*arguments: str) -> str:
        done = subprocess.run([BINARY, *arguments], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 1
        return done.stderr

    blobs = f"csd_tgt: --program-blobs {tmp_path}"
    assert f"{blobs}/none: No such file or directory" in said("--program-blobs", f"{tmp_path}/none")
    tmp_path.chmod(0o775)
    words = "others can write to it: it has to be root's, or this user's, mode 0755"
    assert f"{blobs}: {words}" in said("--program-blobs", str(tmp_path))
    tmp_path.chmod(0o755)
    twice = ("--program-blobs", str(tmp_path)) * 3
    assert f"{blobs}: there are two already" in said(*twice)
    both = ("--workers", str(BINARY.parent), "--program-cache", f"{tmp_path}/cache", "--program-blobs", str(tmp_path))
    assert f"{blobs}: nothing is compiled then, so nothing is kept: leave out --program-cache" in said(*both)


def test_a_folder_that_is_no_cache_is_refused(tmp_path: Path) -> None:
    """Before SPDK starts."""

    def said(*arguments: str) -> str:
        done = subprocess.run([BINARY, *arguments], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 1
        return done.stderr

    missing = f"{tmp_path}/not/there"
    words = f"csd_tgt: --program-cache {missing}: it cannot be made: No such file or directory"
    assert words in said("--program-cache", missing)
    tmp_path.chmod(0o755)
    words = f"csd_tgt: --program-cache {tmp_path}: its mode is 0755: make it 0700"
    assert words in said("--program-cache", str(tmp_path))
