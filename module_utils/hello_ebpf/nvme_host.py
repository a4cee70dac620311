"""The machine that connects: its commands, its kernel's log, and its NVMe controllers as sysfs tells them.

Tests give it a tree of their own.

A device's number is not its namespace id: everything here goes from the attributes (subsysnqn, nsid, uuid) to the
name. With native multipath (nvme_core.multipath=Y) a controller holds hidden paths (nvme0c0n1) and the device
(nvme0n1) stands beside the controllers, in the subsystem; without it the controller holds the device itself.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from . import commands, nvme_kernel
from .files import text_in
from .made import RECORD, Made
from .mounts import mounts

Run = Callable[[list[str]], tuple[int, str, str]]

OFF = -1
SECTOR = 512
NAMESPACE = re.compile(r"nvme(\d+)(?:c\d+)?n(\d+)")


@dataclass(frozen=True)
class Namespace:
    """One namespace of a controller."""

    nsid: int  # its id
    # uuid, nguid, eui64: its identifiers, as far as it has them
    uuid: str | None
    nguid: str | None
    eui64: str | None
    block: str | None  # kernel name of the block device; None for a namespace of another command set, which has none
    generic: str | None  # kernel name of the generic character device (passthrough)
    size_bytes: int  # its size

    def device(self) -> str | None:
        return f"/dev/{self.block}" if self.block else None

    def generic_device(self) -> str | None:
        return f"/dev/{self.generic}" if self.generic else None


@dataclass(frozen=True)
class Settings:
    """A connection, asked for or there. None stands for what is not asked, or what this kernel does not tell."""

    subsystem_nqn: str
    address: str
    service_id: str
    host_nqn: str
    host_id: str | None = None
    reconnect_delay: int | None = None
    ctrl_loss_tmo: int | None = None
    keep_alive_tmo: int | None = None
    nr_io_queues: int | None = None
    queue_size: int | None = None

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What tells it from all others."""
        return self.subsystem_nqn, self.address, self.service_id, self.host_nqn


@dataclass(frozen=True, kw_only=True)
class Controller(Settings):
    """A connection that is there."""

    name: str
    transport: str
    state: str
    namespaces: tuple[Namespace, ...]


class Host:
    """Everything below ``root``, and ``run`` for commands (``AnsibleModule.run_command``)."""

    def __init__(self, run: Run, root: Path = Path("/"), release: str | None = None) -> None:
        self.run_command = run
        self.root = root
        self.release = release
        self.classes = root / "sys/class"
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

    def controllers(self) -> Iterator[Controller]:
        """All NVMe over Fabrics controllers. One that goes away while it is read is left out."""
        for path in sorted(self.classes.glob("nvme/nvme*")):
            transport = _attribute(path, "transport")
            subsystem = _attribute(path, "subsysnqn")
            state = _attribute(path, "state")
            if not (transport and subsystem and state):
                continue
            address = _address(_attribute(path, "address") or "")
            yield Controller(
                name=path.name,
                transport=transport,
                address=normal_address(address.get("traddr", "")),
                service_id=address.get("trsvcid", ""),
                subsystem_nqn=subsystem,
                host_nqn=_attribute(path, "hostnqn") or "",
                host_id=_attribute(path, "hostid"),
                state=state,
                reconnect_delay=_number(path, "reconnect_delay"),
                ctrl_loss_tmo=_number(path, "ctrl_loss_tmo"),
                keep_alive_tmo=_number(path, "kato"),
                nr_io_queues=_number(path, "queue_count", -1),
                queue_size=_number(path, "sqsize", 1),
                namespaces=tuple(sorted(self._namespaces(path), key=lambda namespace: namespace.nsid)),
            )

    def _namespaces(self, controller: Path) -> Iterator[Namespace]:
        for path in controller.iterdir():
            name = NAMESPACE.fullmatch(path.name)
            nsid = _number(path, "nsid")
            if not name or nsid is None:
                continue
            shown = f"nvme{name[1]}n{name[2]}"
            generic = f"ng{name[1]}n{name[2]}"
            block = self.classes / "block" / shown
            has_block = block.exists() and _attribute(block, "hidden") != "1"
            yield Namespace(
                nsid=nsid,
                uuid=_attribute(path, "uuid"),
                nguid=_attribute(path, "nguid"),
                eui64=_attribute(path, "eui"),
                block=shown if has_block else None,
                generic=generic if (self.classes / "nvme-generic" / generic).exists() else None,
                size_bytes=(_number(block if has_block else path, "size") or 0) * SECTOR,
            )

    def set_attribute(self, controller: str, attribute: str, value: int) -> None:
        """Set an attribute of a controller."""
        (self.classes / "nvme" / controller / attribute).write_text(f"{value}\n")

    def users(self, block: str, but_mounts: Collection[str] = ()) -> list[str]:
        """Who holds a block device or a partition of it, in words: mounts, swap, devices built on top.

        Args:
            block: kernel name of the device.
            but_mounts: mount points that do not count.
        """
        users = []
        for device in self._with_partitions(block):
            number = _attribute(device, "dev")
            there = [mount.path for mount in mounts(self.root) if mount.device == number]
            users += [f"mounted on {mount}" for mount in there if mount not in but_mounts]
            users += [f"held by {holder.name}" for holder in sorted(device.glob("holders/*"))]
            if re.search(rf"^/dev/{device.name}\s", text_in(self.root / "proc/swaps"), re.MULTILINE):
                users.append("used as swap")
        return users

    def _with_partitions(self, block: str) -> Iterator[Path]:
        device = self.classes / "block" / block
        yield device
        yield from (path for path in sorted(device.glob(f"{block}p*")) if (path / "partition").exists())


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


def normal_address(address: str) -> str:
    """An IP address in its one usual spelling; anything else as it is."""
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return address


def _address(text: str) -> dict[str, str]:
    """``traddr=127.0.0.1,trsvcid=4420,src_addr=127.0.0.1`` as a dict."""
    return dict(part.split("=", 1) for part in text.split(",") if "=" in part)


def _attribute(path: Path, name: str) -> str | None:
    """An attribute's value; None where it is not there, empty, or its owner just went away."""
    return text_in(path / name).strip() or None


def _number(path: Path, name: str, more: int = 0) -> int | None:
    """A number, and ``more``; ``off`` is -1."""
    value = _attribute(path, name)
    if value == "off":
        return OFF
    try:
        return int(value or "") + more
    except ValueError:
        return None
