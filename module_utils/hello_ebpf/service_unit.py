# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""A service that is to be kept running, and its systemd unit: as closed as what it does allows.

docs/security.md explains each line.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from .systemd_names import HEADER, command, value, words

STOP_SECONDS = 20
# Whatever it runs as. What is not here: MemoryDenyWriteExecute (programs become memory that is then made executable),
# ProcSubset (DPDK reads /proc/meminfo), PrivateNetwork and PrivateUsers (fails where user namespaces do).
COMMON = """\
NoNewPrivileges=yes
PrivateTmp=yes
ProtectSystem=strict
ProtectHome=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectProc=invisible
LockPersonality=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
KeyringMode=private
RemoveIPC=yes
SystemCallArchitectures=native
SystemCallErrorNumber=EPERM
"""


@dataclass(frozen=True)
class Service:
    """A command to be kept running."""

    name: str  # unit name and name in messages
    description: str  # one line for people
    argv: tuple[str, ...]  # the program and its arguments
    run_folder: Path  # folder for sockets and pidfiles below /run, made at start; for its user and group
    log: Path  # where the output goes when there is no journal
    user: str = "root"  # whom it runs as
    group: str = "root"  # its group, which may use its sockets
    data: tuple[Path, ...] = ()  # files and block devices that it reads and writes
    reads: tuple[Path, ...] = ()  # files that it reads
    hides: tuple[Path, ...] = ()  # folders that are kept from it, where they are
    idle: bool = False  # run only where nothing else wants the core
    pci: bool = False  # it drives PCI devices
    # a folder below /var/cache, made at start, for what it could make again: its user's alone
    cache: Path | None = None
    starts: tuple[Path, ...] = ()  # programs that it starts, each shut in by itself
    tasks: int = 0  # processes and threads that it may have where it starts any; itself included
    dpdk_folder: str = ""  # what DPDK makes below /run for a program that keeps its pages in files

    @property
    def run_files(self) -> tuple[Path, ...]:
        """What it and its supervisor make in its run folder: the RPC socket, SPDK's lock on it, pidfiles."""
        sockets = [self.argv[at + 1] for at, word in enumerate(self.argv[:-1]) if word == "-r"]
        pids = (self.run_folder / f"{self.name}.{end}" for end in ("pid", "clientpid"))
        return (*(Path(f"{socket}{end}") for socket in sockets for end in ("", ".lock")), *pids)

    @property
    def devices(self) -> tuple[Path, ...]:
        """Those of its data that are devices."""
        return tuple(path for path in self._places if path.is_relative_to("/dev"))

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders of all others: another file in one of them is no other service."""
        return tuple(sorted({path.parent for path in self._places if not path.is_relative_to("/dev")}))

    @property
    def _places(self) -> list[Path]:
        """Where its data really are. A link in /dev stays: what it leads to may have another name at the next boot."""
        return [path if path.is_relative_to("/dev") else Path(os.path.realpath(path)) for path in self.data]


def unit(service: Service) -> str:
    """The unit's text."""
    return f"""{HEADER}[Unit]
Description={value(service.description)}
Wants=network-online.target
After=network-online.target systemd-sysctl.service systemd-tmpfiles-setup.service
RequiresMountsFor={words(["/dev/hugepages", *service.folders])}
StartLimitIntervalSec=0

[Service]
ExecStart={command(service.argv)}
User={value(service.user)}
Group={value(service.group)}
Restart=always
RestartSec=1
TimeoutStopSec={STOP_SECONDS}
RuntimeDirectory={words(_run_folders(service))}
RuntimeDirectoryMode=0750
# Systemd would remove it whole, with what others have put there.
RuntimeDirectoryPreserve=yes
# The RPC socket is made with 0777 less these: 0660.
UMask=0117
# No users' data in core files.
LimitCORE=0
LimitNOFILE=65536
LogRateLimitIntervalSec=30s
LogRateLimitBurst=2000
{_limits(service)}{COMMON}{_own(service)}{_data(service)}
[Install]
WantedBy=multi-user.target
"""


def _run_folders(service: Service) -> list[str]:
    run, folder = Path("/run"), service.run_folder
    own = str(folder.relative_to(run)) if folder.is_relative_to(run) else folder.name
    return [own, service.dpdk_folder] if service.user == "root" and service.dpdk_folder else [own]


def _own(service: Service) -> str:
    """What its user, and what it does, leave open."""
    root, pci = service.user == "root", service.pci
    # SPDK's own nvmf_tgt keeps its pages in hugetlbfs, which is root's, and its shared files in /run/dpdk.
    capabilities = ["CAP_DAC_OVERRIDE", "CAP_IPC_LOCK"] if root or pci else []
    # Devices of its own: their registers, their physical addresses (pagemap), their drivers in /sys.
    capabilities += ["CAP_SYS_ADMIN", "CAP_SYS_RAWIO"] if pci else []
    calls = ["@system-service @raw-io"] if pci else ["@system-service", "~@privileged @keyring"]
    if service.starts:
        # What the processes that it starts shut themselves in with: newer systemds have these in @system-service.
        calls.append("seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self")
        # Of root, capabilities are given up by a call.
        calls += ["capset"] if root and not pci else []
    lines = [f"CapabilityBoundingSet={' '.join(capabilities)}", "AmbientCapabilities="]
    lines += [] if pci else ["ProtectKernelTunables=yes"]
    return "\n".join([*lines, *(f"SystemCallFilter={names}" for names in calls), ""])


def _limits(service: Service) -> str:
    lines = ["CPUSchedulingPolicy=idle"] if service.idle else []
    if service.starts:
        # Of what it starts: how many; it ends them itself; and one that takes too much memory is not the service's end.
        lines = [f"TasksMax={service.tasks}", "KillMode=mixed", "OOMPolicy=continue", *lines]
    return "".join(f"{line}\n" for line in lines)


def _data(service: Service) -> str:
    lines = [f"ReadWritePaths={words([f'-{folder}'])}" for folder in service.folders]
    lines += [f"InaccessiblePaths={words([f'-{folder}'])}" for folder in service.hides]
    if service.cache is not None:
        name = str(service.cache.relative_to("/var/cache"))
        lines += [f"CacheDirectory={words([name])}", "CacheDirectoryMode=0700"]
    if not service.pci:
        # A private /dev has no disks. Without it, those that are declared are all that can be opened.
        lines += (
            ["DevicePolicy=closed", *(f"DeviceAllow={words([device, 'rw'])}" for device in service.devices)]
            if service.devices
            else ["PrivateDevices=yes"]
        )
    return "\n".join([*lines, ""])


def hidden(path: Path) -> str | None:
    """The part of the system that the unit keeps from the service and that this path lies in, or leads to by a link."""
    places = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")
    ways = (path, Path(os.path.realpath(path)))
    return next((place for place in places for way in ways if way.is_relative_to(place)), None)
