"""Every tag that a role offers can be asked for alone: what it uses is there, or is asked for with a fallback."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from jinja2 import nodes

from conftest import ROOT
from role_expressions import Expression, expressions, parents

ROLES = sorted(path.name for path in (ROOT / "roles").iterdir() if path.is_dir())
ALWAYS = frozenset({"always"})


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text()) if path.is_file() else None


def tasks(data: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Those of a file, out of their blocks."""
    for task in data:
        if "block" in task:
            yield from tasks(task["block"])
        else:
            yield task


def file_of(task: dict[str, Any]) -> str | None:
    include = task.get("ansible.builtin.include_tasks")
    return include["file"] if include else None


@cache
def tags_of_files(role: str) -> dict[str, frozenset[str]]:
    """File of tasks to the tags with which it runs; a file that another includes has that one's."""
    folder = ROOT / "roles" / role / "tasks"
    found: dict[str, frozenset[str]] = {}
    waiting = [(file_of(task), frozenset(task.get("tags", []))) for task in tasks(load(folder / "main.yml"))]
    while waiting:
        name, tags = waiting.pop()
        if name:
            found[name] = tags
            waiting += [(file_of(task), tags) for task in tasks(load(folder / name))]
    return found


def named(tree: nodes.Node) -> Iterator[tuple[str, bool]]:
    """Each variable that an expression reads, and whether it can do without: by `default`, or `is defined`."""
    above = {id(child): (parent, field) for parent, field, child in parents(tree)}
    for name in tree.find_all(nodes.Name):
        node: nodes.Node = name
        while True:
            parent, field = above[id(node)]
            if not (isinstance(parent, nodes.Getattr) and field == "node"):
                break
            node = parent
        fallback = isinstance(parent, nodes.Filter) and parent.name == "default" and field == "node"
        asked = isinstance(parent, nodes.Test) and parent.name in {"defined", "undefined"}
        yield name.name, fallback or asked


class Use(NamedTuple):
    """A variable that a file reads; of a role's vars those that it needs in turn."""

    role: str
    file: str
    name: str
    guarded: bool


@cache
def variables_of(role: str) -> dict[str, list[Expression]]:
    found = {**(load(ROOT / "roles" / role / "defaults/main.yml") or {})}
    found |= load(ROOT / "roles" / role / "vars/main.yml") or {}
    return {name: list(expressions(value, name)) for name, value in found.items()}


def uses(role: str, file: str) -> Iterator[Use]:
    variables = variables_of(role)
    waiting = list(expressions(load(ROOT / "roles" / role / "tasks" / file), file))
    seen = set()
    while waiting:
        for name, guarded in named(waiting.pop().tree):
            if name in variables and name not in seen:
                seen.add(name)
                waiting += variables[name]
            yield Use(role, file, name, guarded)


@cache
def makers() -> dict[str, list[tuple[str, str]]]:
    """Variables that tasks register or set -> (role, file)."""
    found: dict[str, list[tuple[str, str]]] = {}
    for role in ROLES:
        for file in tags_of_files(role):
            for task in tasks(load(ROOT / "roles" / role / "tasks" / file)):
                names = [task["register"]] if "register" in task else []
                for name in [*names, *task.get("ansible.builtin.set_fact", {})]:
                    found.setdefault(name, []).append((role, file))
    return found


def complaints(role: str, file: str) -> list[str]:
    tags = tags_of_files(role)[file]
    found = set()
    for use in uses(role, file):
        made = makers().get(use.name, [])
        by_tags = [tags_of_files(maker)[place] for maker, place in made]
        there = any(
            one == ALWAYS or (maker == role and one >= tags) for (maker, _), one in zip(made, by_tags, strict=True)
        )
        if made and not there and not use.guarded:
            found.add(f"{use.name} is made with {sorted(map(sorted, by_tags))}, and used with {sorted(tags)}")
    return sorted(found)


PLACES = [(role, file) for role in ROLES for file in tags_of_files(role)]


@pytest.mark.parametrize(("role", "file"), PLACES, ids=[f"{role}-{file}" for role, file in PLACES])
def test_what_a_tag_uses_is_there(role: str, file: str) -> None:
    assert complaints(role, file) == []


def test_the_sweep_sees_what_is_made_and_used() -> None:
    assert makers()["csd_target_build_result"] == [("csd_target", "build.yml")]
    assert Use("csd_target", "service.yml", "csd_target_build_result", True) in set(uses("csd_target", "service.yml"))
    assert tags_of_files("csd_target")["build.yml"] == {"csd_target", "install"}
    assert len(makers()) > 10


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("made is changed", ("made", False)),
        ("made | default({}) is changed", ("made", True)),
        ("made.results[0].x", ("made", False)),
        ("made.programs | default({})", ("made", True)),
        ("made is defined", ("made", True)),
        ("(made.a ~ 'x') | default('')", ("made", False)),
    ],
)
def test_what_counts_as_a_fallback(text: str, found: tuple[str, bool]) -> None:
    assert list(named(Expression("here", text, True).tree)) == [found]


def test_what_a_tag_includes_runs_with_it() -> None:
    """`apply` is what the included tasks have: with fewer tags than the include they are passed over in silence."""
    includes = [
        (task, task.get("ansible.builtin.include_tasks") or task.get("ansible.builtin.include_role"))
        for path in sorted(ROOT.glob("roles/*/tasks/*.yml"))
        for task in tasks(load(path))
        if "tags" in task
    ]
    for task, include in includes:
        assert include is None or include["apply"]["tags"] == task["tags"], task["name"]


@pytest.mark.parametrize("role", ROLES)
def test_a_roles_name_runs_all_of_it(role: str) -> None:
    for file, tags in tags_of_files(role).items():
        assert role in tags or tags == ALWAYS, file
