"""The kernel's table of mounts."""

from __future__ import annotations

from pathlib import Path

from ansible.module_utils.hello_ebpf.mounts import Mount, mounted_at, mounts

TABLE = r"""22 1 0:20 / /sys rw,nosuid shared:7 - sysfs sysfs rw
30 22 0:11 / /sys/kernel/tracing rw - tracefs tracefs rw
31 22 259:1 / /mnt/my\040data\011x rw - ext4 /dev/nvme0n1 rw
32 30 0:12 / /sys/kernel/tracing rw shared:9 master:2 - tracefs hello_ebpf rw
33 1 0:40 / /mnt/huge rw - hugetlbfs none rw,pagesize=1G
"""


def test_mounts_are_read_in_the_order_made(tmp_path: Path) -> None:
    table = tmp_path / "proc/self/mountinfo"
    table.parent.mkdir(parents=True)
    table.write_text(TABLE)
    found = mounts(tmp_path)
    assert found[0] == Mount("0:20", "/sys", "sysfs", "sysfs", "rw")
    assert found[2].path == "/mnt/my data\tx"
    assert [mount.page_kilobytes for mount in found] == [0, 0, 0, 0, 1048576]
    assert mounted_at("/sys/kernel/tracing", found) == found[3]
    assert mounted_at("/sys/kernel", found) is None


def test_no_proc_no_mounts(tmp_path: Path) -> None:
    assert mounts(tmp_path) == []


def test_this_machines_own_table_is_read() -> None:
    assert mounted_at("/", mounts())
