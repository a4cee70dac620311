#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Run a molecule scenario from nothing: engines, images, molecule, and the list of what was proved.

    scenario.py default             scenario.py fleet             scenario.py vm --release 13

    --keep      (or KEEP=1) leave the machines for a look; it is said how to get in
    --destroy   clean up what --keep left

Where a scenario fails, molecule/<scenario>/failure.yml is played against its machines, to show what they have to say,
before they are destroyed.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from machines import apt, engines, images, turns
from machines.console import ROOT, MachineError, output, say, step

ENVIRONMENT = ROOT / ".venv-molecule"
QUIET_SECONDS = 60
#: The ceiling of a step; the longest, fleet's verify, takes a third of it on a machine with nothing else to do.
STEP_SECONDS = 2400
#: How long molecule and its children may take to end when they are interrupted.
END_SECONDS = 30

BEGUN = re.compile(r"\[\S+ > (?P<step>[\w-]+)\] Executing$")
ENDED = re.compile(r"\[\S+ > (?P<step>[\w-]+)\] Executed: (?P<how>\w+)")
SEQUENCE = re.compile(r"scenario test matrix: (?P<steps>.+)$")
#: Molecule colours some words whatever it is asked.
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
#: Molecule calls these a success.
EMPTY = re.compile(r"no tests found|Executed: Missing", re.IGNORECASE)


@dataclass(frozen=True)
class Needs:
    """What a scenario runs on.

    Attributes:
        containers: Debian releases whose container image it uses: HELLO_EBPF_IMAGE_<release>.
        ssh: it reaches machines by ssh, or tries to.
        guest: it runs one virtual machine, on the disk in HELLO_EBPF_DISK, and compiles in a container of its release.
        hugepage_megabytes: memory of the host's hugepage pool that its containers use.
    """

    containers: tuple[str, ...] = ()
    ssh: bool = False
    guest: bool = False
    hugepage_megabytes: int = 0


SCENARIOS = {
    # A target (512 MiB) and a benchmark (128 MiB) in each of two containers; room for a restart beside the old one.
    "default": Needs(containers=("12", "13"), hugepage_megabytes=2048),
    # Four targets and two hosts; and a node that cannot be reached.
    "fleet": Needs(containers=("12",), ssh=True, hugepage_megabytes=3072),
    "vm": Needs(guest=True, ssh=True),
}


@dataclass
class Course:
    """How a run of molecule went: its steps, how long each took, and what was said in between."""

    name: str
    planned: list[str] = field(default_factory=list)
    steps: list[tuple[str, float, str]] = field(default_factory=list)
    begun: float = 0.0
    running: str = ""
    empty: str = ""
    hung: str = ""

    def read(self, line: str, now: float) -> str | None:
        """Take in a line of molecule's; returns what is to be said before it."""
        if EMPTY.search(line):
            self.empty = self.next_step()
        if found := SEQUENCE.search(line):
            self.planned = [word.strip() for word in found["steps"].split(",")]
        elif found := BEGUN.search(line):
            self.running, self.begun = found["step"], now
            return f"{self.name}: step {len(self.steps) + 1} of {max(len(self.planned), 1)}: {self.next_step()}"
        elif (found := ENDED.search(line)) and self.running:
            self.steps.append((self.next_step(), now - self.begun, found["how"]))
            self.running = ""
        return None

    def overdue(self, now: float) -> bool:
        """Whether the running step is past its ceiling; said once, by name."""
        late = bool(self.running) and now - self.begun > STEP_SECONDS and not self.hung
        if late:
            self.hung = self.next_step()
            say(f"{self.name}: step '{self.hung}' hangs: it was not done after {STEP_SECONDS} s, and is ended")
        return late

    def next_step(self) -> str:
        """The step that runs, with what it is given: ``verify tests/lab``, where the plan says so."""
        planned = self.planned[len(self.steps)] if len(self.steps) < len(self.planned) else ""
        return planned if planned.startswith(self.running) else self.running

    def close(self, now: float, code: int) -> None:
        """A step that molecule has not seen to its end."""
        if self.running:
            self.steps.append((self.next_step(), now - self.begun, "Failed" if code else "Ended"))
            self.running = ""

    def table(self) -> str:
        """Where the time went."""
        return "\n".join(f"  {seconds:7.1f} s  {name}  ({how.lower()})" for name, seconds, how in self.steps)


