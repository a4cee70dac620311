"""After a check on the untouched host: it has predicted changes, and changed nothing."""

from __future__ import annotations

from typing import Any

from lab_machine import differences, kept, look
from lab_record import RUN, changed, keep_record, kept_record

Host = Any  # testinfra.host.Host, which comes without types


def test_check_changes_nothing(host: Host) -> None:
    """Check mode on the untouched host runs through and changes no file, mount, unit, listener or kernel setting."""
    assert differences(kept(host, "untouched"), look(host)) == []


def test_check_predicts_changes(host: Host) -> None:
    """Check mode on the untouched host predicts changes in every role that makes some."""
    keep_record("check")
    predicted = changed(RUN, host.backend.get_hostname())
    assert {role for role, _ in predicted} >= {
        "ebpf_toolchain", "ebpf_examples", "spdk", "csd_target", "csd_host", "csd_bench"
    }  # fmt: skip
    assert kept_record("check").read_text() == RUN.read_text()
