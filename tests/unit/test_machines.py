# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""tests/machines: sources and definitions of images, what is cached and what is put away, claims, molecule's steps."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from ansible.module_utils.hello_ebpf.distribution.folder import heading

from machines import apt, archive, claims, console, engines, images, junit, scenario, turns
from machines.console import MachineError, must, output
from waiting import CEILING, until

ROOT = Path(__file__).resolve().parents[2]

MACHINE = """\
Types: deb deb-src
# a comment
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates bookworm-backports
Components: main non-free-firmware
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/security
Suites: bookworm-security
Components: main

Types: deb
URIs: https://others.example/debian
Suites: bookworm
Components: main
Signed-By: /usr/share/keyrings/others.gpg

Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main
Enabled: no
"""


def etc(folder: Path, files: dict[str, str], codename: str = "bookworm", system: str = "debian") -> Path:
    (folder / "apt/sources.list.d").mkdir(parents=True)
    (folder / "os-release").write_text(f'ID={system}\nVERSION_CODENAME="{codename}"\n')
    for name, text in files.items():
        (folder / "apt" / name).write_text(text)
    return folder


class TestSources:
    """The machine's sources, told for another release."""

    def test_deb822(self, tmp_path: Path) -> None:
        text = apt.machine_sources("13", etc(tmp_path / "etc", {"sources.list.d/debian.sources": MACHINE}))
        assert re.findall(r"URIs: (\S+)\nSuites: (\S+)\nComponents: (.*)", text) == [
            ("http://mirror.example/debian", "trixie", "main"),
            ("http://mirror.example/debian", "trixie-updates", "main"),
            ("http://mirror.example/security", "trixie-security", "main"),
        ]
        assert text.count(f"Signed-By: {apt.KEYRING}") == 3

    def test_one_line(self, tmp_path: Path) -> None:
        lines = (
            "# deb http://old.example/debian bookworm main\n"
            f"deb [arch=amd64 signed-by={apt.KEYRING}] http://a.example/d bookworm main\n"
            "deb-src http://a.example/d bookworm main\n"
            "deb [trusted=yes] http://b.example/d bookworm-updates contrib main # ours\n"
            "deb cdrom:[Debian]/ bookworm main\n"
            "deb http://c.example/d bookworm contrib\n"
            "deb http://d.example/security bookworm/updates main\n"
        )
        text = apt.machine_sources("12", etc(tmp_path / "etc", {"sources.list": lines}))
        assert re.findall(r"URIs: (\S+)\nSuites: (\S+)", text) == [
            ("http://a.example/d", "bookworm"),
            ("http://b.example/d", "bookworm-updates"),
        ]
        assert text.count("Trusted: yes") == 1

    def test_the_newer_machine_makes_the_older_image(self, tmp_path: Path) -> None:
        line = {"sources.list": "deb http://a.example/d trixie main\n"}
        assert "Suites: bookworm\n" in apt.machine_sources("12", etc(tmp_path / "etc", line, "trixie"))

    def test_another_machine_says_what_to_do(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = etc(tmp_path / "etc", {"sources.list": "deb http://u.example/ubuntu noble main\n"}, "noble", "ubuntu")
        # Ubuntu's own suites are no Debian, though the machine's name for its release is the suite's.
        with pytest.raises(
            MachineError, match=r"Asked: packages of Debian 12.*Do: name a file.*HELLO_EBPF_APT_SOURCES"
        ):
            apt.machine_sources("12", folder)
        mine = tmp_path / "mine.list"
        mine.write_text("deb http://m.example/debian bookworm main\n")
        monkeypatch.setenv(apt.OVERRIDE, str(mine))
        assert "http://m.example/debian" in apt.machine_sources("12", folder)

    def test_settings_that_the_sources_need(self) -> None:
        dump = (
            'APT::Architecture "amd64";\nAcquire::http::Proxy "http://p.example:3128";\n'
            'Acquire::http::Proxy::local.example "DIRECT";\nAcquire::Check-Date "false";\nAcquire::Languages "none";\n'
            'Acquire::http::Proxy-Auto-Detect "/usr/bin/detect";\n'
        )
        assert apt.machine_settings(dump) == [
            'Acquire::Check-Date "false";',
            'Acquire::http::Proxy "http://p.example:3128";',
            'Acquire::http::Proxy::local.example "DIRECT";',
        ]


class TestDefinition:
    """What an image is made of, and the digest of that."""

    def test_cached_packages_are_the_roles(self) -> None:
        found = images.role_packages()

        def listed(value: object) -> set[str]:
            if isinstance(value, dict):
                return set().union(*map(listed, value.values()), set())
            if isinstance(value, list):
                return {word for word in value if isinstance(word, str) and "{{" not in word}
            return set()

        asked: set[str] = set()
        for path in ROOT.glob("roles/*/vars/*.yml"):
            variables = yaml.safe_load(path.read_text()) or {}
            asked |= set().union(*(listed(v) for k, v in variables.items() if "packages" in k), set())
        assert asked <= set(found)
        assert {"clang", "llvm", "nvme-cli"} <= set(found)
        assert "linux-tools-generic" not in found

    def test_every_part_counts(self) -> None:
        one = images.Definition("disk", "12", ["a"], ["b"], ["hook"], "sources", ["x"], 1)
        others = [
            images.Definition("disk", "13", ["a"], ["b"], ["hook"], "sources", ["x"], 1),
            images.Definition("disk", "12", ["c"], ["b"], ["hook"], "sources", ["x"], 1),
            images.Definition("disk", "12", ["a"], ["c"], ["hook"], "sources", ["x"], 1),
            images.Definition("disk", "12", ["a"], ["b"], ["hook2"], "sources", ["x"], 1),
            images.Definition("disk", "12", ["a"], ["b"], ["hook"], "sources2", ["x"], 1),
            images.Definition("disk", "12", ["a"], ["b"], ["hook"], "sources", ["y"], 1),
            images.Definition("disk", "12", ["a"], ["b"], ["hook"], "sources", ["x"], 2),
            images.Definition("disk", "12", ["a"], ["b"], ["hook"], "sources", ["x"], 1, ["CMD"]),
        ]
        assert one.digest == images.Definition("disk", "12", ["a"], ["b"], ["hook"], "sources", ["x"], 1).digest
        assert len({one.digest, *(other.digest for other in others)}) == 9

    def test_no_host_is_named(self) -> None:
        for path in (ROOT / "tests/machines").glob("**/*.[ps][yh]"):
            assert not re.search(r"https?://(?!\?)\w", path.read_text()), path


class TestCache:
    """Whole or not at all, once, and the older one gone."""

    @pytest.fixture
    def cache(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        monkeypatch.setattr(apt, "need", lambda _commands: [])
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        return tmp_path / "hello_ebpf/images"

    @staticmethod
    def definition(hook: str = "") -> images.Definition:
        return images.Definition("container", "12", ["a"], [], [hook], "sources", [])

    def test_made_once_then_found(self, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        made: list[Path] = []

        def bootstrap(_definition: object, _folder: Path, target: Path, _env: object) -> None:
            made.append(target)
            target.write_text("x")

        monkeypatch.setattr(images, "bootstrap", bootstrap)
        (cache / ".debian12.making-killed/sub").mkdir(parents=True)
        (cache / "debian12-000000000000").mkdir()
        (cache / "debian13-000000000000").mkdir()
        (cache / "disk12-000000000000").mkdir()
        folder = images.ensure(self.definition())
        assert images.ensure(self.definition()) == folder
        assert len(made) == 1
        assert (folder / "image.tar").read_text() == "x"
        kept = {path.name for path in cache.iterdir() if path.is_dir()}
        assert kept == {folder.name, "debian13-000000000000", "disk12-000000000000"}
        assert images.ensure(self.definition("changed")) != folder
        assert not folder.exists()

    def test_a_failure_leaves_nothing(self, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def bootstrap(_definition: object, _folder: Path, target: Path, _env: object) -> None:
            target.write_text("half")
            raise MachineError("packages", "no mirror", "mend it")

        monkeypatch.setattr(images, "bootstrap", bootstrap)
        older = cache / "debian12-000000000000"
        older.mkdir(parents=True)
        with pytest.raises(MachineError, match=r"Found: no mirror"):
            images.ensure(self.definition())
        assert [path for path in cache.iterdir() if path.is_dir()] == [older]

    def test_two_runs_make_one(self, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        made: list[int] = []
        said: list[str] = []
        monkeypatch.setattr(images, "say", said.append)

        def bootstrap(_definition: object, _folder: Path, target: Path, _env: object) -> None:
            made.append(1)
            until("the other run waits", lambda: any("waiting for another run" in line for line in said))
            target.write_text("x")

        monkeypatch.setattr(images, "bootstrap", bootstrap)
        runs = [threading.Thread(target=images.ensure, args=(self.definition(),)) for _ in range(2)]
        for run in runs:
            run.start()
        for run in runs:
            run.join()
        assert made == [1]

    def test_an_image_in_use_stays(self, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(images, "bootstrap", lambda _d, _f, target, _e: target.write_text("x"))
        folder = images.ensure(self.definition())
        with (folder / "image.tar").open():
            images.ensure(self.definition("changed"))
            assert folder.exists()


class TestEngines:
    """Only what is ours is ended; pages are given back exactly."""

    @pytest.fixture
    def state(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        for module in (engines, turns):
            monkeypatch.setattr(module, "RUN", tmp_path / "run")
        monkeypatch.setattr(engines, "PIDFILE", tmp_path / "run/dockerd.pid")
        monkeypatch.setattr(engines, "PAGES", tmp_path / "pages")
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        (tmp_path / "run").mkdir()
        (tmp_path / "pages").mkdir()
        (tmp_path / "pages/nr_hugepages").write_text("100\n")
        return tmp_path

    @pytest.mark.parametrize(
        "text", ["", "nonsense", "1", str(os.getpid()), "999999999"], ids=["empty", "nonsense", "init", "ours", "none"]
    )
    def test_a_pidfile_that_names_another_process(self, state: Path, text: str) -> None:
        (state / "run/dockerd.pid").write_text(text)
        assert engines.our_daemon() is None

    def test_pages_are_given_back(self, state: Path) -> None:
        pool = state / "pages/nr_hugepages"
        with engines.hugepages(9):
            assert pool.read_text() == "105\n"
            pool.write_text("205\n")  # somebody else took a hundred meanwhile
        assert pool.read_text() == "200\n"
        assert list((state / "run/hugepages").iterdir()) == []

    def test_pages_of_a_killed_run(self, state: Path) -> None:
        notes = state / "run/hugepages"
        notes.mkdir()
        (notes / "999999999-1").write_text("70 30\n")  # took 30, and was killed
        (notes / "999999998-1").write_text("70 500\n")  # was killed before it took any of these 500
        (notes / f"{os.getpid()}-{engines.started(os.getpid())}x").write_text("100 7\n")  # another process
        mine = notes / f"{os.getpid()}-{engines.started(os.getpid())}"
        mine.write_text("0 3\n")  # runs
        (state / "pages/nr_hugepages").write_text("100\n")
        engines.give_pages_back()
        assert list(notes.iterdir()) == [mine]
        assert (state / "pages/nr_hugepages").read_text() == "70\n"

    def test_pages_that_the_kernel_does_not_give(self, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        given: list[int] = []

        def change(difference: int) -> int:
            given.append(difference)
            return min(difference, 3)

        monkeypatch.setattr(engines, "change_pages", change)
        asked = r"Asked: 20 MiB more .* Found: the kernel gave 3 of 10 pages; \d+ MiB of memory are available"
        with pytest.raises(MachineError, match=asked), engines.hugepages(20):
            pass
        assert given == [10, -3]

    def test_one_run_at_a_time(self, state: Path) -> None:
        with turns.held("docker"):
            with (state / "run/docker.lock").open() as handle, pytest.raises(BlockingIOError):
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            expected = rf"Found: process {os.getpid()} has it"
            with pytest.raises(MachineError, match=expected), turns.held("docker"):
                pass
        with turns.held("docker"):
            pass

    def test_the_last_of_those_who_share_a_daemon_stops_it(self, state: Path) -> None:
        path = state / "run/docker.users"
        with path.open("a") as first, path.open("a") as second:
            for users in (first, second):
                fcntl.flock(users, fcntl.LOCK_SH)
            assert engines.taken(first)
            assert not engines.taken(second)

    def test_a_daemon_is_kept_until_everybody_who_keeps_it_lets_go(self, state: Path) -> None:
        assert engines.kept_for("default", "") == ["default"]
        assert engines.kept_for("vm-12", "") == ["default", "vm-12"]
        assert engines.kept_for("", "default") == ["vm-12"]
        assert engines.kept_for("", "vm-12") == []

    def test_only_marked_processes_end(self) -> None:
        argv = [sys.executable, "-c", "import time; time.sleep(60)"]
        mark = f"HELLO_EBPF_RUN=test-{os.getpid()}"
        with (
            subprocess.Popen(argv, env={"HELLO_EBPF_RUN": mark[15:]}) as ours,
            subprocess.Popen(argv, env={"HELLO_EBPF_RUN": mark[15:] + "0"}) as other,
        ):
            until("ours is seen, by its mark", lambda: engines.marked(mark) == [ours.pid])
            engines.end_marked(mark)
            ended, running = ours.wait(CEILING), other.poll() is None
            other.kill()
        assert ended == -signal.SIGTERM
        assert running


class TestClaims:
    """What passed is told in the tests' own words."""

    @pytest.mark.parametrize(
        ("doc", "name", "case", "path", "line"),
        [
            ("The file is there.\n\n    More.", "test_x", None, "m/tests/test_a.py", "The file is there"),
            (None, "test_the_file_is_there", "docker://a?x=1", "m/tests/test_a.py", "the file is there [a]"),
            ("It is back.", "test_x", "ansible://vm", "m/vm/tests/rebooted/test_a.py", "rebooted: It is back [vm]"),
            ("It is back.", "test_x", "3-a", "elsewhere/test_a.py", "It is back [3-a]"),
        ],
    )
    def test_wording(self, doc: str | None, name: str, case: str | None, path: str, line: str) -> None:
        assert claims.claim(doc, name, case, claims.stage(Path(path))) == line

    def test_only_what_passed(self, tmp_path: Path) -> None:
        (tmp_path / "tests").mkdir()
        (tmp_path / "tests/test_it.py").write_text(
            "import pytest\n"
            "@pytest.fixture\ndef bad():\n    yield\n    assert False\n"
            "@pytest.fixture\ndef worse():\n    assert False\n"
            "@pytest.mark.parametrize('x', ['a', 'b'])\ndef test_good(x):\n    'Good.'\n    assert x\n"
            "def test_fails():\n    assert False\n"
            "def test_skipped():\n    pytest.skip('no')\n"
            "@pytest.mark.xfail\ndef test_expected():\n    pass\n"
            "def test_teardown(bad):\n    assert True\n"
            "def test_setup(worse):\n    assert True\n"
            "def test_empty():\n    pass\n"
        )
        file = tmp_path / "claims/it.txt"
        environment = {
            **os.environ,
            "HELLO_EBPF_CLAIMS": str(file),
            "PYTHONPATH": str(ROOT / "tests"),
            "PYTEST_ADDOPTS": "",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "machines.claims",
            "-o",
            "enable_assertion_pass_hook=true",
            "tests",
        ]
        subprocess.run(command, cwd=tmp_path, env=environment, check=False, capture_output=True)
        assert file.read_text() == "Good [a]\nGood [b]\n"


class TestCourse:
    """Molecule's steps, read from what it says."""

    LINES = (
        (
            0.0,
            "INFO     [vm > discovery] scenario test matrix: syntax, create, verify tests/lab, verify tests/gone, end",
        ),
        (0.0, "INFO     [vm > syntax] Executing"),
        (2.0, "INFO     [vm > syntax] Executed: Successful"),
        (2.0, "INFO     [vm > create] Executing"),
        (9.0, "INFO     [vm > create] Executed: Successful"),
        (9.0, "INFO     [vm > verify] Executing"),
        (9.0, "INFO     [vm > verify] Executing Testinfra tests found in /x/tests/..."),
        (19.0, "INFO     [vm > verify] Executed: Successful"),
        (19.0, "INFO     [vm > verify] Executing"),
        (19.5, "WARNING  [vm > verify] Skipping, no tests found."),
    )

    def test_a_step_without_its_playbook_is_no_success(self) -> None:
        course = scenario.Course("vm-12")
        course.read("INFO     scenario test matrix: syntax, side_effect reboot.yml", 0.0)
        course.read("INFO     [vm > syntax] Executing", 0.0)
        course.read("INFO     [vm > syntax] Executed: Successful", 1.0)
        course.read("INFO     [vm > side_effect] Executing", 1.0)
        course.read(
            "WARNING  [vm > side_effect] Executed: Missing playbook (Remove from test_sequence to suppress)", 1.0
        )
        assert course.empty == "side_effect reboot.yml"

    def test_steps(self) -> None:
        course = scenario.Course("vm-12")
        said = [heading for now, line in self.LINES if (heading := course.read(line, now))]
        assert said[0] == "vm-12: step 1 of 5: syntax"
        assert said[-1] == "vm-12: step 4 of 5: verify tests/gone"
        assert course.empty == "verify tests/gone"
        course.close(20.0, 1)
        assert course.steps == [
            ("syntax", 2.0, "Successful"),
            ("create", 7.0, "Successful"),
            ("verify tests/lab", 10.0, "Successful"),
            ("verify tests/gone", 1.0, "Failed"),
        ]

    def test_colours_are_taken_off(self) -> None:
        assert (
            scenario.plain(b"ERROR    [a > verify] \x1b[31mExecuted: Failed\x1b[0m ")
            == "ERROR    [a > verify] Executed: Failed"
        )

    def test_a_step_that_hangs_is_told_by_name_once_and_ended(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        course = scenario.Course("vm-12")
        for now, line in self.LINES[:2]:
            course.read(line, now)
        began = course.begun
        monkeypatch.setattr(scenario, "QUIET_SECONDS", 0.05)
        ends = itertools.chain([False], itertools.repeat(True))
        sleeper = scenario.stream(["sh", "-c", "echo begun; sleep 600"], dict(os.environ), overdue=lambda _: next(ends))
        assert [line for line, _ in sleeper] == ["begun", None]
        assert not course.overdue(began + scenario.STEP_SECONDS - 1)
        assert course.overdue(began + scenario.STEP_SECONDS + 1)
        assert not course.overdue(began + scenario.STEP_SECONDS + 2)
        assert f"step '{course.next_step()}' hangs" in capsys.readouterr().err

    def test_every_scenario_of_molecule_is_known(self) -> None:
        there = {path.parent.name for path in (ROOT / "molecule").glob("*/molecule.yml")}
        assert there == set(scenario.SCENARIOS)


class TestStep:
    """--step: one step of a scenario on machines that were kept."""

    @pytest.fixture
    def run(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> scenario.Scenario:
        monkeypatch.setattr(images, "docker_name", lambda _kind, _release: "name")
        monkeypatch.setattr(turns, "RUN", tmp_path / "run")
        monkeypatch.setattr(engines, "docker", lambda **_: contextlib.nullcontext({}))
        monkeypatch.setattr(engines, "hugepages", lambda _megabytes: contextlib.nullcontext())
        monkeypatch.setattr(scenario.Scenario, "make_machines", lambda _self: None)
        monkeypatch.setattr(scenario, "ENVIRONMENT", tmp_path)
        shows = (
            '#!/bin/sh\necho "$0 $* record=$LAB_RUN_FILE plugins=$PYTEST_PLUGINS claims=[$HELLO_EBPF_CLAIMS]"\nexit 3\n'
        )
        (tmp_path / "bin").mkdir()
        for name in ("pytest", "ansible-playbook", "molecule"):
            (tmp_path / "bin" / name).write_text(shows)
            (tmp_path / "bin" / name).chmod(0o755)
        made = scenario.Scenario("default", "12")
        made.build = tmp_path / "build"
        (made.build / "ansible/tmp/molecule.x.default/inventory").mkdir(parents=True)
        return made

    @pytest.mark.parametrize(
        ("step", "ran"),
        [
            ("verify tests/works", "pytest -v --connection=ansible --ansible-inventory=INVENTORY FOLDER/tests/works"),
            ("verify", "pytest -v --connection=ansible --ansible-inventory=INVENTORY FOLDER/tests"),
            ("side_effect removal.yml", "ansible-playbook -i INVENTORY FOLDER/removal.yml"),
        ],
    )
    def test_tests_and_playbooks_run_as_in_molecule(
        self, run: scenario.Scenario, capsys: pytest.CaptureFixture[str], step: str, ran: str
    ) -> None:
        assert run.again(step.split()) == 3
        inventory = run.build / "ansible/tmp/molecule.x.default/inventory"
        ran = ran.replace("INVENTORY", str(inventory)).replace("FOLDER", str(ROOT / "molecule/default"))
        record = ROOT / "build/default/run.jsonl"
        assert f"/bin/{ran} record={record} plugins=lab_journal claims=[]\n" in capsys.readouterr().out

    def test_what_molecule_can_do_alone_it_does(
        self, run: scenario.Scenario, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run.again(["converge"]) == 3
        assert "/bin/molecule converge --scenario-name default" in capsys.readouterr().out

    def test_without_machines_it_says_how_to_get_them(self, run: scenario.Scenario) -> None:
        shutil.rmtree(run.build / "ansible")
        with pytest.raises(MachineError, match=r"Found: there are none\. Do: KEEP=1 make test-default leaves them"):
            run.again(["verify", "tests/works"])

    def test_without_machines_nothing_is_installed_or_started(
        self,
        run: scenario.Scenario,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        shutil.rmtree(run.build / "ansible")
        monkeypatch.setattr(scenario, "Scenario", lambda _name, _release: run)
        monkeypatch.setattr(scenario, "molecule_environment", lambda: pytest.fail("an environment was made"))
        monkeypatch.setattr(engines, "docker", lambda **_: pytest.fail("docker was started"))
        monkeypatch.setattr(engines, "end_like_interrupts", lambda: None)
        monkeypatch.setattr(sys, "argv", ["scenario.py", "--step", "verify tests/works", "default"])
        assert scenario.main() == 1
        assert "Found: there are none. Do: KEEP=1 make test-default" in capsys.readouterr().err


class TestConclude:
    """How a run ends: no success without a claim."""

    @pytest.fixture
    def make(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], scenario.Scenario]:
        def make(claimed: str) -> scenario.Scenario:
            monkeypatch.setattr(images, "docker_name", lambda _kind, _release: "name")
            run = scenario.Scenario("vm", "13")
            run.claims = tmp_path / "claims.txt"
            run.claims.write_text(claimed)
            return run

        return make

    def test_claims_once_each(
        self, make: Callable[[str], scenario.Scenario], capsys: pytest.CaptureFixture[str]
    ) -> None:
        run = make("a\nb\na\n")
        assert run.conclude(0, scenario.Course("vm-13", steps=[("idempotence", 1.0, "Successful")]), 61.0) == 0
        out = capsys.readouterr().out
        assert "PROVED: a\nPROVED: b\nPROVED: a second run of the same playbook changes nothing\n" in out
        assert "Scenario vm-13 passed after 61 s; 3 claims proved" in out

    def test_nothing_proved_is_a_failure(self, make: Callable[[str], scenario.Scenario]) -> None:
        assert make("").conclude(0, scenario.Course("vm-13", steps=[("verify", 1.0, "Successful")]), 1.0) == 1

    def test_a_failure_stays_one(
        self, make: Callable[[str], scenario.Scenario], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert make("a\n").conclude(2, scenario.Course("vm-13", steps=[("verify tests/lab", 1.0, "Failed")]), 1.0) == 2
        assert "Scenario vm-13 FAILED at verify tests/lab" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("places", "name"),
    [
        (["tests/works/test_a.py", "tests/works/test_b.py"], "works"),
        (["tests/works"], "works"),
        (["tests/works/test_a.py::test_it"], "works"),
        (["tests/works/test_a.py", "tests/killed/test_b.py"], "tests"),
    ],
)
def test_a_steps_results_have_the_name_of_its_tests(places: list[str], name: str) -> None:
    assert junit.name(places) == name


@pytest.mark.parametrize("asked", [True, False])
def test_a_run_leaves_its_results_where_it_is_told(tmp_path: Path, asked: bool) -> None:
    (tmp_path / "works").mkdir()
    (tmp_path / "works/test_a.py").write_text("def test_it():\n    assert True\n")
    environment = os.environ | {"PYTHONPATH": str(ROOT / "tests"), "HELLO_EBPF_JUNIT": str(tmp_path) if asked else ""}
    words = [sys.executable, "-m", "pytest", "-q", "-p", "machines.junit", "-p", "no:cacheprovider", "works/test_a.py"]
    subprocess.run(words, cwd=tmp_path, env=environment, check=True, capture_output=True)
    assert [path.name for path in tmp_path.glob("*.xml")] == (["works.xml"] if asked else [])


def test_a_command_that_fails_shows_its_end() -> None:
    with pytest.raises(
        MachineError, match=r"(?s)Asked: a thing\. Found: sh -c .* ended with 3:\nwrong\n\. Do: mend it"
    ):
        must("a thing", ["sh", "-c", "echo wrong >&2; exit 3"], fix="mend it")
    with pytest.raises(MachineError, match=r"Found: no command no-such-command"):
        must("a thing", ["no-such-command"])


def test_a_command_that_hangs_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "ASK_SECONDS", 0.1)
    monkeypatch.setattr(console, "MAKE_SECONDS", 0.1)
    with pytest.raises(MachineError, match=r"Asked: a thing\. Found: sleep 600 was not done after 0\.1 s"):
        must("a thing", ["sleep", "600"])
    with pytest.raises(MachineError, match=r"an answer of sleep 600\. Found: none after 0\.1 s"):
        output(["sleep", "600"])


def test_the_packages_of_any_builder_are_taken_where_they_are_whole(tmp_path: Path) -> None:
    ours = archive.archive("12", tmp_path)
    assert ours.name == archive.builder("12")
    fleets = ours.with_name("fleet-builder")
    fleets.mkdir(parents=True)
    (fleets / "a.deb").write_bytes(b"half")
    whole = f"{hashlib.sha256(b'whole').hexdigest()}  a.deb\n"
    (fleets / "SHA256SUMS").write_text(f"{heading('debian-12', archive.CPU, tmp_path)}\n{whole}")
    assert archive.archive("12", tmp_path) == ours
    (fleets / "a.deb").write_bytes(b"whole")
    assert archive.archive("12", tmp_path) == fleets
    assert archive.archive("13", tmp_path) != fleets
    (tmp_path / "src").mkdir()
    (tmp_path / "src/other.c").touch()
    assert archive.archive("12", tmp_path) == ours
