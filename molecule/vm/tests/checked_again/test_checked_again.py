"""After a check of the finished target and connection."""

from __future__ import annotations

from typing import Any

from lab_record import changed, kept_record

Host = Any  # testinfra.host.Host, which comes without types


def test_a_check_of_the_finished_lab_predicts_nothing(host: Host) -> None:
    """A check of target and connection after it predicts nothing."""
    assert changed(kept_record("second_check"), host.backend.get_hostname()) == set()
