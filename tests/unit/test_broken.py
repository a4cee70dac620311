"""tests/break.sh: what its cases name is there, and only what it demands counts as noticed."""

from __future__ import annotations

import ast
import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from machines import broken, engines, images, scenario, turns
from machines.cases import CASES, Case, Noticed, Refused, Whole, subsystem
from machines.console import ROOT, MachineError
from machines.scenario import SCENARIOS, Course, Scenario

NOTICED = [case for case in CASES if isinstance(case, Noticed)]
WHOLE = [case for case in CASES if isinstance(case, Whole)]


def name_of(case: Case) -> str:
    return f"{case.scenario}-{case.name}"


def sequence(name: str) -> list[str]:
    steps: list[str] = yaml.safe_load((ROOT / f"molecule/{name}/molecule.yml").read_text())["scenario"]["test_sequence"]
    return steps


def verified(scenario: str) -> set[Path]:
    """The test files that a scenario runs, as they are called."""
    if scenario == "fresh":
        run = (ROOT / "tests/integration/test_lifecycle.py").read_text()
        return (
            set((ROOT / "tests/integration/verify").glob("test_*.py"))
            if '"tests/integration/verify"]' in run
            else set()
        )
    folder = ROOT / "molecule" / scenario
    words = [step.split() for step in sequence(scenario)]
    folders = [folder / name for word, *names in words if word == "verify" for name in names or ["tests"]]
    return {Path(*path.parent.resolve().parts, path.name) for each in folders for path in each.rglob("test_*.py")}


@cache
def declared(scenario: str) -> frozenset[str]:
    """Variables of the roles, and of the scenario's own inventory."""
    names: set[str] = set()
    for path in ROOT.glob("roles/*/meta/argument_specs.yml"):
        names |= set(yaml.safe_load(path.read_text())["argument_specs"]["main"]["options"])
    for path in ROOT.glob(f"molecule/{scenario}/*_vars/*.yml"):
        names |= set(yaml.safe_load(path.read_text()))
    return frozenset(names)


