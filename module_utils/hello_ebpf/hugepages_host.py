"""The machine as the hugepages module reads and changes it: sysfs, /proc, mounts and our own files."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from .errors import LabError
from .hugepages_boot import FSTAB, LINK, NOTE, RECORD, SCRIPT, UNIT, UNIT_NAME, directory, note_lines
from .hugepages_mapped import mapped_pages
from .hugepages_state import Boot, Mount, Pages, Pool, Record, Setting, State
from .processes import Process, running, text_of

RunCommand = Callable[[list[str]], tuple[int, str, str]]

# The kernel gives its first PID namespace this fixed number; a container has one of its own.
FIRST_PID_NAMESPACE = "pid:[4026531836]"
SYSCTL_FOLDERS = ("etc/sysctl.d", "run/sysctl.d", "usr/local/lib/sysctl.d", "usr/lib/sysctl.d", "lib/sysctl.d")
# What this project installs runs from here.
PREFIX = "/opt/hello_ebpf/"


def write_kernel(path: Path, text: str) -> None:
    """Write a file of sysfs or /proc. The kernel may do less than asked without an error: read back."""
    path.write_text(text)


class Host:
    """One machine.

    Args:
        run: runs a command, as AnsibleModule.run_command does.
        root: where its file tree begins; tests put one of their own there.
        write: writes a kernel file; tests put a kernel there that grants less than asked.
    """

    def __init__(
        self,
        run: RunCommand,
        root: Path = Path("/"),
        write: Callable[[Path, str], None] = write_kernel,
    ) -> None:
        self.run = run
        self.root = root
        self.write = write

    def path(self, path: str) -> Path:
        return self.root / path.lstrip("/")

    # ---- read

    def read(self, *, kilobytes: int, mount: str, keep_mount: bool, count_lab_pages: bool) -> State:
        """The state that decides about pages of this size and about a hugetlbfs at ``mount``."""
        record = self._text(RECORD)
        known = Record.load(record, RECORD) if record else None
        boot_id = self._text("/proc/sys/kernel/random/boot_id").strip()
        meminfo = _fields(self._text("/proc/meminfo"))
        made = known.mount.path if known and known.mount else ""
        leaving = bool(made) and not (keep_mount and made == mount)
        return State(
            pools=self._pools(),
            default_kilobytes=meminfo.get("Hugepagesize", 0),
            available_kilobytes=meminfo.get("MemAvailable", 0),
            node_kilobytes={node: self._node_available(node) for node in self._nodes()},
            mounts=self._mounts(),
            folder=self._folder(mount),
            mount_users=self.mount_users(made) if leaving else (),
            record=known,
            boot_id=boot_id,
            booted=note_lines(self._text(NOTE), boot_id),
            script_is_new=self._script_is_new(),
            boot=Boot(self._text(SCRIPT), self._text(UNIT), self.path(LINK).is_symlink(), self._text(FSTAB)),
            systemd=self.path("/run/systemd/system").is_dir(),
            contained=self.contained(),
            writable=all(
                os.access(path, os.W_OK) for path in self.path("/sys/kernel/mm/hugepages").glob("*/nr_hugepages")
            ),
            setting=self._setting(),
            lab_pages=self._lab_pages(kilobytes) if count_lab_pages else 0,
        )

    def pool(self, kilobytes: int) -> Pool:
        everywhere = self.path(directory(kilobytes, None))
        nodes = {node: _pages(self.path(directory(kilobytes, node))) for node in self._nodes()}
        return Pool(kilobytes, _number(everywhere / "resv_hugepages"), nodes or {0: _pages(everywhere)})

    def available_megabytes(self) -> int:
        return _fields(self._text("/proc/meminfo")).get("MemAvailable", 0) // 1024

    def holders(self, kilobytes: int) -> list[tuple[Process, int]]:
        """The processes that have hugepages mapped, and how many pages of this size that is."""
        proc = self.path("/proc")
        held = [(process, mapped_pages([process], kilobytes, proc)) for process in running(proc)]
        return [(process, pages) for process, pages in held if pages]

    def _lab_pages(self, kilobytes: int) -> int:
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
            if f" {path}/" in self._text(f"/proc/{process.pid}/maps"):
                users.append(str(process))
        return users

    def _pools(self) -> dict[int, Pool]:
        found = _numbered(self.path("/sys/kernel/mm/hugepages"), r"hugepages-(\d+)kB")
        return {size: self.pool(size) for size in found}

    def _nodes(self) -> list[int]:
        folder = self.path("/sys/devices/system/node")
        return [node for node in _numbered(folder, r"node(\d+)") if (folder / f"node{node}" / "hugepages").is_dir()]

    def _node_available(self, node: int) -> int:
        text = self._text(f"/sys/devices/system/node/node{node}/meminfo")
        fields = _fields(re.sub(r"^Node \d+ ", "", text, flags=re.MULTILINE))
        # Page cache can be dropped; shared memory is counted in it and cannot.
        return fields.get("MemFree", 0) + max(0, fields.get("FilePages", 0) - fields.get("Shmem", 0))

    def _mounts(self) -> list[Mount]:
        mounts = []
        for line in self._text("/proc/self/mounts").splitlines():
            _source, path, filesystem, options, *_rest = line.split(" ")
            size = re.search(r"(?:^|,)pagesize=(\d+)([KMG])", options)
            kilobytes = int(size[1]) * {"K": 1, "M": 1024, "G": 1024 * 1024}[size[2]] if size else 0
            unescaped = re.sub(r"\\(\d{3})", lambda match: chr(int(match[1], 8)), path)
            mounts.append(Mount(unescaped, filesystem, kilobytes))
        return mounts

    def _folder(self, path: str) -> str:
        try:
            return "full" if any(self.path(path).iterdir()) else "empty"
        except FileNotFoundError:
            return "missing"
        except NotADirectoryError:
            return "full"

    def _script_is_new(self) -> bool:
        begun = re.search(r"^btime (\d+)", self._text("/proc/stat"), re.MULTILINE)
        try:
            return begun is not None and self.path(SCRIPT).stat().st_mtime > int(begun[1])
        except FileNotFoundError:
            return False

    def contained(self) -> bool:
        """Whether this is a container, whose pool is its host's."""
        try:
            return str(self.path("/proc/self/ns/pid").readlink()) != FIRST_PID_NAMESPACE
        except OSError:
            return False

    def _setting(self) -> Setting | None:
        """The vm.nr_hugepages that wins at boot: the last one in the file whose name sorts last."""
        files: dict[str, Path] = {}
        for folder in SYSCTL_FOLDERS:
            for path in sorted((self.root / folder).glob("*.conf")):
                files.setdefault(path.name, path)
        winner = None
        for _name, path in sorted(files.items()):
            for value in re.findall(r"^\s*-?\s*vm[./]nr_hugepages\s*=\s*(\d+)", _read(path), re.MULTILINE):
                winner = Setting(f"/{path.relative_to(self.root)}", value)
        return winner

    def _text(self, path: str) -> str:
        return _read(self.path(path))

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

    def grow(self, kilobytes: int, node: int | None, pages: int) -> None:
        """Add pages to a pool; when the kernel grants only a part, even after compacting memory, give it back."""
        before = self.pool(kilobytes)
        compacted = ""
        try:
            self._add(kilobytes, node, pages)
            if (granted := self._grown(before, node)) < pages:
                with contextlib.suppress(OSError):
                    self.write(self.path("/proc/sys/vm/compact_memory"), "1")
                    compacted = ", also after compacting memory once"
                self._add(kilobytes, node, pages - granted)
            granted = self._grown(before, node)
        except OSError:
            self.restore(before)
            raise
        if granted < pages:
            available = self.available_megabytes()
            self.restore(before)
            where = "" if node is None else f" on node {node}"
            size = _size(before, node)
            raise LabError(
                asked=f"{pages} more pages of {kilobytes} kB{where}, {pages * kilobytes // 1024} MiB "
                f"(pool: {size} -> {size + pages})",
                found=f"the kernel granted {granted} of {pages}{compacted}; {available} MiB of memory were left then; "
                f"the pool is back at {_size(self.pool(kilobytes), node)}",
                fix="ask for fewer pages; or free memory and run again; or have the kernel reserve them at boot, where "
                f"memory is not fragmented yet (hugepagesz={kilobytes}K hugepages={before.size + pages} on its command "
                "line), and set hugepages_manage: false",
            )

    def shrink(self, kilobytes: int, node: int, pages: int) -> None:
        """Take pages from a pool. The kernel frees unused ones only."""
        self._add(kilobytes, node, -pages)

    def restore(self, before: Pool) -> None:
        """Give back, node by node, what a pool has more than before."""
        for node, pages in self.pool(before.kilobytes).nodes.items():
            if pages.pool > before.nodes[node].pool:
                self._add(before.kilobytes, node, before.nodes[node].pool - pages.pool)

    def _grown(self, before: Pool, node: int | None) -> int:
        return _size(self.pool(before.kilobytes), node) - _size(before, node)

    def _add(self, kilobytes: int, node: int | None, pages: int) -> None:
        """Set a pool to what it is just now plus ``pages``, so that what others changed meanwhile stays."""
        scope = node if self._nodes() else None
        size = _size(self.pool(kilobytes), scope)
        self.write(self.path(directory(kilobytes, scope)) / "nr_hugepages", str(size + pages))

    def mount(self, path: str, kilobytes: int) -> None:
        folder = self.path(path)
        made = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        try:
            options = f"nosuid,nodev,pagesize={kilobytes}K"
            self._command(["mount", "-t", "hugetlbfs", "-o", options, "hello_ebpf", str(folder)])
        except OSError:
            if made:
                folder.rmdir()
            raise

    def unmount(self, path: str, *, remove_folder: bool) -> None:
        if any(mount.path == path and mount.filesystem == "hugetlbfs" for mount in self._mounts()):
            self._command(["umount", str(self.path(path))])
        if remove_folder:
            with contextlib.suppress(OSError):
                self.path(path).rmdir()

    def write_boot(self, boot: Boot) -> None:
        """Write, or with empty texts remove, what the next boot runs."""
        link = self.path(LINK)
        # A new unit is found at the next boot. One that is removed must be forgotten now: sysinit.target wants it,
        # so every later start of another unit would try to start it.
        forget = not boot.unit and self.path("/run/systemd/system").is_dir()
        if forget:
            self.run(["systemctl", "stop", UNIT_NAME])
        for name, text, mode in ((SCRIPT, boot.script, 0o755), (UNIT, boot.unit, 0o644)):
            if self._text(name) != text:
                self._put(name, text, mode)
        if boot.enabled and not link.is_symlink():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(UNIT)
        if not boot.enabled:
            link.unlink(missing_ok=True)
            _remove_empty(link.parent)
        if forget:
            self._command(["systemctl", "daemon-reload"])

    def write_fstab(self, text: str) -> None:
        path = self.path(FSTAB)
        self._put(FSTAB, text, path.stat().st_mode & 0o777 if path.exists() else 0o644)

    def write_record(self, record: Record | None) -> None:
        """Write down what the lab added; None removes the record."""
        self._put(RECORD, record.dump() if record else "", 0o644)

    def forget(self) -> None:
        """Nothing is the lab's any more: the record and what the boot script noted are settled."""
        self.write_record(None)
        self.path(NOTE).unlink(missing_ok=True)

    def _put(self, path: str, text: str, mode: int) -> None:
        """Replace a file at once, so that a kill leaves the old one or the new one; an empty text removes it."""
        target = self.path(path)
        if not text:
            target.unlink(missing_ok=True)
            if target.parent.name == "hello_ebpf":
                _remove_empty(target.parent)
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.part")
        with part.open("w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.chmod(mode)
        part.replace(target)

    def _command(self, argv: list[str]) -> None:
        status, _out, error = self.run(argv)
        if status:
            raise OSError(f"{' '.join(argv)}: {error.strip() or f'exit status {status}'}")


def _size(pool: Pool, node: int | None) -> int:
    return pool.size if node is None else pool.nodes[node].pool


def _pages(folder: Path) -> Pages:
    return Pages(*(_number(folder / name) for name in ("nr_hugepages", "free_hugepages", "surplus_hugepages")))


def _numbered(folder: Path, pattern: str) -> list[int]:
    """The numbers in the names that match, smallest first."""
    names = (path.name for path in folder.iterdir()) if folder.is_dir() else ()
    return sorted(int(match[1]) for match in (re.fullmatch(pattern, name) for name in names) if match)


def _number(path: Path) -> int:
    return int(path.read_text())


def _fields(text: str) -> Mapping[str, int]:
    """``Name:   123 kB`` lines."""
    return {name: int(value) for name, value in re.findall(r"^(\w+):\s+(\d+)", text, re.MULTILINE)}


def _read(path: Path) -> str:
    """The text of a file; empty when there is none."""
    try:
        return path.read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""
    except PermissionError:
        with contextlib.suppress(OSError):
            return text_of(path) if path.is_relative_to("/proc") else ""
        return ""


def _remove_empty(folder: Path) -> None:
    """Remove a folder that nothing is left in."""
    with contextlib.suppress(OSError):
        folder.rmdir()


def holders_text(holders: Sequence[tuple[Process, int]]) -> str:
    """Who holds pages, for a message."""
    return ", ".join(f"{process} holds {pages}" for process, pages in holders) or "no process that /proc shows"
