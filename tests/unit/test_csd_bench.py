"""The measurement: the real program on a file, and a make-believe one for what a file cannot show."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import csd_bench
import csd_dataset
import pytest
from ansible.module_utils.hello_ebpf.arguments import arguments
from ansible.module_utils.hello_ebpf.bench import link
from ansible.module_utils.hello_ebpf.bench.host import facts, spdk_build
from ansible.module_utils.hello_ebpf.bench.measurement import Measurement
from ansible.module_utils.hello_ebpf.bench.program import Place, Program
from ansible.module_utils.hello_ebpf.bench.target import CpuSeconds, cpu_of, is_ours

import record_reference as reference
from csd_bench_program import build
from module_run import run_module

RECORDS = 5001
SEED = 3


def params(tmp_path: Path, **changes: Any) -> dict[str, Any]:
    return {
        "program": str(build()),
        "initiator": "kernel",
        "path": str(tmp_path / "data.img"),
        "records": RECORDS,
        "seed": SEED,
        "repeats": 3,
        "io_sizes": [4096, 16384],
        "queue_depths": [1, 4],
        "spdk_stamp": str(tmp_path / "stamp.json"),
        "host_name": "here",
        **changes,
    }


def run(tmp_path: Path, *, check: bool = False, **changes: Any) -> dict[str, Any]:
    return run_module(csd_bench.main, params(tmp_path, **changes), check=check)


@pytest.fixture
def data(tmp_path: Path) -> str:
    """The data set in a file, and the stamp of an SPDK; returns the data set's digest."""
    stamp = {"version": "20.07", "stamp": "0123abcd", "source": {"kind": "debian", "sha256": "71c0"}}
    (tmp_path / "stamp.json").write_text(json.dumps(stamp))
    names = ("program", "initiator", "path", "records", "seed")
    written = run_module(csd_dataset.main, {name: params(tmp_path)[name] for name in names})
    sha256: str = written["sha256"]
    return sha256


def test_run_check_diff_and_run_again(tmp_path: Path, data: str) -> None:
    checked = run(tmp_path, check=True, dataset_sha256=data)
    assert checked["changed"]
    assert checked["actions"] == [f"measure the baseline of here -> {tmp_path}/data.img (there is no report of it)"]
    assert checked["measurement"] == {}
    assert checked["diff"]["before"] == "no report\n"
    assert f"dataset.sha256: {data}\n" in checked["diff"]["after"]

    done = run(tmp_path, dataset_sha256=data)
    assert done["changed"]
    assert done["actions"] == checked["actions"]
    assert done["diff"] == checked["diff"]
    recorded = {done["label"]: done["measurement"]["inputs"]}

    # Through JSON, as the report keeps them.
    again = run(tmp_path, dataset_sha256=data, measured_inputs=json.loads(json.dumps(recorded)))
    assert not again["changed"]
    assert again["measurement"] == {}
    assert not run(tmp_path, check=True, dataset_sha256=data, measured_inputs=recorded)["changed"]

    forced = run(tmp_path, dataset_sha256=data, measured_inputs=recorded, measure=True)
    assert forced["actions"] == [f"measure the baseline of here -> {tmp_path}/data.img (asked for)"]
    assert len(forced["measurement"]["runs"]) == 5


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"repeats": 2}, "changed: settings"),
        ({"queue_depths": [1]}, "changed: settings"),
        ({"dataset_sha256": "0" * 64}, "changed: dataset"),
        ({"host_name": "there"}, "there is no report of it"),
        ({"spdk_stamp": "/nonexistent"}, "changed: spdk_stamp"),
        ({"program": "/bin/true"}, "changed: program_sha256"),
    ],
)
def test_another_input_is_measured_again(tmp_path: Path, data: str, changes: dict[str, Any], why: str) -> None:
    predicted = run(tmp_path, check=True, dataset_sha256=data)
    inputs = dict(line.split(": ", 1) for line in predicted["diff"]["after"].splitlines())
    assert inputs["spdk_stamp"] == "0123abcd"
    recorded = {predicted["label"]: run(tmp_path, dataset_sha256=data)["measurement"]["inputs"]}
    done = run(tmp_path, check=True, **{"dataset_sha256": data, "measured_inputs": recorded, **changes})
    assert done["changed"]
    assert done["actions"][0].endswith(f"({why})")


