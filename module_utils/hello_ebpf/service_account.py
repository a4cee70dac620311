# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""The system user of a service and the group that may command it: made when missing, and only those removed.

What was made is written where it cannot get lost: in the user's comment (GECOS), before the group is made.
"""

from __future__ import annotations

import grp
import pwd
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from . import commands
from .errors import LabError
from .plan import Step

MARK = "hello_eBPF made this user"


@dataclass(frozen=True)
class Found:
    """What is there."""

    comment: str | None  # the user's comment; None when there is no such user
    groups: frozenset[str]  # which of the groups that matter are there

    @property
    def ours(self) -> bool:
        """Whether we made the user."""
        return self.comment is not None and self.comment.split(",")[0] == MARK

    @property
    def made(self) -> tuple[str, ...]:
        """The groups beside its own that we made."""
        return tuple(self.comment.split(",")[1].split()) if self.ours and self.comment and "," in self.comment else ()


def comment_of(user: str) -> str | None:
    """A user's comment; None when there is no such user."""
    try:
        return pwd.getpwnam(user).pw_gecos
    except KeyError:
        return None


def has_group(group: str) -> bool:
    """Whether there is such a group."""
    try:
        grp.getgrnam(group)
    except KeyError:
        return False
    return True


@dataclass
class ServiceAccount:
    """Reads, plans and predicts for ``plan.converge``.

    Args:
        user: the user; root is there already.
        group: the group; the user's own where it has its name.
        state: ``present`` or ``absent``.
        comment_of, has_group, run: the machine; tests have another one.
    """

    user: str
    group: str
    state: str
    comment_of: Callable[[str], str | None] = comment_of
    has_group: Callable[[str], bool] = has_group
    run: Callable[..., object] = commands.run

    def read(self) -> Found:
        """The user and the groups."""
        comment = self.comment_of(self.user)
        names = {self.user, self.group, *Found(comment, frozenset()).made}
        return Found(comment, frozenset(filter(self.has_group, names)))

    def plan(self, found: Found) -> Sequence[Step]:
        """The missing steps.

        Raises:
            LabError: a group is missing beside a user that is not ours.
        """
        return self._plan_absent(found) if self.state == "absent" else self._plan_present(found)

    def _plan_present(self, found: Found) -> list[Step]:
        steps = []
        # The user's own group comes and goes with it.
        further = self.group not in found.groups and self.group != self.user
        if found.comment is None:
            steps.append(Step(f"make system user {self.user}", lambda: self._add_user(further=further)))
        elif self.group not in found.groups and not found.ours:
            raise LabError(
                asked=f"group {self.group} for user {self.user}",
                found=f"there is no such group, and {self.user} was there before the lab",
                fix=f"make it: groupadd --system {self.group}",
            )
        elif further and self.group not in found.made:
            made = (*found.made, self.group)
            steps.append(
                Step(
                    f"note {self.group} in {self.user}'s comment",
                    lambda: self._note(made),
                    lambda: self._note(found.made),
                )
            )
        if further:
            steps.append(Step(f"make system group {self.group}", lambda: self.run("groupadd", "--system", self.group)))
        return steps

    def _plan_absent(self, found: Found) -> list[Step]:
        if not found.ours:
            return []
        groups = [group for group in found.made if group in found.groups]
        return [
            *(Step(f"remove group {group}", partial(self.run, "groupdel", group)) for group in groups),
            Step(f"remove user {self.user}", lambda: self.run("userdel", self.user)),
        ]

    def _add_user(self, *, further: bool) -> None:
        words = ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
        words += ["--shell", "/usr/sbin/nologin", "--comment", _comment((self.group,) if further else ()), self.user]
        self.run(*words)

    def _note(self, groups: Sequence[str]) -> None:
        self.run("usermod", "--comment", _comment(groups), self.user)

    def predict(self, found: Found) -> Found:
        """The state after the planned steps."""
        if self.state == "absent":
            return Found(None, found.groups - {self.user, *found.made}) if found.ours else found
        return Found(found.comment or _comment(()), found.groups | {self.group, self.user})

    def render(self, found: Found) -> str:
        """The state as text for ``--diff``."""
        user = "absent" if found.comment is None else "made by the lab" if found.ours else "there"
        return f"user {self.user}: {user}\ngroups: {', '.join(sorted(found.groups)) or 'none'}\n"


def _comment(groups: Sequence[str]) -> str:
    return f"{MARK},{' '.join(groups)}" if groups else MARK
