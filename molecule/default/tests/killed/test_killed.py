"""The target's process is killed; systemd brings it back."""

from __future__ import annotations

import json
from typing import Any

from lab_machine import listeners
from waiting import until

Host = Any  # testinfra.host.Host, which comes without types

UNIT = "csd_target.service"


def main_pid(host: Host) -> int:
    return int(host.check_output(f"systemctl show --property MainPID --value {UNIT}"))


def drive(host: Host) -> dict[str, Any]:
    """What a host sees of it: namespaces, and the digest of each active program by slot."""
    seen = json.loads(host.check_output("csd list --json"))
    [compute] = seen["compute"]
    return {
        "namespaces": seen["namespaces"],
        "active": {each["pind"]: each["sha256"] for each in compute["programs"] if each["state"] == "active"},
    }


def test_a_killed_target_comes_back_with_its_objects_and_programs(host: Host) -> None:
    """After kill -9 systemd starts the target again, with the same namespaces and the same seven active programs."""
    before, pid = drive(host), main_pid(host)
    assert len(before["active"]) == 7
    restarts = int(host.check_output(f"systemctl show --property NRestarts --value {UNIT}"))
    host.check_output(f"kill -9 {pid}")
    until("the target is back", lambda: main_pid(host) not in {0, pid} and "127.0.0.1:4420" in listeners(host))
    assert int(host.check_output(f"systemctl show --property NRestarts --value {UNIT}")) == restarts + 1
    assert "status=9/KILL" in host.check_output(f"journalctl --no-pager --unit {UNIT}")
    until("csd list sees it", lambda: host.run("csd list").rc == 0, found=lambda: host.run("csd list").stderr)
    assert drive(host) == before
