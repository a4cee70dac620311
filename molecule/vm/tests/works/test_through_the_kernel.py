"""csd through the kernel's passthrough, and the benchmark through the kernel's block device."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

import record_reference as reference
from lab_asked import REPORTS
from lab_nvme import COMPUTE, DATA, SLM, Nodes, controller, programs

Host = Any  # testinfra.host.Host, which comes without types

RECORDS = 4096
PROGRAMS = {"threshold", "search", "aggregate", "histogram", "sample", "top"}


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((REPORTS / "latest/report.json").read_text())
    return found


@pytest.fixture(scope="module")
def kept_sha256(report: dict[str, Any]) -> str:
    """What the reference keeps of the first records at 50 degrees."""
    dataset = report["dataset"]
    records = reference.generate(dataset["records"], dataset["seed"], RECORDS)
    kept = b"".join(record for record in records if reference.temperature(record) >= 50_000)
    return hashlib.sha256(kept).hexdigest()


def test_the_tool_goes_through_the_kernel(host: Host) -> None:
    """The tool csd finds the kernel's connection by itself: no SPDK process of the tool's, no hugepage taken."""
    shown = json.loads(host.check_output("csd list --json"))
    assert f"/dev/{controller(host)}" in json.dumps(shown)
    assert {each["nsid"]: each["kind"] for each in shown["namespaces"]} == {DATA: "NVM", SLM: "SLM", COMPUTE: "compute"}
    assert len(programs(host)) == 6


@pytest.mark.parametrize("nsid", [DATA, SLM, COMPUTE])
def test_any_node_names_the_drive(host: Host, nodes: dict[int, Nodes], nsid: int, kept_sha256: str) -> None:
    """A scan through any of the drive's generic nodes keeps what the reference keeps."""
    words = f"scan --slot 0 --cparam1 50000 --length {RECORDS * 64} --json"
    found = json.loads(host.check_output(f"csd --device {nodes[nsid].generic} {words}"))
    assert (found["records"], found["kept_sha256"]) == (RECORDS, kept_sha256)


def test_the_standard_flow_through_the_kernel(host: Host, kept_sha256: str) -> None:
    """Load, activate, copy to SLM, execute, read SLM through the kernel's passthrough keep what the reference keeps."""
    host.check_output("csd load --slot 12 --activate /opt/hello_ebpf/csd_target/programs/threshold.bpf.o")
    try:
        words = f"exec --slot 12 --cparam1 50000 --length {RECORDS * 64} --json"
        assert json.loads(host.check_output(f"csd {words}"))["kept_sha256"] == kept_sha256
    finally:
        host.check_output("csd deactivate --slot 12")
        host.check_output("csd unload --slot 12")
    assert len(programs(host)) == 6


def test_baseline_offload_and_standard_flow_agree(report: dict[str, Any]) -> None:
    """Through the kernel, baseline, offload and standard flow select the same, for every program and selectivity."""
    assert report["initiator"] == "kernel"
    answers: dict[tuple[str, float], dict[str, tuple[int, str]]] = {}
    for run in report["runs"]:
        answer = run["matches"], run["matches_sha256"]
        answers.setdefault((run["program"], run["selectivity"]), {})[run["name"]] = answer
    assert {program for program, _ in answers} == PROGRAMS
    for what, by_way in answers.items():
        assert set(by_way) == {"baseline", "offload", "slm"}, what
        assert len(set(by_way.values())) == 1, (what, by_way)


def test_the_figures_say_that_the_processor_was_emulated(host: Host, report: dict[str, Any]) -> None:
    """The report marks the figures of an emulated processor as such, and gives no ratios of them."""
    emulated = host.run("systemd-detect-virt").stdout.strip() == "qemu"
    assert report["host"]["emulated"] is emulated
    assert (report["ratios"] == []) is emulated
