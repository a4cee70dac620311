"""The report: assembled from measurements, valid by its schema, written as a whole."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import csd_report
import pytest
from ansible.module_utils.hello_ebpf.bench.report import assemble
from ansible.module_utils.hello_ebpf.bench.summary import summary
from ansible.module_utils.hello_ebpf.errors import LabError

from module_run import run_module
from report_page import html
from report_schema import problems

DIGEST = "ab" * 32
KNOWN = [{"selectivity": 0.01, "threshold": 70000, "matches": 10, "matches_sha256": DIGEST}]


def measurement(label: str, seconds: float = 0.1) -> dict[str, Any]:
    host, _, target = label.partition(" -> ")
    setting = {"io_bytes": 131072, "queue_depth": 8, "bytes_per_s": 640000}
    return {
        "label": label,
        "inputs": {"dataset": {}, "program_sha256": "", "place": {}, "settings": {}},
        "host": {"kernel": "6.1", "cpu": f"cpu of {host}", "cores": 2, "memory_bytes": 1, "distribution": "Debian"},
        "spdk": {"version": "20.07", "source": "debian", "sha256": DIGEST, "stamp": "s"},
        "initiator": "spdk",
        "dataset": {"records": 1000, "record_bytes": 64, "bytes": 64000, "seed": 1, "sha256": DIGEST, "format": 1},
        "known_answer": KNOWN,
        "settings": {"chosen": setting, "sweep": [setting]},
        "runs": [
            {
                "name": "baseline",
                "program": "threshold",
                "host": host,
                "target": target,
                "selectivity": 0.01,
                "threshold": 70000,
                "repeats": 1,
                "matches": 10,
                "matches_sha256": DIGEST,
                "matched_bytes": 640,
                "io_bytes": 131072,
                "queue_depth": 8,
                "seconds": {"min": seconds, "median": seconds, "max": seconds},
                "scanned_bytes": 64000,
                "scanned_bytes_per_s": round(64000 / seconds),
                "wire_bytes_to_host": 64100,
                "wire_bytes_to_target": 720,
                "interface_bytes": {"interface": "lo", "received": 66000, "sent": 66000},
                "host_cpu_s": 0.1,
                "target_cpu_s": None,
                "samples": [{"seconds": seconds}],
            }
        ],
    }


def result(label: str, *, changed: bool = True) -> dict[str, Any]:
    """What csd_bench returns."""
    return {"label": label, "changed": changed, "measurement": measurement(label) if changed else {}}


def write(folder: Path, *results: dict[str, Any], check: bool = False, **changes: Any) -> dict[str, Any]:
    params = {"folder": str(folder / "reports"), "results": list(results), **changes}
    return run_module(csd_report.main, params, check=check)


def latest(folder: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((folder / "reports/latest/report.json").read_text())
    return report


def test_run_check_diff_and_run_again(tmp_path: Path) -> None:
    checked = write(tmp_path, result("a -> t"), check=True)
    assert checked["changed"]
    assert checked["actions"] == [f"write a report of a -> t into {tmp_path}/reports"]
    assert not (tmp_path / "reports").exists()

    done = write(tmp_path, result("a -> t"))
    assert done["changed"]
    assert done["actions"] == checked["actions"]
    assert done["diff"]["before"] == "no report\n"
    assert "a -> t:\n  threshold 1 %: baseline 0.00 GB/s median" in done["diff"]["after"]
    assert done["path"] == f"{tmp_path}/reports/latest/report.json"

    link = (tmp_path / "reports/latest").readlink()
    assert not link.is_absolute()
    again = write(tmp_path, result("a -> t", changed=False))
    assert not again["changed"]
    assert (tmp_path / "reports/latest").readlink() == link
    # In check mode csd_bench predicts a measurement without having one.
    assert write(tmp_path, {"label": "a -> t", "changed": True, "measurement": {}}, check=True)["changed"]
    assert len(list((tmp_path / "reports").iterdir())) == 2


def test_a_new_report_leaves_the_old_one(tmp_path: Path) -> None:
    write(tmp_path, result("a -> t"))
    old = (tmp_path / "reports/latest").resolve()
    write(tmp_path, result("a -> t"))
    assert (tmp_path / "reports/latest").resolve() != old
    assert (old / "report.json").exists()


def test_it_is_valid(tmp_path: Path) -> None:
    rpc = {"rpcs": 6, "ratio": 5.5} | {
        name: {"min": 1, "median": 2, "max": 3} for name in ("one_connection_s", "process_per_rpc_s", "python_start_s")
    }
    write(tmp_path, result("a -> t"), result("b -> t"), rpc=rpc)
    report = latest(tmp_path)
    assert problems(report) == []
    assert list(report)[:2] == ["schema", "created"]
    assert report["rpc"] == rpc
    assert report["engine"] == []
    assert report["ratios"] == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda report: report.pop("dataset"),
        lambda report: report["runs"][0].pop("matches"),
        lambda report: report["runs"][0].update(matches_sha256="short"),
        lambda report: report["runs"][0].update(selectivity=0.02),
        lambda report: report.update(initiator="both"),
        lambda report: report["settings"]["a -> t"].update(sweep=[]),
    ],
)
def test_the_schema_notices(tmp_path: Path, spoil: Any) -> None:
    write(tmp_path, result("a -> t"))
    report = latest(tmp_path)
    spoil(report)
    assert problems(report)


def test_a_row_for_each_pair_and_only_the_measured_ones_are_new(tmp_path: Path) -> None:
    write(tmp_path, result("a -> t"), result("b -> t"), result("c -> t"), rpc={"ratio": 7})
    # b is measured again, c is no longer there, d is new.
    b, d = result("b -> t"), result("d -> t")
    b["measurement"]["runs"][0]["seconds"] = {"min": 0.2, "median": 0.2, "max": 0.2}
    write(tmp_path, result("a -> t", changed=False), b, d)
    report = latest(tmp_path)
    assert [(run["host"], run["seconds"]["median"]) for run in report["runs"]] == [("a", 0.1), ("b", 0.2), ("d", 0.1)]
    assert set(report["inputs"]) == set(report["settings"]) == set(report["hosts"]) == {"a -> t", "b -> t", "d -> t"}
    assert report["hosts"]["d -> t"]["cpu"] == "cpu of d"
    assert report["rpc"] == {"ratio": 7}


def test_runs_on_another_data_set_are_not_taken_over(tmp_path: Path) -> None:
    write(tmp_path, result("a -> t"), result("b -> t"))
    b = result("b -> t")
    b["measurement"]["dataset"]["seed"] = 2
    write(tmp_path, result("a -> t", changed=False), b)
    assert [run["host"] for run in latest(tmp_path)["runs"]] == ["b"]


def test_one_report_is_on_one_data_set() -> None:
    a, b = measurement("a -> t"), measurement("b -> t")
    b["dataset"]["seed"] = 2
    with pytest.raises(LabError, match=r"^Asked: one report on one data set\. Found: b -> t has ") as caught:
        assemble({}, {"a -> t": a, "b -> t": b}, ["a -> t", "b -> t"], created="now", rpc=None)
    assert caught.value.fix == "give csd_bench_records and csd_bench_seed for all hosts alike"


@pytest.mark.parametrize("spoil", [{"matches": 11}, {"matches_sha256": "cd" * 32}])
def test_a_run_that_differs_from_the_known_answer_is_not_written(tmp_path: Path, spoil: dict[str, Any]) -> None:
    spoilt = copy.deepcopy(result("a -> t"))
    spoilt["measurement"]["runs"][0].update(spoil)
    done = write(tmp_path, spoilt)
    assert done["failed"]
    asked = f"Asked: 10 matches with SHA-256 {DIGEST} at selectivity 0.01 (the known answer). "
    assert f"{asked}Found: baseline of a: " in done["msg"]
    assert "Do: verify the data set (csd_dataset); the report was not written." in done["msg"]
    assert not (tmp_path / "reports").exists()


def test_a_report_that_cannot_be_read(tmp_path: Path) -> None:
    write(tmp_path, result("a -> t"))
    (tmp_path / "reports/latest/report.json").write_text("{half")
    done = write(tmp_path, result("a -> t"))
    assert done["failed"]
    assert done["msg"].startswith(f"Asked: the report {tmp_path}/reports/latest/report.json. Found: ")
    assert "is a link to its folder); the next run writes a new one." in done["msg"]


def test_summary() -> None:
    report = assemble({}, {"a -> t": measurement("a -> t", 0.00002)}, ["a -> t"], created="now", rpc={"ratio": 7.5})
    assert summary(report) == [
        f"Data set: 1000 records, 0.1 MB, SHA-256 {DIGEST[:16]}…",
        "a -> t:",
        "  threshold 1 %: baseline 3.20 GB/s median [3.20-3.20], 10 matches; matches equal the known answer",
        "RPC: one connection is 7.5 x as fast as one process per RPC",
    ]


def test_a_run_that_did_not_measure_rpc_does_not_show_an_earlier_figure() -> None:
    measured = {"a -> t": measurement("a -> t", 0.00002)}
    before = assemble({}, measured, ["a -> t"], created="before", rpc={"ratio": 7.5})
    assert assemble(before, measured, ["a -> t"], created="now", rpc=None)["rpc"] is None


def offload_of(label: str) -> dict[str, Any]:
    """A measurement that has offload too, over a network."""
    found = measurement(label)
    found["runs"].append(found["runs"][0] | {"name": "offload", "wire_bytes_to_host": 700})
    found["runs"][1]["samples"] = [{"seconds": 0.1, "wire_bytes_to_host": 700}]
    found["inputs"]["place"] = {
        "initiator": "spdk",
        "address": "198.18.44.11",
        "service_id": "4420",
        "subsystem_nqn": "nqn.x:node1",
        "nsid": 1,
    }
    found["inputs"]["dataset"] = {"sha256": DIGEST}
    found["left_out"] = {"target_cpu": "the target is another machine (198.18.44.11)"}
    return {"label": label, "changed": True, "measurement": found}


def test_one_report_for_a_fleet_with_a_row_for_each_pair(tmp_path: Path) -> None:
    down = {
        "label": "b -> u",
        "changed": False,
        "measurement": {},
        "unavailable": "Asked: verify. Found: <refused>. Do: look.",
        "place": {"initiator": "spdk", "address": "198.18.44.12", "service_id": "4420"},
    }
    write(tmp_path, offload_of("a -> t"), offload_of("b -> t"), down)
    report = latest(tmp_path)
    assert problems(report) == []
    first, second, third = report["pairs"]
    assert (first["host"], second["host"], third["host"]) == ("a", "b", "b")
    assert (first["address"], first["initiator"], first["dataset_sha256"]) == ("198.18.44.11", "spdk", DIGEST)
    assert first["digests_agree"]
    assert first["baseline"]["matches_sha256"] == first["offload"]["matches_sha256"] == DIGEST
    assert (first["baseline"]["wire_bytes_to_host"], first["offload"]["wire_bytes_to_host"]) == (64100, 700)
    assert first["measured"] == report["created"]
    assert first["left_out"] == {"target_cpu": "the target is another machine (198.18.44.11)"}
    assert third["unavailable"].startswith("Asked: verify")
    assert third["measured"] is None
    page = html(report)
    assert '<section id="pairs">' in page
    assert "&lt;refused&gt;" in page
    assert "Not measured: b -> u" in summary(report)


def test_rows_of_hosts_that_had_no_part_stay_and_of_others_do_not(tmp_path: Path) -> None:
    write(tmp_path, offload_of("a -> t"), offload_of("b -> t"), offload_of("c -> t"))
    old = latest(tmp_path)["created"]
    down = offload_of("a -> t") | {"changed": False, "unavailable": "Asked: x. Found: y. Do: z.", "place": {}}
    write(tmp_path, down, offload_of("d -> t"), absent_hosts=["b"])
    report = latest(tmp_path)
    assert problems(report) == []
    assert [row["host"] for row in report["pairs"]] == ["a", "d", "b"]
    assert [row["measured"] for row in report["pairs"]] == [old, report["created"], old]
    assert [row["left_out"] for row in report["pairs"]] == [offload_of("a -> t")["measurement"]["left_out"]] * 3
    assert report["pairs"][0]["unavailable"] == "Asked: x. Found: y. Do: z."
    assert {run["host"] for run in report["runs"]} == {"a", "b", "d"}


def test_figures_of_an_emulated_processor_are_marked_and_not_compared() -> None:
    """Beside those of a real one, of which they are."""
    made = {}
    for host in ("real", "emulated"):
        label = f"{host} -> t"
        one = measurement(label)
        one["host"]["emulated"] = host == "emulated"
        [baseline] = one["runs"]
        one["runs"].append(
            copy.deepcopy(baseline) | {"name": "offload", "seconds": dict.fromkeys(baseline["seconds"], 0.01)}
        )
        for run in one["runs"]:
            run["samples"] = [{"seconds": 0.1, "wire_bytes_to_host": 64100}]
        one["links"] = [{"host": host, "target": "t", "mbits": 1000, "runs": [], "ratios": [{"program": "threshold"}]}]
        made[label] = one
    report = assemble({}, made, list(made), created="2026-11-22T00:00:00Z", rpc=None)
    assert {name: facts["emulated"] for name, facts in report["hosts"].items()} == {
        "real -> t": False,
        "emulated -> t": True,
    }
    assert {ratio["host"] for ratio in report["ratios"]} == {"real"}
    assert {one["host"] for one in report["headlines"]} == {"real"}
    assert {link["host"]: len(link["ratios"]) for link in report["links"]} == {"real": 1, "emulated": 0}
    said = summary(report)
    at = next(number for number, line in enumerate(said) if line.startswith("emulated -> t:"))
    assert "emulated processor" in said[at]
    assert "the best" not in said[at + 1]
    assert "1.0x the best" in "".join(said[:at])
