"""The containers before anything of the lab has touched them. A look at each is kept: the end is held against it."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from typing import Any

import pytest
import yaml

from lab_machine import ROOT, keep, lab_processes, listeners, look

Host = Any  # testinfra.host.Host, which comes without types

SHARED = ROOT / "molecule/shared"
# Bits of /usr/include/linux/capability.h, in the order of their numbers.
CAPABILITIES = shlex.split(
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE "
    "NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN "
    "SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE "
    "MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"
)
# What docker gives to every container.
EVERY_CONTAINERS = shlex.split(
    "AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE NET_RAW SETFCAP SETGID SETPCAP SETUID "
    "SYS_CHROOT"
)


def test_releases_are_those_asked_for(host: Host) -> None:
    """Debian 12 and Debian 13, each in its own container."""
    name = host.backend.get_hostname()
    assert host.file("/etc/os-release").contains(f'^VERSION_ID="{name[-2:]}"$')


def test_no_more_than_the_named_capabilities(host: Host) -> None:
    """The container runs without --privileged, with the capabilities named in capabilities.yml and no others."""
    named = yaml.safe_load((SHARED / "capabilities.yml").read_text())["container_capabilities"]
    status = host.file("/proc/1/status").content_string
    bounding = int(re.search(r"^CapBnd:\s+(\w+)$", status, re.MULTILINE)[1], 16)  # type: ignore[index]
    has = {name for bit, name in enumerate(CAPABILITIES) if bounding >> bit & 1}
    assert has == {*EVERY_CONTAINERS, *named}
    name = host.backend.get_hostname()
    said = subprocess.run(["docker", "inspect", name], capture_output=True, check=True, text=True).stdout
    [container] = json.loads(said)
    assert container["HostConfig"]["Privileged"] is False
    assert container["HostConfig"]["Devices"] in (None, [])


def test_systemd_is_process_1_and_content(host: Host) -> None:
    """Systemd runs the container, and no unit has failed."""
    assert host.file("/proc/1/comm").content_string == "systemd\n"
    assert host.check_output("systemctl is-system-running") == "running"


@pytest.mark.parametrize("tool", ["gcc", "clang", "make", "bpftool", "meson", "nvme", "csd", "sudo"])
def test_nothing_helps_the_lab(host: Host, tool: str) -> None:
    """The untouched container has none of the tools that the lab needs."""
    assert not host.exists(tool)


def test_nothing_of_the_lab_is_there(host: Host) -> None:
    """The untouched container has nothing of the lab: file, process, listener, hugepage record."""
    assert host.check_output(r"find / -xdev \( -name '*hello_ebpf*' -o -name '*csd_*' \)") == ""
    assert lab_processes(host) == []
    assert listeners(host) == []


# A unit, a mount, files, a link, a line in fstab and shared memory of somebody else, beside the lab's. The look below
# has them, and so has each look that is held against it.
FOREIGN = """\
set -eu
printf '[Service]\\nType=oneshot\\nRemainAfterExit=yes\\nExecStart=/bin/true\\n' >/etc/systemd/system/theirs.service
systemctl daemon-reload
systemctl start theirs.service
mkdir -p /mnt/theirs /opt/theirs
mount -t tmpfs theirs /mnt/theirs
printf '/dev/theirs /opt/theirs ext4 noauto 0 0' >>/etc/fstab
for path in /opt/theirs/data /usr/local/bin/theirs /etc/modules-load.d/theirs.conf /dev/shm/theirs /var/tmp/theirs; do
	echo '# years of work' >$path
done
ln -s /opt/theirs/data /usr/local/bin/theirs-too
"""


def test_somebody_else_is_there(host: Host) -> None:
    """Others have a unit, a mount, files, a line in fstab and shared memory there, which the removal has to leave."""
    host.check_output("sh -c %s", FOREIGN)


def test_remember_the_untouched_machine(host: Host) -> None:
    """Every file, mount, unit, listener and kernel setting of the untouched container is on record."""
    seen = look(host)
    assert len(seen["files"]) > 5000
    assert len(seen["settings"]) > 100
    keep(host, "untouched", seen)
