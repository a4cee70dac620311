"""The role nvme_tcp: which packages it installs where the kernel connects."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from conftest import ROOT

ROLE = ROOT / "roles/nvme_tcp"


@pytest.mark.parametrize("package", ["", "linux-modules-extra-6.8.0-31-generic"])
def test_the_kernels_module_comes_with_the_tools(tmp_path: Path, package: str) -> None:
    """What nvme_tcp_info found is handed on: Ubuntu's package where one is needed."""
    [task] = [one for one in yaml.safe_load((ROLE / "tasks/connect.yml").read_text()) if "debian_packages" in one]
    said = {"msg": "PACKAGES {{ asked | join(' ') }}"}
    variables = {**task["vars"], "asked": task["debian_packages"]["name"], "__nvme_tcp_kernel": {"package": package}}
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars_files": [str(ROLE / "defaults/main.yml"), str(ROLE / "vars/main.yml")],
        "tasks": [{"ansible.builtin.debug": said, "vars": variables}],
    }
    book = tmp_path / "play.yml"
    book.write_text(json.dumps([play]))
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", "-c", "local", str(book)],
        cwd=tmp_path,
        env=os.environ | {"COLUMNS": "1000"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert f'PACKAGES {" ".join(["kmod nvme-cli", package]).strip()}"' in done.stdout
