"""What roles and playbooks say in Jinja, read from their YAML: every template and every condition, with its place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from jinja2 import Environment, nodes

from conftest import ROOT

JINJA = Environment(autoescape=False)
# A task's keys whose value is an expression without braces.
CONDITIONS = ("when", "failed_when", "changed_when", "until", "that")
FILES = sorted(
    [
        *ROOT.glob("roles/*/tasks/*.yml"),
        *ROOT.glob("roles/*/handlers/*.yml"),
        *ROOT.glob("roles/*/defaults/*.yml"),
        *ROOT.glob("roles/*/vars/*.yml"),
        *ROOT.glob("playbooks/**/*.yml"),
        *ROOT.glob("inventory/**/group_vars/*.yml"),
        ROOT / "site.yml",
    ]
)


class Expression(NamedTuple):
    """A template or a condition."""

    place: str
    text: str
    condition: bool

    @property
    def tree(self) -> nodes.Template:
        return JINJA.parse("{{ " + self.text + " }}" if self.condition else self.text)


def expressions(data: Any, place: str, condition: bool = False) -> Iterator[Expression]:
    """All of them in what a YAML file holds."""
    if isinstance(data, dict):
        for key, value in data.items():
            yield from expressions(value, f"{place}: {data.get('name', '')} {key}", key in CONDITIONS)
    elif isinstance(data, list):
        for value in data:
            yield from expressions(value, place, condition)
    elif isinstance(data, str) and (condition or "{{" in data or "{%" in data):
        yield Expression(place, data, condition)


def of_file(path: Path) -> Iterator[Expression]:
    return expressions(yaml.safe_load(path.read_text()), str(path.relative_to(ROOT)))


def everything() -> list[Expression]:
    found = [expression for path in FILES for expression in of_file(path)]
    # The fallbacks of options that have no value of their own stand in the defaults, which are among the files.
    assert len(found) > 200
    return found


def parents(tree: nodes.Node) -> Iterator[tuple[nodes.Node, str, nodes.Node]]:
    """(parent, its field, child) of every node below."""
    for field, value in tree.iter_fields():
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, nodes.Node):
                yield tree, field, child
                yield from parents(child)


def bare(node: nodes.Node) -> nodes.Node:
    """What a value is taken from: `x | default(1)` is x."""
    while isinstance(node, nodes.Filter) and node.name == "default" and node.node is not None:
        node = node.node
    return node


def name_of(node: nodes.Node) -> str | None:
    """`item.1.nsid` is nsid."""
    node = bare(node)
    if isinstance(node, nodes.Name):
        return node.name
    return node.attr if isinstance(node, nodes.Getattr) else None
