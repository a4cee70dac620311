"""Groups of an inventory: which may be missing, and which are misspelt."""

from __future__ import annotations

import pytest

from conftest import loaded

plugin = loaded("plugins/action/check_inventory.py")


def wrong_groups(groups: dict[str, list[str]]) -> str | None:
    everyone = sorted({host for hosts in groups.values() for host in hosts})
    found: str | None = plugin.wrong_groups({"all": everyone, "ungrouped": []} | groups)
    return found


@pytest.mark.parametrize(
    "groups",
    [
        {"builder": ["a"], "targets": ["b"], "initiators": ["c"]},
        {"builder": [], "targets": ["a"], "initiators": ["b"]},
        {"targets": ["a", "b"]},
        {"builder": ["a"]},
        {"initiators": ["a"]},
        {"builder": ["a"], "targets": ["b"], "initiators": ["b"], "target": ["b"], "initiators_of_rack_1": ["b"]},
        {"targets": ["b"], "target": []},
    ],
)
def test_any_may_be_missing_or_empty(groups: dict[str, list[str]]) -> None:
    assert wrong_groups(groups) is None


@pytest.mark.parametrize(
    ("groups", "text"),
    [
        (
            {"builders": ["a"], "targets": ["a"], "initiators": ["a"]},
            "Asked: the group builders of the inventory. Found: the playbooks know builder, targets, initiators; "
            "builder has no hosts. Do: did you mean builder?",
        ),
        ({"target": ["a"], "initiators": ["a"]}, "targets has no hosts. Do: did you mean targets?"),
        ({"targets": ["a"], "Initiator": ["a"]}, "initiators has no hosts. Do: did you mean initiators?"),
        ({"lab": ["a"]}, "Found: none is in a group builder, targets, initiators, so there is nothing to do."),
        ({}, "Do: put hosts into these groups, as inventory/fleet.example does."),
    ],
)
def test_a_misspelt_group_is_named(groups: dict[str, list[str]], text: str) -> None:
    assert text in str(wrong_groups(groups))
