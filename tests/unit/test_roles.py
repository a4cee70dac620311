"""Every role: defaults, argument specification and comments agree, and there is a way back."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jinja2 import nodes

from role_expressions import FILES, Expression, of_file

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
    differing = sorted(name for name in specified | defaults if specified.get(name, ...) != defaults.get(name, ...))
    assert specified == defaults, (
        f"{', '.join(differing)}: give roles/{role}/defaults/main.yml and roles/{role}/meta/argument_specs.yml the same"
        " default, then run .venv/bin/python scripts/role_readmes.py"
    )


#: A variable with its default behind it, as pages name some.
TOLD = re.compile(rf"`((?:{'|'.join(ROLES)})_\w+)` \(`?(\d+|true|false|\[\])`?(?: by default)?\)")


def test_where_a_page_gives_a_default_it_is_the_roles() -> None:
    defaults = {name: value for role in ROLES for name, value in load(role, "defaults/main.yml").items()}
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    told = [(page.name, *found) for page in pages for found in TOLD.findall(page.read_text())]
    assert len(told) > 3
    stale = [
        f"{page}: {name} ({value})" for page, name, value in told if yaml.safe_load(value) != defaults.get(name, ...)
    ]
    assert stale == [], "defaults/main.yml has another default than these pages: correct the pages"


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


def test_nothing_swallows_a_failure() -> None:
    for path in [*ROOT.glob("roles/*/**/*.yml"), *ROOT.glob("playbooks/*.yml")]:
        text = path.read_text()
        assert "ignore_errors" not in text, path
        assert "failed_when: false" not in text, path


def expressions_of(role: str) -> list[Expression]:
    return [expression for path in FILES if path.is_relative_to(ROOT / "roles" / role) for expression in of_file(path)]


@pytest.mark.parametrize("role", ROLES)
def test_a_role_reaches_nothing_outside_but_through_declared_variables(role: str) -> None:
    """No group, no variable of a play, no private variable of another role, nothing beside its own folder."""
    found = [
        f"{expression.place}: {expression.text}"
        for expression in expressions_of(role)
        for names in [{node.name for node in expression.tree.find_all(nodes.Name)}]
        if names & {"groups", "group_names", "compiled_here", "lab_folder"}
        or any(name.startswith("__") and not name.startswith(f"__{role}_") for name in names)
        or "/.." in expression.text
    ]
    assert found == []


@pytest.mark.parametrize("role", ROLES)
def test_a_fact_that_a_role_leaves_to_others_is_declared(role: str) -> None:
    made = {
        name
        for path in sorted((ROOT / "roles" / role / "tasks").glob("*.yml"))
        for task in yaml.safe_load(path.read_text())
        for name in [task.get("register", ""), *task.get("ansible.builtin.set_fact", {})]
        if name and not name.startswith("__")
    }
    words = " ".join(load(role, "meta/argument_specs.yml")["argument_specs"]["main"]["description"])
    assert {name for name in made if f"C({name})" not in words} == set()


def test_what_roles_read_of_each_other_is_declared_by_its_role() -> None:
    declared = {name for role in ROLES for name in options(role)}
    words = "".join((ROOT / "roles" / role / "meta/argument_specs.yml").read_text() for role in ROLES)
    for role in ROLES:
        for expression in expressions_of(role):
            for node in expression.tree.find_all(nodes.Name):
                other = max((one for one in ROLES if node.name.startswith(f"{one}_")), key=len, default=role)
                known = node.name in declared or f"C({node.name})" in words
                assert other == role or known, f"{expression.place}: {node.name}"
