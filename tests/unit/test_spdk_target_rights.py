# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Who may load programs, in spdk_target: what is declared, the RPCs from what was found to it, their order."""

from __future__ import annotations

from typing import Any

import pytest
import spdk_target
from ansible.module_utils.hello_ebpf.arguments import arguments
from ansible.module_utils.hello_ebpf.errors import LabError
from ansible.module_utils.hello_ebpf.spdk_target.changes import changes
from ansible.module_utils.hello_ebpf.spdk_target.goal import Options, goal
from ansible.module_utils.hello_ebpf.spdk_target.tree import Tree, as_data, declared, render, tree_from_saved

NQN = "nqn.2026-11.io.hello-ebpf:csd0"
BOSS = "nqn.2026-11.io.hello-ebpf:boss"
GUEST = "nqn.2026-11.io.hello-ebpf:guest"
RUNS = {"nqn": GUEST, "programs": "run"}


def asked(**subsystem: Any) -> Tree:
    """A declaration, as the module's arguments make it."""
    keys = arguments(spdk_target.DOCUMENTATION)["subsystems"]["options"]
    every = {**dict.fromkeys(keys), "programs": "load", "allow_any_host": False}
    return declared({"subsystems": [{**every, "nqn": NQN, **subsystem}]}, check=False)


def found(rights: dict[str, dict[str, str]], *hosts: str) -> Tree:
    """A target with this subsystem."""
    made = [{"method": "nvmf_create_subsystem", "params": {"nqn": NQN}}]
    made += [{"method": "nvmf_subsystem_add_host", "params": {"nqn": NQN, "host": host}} for host in hosts]
    made += [
        {"method": "csd_set_host_rights", "params": {"nqn": nqn, "programs": right, **({"host": host} if host else {})}}
        for nqn, rules in rights.items()
        for host, right in rules.items()
    ]
    return tree_from_saved(made)


def sent(before: Tree, wanted: Tree, options: Options | None = None) -> list[tuple[str, dict[str, Any]]]:
    """The RPCs, without the subsystem's NQN."""
    calls = [change.call for change in changes(before, goal(before, wanted, options or Options()))]
    return [(call.method, {name: value for name, value in call.params.items() if name != "nqn"}) for call in calls]


def test_hosts_load_unless_told_otherwise() -> None:
    assert asked(hosts=[BOSS]).rights == {NQN: {}}
    assert asked(hosts=[BOSS, {"nqn": GUEST}, {"nqn": f"{GUEST}1", "programs": "load"}]).rights == {NQN: {}}
    assert asked(hosts=[BOSS, RUNS]).rights == {NQN: {GUEST: "run"}}
    assert asked(hosts=[BOSS, RUNS]).subsystems[NQN].hosts == (BOSS, GUEST)


def test_a_subsystem_can_say_it_for_all_others() -> None:
    rules = {NQN: {"": "run", BOSS: "load"}}
    assert (
        asked(programs="run", hosts=[{"nqn": BOSS, "programs": "load"}, GUEST, RUNS | {"nqn": f"{GUEST}1"}]).rights
        == rules
    )
    assert asked(programs="run", allow_any_host=True).rights == {NQN: {"": "run"}}


def test_a_right_is_narrowed_before_its_host_comes_and_widened_after() -> None:
    assert sent(found({}), asked(hosts=[RUNS])) == [
        ("csd_set_host_rights", {"host": GUEST, "programs": "run"}),
        ("nvmf_subsystem_add_host", {"host": GUEST}),
    ]
    assert sent(found({}), asked(programs="run", hosts=[{"nqn": BOSS, "programs": "load"}])) == [
        ("csd_set_host_rights", {"programs": "run"}),
        ("nvmf_subsystem_add_host", {"host": BOSS}),
        ("csd_set_host_rights", {"host": BOSS, "programs": "load"}),
    ]


def test_a_host_that_goes_takes_its_right_along() -> None:
    before = found({NQN: {GUEST: "run"}}, BOSS, GUEST)
    assert sent(before, asked(hosts=[BOSS])) == [
        ("nvmf_subsystem_remove_host", {"host": GUEST}),
        ("csd_set_host_rights", {"host": GUEST}),
    ]
    assert sent(before, asked(hosts=[BOSS, GUEST])) == [("csd_set_host_rights", {"host": GUEST})]
    assert sent(before, asked(hosts=[BOSS, RUNS])) == []


def test_without_a_list_of_hosts_their_rights_stay() -> None:
    before = found({NQN: {GUEST: "run", "": "run"}}, GUEST)
    assert sent(before, asked(programs="run")) == []
    assert sent(before, asked()) == [("csd_set_host_rights", {})]


def test_removal_and_purge_leave_no_rule() -> None:
    before = found({NQN: {GUEST: "run"}, "nqn.2019-01.com.example:other": {"": "run"}}, GUEST)
    gone = [("nvmf_delete_subsystem", {}), ("csd_set_host_rights", {"host": GUEST})]
    assert sent(before, asked(), Options(absent=True)) == gone
    # A rule can outlive its subsystem, where that was removed by hand.
    assert sent(before, asked(hosts=[RUNS]), Options(purge=True)) == [("csd_set_host_rights", {})]


def test_each_rule_is_taken_back_to_what_it_was() -> None:
    before = found({NQN: {GUEST: "run"}}, GUEST)
    (change,) = changes(before, goal(before, asked(hosts=[GUEST]), Options()))
    assert change.summary == f"drop what was said of programs of {NQN} and host {GUEST}"
    assert [call.params for call in change.undo] == [{"nqn": NQN, "host": GUEST, "programs": "run"}]
    back = changes(goal(before, asked(hosts=[GUEST]), Options()), before)
    assert [one.summary for one in back] == [f"let host {GUEST} run, not load, programs of {NQN}"]
    assert [call.params for call in back[0].undo] == [{"nqn": NQN, "host": GUEST}]


def test_the_diff_and_the_result_show_them() -> None:
    tree = found({NQN: {GUEST: "run", "": "run", BOSS: "load"}})
    assert render(tree).endswith(
        "rights:\n"
        f"  - nqn: {NQN}\n"
        "    programs: run\n"
        f"  - nqn: {NQN}\n"
        f"    host: {BOSS}\n"
        "    programs: load\n"
        f"  - nqn: {NQN}\n"
        f"    host: {GUEST}\n"
        "    programs: run"
    )
    assert as_data(tree)["rights"][1] == {"nqn": NQN, "host": BOSS, "programs": "load"}


@pytest.mark.parametrize(
    ("host", "said"),
    [
        (7, "host 7. Found: neither an NQN nor a mapping with one."),
        ({"programs": "run"}, "host {'programs': 'run'}. Found: neither an NQN nor a mapping with one."),
        ({"nqn": GUEST, "programs": "all"}, f"host {GUEST} with programs all. Found: it can be load or run."),
        ({"nqn": GUEST, "right": "run"}, f"host {GUEST} with right. Found: a host has nqn and programs."),
        ({"nqn": "guest", "programs": "run"}, "host guest. Found: this is not the form of an NQN."),
    ],
)
def test_what_is_no_host_is_refused(host: object, said: str) -> None:
    with pytest.raises(LabError) as error:
        asked(hosts=[host])
    assert str(error.value).startswith(f"Asked: subsystem {NQN}: {said}")
