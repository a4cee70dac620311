"""The machine as the hugepages module reads and changes it: sysfs, /proc, mounts and our own files."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from . import hugepages_pool
from .commands import run
from .errors import LabError
from .files import content_of, put, text_in
from .fstab import SOURCE, Fstab, Line
from .hugepages_boot import BOOT_FILES, NOTE, RECORD, SCRIPT, UNIT, UNIT_NAME, shares_in
from .hugepages_pool import Pool
from .hugepages_state import OurMount, Record, Share, State
from .mounts import mounts
from .processes import mapped_pages, running, text_of
from .removal import rmdir

RunCommand = Callable[[list[str]], tuple[int, str, str]]

FSTAB = "/etc/fstab"
# The first field of our line in fstab; hugetlbfs has no device that could stand there.
FSTAB_SOURCE = "hello_ebpf_hugepages"
# The kernel gives its first PID namespace this fixed number; a container has one of its own.
FIRST_PID_NAMESPACE = "pid:[4026531836]"
SYSCTL_FOLDERS = ("etc/sysctl.d", "run/sysctl.d", "usr/local/lib/sysctl.d", "usr/lib/sysctl.d", "lib/sysctl.d")
# What this project installs runs from here.
PREFIX = "/opt/hello_ebpf/"


@dataclass
class Host:
    """One machine."""

    run: RunCommand  # runs a command, as AnsibleModule.run_command does
    root: Path = Path("/")  # where its file tree begins; tests put one of their own there
    # writes a kernel file; tests put a kernel there that grants less than asked
    write: Callable[[Path, str], object] = Path.write_text

    def path(self, path: str) -> Path:
        return self.root / path.lstrip("/")

    # ---- read

    def read(self) -> State:
        text = self._text(RECORD)
        record = Record.load(text, RECORD) if text else None
        boot_id = self._text("/proc/sys/kernel/random/boot_id").strip()
        this_boot = record is not None and record.boot_id == boot_id
        pools = hugepages_pool.pools(self.path("/sys"))
        fstab = self._fstab().line(FSTAB_SOURCE)
        ours = record.mount if record else None
        if ours is None or not (this_boot or (fstab and fstab.mount == ours.path)):
            ours = OurMount(fstab.mount, made_folder=False) if fstab else None
        return State(
            pools=pools,
            mounts=mounts(self.root),
            boot_id=boot_id,
            record=record,
            shares=self._shares(record, boot_id, pools),
            ours=ours,
            boot={name: there for name in BOOT_FILES if (there := content_of(self.path(name)))},
            fstab=fstab.text if fstab else "",
        )

    def systemd(self) -> bool:
        """Whether systemd is PID 1."""
        return self.path("/run/systemd/system").is_dir()

    def writable(self) -> bool:
        """Whether the kernel lets us change the pools."""
        return all(os.access(path, os.W_OK) for path in self.path("/sys/kernel/mm/hugepages").glob("*/nr_hugepages"))

    def default_kilobytes(self) -> int:
        """The page size that vm.nr_hugepages is about."""
        return self._meminfo().get("Hugepagesize", 0)

    def available(self) -> int:
        """Memory that the kernel can still hand out, in kB."""
        return self._meminfo().get("MemAvailable", 0)

    def available_on(self, node: int) -> int:
        """The same of a node, estimated: the kernel does not say it."""
        text = self._text(f"/sys/devices/system/node/node{node}/meminfo")
        fields = _fields(re.sub(r"^Node \d+ ", "", text, flags=re.MULTILINE))
        # Page cache can be dropped; shared memory is counted in it and cannot.
        return fields.get("MemFree", 0) + max(0, fields.get("FilePages", 0) - fields.get("Shmem", 0))

    def nodes(self) -> list[int]:
        return hugepages_pool.nodes(self.path("/sys"))

    def pool(self, kilobytes: int) -> Pool:
        return hugepages_pool.pool(self.path("/sys"), kilobytes)

    def holders(self, kilobytes: int) -> str:
        """The processes that have pages of this size mapped, for a message."""
        proc = self.path("/proc")
        held = [(process, mapped_pages([process], kilobytes, proc)) for process in running(proc)]
        words = (f"{process} holds {pages}" for process, pages in held if pages)
        return ", ".join(words) or "no process that /proc shows"

    def lab_pages(self, kilobytes: int) -> int:
        """Pages of this size that the lab's own processes have mapped."""
        proc = self.path("/proc")
        ours = [process for process in running(proc) if process.executable.startswith(PREFIX)]
        return mapped_pages(ours, kilobytes, proc)

    def mount_users(self, path: str) -> list[str]:
        """Who keeps a hugetlbfs: the files in it, and the processes that have (even deleted) files of it mapped."""
        users = []
        with contextlib.suppress(OSError):
            users = [f"the file {path}/{file.name}" for file in sorted(self.path(path).iterdir())]
        for process in running(self.path("/proc")):
            with contextlib.suppress(OSError):
                if f" {path}/" in text_of(self.path(f"/proc/{process.pid}/maps")):
                    users.append(str(process))
        return users

    def mount_point(self, path: str) -> str:
        """What is at a mount point: missing, empty or full (of what a mount would hide)."""
        try:
            return "full" if any(self.path(path).iterdir()) else "empty"
        except FileNotFoundError:
            return "missing"
        except NotADirectoryError:
            return "full"

    def contained(self) -> bool:
        """Whether this is a container, whose pool is its host's."""
        try:
            return str(self.path("/proc/self/ns/pid").readlink()) != FIRST_PID_NAMESPACE
        except OSError:
            return False

    def _shares(self, record: Record | None, boot_id: str, pools: Mapping[int, Pool]) -> Mapping[int, Share]:
        """What tells the lab's share: the record of this boot, else what the boot script noted, else the script itself.

        A script of an earlier boot tells nothing: what is in the pool now may be all of others.
        """
        if record and record.boot_id == boot_id:
            return {size: share for size, share in record.pools.items() if size in pools}
        note = self._text(NOTE)
        if boot_id and boot_id in note:
            return shares_in(note, pools)
        begun = re.search(r"^btime (\d+)", self._text("/proc/stat"), re.MULTILINE)
        script = self.path(SCRIPT)
        if record is None and begun and script.exists() and script.stat().st_mtime > int(begun[1]):
            return shares_in(self._text(SCRIPT), pools)
        return {}

    def setting(self) -> str:
        """The vm.nr_hugepages that wins at boot: the last one in the file whose name sorts last."""
        files: dict[str, Path] = {}
        for folder in SYSCTL_FOLDERS:
            for path in (self.root / folder).glob("*.conf"):
                files.setdefault(path.name, path)
        winner = ""
        for _name, path in sorted(files.items()):
            where = f"/{path.relative_to(self.root)}"
            for value in re.findall(r"^\s*-?\s*vm[./]nr_hugepages\s*=\s*(\d+)", text_in(path), re.MULTILINE):
                winner = f"{where} sets vm.nr_hugepages = {value}"
        return winner

    def _fstab(self) -> Fstab:
        return Fstab(self.path(FSTAB), key=SOURCE)

    def _meminfo(self) -> Mapping[str, int]:
        return _fields(self._text("/proc/meminfo"))

    def _text(self, path: str) -> str:
        return text_in(self.path(path))

    # ---- change

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Let no other run of this module read and write the pools at the same time."""
        folder = os.open(self.path("/sys/kernel/mm"), os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    def grow(self, kilobytes: int, node: int, pages: int) -> None:
        """Add pages to a pool; when the kernel grants only a part, even after compacting memory, give it back."""
        before = self.pool(kilobytes)
        size = before.nodes[node].pool
        compacted = ""
        try:
            granted = self._add(kilobytes, node, pages)
            if granted < pages:
                with contextlib.suppress(OSError):
                    self.write(self.path("/proc/sys/vm/compact_memory"), "1")
                    compacted = ", also after compacting memory once"
                granted += self._add(kilobytes, node, pages - granted)
        except OSError:
            self.restore(before)
            raise
        if granted < pages:
            available = self.available() // 1024
            self.restore(before)
            raise LabError(
                asked=f"{pages} more pages of {kilobytes} kB{before.on(node)}, {pages * kilobytes // 1024} MiB "
                f"(pool: {size} -> {size + pages})",
                found=f"the kernel granted {granted} of {pages}{compacted}; {available} MiB of memory were left then; "
                f"the pool is back at {self.pool(kilobytes).nodes[node].pool}",
                fix=f"ask for fewer pages{', or on other nodes (hugepages_nodes)' if before.on(node) else ''}; or free "
                "memory and run again; or have the kernel reserve them at boot, where memory is not fragmented yet "
                f"(hugepagesz={kilobytes}K hugepages={before.size + pages} on its command line), and set "
                "hugepages_manage: false",
            )

    def shrink(self, kilobytes: int, node: int, pages: int) -> None:
        """Take pages from a pool. The kernel frees unused ones only."""
        self._add(kilobytes, node, -pages)

    def restore(self, before: Pool) -> None:
        """Give back, node by node, what a pool has more than before."""
        for node, pages in self.pool(before.kilobytes).nodes.items():
            if pages.pool > before.nodes[node].pool:
                self._add(before.kilobytes, node, before.nodes[node].pool - pages.pool)

    def _add(self, kilobytes: int, node: int, pages: int) -> int:
        """Set a pool to what it is just now plus ``pages``, so that what others changed meanwhile stays.

        Returns:
            How many it has become more.
        """
        pool = self.pool(kilobytes)
        size = pool.nodes[node].pool
        self.write(self.path(pool.folder(node)) / "nr_hugepages", str(size + pages))
        return self.pool(kilobytes).nodes[node].pool - size

    def mount(self, mount: OurMount, kilobytes: int) -> None:
        folder = self.path(mount.path)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            options = f"nosuid,nodev,pagesize={kilobytes}K"
            run("mount", "-t", "hugetlbfs", "-o", options, "hello_ebpf", str(folder), by=self.run)
        except LabError:
            if mount.made_folder:
                rmdir(folder)
            raise

    def unmount(self, mount: OurMount) -> None:
        if any(there.path == mount.path and there.filesystem == "hugetlbfs" for there in mounts(self.root)):
            run("umount", str(self.path(mount.path)), by=self.run)
        if mount.made_folder:
            rmdir(self.path(mount.path))

    def write_boot(self, boot: Mapping[str, str]) -> None:
        """Write what the next boot runs, and remove what is not named of it."""
        # A new unit is found at the next boot. One that is removed must be forgotten now: sysinit.target wants it,
        # so every later start of another unit would try to start it.
        forget = UNIT not in boot and self.systemd()
        if forget:
            self.run(["systemctl", "stop", UNIT_NAME])
        for name in BOOT_FILES:
            text = boot.get(name, "")
            if (content_of(self.path(name)) or "") != text:
                self._put(name, text, 0o755 if name == SCRIPT else 0o644)
        if forget:
            run("systemctl", "daemon-reload", by=self.run)

    def write_fstab(self, line: str) -> None:
        """Set our line; an empty one removes it."""
        self._fstab().set(FSTAB_SOURCE, Line(line) if line else None)

    def write_record(self, record: Record | None) -> None:
        """Write down what the lab added; None removes the record."""
        self._put(RECORD, record.dump() if record else "")

    def forget(self) -> None:
        """Nothing is the lab's any more: the record and what the boot script noted are settled."""
        self.write_record(None)
        self.path(NOTE).unlink(missing_ok=True)

    def _put(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file or link; an empty text removes it, and its folder where nobody else has anything there."""
        target = self.path(path)
        put(target, text or None, mode)
        if not text and target.parent.name in {"hello_ebpf", "sysinit.target.wants"}:
            rmdir(target.parent)


def _fields(text: str) -> Mapping[str, int]:
    """``Name:   123 kB`` lines."""
    return {name: int(value) for name, value in re.findall(r"^(\w+):\s+(\d+)", text, re.MULTILINE)}
