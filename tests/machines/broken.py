#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Tests of the tests: variables of the roles are set wrongly, and whoever ought to notice has to. See cases.py.

    broken.py                      all cases of all scenarios
    broken.py default [CASE...]    those of one scenario (default, fleet, vm, fresh)
    broken.py --list

A scenario's machines are made once for all its cases, and the lab brought up as it should be. All tests that its cases
name pass there. Then each case plays again what its variables concern: its own test has to fail, and no other one. What
fails in the scenario is thereby what was broken. One case of each scenario runs the scenario itself.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fresh import container as machine
from fresh import run as fresh
from machines import engines, images, scenario, turns
from machines.cases import CASES, Case, Noticed, Refused, Whole
from machines.console import ROOT, MachineError, say, step

FOLDER = ROOT / "build/break"
#: Nothing stays of the case before.
PURGED = ("-e", json.dumps({"csd_target_purge": True}))
#: What takes away what a playbook made.
ABSENT = {"target": "csd_target_state=absent", "initiator": "nvme_tcp_state=absent"}


@dataclass(frozen=True)
class Lab:
    """A lab that runs as it should.

    Attributes:
        playbook: the beginning of a command that plays a book on it; the book and its arguments follow.
        pytest: the beginning of a command that tests it; the tests follow.
        env: their environment.
        put: brings a file to where they run; its path there.
    """

    playbook: tuple[str, ...]
    pytest: tuple[str, ...]
    env: dict[str, str]
    put: Callable[[Path], str] = str

    def run(self, log: Path, *command: str) -> tuple[int, str]:
        """Run a command; its exit code and what it said, which is added to the log as well."""
        said, code, begun = [f"$ {' '.join(command)}"], 1, time.monotonic()

        def overdue(now: float) -> bool:
            return now - begun > scenario.STEP_SECONDS

        for line, now in scenario.stream(list(command), self.env, overdue=overdue):
            if line is None:
                code = int(now)
            else:
                said.append(line)
        text = "\n".join(said)
        with log.open("a") as file:
            file.write(f"{text}\n")
        return code, text

    def play(self, log: Path, book: str, *words: str) -> tuple[int, str]:
        """Play a playbook of the project."""
        path = f"{book}.yml" if book == "site" else f"playbooks/{book}.yml"
        return self.run(log, *self.playbook, path, *words)

    def failures(self, log: Path, tests: Sequence[str]) -> set[str]:
        """Which of these tests fail.

        Raises:
            MachineError: they have not run: that proves nothing.
        """
        code, said = self.run(log, *self.pytest, "-rf", *tests)
        summary = said.rpartition("short test summary info")[2] if code else ""
        failed = set(re.findall(r"^FAILED (\S+?::\w+)", summary, re.MULTILINE))
        if code not in (0, 1) or bool(code) != bool(failed) or re.search("^ERROR ", summary, re.MULTILINE):
            raise MachineError(f"a run of {', '.join(tests)}", f"pytest ended with {code}, not by a test", f"see {log}")
        return failed


def joined(text: str) -> str:
    """Text without its line ends, which Ansible sets where it likes."""
    return " ".join(text.split())


def whole(case: Whole, log: Path, variables: Path) -> str | None:
    """Run a scenario that is broken; what is wrong with how it ended."""
    program = ["tests/fresh/run.py"] if case.scenario == "fresh" else ["tests/machines/scenario.py", case.scenario]
    lab = Lab((), (), {**os.environ, "HELLO_EBPF_BREAK": str(variables)})
    code, said = lab.run(log, sys.executable, *program)
    if code == 0:
        return "NOT NOTICED: the scenario passed"
    if f"FAILED at {case.step}" not in said:
        return f'failed, but not at "{case.step}"'
    return None if re.search(case.says, joined(said)) else f'failed at "{case.step}", but not with "{case.says}"'


def refused(lab: Lab, case: Refused, log: Path, variables: Path) -> str | None:
    """Ask a lab for what it has to refuse; what is wrong with how it did."""
    code, said = lab.play(log, "site", "--check", "-e", f"@{lab.put(variables)}")
    if code == 0:
        return "NOT NOTICED: site.yml did not refuse it"
    return None if re.search(case.says, joined(said)) else f'refused, but not with "{case.says}"'


def noticed(lab: Lab, case: Noticed, tests: Sequence[str], log: Path, variables: Path) -> str | None:
    """Break a lab; what is wrong with how its tests took it."""
    for book in [book for book in reversed(case.books) if book in ABSENT] if case.anew else ():
        if lab.play(log, book, "-e", ABSENT[book])[0]:
            return f"not broken: {book}.yml did not take away what it had made"
    for book in case.books:
        if lab.play(log, book, *PURGED, "-e", f"@{lab.put(variables)}")[0]:
            return f"not broken: {book}.yml failed"
    failed = lab.failures(log, tests)
    if case.test not in failed:
        return f"NOT NOTICED: {case.test} passed"
    others = failed - {case.test}
    return f"noticed by others too: {', '.join(sorted(others))}" if others else None


# ---- labs


@contextlib.contextmanager
def of_molecule(name: str) -> Iterator[Lab]:
    """The machines of a molecule scenario."""
    asked = scenario.Scenario(name, "12")
    scenario.molecule_environment()
    with asked.ready():
        code, _ = asked.molecule("converge", quiet=True)
        inventory = asked.inventory()
        if code or inventory is None:
            raise MachineError(f"the lab of {name} as it should be", f"converge ended with {code}", "mend that first")
        programs = scenario.ENVIRONMENT / "bin"
        yield Lab(
            (str(programs / "ansible-playbook"), "-i", str(inventory)),
            (str(programs / "pytest"), "-v", "--connection=ansible", f"--ansible-inventory={inventory}"),
            asked.beside(inventory, "broken"),
        )


