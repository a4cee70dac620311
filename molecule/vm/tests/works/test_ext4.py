"""ext4 on the namespace that outlives the target: the digest of what lies in it, from both sides of the connection."""

from __future__ import annotations

from typing import Any

from lab_machine import KEPT
from lab_nvme import BACKING, MOUNT, file_block

Host = Any  # testinfra.host.Host, which comes without types

MEBIBYTES = 12


def digest(host: Host, path: str) -> str:
    return str(host.check_output("sha256sum %s", path)).split()[0]


def bytes_read(host: Host, block: str) -> int:
    """Bytes that the kernel has read from a namespace; with multipath the hidden path counts them, not the node."""
    stem, _, number = block.removeprefix("/dev/").rpartition("n")
    shown = host.check_output(
        f"cat /sys/block/{stem}n{number}/stat /sys/block/{stem}c*n{number}/stat 2>/dev/null || true"
    )
    return max(int(line.split()[2]) for line in shown.splitlines()) * 512


def test_data_come_back_through_the_file_system(host: Host) -> None:
    """12 MiB written through ext4 read back with the same digest, from the drive and not from the page cache."""
    block = file_block(host)
    host.check_output(f"dd if=/dev/urandom of=/tmp/original bs=1M count={MEBIBYTES} status=none")
    written = digest(host, "/tmp/original")
    host.check_output(f"dd if=/tmp/original of={MOUNT}/data bs=1M conv=fsync status=none; rm /tmp/original")
    host.check_output("sh -c 'sync; echo 3 > /proc/sys/vm/drop_caches'")
    before = bytes_read(host, block)
    assert digest(host, f"{MOUNT}/data") == written
    assert bytes_read(host, block) - before >= MEBIBYTES << 20
    (KEPT / "ext4.sha256").write_text(written)


def test_the_target_holds_the_same_data(host: Host) -> None:
    """With debugfs, the target's backing file shows the same file, with the same digest: nothing is on its way."""
    host.check_output("sync")
    host.check_output("debugfs -R %s %s", "dump /data /tmp/dumped", BACKING)
    found = digest(host, "/tmp/dumped")
    host.check_output("rm /tmp/dumped")
    assert found == (KEPT / "ext4.sha256").read_text()
