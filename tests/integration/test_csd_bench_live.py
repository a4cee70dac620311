"""csd_bench through SPDK's initiator, against a target of its own whose data lie in a file that the test can read."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import csd_bench
import csd_dataset
import pytest
from ansible.module_utils.hello_ebpf.jsonrpc import Client

from live_target import CORE_MASK, LiveTarget
from module_run import run_module
from waiting import until

PROGRAM = os.environ.get("HELLO_EBPF_CSD_BENCH", "/opt/hello_ebpf/csd_bench/bin/csd_bench")
NQN = "nqn.2026-11.io.hello-ebpf:csd-bench-test"
HOST_NQN = "nqn.2026-11.io.hello-ebpf:csd-bench-host"
UUID = "6c1f2d7e-5a0b-4c6e-9a57-0e8bff0ebe77"
DEVICE_BYTES = 64 << 20
RECORDS = 900001  # not a whole number of blocks
SEED = 11
BYTES = RECORDS * 64
MEMORY = 128


@dataclass(frozen=True)
class Bench:
    """A running target with one namespace, and the file behind it."""

    target: LiveTarget
    image: Path
    port: str

    def params(self, **changes: Any) -> dict[str, Any]:
        """Of both modules."""
        return {
            "program": PROGRAM,
            "initiator": "spdk",
            "address": "127.0.0.1",
            "service_id": self.port,
            "subsystem_nqn": NQN,
            "host_nqn": HOST_NQN,
            "uuid": UUID,
            "records": RECORDS,
            "seed": SEED,
            "memory_megabytes": MEMORY,
            # Not where the target spins.
            "core": 0 if CORE_MASK == "0x2" else None,
            **changes,
        }

    def dataset(self, *, check: bool = False, **changes: Any) -> dict[str, Any]:
        return run_module(csd_dataset.main, self.params(**changes), check=check)

    def measure(self, **changes: Any) -> dict[str, Any]:
        quick = {"io_sizes": [131072, 1048576], "queue_depths": [1, 16], "repeats": 3, "tune_repeats": 1}
        socket_path = str(self.target.socket)
        return run_module(
            csd_bench.main, self.params(host_name="here", target_rpc_socket=socket_path, **quick, **changes)
        )

    def command(self, *words: str) -> list[str]:
        """The program itself."""
        place = ["--traddr", "127.0.0.1", "--trsvcid", self.port, "--subnqn", NQN, "--hostnqn", HOST_NQN]
        memory = ["--memory", str(MEMORY), "--records", str(RECORDS), "--seed", str(SEED)]
        core = ["--core", "0"] if CORE_MASK == "0x2" else []
        return [PROGRAM, words[0], *place, *memory, *core, *words[1:]]

    def on_disk(self) -> str:
        """SHA-256 of what the namespace's file holds, past everything of ours."""
        with self.image.open("rb") as image:
            return hashlib.sha256(image.read(BYTES)).hexdigest()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    image = tmp_path / "namespace.img"
    image.write_bytes(b"")
    os.truncate(image, DEVICE_BYTES)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    listener = {"trtype": "TCP", "adrfam": "IPv4", "traddr": "127.0.0.1", "trsvcid": port}
    with LiveTarget(tmp_path) as target:
        with Client(str(target.socket)) as client:
            client.call("nvmf_create_transport", {"trtype": "TCP", "c2h_success": False})
            client.call("bdev_aio_create", {"name": "data", "filename": str(image), "block_size": 512})
            client.call("nvmf_create_subsystem", {"nqn": NQN, "serial_number": "CSDBENCH"})
            namespace = {"bdev_name": "data", "nsid": 1, "uuid": UUID}
            client.call("nvmf_subsystem_add_ns", {"nqn": NQN, "namespace": namespace})
            client.call("nvmf_subsystem_add_host", {"nqn": NQN, "host": HOST_NQN})
            client.call("nvmf_subsystem_add_listener", {"nqn": NQN, "listen_address": listener})
        yield Bench(target, image, port)


