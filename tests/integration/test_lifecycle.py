"""The lab on this machine, from the untouched host and back to it, in the order of the tests."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab import REPORT, ROOT, Run, make, playbook

# What only the lab makes. Debian packages stay by design.
TRACES = [
    Path(path)
    for path in [
        "/opt/hello_ebpf",
        "/etc/hello_ebpf",
        "/var/cache/hello_ebpf",
        "/var/lib/hello_ebpf",
        "/var/log/hello_ebpf",
        "/run/hello_ebpf",
        "/etc/systemd/system/csd_target.service",
        "/usr/local/bin/csd",
    ]
]

PROGRAMS = {"threshold", "search", "aggregate", "histogram", "sample", "top"}

# Where a setting outlives a reboot.
SETTINGS = ["/etc/sysctl.d", "/etc/tmpfiles.d", "/etc/modules-load.d", "/etc/systemd/system", "/etc/nvme", "/dev/shm"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """The runs so far, by name; a later test compares with an earlier one's."""
    folder = tmp_path_factory.mktemp("runs")
    # A machine may be reused: what an earlier run left must not decide this one.
    make(folder, "teardown").succeeded()
    UNTOUCHED.update(machine())
    check = make(folder, "lab", "--check --diff")
    assert machine() == UNTOUCHED, "check mode changed the machine"
    return {"check on the untouched host": check}


UNTOUCHED: dict[str, object] = {}


def machine() -> dict[str, object]:
    """Facts that the lab changes, read without the lab's own code."""
    meminfo = Path("/proc/meminfo").read_text().splitlines()
    return {
        "traces": [str(path) for path in TRACES if path.exists()],
        "hugepages": next(line for line in meminfo if line.startswith("HugePages_Total")).split()[1],
        "mounts": sorted(line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()),
        "listens on 4420": _listens(4420),
        "settings": sorted(str(path) for folder in SETTINGS for path in Path(folder).glob("*")),
        "processes": sorted(
            path.read_text().strip()
            for path in Path("/proc").glob("[0-9]*/comm")
            if path.exists() and path.read_text().startswith(("reactor_", "csd_"))
        ),
    }


def _listens(port: int) -> bool:
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return any(line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "0A" for line in lines)


def test_check_mode_runs_through_on_the_untouched_host(runs: dict[str, Run]) -> None:
    check = runs["check on the untouched host"].succeeded()
    assert check.changed, "nothing predicted on an untouched host"
    assert machine()["traces"] == []


def test_the_lab_comes_up(runs: dict[str, Run], tmp_path: Path) -> None:
    begun = time.monotonic()
    run = make(tmp_path, "lab").succeeded()
    print(f"make lab took {time.monotonic() - begun:.1f} s")
    runs["converge"] = run
    assert "WHERE THE TIME WENT" in run.output


def test_check_mode_had_predicted_exactly_the_changes_that_were_made(runs: dict[str, Run]) -> None:
    assert runs["check on the untouched host"].changed == runs["converge"].changed


def test_the_report_holds_a_baseline_that_equals_the_known_answer() -> None:
    report = json.loads(REPORT.read_text())
    baselines = [run for run in report["runs"] if (run["name"], run["program"]) == ("baseline", "threshold")]
    assert {run["selectivity"] for run in baselines} >= {0.001, 0.01, 0.1, 0.5, 1.0}
    for run in baselines:
        assert run["matches"] == round(report["dataset"]["records"] * run["selectivity"])
        assert run["seconds"]["min"] <= run["seconds"]["median"] <= run["seconds"]["max"]


def test_the_offload_selected_what_the_baseline_selected() -> None:
    report = json.loads(REPORT.read_text())
    answers: dict[tuple[str, float], dict[str, tuple[int, str]]] = {}
    for run in report["runs"]:
        answer = run["matches"], run["matches_sha256"]
        answers.setdefault((run["program"], run["selectivity"]), {})[run["name"]] = answer
    assert {program for program, _ in answers} == PROGRAMS
    for what, by_way in answers.items():
        assert set(by_way) == {"baseline", "offload", "slm"}, what
        assert len(set(by_way.values())) == 1, (what, by_way)
    assert {(ratio["program"], ratio["selectivity"]) for ratio in report["ratios"]} >= set(answers)
    assert {entry["program"] for entry in report["engine"]} == PROGRAMS


