"""Offload and standard flow against a csd_tgt of its own: they give what is in the file behind the namespace."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import csd_bench
import csd_dataset
import csd_report
import pytest

from csd_live import HOST_CORE, CsdTarget, Subsystem, program
from module_run import run_module
from report_schema import problems

PROGRAM = os.environ.get("HELLO_EBPF_CSD_BENCH", "/opt/hello_ebpf/csd_bench/bin/csd_bench")
TRACE = os.environ.get("HELLO_EBPF_NVME_TCP_TRACE", "/opt/hello_ebpf/examples/bin/nvme_tcp_trace")
PORT = 24160
SLOTS = {"threshold": 0, "search": 1, "aggregate": 2, "histogram": 3, "sample": 4, "top": 5}
RECORDS = 300001  # neither whole blocks nor whole ranges
BYTES = RECORDS * 64
DEVICE_BYTES = 24 << 20
EVERY = 100


@dataclass(frozen=True)
class Bench:
    """A target with the shipped programs in its slots."""

    target: CsdTarget
    subsystem: Subsystem
    elf: Path

    def params(self, seed: int, **changes: Any) -> dict[str, Any]:
        return {
            "program": PROGRAM,
            "initiator": "spdk",
            "address": "127.0.0.1",
            "service_id": self.subsystem.port,
            "subsystem_nqn": self.subsystem.nqn,
            "host_nqn": self.subsystem.host_nqn,
            "records": RECORDS,
            "seed": seed,
            "core": HOST_CORE if HOST_CORE >= 0 else None,
            **changes,
        }

    def write(self, seed: int) -> str:
        sha256: str = run_module(csd_dataset.main, self.params(seed))["sha256"]
        assert hashlib.sha256(self.records()).hexdigest() == sha256
        return sha256

    def records(self) -> bytes:
        """What the namespace's file holds, past everything of ours."""
        with self.subsystem.image.open("rb") as image:
            return image.read(BYTES)

    def measure(self, seed: int, **changes: Any) -> dict[str, Any]:
        quick = {
            "io_sizes": [131072],
            "queue_depths": [8],
            # 17 blocks: ranges end inside of whatever else is cut at powers of two.
            "range_sizes": [69632, 4194304],
            "range_depths": [1, 5],
            "chunk_sizes": [1048576],
            "chunk_depths": [3],
            "repeats": 2,
            "tune_repeats": 1,
            "phase_repeats": 2,
        }
        rest = {
            "host_name": "here",
            "programs": SLOTS,
            "target_rpc_socket": str(self.target.socket),
            "phase_program": str(self.elf),
            "trace": TRACE,
            "program_bench": "/nonexistent",
            "spdk_stamp": "/nonexistent",
        }
        return run_module(csd_bench.main, self.params(seed, **{**quick, **rest, **changes}))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with CsdTarget(tmp_path, PORT) as target:
        subsystem = target.add_subsystem("offload", bytes(DEVICE_BYTES), slm_megabytes=16)
        for name, slot in SLOTS.items():
            elf = base64.b64encode(program(name, tmp_path)).decode()
            target.call("csd_load_program", {"name": "offload_compute", "pind": slot, "program": elf})
            target.call("csd_activate_program", {"name": "offload_compute", "pind": slot})
        yield Bench(target, subsystem, tmp_path / "threshold.bpf.o")


# ---- what each program has to give, computed here from the file


def temperature(record: bytes) -> int:
    return int.from_bytes(record[20:24], "little", signed=True)


def expected(run: dict[str, Any], data: bytes) -> bytes:
    records = [data[offset : offset + 64] for offset in range(0, len(data), 64)]
    if run["program"] == "threshold":
        return b"".join(record for record in records if temperature(record) >= run["threshold"])
    return PROGRAMS[run["program"]](data, records)


def search(data: bytes, _: list[bytes]) -> bytes:
    """The eight bytes around the boundary of records 262143 and 262144."""
    pattern = data[262144 * 64 - 4 : 262144 * 64 + 4]
    found, start = [], data.find(pattern)
    while start >= 0:
        found.append(start)
        start = data.find(pattern, start + 1)
    assert 262144 * 64 - 4 in found
    return struct.pack(f"<{len(found)}Q", *found)


def aggregate(_: bytes, records: list[bytes]) -> bytes:
    values = [temperature(record) for record in records]
    return struct.pack("<Qqii", len(values), sum(values), min(values), max(values))


def histogram(_: bytes, records: list[bytes]) -> bytes:
    bins = [0] * 64
    for record in records:
        bins[min(63, max(0, temperature(record) + 40000 >> 12))] += 1
    return struct.pack("<64Q", *bins)


def sample(_: bytes, records: list[bytes]) -> bytes:
    return b"".join(records[::EVERY])


def top(_: bytes, records: list[bytes]) -> bytes:
    return struct.pack("<Q", 1) + max(records, key=temperature)  # max() gives the first of equals


PROGRAMS: dict[str, Callable[[bytes, list[bytes]], bytes]] = {
    "search": search,
    "aggregate": aggregate,
    "histogram": histogram,
    "sample": sample,
    "top": top,
}


