"""The lab that README's first command brought up on a fresh machine, and back to the untouched host; in this order."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml
from ansible.module_utils.hello_ebpf.jsonrpc import Client

from commit import commit, turn
from foreign import Foreign, left_in_our_folders
from lab import QUICK, REPORT, ROOT, Run, ended, make, playbook
from machine import listens, machine, processes
from waiting import until

PROGRAMS = {"threshold", "search", "aggregate", "histogram", "sample", "top"}

BEGAN = Path(os.environ.get("HELLO_EBPF_BEGAN", "/nowhere"))


def before(record: str) -> Run:
    """One of the runs that tests/fresh/run.py saw succeed on a fresh machine."""
    return Run(0, "", ended(BEGAN / record))


# Tags whose tasks use what those of other tags find out.
USERS = ["install", "measure", "programs", "service"]
CHECK = "check.jsonl"
CONVERGE = "lab.jsonl"


def untouched() -> dict[str, object]:
    """The machine, as it was seen before its first command."""
    found: dict[str, object] = json.loads((BEGAN / "untouched.json").read_text())
    return found


def test_check_mode_ran_through_on_an_untouched_host() -> None:
    """Check mode runs through on an untouched machine, and predicts changes."""
    assert untouched()["traces"] == []
    assert before(CHECK).changed, "nothing predicted on an untouched host"


def test_check_mode_had_predicted_exactly_the_changes_that_were_made() -> None:
    """What check mode predicted there is exactly what README's first command changed on a machine of the same kind."""
    assert before(CHECK).changed == before(CONVERGE).changed


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
    assert {entry["program"] for entry in report["engine"]} >= PROGRAMS | {"grep", "tpch_q1"}
    assert {entry["program"] for entry in report["compile"]} == {entry["program"] for entry in report["engine"]}


def test_a_second_run_changes_nothing(tmp_path: Path) -> None:
    seen = REPORT.resolve(), machine()
    begun = time.monotonic()
    run = make(tmp_path, "lab").succeeded()
    print(f"the second make lab took {time.monotonic() - begun:.1f} s (aim: at most 20 s)")
    assert run.changed == set()
    assert run.recap_changed == 0
    assert (REPORT.resolve(), machine()) == seen


def _specified() -> dict[str, dict[str, Any]]:
    """The variables of all roles, as their argument specifications have them."""
    paths = (ROOT / "roles").glob("*/meta/argument_specs.yml")
    specifications = [yaml.safe_load(path.read_text())["argument_specs"]["main"]["options"] for path in paths]
    return {name: option for options in specifications for name, option in options.items()}


def _booleans() -> str:
    """Each boolean's own default as a string, as -e gives it: with these a run has nothing to do."""
    words = {True: "yes", False: "no"}
    # A default that is a template is true on a machine that plays every part; that of null stays unset.
    given = {
        name: words.get(option["default"], "true")
        for name, option in _specified().items()
        if option["type"] == "bool" and option["default"] is not None
    }
    assert len(given) > 15
    return f"-e '{json.dumps(given)}'"


def test_a_check_after_it_predicts_nothing(tmp_path: Path) -> None:
    """Also with booleans as strings."""
    run = make(tmp_path, "lab", f"--check --diff {_booleans()}").succeeded()
    assert run.changed == set()


def _tags() -> list[str]:
    """Every tag that a role's tasks offer."""
    files = [path.read_text() for path in (ROOT / "roles").glob("*/tasks/*.yml")]
    found = {tag for text in files for tags in re.findall(r"tags: \[(.*)\]", text) for tag in tags.split(", ")}
    return sorted(found - {"always"})


def _dealt(tags: list[str]) -> list[str]:
    """One of those that use what others find out, and one of the rest; which ones, the commit decides."""
    of = turn(commit(), "tag")
    rest = [tag for tag in tags if tag not in USERS]
    return [USERS[of % len(USERS)], rest[of % len(rest)]]


def test_every_tag_alone_changes_nothing(tmp_path: Path) -> None:
    """One run for each tag: for two of them, in time for each; for all of them, some 20, in `make test-all`.

    Booleans come as strings.
    """
    tags = _tags()
    assert set(USERS) <= set(tags)
    for tag in tags if os.environ.get("HELLO_EBPF_ALL") else _dealt(tags):
        begun = time.monotonic()
        run = make(tmp_path, "lab", f"--tags {tag} {_booleans()}").succeeded()
        assert run.changed == set(), tag
        print(f"--tags {tag}: {time.monotonic() - begun:.1f} s")


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
    make(tmp_path, "bench", QUICK).succeeded()
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
    shipped = (ROOT / "src/programs/threshold.bpf.c").read_text()
    source.write_text(shipped)
    assert playbook(tmp_path, "target", "-i", str(inventory)).succeeded().changed == set()

    shown = _active_programs()
    assert ">=" in shipped
    source.write_text(shipped.replace(">=", ">"))
    check = playbook(tmp_path, "target", "-i", str(inventory), "--check", "--diff").succeeded()
    assert _active_programs() == shown
    run = playbook(tmp_path, "target", "-i", str(inventory)).succeeded()
    assert run.changed == check.changed
    assert {role for _, role, _ in run.changed} == {"csd_target"}
    edited = _active_programs()
    assert [slot for slot in shown if edited[slot] != shown[slot]] == [0]
    assert playbook(tmp_path, "target", "-i", str(inventory)).succeeded().changed == set()

    source.write_text("#error this cannot be compiled\n")
    refused = playbook(tmp_path, "target", "-i", str(inventory))
    assert refused.code != 0
    assert "this cannot be compiled" in refused.output
    assert _active_programs() == edited

    playbook(tmp_path, "target", "-i", "inventory/local").succeeded()
    assert _active_programs() == shown


