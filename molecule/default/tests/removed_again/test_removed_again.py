"""After a second teardown."""

from __future__ import annotations

from typing import Any

from lab_record import RUN, changed

Host = Any  # testinfra.host.Host, which comes without types


def test_a_second_teardown_changes_nothing(host: Host) -> None:
    """A second teardown finds nothing to remove, and changes nothing."""
    assert changed(RUN, host.backend.get_hostname()) == set()