def hugepage_files() -> set[Path]:
    """Pages outlive a process in files alone; the pool's count is everybody's."""
    return set(Path("/dev/hugepages").iterdir())


def answer() -> dict[str, Any]:
    words = [PROGRAM, "answer", "--records", str(RECORDS), "--seed", str(SEED)]
    found: dict[str, Any] = json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
    return found


def test_data_set_check_run_and_run_again(bench: Bench) -> None:
    checked = bench.dataset(check=True)
    assert checked["changed"]
    assert f"({RECORDS} never written, 0 of another data set or damaged, 0 somebody else's)" in checked["actions"][0]
    assert bench.on_disk() == hashlib.sha256(bytes(BYTES)).hexdigest()

    done = bench.dataset()
    assert done["actions"] == checked["actions"]
    assert done["sha256"] == bench.on_disk() == answer()["sha256"]
    assert not bench.dataset()["changed"]
    assert not bench.dataset(check=True)["changed"]


def test_one_corrupted_byte_is_found_and_mended(bench: Bench) -> None:
    bench.dataset()
    with bench.image.open("r+b") as image:
        image.seek(123456 * 64 + 50)
        byte = image.read(1)
        image.seek(-1, os.SEEK_CUR)
        image.write(bytes([byte[0] ^ 1]))
        image.flush()
        os.fsync(image.fileno())
    found = subprocess.run(bench.command("verify"), capture_output=True, text=True, check=False)
    assert found.returncode == 5
    assert f"1 of {RECORDS} records differ, the first is record 123456 at byte 7901184" in found.stderr
    assert json.loads(found.stdout)["sha256"] == bench.on_disk()

    failed = bench.measure()
    assert failed["failed"]
    assert "Do: verify the data set, and write it again (the module csd_dataset does both)." in failed["msg"]

    assert bench.dataset()["changed"]
    assert bench.on_disk() == answer()["sha256"]


def test_somebody_elses_data_are_safe(bench: Bench) -> None:
    with bench.image.open("r+b") as image:
        image.seek(4096)
        image.write(b"precious" * 8)
    for check in (True, False):
        done = bench.dataset(check=check)
        assert done["failed"]
        assert "Found: something else lies there: " in done["msg"]
        assert "1 somebody else's" in done["msg"]
    with bench.image.open("rb") as image:
        assert (
            hashlib.sha256(image.read()).digest()
            == hashlib.sha256(bytes(4096) + b"precious" * 8 + bytes(DEVICE_BYTES - 4096 - 64)).digest()
        )
    assert bench.dataset(overwrite=True)["changed"]