def test_what_is_measured(tmp_path: Path, data: str) -> None:
    found = run(tmp_path, dataset_sha256=data)["measurement"]
    made = reference.generate(RECORDS, SEED)
    assert found["dataset"]["sha256"] == data
    assert found["dataset"]["record_bytes"] == 64
    assert found["initiator"] == "kernel"
    assert found["spdk"] == {"version": "20.07", "source": "debian", "sha256": "71c0", "stamp": "0123abcd"}
    assert [run["selectivity"] for run in found["runs"]] == [0.001, 0.01, 0.1, 0.5, 1]
    for measured in found["runs"]:
        matching = [record for record in made if reference.temperature(record) >= measured["threshold"]]
        assert measured["matches"] == len(matching)
        assert measured["name"] == "baseline"
        assert measured["repeats"] == 3
        assert len(measured["samples"]) == 3
        assert 0 < measured["seconds"]["min"] <= measured["seconds"]["median"] <= measured["seconds"]["max"]
        assert measured["scanned_bytes_per_s"] == round(RECORDS * 64 / measured["seconds"]["median"])
        # A file has no connection and no target to ask.
        assert measured["wire_bytes_to_host"] is None
        assert measured["interface_bytes"] is None
        assert measured["target_cpu_s"] is None
    sweep = found["settings"]["sweep"]
    assert {(point["io_bytes"], point["queue_depth"]) for point in sweep} == {
        (4096, 1),
        (4096, 4),
        (16384, 1),
        (16384, 4),
    }
    assert found["settings"]["chosen"] == max(sweep, key=lambda point: point["bytes_per_s"])
    assert {measured["io_bytes"] for measured in found["runs"]} == {found["settings"]["chosen"]["io_bytes"]}


def test_wrong_data_fail_the_measurement(tmp_path: Path, data: str) -> None:
    with (tmp_path / "data.img").open("r+b") as image:
        image.seek(4000 * 64 + 30)
        image.write(b"\xa5")
    done = run(tmp_path, dataset_sha256=data)
    assert done["failed"]
    assert "Asked: baseline by threshold at selectivity 0.1: 500 matches with SHA-256 " in done["msg"]
    assert "Found: 500 matches with SHA-256 " in done["msg"]
    assert f"in the data set of {RECORDS} records ({RECORDS * 64} bytes) from seed {SEED} on {tmp_path}" in done["msg"]
    assert "Do: verify the data set, and write it again (the module csd_dataset does both)." in done["msg"]


def test_a_digest_of_another_data_set_is_refused(tmp_path: Path, data: str) -> None:
    done = run(tmp_path, dataset_sha256="1" * 64)
    assert done["failed"]
    assert f"Found: {RECORDS} records from seed {SEED} have SHA-256 {data}" in done["msg"]


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"selectivities": [0.02]}, "Asked: --selectivity 0.02. Found: possible is each of 0.001, 0.01, 0.1, 0.5, 1"),
        ({"io_sizes": [1000]}, "Asked: I/O size 1000. Found: "),
        ({"queue_depths": [300]}, "Asked: --queue-depth 300. Found: possible is a number from 1 to 256"),
        (
            {"records": 99999},
            "Found: 6402048 bytes are needed, the device has 323584. Do: ask for at most 5056 records",
        ),
        ({"path": "/nonexistent"}, "Asked: read /nonexistent. Found: No such file or directory."),
    ],
)
def test_refusals(tmp_path: Path, data: str, changes: dict[str, Any], part: str) -> None:
    assert data
    done = run(tmp_path, **changes)
    assert done["failed"]
    assert part in done["msg"]


# ---- the target's CPU


def test_ticks_are_seconds() -> None:
    stats = {"tick_rate": 1000, "threads": [{"name": "a", "busy": 100, "idle": 900}, {"busy": 150, "idle": 100}]}
    before = cpu_of(stats)
    assert before == CpuSeconds(0.25, 1.25)
    assert CpuSeconds(0.75, 2.75) - before == CpuSeconds(0.5, 1.5)


def test_addresses_of_this_machine() -> None:
    assert is_ours("127.0.0.1")
    assert is_ours("127.0.0.53")
    assert is_ours("::1")
    assert not is_ours("192.0.2.1")  # TEST-NET-1: nobody has it
    assert not is_ours("")


PROGRAM = """#!/usr/bin/env python3
import json, sys
answer = {"records": 10, "seed": 1, "bytes": 640, "format": 1, "sha256": "%(digest)s", "selectivities": [
    {"selectivity": 0.1, "threshold": 50000, "matches": 1, "matches_sha256": "%(digest)s"}]}
if sys.argv[1] == "answer":
    print(json.dumps(answer))
elif sys.argv[1] == "tune":
    point = {"io_bytes": 4096, "queue_depth": 1, "bytes_per_s": 9}
    print(json.dumps({"sweep": [point], "best": point}))
else:
    run = {"name": "baseline", "program": "threshold", "selectivity": 0.1, "threshold": 50000}
    for event in ("begin", "end", "begin", "end"):
        print(json.dumps(run | {"event": event}), flush=True)
        sys.stdin.readline()
    sample = {"seconds": 0.5, "user_s": 0.1, "system_s": 0.2, "machine_busy_s": 1.0, "wire_bytes_to_host": 700,
              "wire_bytes_to_target": 72, "interface_bytes_received": 900, "interface_bytes_sent": 900}
    run |= {"matches": %(matches)s, "matches_sha256": "%(digest)s", "matched_bytes": 64, "io_bytes": 4096,
            "queue_depth": 1, "samples": [sample, sample | {"seconds": 1.5}]}
    print(json.dumps({"bytes": 640, "interface": "lo", "wire_source": "tcp_info", "wire_reason": "", "runs": [run]}))
"""