def test_a_second_run_changes_nothing(runs: dict[str, Run], tmp_path: Path) -> None:
    before = REPORT.resolve(), machine()
    begun = time.monotonic()
    run = make(tmp_path, "lab").succeeded()
    print(f"the second make lab took {time.monotonic() - begun:.1f} s (aim: at most 20 s)")
    assert run.changed == set()
    assert run.recap_changed == 0
    assert (REPORT.resolve(), machine()) == before


def test_a_check_after_it_predicts_nothing(tmp_path: Path) -> None:
    run = make(tmp_path, "lab", "--check --diff").succeeded()
    assert run.changed == set()


def test_independent_tools_see_what_was_asked() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-v", "--hosts=local://", "tests/integration/verify"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout[-6000:]


def test_bench_measures_again_and_keeps_the_old_report(tmp_path: Path) -> None:
    old = REPORT.resolve()
    make(tmp_path, "bench").succeeded()
    assert REPORT.resolve() != old
    assert old.exists()
    report = json.loads(REPORT.read_text())
    assert report["dataset"] == json.loads(old.read_text())["dataset"]


def test_an_edited_program_is_replaced_and_only_then(tmp_path: Path) -> None:
    """A folder `programs` beside the inventory comes before the role's own."""
    inventory = tmp_path / "inventory"
    shutil.copytree(ROOT / "inventory/local", inventory)
    (inventory / "programs").mkdir()
    source = inventory / "programs/threshold.bpf.c"
    shipped = (ROOT / "roles/csd_target/files/programs/threshold.bpf.c").read_text()
    source.write_text(shipped)
    assert playbook(tmp_path, "target", "-i", str(inventory)).succeeded().changed == set()

    before = _active_programs()
    assert ">=" in shipped
    source.write_text(shipped.replace(">=", ">"))
    check = playbook(tmp_path, "target", "-i", str(inventory), "--check", "--diff").succeeded()
    assert _active_programs() == before
    run = playbook(tmp_path, "target", "-i", str(inventory)).succeeded()
    assert run.changed == check.changed
    assert {role for _, role, _ in run.changed} == {"csd_target"}
    edited = _active_programs()
    assert [slot for slot in before if edited[slot] != before[slot]] == [0]
    assert playbook(tmp_path, "target", "-i", str(inventory)).succeeded().changed == set()

    source.write_text("#error this cannot be compiled\n")
    refused = playbook(tmp_path, "target", "-i", str(inventory))
    assert refused.code != 0
    assert "this cannot be compiled" in refused.output
    assert _active_programs() == edited

    playbook(tmp_path, "target", "-i", "inventory/local").succeeded()
    assert _active_programs() == before


def _active_programs() -> dict[int, str]:
    """Slot to digest, as the host sees them."""
    said = subprocess.run(["csd", "list", "--json"], stdout=subprocess.PIPE, check=True, text=True).stdout
    [compute] = json.loads(said)["compute"]
    return {program["pind"]: program["sha256"] for program in compute["programs"] if program["state"] == "active"}


def test_a_killed_target_is_back_with_its_objects(tmp_path: Path) -> None:
    """Kill -9: the supervisor starts it again, and it loads the configuration that was saved."""
    programs = _active_programs()
    pid = _target_pid()
    subprocess.run(["kill", "-9", str(pid)], check=True)
    deadline = time.monotonic() + 30
    while not _listens(4420) or _target_pid() in {0, pid}:
        assert time.monotonic() < deadline, "the target did not come back within 30 s"
        time.sleep(0.1)
    assert _active_programs() == programs
    # A malloc bdev's data are gone with the process: the data set is written again, nothing else changes.
    run = make(tmp_path, "lab").succeeded()
    assert {role for _, role, _ in run.changed} <= {"csd_bench"}, run.changed
    assert make(tmp_path, "lab").succeeded().changed == set()


def _target_pid() -> int:
    for path in Path("/proc").glob("[0-9]*/comm"):
        if path.exists() and path.read_text() == "reactor_0\n":
            return int(path.parent.name)
    return 0


def test_teardown_leaves_nothing(tmp_path: Path) -> None:
    make(tmp_path, "teardown").succeeded()
    assert machine() == UNTOUCHED
    assert UNTOUCHED["traces"] == []


def test_a_second_teardown_changes_nothing(tmp_path: Path) -> None:
    run = make(tmp_path, "teardown").succeeded()
    assert run.changed == set()
    assert run.recap_changed == 0
