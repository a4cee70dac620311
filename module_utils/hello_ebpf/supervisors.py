"""Two ways to keep a process running: systemd where it is PID 1, else daemon(1) with pidfile, log and respawn."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from .commands import run
from .errors import LabError
from .files import text_in
from .processes import Process, credentials, find, running
from .service_unit import STOP_SECONDS, Service, unit
from .systemd_names import HEADER

LAST_LINES = 40  # a target that ends says much after what it died of
LOG_KEPT = 1 << 20  # bytes of an old log that a new start leaves


class Supervisor(Protocol):
    """What starts a service, starts it again when it ends, and stops it.

    ``definition`` is what it was told to run, as text; None when it was told nothing. ``owns`` tells the processes
    that it started, those included that outlived it, from others with the same arguments. ``foreign`` is what somebody
    else has put in the place of the definition. ``deaths`` counts how often
    the process has ended by itself since ``start``.
    """

    service: Service
    #: Whether it keeps parts of the system from what it runs.
    sandboxes: bool

    def foreign(self) -> Path | None: ...
    def wanted(self) -> str: ...
    def definition(self) -> str | None: ...
    def install(self) -> None: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def remove(self) -> None: ...
    def deaths(self) -> int: ...
    def last_words(self) -> str: ...
    def owns(self, process: Process) -> bool: ...


def choose(service: Service, root: Path = Path("/")) -> Supervisor:
    """Systemd where it is PID 1 (sd_booted(3): /run/systemd/system is there), else daemon(1)."""
    if (root / "run/systemd/system").is_dir():
        return Systemd(service)
    return Daemon(service)


class Systemd:
    """A unit in /etc/systemd/system, enabled."""

    sandboxes = True

    def __init__(self, service: Service, units: Path = Path("/etc/systemd/system")) -> None:
        self.service = service
        self.unit = f"{service.name}.service"
        self.path = units / self.unit

    def foreign(self) -> Path | None:
        """A unit of this name that we did not write."""
        there = self.path.is_symlink() or self.path.exists()
        return self.path if there and not self._ours() else None

    def _ours(self) -> bool:
        return not self.path.is_symlink() and self.path.is_file() and self.path.read_text().startswith(HEADER)

    def wanted(self) -> str:
        """The unit's text."""
        return unit(self.service)

    def definition(self) -> str | None:
        """The unit as we installed and enabled it; one that is not enabled counts as missing."""
        link = self.path.parent / "multi-user.target.wants" / self.unit
        if not self._ours() or not link.is_symlink():
            return None
        return self.path.read_text()

    def install(self) -> None:
        self.path.write_text(self.wanted())
        run("systemctl", "daemon-reload")
        run("systemctl", "enable", "--quiet", self.unit)

    def start(self) -> None:
        run("systemctl", "restart", self.unit)

    def stop(self) -> None:
        run("systemctl", "stop", self.unit)

    def remove(self) -> None:
        if self._ours():
            run("systemctl", "disable", "--now", "--quiet", self.unit)
            self.path.unlink()
            run("systemctl", "daemon-reload")

    def deaths(self) -> int:
        """Systemd counts a restart when it begins; a process that has ended waits for it in ``auto-restart``."""
        shown = run("systemctl", "show", "--property=NRestarts,SubState", self.unit).splitlines()
        seen = dict(line.split("=", 1) for line in shown)
        return int(seen["NRestarts"]) + (seen["SubState"] in {"auto-restart", "failed"})

    def last_words(self) -> str:
        return run(
            "journalctl", "--unit", self.unit, "--lines", str(LAST_LINES), "--output", "cat", "--no-pager"
        ).strip()

    def owns(self, process: Process) -> bool:
        """Systemd keeps what a unit started in the unit's control group."""
        groups = text_in(Path(f"/proc/{process.pid}/cgroup")).splitlines()
        return any(line.endswith(f"/{self.unit}") for line in groups)


