"""A file system on an NVMe namespace, mounted now and at boot. It never formats what may hold data."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import names
from .errors import LabError, refuse
from .fstab import Fstab, Line
from .mounts import mounted_at, mounts
from .nvme_connection import UUID_NAMESPACE, WantedNamespace
from .nvme_host import Host, Namespace
from .plan import Step
from .processes import users_of
from .systemd_names import unit_of_path

MIB = 1024 * 1024
NOT_SAID = WantedNamespace(None, None)
# A boot waits these seconds for the device; one that comes later is mounted when it comes.
ALWAYS = ("nofail", "_netdev", "x-systemd.device-timeout=10s")
MAKE = {"ext4": ("mkfs.ext4", "-q", "-F", "-U"), "xfs": ("mkfs.xfs", "-q", "-f", "-m")}


@dataclass(frozen=True)
class Filesystem:
    """What is asked."""

    state: str  # ``present`` or ``absent``
    mount: str  # where
    # subsystem_nqn, host_nqn, namespace: which namespace
    subsystem_nqn: str = ""
    host_nqn: str | None = None
    namespace: WantedNamespace = NOT_SAID
    type: str = "ext4"  # ext4 or xfs
    options: str = "defaults"  # mount options beside those that every network mount needs
    format: str = "if_empty"  # ``if_empty``, ``never`` or ``replace`` (over anything but a file system of this type)
    after: tuple[str, ...] = ()  # units that the mount comes after at boot, and goes before at shutdown

    def __str__(self) -> str:
        return f"{self.namespace} of {self.subsystem_nqn}"

    def mount_options(self) -> str:
        return ",".join((self.options, *ALWAYS, *(f"x-systemd.after={unit}" for unit in self.after)))


@dataclass(frozen=True)
class Content:
    """What lies on a device. All empty: nothing but zeros where anything would show."""

    type: str = ""
    uuid: str = ""
    words: str = ""

    def is_empty(self) -> bool:
        return not self.words


@dataclass(frozen=True)
class Found:
    """What is there."""

    device: str | None  # the namespace's block device; None when it is not connected
    number: str | None  # its ``major:minor``
    content: Content  # what lies on it
    mounted: str | None  # ``major:minor`` of what is mounted at the mount point; None when nothing is
    line: Line | None  # the line of fstab for the mount point
    folder: bool  # the mount point exists
    wants: tuple[str, ...]  # devices (their units) whose appearance mounts it


class NvmeFilesystem:
    """Reads, plans and predicts for ``plan.converge``."""

    def __init__(self, asked: Filesystem, host: Host, *, check: bool) -> None:
        refuse(f"mount {asked.mount!r}", names.mount_point(asked.mount))
        refuse(f"options {asked.options!r} of {asked.mount}", names.mount_options(asked.options))
        for unit in asked.after:
            refuse(f"after {unit!r} of {asked.mount}", names.unit(unit))
        self.asked = asked
        self.host = host
        self.check = check
        self.fstab = Fstab(host.root / "etc/fstab")
        self.folder = host.root / asked.mount.lstrip("/")
        self.units = host.root / "etc/systemd/system"
        self.mount_unit = unit_of_path(asked.mount, "mount")

    # ---- read

    def read(self) -> Found:
        """The present state, from sysfs, the kernel's mounts and the device itself."""
        namespace = self._namespace() if self.asked.state == "present" else None
        device = namespace.device() if namespace else None
        if namespace and not device:
            raise LabError(
                asked=f"a file system on {self.asked}",
                found="it is not a block device (its command set is not NVM)",
                fix="name a namespace of the NVM command set",
            )
        return Found(
            device=device,
            number=self._number(namespace.block) if namespace and namespace.block else None,
            content=self._content(device) if device else Content(),
            mounted=self._mounted(),
            line=self.fstab.line(self.asked.mount),
            folder=self.folder.is_dir(),
            wants=tuple(sorted(path.parent.name.removesuffix(".wants") for path in self._wants_links())),
        )

    def _namespace(self) -> Namespace | None:
        for controller in self.host.controllers():
            if controller.subsystem_nqn != self.asked.subsystem_nqn:
                continue
            if self.asked.host_nqn not in (None, controller.host_nqn):
                continue
            for namespace in filter(self.asked.namespace.named_by, controller.namespaces):
                if self.asked.namespace.uuid not in (None, namespace.uuid):
                    raise LabError(
                        asked=f"{self.asked}",
                        found=f"namespace {namespace.nsid} has UUID {namespace.uuid}",
                        fix="declare the namespace that the target has",
                    )
                return namespace
        return None

    def _number(self, block: str) -> str:
        return (self.host.root / "sys/class/block" / block / "dev").read_text().strip()

    def _content(self, device: str) -> Content:
        """What blkid recognises, and where it recognises nothing, whether there is anything at all."""
        status, out, err = self.host.run_command(["blkid", "-p", "-o", "export", device])
        values = dict(line.split("=", 1) for line in out.splitlines() if "=" in line)
        if status == 0 and values:
            kind = values.get("TYPE") or f"a partition table ({values.get('PTTYPE', 'unknown')})"
            label = f" labelled {values['LABEL']}" if "LABEL" in values else ""
            return Content(values.get("TYPE", ""), values.get("UUID", ""), f"{kind}{label}")
        if status != 2:
            return Content(words=f"something that blkid cannot tell (exit code {status}: {(err or out).strip()})")
        where = self._first_data(device)
        return Content() if where is None else Content(words=f"data we do not know, from byte {where} on")

    def _first_data(self, device: str) -> int | None:
        """Where the first and the last MiB hold their first byte that is not zero."""
        with (self.host.root / device.lstrip("/")).open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            for start in sorted({0, max(0, end - MIB)}):
                file.seek(start)
                block = file.read(MIB)
                if block.strip(b"\0"):
                    return start + len(block) - len(block.lstrip(b"\0"))
        return None

    def _mounted(self) -> str | None:
        there = mounted_at(self.asked.mount, mounts(self.host.root))
        return there.device if there else None

    def _wants_links(self) -> list[Path]:
        links = (folder / self.mount_unit for folder in self.units.glob("*.device.wants"))
        return [link for link in links if link.is_symlink()]

    # ---- plan

    def plan(self, found: Found) -> Sequence[Step]:
        """The missing steps.

        Raises:
            LabError: it would need data to be lost, or the mount point is somebody else's.
        """
        if self.asked.state == "absent":
            return list(self._removal(found))
        self._check_mount_point(found)
        if found.device is None and not self.check:
            raise LabError(
                asked=f"a file system on {self.asked}",
                found="this namespace is not connected",
                fix="connect it first (nvme_tcp_connection)",
            )
        return list(self._missing(found))

    def _check_mount_point(self, found: Found) -> None:
        if found.mounted and found.mounted != found.number:
            raise LabError(
                asked=f"mount {self.asked} at {self.asked.mount}",
                found=f"another device ({found.mounted}) is mounted there",
                fix="unmount it, or choose another mount point",
            )
        if found.line and not found.line.ours:
            raise LabError(
                asked=f"mount {self.asked} at {self.asked.mount}",
                found=f"/etc/fstab has a line of somebody else for it: {found.line.text}",
                fix="remove that line, or choose another mount point",
            )

    def _missing(self, found: Found) -> Iterator[Step]:
        mount = self.asked.mount
        if found.content.type != self.asked.type:
            yield self._format(found)
        line = self._line(found)
        if found.line != line:
            yield Step(
                f"write the line for {mount} to /etc/fstab",
                lambda: self._set_line(line),
                lambda: self._set_line(found.line),
            )
        # After its line: a run that is cut off here leaves nothing mounted that the line does not tell of.
        if not found.mounted:
            yield Step(f"mount it at {mount}", lambda: self._mount(found), self._unmount)
        wants = self._wants(line)
        if found.wants != wants:
            yield Step(
                f"mount it whenever {' '.join(wants)} appears",
                lambda: self._set_wants(wants),
                lambda: self._set_wants(found.wants),
            )

    def _format(self, found: Found) -> Step:
        """Make the file system.

        Raises:
            LabError: there is data and it was not said that it may go; or there is none and it may not be made.
        """
        what = f"{self.asked.type} on {found.device or f'{self.asked}'}"
        users = self.host.users(Path(found.device).name) if found.device else []
        if self.asked.format == "never" and found.device:
            raise LabError(
                asked=f"{what}, as it is",
                found=f"the device holds {found.content.words or 'nothing'}",
                fix="set format: if_empty to have it made on an empty device",
            )
        if self.asked.format != "replace" and not found.content.is_empty():
            raise LabError(
                asked=what,
                found=f"the device holds {found.content.words}",
                fix="save what is on it; then set format: replace, which destroys it",
            )
        if users:
            raise LabError(f"make {what}", f"the device is {', '.join(users)}", "release it first")
        over = f", over {found.content.words}" if found.content.words else ""
        return Step(f"make {what}{over}", lambda: self._make(found))

    def _make(self, found: Found) -> None:
        assert found.device
        program, *options = MAKE[self.asked.type]
        uuid_option = f"{'uuid=' if self.asked.type == 'xfs' else ''}{self._new_uuid()}"
        if not found.content.is_empty():
            self.host.run(["wipefs", "--all", "--quiet", found.device])
        self.host.run([program, *options, uuid_option, found.device])
        if (self.host.root / "run/udev/control").exists():
            # systemd unmounts at once what is mounted from a device that it has not seen yet.
            self.host.run(["udevadm", "trigger", "--action=change", "--settle", found.device])

    def _new_uuid(self) -> str:
        """The UUID for a new file system: of the namespace, so that it is known before it is there."""
        namespace = self.asked.namespace
        name = namespace.uuid or f"{self.asked.subsystem_nqn} {namespace.nsid}"
        return str(uuid.uuid5(UUID_NAMESPACE, f"{self.asked.type} {name}"))

    def _mount(self, found: Found) -> None:
        assert found.device
        self.folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        command = ["mount", "-t", self.asked.type, "-o", self.asked.mount_options(), found.device, self.asked.mount]
        status, out, err = self.host.run_command(command)
        # systemd, to which the device is new too, may have been faster.
        if status != 0 and self._mounted() != found.number:
            raise LabError(
                asked=f"mount {found.device} at {self.asked.mount}",
                found=(err or out).strip(),
                fix="mend what mount names, then run again",
            )

    def _line(self, found: Found) -> Line:
        fits = found.content.type == self.asked.type
        return Line.of_ours(
            f"UUID={found.content.uuid if fits else self._new_uuid()}",
            self.asked.mount,
            self.asked.type,
            self.asked.mount_options(),
        )

    def _set_line(self, line: Line | None) -> None:
        self.fstab.set(self.asked.mount, line)
        self.host.reload()

    def _wants(self, line: Line) -> tuple[str, ...]:
        """The mount is tied to its device: a target that comes late, or comes back, finds it mounted again."""
        if not self.host.systemd():
            return ()
        return (unit_of_path(f"/dev/disk/by-uuid/{line.source.removeprefix('UUID=')}", "device"),)

    def _set_wants(self, wants: Sequence[str]) -> None:
        for link in self._wants_links():
            link.unlink()
            if not any(link.parent.iterdir()):
                link.parent.rmdir()
        for device in wants:
            link = self.units / f"{device}.wants" / self.mount_unit
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(f"/run/systemd/generator/{self.mount_unit}")
        self.host.reload()

    def _removal(self, found: Found) -> Iterator[Step]:
        mount = self.asked.mount
        if found.line and found.line.ours:
            if found.mounted:
                yield Step(f"unmount {mount}", self._unmount, lambda: self.host.run(["mount", mount]))
            yield Step(
                f"remove the line for {mount} from /etc/fstab",
                lambda: self._set_line(None),
                lambda: self._set_line(found.line),
            )
        if found.wants:
            yield Step(f"remove what mounts {mount} when its device appears", lambda: self._set_wants(()))
        if found.line and found.line.ours and found.folder:
            yield Step(f"remove the folder {mount} if it is empty", self._remove_folder)

    def _unmount(self) -> None:
        status, out, err = self.host.run_command(["umount", self.asked.mount])
        if status != 0:
            holders = users_of(self.asked.mount, self.host.root / "proc")
            users = ", ".join(f"{name} (pid {pid})" for pid, name in holders) or "no process that can be seen"
            raise LabError(
                asked=f"unmount {self.asked.mount}",
                found=f"{(err or out).strip()} (in use by: {users})",
                fix="end what uses it, then run again",
            )

    def _remove_folder(self) -> None:
        if not any(self.folder.iterdir()):
            self.folder.rmdir()

    # ---- predict and show

    def predict(self, found: Found) -> Found:
        """What the planned steps lead to."""
        if self.asked.state == "absent":
            ours = found.line is not None and found.line.ours
            mounted = None if ours else found.mounted
            return Found(None, None, Content(), mounted, None if ours else found.line, found.folder, ())
        line = self._line(found)
        new = Content(self.asked.type, self._new_uuid(), self.asked.type)
        content = found.content if found.content.type == self.asked.type else new
        return Found(found.device, found.number, content, found.number or "(new)", line, True, self._wants(line))

    def render(self, found: Found) -> str:
        """The state as text for ``--diff``."""
        lines = []
        if self.asked.state == "present":
            lines += [f"device: {found.device or 'not connected'}", f"content: {found.content.words or 'nothing'}"]
        lines += [
            f"mounted at {self.asked.mount}: {'yes' if found.mounted else 'no'}",
            f"/etc/fstab: {found.line.text if found.line else 'no line'}",
        ]
        return "\n".join(lines + [f"mounted by: {device}" for device in found.wants]) + "\n"
