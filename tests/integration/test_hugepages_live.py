"""A few real pages on top of whatever this machine has: added, told apart, added at boot, mounted, taken back.

The files that the module writes go to a folder of the test's own, so this runs beside a lab. The pool, /proc and the
mounts are the real ones.
"""

from __future__ import annotations

import mmap
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.hello_ebpf.hugepages import Hugepages
from ansible.module_utils.hello_ebpf.hugepages_boot import NOTE, RECORD, SCRIPT
from ansible.module_utils.hello_ebpf.hugepages_host import Host
from ansible.module_utils.hello_ebpf.hugepages_request import Request
from ansible.module_utils.hello_ebpf.hugepages_state import State
from ansible.module_utils.hello_ebpf.plan import Outcome, converge

from hugepages_machine import DEFAULTS

PAGES = 16
POOL = Path("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")


def run(argv: list[str]) -> tuple[int, str, str]:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


class Beside(Host):
    """The real machine, with a folder of its own in place of /etc, /var and /run."""

    def __init__(self, folder: Path) -> None:
        super().__init__(run)
        self.folder = folder

    def path(self, path: str) -> Path:
        own = path.startswith(("/etc/", "/var/", "/run/"))
        return self.folder / path.lstrip("/") if own else Path(path)

    def contained(self) -> bool:
        # Whoever runs these tests has given them the kernel's pool, also in a container.
        return False

    def converge(self, *, check: bool = False, **asked: Any) -> Outcome[State]:
        hugepages = self.hugepages(**asked)
        return converge(hugepages.read, hugepages.plan, hugepages.predict, check=check)

    def hugepages(self, **asked: Any) -> Hugepages:
        return Hugepages(Request.of(DEFAULTS | asked), self)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Beside]:
    """The machine; what a failed test leaves of mounts and pages is taken back."""
    host = Beside(tmp_path)
    before = host.pool(2048)
    yield host
    for mount in host.read().mounts:
        if mount.path.startswith(str(tmp_path)):
            subprocess.run(["umount", mount.path], check=True)
    host.restore(before)


def pool() -> int:
    meminfo = re.search(r"HugePages_Total:\s+(\d+)", Path("/proc/meminfo").read_text())
    assert meminfo
    assert meminfo[1] == POOL.read_text().strip()
    return int(meminfo[1])


def test_check_run_again_and_back(host: Beside) -> None:
    found = pool()
    predicted = host.converge(check=True, count=PAGES)
    assert pool() == found
    done = host.converge(count=PAGES)
    assert done.actions == predicted.actions
    assert pool() == found + PAGES
    assert not host.converge(count=PAGES).changed
    host.converge(count=PAGES // 2)
    assert pool() == found + PAGES // 2
    host.converge(state="absent")
    assert pool() == found
    assert not host.converge(state="absent").changed


def test_chosen_node(host: Beside) -> None:
    found = host.pool(2048).nodes[0].pool
    host.converge(nodes={0: PAGES})
    assert host.pool(2048).nodes[0].pool == found + PAGES
    host.converge(state="absent")
    assert host.pool(2048).nodes[0].pool == found


def test_pages_of_another_user_stay_theirs(host: Beside) -> None:
    found = pool()
    host.converge(count=PAGES)
    POOL.write_text(str(pool() + 4))
    assert not host.converge(count=PAGES).changed
    host.converge(state="absent")
    assert pool() == found + 4


def test_boot_script_adds_the_pages_once(host: Beside) -> None:
    found = pool()
    host.converge(count=PAGES)
    script = host.path(SCRIPT).read_text()
    for name in (NOTE, RECORD):
        script = script.replace(name, str(host.path(name)))
    host.path(NOTE).parent.mkdir()
    subprocess.run(["/bin/sh", "-c", script], check=True)
    assert pool() == found + PAGES, "the role had added them in this boot already"
    # What a reboot leaves: the pool of others, and no record of this boot.
    host.shrink(2048, 0, PAGES)
    host.path(RECORD).unlink()
    for _ in range(2):
        subprocess.run(["/bin/sh", "-c", script], check=True)
        assert pool() == found + PAGES
    done = host.converge(count=PAGES)
    assert pool() == found + PAGES
    assert not any("pages of 2048 kB" in action for action in done.actions)
    host.converge(state="absent")
    assert pool() == found


def test_mount_is_made_kept_while_in_use_and_unmade(host: Beside, tmp_path: Path) -> None:
    mount = str(tmp_path / "huge")
    host.converge(count=PAGES, mount=mount)
    assert os.statvfs(mount).f_bsize == 2 << 20
    with tempfile.TemporaryFile(dir=mount) as file:
        file.truncate(2 << 20)
        with mmap.mmap(file.fileno(), 2 << 20) as page:
            page[:3] = b"lab"
            done = host.converge(state="absent", mount=mount)
            [warning] = host.hugepages(state="absent", mount=mount).warnings(done.after, changed=True)
            assert f"the mount {mount}, in use by pid {os.getpid()} " in warning
            assert page[:3] == b"lab"
    host.converge(state="absent", mount=mount)
    assert not Path(mount).exists()
