# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""The target's user and group over {run, check, diff, run again, remove}, on a machine that lives in memory."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.module_utils.hello_ebpf.errors import LabError
from ansible.module_utils.hello_ebpf.plan import Outcome, converge
from ansible.module_utils.hello_ebpf.service_account import MARK, Found, ServiceAccount


class Machine:
    """Users with their comments, groups, and the commands that were run."""

    def __init__(self, users: dict[str, str], *groups: str) -> None:
        self.users = {"root": "root", **users}
        self.groups = {"root", *groups}
        self.ran: list[str] = []
        self.fails = ""

    def run(self, *argv: str) -> None:
        self.ran.append(argv[0])
        if argv[0] == self.fails:
            raise LabError("run it", "it failed", "mend it")
        match argv[0]:
            case "useradd":
                assert argv[-1] not in self.users
                self.users[argv[-1]] = argv[argv.index("--comment") + 1]
                self.groups.add(argv[-1])
            case "usermod":
                self.users[argv[-1]] = argv[argv.index("--comment") + 1]
            case "userdel":
                del self.users[argv[-1]]
                self.groups.discard(argv[-1])
            case "groupadd":
                self.groups.add(argv[-1])
            case "groupdel":
                self.groups.remove(argv[-1])

    def converge(self, user: str, group: str, state: str = "present", *, check: bool = False) -> Outcome[Found]:
        places: dict[str, Any] = {"comment_of": self.users.get, "has_group": self.groups.__contains__, "run": self.run}
        work = ServiceAccount(user, group, state, **places)
        outcome = converge(work.read, work.plan, work.predict, check=check)
        if check:
            assert work.render(outcome.after) == work.render(work.predict(outcome.before))
        return outcome


@pytest.mark.parametrize(
    ("group", "actions"),
    [
        ("csd", ["make system user csd"]),
        ("storage", ["make system user csd", "make system group storage"]),
    ],
)
def test_made_and_removed_without_a_trace(group: str, actions: list[str]) -> None:
    machine = Machine({})
    assert machine.converge("csd", group, check=True).actions == actions
    assert machine.ran == []
    assert machine.converge("csd", group).actions == actions
    assert machine.converge("csd", group).actions == machine.converge("csd", group, check=True).actions == []
    machine.converge("csd", group, "absent")
    assert (machine.users, machine.groups) == ({"root": "root"}, {"root"})
    assert machine.converge("csd", group, "absent").actions == []


def test_what_was_there_before_stays() -> None:
    machine = Machine({"csd": "somebody"}, "csd", "storage")
    assert machine.converge("csd", "storage").actions == []
    assert machine.converge("csd", "storage", "absent").actions == []
    machine = Machine({}, "storage")
    machine.converge("csd", "storage")
    machine.converge("csd", "storage", "absent")
    assert (machine.users, machine.groups) == ({"root": "root"}, {"root", "storage"})


def test_a_run_that_was_cut_off_before_the_group_loses_nothing() -> None:
    machine = Machine({})
    machine.fails = "groupadd"
    with pytest.raises(LabError):
        machine.converge("csd", "storage")
    machine.fails = ""
    assert machine.converge("csd", "storage").actions == ["make system group storage"]
    machine.converge("csd", "storage", "absent")
    assert (machine.users, machine.groups) == ({"root": "root"}, {"root"})


def test_another_group_later_is_noted_too() -> None:
    machine = Machine({})
    machine.converge("csd", "csd")
    assert machine.converge("csd", "storage").actions == ["note storage in csd's comment", "make system group storage"]
    assert machine.users["csd"] == f"{MARK},storage"
    machine.converge("csd", "csd", "absent")
    assert machine.groups == {"root"}


def test_root_is_always_there() -> None:
    machine = Machine({})
    assert machine.converge("root", "root").actions == machine.converge("root", "root", "absent").actions == []


def test_a_group_beside_a_user_of_others_is_theirs_to_make() -> None:
    with pytest.raises(LabError) as error:
        Machine({}).converge("root", "storage")
    assert str(error.value) == (
        "Asked: group storage for user root. Found: there is no such group, and root was there before the lab. "
        "Do: make it: groupadd --system storage."
    )