@contextlib.contextmanager
def of_fresh() -> Iterator[Lab]:
    """The machine on which README's first command was run."""
    with turns.held("fresh"), engines.docker(release="fresh"), engines.hugepages(fresh.HUGEPAGE_MEGABYTES):
        machine.clear_leftovers()
        with machine.started(fresh.NAME, images.image("fresh", "12")) as container:
            fresh.clone(container)
            for command in ("make lab", "make .venv/.test"):
                with step(command):
                    fresh.succeeded(command, container.run(command, folder=fresh.CLONE))

            def put(file: Path) -> str:
                container.put(file, fresh.BROKEN)
                return fresh.BROKEN

            inside = ("docker", "exec", "-w", fresh.CLONE, container.name)
            yield Lab(
                (*inside, ".venv/bin/ansible-playbook", "-i", "inventory/local"),
                (*inside, ".venv/bin/pytest", "-v", "--hosts=local://"),
                dict(os.environ),
                put,
            )


def lab_of(name: str) -> AbstractContextManager[Lab]:
    """The lab of a scenario."""
    return of_fresh() if name == "fresh" else of_molecule(name)


# ---- the run


class Tally:
    """What became of the cases."""

    def __init__(self) -> None:
        self.tried = 0
        self.unnoticed = 0

    def take(self, case: Case, attempt: Callable[[Path, Path], str | None]) -> None:
        """Try a case, and tell how it went.

        Args:
            case: which.
            attempt: tries it, given a log and the file of its variables; returns what is wrong, if anything is.
        """
        FOLDER.mkdir(parents=True, exist_ok=True)
        base = FOLDER / f"{case.scenario}-{case.name}"
        log, variables = base.with_suffix(".log"), base.with_suffix(".yml")
        log.write_text("")
        # JSON is YAML too.
        variables.write_text(json.dumps(case.variables))
        begun = time.monotonic()
        try:
            wrong = attempt(log, variables)
        except MachineError as error:
            wrong = str(error)
        self.tried += 1
        self.unnoticed += wrong is not None
        verdict = "noticed" if wrong is None else f"{wrong}; see {log.relative_to(ROOT)}"
        print(f"{case.scenario}, {case.name} broken: {verdict} ({time.monotonic() - begun:.0f} s)", flush=True)


def session(name: str, cases: Sequence[Refused | Noticed], tally: Tally) -> None:
    """The cases of a scenario that share its lab."""
    tests = sorted({case.test for case in cases if isinstance(case, Noticed)})
    begun = time.monotonic()
    with lab_of(name) as lab:
        FOLDER.mkdir(parents=True, exist_ok=True)
        log = FOLDER / f"{name}.log"
        log.write_text("")
        if tests and (failed := lab.failures(log, tests)):
            found = f"as it should be, it fails {', '.join(sorted(failed))}"
            raise MachineError(f"a lab of {name} whose tests pass before anything is broken", found, f"see {log}")
        print(f"{name}, nothing broken: {len(tests)} tests pass ({time.monotonic() - begun:.0f} s)", flush=True)
        for case in cases:
            if isinstance(case, Refused):
                tally.take(case, partial(refused, lab, case))
            else:
                tally.take(case, partial(noticed, lab, case, tests))


def run(cases: Sequence[Case]) -> int:
    """Try cases, scenario by scenario; 0 where all were noticed."""
    tally = Tally()
    os.environ.pop("HELLO_EBPF_BREAK", None)
    for name in dict.fromkeys(case.scenario for case in cases):
        mine = [case for case in cases if case.scenario == name]
        for case in (case for case in mine if isinstance(case, Whole)):
            tally.take(case, partial(whole, case))
        shared = [case for case in mine if not isinstance(case, Whole)]
        if shared:
            tried = tally.tried
            try:
                session(name, shared, tally)
            except MachineError as error:
                missed = len(shared) - (tally.tried - tried)
                tally.tried += missed
                tally.unnoticed += missed
                print(f"{name}, {missed} cases not tried: {error}", flush=True)
    print(f"{tally.tried - tally.unnoticed} passed, {tally.unnoticed} failed", flush=True)
    return 1 if tally.unnoticed else 0


def told(case: Case) -> str:
    """What a case demands, in a line."""
    if isinstance(case, Whole):
        demand = f'the scenario fails at "{case.step}" with "{case.says}"'
    elif isinstance(case, Refused):
        demand = f'site.yml refuses it with "{case.says}"'
    else:
        demand = f"{case.test} fails after {', '.join(case.books)}"
    return f"{case.scenario:8} {case.name:10} {demand}"


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenario", nargs="?", choices=sorted({case.scenario for case in CASES}))
    parser.add_argument("cases", nargs="*", metavar="CASE")
    parser.add_argument("--list", action="store_true", help="say what there is, and what each demands")
    asked = parser.parse_args()
    of_scenario = [case for case in CASES if asked.scenario in (None, case.scenario)]
    unknown = set(asked.cases) - {case.name for case in of_scenario}
    if unknown:
        parser.error(f"{asked.scenario} has no case {', '.join(sorted(unknown))}: tests/break.sh --list")
    chosen = [case for case in of_scenario if not asked.cases or case.name in asked.cases]
    if asked.list:
        print("\n".join(map(told, chosen)))
        return 0
    engines.end_like_interrupts()
    try:
        return run(chosen)
    except KeyboardInterrupt:
        say("interrupted; what it had started is put away")
        return 130


if __name__ == "__main__":
    sys.exit(main())
