"""The data set and the report, by other means than the role's: the schema, and a Python that knows only the format."""

from __future__ import annotations

import hashlib
import json
import os
from typing import Any

import pytest

import record_reference as reference
from lab_asked import REPORTS, kernel_connects
from report_schema import problems

Host = Any  # testinfra.host.Host, which comes without types

SPDK_CONNECTS = pytest.mark.only_where(lambda host: not kernel_connects(host), "SPDK's initiator connects")

PREFIX = os.environ.get("HELLO_EBPF_CSD_BENCH_PREFIX", "/opt/hello_ebpf/csd_bench")


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((REPORTS / "latest/report.json").read_text())
    return found


def of_host(host: Host, report: dict[str, Any]) -> dict[str, Any]:
    """What this host measured, by label."""
    name = "localhost" if host.backend.NAME == "local" else host.backend.get_hostname()
    found = {label: inputs for label, inputs in report["inputs"].items() if label.startswith(f"{name} -> ")}
    assert found, f"{name} has measured nothing"
    return found


def test_the_report_is_valid(report: dict[str, Any]) -> None:
    assert problems(report) == []


def test_latest_is_a_relative_link_to_a_time() -> None:
    link = (REPORTS / "latest").readlink()
    assert not link.is_absolute()
    assert link.name.endswith("Z")
    assert (REPORTS / link / "report.json").is_file()


def test_every_selectivity_was_measured_and_is_right(report: dict[str, Any]) -> None:
    records = report["dataset"]["records"]
    baselines = [run for run in report["runs"] if (run["name"], run["program"]) == ("baseline", "threshold")]
    assert {run["selectivity"] for run in baselines} == {0.001, 0.01, 0.1, 0.5, 1}
    known = {entry["selectivity"]: entry for entry in report["known_answer"]}
    for run in baselines:
        assert run["matches"] == int(records * run["selectivity"] + 0.5)
        assert run["matches_sha256"] == known[run["selectivity"]]["matches_sha256"]
    # At 100 % the selected records, in order, are the data set.
    assert known[1]["matches_sha256"] == report["dataset"]["sha256"]


@SPDK_CONNECTS
def test_the_connection_carried_the_data(host: Host, report: dict[str, Any]) -> None:
    """Each pass was counted on the wire: the baseline's is the data set, an offload's little more than what it kept."""
    size, labels = report["dataset"]["bytes"], of_host(host, report)
    runs = [run for run in report["runs"] if f"{run['host']} -> {run['target']}" in labels]
    baselines = [run["wire_bytes_to_host"] for run in runs if run["name"] == "baseline"]
    others = [run for run in runs if run["name"] != "baseline" and run["selectivity"] == 0.01]
    # What nobody counted would be None, which is in no order.
    assert [run for run in runs if run["interface_bytes"]["received"] < run["wire_bytes_to_host"]] == []
    assert size <= min(baselines) <= max(baselines) <= size * 1.02
    for run in others:
        assert run["matched_bytes"] <= run["wire_bytes_to_host"] <= run["matched_bytes"] * 1.11


def test_the_program_is_installed(host: Host) -> None:
    program = host.file(f"{PREFIX}/bin/csd_bench")
    assert program.is_file
    assert program.mode == 0o755
    # Statically linked against SPDK: it runs without the build tree.
    assert "not found" not in host.check_output(f"ldd {PREFIX}/bin/csd_bench")


def test_the_data_set_on_the_device_is_the_reports(host: Host, report: dict[str, Any]) -> None:
    """Read again through the connection; the digest is of what was read, not of what should be there."""
    dataset = report["dataset"]
    for label, inputs in of_host(host, report).items():
        place = inputs["place"]
        if place["initiator"] == "spdk":
            words = (
                f"--traddr {place['address']} --trsvcid {place['service_id']} --subnqn {place['subsystem_nqn']} "
                f"--hostnqn {place['host_nqn']} --nsid {place['nsid']} --uuid {place['uuid']} --memory 128"
            )
        elif "path" in place:
            words = f"--path {place['path']}"
            digest = host.check_output(f"head -c {dataset['bytes']} {place['path']} | sha256sum").split()[0]
            assert digest == dataset["sha256"], label
        else:
            device = f"/dev/disk/by-id/nvme-uuid.{place['uuid']}"
            words = f"--path {device}"
            digest = host.check_output(f"head -c {dataset['bytes']} {device} | sha256sum").split()[0]
            assert digest == dataset["sha256"], label
        said = host.check_output(
            f"{PREFIX}/bin/csd_bench verify --records {dataset['records']} --seed {dataset['seed']} {words}"
        )
        assert json.loads(said)["sha256"] == dataset["sha256"], label


def test_the_format_is_the_documented_one(host: Host) -> None:
    """The installed program makes the records that the reference makes, byte for byte."""
    path = host.check_output("mktemp --tmpdir=/var/tmp csd_bench.XXXXXX")
    try:
        host.check_output(f"{PREFIX}/bin/csd_bench write --path {path} --records 3001 --seed 5")
        found = host.check_output(f"head -c {3001 * 64} {path} | sha256sum").split()[0]
    finally:
        host.check_output(f"rm {path}")
    assert found == hashlib.sha256(b"".join(reference.generate(3001, 5))).hexdigest()


@SPDK_CONNECTS
def test_a_stranger_is_not_let_in(host: Host, report: dict[str, Any]) -> None:
    """The target lets nobody in but the declared host."""
    for inputs in of_host(host, report).values():
        place = inputs["place"]
        assert place["initiator"] == "spdk"
        done = host.run(
            f"{PREFIX}/bin/csd_bench verify --traddr {place['address']} --trsvcid {place['service_id']} "
            f"--subnqn {place['subsystem_nqn']} --hostnqn nqn.2014-08.org.example:stranger --memory 128"
        )
        assert done.rc == 4
        assert "the target does not allow this host" in done.stderr