def test_the_list_is_of_all_cases_and_each_has_a_name_of_its_own() -> None:
    said = subprocess.run(["tests/break.sh", "--list"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert [line.split()[:2] for line in said.splitlines()] == [[case.scenario, case.name] for case in CASES]
    assert len({name_of(case) for case in CASES}) == len(CASES)
    assert {case.scenario for case in WHOLE} == {case.scenario for case in CASES} == {*SCENARIOS, "fresh"}


@pytest.mark.parametrize("case", NOTICED, ids=name_of)
def test_the_test_that_has_to_fail_is_one_of_the_scenarios(case: Noticed) -> None:
    path, _, function = case.test.partition("::")
    assert ROOT / path in verified(case.scenario)
    functions = [node.name for node in ast.parse((ROOT / path).read_text()).body if isinstance(node, ast.FunctionDef)]
    assert function in functions


@pytest.mark.parametrize("case", NOTICED, ids=name_of)
def test_what_is_played_is_there(case: Noticed) -> None:
    roles = (ROOT / "playbooks/initiator.yml").read_text() + (ROOT / "playbooks/target.yml").read_text()
    for book in case.books:
        assert (ROOT / f"playbooks/{book}.yml").is_file()
    for taken in broken.ABSENT.keys() & case.books:
        assert f"role: {broken.ABSENT[taken].partition('_state=absent')[0]}" in roles


@pytest.mark.parametrize("case", WHOLE, ids=name_of)
def test_the_step_that_has_to_fail_is_one_of_the_scenarios(case: Whole) -> None:
    if case.scenario == "fresh":
        assert f'succeeded("{case.step}"' in (ROOT / "tests/fresh/run.py").read_text()
    else:
        assert case.step in sequence(case.scenario)


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_variables_are_there_unless_they_are_misspelt(case: Case) -> None:
    assert case.variables
    unknown = set(case.variables) - declared(case.scenario)
    assert unknown == ({"csd_target_programz"} if case.name == "misspelt" else set())


def test_the_drive_is_the_declared_one_but_for_what_is_wrong() -> None:
    defaults = yaml.safe_load((ROOT / "roles/csd_target/defaults/main.yml").read_text())
    assert subsystem() == {"csd_target_subsystems": defaults["csd_target_subsystems"]}


def test_those_that_begin_anew_come_last() -> None:
    """The others would find what those left."""
    for name in (*SCENARIOS, "fresh"):
        anew = [case.anew for case in NOTICED if case.scenario == name]
        assert anew == sorted(anew)


def test_test_all_breaks_them() -> None:
    recipe = (ROOT / "Makefile").read_text().partition("\ntest-all: test")[2].partition("\n\n")[0]
    assert "test-broken" in recipe


# ---- what counts

TEST, OTHER = "tests/test_a.py::test_it", "tests/test_a.py::test_other"
CASE = Noticed("default", "x", {"a": 1}, TEST)


def lab(
    folder: Path, *, plays: int = 0, fails: Sequence[str] = (), code: int | None = None, says: str = ""
) -> broken.Lab:
    """A lab whose playbooks end with a code, and in which tests fail."""
    summary = "".join(f"FAILED {test}[a b] - AssertionError\\n" for test in fails)
    ended = code if code is not None else int(bool(fails))
    pytest = f"printf '== short test summary info ==\\n{summary}'; exit {ended}"
    play = f'echo "$@" >>{folder}/played; echo "{says}"; exit {plays}'
    return broken.Lab(("sh", "-c", play, "play"), ("sh", "-c", pytest, "pytest"), {"PATH": "/usr/bin:/bin"})


def verdict(folder: Path, case: Noticed = CASE, **how: Any) -> str | None:
    variables = folder / "x.yml"
    return broken.noticed(lab(folder, **how), case, [OTHER, TEST], folder / "log", variables)


def test_the_cases_own_test_alone_counts(tmp_path: Path) -> None:
    assert verdict(tmp_path, fails=[TEST]) is None
    assert verdict(tmp_path, fails=[]) == f"NOT NOTICED: {TEST} passed"
    assert verdict(tmp_path, fails=[OTHER]) == f"NOT NOTICED: {TEST} passed"
    assert verdict(tmp_path, fails=[TEST, OTHER]) == f"noticed by others too: {OTHER}"


def test_what_was_not_broken_proves_nothing(tmp_path: Path) -> None:
    assert verdict(tmp_path, fails=[TEST], plays=2) == "not broken: target.yml failed"


@pytest.mark.parametrize(("fails", "code"), [([TEST], 2), ([], 1), ([], 4)])
def test_a_run_of_tests_that_broke_off_proves_nothing(tmp_path: Path, fails: list[str], code: int) -> None:
    with pytest.raises(MachineError, match=rf"pytest ended with {code}"):
        verdict(tmp_path, fails=fails, code=code)


def test_what_begins_anew_is_taken_away_first(tmp_path: Path) -> None:
    case = Noticed("vm", "x", {"a": 1}, TEST, books=("build", "target", "initiator"), anew=True)
    assert verdict(tmp_path, case, fails=[TEST]) is None
    played = [line.split() for line in (tmp_path / "played").read_text().splitlines()]
    books = ["initiator", "target", "build", "target", "initiator"]
    assert [words[0] for words in played] == [f"playbooks/{book}.yml" for book in books]
    assert [words[-1] for words in played] == [
        "nvme_tcp_state=absent",
        "csd_target_state=absent",
        *[f"@{tmp_path}/x.yml"] * 3,
    ]


@pytest.mark.parametrize(
    ("plays", "says", "wrong"),
    [
        (2, "Asked: a\n  core. Found: none", None),
        (0, "Asked: a core. Found: none", "NOT NOTICED: site.yml did not refuse it"),
        (2, "no route to host", 'refused, but not with "Asked: a core"'),
    ],
)
def test_a_refusal_counts_by_its_words(tmp_path: Path, plays: int, says: str, wrong: str | None) -> None:
    case = Refused("default", "x", {"a": 1}, "Asked: a core")
    found = broken.refused(lab(tmp_path, plays=plays, says=says), case, tmp_path / "log", tmp_path / "x.yml")
    assert found == wrong


def scenario_that(folder: Path, monkeypatch: pytest.MonkeyPatch, says: str, code: int) -> str | None:
    """The verdict of a scenario that says something and ends with a code."""
    (folder / "tests/machines").mkdir(parents=True)
    text = f"import os, sys\nprint({says!r}, open(os.environ['HELLO_EBPF_BREAK']).read())\nsys.exit({code})\n"
    (folder / "tests/machines/scenario.py").write_text(text)
    (folder / "x.yml").write_text("{}")
    monkeypatch.setattr("machines.scenario.ROOT", folder)
    return broken.whole(Whole("default", "x", {"a": 1}, "check", "no such"), folder / "log", folder / "x.yml")


@pytest.mark.parametrize(
    ("says", "code", "wrong"),
    [
        ("no\nsuch thing\nFAILED at check", 1, None),
        ("no such thing\nFAILED at check", 0, "NOT NOTICED: the scenario passed"),
        ("no such thing\nFAILED at create", 1, 'failed, but not at "check"'),
        ("nothing\nFAILED at check", 1, 'failed at "check", but not with "no such"'),
    ],
)
def test_a_scenario_counts_by_its_step_and_its_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, code: int, wrong: str | None
) -> None:
    assert scenario_that(tmp_path, monkeypatch, says, code) == wrong


def outcome(folder: Path, monkeypatch: pytest.MonkeyPatch, *, fails: Sequence[str]) -> int:
    """The exit code of a run of one case, in a lab that has these failures from the beginning."""

    @contextlib.contextmanager
    def lab_of(_name: str) -> Iterator[broken.Lab]:
        yield lab(folder, fails=fails)

    monkeypatch.setattr(broken, "lab_of", lab_of)
    monkeypatch.setattr(broken, "FOLDER", folder)
    monkeypatch.setattr(broken, "ROOT", folder)
    return broken.run([CASE])


def test_a_lab_that_fails_before_it_is_broken_fails_all_its_cases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert outcome(tmp_path, monkeypatch, fails=[TEST]) == 1
    said = capsys.readouterr().out
    assert re.search(rf"default, 1 cases not tried: .*as it should be, it fails {re.escape(TEST)}", said)
    assert said.endswith("0 passed, 1 failed\n")


def test_a_case_that_nobody_notices_fails_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert outcome(tmp_path, monkeypatch, fails=[]) == 1
    said = capsys.readouterr().out
    assert f"default, x broken: NOT NOTICED: {TEST} passed; see default-x.log" in said
    assert (tmp_path / "default-x.yml").read_text() == '{"a": 1}'


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What molecule is asked for, with doubles of all that it needs; it makes an inventory."""
    asked: list[tuple[str, ...]] = []

    def molecule(self: Scenario, *words: str, quiet: bool = False) -> tuple[int, Course]:
        assert "HELLO_EBPF_BREAK" not in os.environ
        asked.append(words)
        (self.build / "ansible/tmp/molecule.ab12.default/inventory").mkdir(parents=True, exist_ok=True)
        return 0, Course(self.label)

    @contextlib.contextmanager
    def nothing(*_: Any, **__: Any) -> Iterator[dict[str, str]]:
        yield {"DOCKER_HOST": "unix:///there"}

    monkeypatch.setattr(scenario, "ROOT", tmp_path)
    monkeypatch.setattr(scenario, "molecule_environment", lambda: None)
    monkeypatch.setattr(Scenario, "molecule", molecule)
    monkeypatch.setattr(Scenario, "make_machines", lambda _self: None)
    monkeypatch.setattr(images, "docker_name", lambda _kind, _release: "name")
    monkeypatch.setattr(turns, "held", nothing)
    for engine in ("docker", "hugepages"):
        monkeypatch.setattr(engines, engine, nothing)
    monkeypatch.setattr(engines, "end_marked", lambda _mark: None)
    return asked


def test_the_machines_of_a_scenario_are_there_for_its_cases_and_gone_afterwards(made: list[tuple[str, ...]]) -> None:
    with broken.of_molecule("default") as lab:
        assert made == [("destroy",), ("converge",)]
        assert lab.playbook[-1].endswith("/build/default/ansible/tmp/molecule.ab12.default/inventory")
        assert lab.pytest[-1] == f"--ansible-inventory={lab.playbook[-1]}"
        # What is broken on purpose is no claim, and the record of the scenario stays.
        assert (lab.env["HELLO_EBPF_CLAIMS"], lab.env["DOCKER_HOST"]) == ("", "unix:///there")
        assert lab.env["LAB_RUN_FILE"].endswith("/build/default/broken.jsonl")
    assert made[2:] == [("destroy",)]


def test_the_machines_go_whatever_happens(made: list[tuple[str, ...]]) -> None:
    with pytest.raises(MachineError), broken.of_molecule("default"):
        raise MachineError("a", "b", "c")
    assert made[-1] == ("destroy",)


def test_an_unknown_case_is_refused() -> None:
    command = [sys.executable, "tests/machines/broken.py", "default", "pages"]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert "default has no case pages: tests/break.sh --list" in done.stderr
