"""A machine of files: the kernel's hugepage pools as sysfs and /proc show them, for tests of the hugepages module."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible.module_utils.hello_ebpf.hugepages import Hugepages
from ansible.module_utils.hello_ebpf.hugepages_boot import NOTE, RECORD, SCRIPT
from ansible.module_utils.hello_ebpf.hugepages_host import FIRST_PID_NAMESPACE, Host
from ansible.module_utils.hello_ebpf.hugepages_request import Request
from ansible.module_utils.hello_ebpf.hugepages_state import State
from ansible.module_utils.hello_ebpf.plan import Outcome, converge

MOUNTS = "/proc/self/mountinfo"
SIZES = (2048, 1048576)
DEFAULTS: dict[str, Any] = {
    "state": "present",
    "size_kilobytes": 2048,
    "count": None,
    "megabytes": None,
    "nodes": None,
    "mount": "/dev/hugepages",
    "reserve_megabytes": 512,
    "manage": True,
}


class Killed(BaseException):
    """The run ended here, as after SIGKILL: nothing is undone."""


@dataclass
class Node:
    """Pages of one size on one node; ``grantable`` is how many more the kernel can find."""

    pool: int = 0
    used: int = 0
    grantable: int = 100_000

    @property
    def total(self) -> int:
        return max(self.pool, self.used)

    @property
    def surplus(self) -> int:
        return self.total - self.pool


class Machine:
    """The kernel, mount(8) and systemctl(1) of a file tree under ``root``.

    Pages in use never go: a pool made smaller than what is in use shows the difference as surplus, and a pool that
    grows takes surplus pages in first. Without a choice of nodes pages are spread evenly, as far as there are any.
    """

    def __init__(
        self,
        root: Path,
        nodes: int = 1,
        *,
        systemd: bool = True,
        numa: bool = True,
        kilobytes: int = 2048,
        default_kilobytes: int = 2048,
        others: int = 0,
    ) -> None:
        """Args: kilobytes: the size that ``nodes`` are about; others: free pages of the other size, on node 0."""
        self.root = root
        self.kilobytes = kilobytes
        self.default_kilobytes = default_kilobytes
        self.others = others
        self._shown: dict[str, str] = {}
        self.nodes = {number: Node() for number in range(nodes)}
        self.reserved = 0
        self.compaction = 0
        self.boots = 0
        self.systemd = systemd
        self.numa = numa
        self.commands: list[list[str]] = []
        self.kill_before = ""
        self.available_megabytes = 8192
        self.put("/proc/sys/vm/compact_memory", "")
        self.put("/etc/fstab", "# UNCONFIGURED FSTAB FOR BASE SYSTEM\n")
        self.put("/etc/systemd/system/sysinit.target.wants/other.service", "")
        self.namespace(FIRST_PID_NAMESPACE)
        self.boot(0)

    # ---- the tree

    def path(self, path: str) -> Path:
        return self.root / path.lstrip("/")

    def put(self, path: str, text: str) -> None:
        self.path(path).parent.mkdir(parents=True, exist_ok=True)
        self.path(path).write_text(text)

    def _show(self, path: str, text: str) -> None:
        """Write a file of the kernel's, when its text changed: disks are slow."""
        if self._shown.get(path) != text:
            self._shown[path] = text
            self.put(path, text)

    def text(self, path: str) -> str:
        return self.path(path).read_text()

    def there(self, path: str) -> bool:
        return self.path(path).exists() or self.path(path).is_symlink()

    def files(self) -> dict[str, str]:
        """Every file outside of the kernel's trees, to compare before and after."""
        return {
            str(path.relative_to(self.root)): path.read_text() if path.exists() else str(path.readlink())
            for path in sorted(self.root.rglob("*"))
            if not path.is_dir() and path.relative_to(self.root).parts[0] not in ("sys", "proc")
        }

    def namespace(self, name: str) -> None:
        link = self.path("/proc/self/ns/pid")
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(name)

    def process(self, pid: int, executable: str, pages: int, maps: str = "", kilobytes: int = 2048) -> None:
        """A process that has pages mapped."""
        self.put(f"/proc/{pid}/cmdline", f"{executable}\0")
        end = 0x40000000 + pages * kilobytes * 1024
        self.put(
            f"/proc/{pid}/smaps",
            "1000-2000 rw-p 00000000 00:00 0 [heap]\nSize: 4 kB\nKernelPageSize: 4 kB\n"
            f"40000000-{end:x} rw-p 00000000 00:00 0\nSize: {pages * kilobytes} kB\nKernelPageSize: {kilobytes:8} kB\n",
        )
        self.put(f"/proc/{pid}/maps", maps)
        link = self.path(f"/proc/{pid}/exe")
        link.unlink(missing_ok=True)
        link.symlink_to(executable)

    # ---- the kernel

    @property
    def pool(self) -> int:
        return sum(node.pool for node in self.nodes.values())

    def show(self) -> None:
        """Write the kernel's view into the tree."""
        nodes = self.nodes.values()
        total, used = sum(node.total for node in nodes), sum(node.used for node in nodes)
        self._show_pool("/sys/kernel/mm", total, total - used, sum(node.surplus for node in nodes))
        for number, node in self.nodes.items() if self.numa else ():
            where = f"/sys/devices/system/node/node{number}"
            self._show_pool(where, node.total, node.total - node.used, node.surplus)
            free = self.available_megabytes * 1024 // len(self.nodes)
            self._show(f"{where}/meminfo", f"Node {number} MemFree: {free} kB\nNode {number} Shmem: 0 kB\n")
        available = self.available_megabytes * 1024
        self._show("/proc/meminfo", f"MemAvailable:   {available} kB\nHugepagesize: {self.default_kilobytes:10} kB\n")

    def _show_pool(self, where: str, total: int, free: int, surplus: int) -> None:
        for size in SIZES:
            others = self.others if not where.startswith("/sys/devices") or where.endswith("node0") else 0
            values = (total, free, surplus, self.reserved) if size == self.kilobytes else (others, others, 0, 0)
            names = ("nr_hugepages", "free_hugepages", "surplus_hugepages", "resv_hugepages")
            for name, value in zip(names, values, strict=True):
                self._show(f"{where}/hugepages/hugepages-{size}kB/{name}", f"{value}\n")

    def write(self, path: Path, text: str) -> None:
        """What the kernel does with a write to one of its files."""
        self._die(str(path))
        if path.name == "compact_memory":
            for node in self.nodes.values():
                node.grantable += self.compaction
        elif path.parent.name == f"hugepages-{self.kilobytes}kB":
            part = path.parents[2].name
            self.set_pool(int(text), int(part[4:]) if part.startswith("node") else None)
        self.show()

    def set_pool(self, size: int, number: int | None = None) -> None:
        """Make the pool that large, as far as possible."""
        nodes = list(self.nodes.values()) if number is None else [self.nodes[number]]
        missing = size - sum(node.pool for node in nodes)
        while missing > 0:
            node = min(
                (node for node in nodes if node.surplus or node.grantable), key=lambda node: node.pool, default=None
            )
            if node is None:
                break
            if not node.surplus:
                node.grantable -= 1
            node.pool += 1
            missing -= 1
        while missing < 0:
            node = max(nodes, key=lambda node: node.pool)
            if node.pool > node.used:
                node.grantable += 1
            node.pool -= 1
            missing += 1
        self.show()

    def use(self, pages: int, number: int = 0) -> None:
        self.nodes[number].used += pages
        self.show()

    def boot(self, pool: int = 0) -> None:
        """Boot; others reserve ``pool`` pages first, then systemd, where it runs, starts what is enabled."""
        self.boots += 1
        for node in self.nodes.values():
            node.pool = node.used = 0
        self.put("/proc/sys/kernel/random/boot_id", f"0000-{self.boots}\n")
        self.put("/proc/stat", "btime 1000\n")
        if self.there(SCRIPT):
            os.utime(self.path(SCRIPT), (0, 0))
        if self.systemd:  # elsewhere /run may be a folder on disk
            self.path(NOTE).unlink(missing_ok=True)
        self.put(MOUNTS, "20 1 0:20 / /sys rw - sysfs sysfs rw\n")
        self.path("/run").mkdir(exist_ok=True)
        self.path("/dev").mkdir(exist_ok=True)
        self.set_pool(pool)
        if not self.systemd:
            return
        self.path("/run/systemd/system").mkdir(parents=True, exist_ok=True)
        self.mount("/dev/hugepages", self.default_kilobytes)
        for line in self.text("/etc/fstab").splitlines():
            words = line.split()
            if len(words) == 6 and words[2] == "hugetlbfs":
                self.mount(words[1], int(words[3].rpartition("=")[2].rstrip("K")))
        if self.there("/etc/systemd/system/sysinit.target.wants/hello_ebpf-hugepages.service"):
            self.run_boot_script()

    def run_boot_script(self, *, deaf: bool = False) -> subprocess.CompletedProcess[str]:
        """Run the real script on this tree, then let the kernel see what it wrote; ``deaf``: it grants nothing."""
        script = re.sub(r"(?<!\w)/(run|proc|var|sys)/", rf"{self.root}/\1/", self.text(SCRIPT))
        if deaf:
            script = script.replace('>"$1/nr_hugepages"', ">/dev/null")
        done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=False)
        pool = f"hugepages/hugepages-{self.kilobytes}kB/nr_hugepages"
        everywhere = int(self.text(f"/sys/kernel/mm/{pool}"))
        wanted = {number: int(self.text(f"/sys/devices/system/node/node{number}/{pool}")) for number in self.nodes}
        self._shown.clear()
        if sum(wanted.values()) != self.pool:
            for number, size in wanted.items():
                self.set_pool(size, number)
        else:
            self.set_pool(everywhere)
        return done

    # ---- commands

    def mount(self, path: str, kilobytes: int) -> None:
        self.path(path).mkdir(parents=True, exist_ok=True)
        line = f"50 1 0:40 / {path} rw - hugetlbfs none rw,pagesize={kilobytes // 1024}M\n"
        self.put(MOUNTS, self.text(MOUNTS) + line)

    def run(self, argv: list[str]) -> tuple[int, str, str]:
        self._die(" ".join(argv))
        self.commands.append(argv)
        path = argv[-1].removeprefix(str(self.root))
        if argv[0] == "mount":
            self.mount(path, int(argv[4].rpartition("=")[2].rstrip("K")))
        if argv[0] == "umount":
            lines = self.text(MOUNTS).splitlines(keepends=True)
            self.put(MOUNTS, "".join(line for line in lines if line.split()[4] != path))
        return 0, "", ""

    def _die(self, what: str) -> None:
        if self.kill_before and self.kill_before in what:
            raise Killed(what)

    # ---- the module

    def hugepages(self, **asked: Any) -> Hugepages:
        return Hugepages(Request.of(DEFAULTS | asked), Host(self.run, self.root, self.write))

    def converge(self, *, check: bool = False, **asked: Any) -> Outcome[State]:
        hugepages = self.hugepages(**asked)
        return converge(hugepages.read, hugepages.plan, hugepages.predict, check=check)

    def record(self) -> str:
        return self.text(RECORD)
