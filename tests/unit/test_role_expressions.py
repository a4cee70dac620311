"""What a user gives with -e is a string: no condition, comparison or sum of any role or playbook takes it as it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from jinja2 import nodes

from conftest import ROOT
from role_expressions import FILES, Expression, bare, everything, name_of, of_file, parents

PLAYBOOK_BOOLEANS = {"compiled_here"}
SUMS = (nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Pow, nodes.Neg)
# Methods and functions that tell true or false.
TELLING = {"startswith", "endswith"}


def declared(options: dict[str, dict[str, Any]], *types: str) -> set[str]:
    found = {name for name, option in options.items() if option["type"] in types}
    return found.union(*(declared(option.get("options", {}), *types) for option in options.values()))


def of_type(*types: str) -> set[str]:
    specifications = [yaml.safe_load(path.read_text()) for path in ROOT.glob("roles/*/meta/argument_specs.yml")]
    return set().union(*(declared(one["argument_specs"]["main"]["options"], *types) for one in specifications))


BOOLEANS = of_type("bool") | PLAYBOOK_BOOLEANS
NUMBERS = of_type("int", "float")
EVERYTHING = everything()
# A variable that roles and playbooks define by one template, such as those of vars/main.yml.
DEFINED = {
    name: Expression(name, str(value), False).tree
    for path in FILES
    if path.parent.name in {"vars", "defaults"} and path.name != "site.yml"
    for name, value in yaml.safe_load(path.read_text()).items()
}


def takes_a_string_for_true(tree: nodes.Node) -> Iterator[str]:
    """Boolean variables without `| bool`, where "false" would count as true, or is no boolean."""
    for parent, field, child in parents(tree):
        decides = (
            isinstance(parent, (nodes.And, nodes.Or, nodes.Not, nodes.Compare, nodes.Operand))
            or (isinstance(parent, (nodes.CondExpr, nodes.If)) and field == "test")
            or (isinstance(parent, nodes.Filter) and field == "node" and parent.name not in {"bool", "default"})
        )
        if decides and (name := name_of(child)) in BOOLEANS:
            yield f"{name} without | bool"


def takes_a_string_for_a_number(tree: nodes.Node) -> Iterator[str]:
    """Numbers without `| int` that are compared or reckoned with."""
    for parent, _, child in parents(tree):
        reckons = isinstance(parent, (nodes.Compare, nodes.Operand, *SUMS))
        if isinstance(parent, nodes.Filter) and parent.name in {"selectattr", "rejectattr"}:
            reckons = child in parent.args[1:]
        if reckons and (name := name_of(child)) in NUMBERS:
            yield f"{name} without | int"
        # A list of them: `x in list | map(attribute='nsid')`.
        mapped = bare(child)
        if reckons and isinstance(mapped, nodes.Filter) and mapped.name == "map":
            for keyword in mapped.kwargs:
                if keyword.key == "attribute" and getattr(keyword.value, "value", None) in NUMBERS:
                    yield f"map(attribute={keyword.value}) without | map('int')"


def is_boolean(node: nodes.Node) -> bool:
    """Whether a condition's value is true or false, as ansible-core 2.19 and newer demand, whatever -e gives."""
    match node:
        case nodes.And() | nodes.Or():
            return is_boolean(node.left) and is_boolean(node.right)
        case nodes.CondExpr(expr1=one, expr2=nodes.Expr() as other):
            return is_boolean(one) and is_boolean(other)
        case nodes.Const():
            return isinstance(node.value, bool)
        case nodes.Compare() | nodes.Not() | nodes.Test() | nodes.Filter(name="bool"):
            return True
        case nodes.Call(node=nodes.Getattr(attr=method)):
            return method in TELLING
    return _is_told(bare(node))


def _is_told(source: nodes.Node) -> bool:
    """Whether a variable of the role's own is a boolean, or a part of what a module returned, which is what it says."""
    if isinstance(source, nodes.Name) and source.name in DEFINED and source.name.startswith("__"):
        [output] = DEFINED[source.name].find_all(nodes.Output)
        return is_boolean(output.nodes[0])
    part = source
    while isinstance(part, nodes.Getattr):
        part = part.node
    return part is not source and isinstance(part, nodes.Name) and part.name.startswith("__")


def complaints(expression: Expression) -> list[str]:
    tree = expression.tree
    found = [*takes_a_string_for_true(tree), *takes_a_string_for_a_number(tree)]
    if expression.condition:
        [output] = tree.find_all(nodes.Output)
        if not is_boolean(output.nodes[0]):
            found.append("it need not be true or false")
    return [f"{expression.place}: {expression.text}: {complaint}" for complaint in found]


def test_the_sweep_knows_the_variables() -> None:
    assert {"csd_target_manage_service", "csd_target_stop_foreign", "compiled_here", "allow_any_host"} <= BOOLEANS
    assert {"csd_bench_core", "nsid", "slot", "csd_target_ready_seconds"} <= NUMBERS
    assert sum(expression.condition for expression in EVERYTHING) > 50


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(ROOT)) for path in FILES])
def test_a_string_of_e_is_taken_for_what_it_says(path: Any) -> None:
    assert [complaint for expression in of_file(path) for complaint in complaints(expression)] == []


@pytest.mark.parametrize(
    "text",
    [
        "csd_target_manage_service",
        "not csd_target_manage_service",
        "csd_target_stop_foreign or x | length == 0",
        "csd_target_purge and x == 1",
        "csd_target_purge == true",
        "compiled_here",
        "compiled_here | default(true)",
        "(csd_target_manage_service | ternary(1, 2)) == 1",
        "('a' if csd_target_pci else 'b') == 'a'",
        "csd_target_programs",
        "csd_target_programs | length",
        "csd_bench_core < 0",
        "item.1.nsid | default(1) == 1",
        "1 in x | map(attribute='nsid', default=1)",
        "csd_target_memory_megabytes * 2 > 5 | int",
        "x | selectattr('nsid', 'eq', item.1.nsid | default(1)) | length > 0",
        "nvme_tcp_boot is true and nvme_tcp_boot",
        "some_fact",
    ],
)
def test_the_sweep_finds_it(text: str) -> None:
    assert complaints(Expression("here", text, True)) != []


@pytest.mark.parametrize(
    "text",
    [
        "csd_target_manage_service | bool",
        "not compiled_here | default(true) | bool",
        "csd_bench_core | int < 0",
        "csd_target_programs | length > 0 and csd_target_purge | bool",
        "1 in x | map(attribute='nsid', default=1) | map('int')",
        "__nvme_tcp_kernel.usable | default(false)",
        "__csd_target_builds",
        "hugepages_count is undefined",
    ],
)
def test_the_sweep_lets_right_ones_pass(text: str) -> None:
    assert complaints(Expression("here", text, True)) == []
