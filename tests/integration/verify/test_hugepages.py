"""Hugepages after the lab's converge, as /proc, sysfs and a process that maps them see it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from lab_asked import pages_are_ours

Host = Any  # testinfra.host.Host, which comes without types

LAB_PAGES = 768
POOL = "/sys/kernel/mm/hugepages/hugepages-2048kB"
SCRIPT = "/etc/hello_ebpf/hugepages-at-boot"
UNIT = "/etc/systemd/system/hello_ebpf-hugepages.service"

OURS = pytest.mark.only_where(pages_are_ours, "the lab reserves its pages itself")

MAP_ANONYMOUS_PAGE = """
import mmap
MAP_HUGETLB = 0x40000
with mmap.mmap(-1, 2 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_HUGETLB) as page:
    page[:4] = b"lab!"
    print(page[:4].decode())
"""

MAP_FILE_OF_PAGES = """
import mmap, tempfile
with tempfile.TemporaryFile(dir="/dev/hugepages") as file:
    file.truncate(4 << 20)
    with mmap.mmap(file.fileno(), 4 << 20) as pages:
        pages[-4:] = b"lab!"
        print(pages[-4:].decode())
"""


@OURS
def test_pool_holds_the_labs_pages_on_top_of_those_found(host: Host) -> None:
    record = json.loads(host.file("/var/lib/hello_ebpf/hugepages.json").content_string)
    share = record["pools"]["2048"]
    assert sum(share["added"].values()) == LAB_PAGES
    total = int(host.file(f"{POOL}/nr_hugepages").content_string)
    assert total >= sum(share["found"].values()) + LAB_PAGES
    meminfo = host.file("/proc/meminfo").content_string
    assert re.search(rf"^HugePages_Total:\s+{total}$", meminfo, re.MULTILINE)
    nodes = host.check_output("cat /sys/devices/system/node/node*/hugepages/hugepages-2048kB/nr_hugepages")
    assert sum(map(int, nodes.split())) == total


def test_hugetlbfs_is_mounted(host: Host) -> None:
    mount = host.mount_point("/dev/hugepages")
    assert mount.exists
    assert mount.filesystem == "hugetlbfs"
    assert "pagesize=2M" in mount.options


def test_a_process_can_map_pages(host: Host) -> None:
    for program in (MAP_ANONYMOUS_PAGE, MAP_FILE_OF_PAGES):
        done = host.run("python3 -c %s", program)
        assert (done.rc, done.stdout) == (0, "lab!\n"), done.stderr


@OURS
def test_boot_script_adds_the_same_pages(host: Host) -> None:
    script = host.file(SCRIPT)
    assert script.mode == 0o755
    assert script.user == "root"
    calls = [line for line in script.content_string.splitlines() if line.startswith("add /")]
    assert calls == [f"add {POOL} {LAB_PAGES}"]


@OURS
def test_unit_is_enabled_and_runs_the_script(host: Host) -> None:
    assert f"\nExecStart={SCRIPT}\n" in host.file(UNIT).content_string
    link = host.file("/etc/systemd/system/sysinit.target.wants/hello_ebpf-hugepages.service")
    assert link.is_symlink
    assert link.linked_to == UNIT


@OURS
def test_boot_script_adds_nothing_twice(host: Host) -> None:
    before = host.file(f"{POOL}/nr_hugepages").content_string
    assert host.run(SCRIPT).rc == 0
    assert host.file(f"{POOL}/nr_hugepages").content_string == before


@pytest.mark.only_where(lambda host: not pages_are_ours(host), "the pool is somebody else's")
def test_somebody_elses_pool_is_only_used(host: Host) -> None:
    """Where the pool is somebody else's, the lab reserves nothing, now or at boot, and the target has its pages."""
    for path in (SCRIPT, UNIT):
        assert not host.file(path).exists
    # Without systemd the role mounts hugetlbfs, and writes that down.
    record = host.file("/var/lib/hello_ebpf/hugepages.json")
    assert not record.exists or json.loads(record.content_string)["pools"] == {}
    pid = host.check_output("ss -Hlntp sport = 4420").partition("pid=")[2].partition(",")[0]
    assert re.search(r"^Private_Hugetlb:\s+[1-9]\d* kB$", host.file(f"/proc/{pid}/smaps").content_string, re.MULTILINE)
