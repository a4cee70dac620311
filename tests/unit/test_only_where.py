"""The marker `only_where` of tests/integration/verify: what does not hold of a machine is named, and is no claim."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from machines.console import ROOT

TESTS = '''
import pytest
def is_local(host):
    return host.backend.NAME == "local"
@pytest.mark.only_where(lambda host: not is_local(host), "the machine is far away")
def test_it(host):
    """It is so."""
    assert not is_local(host)
@pytest.mark.only_where(is_local, "the machine is this one")
def test_other(host):
    """It is otherwise."""
    assert is_local(host)
'''


def test_what_is_left_out_is_named_and_not_claimed(tmp_path: Path) -> None:
    claims = tmp_path / "claims.txt"
    (tmp_path / "test_it.py").write_text(TESTS)
    environment = os.environ | {
        "HELLO_EBPF_CLAIMS": str(claims),
        "PYTHONPATH": str(ROOT / "tests"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTEST_ADDOPTS": "-p machines.claims -p integration.verify.conftest -o enable_assertion_pass_hook=true",
    }
    command = [sys.executable, "-m", "pytest", "--rootdir=."]
    done = subprocess.run(command, cwd=tmp_path, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert claims.read_text().splitlines() == ["It is otherwise [local]"]
    assert "\nNOT PROVED HERE: It is so [local] (only where the machine is far away)\n" in done.stdout
