"""After a check on the finished lab."""

from __future__ import annotations

from typing import Any

from lab_record import RUN, changed

Host = Any  # testinfra.host.Host, which comes without types


def test_a_check_of_the_finished_lab_predicts_nothing(host: Host) -> None:
    """A check after it predicts nothing."""
    assert changed(RUN, host.backend.get_hostname()) == set()
