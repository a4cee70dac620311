"""The data set: the generator against the reference, and the module over {run, check, diff, run again}."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import csd_dataset
import pytest
from ansible.module_utils.hello_ebpf.bench.program import Place, UnavailableError, error_of

import record_reference as reference
from csd_bench_program import build
from module_run import run_module

RECORDS = 1001
SEED = 7


def params(tmp_path: Path, **changes: Any) -> dict[str, Any]:
    return {
        "program": str(build()),
        "initiator": "kernel",
        "path": str(tmp_path / "data.img"),
        "records": RECORDS,
        "seed": SEED,
        **changes,
    }


def run(tmp_path: Path, *, check: bool = False, **changes: Any) -> dict[str, Any]:
    return run_module(csd_dataset.main, params(tmp_path, **changes), check=check)


def sha256(records: list[bytes]) -> str:
    return hashlib.sha256(b"".join(records)).hexdigest()


# ---- the generator


@pytest.mark.parametrize(
    ("records", "seed"),
    [(1, 0), (2, 1), (7, 5), (10, 2**63 - 1), (499, 3), (500, 3), (1000, 0), (1001, 42), (5003, 2**32), (20000, 1)],
)
def test_the_generator_agrees_with_the_reference(tmp_path: Path, records: int, seed: int) -> None:
    made = reference.generate(records, seed)
    assert run(tmp_path, records=records, seed=seed)["changed"]
    written = (tmp_path / "data.img").read_bytes()
    assert written[: 64 * records] == b"".join(made)
    assert set(written[64 * records :]) <= {0}

    words = [str(build()), "answer", "--records", str(records), "--seed", str(seed)]
    answer = json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
    assert answer["sha256"] == sha256(made)
    for known in answer["selectivities"]:
        threshold = reference.THRESHOLDS[known["selectivity"]]
        matching = [record for record in made if reference.temperature(record) >= threshold]
        assert known["threshold"] == threshold
        assert known["matches"] == len(matching)
        assert known["matches"] == int(records * known["selectivity"] + 0.5)
        assert known["matches_sha256"] == sha256(matching)


# ---- run, check, diff, run again


def test_run_check_diff_and_run_again(tmp_path: Path) -> None:
    checked = run(tmp_path, check=True)
    assert checked["changed"]
    assert not (tmp_path / "data.img").exists()
    assert checked["diff"] == {
        "before": f"never written: {RECORDS}\nanother data set or damaged: 0\nsomebody else's: 0\n",
        "after": f"data set: {RECORDS} records from seed {SEED}\n",
    }
    assert checked["sha256"] == ""

    # A real run on a file that is not there makes it.
    done = run(tmp_path)
    assert done["changed"]
    assert done["sha256"] == sha256(reference.generate(RECORDS, SEED))
    assert done["records"] == RECORDS
    assert done["bytes"] == RECORDS * 64

    before = (tmp_path / "data.img").stat().st_mtime_ns
    again = run(tmp_path)
    assert not again["changed"]
    assert again["actions"] == []
    assert again["sha256"] == done["sha256"]
    assert not run(tmp_path, check=True)["changed"]
    assert (tmp_path / "data.img").stat().st_mtime_ns == before


def test_zeros_are_written_over(tmp_path: Path) -> None:
    (tmp_path / "data.img").write_bytes(bytes(100 * 4096))
    checked = run(tmp_path, check=True)
    assert checked["actions"] == [
        f"write {RECORDS} records from seed {SEED} to {tmp_path}/data.img "
        f"({RECORDS} never written, 0 of another data set or damaged, 0 somebody else's)"
    ]
    assert (
        checked["diff"]["before"] == f"never written: {RECORDS}\nanother data set or damaged: 0\nsomebody else's: 0\n"
    )
    assert run(tmp_path)["actions"] == checked["actions"]
    assert not run(tmp_path)["changed"]


def test_another_seed_replaces_the_data_set(tmp_path: Path) -> None:
    run(tmp_path)
    assert run(tmp_path, seed=8, check=True)["changed"]
    assert run(tmp_path, seed=8)["sha256"] == sha256(reference.generate(RECORDS, 8))
    assert not run(tmp_path, seed=8)["changed"]


def test_a_damaged_byte_is_seen_and_mended(tmp_path: Path) -> None:
    run(tmp_path)
    with (tmp_path / "data.img").open("r+b") as image:
        image.seek(500 * 64 + 60)
        image.write(b"!")
    done = run(tmp_path)
    assert "(0 never written, 1 of another data set or damaged, 0 somebody else's)" in done["actions"][0]
    assert (tmp_path / "data.img").read_bytes()[: RECORDS * 64] == b"".join(reference.generate(RECORDS, SEED))


@pytest.mark.parametrize("check", [False, True])
def test_somebody_elses_data_are_refused(tmp_path: Path, check: bool) -> None:
    image = tmp_path / "data.img"
    image.write_bytes(b"precious" * 8 + bytes(100 * 4096 - 64))
    done = run(tmp_path, check=check)
    assert done["failed"]
    assert done["msg"] == (
        f"Asked: write {RECORDS} records from seed {SEED} to {image}. "
        f"Found: something else lies there: of {RECORDS} places {RECORDS - 1} never written, 0 of another data set or "
        "damaged, 1 somebody else's. "
        "Do: name the right device, or, if what lies there may be lost, set overwrite: true."
    )
    assert image.read_bytes().startswith(b"precious")


def test_overwrite_is_taken_at_its_word(tmp_path: Path) -> None:
    (tmp_path / "data.img").write_bytes(b"precious" * 8 + bytes(100 * 4096 - 64))
    assert run(tmp_path, overwrite=True)["changed"]
    assert not run(tmp_path)["changed"]


# ---- what is not there


def test_check_mode_predicts_on_an_untouched_machine(tmp_path: Path) -> None:
    done = run(tmp_path, check=True, program=str(tmp_path / "csd_bench"), path="/dev/nvme77n1")
    assert done["changed"]
    assert done["actions"] == [
        f"write {RECORDS} records from seed {SEED} to /dev/nvme77n1 (it cannot be read yet: No such file or directory)"
    ]
    assert done["diff"]["before"] == "unknown: No such file or directory\n"
    done = run(tmp_path, check=True, path=str(tmp_path / "no folder" / "file"))
    assert done["changed"]
    connected = {"initiator": "kernel", "path": "", "subsystem_nqn": "nqn.a", "address": "127.0.0.1"}
    done = run(tmp_path, check=True, **connected)
    assert done["changed"]
    assert "none is known: the kernel has no such connection" in done["actions"][0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"program": "/nonexistent/csd_bench", "path": "/dev/null"},
            "Asked: the program /nonexistent/csd_bench. Found: No such file or directory. "
            "Do: let the role csd_bench build it first (site.yml does), or correct the path.",
        ),
        (
            {"path": "", "subsystem_nqn": "nqn.a", "address": "127.0.0.1"},
            "Asked: a device of this host for nqn.a namespace 1 at 127.0.0.1 port 4420. "
            "Found: none is known: the kernel has no such connection, or its namespace is not there. "
            "Do: let the role nvme_tcp connect it first (site.yml does), or name a path.",
        ),
        ({"path": ""}, "Asked: initiator: kernel. Found: empty: path. Do: name a block device or a file."),
        (
            {"initiator": "spdk", "path": ""},
            "Asked: initiator: spdk. Found: empty: address, subsystem_nqn, host_nqn. "
            "Do: say to what it connects, and as whom.",
        ),
        ({"records": 0}, "Asked: records: 0. Found: possible are 1 to 4294967295. Do: correct the number."),
        ({"seed": -1}, "Asked: seed: -1. Found: possible are 0 to 9223372036854775807. Do: correct the number."),
        (
            {"path": "/dev/null"},
            "Asked: read /dev/null. Found: it is neither a regular file nor a block device. "
            "Do: name a file or a block device (/dev/ngXnY is the pass-through node, use /dev/nvmeXnY).",
        ),
    ],
)
def test_refusals(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    done = run(tmp_path, **changes)
    assert done["failed"]
    assert done["msg"] == message


def test_a_device_of_another_size_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data.img").write_bytes(bytes(100 * 4096))
    done = run(tmp_path, device_bytes=536870912)
    assert done["msg"] == (
        f"Asked: {tmp_path}/data.img with 536870912 bytes. Found: it has 409600 bytes. "
        "Do: correct the declared size or the device: this may be somebody else's."
    )


# ---- places and the program's ends


def test_arguments_for_spdks_initiator() -> None:
    place = Place("spdk", "", "10.0.0.1", "4421", "nqn.a", "nqn.b", nsid=3, uuid="1-2", memory_megabytes=128, core=0)
    assert " ".join(place.arguments()) == (
        "--traddr 10.0.0.1 --trsvcid 4421 --subnqn nqn.a --hostnqn nqn.b --nsid 3 --memory 128 --core 0 --uuid 1-2"
    )
    assert place.identity() == {
        "initiator": "spdk",
        "subsystem_nqn": "nqn.a",
        "address": "10.0.0.1",
        "service_id": "4421",
        "host_nqn": "nqn.b",
        "nsid": 3,
        "uuid": "1-2",
    }


def test_a_block_devices_number_is_not_its_identity() -> None:
    device = Place("kernel", "/dev/nvme0n1", "10.0.0.1", "4421", "nqn.a", "nqn.b")
    other = Place("kernel", "/dev/nvme7n2", "10.0.0.1", "4421", "nqn.a", "nqn.b")
    mounted = Place("kernel", "/mnt/x/data", "10.0.0.1", "4421", "nqn.a", "nqn.b")
    assert device.identity() == other.identity()
    assert mounted.identity() == device.identity() | {"path": "/mnt/x/data"}
    assert device.arguments() == ["--path", "/dev/nvme0n1", "--wire-peer", "10.0.0.1,4421"]


def test_errors_of_the_program() -> None:
    told = error_of("verify", 3, "noise\nasked: a: b\nfound: c\ndo: d\n")
    assert isinstance(told, UnavailableError)
    assert str(told) == "Asked: a: b. Found: c. Do: d."
    killed = error_of("verify", -9, "")
    assert killed.found == "it was ended by signal 9 (nothing printed)"
    crashed = error_of("verify", 1, "one\nlast words\n")
    assert crashed.found == "it ended with exit code 1 and no explanation (last words)"


def test_a_program_that_hangs_is_stopped(tmp_path: Path) -> None:
    program = tmp_path / "csd_bench"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    (tmp_path / "data.img").touch()
    program.chmod(0o755)
    done = run(tmp_path, program=str(program), timeout=0.3)
    assert done["msg"] == (
        f"Asked: csd_bench verify on {tmp_path}/data.img. Found: no end after 0.3 s; it was stopped. "
        "Do: look at the target and the connection, ask for fewer records, or allow more time (timeout)."
    )


def test_the_second_of_two_hosts_predicts_nothing_and_mends_all_the_same(tmp_path: Path) -> None:
    """Two hosts share a namespace: the first writes; where it could not, the second does."""
    assert not run(tmp_path, check=True, written_by="host1")["changed"]
    assert run(tmp_path, check=True)["changed"]
    assert run(tmp_path, written_by="host1")["changed"]
    assert not run(tmp_path, written_by="host1")["changed"]
