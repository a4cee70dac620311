"""Read, plan, apply, read back: the one way in which a module of this project changes anything.

A module supplies two functions. ``read`` returns the present state, ``plan`` returns the steps from a state to what
was asked. A state whose plan is empty is the state that was asked for: that is what check mode reports, what makes
a second run change nothing, and what is tested again after the steps were taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from ansible.module_utils.basic import AnsibleModule

from .errors import LabError

State = TypeVar("State")


@dataclass(frozen=True)
class Step:
    """One change."""

    summary: str  # the change in words, as ``--diff`` and the result's ``actions`` show it
    apply: Callable[[], object]  # makes the change
    # takes it back; None where nothing is left behind or nothing can be taken back
    undo: Callable[[], object] | None = None


@dataclass
class Outcome(Generic[State]):
    """What a module found and did. In check mode ``after`` is the predicted state."""

    before: State
    after: State
    actions: list[str] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        return bool(self.actions)


def converge(
    read: Callable[[], State],
    plan: Callable[[State], Sequence[Step]],
    predict: Callable[[State], State],
    *,
    check: bool,
) -> Outcome[State]:
    """Bring the state that ``read`` returns to one whose ``plan`` is empty.

    Args:
        read: the present state, from the thing itself, never from a file that we wrote about it.
        plan: the steps that are missing; raises LabError where what was asked cannot be had.
        predict: the state that the planned steps lead to (what check mode shows).
        check: take no step.

    Raises:
        LabError: what was asked cannot be had, or a step failed (then the steps before it were undone), or the
            steps succeeded and something is still missing (partial success).
    """
    before = read()
    steps = plan(before)
    actions = [step.summary for step in steps]
    if not steps:
        return Outcome(before, before)
    if check:
        return Outcome(before, predict(before), actions)
    _take(steps)
    after = read()
    missing = [step.summary for step in plan(after)]
    if missing:
        raise LabError(
            asked="; ".join(actions),
            found=f"every step succeeded, and still missing is: {'; '.join(missing)}",
            fix="look for something else that changes the same objects at the same time, then run again",
        )
    return Outcome(before, after, actions)


def _take(steps: Sequence[Step]) -> None:
    """Take the steps in order; when one fails, undo those before it, last first, and say so."""
    done: list[Step] = []
    for step in steps:
        try:
            step.apply()
        except Exception as error:
            raise _failure(step, error, done) from error
        done.append(step)


def _failure(step: Step, error: Exception, done: Sequence[Step]) -> LabError:
    """Undo the steps before a failed one, and tell about both; a LabError of the step itself keeps its own words."""
    not_undone = _undo(done)
    kept = [earlier.summary for earlier in done if earlier.undo is None]
    notes = [f"{len(done) - len(kept) - len(not_undone)} earlier step(s) were undone"]
    if kept:
        notes.append(f"kept, a next run goes on from there: {'; '.join(kept)}")
    if not_undone:
        notes.append(f"NOT undone: {'; '.join(not_undone)}")
    after = f" ({'; '.join(notes)})" if done else ""
    if isinstance(error, LabError):
        return LabError(error.asked, f"{error.found}{after}", error.fix)
    return LabError(step.summary, f"{error}{after}", "mend the cause and run again")


def _undo(done: Sequence[Step]) -> list[str]:
    """Undo steps, last first. Returns the summaries of those that could not be undone, each with its reason."""
    failed: list[str] = []
    for step in reversed(done):
        if step.undo is None:
            continue
        try:
            step.undo()
        except Exception as error:
            failed.append(f"{step.summary} ({error})")
    return failed


@contextmanager
def errors_told(module: AnsibleModule, **result: Any) -> Iterator[None]:
    """End the module with the words of a LabError, and these values."""
    try:
        yield
    except LabError as error:
        module.fail_json(msg=str(error), **result)


def exit_with(
    module: AnsibleModule,
    outcome: Outcome[State],
    render: Callable[[State], str],
    **result: Any,
) -> None:
    """End the module with ``changed``, ``actions`` and a before/after diff.

    Args:
        module: the running module.
        outcome: what ``converge`` returned.
        render: a state as text, for ``--diff``: stable, one fact a line, no secrets.
        result: further values for the module's result.
    """
    module.exit_json(
        changed=outcome.changed,
        actions=outcome.actions,
        diff={"before": render(outcome.before), "after": render(outcome.after)},
        **result,
    )