def _active_programs() -> dict[int, str]:
    """Slot to digest, as the host sees them."""
    said = subprocess.run(["csd", "list", "--json"], stdout=subprocess.PIPE, check=True, text=True).stdout
    [compute] = json.loads(said)["compute"]
    return {program["pind"]: program["sha256"] for program in compute["programs"] if program["state"] == "active"}


def test_a_killed_target_is_back_with_its_objects(tmp_path: Path) -> None:
    """Kill -9: the supervisor starts it again, and it loads the configuration that was saved."""
    programs = _active_programs()
    pid = _target_pid()
    os.kill(pid, signal.SIGKILL)
    until("the target is back", lambda: listens(4420) and _target_pid() not in {0, pid})
    assert _active_programs() == programs
    # A malloc bdev's data are gone with the process: the data set is written again, nothing else changes.
    run = make(tmp_path, "lab", QUICK).succeeded()
    assert {role for _, role, _ in run.changed} <= {"csd_bench"}, run.changed
    assert make(tmp_path, "lab", QUICK).succeeded().changed == set()


def _target_pid() -> int:
    return next((pid for pid, name in processes().items() if name == "reactor_0"), 0)


FOREIGN = Foreign()


def test_a_socket_in_a_folder_of_everybody_is_refused_and_the_folder_stays(tmp_path: Path) -> None:
    """SPDK's default, /var/tmp/spdk.sock, is refused with its reason; a teardown with it leaves /var/tmp as it was."""
    folder = Path("/var/tmp")
    before = folder.stat(), sorted(folder.iterdir()), machine()
    asked = ("-i", "inventory/local", "-e", "csd_target_rpc_socket=/var/tmp/spdk.sock")
    for name in ("places", "target"):
        refused = playbook(tmp_path, name, *asked)
        assert refused.code != 0
        assert "Asked: the RPC socket /var/tmp/spdk.sock. Found: the folder /var/tmp is not the lab's" in refused.output
        assert refused.changed == set()
    status, names, lab = before
    assert (folder.stat().st_mode, folder.stat().st_uid, sorted(folder.iterdir())) == (
        status.st_mode,
        status.st_uid,
        names,
    )
    assert machine() == lab


def test_a_foreign_bdev_keeps_the_target_from_being_stopped(tmp_path: Path) -> None:
    """A teardown does not stop a target that serves what was not declared: it names it, and the bdev stays."""
    # From here on: this teardown takes down what comes before the target.
    FOREIGN.put()
    with Client("/run/hello_ebpf/spdk.sock") as client:
        client.call("bdev_malloc_create", {"name": "theirs", "num_blocks": 2048, "block_size": 512})
    refused = make(tmp_path, "teardown")
    assert refused.code != 0
    assert "it serves what this inventory did not declare: " in refused.output
    with Client("/run/hello_ebpf/spdk.sock") as client:
        assert [bdev["name"] for bdev in client.call("bdev_get_bdevs")] == ["theirs"]
        client.call("bdev_malloc_delete", {"name": "theirs"})


def test_teardown_leaves_nothing_and_takes_nothing_of_others(tmp_path: Path) -> None:
    """Foreign files, units, sockets, mounts and packages beside, inside and in the place of the lab's survive."""
    before = FOREIGN.seen()
    run = make(tmp_path, "teardown").succeeded()
    assert FOREIGN.seen() == before
    assert left_in_our_folders() <= FOREIGN.paths()
    assert "Not made by the lab, or kept for its data: " in run.output
    assert machine()["processes"] == untouched()["processes"]


def test_a_second_teardown_changes_nothing(tmp_path: Path) -> None:
    """The second teardown changes nothing, and takes nothing of others either."""
    before = FOREIGN.seen()
    run = make(tmp_path, "teardown").succeeded()
    assert run.changed == set()
    assert run.recap_changed == 0
    assert FOREIGN.seen() == before
    assert left_in_our_folders() <= FOREIGN.paths()


def test_what_lies_in_the_place_of_ours_is_refused_before_anything_is_changed(tmp_path: Path) -> None:
    """Another program at /usr/local/bin/csd, a file in the target's run folder or cache, stop a run at its start."""
    before = FOREIGN.seen()
    for name in ("places", "../site"):
        refused = playbook(tmp_path, name, "-i", "inventory/local")
        assert refused.code != 0
        assert "Found: the folder /run/hello_ebpf is not the lab's" in refused.output
        assert refused.changed == set()
    # Each asks for one place less that is taken.
    free: tuple[str, ...] = ()
    for less, words in (
        (
            "csd_target_rpc_socket=/run/hello_ebpf_2/spdk.sock",
            "Asked: /var/cache/hello_ebpf/csd_target for csd_target.",
        ),
        # It compiles no programs, so it has no cache.
        (
            "csd_target_program=/opt/hello_ebpf/spdk/current/bin/nvmf_tgt",
            "Asked: a link /usr/local/bin/csd to /opt/hello_ebpf/csd_host/bin/csd.",
        ),
    ):
        free += ("-e", less)
        refused = playbook(tmp_path, "places", "-i", "inventory/local", *free)
        assert refused.code != 0
        assert words in refused.output
        assert refused.changed == set()
    assert FOREIGN.seen() == before


def test_without_them_the_machine_is_as_untouched() -> None:
    """Nothing of the lab is left, once what was foreign is taken away."""
    FOREIGN.take()
    assert machine() == untouched()
