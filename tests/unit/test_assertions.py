"""tests/machines/assertions.py: a test passes by what it asserts alone; each case is a test file of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from machines.console import ROOT

PREFIX = "Asked: a test whose assertions run. Found: of test_it.py::test_it"
SUFFIX = "Do: give it something to assert here, or leave it out here by name."


def run(folder: Path, body: str) -> tuple[int, str, list[str]]:
    """Run a test that has this body; the exit code, what pytest said, and the claims."""
    claims = folder / "claims.txt"
    claims.touch()
    helper = "def helper(true):\n    assert true\n"
    text = f"import pytest\n{helper}def test_it(tmp_path):\n{textwrap.indent(textwrap.dedent(body), '    ')}"
    (folder / "test_it.py").write_text(text)
    (folder / "aside.py").write_text(helper)
    words = ["-q", "-p", "machines.claims", "-o", "enable_assertion_pass_hook=true", "--rootdir=.", "test_it.py"]
    environment = os.environ | {
        "HELLO_EBPF_CLAIMS": str(claims),
        "PYTHONPATH": f"{ROOT / 'tests'}:{folder}",
        "PYTEST_ADDOPTS": "",
        "PYTHONDONTWRITEBYTECODE": "1",
        "COLUMNS": "1000",
    }
    command = [sys.executable, "-m", "pytest", *words]
    done = subprocess.run(command, cwd=folder, env=environment, check=False, capture_output=True, text=True)
    return done.returncode, done.stdout, claims.read_text().splitlines()


@pytest.mark.parametrize(
    "body",
    [
        "assert tmp_path",
        "for one in (1, 2):\n    assert one",
        "helper(tmp_path)",
        "with pytest.raises(ZeroDivisionError):\n    1 / 0",
        "assert tmp_path\nif not tmp_path:\n    assert False\nwhile not tmp_path:\n    assert False",
        "try:\n    assert tmp_path\nfinally:\n    assert tmp_path",
        "def inner():\n    assert not tmp_path\nassert inner",
        "with pytest.raises(AssertionError):\n    assert not tmp_path",
        "with pytest.raises(OSError):\n    tmp_path.read_text()\n    assert not tmp_path",
        "try:\n    tmp_path.read_text()\n    assert not tmp_path\nexcept OSError as error:\n    assert error",
    ],
)
def test_what_asserted_is_a_claim(tmp_path: Path, body: str) -> None:
    assert run(tmp_path, body)[::2] == (0, ["it"])


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("print(tmp_path)", "none ran."),
        ("if not tmp_path:\n    assert tmp_path", "none ran."),
        ("if not tmp_path:\n    with pytest.raises(OSError):\n        pass", "none ran."),
        ("from contextlib import suppress\nwith suppress(OSError):\n    open(tmp_path)\n    assert 1", "none ran."),
        ("import aside\naside.helper(True)", "none ran."),
        ("for one in []:\n    assert one", "these did not run: line 6: assert one."),
        ("for one in (1, 2):\n    if one:\n        continue\n    assert one", "these did not run: line 8: assert one."),
        ("helper(True)\nfor one in ():\n    assert one", "these did not run: line 7: assert one."),
        ("assert tmp_path\nif tmp_path:\n    return\nassert not tmp_path", "these did not run: line 8: assert not tmp_path."),  # noqa: E501
    ],
)  # fmt: skip
def test_what_did_not_assert_fails_and_claims_nothing(tmp_path: Path, body: str, found: str) -> None:
    code, said, claimed = run(tmp_path, body)
    assert (code, claimed) == (1, [])
    assert f"{PREFIX} {found} {SUFFIX}" in said


def test_assertions_of_a_fixture_are_not_the_tests(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(
        "import pytest\n@pytest.fixture(autouse=True)\ndef looks():\n    assert True\n    yield\n    assert True\n"
    )
    code, said, claimed = run(tmp_path, "print(tmp_path)")
    assert (code, claimed) == (1, [])
    assert f"{PREFIX} none ran. {SUFFIX}" in said


def test_this_very_suite_is_watched(request: pytest.FixtureRequest) -> None:
    assert request.config.pluginmanager.has_plugin("machines.assertions")
    assert request.config.getini("enable_assertion_pass_hook")