def test_baseline(bench: Bench) -> None:
    sha256 = bench.dataset()["sha256"]
    done = bench.measure(dataset_sha256=sha256)
    assert done["changed"]
    known = {entry["selectivity"]: entry for entry in answer()["selectivities"]}
    records = read_records(bench.image)
    for run in done["measurement"]["runs"]:
        matching = [
            record for record in records if int.from_bytes(record[20:24], "little", signed=True) >= run["threshold"]
        ]
        assert run["matches"] == len(matching) == known[run["selectivity"]]["matches"]
        assert run["matches_sha256"] == hashlib.sha256(b"".join(matching)).hexdigest()
        # Data, 24 bytes of header for each of them, and for each command 72 bytes there and 24 back.
        transfers = -(-BYTES // 131072)
        assert BYTES < run["wire_bytes_to_host"] < BYTES + transfers * 2 * 64 + 8192
        assert transfers * 72 <= run["wire_bytes_to_target"] < transfers * 72 * 8
        assert run["interface_bytes"]["interface"] == "lo"
        assert run["interface_bytes"]["received"] > run["wire_bytes_to_host"]
        assert 0 < run["target_cpu_s"] <= run["target_reactor_s"]
        assert run["host_cpu_s"] > 0
    print([f"{run['scanned_bytes_per_s'] / 1e9:.2f} GB/s" for run in done["measurement"]["runs"]])


def read_records(image: Path) -> list[bytes]:
    data = image.read_bytes()[:BYTES]
    return [data[offset : offset + 64] for offset in range(0, BYTES, 64)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"host_nqn": "nqn.2014-08.org.example:stranger"},
            "Asked: subsystem {nqn} at 127.0.0.1 port {port} for host nqn.2014-08.org.example:stranger. "
            "Found: the target does not allow this host (Connect Invalid Host, 01h/84h). "
            "Do: use a host NQN that the subsystem allows, or add this one to its allowed hosts.",
        ),
        (
            {"subsystem_nqn": "nqn.2014-08.org.example:none"},
            "Asked: subsystem nqn.2014-08.org.example:none at 127.0.0.1 port {port} for host {host}. "
            "Found: the target has no such subsystem at this address (Connect Invalid Parameters, 01h/82h). "
            "Do: correct the subsystem NQN, or declare the subsystem and its listener at the target.",
        ),
        (
            {"nsid": 2},
            "Asked: namespace 2 of {nqn}. Found: the subsystem has no active namespace with this id. "
            "Do: correct the namespace id, or declare the namespace at the target.",
        ),
        (
            {"uuid": "6c1f2d7e-5a0b-4c6e-9a57-000000000000"},
            "Asked: namespace 1 of {nqn} with UUID 6c1f2d7e-5a0b-4c6e-9a57-000000000000. Found: its UUID is {uuid}. "
            "Do: correct the UUID or the namespace id: this may be somebody else's data.",
        ),
        (
            {"records": 2000000},
            "Asked: data set of 2000000 records (128000000 bytes) from seed 11 on namespace 1 of {nqn} at 127.0.0.1 "
            "port {port}. Found: 128000000 bytes are needed, the device has 67108864. "
            "Do: ask for at most 1048576 records, or name a larger device.",
        ),
        (
            {"device_bytes": 536870912},
            "Asked: namespace 1 of {nqn} at 127.0.0.1 port {port} with 536870912 bytes. Found: it has 67108864 bytes. "
            "Do: correct the declared size or the device: this may be somebody else's.",
        ),
    ],
)
def test_refusals(bench: Bench, changes: dict[str, Any], message: str) -> None:
    done = bench.dataset(**changes)
    assert done["failed"]
    assert done["msg"] == message.format(nqn=NQN, host=HOST_NQN, port=bench.port, uuid=UUID)
    # In check mode the target may be one that an earlier task would still change.
    assert bench.dataset(check=True, **changes)["changed"]


def test_nobody_listens_or_somebody_else(bench: Bench) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        port = str(other.getsockname()[1])
        assert bench.dataset(service_id=port)["msg"] == (
            f"Asked: connection to 127.0.0.1 port {port}. Found: Connection refused. "
            "Do: see that the target runs, that it has a listener at this address, "
            "and that no firewall stands between."
        )


def test_more_hugepages_than_there_are(bench: Bench) -> None:
    done = bench.dataset(memory_megabytes=1 << 20)
    assert done["msg"].startswith("Asked: 1048576 MiB of huge pages for SPDK's initiator. Found: ")
    assert done["msg"].endswith(
        "MiB are free. Do: reserve more (role hugepages; a target beside it needs its own), or ask for less memory."
    )


def limit(bench: Bench, megabytes: int) -> None:
    """Make the namespace slow (0: fast again)."""
    with Client(str(bench.target.socket)) as client:
        client.call("bdev_set_qos_limit", {"name": "data", "rw_mbytes_per_sec": megabytes})


def reads(bench: Bench) -> int:
    """How many the namespace has served."""
    with Client(str(bench.target.socket)) as client:
        [bdev] = client.call("bdev_get_iostat", {"name": "data"})["bdevs"]
    return int(bdev["num_read_ops"])


