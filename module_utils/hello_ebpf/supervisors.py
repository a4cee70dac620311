"""Two ways to keep a process running: systemd where it is PID 1, else daemon(1) with pidfile, log and respawn."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from .errors import LabError
from .processes import Process, find, running

STOP_SECONDS = 20


@dataclass(frozen=True)
class Service:
    """A command to be kept running.

    Attributes:
        name: unit name and name in messages.
        description: one line for people.
        argv: the program and its arguments.
        run_folder: folder for sockets and pidfiles, mode 0700, made at start.
        log: where the output goes when there is no journal.
    """

    name: str
    description: str
    argv: tuple[str, ...]
    run_folder: Path
    log: Path


class Supervisor(Protocol):
    """What starts a service, starts it again when it ends, and stops it.

    ``definition`` is what it was told to run, as text; None when it was told nothing. ``owns`` tells the processes
    that it started, those included that outlived it, from others with the same arguments.
    """

    service: Service

    def wanted(self) -> str: ...
    def definition(self) -> str | None: ...
    def install(self) -> None: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def remove(self) -> None: ...
    def last_words(self) -> str: ...
    def owns(self, process: Process) -> bool: ...


def choose(service: Service, root: Path = Path("/")) -> Supervisor:
    """Systemd where it is PID 1 (sd_booted(3): /run/systemd/system is there), else daemon(1)."""
    if (root / "run/systemd/system").is_dir():
        return Systemd(service)
    return Daemon(service)


def _run(*argv: str) -> str:
    """Run a command; its output. LabError with the command's own words when it fails."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(
            asked=f"run `{' '.join(argv)}`",
            found=f"exit code {done.returncode}: {(done.stderr or done.stdout).strip()}",
            fix="mend what the command names, then run again",
        )
    return done.stdout


class Systemd:
    """A unit in /etc/systemd/system, enabled."""

    def __init__(self, service: Service, units: Path = Path("/etc/systemd/system")) -> None:
        self.service = service
        self.unit = f"{service.name}.service"
        self.path = units / self.unit

    def wanted(self) -> str:
        """The unit's text."""
        argv = " ".join(self.service.argv)
        return f"""# Written by hello_eBPF; changes are overwritten by the next run.
[Unit]
Description={self.service.description}
Wants=network-online.target
After=network-online.target systemd-sysctl.service systemd-tmpfiles-setup.service
RequiresMountsFor=/dev/hugepages
StartLimitIntervalSec=0

[Service]
ExecStart={argv}
Restart=always
RestartSec=1
TimeoutStopSec={STOP_SECONDS}
RuntimeDirectory={self.service.run_folder.name}
RuntimeDirectoryMode=0700
UMask=0077
LimitMEMLOCK=infinity
NoNewPrivileges=yes
ProtectHome=yes

[Install]
WantedBy=multi-user.target
"""

    def definition(self) -> str | None:
        """The unit as installed and enabled; an installed one that is not enabled counts as missing."""
        link = self.path.parent / "multi-user.target.wants" / self.unit
        if not self.path.is_file() or not link.is_symlink():
            return None
        return self.path.read_text()

    def install(self) -> None:
        self.path.write_text(self.wanted())
        _run("systemctl", "daemon-reload")
        _run("systemctl", "enable", "--quiet", self.unit)

    def start(self) -> None:
        _run("systemctl", "restart", self.unit)

    def stop(self) -> None:
        _run("systemctl", "stop", self.unit)

    def remove(self) -> None:
        if self.path.is_file():
            _run("systemctl", "disable", "--now", "--quiet", self.unit)
            self.path.unlink()
            _run("systemctl", "daemon-reload")

    def last_words(self) -> str:
        return _run("journalctl", "--unit", self.unit, "--lines", "15", "--output", "cat", "--no-pager").strip()

    def owns(self, process: Process) -> bool:
        """Systemd keeps what a unit started in the unit's control group."""
        try:
            groups = Path(f"/proc/{process.pid}/cgroup").read_text()
        except OSError:
            return False
        return any(line.endswith(f"/{self.unit}") for line in groups.splitlines())


class Daemon:
    """daemon(1), found again by its name and pidfile; what it was told is its own command line."""

    def __init__(self, service: Service, program: str = "/usr/bin/daemon") -> None:
        self.service = service
        self.pidfile = service.run_folder / f"{service.name}.pid"
        self.argv = (
            program,
            f"--name={service.name}",
            f"--pidfile={self.pidfile}",
            "--respawn",
            "--acceptable=10",
            "--attempts=3",
            "--delay=10",
            "--umask=077",
            f"--output={service.log}",
            f"--errlog={service.log}",
            "--",
            *service.argv,
        )

    def wanted(self) -> str:
        """The command line, one argument a line."""
        return "\n".join(self.argv) + "\n"

    def definition(self) -> str | None:
        """The command line of the daemon(1) that runs; None when none runs."""
        daemons = self._daemons()
        return "\n".join(daemons[0].argv) + "\n" if daemons else None

    def install(self) -> None:
        """Nothing to write: the running process is the definition. Only checks that daemon(1) is there."""
        if not os.access(self.argv[0], os.X_OK):
            raise LabError(
                asked=f"keep {self.service.name} running without systemd",
                found=f"{self.argv[0]} is not there",
                fix="install the package `daemon` (the role csd_target does)",
            )

    def start(self) -> None:
        self.stop()
        self.service.run_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.service.log.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        # A file and no pipe: what it starts must not keep us waiting for a pipe's end.
        with tempfile.TemporaryFile("w+") as words:
            done = subprocess.run(self.argv, stdin=subprocess.DEVNULL, stdout=words, stderr=words, check=False, cwd="/")
            words.seek(0)
            said = words.read().strip()
        if done.returncode != 0:
            raise LabError(
                asked=f"start {self.service.name} under daemon(1)",
                found=f"exit code {done.returncode}: {said or self.last_words()}",
                fix="mend what it names, then run again",
            )

    def stop(self) -> None:
        """Stop daemon(1), which stops what it runs."""
        for daemon in self._daemons():
            stop_process(daemon.pid)
        self.pidfile.unlink(missing_ok=True)

    def remove(self) -> None:
        self.stop()

    def last_words(self) -> str:
        try:
            lines = self.service.log.read_text(errors="replace").splitlines()
        except OSError:
            return f"{self.service.log} cannot be read"
        return "\n".join(lines[-15:])

    def owns(self, process: Process) -> bool:
        """daemon(1) puts the name before the first argument of what it starts."""
        return process.argv[0].startswith(f"{self.service.name}: ")

    def _daemons(self) -> list[Process]:
        """The daemon(1) of this name and pidfile, found by its arguments: its pidfile can be lost while it runs."""
        return [process for process in running() if process.argv[:3] == self.argv[:3]]


def stop_process(pid: int, seconds: float = STOP_SECONDS) -> None:
    """End a process: SIGTERM, and SIGKILL when it has not ended in time. Returns when it is gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if find(pid) is None:
                return
            time.sleep(0.05)
        os.kill(pid, signal.SIGKILL)
        while find(pid) is not None:
            time.sleep(0.05)
