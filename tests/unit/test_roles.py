"""Every role: defaults, argument specification and comments agree, and there is a way back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir() if path.is_dir())


def load(role: str, path: str) -> Any:
    return yaml.safe_load((ROOT / "roles" / role / path).read_text())


def options(role: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = load(role, "meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    return found


def test_the_architectures_roles_are_all_there() -> None:
    assert ROLES == [
        "csd_bench",
        "csd_host",
        "csd_target",
        "distribution",
        "ebpf_examples",
        "ebpf_toolchain",
        "hugepages",
        "nvme_tcp",
        "spdk",
    ]


@pytest.mark.parametrize("role", ROLES)
def test_defaults_and_specification_agree(role: str) -> None:
    defaults = load(role, "defaults/main.yml")
    specified = {name: option["default"] for name, option in options(role).items() if "default" in option}
    assert specified == defaults
    without_default = options(role).keys() - defaults.keys()
    assert all("default" not in options(role)[name] for name in without_default)


@pytest.mark.parametrize("role", ROLES)
def test_every_default_has_a_comment(role: str) -> None:
    lines = (ROOT / "roles" / role / "defaults/main.yml").read_text().splitlines()
    bare = [
        line.split(":")[0]
        for before, line in zip(["", *lines], lines, strict=False)
        if line.startswith(f"{role}_") and not before.startswith("#") and "#" not in line
    ]
    assert bare == []


@pytest.mark.parametrize("role", ROLES)
def test_every_role_has_a_way_back(role: str) -> None:
    assert options(role)[f"{role}_state"]["choices"] == ["present", "absent"]
    assert (ROOT / "roles" / role / "tasks/absent.yml").is_file()
    teardown = (ROOT / "playbooks/teardown.yml").read_text()
    assert f"{role}_state: absent" in teardown


def test_the_preflight_knows_every_role() -> None:
    [play] = yaml.safe_load((ROOT / "playbooks/preflight.yml").read_text())
    assert sorted(play["tasks"][-1]["check_variables"]["roles"]) == ROLES


def test_nothing_swallows_a_failure() -> None:
    for path in [*ROOT.glob("roles/*/**/*.yml"), *ROOT.glob("playbooks/*.yml")]:
        text = path.read_text()
        assert "ignore_errors" not in text, path
        assert "failed_when: false" not in text, path
