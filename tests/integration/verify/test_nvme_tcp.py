"""Who connects, seen by independent tools: sysfs, lsblk, nvme-cli and dd, or the kernel's own configuration.

A kernel with nvme-tcp has to hold the connection; one without has to be told of by name. Which of both a run has
proved stands in its list of claims.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lab_asked import asked, kernel_connects, mounts

Host = Any  # testinfra.host.Host, which comes without types

ROOT = Path(__file__).resolve().parents[3]
NQN = "nqn.2026-11.io.hello-ebpf:csd0"
HOST_NQN = "nqn.2026-11.io.hello-ebpf:host0"
UUID = "6c1f2d7e-5a0b-4c6e-9a57-0e8bff0e0001"
UNITS = "/etc/systemd/system"
MODULE_FILE = "/etc/modules-load.d/hello_ebpf-nvme_tcp.conf"


KERNEL = pytest.mark.only_where(kernel_connects, "the kernel connects")
NOT_KERNEL = pytest.mark.only_where(lambda host: not kernel_connects(host), "the kernel does not connect")


def controllers(host: Host) -> list[str]:
    """Kernel names of the connections to the lab's subsystem."""
    found = host.run("grep -lxF %s /sys/class/nvme/nvme*/subsysnqn", NQN).stdout.split()
    return [path.split("/")[4] for path in found]


def device(host: Host) -> str:
    """The block device of the lab's namespace, by its UUID; multipath's hidden paths (nvme0c0n1) have no node."""
    shown = host.check_output("grep -lxF %s /sys/block/nvme*/uuid", UUID).split()
    [name] = [path.split("/")[3] for path in shown if host.file(f"/dev/{path.split('/')[3]}").exists]
    return str(name)


def units(host: Host) -> list[str]:
    return str(host.run(f"ls {UNITS}").stdout).split() if host.file(UNITS).is_directory else []


def said(host: Host, pytestconfig: pytest.Config, folder: Path) -> str:
    """What the lab itself says of this host, in check mode."""
    inventory = pytestconfig.getoption("ansible_inventory")
    where = ["-i", inventory, "--limit", host.backend.get_hostname()] if inventory else ["-i", "inventory/local"]
    done = subprocess.run(
        [
            Path(sys.executable).parent / "ansible-playbook",
            *where,
            "playbooks/initiator.yml",
            "--check",
            "--tags",
            "nvme_tcp",
        ],
        cwd=ROOT,
        # A scenario's own record stays as it is. JSON, because YAML breaks what is said into lines.
        env=os.environ | {"LAB_RUN_FILE": str(folder / "run.jsonl"), "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@KERNEL
def test_the_kernel_holds_the_connection(host: Host) -> None:
    """The kernel's own nvme-tcp holds the connection, now and at boot, and nvme-cli shows the namespace."""
    [controller] = controllers(host)
    shown = {
        name: host.file(f"/sys/class/nvme/{controller}/{name}").content_string.strip()
        for name in ("transport", "state", "hostnqn", "address", "reconnect_delay")
    }
    assert (shown["transport"], shown["state"], shown["hostnqn"]) == ("tcp", "live", HOST_NQN)
    assert shown["address"].startswith("traddr=127.0.0.1,trsvcid=4420")
    assert shown["reconnect_delay"] == "2"

    block = device(host)
    assert host.file(f"/sys/block/{block}/nsid").content_string == "1\n"
    size = int(host.check_output(f"lsblk --bytes --nodeps --noheadings --output SIZE /dev/{block}"))
    assert size > 0
    listed = json.loads(host.check_output("nvme list --output-format=json"))["Devices"]
    assert f'"/dev/{block}"' in json.dumps(listed) or f'"{block}"' in json.dumps(listed)
    assert NQN in host.check_output("nvme list-subsys")
    host.check_output(f"dd if=/dev/{block} of=/dev/null bs=1M count=4 iflag=direct status=none")

    assert host.file(MODULE_FILE).contains("^nvme_tcp$")
    if host.file("/run/systemd/system").is_directory:
        [unit] = [name for name in units(host) if name.startswith("hello_ebpf-nvme-csd0-")]
        assert host.check_output(f"systemctl is-enabled {unit}") == "enabled"
        assert host.run(f"systemd-analyze verify {UNITS}/{unit}").rc == 0


@NOT_KERNEL
def test_the_lab_says_why_the_kernel_does_not_connect(host: Host, pytestconfig: pytest.Config, tmp_path: Path) -> None:
    """SPDK's initiator takes the kernel's place, and the lab says why, truthfully."""
    output = said(host, pytestconfig, tmp_path)
    reason = re.search(r"The kernel does not connect, because: (.*?)\. The lab goes on", output)
    assert reason, output
    assert controllers(host) == []
    if asked(host, "nvme_tcp_initiator", "auto") == "spdk":
        assert reason[1] == "nvme_tcp_initiator is set to spdk"
    else:
        assert reason[1].startswith(f"kernel {host.check_output('uname -r')}: ")
        assert "SPDK's user-space initiator" in output
    if "no loadable modules" in reason[1]:
        assert not host.file("/proc/modules").exists
    if "CONFIG_NVME_TCP is not set" in reason[1]:
        assert host.run("zgrep -q '^CONFIG_NVME_TCP=' /proc/config.gz").rc == 1


@pytest.mark.only_where(mounts, "a mount of a namespace is declared")
def test_a_mount_of_the_labs_is_by_uuid_and_survives_a_missing_target(host: Host) -> None:
    """Each declared mount is there, by UUID, waits for no target at boot, and takes what is written to it."""
    lines = [line.split() for line in host.file("/etc/fstab").content_string.splitlines() if "x-hello_ebpf" in line]
    assert sorted(mount for _, mount, *_ in lines) == sorted(mounts(host))
    for source, mount, kind, options, *_ in lines:
        assert source.startswith("UUID=")
        assert {"nofail", "_netdev"} <= set(options.split(","))
        point = host.mount_point(mount)
        assert (point.exists, point.filesystem) == (True, kind)
        assert host.check_output(f"findmnt --noheadings --output UUID {mount}") == source.removeprefix("UUID=")
        probe = f"{mount}/.verify"
        text = "written through the connection"
        host.check_output(f"sh -c 'echo {text} > {probe} && sync {probe}'")
        assert host.check_output(f"cat {probe}; rm {probe}") == text


@NOT_KERNEL
def test_without_the_kernels_connection_nothing_is_left_for_boot(host: Host) -> None:
    assert not host.file(MODULE_FILE).exists
    assert [name for name in units(host) if name.startswith("hello_ebpf-nvme-")] == []
