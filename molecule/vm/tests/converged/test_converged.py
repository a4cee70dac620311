"""After the first real run: it has changed what the check before it had predicted."""

from __future__ import annotations

from typing import Any

from lab_record import RUN, changed, keep_record, kept_record

Host = Any  # testinfra.host.Host, which comes without types


def test_what_check_predicted_is_what_changed(host: Host) -> None:
    """The tasks that check mode predicted on the untouched disk are exactly those that changed in the run."""
    name = host.backend.get_hostname()
    keep_record("converge")
    predicted, made = changed(kept_record("check"), name), changed(RUN, name)
    assert sorted(predicted - made) == []
    assert sorted(made - predicted) == []


def test_nothing_was_compiled(host: Host) -> None:
    """The guest got what is compiled as packages. gcc is there for what its target makes of programs."""
    for tool in ("clang", "llvm-strip", "make"):
        assert not host.exists(tool)
    assert host.exists("gcc")
    assert host.package("hello-ebpf-target").is_installed
