"""After a check on the untouched disk: it has predicted changes, and changed nothing."""

from __future__ import annotations

from typing import Any

from lab_machine import differences, kept, look
from lab_record import RUN, changed, keep_record

Host = Any  # testinfra.host.Host, which comes without types


def test_check_changes_nothing(host: Host) -> None:
    """Check mode on the untouched disk runs through and changes no file, mount, unit, listener or kernel setting."""
    assert differences(kept(host, "untouched"), look(host)) == []


def test_check_predicts_changes(host: Host) -> None:
    """Check mode on the untouched disk predicts changes in every role that makes some."""
    keep_record("check")
    predicted = changed(RUN, host.backend.get_hostname())
    assert {role for role, _ in predicted} >= {
        "distribution",
        "hugepages",
        "csd_target",
        "nvme_tcp",
        "csd_host",
        "csd_bench",
    }
