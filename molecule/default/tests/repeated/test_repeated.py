"""After a second run."""

from __future__ import annotations

from typing import Any

from lab_machine import differences, kept, look
from lab_record import RUN, changed, ended, keep_record, kept_record

Host = Any  # testinfra.host.Host, which comes without types


def test_a_second_run_changes_nothing(host: Host) -> None:
    """A second run of site.yml reports no change, and every file, mount, unit, listener and setting is as before."""
    name = host.backend.get_hostname()
    keep_record("idempotence")
    assert changed(RUN, name) == set()
    assert len(ended(RUN, name)) > len(ended(kept_record("converge"), name)) // 2
    assert differences(kept(host, "converged"), look(host)) == []
