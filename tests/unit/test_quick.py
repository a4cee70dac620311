"""What `make check` leaves out, it names: long unit tests; C tests that passed and of which nothing has changed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from machines.console import ROOT


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The script in a project of its own, whose make notes that it ran; make's exit code is in ``code``."""
    for name in ("tests", "src", "bin"):
        (tmp_path / name).mkdir()
    shutil.copy(ROOT / "tests/c_tests.sh", tmp_path / "tests")
    (tmp_path / "src/a.c").write_text("int a;\n")
    (tmp_path / "code").write_text("0")
    for name, text in (("make", 'echo ran >>ran\nexit "$(cat code)"'), ("dpkg-query", "echo gcc 12")):
        program = tmp_path / "bin" / name
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)
    return tmp_path


def c_tests(project: Path, *words: str, **environment: str) -> tuple[int, bool, str]:
    """The exit code, whether they were run, and what was said."""
    (project / "ran").unlink(missing_ok=True)
    given = {"PATH": f"{project}/bin:{os.environ['PATH']}", **environment}
    script = project / "tests/c_tests.sh"
    done = subprocess.run([script, *words], env=given, check=False, capture_output=True, text=True)
    return done.returncode, (project / "ran").exists(), done.stdout + done.stderr


def test_c_tests_that_passed_are_not_run_again_and_that_is_said(project: Path) -> None:
    assert c_tests(project, "changed")[:2] == (0, True)
    code, ran, said = c_tests(project, "changed")
    assert (code, ran) == (0, False)
    assert said.startswith("not run: all C tests passed at 2")
    assert c_tests(project)[:2] == (0, True), "asked for by name they always run"


def test_c_tests_that_failed_are_run_again(project: Path) -> None:
    (project / "code").write_text("2")
    assert c_tests(project)[:2] == (2, True)
    assert c_tests(project, "changed")[:2] == (2, True)


def test_whatever_decides_how_they_end_lets_them_run_again(project: Path) -> None:
    assert c_tests(project)[:2] == (0, True)
    for environment in ({"PROGRAMS": "9"}, {"HELLO_EBPF_FUZZ_SEED": "7"}, {"MAKEFLAGS": " -- PROGRAMS=9"}):
        assert c_tests(project, "changed", **environment)[1], environment
        assert c_tests(project)[:2] == (0, True)
    assert not c_tests(project, "changed", MAKEFLAGS=" --no-print-directory")[1]
    (project / "src/a.c").write_text("int b;\n")
    assert c_tests(project, "changed")[1]
    (project / "bin/dpkg-query").write_text("#!/bin/sh\necho gcc 14\n")
    assert c_tests(project, "changed")[1]
    assert not c_tests(project, "changed")[1]


def test_random_ones_always_run(project: Path) -> None:
    for _ in range(2):
        assert c_tests(project, "changed", HELLO_EBPF_FUZZ_SEED="random")[:2] == (0, True)


def test_the_unit_tests_that_are_left_out_are_there_and_are_named(project: Path) -> None:
    for name in ("tests/unit", ".venv/bin"):
        (project / name).mkdir(parents=True)
    shutil.copy(ROOT / "tests/unit.sh", project / "tests")
    (project / "tests/unit/test_plays.py").write_text('["ansible-playbook"]')
    pytest_double = project / ".venv/bin/pytest"
    pytest_double.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    pytest_double.chmod(0o755)
    script = project / "tests/unit.sh"
    said = subprocess.run([script, "quick"], check=True, capture_output=True, text=True).stdout.splitlines()
    first, ignored = said[0], [line.partition("=")[2] for line in said if line.startswith("--ignore=")]
    assert first.startswith("left out, make unit runs them: plays ")
    assert ignored[0] == "tests/unit/test_plays.py"
    assert [name for name in ignored[1:] if not (ROOT / name).is_file()] == []
    assert [f"tests/unit/test_{name}.py" for name in first.partition(": ")[2].split()] == ignored
    whole = subprocess.run([script], check=True, capture_output=True, text=True).stdout
    assert "--cov\n" in whole
    assert "--ignore" not in whole


@pytest.mark.parametrize("script", ["c_tests.sh", "unit.sh"])
def test_other_words_are_refused(script: str) -> None:
    done = subprocess.run([ROOT / "tests" / script, "quikc"], check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "quikc. Found: there are none of that name. Do: say " in done.stderr
