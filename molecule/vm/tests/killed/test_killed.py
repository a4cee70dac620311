"""The target's process is killed while an application writes: nothing that was acknowledged may be lost."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from lab_nvme import FILE_NQN, MOUNT, NQN, attributes, controller, programs
from waiting import until

Host = Any  # testinfra.host.Host, which comes without types

UNIT = "csd_target.service"
FILE = f"{MOUNT}/written"
LOG = "/var/tmp/acknowledged"
MEBIBYTES = 32
BLOCK = 4096
# What a writer does before the kill, and after it.
BLOCKS = 40
PATIENCE_S = 120
# nvme_tcp_reconnect_delay, and what the kernel and a busy emulated machine take for the attempt itself.
DELAY_S = 2

# Writes blocks of a known content at random places, directly and with fsync, one after the other. A block counts as
# acknowledged once fsync has returned; then it is told of on the guest's own disk, with the time it took.
WRITER = """
import hashlib, mmap, os, random, sys, time
path, log, size, block = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
buffer = mmap.mmap(-1, block)
handle = os.open(path, os.O_RDWR | os.O_DIRECT)
places = random.Random(7)
with open(log, 'w', buffering=1) as told:
    for number in range(10 ** 9):
        place = places.randrange(size // block)
        seed = b'%d %d' % (number, place)
        buffer[:] = hashlib.shake_256(seed).digest(block)
        begun = time.monotonic()
        assert os.pwrite(handle, buffer, place * block) == block
        os.fsync(handle)
        told.write(f'{number} {place} {time.monotonic() - begun:.3f}\\n')
"""
# Reads back, directly, each place that was acknowledged: it has to hold its last acknowledged content. The one block
# that was under way when the writer was stopped may be old or new.
READER = """
import hashlib, json, mmap, os, sys
path, log, block = sys.argv[1], sys.argv[2], int(sys.argv[3])
last, number = {}, -1
for line in open(log):
    number, place, _ = line.split()
    last[int(place)] = int(number)
buffer = mmap.mmap(-1, block)
handle = os.open(path, os.O_RDONLY | os.O_DIRECT)
wrong = []
for place, written in last.items():
    assert os.preadv(handle, [buffer], place * block) == block
    wanted = {hashlib.shake_256(b'%d %d' % (one, place)).digest(block) for one in (written, int(number) + 1)}
    if bytes(buffer) not in wanted:
        wrong.append(place)
print(json.dumps({'blocks': len(last), 'wrong': wrong}))
"""


def main_pid(host: Host) -> int:
    return int(host.check_output(f"systemctl show --property MainPID --value {UNIT}"))


def restarts(host: Host) -> int:
    return int(host.check_output(f"systemctl show --property NRestarts --value {UNIT}"))


def acknowledged(host: Host) -> int:
    return int(host.check_output(f"wc -l < {LOG}"))


def policy(host: Host) -> tuple[str, ...]:
    seen = attributes(host, FILE_NQN)
    return tuple(seen[name] for name in ("hostnqn", "address", "reconnect_delay", "ctrl_loss_tmo"))


@pytest.fixture(scope="module")
def course(host: Host) -> Iterator[dict[str, Any]]:
    """What happened: the writer begins, the target is killed under it, the writer goes on and is stopped."""
    before = {"programs": programs(host), "restarts": restarts(host), "policy": policy(host)}
    before["config"] = host.check_output("sha256sum /etc/hello_ebpf/csd_target.json")
    host.check_output(f"dd if=/dev/zero of={FILE} bs=1M count={MEBIBYTES} conv=fsync status=none")
    host.check_output(f"rm -f {LOG}; touch {LOG}")
    unit = f"systemd-run --quiet --collect --unit=written python3 -c %s {FILE} {LOG} {MEBIBYTES << 20} {BLOCK}"
    host.check_output(unit, WRITER)
    try:
        until(f"{BLOCKS} blocks are written", lambda: acknowledged(host) >= BLOCKS, PATIENCE_S, every=0.5)
        since = host.check_output("date +%s.%N")
        pid = main_pid(host)
        host.check_output(f"kill -9 {pid}")
        at = acknowledged(host)
        until("systemd starts the target again", lambda: main_pid(host) not in {0, pid}, PATIENCE_S, every=0.5)
        until(
            "the kernel is connected again",
            lambda: attributes(host, FILE_NQN)["state"] == "live",
            PATIENCE_S,
            every=0.5,
        )
        until(
            f"the writer goes on for {BLOCKS} blocks", lambda: acknowledged(host) >= at + BLOCKS, PATIENCE_S, every=0.5
        )
        assert host.check_output("systemctl is-active written") == "active"
    finally:
        host.run("systemctl stop written")
    yield before | {"at": at, "since": since, "pid": pid}
    host.check_output(f"rm {FILE} {LOG}")


def test_systemd_brings_the_target_back(host: Host, course: dict[str, Any]) -> None:
    """After kill -9 under I/O, systemd starts the target again, once, by itself."""
    assert main_pid(host) not in {0, course["pid"]}
    assert restarts(host) == course["restarts"] + 1
    assert "status=9/KILL" in host.check_output(f"journalctl --no-pager --unit {UNIT}")


def test_it_has_its_configuration_and_programs(host: Host, course: dict[str, Any]) -> None:
    """The target that came back has its configuration, its namespaces and the same six active programs."""
    assert host.check_output("sha256sum /etc/hello_ebpf/csd_target.json") == course["config"]
    assert len(course["programs"]) == 6
    assert programs(host) == course["programs"]
    shown = json.loads(host.check_output("csd list --json"))
    assert [each["nsid"] for each in shown["namespaces"]] == [1, 2, 3]


def test_the_kernel_reconnects_within_its_policy(host: Host, course: dict[str, Any]) -> None:
    """The kernel reconnects to both subsystems by itself, at its declared interval, long before it would give up."""
    assert policy(host) == course["policy"]
    assert course["policy"][2:] == ("2", "600")
    log = host.check_output(
        f"journalctl --no-pager --dmesg --output=short-monotonic --since @{course['since'].split('.')[0]}"
    )
    for name in (controller(host, nqn) for nqn in (NQN, FILE_NQN)):
        tries = [float(at) for at in re.findall(rf"\[ *([\d.]+)\].*{name}: Reconnecting in 2 seconds", log)]
        assert tries, log
        assert all(later - earlier >= DELAY_S * 0.9 for earlier, later in itertools.pairwise(tries)), log
        [done] = re.findall(rf"\[ *([\d.]+)\].*{name}: Successfully reconnected", log)
        assert float(done) > tries[-1], log


def test_the_writer_went_on(host: Host, course: dict[str, Any]) -> None:
    """The interrupted writer saw no error, only a pause, and went on."""
    pauses = [float(line.split()[2]) for line in host.check_output(f"cat {LOG}").splitlines()]
    assert len(pauses) >= course["at"] + BLOCKS
    assert max(pauses) > DELAY_S * 0.9, "nothing of the kill reached the writer"
    assert "Input/output error" not in host.check_output("journalctl --no-pager --unit written")


def test_all_that_was_acknowledged_is_there(host: Host, course: dict[str, Any]) -> None:
    """Every block that was acknowledged (O_DIRECT and fsync) before, under and after the kill reads back as written."""
    host.check_output("sh -c 'echo 3 > /proc/sys/vm/drop_caches'")
    found = json.loads(host.check_output(f"python3 -c %s {FILE} {LOG} {BLOCK}", READER))
    assert found["blocks"] >= BLOCKS
    assert found["wrong"] == []


def test_the_file_system_is_whole(host: Host, course: dict[str, Any]) -> None:
    """The file system is still mounted for writing, and the kernel saw no error on it."""
    assert "rw" in host.mount_point(MOUNT).options
    log = host.check_output(f"journalctl --no-pager --dmesg --since @{course['since'].split('.')[0]}")
    assert not re.search(r"EXT4-fs error|Buffer I/O error|blk_update_request|I/O error, dev nvme", log), log
    assert host.check_output(f"touch {MOUNT}/probe && rm {MOUNT}/probe && echo fine") == "fine"
