"""What brings a connection back at boot: the module's name for systemd-modules-load, and a unit that connects.

nvme-cli's own nvmf-autoconnect.service asks discovery controllers, once. A connection that is declared by its NQN
needs neither a discovery listener nor luck with the order of things: its unit tries until the target answers.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .errors import LabError
from .files import LEADS_TO, content_of, text_in
from .nvme_kernel import MODULE
from .systemd_names import command, units, value

HEADER = "# Written by hello_eBPF; changes are overwritten by the next run.\n"
PREFIX = "hello_ebpf-nvme-"
RETRY_SECONDS = 5
# Ends with 1, which to ExecCondition= means to go no further, where the connection is there already.
SEEK = (
    "for c in /sys/class/nvme/nvme*; do "
    'grep -qsxF -e "$1" "$c/subsysnqn" && grep -qsxF -e "$2" "$c/hostnqn" && grep -qswF -e "$3" "$c/address" '
    "&& exit 1; "
    "done; exit 0"
)

Files = dict[str, str | None]


@dataclass(frozen=True)
class Link:
    """A connection, as far as its unit needs to know it.

    Attributes:
        subsystem_nqn, address, service_id, host_nqn: the connection's key.
        connect: the command that makes it.
        after: units that start first, where they exist: a target on this machine.
    """

    subsystem_nqn: str
    address: str
    service_id: str
    host_nqn: str
    connect: tuple[str, ...]
    after: tuple[str, ...]

    def unit(self) -> str:
        """The unit's name: short for people, and its own for each key."""
        key = "\n".join((self.subsystem_nqn, self.address, self.service_id, self.host_nqn))
        last = re.sub(r"[^A-Za-z0-9.-]", "-", self.subsystem_nqn.rpartition(":")[2])
        return f"{PREFIX}{last[:60]}-{hashlib.sha256(key.encode()).hexdigest()[:8]}.service"

    def text(self) -> str:
        """The unit. It does nothing where the connection is there already: nvme connect would fail, for ever."""
        portal = f"traddr={self.address},trsvcid={self.service_id}"
        seek = ("/bin/sh", "-c", SEEK, "sh", self.subsystem_nqn, self.host_nqn, portal)
        what = f"NVMe/TCP connection to {self.subsystem_nqn} at {self.address} port {self.service_id}"
        return f"""{HEADER}[Unit]
Description={value(what)}
Wants=network-online.target
After={units(["network-online.target", "systemd-modules-load.service", *self.after])}
StartLimitIntervalSec=0

[Service]
Type=oneshot
ExecCondition={command(seek)}
ExecStart={command(self.connect)}
Restart=on-failure
RestartSec={RETRY_SECONDS}

[Install]
WantedBy=multi-user.target
"""


class Boot:
    """The files behind a connection's return at boot. A file's text is None where it is not there."""

    def __init__(
        self, link: Link, run: Callable[[list[str]], object], root: Path = Path("/"), *, others: bool = False
    ) -> None:
        """Args: others: the lab made another connection, which needs the kernel module at boot too."""
        self.others = others
        self.link = link
        self.run = run
        self.root = root
        self.systemd = (root / "run/systemd/system").is_dir()
        units = "etc/systemd/system"
        self.module_file = f"etc/modules-load.d/hello_ebpf-{MODULE}.conf"
        self.unit_file = f"{units}/{link.unit()}"
        self.wants = f"{units}/multi-user.target.wants/{link.unit()}"

    def wanted(self, present: bool) -> Files:
        """The files as they should be. Without systemd nothing at boot would read a unit."""
        if present:
            files: Files = {self.module_file: f"{HEADER}{MODULE}\n"}
            if self.systemd:
                files |= {self.unit_file: self.link.text(), self.wants: f"{LEADS_TO}/{self.unit_file}"}
            return files
        gone: Files = {self.wants: None, self.unit_file: None}
        if not self._others():
            gone[self.module_file] = None
        # What is not ours stays.
        found = self.found()
        return {name: found[name] if self._foreign(name, found[name]) else None for name in gone}

    def _others(self) -> bool:
        """Another connection of ours still needs the kernel module at boot."""
        if self.others:
            return True
        units = (self.root / self.unit_file).parent
        return any(path.name != self.link.unit() for path in units.glob(f"{PREFIX}*.service"))

    def _foreign(self, name: str, text: str | None) -> bool:
        """Whether a file in the place of one of ours is somebody else's."""
        if text is None:
            return False
        return text != f"{LEADS_TO}/{self.unit_file}" if name == self.wants else not text.startswith(HEADER)

    def refuse_foreign(self, found: Files, wanted: Files) -> None:
        """Refuse to write over what somebody else wrote.

        Raises:
            LabError: with the first such file.
        """
        for name in wanted:
            if self._foreign(name, found[name]):
                raise LabError(
                    asked=f"/{name} for {self.link.subsystem_nqn} at boot",
                    found="there is one that the lab did not write",
                    fix="rename it, or set nvme_tcp_boot: false",
                )

    def found(self) -> Files:
        return {name: content_of(self.root / name) for name in (self.module_file, self.unit_file, self.wants)}

    def unit_of(self, files: Files) -> str | None:
        """The unit that connects at boot; None where there is none."""
        return self.link.unit() if files.get(self.wants) else None

    def write(self, files: Files) -> None:
        """Make the files what they are told to be, and tell systemd."""
        for name, text in files.items():
            path = self.root / name
            path.unlink(missing_ok=True)
            if text is None:
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            if text.startswith(LEADS_TO):
                path.symlink_to(text.removeprefix(LEADS_TO))
            else:
                path.write_text(text)
        if self.systemd:
            self.run(["systemctl", "daemon-reload"])


def connections_of_units(root: Path) -> set[tuple[str, str, str, str]]:
    """The keys of the connections that units of ours make at boot, as the units' own commands name them."""
    found = set()
    for path in sorted((root / "etc/systemd/system").glob(f"{PREFIX}*.service")):
        text = text_in(path)
        options = dict(re.findall(r"--(nqn|traddr|trsvcid|hostnqn)=([^\s\"']+)", text))
        if text.startswith(HEADER) and len(options) == 4:
            found.add((options["nqn"], options["traddr"].replace("%%", "%"), options["trsvcid"], options["hostnqn"]))
    return found