def check_all(done: dict[str, Any], data: bytes) -> None:
    assert not done.get("failed"), done["msg"]
    runs = done["measurement"]["runs"]
    assert len(runs) == 3 * (5 + 5)
    wanted: dict[str, bytes] = {}
    for run in runs:
        key = f"{run['program']} {run['selectivity']}"
        if key not in wanted:
            wanted[key] = expected(run, data)
        assert run["matches_sha256"] == hashlib.sha256(wanted[key]).hexdigest(), (run["name"], key)
        assert run["matched_bytes"] == len(wanted[key])


def test_every_program_and_selectivity_after_each_rewrite(bench: Bench, tmp_path: Path) -> None:
    digests = set()
    for seed in (1, 2):
        sha256 = bench.write(seed)
        done = bench.measure(seed, dataset_sha256=sha256)
        check_all(done, bench.records())
        digests |= {run["matches_sha256"] for run in done["measurement"]["runs"]}
    # Only a search finds the same place in both.
    assert len(digests) == 2 * (5 + 5) - 1

    measured = done["measurement"]
    by_key = {(run["name"], run["program"], run["selectivity"]): run for run in measured["runs"]}
    offload, baseline = by_key["offload", "threshold", 0.01], by_key["baseline", "threshold", 0.01]
    # Headers of 24 and 64 bytes for each scan, and nothing that was not selected.
    assert (
        offload["matched_bytes"] < offload["wire_bytes_to_host"] < offload["matched_bytes"] + 200 * offload["commands"]
    )
    assert baseline["wire_bytes_to_host"] > BYTES
    assert measured["wire_source"] == {"source": "nvme_tcp_trace", "reason": ""}
    for run in measured["runs"]:
        assert run["wire_bytes_to_host"] == pytest.approx(run["tcp_bytes_to_host"], rel=0.02, abs=4096)
    assert offload["target_cpu_s"] > 0
    # Added up: so many are under way at a time.
    assert 0 < offload["target_scan_s"]["median"] < offload["seconds"]["max"] * offload["queue_depth"]
    assert set(measured["phases"]["seconds"]) >= {"load", "verify", "copy", "execute", "read"}
    assert {one["program"]: one["slot"] for one in measured["programs"]} == SLOTS
    # The spare slot is empty again, and no range set is left.
    [compute] = bench.target.call("csd_get_programs")
    assert [one["pind"] for one in compute["programs"]] == list(SLOTS.values())

    written = run_module(csd_report.main, {"folder": str(tmp_path / "reports"), "results": [done]})
    assert written["changed"], written
    print("\n".join(written["summary"]))
    assert any(line.startswith("  threshold 1 %: offload ") for line in written["summary"])


def check_workers(bench: Bench, workers: dict[str, Any]) -> None:
    """What workers make of a command, on as many CPUs as the target has for them."""
    [compute] = bench.target.call("csd_get_programs")
    assert workers["cpus"] == compute["worker_cpus"] == sorted(compute["worker_cpus"])
    assert len(workers["cpus"]) >= 1
    assert bool(workers["reason"]) == (len(workers["cpus"]) == 1)
    assert [scan["workers"] for scan in workers["scans"]][-1] == len(workers["cpus"])
    took = {(one["bytes"], one["worker"]) for one in workers["executes"]}
    assert took == {(size, state) for size in (4096, 1 << 20) for state in ("spinning", "asleep")}
    print(workers)


def test_a_report_is_valid_and_is_not_measured_again(bench: Bench, tmp_path: Path) -> None:
    sha256 = bench.write(1)
    done = bench.measure(1, dataset_sha256=sha256, selectivities=[0.01])
    assert not done.get("failed"), done["msg"]
    run_module(csd_report.main, {"folder": str(tmp_path / "reports"), "results": [done]})
    report = json.loads((tmp_path / "reports/latest/report.json").read_text())
    assert problems(report) == []
    assert {one["program"] for one in report["ratios"]} == set(SLOTS)
    check_workers(bench, done["measurement"]["workers"])
    again = bench.measure(1, dataset_sha256=sha256, selectivities=[0.01], measured_inputs=report["inputs"])
    assert not again["changed"]
    # Another program in a slot is another input.
    bench.target.call("csd_deactivate_program", {"name": "offload_compute", "pind": 5})
    bench.target.call("csd_unload_program", {"name": "offload_compute", "pind": 5})
    changed = bench.measure(1, dataset_sha256=sha256, selectivities=[0.01], measured_inputs=report["inputs"])
    assert changed["failed"]
    assert "Asked: program top in slot 5 of namespace 3 on namespace 1 of " in changed["msg"]
    assert "Found: the slot is empty. Do: let the role csd_target load it there" in changed["msg"]


def test_another_program_in_the_slot_is_refused(bench: Bench) -> None:
    bench.write(1)
    done = bench.measure(1, programs={"threshold": 2})
    assert done["failed"]
    assert "Found: it holds another program: records of 64 bytes, each 64, state of 24, emits 2" in done["msg"]


def test_data_that_differ_fail_in_each_way(bench: Bench) -> None:
    bench.write(1)
    with bench.subsystem.image.open("r+b") as image:
        image.seek(150000 * 64 + 20)
        image.write(struct.pack("<i", 124999))
    for way in ("baseline", "offload", "slm"):
        done = bench.measure(1, ways=[way], programs={"threshold": 0})
        assert done["failed"]
        assert f"Asked: {way} by threshold at selectivity 0.001: 300 matches with SHA-256 " in done["msg"]
        assert "Found: 301 matches with SHA-256 " in done["msg"]
