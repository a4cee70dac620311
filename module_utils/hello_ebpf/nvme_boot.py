"""What brings a connection back at boot: the module's name for systemd-modules-load, and a unit that connects.

nvme-cli's own nvmf-autoconnect.service asks discovery controllers, once. A connection that is declared by its NQN
needs neither a discovery listener nor luck with the order of things: its unit tries until the target answers.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from .errors import LabError
from .files import LEADS_TO, content_of, put, text_in
from .nvme_connection import Connection
from .nvme_host import Host
from .nvme_kernel import MODULE
from .systemd_names import HEADER, command, units, value

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


UNITS = "etc/systemd/system"


def unit_name(asked: Connection) -> str:
    """Short for people, and its own for each key."""
    last = re.sub(r"[^A-Za-z0-9.-]", "-", asked.subsystem_nqn.rpartition(":")[2])
    digest = hashlib.sha256("\n".join(asked.key).encode()).hexdigest()
    return f"{PREFIX}{last[:60]}-{digest[:8]}.service"


def unit_text(asked: Connection) -> str:
    """The unit. It does nothing where the connection is there already: nvme connect would fail, for ever."""
    portal = f"traddr={asked.address},trsvcid={asked.service_id}"
    seek = ("/bin/sh", "-c", SEEK, "sh", asked.subsystem_nqn, asked.host_nqn, portal)
    what = f"NVMe/TCP connection to {asked.subsystem_nqn} at {asked.address} port {asked.service_id}"
    return f"""{HEADER}[Unit]
Description={value(what)}
Wants=network-online.target
After={units(["network-online.target", "systemd-modules-load.service", *asked.boot_after])}
StartLimitIntervalSec=0

[Service]
Type=oneshot
ExecCondition={command(seek)}
ExecStart={command(asked.command())}
Restart=on-failure
RestartSec={RETRY_SECONDS}

[Install]
WantedBy=multi-user.target
"""


class Boot:
    """The files behind a connection's return at boot. A file's text is None where it is not there.

    Args:
        others: the lab made another connection, which needs the kernel module at boot too.
    """

    def __init__(self, asked: Connection, host: Host, *, others: bool) -> None:
        self.asked = asked
        self.host = host
        self.others = others
        self.unit = unit_name(asked)
        self.module_file = f"etc/modules-load.d/hello_ebpf-{MODULE}.conf"
        self.unit_file = f"{UNITS}/{self.unit}"
        self.wants = f"{UNITS}/multi-user.target.wants/{self.unit}"

    def wanted(self, present: bool) -> Files:
        """The files as they should be. Without systemd nothing at boot would read a unit."""
        if present:
            files: Files = {self.module_file: f"{HEADER}{MODULE}\n"}
            if self.host.systemd():
                files |= {self.unit_file: unit_text(self.asked), self.wants: f"{LEADS_TO}/{self.unit_file}"}
            return files
        # What is not ours stays, and the kernel module while another connection of ours needs it at boot.
        kept = {self.module_file} if self.others or self._other_units() else set()
        found = self.found().items()
        return {name: text if self._foreign(name, text) else None for name, text in found if name not in kept}

    def _other_units(self) -> list[Path]:
        return [path for path in (self.host.root / UNITS).glob(f"{PREFIX}*.service") if path.name != self.unit]

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
                    asked=f"/{name} for {self.asked.subsystem_nqn} at boot",
                    found="there is one that the lab did not write",
                    fix="rename it, or set nvme_tcp_boot: false",
                )

    def found(self) -> Files:
        return {name: content_of(self.host.root / name) for name in (self.wants, self.unit_file, self.module_file)}

    def unit_of(self, files: Files) -> str | None:
        """The unit that connects at boot; None where there is none."""
        return self.unit if files.get(self.wants) else None

    def write(self, files: Files) -> None:
        """Make the files what they are told to be, and tell systemd."""
        for name, text in files.items():
            put(self.host.root / name, text)
        self.host.reload()


def connections_of_units(root: Path) -> set[tuple[str, str, str, str]]:
    """The keys of the connections that units of ours make at boot, as the units' own commands name them."""
    found = set()
    for path in sorted((root / UNITS).glob(f"{PREFIX}*.service")):
        text = text_in(path)
        options = dict(re.findall(r"--(nqn|traddr|trsvcid|hostnqn)=([^\s\"']+)", text))
        if text.startswith(HEADER) and len(options) == 4:
            found.add((options["nqn"], options["traddr"].replace("%%", "%"), options["trsvcid"], options["hostnqn"]))
    return found
