"""A whole report of made-up figures: everything that a report can hold, without a target."""

from __future__ import annotations

import hashlib
from typing import Any

from ansible.module_utils.hello_ebpf.bench.engine import section_of
from ansible.module_utils.hello_ebpf.bench.ratios import of_runs
from ansible.module_utils.hello_ebpf.bench.report import assemble
from ansible.module_utils.hello_ebpf.bench.workers import section_of as section_of_workers

HOST = "here"
TARGET = "nqn.a namespace 1 at 127.0.0.1 port 4420"
LABEL = f"{HOST} -> {TARGET}"
RECORDS = 1000000
BYTES = RECORDS * 64
SELECTIVITIES = (0.001, 0.01, 0.1, 0.5, 1)
SPEEDS = {"baseline": 3.1e9, "offload": 16e9, "slm": 6e9}
OTHERS = {"search": 8, "aggregate": 24, "histogram": 512, "sample": 640000, "top": 72}


def spread(median: float, part: float = 0.1) -> dict[str, float]:
    return {"min": median * (1 - part), "median": median, "max": median * (1 + part)}


def run(name: str, program: str, selectivity: float | None, matched_bytes: int) -> dict[str, Any]:
    seconds = BYTES / SPEEDS[name] + (matched_bytes / 3.1e9 if name != "baseline" else 0)
    wire = BYTES + 100000 if name == "baseline" else matched_bytes + 3000
    sample = {"seconds": seconds, "user_s": 0.01, "system_s": 0.02, "machine_busy_s": 0.05, "wire_bytes_to_host": wire}
    return {
        "name": name,
        "program": program,
        "host": HOST,
        "target": TARGET,
        "selectivity": selectivity,
        "parameters": f"of {program}",
        "repeats": 3,
        "matches": round(matched_bytes / 64),
        "matches_sha256": hashlib.sha256(f"{program}{selectivity}".encode()).hexdigest(),
        "matched_bytes": matched_bytes,
        "seconds": spread(seconds),
        "scanned_bytes": BYTES,
        "scanned_bytes_per_s": round(BYTES / seconds),
        "wire_bytes_to_host": wire,
        "wire_bytes_to_target": 4000,
        "interface_bytes": {"interface": "lo", "received": wire + 2000, "sent": wire + 2000},
        "host_cpu_s": seconds * 0.98,
        "target_cpu_s": seconds * 0.8,
        "target_reactor_s": seconds,
        "machine_busy_s": seconds * 2,
        "target_scan_s": None if name == "baseline" else spread(BYTES / 18e9),
        "commands": None if name == "baseline" else 16,
        "io_bytes": 1048576,
        "queue_depth": 8,
        "samples": [sample, sample, sample],
    }


def threshold_runs() -> list[dict[str, Any]]:
    return [run(way, "threshold", part, round(BYTES * part)) for part in SELECTIVITIES for way in SPEEDS]


def engine_entry(program: str, selectivity: float | None, nanoseconds: float) -> dict[str, Any]:
    return {
        "program": program,
        "parameters": f"of {program}",
        "engine": "worker",
        "selectivity": selectivity,
        "ns_per_record": spread(nanoseconds),
        "native_ns_per_record": spread(nanoseconds * 0.95),
        "reference_ns_per_record": spread(nanoseconds * 0.9),
        "memory_read_ns_per_record": spread(2.4),
        "bytes_per_s": spread(64e9 / nanoseconds),
        "native_bytes_per_s": spread(64e9 / nanoseconds / 0.95),
        "speed_of_native": spread(0.95),
        "kind": "csd/record",
    }


def measurement() -> dict[str, Any]:
    """As csd_bench returns it."""
    who = {"host": HOST, "target": TARGET}
    measured = {
        "engine": [engine_entry("threshold", part, 2.8 + part) for part in SELECTIVITIES]
        + [engine_entry(program, None, 3.5) for program in OTHERS],
        "memory_read_bytes_per_s": spread(24e9),
        "memory_read": "one word of each line",
        "native_flags": "-O3",
        "drive_flags": "-O3 -fwrapv",
        "compile": [
            {"program": program, "wall_seconds": spread(0.2), "cpu_seconds": spread(0.1), "code_bytes": 8192}
            for program in ("threshold", *OTHERS)
        ],
    }
    steps = ("load", "verify", "activate", "copy", "execute", "program", "read", "unload")
    setting = {"io_bytes": 1048576, "queue_depth": 8, "bytes_per_s": 3100000000}
    runs = threshold_runs() + [run(way, name, None, size) for name, size in OTHERS.items() for way in SPEEDS]
    slow = threshold_runs()
    known = [one for one in runs if one["name"] == "baseline" and one["program"] == "threshold"]
    return {
        "label": LABEL,
        "inputs": {"dataset": {}, "program_sha256": "", "place": {}, "settings": {}},
        "host": {"kernel": "6.1", "cpu": "A CPU", "cores": 2, "memory_bytes": 8 << 30, "distribution": "Debian <12>"},
        "spdk": {"version": "20.07", "source": "debian", "sha256": "ab" * 32, "stamp": "s"},
        "initiator": "spdk",
        "dataset": {
            "records": RECORDS,
            "record_bytes": 64,
            "bytes": BYTES,
            "seed": 1,
            "sha256": "cd" * 32,
            "format": 1,
        },
        "known_answer": [
            {name: one[name] for name in ("selectivity", "matches", "matches_sha256")} | {"threshold": 0}
            for one in known
        ],
        "settings": {"chosen": setting, "sweep": [setting]},
        "programs": [
            {
                "program": "threshold",
                "slot": 0,
                "engine": "worker",
                "jit": True,
                "verdict": "proved",
                "bytes": 984,
                "sha256": "ef" * 32,
            }
        ],
        "wire_source": {"source": "nvme_tcp_trace", "reason": ""},
        "runs": runs,
        "phases": {
            "program": "threshold",
            "selectivity": 0.01,
            "program_bytes": 984,
            "chunk_bytes": 4194304,
            "matched_bytes": 41943,
            "repeats": 5,
            "seconds": {name: spread(0.00001 * (index + 1)) for index, name in enumerate(steps)},
        },
        "workers": section_of_workers(
            {
                "bytes": BYTES,
                "program": "threshold",
                "selectivity": 0.01,
                "rest_s": 0.002,
                "range_bytes": 8388608,
                "executes": [
                    {"bytes": size, "worker": state, "commands": 200, "seconds": spread(took), "p99_s": took * 2}
                    for size, state, took in ((4096, "spinning", 40e-6), (4096, "asleep", 90e-6))
                ],
                "scans": [{"workers": 1, "repeats": 5, "seconds": spread(BYTES / 19e9)}],
            },
            [1],
        ),
        "links": [{**who, "mbits": 1000, "interface": "lo", "shaper": "netem", "runs": slow, "ratios": of_runs(slow)}],
        **section_of(measured, who, 1),
    }


def report() -> dict[str, Any]:
    return assemble({}, {LABEL: measurement()}, [LABEL], created="2026-11-22T12:00:00Z", rpc=None)
