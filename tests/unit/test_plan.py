"""The core that every module runs through: read, plan, apply, read back, undo."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from ansible.module_utils.hello_ebpf.errors import LabError
from ansible.module_utils.hello_ebpf.plan import Outcome, Step, converge

WANTED = {"a", "b"}


class Things:
    """A set of names that can be added and removed; ``broken`` cannot be added, ``lost`` vanishes when added."""

    def __init__(self, *names: str, broken: str = "", lost: str = "", stuck: str = "") -> None:
        self.names = set(names)
        self.broken = broken
        self.lost = lost
        self.stuck = stuck

    def read(self) -> set[str]:
        return set(self.names)

    def plan(self, found: set[str]) -> Sequence[Step]:
        return [
            Step(f"add {name}", lambda name=name: self.add(name), lambda name=name: self.remove(name))  # type: ignore[misc]
            for name in sorted(WANTED - found)
        ]

    def add(self, name: str) -> None:
        if name == self.broken:
            raise OSError("no room")
        if name != self.lost:
            self.names.add(name)

    def remove(self, name: str) -> None:
        if name == self.stuck:
            raise OSError("busy")
        self.names.remove(name)

    def converge(self, *, check: bool = False) -> Outcome[set[str]]:
        return converge(self.read, self.plan, lambda found: found | WANTED, check=check)


def test_check_predicts_what_a_run_does() -> None:
    things = Things("a", "c")
    predicted = things.converge(check=True)
    assert things.names == {"a", "c"}
    done = things.converge()
    assert predicted == done
    assert done.actions == ["add b"]
    assert done.changed


def test_a_second_run_changes_nothing() -> None:
    things = Things()
    things.converge()
    assert not things.converge().changed


def test_a_failed_step_undoes_those_before_it() -> None:
    things = Things(broken="b")
    with pytest.raises(LabError) as error:
        things.converge()
    assert things.names == set()
    assert str(error.value) == (
        "Asked: add b. Found: no room (1 earlier step(s) were undone). Do: mend the cause and run again."
    )


def test_what_could_not_be_undone_is_named() -> None:
    with pytest.raises(LabError, match=r"0 earlier step\(s\) were undone; NOT undone: add a \(busy\)"):
        Things(broken="b", stuck="a").converge()


def test_what_cannot_be_undone_is_said_to_be_kept() -> None:
    def fail() -> None:
        raise LabError("x", "y", "z")

    steps = [Step("write a", lambda: None), Step("add b", fail)]
    with pytest.raises(LabError) as error:
        converge(lambda: 0, lambda _: steps, lambda _: 1, check=False)
    assert str(error.value) == (
        "Asked: x. Found: y (0 earlier step(s) were undone; kept, a next run goes on from there: write a). Do: z."
    )


def test_partial_success_fails() -> None:
    with pytest.raises(LabError, match=r"Found: every step succeeded, and still missing is: add b\."):
        Things(lost="b").converge()