def test_kill_in_the_middle_of_writing_then_run_again(bench: Bench) -> None:
    before = hugepage_files()
    limit(bench, 20)
    writing = subprocess.Popen(bench.command("write", "--force"), stdout=subprocess.DEVNULL)
    until("something is written", lambda: bench.on_disk() != hashlib.sha256(bytes(BYTES)).hexdigest())
    assert writing.poll() is None
    writing.send_signal(signal.SIGKILL)
    writing.wait()
    limit(bench, 0)
    assert hugepage_files() == before, "a killed initiator left hugepages behind"

    half = bench.dataset(check=True)
    assert half["changed"]
    assert f"({RECORDS} never written" not in half["actions"][0]
    assert "0 somebody else's)" in half["actions"][0]
    assert bench.dataset()["changed"]
    assert bench.on_disk() == answer()["sha256"]


def test_the_target_dies_under_the_baseline(bench: Bench) -> None:
    bench.dataset()
    limit(bench, 20)
    words = bench.command("baseline", "--selectivity", "0.01", "--warm-ups", "0")
    before = reads(bench)
    reading = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until("it reads", lambda: reads(bench) > before)
    assert reading.poll() is None
    bench.target.kill()
    _, said = reading.communicate(timeout=60)
    assert reading.returncode == 6
    assert f"asked: read namespace 1 of {NQN} at 127.0.0.1 port {bench.port}\n" in said
    assert "Transport endpoint is not connected" in said or "Input/output error" in said
    assert "do: look at the target's log and the connection, then run again\n" in said


# ---- the kernel path: a block device


@pytest.fixture
def loop_device(tmp_path: Path) -> Iterator[str]:
    image = tmp_path / "disk.img"
    image.write_bytes(b"")
    os.truncate(image, DEVICE_BYTES)
    attach = ["losetup", "--find", "--show", str(image)]
    device = subprocess.run(attach, capture_output=True, text=True, check=True).stdout.strip()
    yield device
    subprocess.run(["losetup", "--detach", device], check=True)


def test_a_block_device(loop_device: str) -> None:
    place = {"program": PROGRAM, "initiator": "kernel", "path": loop_device, "records": RECORDS, "seed": SEED}
    assert run_module(csd_dataset.main, place, check=True)["changed"]
    done = run_module(csd_dataset.main, place)
    assert done["changed"]
    assert done["sha256"] == answer()["sha256"]
    with Path(loop_device).open("rb") as device:
        assert hashlib.sha256(device.read(BYTES)).hexdigest() == done["sha256"]
    assert not run_module(csd_dataset.main, place)["changed"]
    measured = run_module(csd_bench.main, {**place, "host_name": "here", "repeats": 2, "queue_depths": [1, 8]})
    assert [run["matches"] for run in measured["measurement"]["runs"]] == [900, 9000, 90000, 450001, 900001]


def test_a_mounted_block_device_is_left_alone(loop_device: str, tmp_path: Path) -> None:
    mount = tmp_path / "mount"
    mount.mkdir()
    subprocess.run(["mkfs.ext4", "-q", loop_device], check=True)
    subprocess.run(["mount", loop_device, str(mount)], check=True)
    try:
        words = [PROGRAM, "write", "--path", loop_device, "--records", "1000", "--force"]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 4
        assert done.stderr == (
            f"asked: write {loop_device}\n"
            "found: the block device is in use: mounted, or part of another device\n"
            "do: name a device that nothing else uses; findmnt and lsblk show who does\n"
        )
        # A file on its file system, as the role takes it.
        place = {
            "program": PROGRAM,
            "initiator": "kernel",
            "path": str(mount / "records"),
            "records": 300001,
            "seed": 1,
        }
        assert run_module(csd_dataset.main, place)["changed"]
        assert not run_module(csd_dataset.main, place)["changed"]
    finally:
        subprocess.run(["umount", str(mount)], check=True)


def test_a_file_system_is_not_written_over(loop_device: str) -> None:
    subprocess.run(["mkfs.ext4", "-q", loop_device], check=True)
    place = {"program": PROGRAM, "initiator": "kernel", "path": loop_device, "records": RECORDS, "seed": SEED}
    done = run_module(csd_dataset.main, place)
    assert done["failed"]
    assert "Found: something else lies there: " in done["msg"]
    subprocess.run(["e2fsck", "-fn", loop_device], stdout=subprocess.DEVNULL, check=True)
