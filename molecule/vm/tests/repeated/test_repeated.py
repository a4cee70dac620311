"""After a second run."""

from __future__ import annotations

from typing import Any

from lab_record import RUN, changed, ended, kept_record

Host = Any  # testinfra.host.Host, which comes without types


def test_a_second_run_changes_nothing(host: Host) -> None:
    """A second run of site.yml reports no change."""
    name = host.backend.get_hostname()
    assert changed(RUN, name) == set()
    assert len(ended(RUN, name)) > len(ended(kept_record("converge"), name)) // 2
