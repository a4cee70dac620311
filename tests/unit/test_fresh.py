"""What the fresh machine is handed, and what it is asked to run."""

from __future__ import annotations

from pathlib import Path

import pytest

from fresh import run
from fresh.container import CAPABILITIES, permissions, pip_settings
from fresh.run import first_command
from machines.console import ROOT, MachineError


def test_readmes_first_command_is_what_a_user_types_first() -> None:
    assert first_command((ROOT / "README.md").read_text()) == "make lab"


def test_the_first_command_stands_without_its_comment() -> None:
    readme = "text\n```c\nint x;\n```\n```sh\nmake lab  # everything\nmake teardown\n```\n```sh\nother\n```\n"
    assert first_command(readme) == "make lab"


def test_a_readme_without_a_command_is_refused() -> None:
    with pytest.raises(MachineError, match="has no ```sh block"):
        first_command("# A lab\n")


def test_spdk_is_held_against_the_build_that_another_scenario_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "SPDK_KEPT", tmp_path)
    assert run.same_spdk("20.07-ab", "11") == []
    (tmp_path / "spdk-20.07-ab-debian-12-x86-64-v2.tar.gz.sha256").write_text("11  spdk.tar.gz\n")
    assert "byte for byte" in run.same_spdk("20.07-ab", "11")[0]
    assert run.same_spdk("20.07-cd", "22") == [], "of other sources"
    with pytest.raises(MachineError, match=f"Asked: SPDK compiled to the bytes of {tmp_path}. Found: 22, there 11."):
        run.same_spdk("20.07-ab", "22")


def test_containers_may_do_what_the_one_list_says_and_nothing_else() -> None:
    options = permissions(CAPABILITIES.read_text())
    assert "--cap-add=SYS_ADMIN" in options
    assert "--security-opt=seccomp=unconfined" in options
    assert "--ulimit=memlock=8388608:8388608" in options
    assert "--shm-size=256m" in options
    assert not [option for option in options if "privileged" in option or "volume" in option]


def test_a_list_that_is_no_longer_plain_is_refused() -> None:
    with pytest.raises(MachineError, match="keep it plain"):
        permissions("container_capabilities:\n  - &anchor {x: y}\n")


def test_no_folder_of_this_machine_reaches_pip(tmp_path: Path) -> None:
    config = tmp_path / "pip.conf"
    config.write_text(
        "[global]\nfind-links = /opt/wheels\nextra-index-url = file:///opt/index https://second.example/simple\n"
        "cert = /somewhere/ca.pem\n"
    )
    environment = {"PIP_INDEX_URL": "https://first.example/simple", "PIP_FIND_LINKS": "/opt/more"}
    assert pip_settings([config, tmp_path / "missing"], environment) == (
        "[global]\ncert = /etc/ssl/certs/ca-certificates.crt\nextra-index-url = https://second.example/simple\n"
        "index-url = https://first.example/simple\n"
    )
