"""What the scenarios take for a Debian package's own when they look for what the lab left."""

from __future__ import annotations

import pytest

from lab_machine import of_packages

WANTS = "/etc/systemd/system/multi-user.target.wants"
OWNED = {"/usr/lib/systemd/system/theirs.service"}


@pytest.mark.parametrize(
    ("path", "target", "theirs"),
    [
        (f"{WANTS}/theirs.service", "/usr/lib/systemd/system/theirs.service", True),
        (f"{WANTS}/theirs.service", "/lib/systemd/system/theirs.service", True),
        (f"{WANTS}/csd_target.service", "/etc/systemd/system/csd_target.service", False),
        (f"{WANTS}/csd_target.service", "../csd_target.service", False),
        ("/etc/systemd/system/dev-hugepages.mount.requires/ours.service", "/etc/systemd/system/ours.service", False),
    ],
)
def test_a_link_that_enables_a_unit_is_a_packages_if_the_unit_is(path: str, target: str, theirs: bool) -> None:
    assert of_packages(path, {path: f"l 777 root:root 39 1700000000.0 {target}"}, OWNED) is theirs


def test_what_packages_leave_is_no_unit() -> None:
    assert of_packages("/var/lib/dpkg/status", {}, OWNED)
    assert not of_packages("/etc/systemd/system/csd_target.service", {}, OWNED)
    assert not of_packages("/opt/hello_ebpf/distribution.json", {}, OWNED)
