# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Linux' NVMe passthrough: ioctls on a controller (/dev/nvmeX) and on generic namespace nodes (/dev/ngXnY).

Needs a kernel of 6.0 or newer for namespaces of command sets that the kernel does not know, and CAP_SYS_ADMIN. The
kernel hands on DW2, DW3 and DW10-15; DW4 stays 0. A node's number is not the namespace's id: nodes are found by asking.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import mmap
import os
import re
import struct
from pathlib import Path

from .commands import Command
from .errors import LabError
from .transport import Completion

IOCTL_ID = 0x4E40
IOCTL_ADMIN64 = 0xC0504E47
IOCTL_IO64 = 0xC0504E48
# struct nvme_passthru_cmd64 of <linux/nvme_ioctl.h>
_PASSTHROUGH = struct.Struct("<BBHIIIQQIIIIIIIIIIQ")
_NODE = re.compile(r"(?:ng|nvme)(\d+n\d+)")
_CONTROLLER = re.compile(r"nvme\d+")
SYSFS = Path("/sys/class")
DEV = Path("/dev")


class KernelTransport:
    """One controller and the nodes of its namespaces.

    Args:
        path: /dev/nvmeX, or any namespace node of the controller.
        timeout_seconds: for one command; the kernel resets the connection after it.
    """

    def __init__(self, path: str, *, timeout_seconds: int = 600, sysfs: Path = SYSFS, dev: Path = DEV) -> None:
        self._timeout = timeout_seconds * 1000
        self._dev = dev
        self._files: dict[str, int] = {}
        self.controller = controller_of(path, sysfs)
        self.name = str(dev / self.controller)
        self._names = generic_nodes(self.controller, sysfs)
        self._nodes: dict[int, str] | None = None

    def admin(self, command: Command) -> Completion:
        return self._send(self.controller, IOCTL_ADMIN64, command)

    def io(self, command: Command) -> Completion:
        node = self.nodes().get(command.nsid)
        if node is None:
            raise LabError(
                f"a command to namespace {command.nsid} of {self.name}",
                f"there is no /dev/ng node of this namespace; there are {self._shown() or 'none'}",
                "name a namespace that is there; for SLM and compute namespaces the kernel has to be 6.0 or newer",
            )
        return self._send(node, IOCTL_IO64, command)

    def nodes(self) -> dict[int, str]:
        """Namespace id -> generic node, as each node itself tells."""
        if self._nodes is None:
            self._nodes = {fcntl.ioctl(self._open(name), IOCTL_ID): name for name in self._names}
        return self._nodes

    def close(self) -> None:
        for handle in self._files.values():
            os.close(handle)
        self._files.clear()

    def _shown(self) -> str:
        return ", ".join(f"{name} (namespace {nsid})" for nsid, name in sorted(self.nodes().items()))

    def _open(self, name: str) -> int:
        if name not in self._files:
            path = self._dev / name
            try:
                self._files[name] = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            except PermissionError:
                raise LabError(f"open {path}", "this user may not", "run it as root") from None
            except OSError as error:
                raise LabError(
                    f"open {path}", error.strerror or str(error), "see that it is connected (nvme list)"
                ) from None
        return self._files[name]

    def _send(self, name: str, request: int, command: Command) -> Completion:
        if command.cdw4:
            raise LabError(
                f"DW4 = {command.cdw4} through {self._dev / name}",
                "Linux' passthrough has no field for this dword",
                "leave it 0, the length of the transfer counts then; or use SPDK's initiator (--traddr)",
            )
        length = len(command.data) or command.room
        # Page-aligned, as the kernel then needs no bounce buffer.
        with mmap.mmap(-1, max(length, 1)) as memory:
            memory[: len(command.data)] = command.data
            anchor = ctypes.c_char.from_buffer(memory)
            packed = bytearray(passthrough(command, ctypes.addressof(anchor) if length else 0, length, self._timeout))
            try:
                status = fcntl.ioctl(self._open(name), request, packed)
            except OSError as error:
                raise self._failed(name, command, error) from None
            finally:
                del anchor
            (value,) = struct.unpack_from("<Q", packed, 72)
            return Completion(status & 0x7FF, value, memory[: command.room])

    def _failed(self, name: str, command: Command, error: OSError) -> LabError:
        fixes = {
            errno.EACCES: "run it as root",
            errno.EPERM: "run it as root",
            errno.EINVAL: "keep data within the device's transfer limit (csd list shows it)",
            errno.ENOTTY: "use a kernel of 5.5 or newer: this one has no 64-bit passthrough",
        }
        return LabError(
            f"opcode {command.opcode:02X}h to namespace {command.nsid} through {self._dev / name}",
            f"the kernel says: {error.strerror}",
            fixes.get(error.errno or 0, "look at dmesg; see that the connection is up (nvme list)"),
        )


def passthrough(command: Command, address: int, length: int, timeout_ms: int) -> bytes:
    """Pack struct nvme_passthru_cmd64 for one command."""
    return _PASSTHROUGH.pack(
        command.opcode,
        0,
        0,
        command.nsid,
        command.cdw2,
        command.cdw3,
        0,
        address,
        0,
        length,
        command.cdw10,
        command.cdw11,
        command.cdw12,
        command.cdw13,
        command.cdw14,
        command.cdw15,
        timeout_ms,
        0,
        0,
    )


def controllers(sysfs: Path = SYSFS) -> list[str]:
    """The kernel's NVMe controllers."""
    return sorted(path.name for path in sysfs.glob("nvme/nvme*") if _CONTROLLER.fullmatch(path.name))


def generic_nodes(controller: str, sysfs: Path = SYSFS) -> list[str]:
    """Names of the generic nodes of a controller's namespaces.

    They lie below the controller; with native multipath, below the subsystem that the controller belongs to.
    """
    folders = [sysfs / "nvme" / controller]
    folders += [path for path in sysfs.glob("nvme-subsystem/nvme-subsys*") if (path / controller).exists()]
    return sorted({path.name for folder in folders for path in folder.glob("ng*n*")})


def controller_of(path: str, sysfs: Path = SYSFS) -> str:
    """The controller that a device path names or belongs to.

    Raises:
        LabError: it is no NVMe device of this kernel.
    """
    name = Path(path).resolve().name
    known = controllers(sysfs)
    if name in known:
        return name
    node = _NODE.fullmatch(name)
    if node:
        for controller in known:
            if f"ng{node[1]}" in generic_nodes(controller, sysfs):
                return controller
    raise LabError(
        f"the drive at {path}",
        f"this kernel has {', '.join(f'/dev/{one}' for one in known) or 'no NVMe controller'}",
        "name one of these, connect first (nvme connect), or use SPDK's initiator (--traddr)",
    )