class Daemon:
    """daemon(1), found again by its name and pidfile; what it was told is its command line, and as whom it runs."""

    sandboxes = False

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
            "--umask=0117",
            f"--output={service.log}",
            f"--errlog={service.log}",
            "--",
            *service.argv,
        )

    @property
    def closed(self) -> tuple[str, ...]:
        """The command line that closes what systemd's unit would, as far as a process can by itself, and goes on."""
        user, group = self.service.user, self.service.group
        leave = (f"--reuid={user}", f"--regid={group}", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all")
        return (
            *("prlimit", "--core=0:0"),
            *(("chrt", "--idle", "0") if self.service.idle else ()),
            *("setpriv", "--no-new-privs", *(leave if user != "root" else ()), "--"),
            *self.argv,
        )

    def foreign(self) -> Path | None:
        """Nothing: what runs is the definition, and daemon(1) is ours by its name and pidfile."""
        return None

    def wanted(self) -> str:
        """The command line, one argument a line, and as whom."""
        return _definition(self.argv, self.service.user, self.service.group, idle=self.service.idle)

    def definition(self) -> str | None:
        """The same of the daemon(1) that runs, the second half as the kernel tells it; None when none runs."""
        for daemon in self._daemons():
            owner = credentials(daemon.pid)
            if owner is not None:
                return _definition(daemon.argv, owner.user, owner.group, idle=owner.idle)
        return None

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
        self._make_places()
        # A file and no pipe: what it starts must not keep us waiting for a pipe's end.
        with tempfile.TemporaryFile("w+") as words:
            done = subprocess.run(
                self.closed, stdin=subprocess.DEVNULL, stdout=words, stderr=words, check=False, cwd="/"
            )
            words.seek(0)
            said = words.read().strip()
        if done.returncode != 0:
            raise LabError(
                asked=f"start {self.service.name} under daemon(1)",
                found=f"exit code {done.returncode}: {said or self.last_words()}",
                fix="mend what it names, then run again",
            )

    def _make_places(self) -> None:
        """The run folder, the cache and the log, for the service's user; of an old log the end."""
        service = self.service
        service.run_folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        service.run_folder.chmod(0o750)
        shutil.chown(service.run_folder, service.user, service.group)
        # A socket and a lock that another user has left could not be replaced.
        for path in service.run_files:
            if path.is_symlink() or (path.exists() and path.owner() != service.user):
                path.unlink()
        if service.cache is not None:
            service.cache.mkdir(parents=True, exist_ok=True)
            service.cache.chmod(0o700)
            # Not what lies in it: a name there may be a link by now, and the service can replace all.
            shutil.chown(service.cache, service.user, service.group)
        service.log.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        old = service.log.read_bytes()[-LOG_KEPT:] if service.log.exists() else b""
        service.log.write_bytes(old)
        service.log.chmod(0o640)
        shutil.chown(service.log, service.user, service.group)
        self._log_began = len(old)

    def stop(self) -> None:
        """Stop daemon(1), which stops what it runs."""
        for daemon in self._daemons():
            stop_process(daemon.pid)
        self.pidfile.unlink(missing_ok=True)

    def remove(self) -> None:
        self.stop()

    _log_began = 0

    def deaths(self) -> int:
        """daemon(1) says each in its log."""
        try:
            said = self.service.log.read_bytes()[self._log_began :].decode(errors="replace")
        except OSError:
            return 0
        return len(re.findall(rf"^\d+ [\d:]+ {re.escape(self.service.name)}: client \(pid \d+\) ", said, re.MULTILINE))

    def last_words(self) -> str:
        try:
            lines = self.service.log.read_text(errors="replace").splitlines()
        except OSError:
            return f"{self.service.log} cannot be read"
        return "\n".join(lines[-LAST_LINES:])

    def owns(self, process: Process) -> bool:
        """daemon(1) puts the name before the first argument of what it starts."""
        return process.argv[0].startswith(f"{self.service.name}: ")

    def _daemons(self) -> list[Process]:
        """The daemon(1) of this name and pidfile, found by its arguments: its pidfile can be lost while it runs."""
        return [process for process in running() if process.argv[:3] == self.argv[:3]]


def _definition(argv: Sequence[str], user: str, group: str, *, idle: bool) -> str:
    how = f"as {user}:{group}" + (", at idle priority" if idle else "")
    return "\n".join([*argv, how, ""])


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
