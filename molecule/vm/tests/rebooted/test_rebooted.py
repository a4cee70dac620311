"""After a reboot that nobody helped: everything is back by itself."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from lab_machine import KEPT, boot
from lab_nvme import COMPUTE, DATA, FILE_NQN, MOUNT, NQN, SLM, attributes, file_block, namespaces, programs
from waiting import until

Host = Any  # testinfra.host.Host, which comes without types

# From ssh's first answer on. An emulated machine on two busy cores.
PATIENCE_S = 240


@pytest.fixture(scope="module", autouse=True)
def settled(host: Host) -> None:
    """What takes its time after a boot has had it: nothing is started by hand."""
    assert boot(host) != (KEPT / "untouched/boot").read_text(), "it has not been rebooted"
    looks = [f"findmnt {MOUNT}", "csd list", "systemctl is-system-running --wait"]
    for look in looks:

        def succeeds(look: str = look) -> bool:
            return bool(host.run(look).rc == 0)

        begun = time.monotonic()
        until(f"`{look}` succeeds after the reboot", succeeds, PATIENCE_S, every=0.5)
        print(f"{look}: {time.monotonic() - begun:.0f} s after the look before it")


def test_the_hugepages_are_back(host: Host) -> None:
    """After the reboot the hugepages are reserved again."""
    assert host.file("/proc/sys/vm/nr_hugepages").content_string == "768\n"
    assert host.service("hello_ebpf-hugepages.service").is_enabled


def test_the_target_is_back_with_its_subsystem(host: Host) -> None:
    """After the reboot systemd runs the target, with the declared namespaces from its saved configuration."""
    assert host.service("csd_target.service").is_running
    saved = json.loads(host.file("/etc/hello_ebpf/csd_target.json").content_string)
    assert saved["subsystems"]
    assert set(namespaces(host)) == {DATA, SLM, COMPUTE}


def test_the_programs_are_back(host: Host) -> None:
    """After the reboot the same six programs are active, by digest."""
    wanted = {
        slot: host.check_output(f"sha256sum /opt/hello_ebpf/csd_target/programs/{name}.bpf.o").split()[0]
        for slot, name in enumerate(["threshold", "search", "aggregate", "histogram", "sample", "top"])
    }
    assert programs(host) == wanted


def test_the_connections_are_back(host: Host) -> None:
    """After the reboot the kernel is connected again to both subsystems, with the declared policy."""
    for nqn in (NQN, FILE_NQN):
        seen = attributes(host, nqn)
        assert (seen["state"], seen["reconnect_delay"], seen["ctrl_loss_tmo"]) == ("live", "2", "600")


def test_the_mount_is_back_and_its_data_intact(host: Host) -> None:
    """After the reboot the file system is mounted again, and the data on the AIO-backed namespace have their digest."""
    assert host.mount_point(MOUNT).filesystem == "ext4"
    assert host.check_output(f"findmnt --noheadings --output SOURCE {MOUNT}") == file_block(host)
    digest = (KEPT / "ext4.sha256").read_text()
    assert host.check_output(f"sha256sum {MOUNT}/data").split()[0] == digest


def test_at_shutdown_the_mount_goes_before_the_target(host: Host) -> None:
    """Systemd mounts after it has started the target, and hence unmounts before it stops the target."""
    unit = host.check_output(f"systemd-escape --path --suffix=mount {MOUNT}")
    assert "csd_target.service" in host.check_output("systemctl show --property After --value %s", unit).split()


def test_no_unit_failed(host: Host) -> None:
    """After the reboot no unit has failed."""
    assert host.check_output("systemctl --failed --no-legend --plain") == ""
