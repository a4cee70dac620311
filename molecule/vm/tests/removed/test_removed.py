"""After playbooks/teardown.yml: as on the untouched disk."""

from __future__ import annotations

import re
from typing import Any

from lab_machine import KEPT, differences, kept, lab_processes, listeners, look, of_packages, packaged

Host = Any  # testinfra.host.Host, which comes without types

# What installing the packages nvme-cli, fio and uuid-runtime makes (an initrd too), and what a boot and a login write.
THEIRS = re.compile(
    r"/etc/(nvme/host(id|nqn)$|rc\d\.d/)|/etc/systemd/system/default\.target\.wants$"
    r"|/boot/initrd\.img-[^/]+$|/var/lib/libuuid$"
    r"|/var/(log|lib/wtmpdb|lib/lastlog)/(lastlog2?|[wb]tmp)(\.db)?$"
)
# Computed at each boot from what memory is free then.
OF_THE_BOOT = {"vm.user_reserve_kbytes", "vm.admin_reserve_kbytes", "vm.min_free_kbytes"}


def test_no_file_is_left(host: Host) -> None:
    """Of the lab no file is left anywhere; what is new belongs to a Debian package."""
    before, after = kept(host, "untouched")["files"], look(host)["files"]
    owned = packaged(host)
    other = {path for path in after if not of_packages(path, after, owned) and not THEIRS.match(path)}
    # Links of packages that stay, as gcc's, lead there.
    new = [path for path in other - before.keys() - owned if "/etc/alternatives/" not in after[path]]
    assert sorted(new) == []
    assert sorted(before.keys() - after.keys()) == []
    changed = {path for path in other & before.keys() if before[path] != after[path]}
    # Written anew, line by line as it was.
    assert changed <= {"/etc/fstab"}
    assert host.file("/etc/fstab").content_string == (KEPT / "untouched/fstab").read_text()


def test_no_unit_mount_listener_process_or_setting_is_left(host: Host) -> None:
    """No unit, mount, listener, process, shared memory or kernel setting of the lab is left."""
    before, after = kept(host, "untouched"), look(host)
    for seen in (before, after):
        del seen["files"]
        for name in OF_THE_BOOT:
            seen["settings"].pop(name, None)
    # Units that Debian packages brought.
    owned = packaged(host)
    for name in after["units"].keys() - before["units"].keys():
        if {f"/usr/lib/systemd/system/{name}", f"/lib/systemd/system/{name}"} & owned:
            del after["units"][name]
    assert differences(before, after) == []
    assert lab_processes(host) == []
    assert "4420" not in {address.rpartition(":")[2] for address in listeners(host)}


def test_no_hugepage_and_no_device_is_left(host: Host) -> None:
    """No hugepage is reserved, no NVMe device and no connection is there."""
    assert host.file("/proc/sys/vm/nr_hugepages").content_string == "0\n"
    assert host.check_output(r"find /dev -maxdepth 1 \( -name 'nvme[0-9]*' -o -name 'ng*' \)") == ""
    assert host.check_output("find /sys/class/ -path '/sys/class/nvme/*'") == ""


def test_nothing_of_the_lab_would_happen_at_the_next_boot(host: Host) -> None:
    """No module setting, kernel setting, temporary-file rule or unit of the lab is left for the next boot."""
    places = (
        "/etc/modules-load.d /etc/modprobe.d /etc/sysctl.d /etc/tmpfiles.d /etc/udev/rules.d /etc/systemd /etc/nvme"
    )
    there = host.check_output(f"for place in {places}; do test ! -e $place || echo $place; done").split()
    assert "/etc/systemd" in there
    # 1: grep found nothing, and nothing went wrong.
    done = host.run(f"grep -rl hello_ebpf {' '.join(there)}")
    assert (done.rc, done.stdout) == (1, "")
    assert host.check_output(f"find {' '.join(there)} -name '*hello_ebpf*' -o -name '*csd*'") == ""


def test_systemd_knows_nothing_of_it(host: Host) -> None:
    """Systemd has no unit of the lab's in its memory, and none that failed."""
    known = host.check_output("systemctl list-units --all --no-legend --plain --no-pager").splitlines()
    assert [line for line in known if "hello_ebpf" in line or "csd" in line] == []
    assert host.check_output("systemctl is-system-running") == "running"
