"""One shape for what goes wrong: what was asked, what was found, what to do."""

from __future__ import annotations


class LabError(Exception):
    """A request that cannot be met.

    Args:
        asked: what was asked for, with the value.
        found: what stands against it, with the value and, where there is one, its owner.
        fix: what the reader can do now.
    """

    def __init__(self, asked: str, found: str, fix: str) -> None:
        self.asked = asked
        self.found = found
        self.fix = fix
        super().__init__(f"Asked: {asked}. Found: {found}. Do: {fix}.")


def refuse(asked: str, wrong: tuple[str, str] | None) -> None:
    """Raise what a rule of ``names`` has found wrong, if anything.

    Raises:
        LabError: what was asked, with the rule's reason and remedy.
    """
    if wrong is not None:
        raise LabError(asked, *wrong)
