"""The machine that connects: its commands, its kernel's log, its sysfs. Tests give it a tree of their own."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from . import commands, nvme_kernel
from .files import text_in
from .made import RECORD, Made
from .nvme_sysfs import Sysfs

Run = Callable[[list[str]], tuple[int, str, str]]


class Host:
    """Everything below ``root``, and ``run`` for commands (``AnsibleModule.run_command``)."""

    def __init__(self, run: Run, root: Path = Path("/"), release: str | None = None) -> None:
        self.run_command = run
        self.root = root
        self.release = release
        self.sysfs = Sysfs(root)
        self.made = Made(root / RECORD.relative_to("/") if root != Path("/") else None)

    def boot_id(self) -> str:
        """Tells one boot from another; empty where the kernel does not say."""
        return text_in(self.root / "proc/sys/kernel/random/boot_id").strip()

    def support(self) -> nvme_kernel.Support:
        return nvme_kernel.probe(self.run_command, self.root, self.release)

    def run(self, argv: list[str]) -> None:
        """Run a command that has to succeed."""
        commands.run(*argv, by=self.run_command)

    def has(self, path: str) -> bool:
        return (self.root / path.lstrip("/")).exists()

    def systemd(self) -> bool:
        """Whether systemd is PID 1."""
        return self.has("run/systemd/system")

    def reload(self) -> None:
        """Tell systemd of its files."""
        if self.systemd():
            self.run(["systemctl", "daemon-reload"])

    @contextlib.contextmanager
    def kernel_log(self) -> Iterator[Callable[[], str]]:
        """Yields a function that returns what the kernel has said of NVMe since."""
        try:
            log = os.open(self.root / "dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
        except OSError:
            yield lambda: ""
            return
        try:
            os.lseek(log, 0, os.SEEK_END)
            yield lambda: "; ".join(_nvme_lines(log))
        finally:
            os.close(log)


def _nvme_lines(log: int) -> Iterator[str]:
    """The records of /dev/kmsg that are not read yet; a record overrun is skipped."""
    while True:
        try:
            record = os.read(log, 8192)
        except BrokenPipeError:
            continue
        except OSError:
            return
        message = record.decode(errors="replace").partition(";")[2].partition("\n")[0]
        if not record:
            return
        if message.startswith("nvme"):
            yield message