@pytest.fixture
def rpc_socket(tmp_path: Path) -> Iterator[str]:
    """A target that answers thread_get_stats, with 500 more busy and 1500 more idle ticks each time."""
    path = tmp_path / "spdk.sock"
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen(8)

    def serve() -> None:
        for count in range(8):
            try:
                connection, _ = server.accept()
            except OSError:
                return
            asked = json.loads(connection.recv(65536))
            threads = [{"name": "t", "busy": 500 * count, "idle": 1500 * count}]
            result = {"tick_rate": 1000, "threads": threads}
            connection.sendall(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": result}).encode())
            connection.close()

    threading.Thread(target=serve, daemon=True).start()
    yield str(path)
    server.close()


def make_believe(tmp_path: Path, matches: int) -> Path:
    program = tmp_path / "make_believe"
    program.write_text(PROGRAM % {"digest": "a" * 64, "matches": matches})
    program.chmod(0o755)
    return program


CONNECTED: dict[str, Any] = {
    "path": "/dev/null",
    "address": "127.0.0.1",
    "subsystem_nqn": "nqn.a",
    "host_nqn": "nqn.b",
    "records": 10,
    "seed": 1,
    "repeats": 2,
    "selectivities": [0.1],
}


def test_the_targets_time_is_read_around_the_repeats(tmp_path: Path, rpc_socket: str) -> None:
    program = str(make_believe(tmp_path, 1))
    done = run(tmp_path, program=program, target_rpc_socket=rpc_socket, **CONNECTED)
    [measured] = done["measurement"]["runs"]
    assert measured["target_cpu_s"] == 0.5
    assert measured["target_reactor_s"] == 2.0
    assert measured["host_cpu_s"] == 0.3
    assert measured["wire_bytes_to_host"] == 700
    assert measured["wire_bytes_to_target"] == 72
    assert measured["interface_bytes"] == {"interface": "lo", "received": 900, "sent": 900}
    assert measured["seconds"] == {"min": 0.5, "median": 1.0, "max": 1.5}
    assert measured["scanned_bytes_per_s"] == 640


def test_a_target_elsewhere_is_not_asked(tmp_path: Path, rpc_socket: str) -> None:
    elsewhere = CONNECTED | {"address": "192.0.2.1"}
    done = run(tmp_path, program=str(make_believe(tmp_path, 1)), target_rpc_socket=rpc_socket, **elsewhere)
    assert done["measurement"]["runs"][0]["target_cpu_s"] is None


def test_other_matches_than_the_known_answer_fail(tmp_path: Path) -> None:
    done = run(tmp_path, program=str(make_believe(tmp_path, 2)), **CONNECTED)
    assert done["failed"]
    assert done["msg"] == (
        f"Asked: 1 matches with SHA-256 {'a' * 64} at selectivity 0.1 (the known answer). "
        f"Found: baseline of here: 2 matches with SHA-256 {'a' * 64}. "
        "Do: verify the data set (csd_dataset); the report was not written."
    )


# ---- facts


def test_facts_of_a_machine(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "etc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text("processor\t: 0\nmodel name\t: A CPU @ 2 GHz\n")
    (tmp_path / "proc/meminfo").write_text("MemTotal:       2048 kB\nMemFree: 1 kB\n")
    (tmp_path / "etc/os-release").write_text('NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n')
    found = facts(tmp_path)
    assert found["cpu"] == "A CPU @ 2 GHz"
    assert found["memory_bytes"] == 2048 * 1024
    assert found["distribution"] == "Debian GNU/Linux 12 (bookworm)"
    assert facts(tmp_path / "nothing")["distribution"] == "unknown"


@pytest.mark.parametrize(("hypervisor", "emulated"), [("qemu", True), ("kvm", False), ("none", False), ("", False)])
def test_an_emulated_processor_is_told_from_a_virtual_machines(tmp_path: Path, hypervisor: str, emulated: bool) -> None:
    """In systemd-detect-virt's words; QEMU's own model names itself where systemd is not there."""
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text("model name\t: Intel Core i7 9xx (Nehalem Class Core i7)\n")
    assert facts(tmp_path, hypervisor)["emulated"] is emulated
    (tmp_path / "proc/cpuinfo").write_text("model name\t: QEMU TCG CPU version 2.5+\n")
    assert facts(tmp_path, hypervisor)["emulated"] is True


def test_stamps_of_spdk(tmp_path: Path) -> None:
    stamp = tmp_path / "stamp.json"
    assert spdk_build(stamp)["version"] == ""
    stamp.write_text("{half")
    assert spdk_build(stamp)["version"] == ""
    stamp.write_text(json.dumps({"version": "20.07", "source": {"kind": "git", "commit": "abc"}, "stamp": "s"}))
    assert spdk_build(stamp) == {"version": "20.07", "source": "git", "sha256": "abc", "stamp": "s"}


def test_a_target_that_is_down_is_told_and_costs_no_other_its_figures(tmp_path: Path) -> None:
    """As for a fleet: the reason is returned instead of an error."""
    missing: dict[str, Any] = {"program": str(tmp_path / "missing"), "if_unavailable": "report"}
    names = ("program", "initiator", "path", "records", "seed")
    verified = run_module(csd_dataset.main, {name: params(tmp_path)[name] for name in names} | missing)
    assert not verified["changed"]
    assert verified["unavailable"].startswith(f"Asked: the program {tmp_path}/missing")
    done = run(tmp_path, unavailable=verified["unavailable"])
    assert (done["changed"], done["measurement"]) == (False, {})
    assert done["unavailable"] == verified["unavailable"]
    assert done["label"] == f"here -> {tmp_path}/data.img"
    assert done["place"] == {"initiator": "kernel", "path": f"{tmp_path}/data.img"}
    # It went away between the two.
    assert run(tmp_path, **missing)["unavailable"] == verified["unavailable"]
    assert "No such file" in run(tmp_path, program=str(tmp_path / "missing"))["msg"]


def measurement(place: Place, **changes: Any) -> Measurement:
    """On a target that runs the threshold, with the module's defaults but for these."""
    defaults = {name: option.get("default") for name, option in arguments(csd_bench.DOCUMENTATION).items()}
    asked = defaults | {"host_name": "here", "programs": {"threshold": 0}} | changes
    return Measurement(Program(Path("p"), place, RECORDS, SEED), asked)


def test_what_cannot_be_told_from_another_machine() -> None:
    place = Place("spdk", address="192.0.2.1", service_id="4420", subsystem_nqn="nqn.x", host_nqn="nqn.y")
    found = measurement(place).left_out()
    assert set(found) == {"target_cpu", "engine"}
    assert found["target_cpu"].startswith("the target is another machine (192.0.2.1)")


def test_a_host_without_the_targets_programs_says_why_steps_are_not_measured(tmp_path: Path) -> None:
    """Without builders a host compiles what it needs, and that is not the target."""
    elf = str(tmp_path / "threshold.bpf.o")
    assert measurement(Place("spdk", address="192.0.2.1"), phase_program=elf)._phases({}) == {
        "reason": f"{elf} is not on this host, which compiles for itself and is no target"
    }


# ---- slower links


def test_the_thresholds_are_measured_again_over_each_slower_link(
    tmp_path: Path, data: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`csd_bench_link_mbits`: shaped for those runs alone, so often as is asked for, and as before afterwards."""
    done: list[str] = []

    def tc(words: Sequence[str]) -> subprocess.CompletedProcess[str]:
        done.append(" ".join(words))
        shown = "qdisc noqueue 0: root refcnt 2\n" if words[1] == "show" else ""
        return subprocess.CompletedProcess(words, 0, shown, "")

    shaper_for, run_program = link.shaper_for, Program.run

    def measured(program: Program, command: str, *words: str, **how: Any) -> dict[str, Any]:
        done.extend(["measure"] if command == "compare" else [])
        return run_program(program, command, *words, **how)

    monkeypatch.setattr(link, "interface_to", lambda _: "eth7")
    monkeypatch.setattr(link, "shaper_for", lambda interface: shaper_for(interface, tc))
    monkeypatch.setattr(Program, "run", measured)
    found = run(tmp_path, dataset_sha256=data, link_mbits=[10000, 1000], link_repeats=2)["measurement"]

    assert [(one["mbits"], one["interface"], one["shaper"]) for one in found["links"]] == [
        (10000, "eth7", "netem"),
        (1000, "eth7", "netem"),
    ]
    for one in found["links"]:
        assert {measured["program"] for measured in one["runs"]} == {"threshold"}
        assert [measured["selectivity"] for measured in one["runs"]] == [0.001, 0.01, 0.1, 0.5, 1]
        assert {measured["repeats"] for measured in one["runs"]} == {2}
    add, gone = "qdisc add dev eth7 root netem rate {}mbit limit 10000", "qdisc del dev eth7 root"
    # First it is seen whether the kernel can.
    assert done == [
        *("qdisc show dev eth7 root", add.format(100000), gone, "measure"),
        *(add.format(10000), "measure", gone),
        *(add.format(1000), "measure", gone),
    ]