class Scenario:
    """One scenario on one release.

    Attributes:
        label: its name in messages and files, ``vm-13``.
        mark: a word in the environment of all that molecule starts for it.
        build: where it keeps its files.
        claims: the list of what it proved.
    """

    def __init__(self, name: str, release: str) -> None:
        self.name, self.release = name, release
        self.needs = SCENARIOS[name]
        self.label = f"{name}-{release}" if self.needs.guest else name
        self.build = ROOT / "build" / self.label
        self.claims = ROOT / "build/claims" / f"{self.label}.txt"
        # Molecule reads scenario `default` whatever it is asked for: all images need names, made or not.
        self.mark = f"HELLO_EBPF_RUN={self.build}"
        self.environment = {
            f"HELLO_EBPF_IMAGE_{number}": images.docker_name("container", number) for number in apt.SUITES
        }

    # ---- molecule

    def variables(self) -> dict[str, str]:
        """The environment of molecule, of what it starts, and of whoever runs it by hand."""
        paths = [str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")]
        variables = {
            "PATH": f"{ENVIRONMENT / 'bin'}:{os.environ['PATH']}:/usr/sbin:/sbin",
            # Molecule finds its own folder of a scenario by the project's base name alone: two clones would share it.
            "ANSIBLE_HOME": str(self.build / "ansible"),
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(turns.RUN / "ssh"),
            "ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "plugins/callback"),
            "ANSIBLE_CALLBACKS_ENABLED": "lab_run",
            "ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml",
            "PYTHONPATH": ":".join(path for path in paths if path),
            "PYTEST_ADDOPTS": f"{os.environ.get('PYTEST_ADDOPTS', '')} -p machines.claims -p machines.junit".strip(),
            "PYTHONUNBUFFERED": "1",
            "NO_COLOR": "1",
            "ANSIBLE_NOCOLOR": "1",
            "HELLO_EBPF_CLAIMS": str(self.claims),
            "HELLO_EBPF_JUNIT": str(ROOT / "build/junit" / self.label),
            "HELLO_EBPF_RELEASE": self.release,
            "HELLO_EBPF_REPORTS": str(self.build / "reports"),
        }
        return {**variables, **self.environment}

    def molecule(self, *words: str, quiet: bool = False) -> tuple[int, Course]:
        """Run molecule, and stream what it says, each step with its time."""
        course = Course(self.label)
        command = [str(ENVIRONMENT / "bin/molecule"), *words, "--scenario-name", self.name]
        log = self.build / f"{words[0]}.log"
        with log.open("w") as kept:
            marked = dict([self.mark.split("=", 1)])
            environment = {**os.environ, **self.variables(), **marked}
            for line, now in stream(command, environment, lambda: progress(course), course.overdue):
                if line is None:
                    code = int(now)
                    break
                kept.write(f"{line}\n")
                heading = course.read(line, now)
                if not quiet:
                    if heading:
                        say(heading)
                    print(line, flush=True)
        course.close(time.monotonic(), code)
        if quiet and code:
            print(log.read_text(), flush=True)
        return code, course

    def destroy(self) -> None:
        """Destroy the machines of this scenario, of this run or of an earlier one."""
        with step(f"{self.label}: destroying what is left of its machines"):
            code, _ = self.molecule("destroy", quiet=True)
        if code:
            raise MachineError(
                f"the machines of the scenario {self.label} destroyed",
                f"molecule destroy ended with {code}; what it says is above",
                f"mend what it names, then: tests/machines/scenario.py {self.arguments()} --destroy",
            )

    def arguments(self) -> str:
        """The words by which this scenario is called."""
        return f"{self.name} --release {self.release}" if self.needs.guest else self.name

    def inventory(self) -> Path | None:
        """Molecule's inventory of the machines, where they were made."""
        return next((self.build / "ansible/tmp").glob(f"molecule.*.{self.name}/inventory"), None)

    def beside(self, inventory: Path, record: str) -> dict[str, str]:
        """The environment of what is run on the machines beside molecule: none of it is a claim or a result."""
        ephemeral = inventory.parent
        return {
            **os.environ,
            **self.variables(),
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "MOLECULE_EPHEMERAL_DIRECTORY": str(ephemeral),
            "MOLECULE_FILE": str(ephemeral / "molecule.yml"),
            "MOLECULE_INVENTORY_FILE": str(inventory / "ansible_inventory.yml"),
            "MOLECULE_SCENARIO_NAME": self.name,
            "MOLECULE_SCENARIO_DIRECTORY": str(ROOT / "molecule" / self.name),
            "MOLECULE_PROJECT_DIRECTORY": str(ROOT),
            "MOLECULE_INSTANCE_CONFIG": str(ephemeral / "instance_config.yml"),
            "HELLO_EBPF_CLAIMS": "",
            "HELLO_EBPF_JUNIT": "",
            "LAB_RUN_FILE": str(self.build / f"{record}.jsonl"),
        }

    def autopsy(self) -> None:
        """Let the machines say what they know of a failure."""
        playbook = ROOT / "molecule" / self.name / "failure.yml"
        inventory = self.inventory()
        if not playbook.exists() or inventory is None:
            return
        say(f"{self.label}: what its machines say of the failure")
        command = [str(ENVIRONMENT / "bin/ansible-playbook"), "-i", str(inventory), str(playbook)]
        for line, code in stream(command, self.beside(inventory, "failure")):
            if line is not None:
                print(line, flush=True)
            elif code:
                say(f"{self.label}: failure.yml itself ended with {code:.0f}")

    # ---- the run

    def make_machines(self) -> None:
        """Images, by name, in the environment."""
        for release in (self.release,) if self.needs.guest else self.needs.containers:
            images.image("container", release)
        if self.needs.guest:
            self.environment["HELLO_EBPF_DISK"] = images.image("disk", self.release)
        hand = self.build / "environment.sh"
        hand.write_text("".join(f"export {name}='{value}'\n" for name, value in sorted(self.variables().items())))

    @contextlib.contextmanager
    def ready(self, *, keep: bool = False) -> Iterator[None]:
        """Engines and images are there, and nothing of an earlier run; afterwards its machines are gone."""
        self.build.mkdir(parents=True, exist_ok=True)
        with turns.held(self.name), contextlib.ExitStack() as stack:
            self.environment |= stack.enter_context(engines.docker(**{"keep" if keep else "release": self.label}))
            if self.needs.ssh:
                engines.ssh()
            if self.needs.guest:
                engines.qemu()
            stack.enter_context(engines.hugepages(self.needs.hugepage_megabytes))
            # Of a run that was killed, molecule may still be at work.
            engines.end_marked(self.mark)
            self.make_machines()
            self.destroy()
            try:
                yield
            finally:
                if keep:
                    self.say_how_to_get_in()
                else:
                    with engines.uninterrupted():
                        self.destroy()
                        engines.end_marked(self.mark)
                    shutil.rmtree(self.build / "ansible", ignore_errors=True)

    def run(self, *, keep: bool) -> int:
        """The whole of it."""
        self.claims.parent.mkdir(parents=True, exist_ok=True)
        self.claims.write_text("")
        begun = time.monotonic()
        with self.ready(keep=keep):
            code, course = self.molecule("test", "--destroy=never")
            if course.empty:
                say(f"{self.label}: '{course.empty}' did nothing: that proves nothing, and counts as a failure")
                code = code or 1
            if code:
                self.autopsy()
        return self.conclude(code, course, time.monotonic() - begun)

    def kept(self, words: list[str]) -> Path:
        """The inventory of the machines that --keep left, for one step again."""
        inventory = self.inventory()
        if inventory is None:
            leave = f"KEEP=1 make test-{self.name} leaves them; or leave --step out"
            raise MachineError(f"'{' '.join(words)}' on the machines of {self.label}", "there are none", leave)
        return inventory

    def again(self, words: list[str]) -> int:
        """One step of the scenario, on the machines that --keep left; they stay. None of it is a claim."""
        with turns.held(self.name):
            inventory = self.kept(words)
            with engines.docker(keep=self.label) as environment, engines.hugepages(self.needs.hugepage_megabytes):
                self.environment |= environment
                self.make_machines()
                return self.take(words, inventory)

    def provided(self) -> dict[str, str]:
        """The environment that the scenario's molecule.yml gives to its playbooks and tests."""
        text = (ROOT / "molecule" / self.name / "molecule.yml").read_text()
        block = re.search(r"^  env:\n((?:    .*\n)+)", text, re.MULTILINE)
        given = re.findall(r"^    (\w+): (\S+)$", block[1] if block else "", re.MULTILINE)
        return {name: value.replace("${MOLECULE_PROJECT_DIRECTORY}", str(ROOT)) for name, value in given}

    def take(self, words: list[str], inventory: Path) -> int:
        """What molecule does in such a step; its command line takes no folder of tests and no playbook."""
        step, *places = words
        folder, programs = ROOT / "molecule" / self.name, ENVIRONMENT / "bin"
        if step == "verify":
            command = [programs / "pytest", "-v", "--connection=ansible", f"--ansible-inventory={inventory}"]
            command += [(folder / place).resolve() for place in places or ["tests"]]
        elif places:
            command = [programs / "ansible-playbook", "-i", inventory, *(folder / place for place in places)]
        else:
            return self.molecule(step)[0]
        code = 1
        environment = {**self.beside(inventory, "again"), **self.provided()}
        for line, last in stream([str(word) for word in command], environment):
            if line is None:
                code = int(last)
            else:
                print(line, flush=True)
        return code

    def say_how_to_get_in(self) -> None:
        """What --keep leaves, and how to be rid of it."""
        say(f"{self.label}: its machines stay. The environment for molecule: . {self.build / 'environment.sh'}")
        say(f"  molecule list --scenario-name {self.name}; molecule login --scenario-name {self.name} --host NAME")
        say(f"  one step again: tests/machines/scenario.py {self.arguments()} --step 'verify tests'")
        say(f"  clean up: tests/machines/scenario.py {self.arguments()} --destroy")

    def conclude(self, code: int, course: Course, seconds: float) -> int:
        """The list of what was proved, the time of each step, and how it ended."""
        for name, _, how in course.steps:
            if name.startswith("idempotence") and how.startswith("Success"):
                with self.claims.open("a") as handle:
                    handle.write("a second run of the same playbook changes nothing\n")
        proved = list(dict.fromkeys(self.claims.read_text().splitlines()))
        self.claims.write_text("".join(f"{line}\n" for line in proved))
        print(f"\nTime of the steps of {self.label}:\n{course.table()}\n")
        for line in proved:
            print(f"PROVED: {line}")
        if not code and not proved:
            say(f"{self.label}: no claim was proved, which counts as a failure")
            code = 1
        verdict = f"FAILED at {course.steps[-1][0]}" if code and course.steps else "FAILED" if code else "passed"
        print(f"\nScenario {self.label} {verdict} after {seconds:.0f} s; {len(proved)} claims proved", flush=True)
        return code

    def clean_up(self) -> int:
        """What --keep left: the machines, and a docker daemon of ours."""
        self.build.mkdir(parents=True, exist_ok=True)
        with turns.held(self.name), engines.docker(release=self.label) as environment:
            self.environment |= environment
            self.destroy()
            engines.end_marked(self.mark)
            shutil.rmtree(self.build / "ansible", ignore_errors=True)
        return 0


def progress(course: Course) -> None:
    """What is said when molecule has long said nothing."""
    say(f"{course.name}: {course.next_step() or 'molecule'} goes on, {time.monotonic() - course.begun:.0f} s so far")


def stream(
    command: list[str],
    env: dict[str, str],
    quiet: Callable[[], None] = lambda: None,
    overdue: Callable[[float], bool] = lambda _: False,
) -> Iterator[tuple[str | None, float]]:
    """Run a command in the project's folder and yield its lines, each with its time; at last None and its code.

    It has a process group of its own: an interrupted run ends it in order, with all that it started. ``quiet`` is
    called when it has long said nothing; when ``overdue`` of the time is true, it is ended too.
    """
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        handle, rest = process.stdout.fileno(), b""
        try:
            while True:
                said = select.select([handle], [], [], QUIET_SECONDS)[0]
                if overdue(time.monotonic()):
                    end_group(process)
                if not said:
                    quiet()
                    continue
                read = os.read(handle, 65536)
                if not read:
                    break
                *lines, rest = (rest + read).split(b"\n")
                for line in lines:
                    yield plain(line), time.monotonic()
            if rest:
                yield plain(rest), time.monotonic()
            yield None, float(process.wait())
        finally:
            if process.poll() is None:
                end_group(process)


def plain(line: bytes) -> str:
    """A line as text, without colours."""
    return COLOUR.sub("", line.decode(errors="replace")).rstrip()


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End a command and what it started, as a Ctrl-C would; by force when that does not help."""
    for sent in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, sent)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(END_SECONDS)
            return


def molecule_environment() -> None:
    """The Python environment of molecule is there."""
    if (
        not (ENVIRONMENT / ".stamp").exists()
        or output(["make", "-C", ROOT, "--question", f"{ENVIRONMENT.name}/.stamp"]) is None
    ):
        with step("making molecule's Python environment"):
            subprocess.run(["make", "-C", str(ROOT), f"{ENVIRONMENT.name}/.stamp"], check=True, stdout=sys.stderr)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=sorted(SCENARIOS))
    parser.add_argument("--release", choices=sorted(apt.SUITES), default="12", help="of the guest (vm)")
    parser.add_argument("--keep", action="store_true", default=os.environ.get("KEEP", "0") not in ("", "0"))
    parser.add_argument(
        "--step", default="", help="take this one step on the machines that --keep left: 'verify tests'"
    )
    parser.add_argument("--destroy", action="store_true")
    asked = parser.parse_args()
    engines.end_like_interrupts()
    label = asked.name
    try:
        scenario = Scenario(asked.name, asked.release)
        label = scenario.label
        if asked.step.strip():
            # Before minutes go into an environment for machines that are not there.
            scenario.kept(asked.step.split())
        molecule_environment()
        if asked.step.strip():
            return scenario.again(asked.step.split())
        return scenario.clean_up() if asked.destroy else scenario.run(keep=asked.keep)
    except MachineError as failure:
        print(failure, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"Scenario {label} was interrupted; what it had started is put away", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
