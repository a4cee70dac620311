# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""One RPC as a resource: it was sent, or is still to be sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .errors import LabError
from .jsonrpc import Call, Client, NoTargetError
from .plan import Step


class SingleRpc:
    """The functions that ``converge`` takes, for one call.

    A call that only reads is sent while reading, in check mode too, where a target runs. One that changes is a step;
    the state is whether it was sent.
    """

    def __init__(self, path: str, call: Call, changes: bool, *, check: bool, timeout: float, wait: float) -> None:
        self.path = path
        self.call = call
        self.changes = changes
        self.check = check
        self.timeout = timeout
        self.wait = wait
        self.sent = False
        self.result: Any = None

    def read(self) -> bool:
        """Whether the call was sent; sends one that only reads."""
        if not self.changes:
            try:
                self.send()
            except NoTargetError:
                # In check mode the target may be one that this very play would have started.
                if not self.check:
                    raise
        return self.sent

    def plan(self, sent: bool) -> Sequence[Step]:
        """The call, as long as it is one that changes and was not sent."""
        return [] if sent or not self.changes else [Step(f"call {self.call}", self.send)]

    def predict(self, sent: bool) -> bool:
        """After the step it was sent."""
        del sent
        return True

    def render(self, sent: bool) -> str:
        """The state as text. A call that only reads has none to show."""
        if not self.changes:
            return ""
        return f"{'sent' if sent else 'not sent'}: {self.call}\n"

    def send(self) -> None:
        """Send the call."""
        with Client(self.path, timeout=self.timeout, wait=self.wait) as client:
            self.result = client.call(self.call.method, self.call.params)
        self.sent = True
        if self.changes and self.result is False:
            raise LabError(
                str(self.call),
                "the target answered false: it did not do it",
                "read the reason in the target's log, which says more than its answer",
            )
