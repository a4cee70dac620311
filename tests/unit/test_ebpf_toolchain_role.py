"""The role ebpf_toolchain refuses a release that it was never tried on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PLAYBOOK = """
- hosts: localhost
  connection: local
  gather_facts: false
  vars:
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
  tasks:
    - ansible.builtin.include_role:
        name: ebpf_toolchain
"""


@pytest.mark.parametrize(
    ("distribution", "version", "release"),
    [
        ("ID=debian", 'VERSION_ID="11"', "Debian 11"),
        ("ID=ubuntu", 'VERSION_ID="22.04"', "Ubuntu 22.04"),
        ("ID=fedora", "VERSION_ID=43", "Fedora 43"),
        ("ID=debian", "VERSION_CODENAME=sid", "Debian without a number"),
    ],
)
def test_another_release_is_refused_before_anything_changes(
    tmp_path: Path, distribution: str, version: str, release: str
) -> None:
    playbook = tmp_path / "playbook.yml"
    playbook.write_text(PLAYBOOK)
    said = tmp_path / "os-release"
    said.write_text(f'PRETTY_NAME="X=Y"\n{distribution}\nID_LIKE=debian\n{version}\n')
    done = subprocess.run(
        [
            Path(sys.executable).with_name("ansible-playbook"),
            "-i",
            "localhost,",
            "-e",
            f"__ebpf_toolchain_os_release={said}",
            playbook,
        ],
        cwd=ROOT,
        env=os.environ | {"COLUMNS": "1000"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert (
        f"Asked: the eBPF toolchain on this machine. Found: it runs {release}. "
        "Do: use Debian 12, Debian 13, Ubuntu 24.04."
    ) in done.stdout + done.stderr
    assert "changed=0" in done.stdout
