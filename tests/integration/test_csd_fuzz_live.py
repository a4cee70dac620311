"""Mutated streams of hosts and strangers against a csd_tgt that is sanitized as a whole, SPDK's libraries included.

It stays up and right, answers every command of a host that keeps to the transport, lets go of every connection, leaks
nothing, and never sends a byte of the host whose data are a known pattern. tests/fuzz/ is the fuzzer.
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from ansible.module_utils.hello_ebpf.errors import LabError

from commit import commit, turn
from csd import commands, results
from csd_live import CsdTarget, Subsystem, program
from open_files import open_files
from sanitizers import complaints
from waiting import until

ROOT = Path(__file__).resolve().parents[2]
#: `make test-all` sends all streams. Any other run sends a part, by its commit: in time each stream is sent.
ALL, PART = 100_000, 20_000


def streams(asked: Mapping[str, str], of: str) -> tuple[int, int]:
    """The first stream, and how many, as the environment asks for them and the commit deals them."""
    first, count, seconds = (asked.get(f"HELLO_EBPF_FUZZ_{name}") or "" for name in ("FIRST", "STREAMS", "SECONDS"))
    if first or count or seconds or asked.get("HELLO_EBPF_ALL"):
        return int(first or "0"), int(count or ALL)
    return turn(of, "streams") % (ALL // PART) * PART, PART


#: The first stream, for one that failed, and how many; or for how many seconds.
FIRST, STREAMS = streams(os.environ, commit())
SECONDS = int(os.environ.get("HELLO_EBPF_FUZZ_SECONDS") or "0")
# The same streams in every run, unless asked for others: `random`, or the seed that a failed run told.
ASKED = os.environ.get("HELLO_EBPF_FUZZ_SEED") or "3743346080"
SEED = time.time_ns() % (1 << 32) if ASKED == "random" else int(ASKED)
VERBOSE = bool(os.environ.get("HELLO_EBPF_FUZZ_VERBOSE"))
PORT = int(os.environ.get("HELLO_EBPF_FUZZ_PORT") or "24135")
#: Beyond what the streams may take: starting, the pattern, a target that others keep from its core.
CEILING_SECONDS = 1200
MIB = 1 << 20
SHIPPED = ("threshold", "search", "aggregate", "histogram", "sample", "top")


def record(number: int) -> bytes:
    return struct.pack("<QQIi5Q", number, number, number % 7, number * 389 % 1000, *range(5))


def sockets(pid: int) -> int:
    """How many a process has."""
    return sum(name.startswith("socket:") for name in open_files(pid))


class Operator:
    """Changes subsystems meanwhile, as the role does.

    Hosts and namespaces of one come and go, and it is paused for that; another one comes and goes as a whole.
    """

    def __init__(self, target: CsdTarget, subsystem: Subsystem) -> None:
        self._target = target
        self._nqn = subsystem.nqn
        self._port = subsystem.port
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self.rounds = 0
        self.failure: LabError | None = None

    def __enter__(self) -> Operator:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _work(self) -> None:
        call = self._target.call
        host = {"nqn": self._nqn, "host": "nqn.2026-11.io.hello-ebpf:passing"}
        # The name that tests/fuzz/connects.c knows.
        other = {"nqn": f"{self._nqn}-passing"}
        address = {"trtype": "TCP", "adrfam": "IPv4", "traddr": "127.0.0.1", "trsvcid": self._port}
        for number in (1, 2):
            call("bdev_null_create", {"name": f"passing{number}", "num_blocks": 256, "block_size": 4096})
        namespace = {"nqn": self._nqn, "namespace": {"bdev_name": "passing1", "nsid": 6}}
        try:
            while not self._done.wait(0.1):
                call("nvmf_create_subsystem", {**other, "allow_any_host": True, "serial_number": "passing"})
                call("nvmf_subsystem_add_ns", {**other, "namespace": {"bdev_name": "passing2"}})
                call("nvmf_subsystem_add_listener", {**other, "listen_address": address})
                call("nvmf_subsystem_add_host", host)
                call("nvmf_subsystem_add_ns", namespace)
                call("nvmf_subsystem_remove_ns", {"nqn": self._nqn, "nsid": 6})
                call("nvmf_subsystem_remove_host", host)
                self._done.wait(0.1)
                call("nvmf_delete_subsystem", other)
                self.rounds += 1
        except LabError as error:
            self.failure = error


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@pytest.fixture(scope="module")
def fuzzer(folder: Path) -> Path:
    subprocess.run(["make", "-s", "-C", str(ROOT / "tests/fuzz"), f"BUILD={folder}"], check=True)
    return folder / "csd_fuzz"


@pytest.fixture(scope="module")
def target(folder: Path) -> Iterator[CsdTarget]:
    # Transfers as long as the role allows them: of several buffers.
    options = {"max_io_size": MIB}
    with CsdTarget(folder, PORT, megabytes=768, transport=options) as running:
        yield running


def add_subsystem(target: CsdTarget, name: str, data: bytes) -> Subsystem:
    """With a malloc device and a null device besides, and a device beside them that nobody has."""
    subsystem = target.add_subsystem(name, data, slm_megabytes=1, compute={"slots": 8, "max_range_sets": 8})
    target.call("bdev_malloc_create", {"name": f"{name}_blocks", "num_blocks": 2048, "block_size": 512})
    target.call("bdev_null_create", {"name": f"{name}_null", "num_blocks": 256, "block_size": 4096})
    for nsid, kind in ((4, "blocks"), (5, "null")):
        namespace = {"bdev_name": f"{name}_{kind}", "nsid": nsid}
        target.call("nvmf_subsystem_add_ns", {"nqn": subsystem.nqn, "namespace": namespace})
    return subsystem


def place(subsystem: Subsystem) -> str:
    return f"{subsystem.port},{subsystem.nqn},{subsystem.host_nqn}"


@dataclass(frozen=True)
class World:
    """What the fuzzer is told of: subsystems, each with a host of its own, and programs. ``lost`` is no secret."""

    commands: Subsystem
    open: Subsystem
    secret: Subsystem
    lost: Subsystem
    objects: list[Path]

    def arguments(self, open_to_all: Subsystem, secret: Subsystem) -> list[str]:
        return [*map(place, (self.commands, open_to_all, secret)), *map(str, self.objects)]


@pytest.fixture(scope="module")
def world(target: CsdTarget, folder: Path) -> World:
    data = b"".join(record(number) for number in range(MIB // 64))
    subsystem = target.add_subsystem("fuzz", data, slm_megabytes=1, compute={"slots": 8, "max_range_sets": 8})
    # Side by side, so that what reads on behind its own memory reads the other's.
    open_to_all = add_subsystem(target, "open", bytes(MIB))
    secret = add_subsystem(target, "hidden", bytes(MIB))
    objects = []
    for name in SHIPPED:
        objects.append(folder / f"{name}.bpf.o")
        objects[-1].write_bytes(program(name, folder))
    return World(subsystem, open_to_all, secret, add_subsystem(target, "lost", bytes(MIB)), objects)


def test_the_pattern_is_found_where_it_may_be_read(world: World, fuzzer: Path) -> None:
    """Guests that are the host whose data are the pattern: the look for it has to find it."""
    done = subprocess.run(
        [fuzzer, "-s", "1", "-n", "1000", *world.arguments(world.lost, world.lost)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 1, done.stdout
    assert "bytes that are not the asker's" in done.stderr
    assert "again: -s 1 -f " in done.stderr


def test_mutated_streams(target: CsdTarget, world: World, fuzzer: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every command is answered; then RPC answers, nothing is left running, a scan is right, and nothing has leaked."""
    before = sockets(target.pid)
    length = ["-t", str(SECONDS)] if SECONDS else ["-n", str(STREAMS)]
    # Also where nothing else is shown, or the run does not come to its end.
    with capsys.disabled():
        print(f"\nseed {SEED}, {SECONDS} s" if SECONDS else f"\nseed {SEED}, {STREAMS} streams from {FIRST}")
    began = time.monotonic()
    command = [str(fuzzer), "-s", str(SEED), "-f", str(FIRST), *length, *(["-v"] if VERBOSE else [])]
    with Operator(target, world.open) as operator:
        done = subprocess.run(
            [*command, *world.arguments(world.open, world.secret)],
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS + CEILING_SECONDS,
        )
    took = time.monotonic() - began
    log = target.log.read_text(errors="replace")
    if VERBOSE:
        print(done.stderr)
    # Nanoseconds that the target ran, and that it waited for its core.
    core = Path(f"/proc/{target.pid}/schedstat").read_text().split()[:2] if target.alive() else []
    assert target.alive(), f"{done.stderr[-5000:]}\nthe target ended: {complaints(target.log)[:3]}\n{log[-8000:]}"
    assert done.returncode == 0, f"{done.stderr[-5000:]}\nran, waited: {core}\n{log[-3000:]}"
    told = json.loads(done.stdout)
    print(f"{took:.0f} s, {told['streams'] / took:.0f} streams a second: {told}")
    assert operator.failure is None, str(operator.failure)
    if told["streams"] >= 10000:
        # It was at work meanwhile.
        assert operator.rounds > 0
        # Streams reach what lies behind the checks: a good part succeeds, and the statuses are not all the same.
        assert told["succeeded"] > told["commands"] // 8
        assert len(told["statuses"]) > 20
        assert told["turned_away"] < told["connections"] // 10
        assert told["stranger"] + told["discovery"] > told["streams"] // 5

    # No connection is left of a host that has gone, in whichever state it was.
    until("no connection is left", lambda: sockets(target.pid) <= before, found=lambda: sockets(target.pid) - before)

    # It answers RPC, and no command was left in its counts: pausing waits for all of them.
    for one in (world.commands, world.open, world.secret):
        target.call("nvmf_subsystem_add_host", {"nqn": one.nqn, "host": "nqn.2026-11.io.hello-ebpf:after"})
    counted = target.call("csd_get_stats", {"name": "fuzz_compute"})[0]["programs"]
    assert [one for one in counted if one["failed"]] == []

    check_scan(world.commands, world.objects[0])

    # Its end is orderly: LeakSanitizer has nothing to say, nor had the others.
    target.stop()


def check_scan(subsystem: Subsystem, threshold: Path) -> None:
    """A scan finds what the data, as the streams have left them, hold."""
    stored = subsystem.image.read_bytes()
    assert len(stored) == MIB
    wanted = b"".join(
        stored[at : at + 64] for at in range(0, MIB, 64) if struct.unpack_from("<i", stored, at + 20)[0] >= 990
    )
    with subsystem.device() as device:
        if device.program(3, 0).state == "active":
            device.deactivate(3, 0)
        if device.program(3, 0).state != "empty":
            device.unload(3, 0)
        device.load(3, 0, threshold.read_bytes())
        device.activate(3, 0)
        found, start = b"", 0
        end = results.END_FULL
        while end == results.END_FULL:
            scan = commands.scan(3, 0, 1, start, MIB - start, room=device.max_transfer, cparam1=990)
            part = results.result(device.io(scan, "scan").data)
            assert part.next > 0, f"a scan from {start} on came no further"
            found, start, end = found + part.data, start + part.next, part.end
    assert found == wanted
