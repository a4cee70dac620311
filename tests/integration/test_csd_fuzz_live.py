"""csd_tgt under both sanitizers, and 100,000 mutated command streams: it stays up and right, and leaks nothing."""

from __future__ import annotations

import contextlib
import json
import os
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible.module_utils.hello_ebpf.csd import commands, results

from csd_live import CsdTarget, program

ROOT = Path(__file__).resolve().parents[2]
TARGET = ROOT / "roles/csd_target/files"
# Built below unless there is one already.
CHECKED = os.environ.get("HELLO_EBPF_CSD_TGT_CHECKED")
SPDK = os.environ.get("HELLO_EBPF_SPDK", "/opt/hello_ebpf/spdk/current")
RTE_BPF = os.environ.get("HELLO_EBPF_RTE_BPF", "/opt/hello_ebpf/rte_bpf")
STREAMS = int(os.environ.get("HELLO_EBPF_FUZZ_STREAMS", "100000"))
# The same streams in every run, unless asked for others: `random`, or the seed that a failed run told.
ASKED = os.environ.get("HELLO_EBPF_FUZZ_SEED", "3743346080")
SEED = time.time_ns() % (1 << 32) if ASKED == "random" else int(ASKED)
PORT = 24135
MIB = 1 << 20
SHIPPED = ("threshold", "search", "aggregate", "histogram", "sample", "top")


def record(number: int) -> bytes:
    return struct.pack("<QQIi5Q", number, number, number % 7, number * 389 % 1000, *range(5))


def sockets(pid: int) -> int:
    """How many a process has."""
    count = 0
    for path in Path(f"/proc/{pid}/fd").iterdir():
        # One that is closed just now is none.
        with contextlib.suppress(OSError):
            count += str(path.readlink()).startswith("socket:")
    return count


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@pytest.fixture(scope="module")
def checked(folder: Path) -> Path:
    """csd_tgt under both sanitizers."""
    if CHECKED:
        return Path(CHECKED)
    build = folder / "build"
    places = [f"SPDK={SPDK}", f"RTE_BPF={RTE_BPF}", f"BUILD={build}"]
    jobs = f"-j{len(os.sched_getaffinity(0))}"
    subprocess.run(["make", "-C", str(TARGET), jobs, *places, "csd_tgt_checked"], check=True)
    return build / "checked/csd_tgt"


@pytest.fixture(scope="module")
def fuzzer(folder: Path) -> Path:
    made = folder / "csd_fuzz"
    source = Path(__file__).with_name("csd_fuzz.c")
    flags = ["-O2", "-g", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined"]
    subprocess.run(["gcc", *flags, str(source), "-o", str(made)], check=True)
    return made


@pytest.fixture(scope="module")
def target(folder: Path, checked: Path) -> Iterator[CsdTarget]:
    with CsdTarget(folder, PORT, binary=checked, megabytes=768) as running:
        yield running


def test_mutated_command_streams(target: CsdTarget, folder: Path, fuzzer: Path) -> None:
    """Every command is answered; then RPC answers, nothing is left running, a scan is right, and nothing has leaked."""
    data = b"".join(record(number) for number in range(MIB // 64))
    options = {"slots": 8, "max_range_sets": 8}
    subsystem = target.add_subsystem("fuzz", data, slm_megabytes=1, compute=options)
    objects = []
    for name in SHIPPED:
        objects.append(folder / f"{name}.bpf.o")
        objects[-1].write_bytes(program(name, folder))

    before = sockets(target.pid)
    print(f"\nseed {SEED}, {STREAMS} streams")
    began = time.monotonic()
    done = subprocess.run(
        [fuzzer, subsystem.port, subsystem.nqn, subsystem.host_nqn, str(SEED), str(STREAMS), *objects],
        capture_output=True,
        text=True,
        check=False,
        timeout=1800,
    )
    assert target.alive(), target.log.read_text(errors="replace")[-5000:]
    # Nanoseconds that the target ran, and that it waited for its core.
    core = Path(f"/proc/{target.pid}/schedstat").read_text().split()
    assert done.returncode == 0, f"seed {SEED}: {done.stderr}\nran, waited: {core[:2]}"
    told = json.loads(done.stdout)
    print(f"{time.monotonic() - began:.0f} s: {told}")
    assert told["streams"] == STREAMS
    # Streams reach what lies behind the checks: a good part succeeds, and the statuses are not all the same.
    assert told["succeeded"] > told["commands"] // 5
    assert len(told["statuses"]) > 15

    # No connection is left of a host that has gone, in whichever state it was.
    deadline = time.monotonic() + 30
    while sockets(target.pid) > before:
        assert time.monotonic() < deadline, f"{sockets(target.pid) - before} connections are left"
        time.sleep(0.1)

    # It answers RPC, and no command was left in its counts: pausing waits for all of them.
    target.call("nvmf_subsystem_add_host", {"nqn": subsystem.nqn, "host": "nqn.2026-11.io.hello-ebpf:after"})
    for one in target.call("csd_get_stats", {"name": "fuzz_compute"})[0]["programs"]:
        assert one["failed"] == 0

    # A scan finds what the data, as the streams have left them, hold.
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
        device.load(3, 0, objects[0].read_bytes())
        device.activate(3, 0)
        found, start = b"", 0
        while True:
            scan = commands.scan(3, 0, 1, start, MIB - start, room=device.max_transfer, cparam1=990)
            part = results.result(device.io(scan, "scan").data)
            found, start = found + part.data, start + part.next
            if part.end != results.END_FULL:
                break
    assert found == wanted

    # Its end is orderly: LeakSanitizer has nothing to say, nor had the others.
    assert target.stop() == 0, target.log.read_text(errors="replace")[-5000:]
    log = target.log.read_text(errors="replace")
    assert "ERROR: AddressSanitizer" not in log
    assert "ERROR: LeakSanitizer" not in log
    assert "runtime error" not in log
