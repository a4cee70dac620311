"""Debian packages: what dpkg says is there, what apt can give, and the install that is missing.

ansible-core's own apt module needs python3-apt on the managed host and fails in check mode without it; this needs
dpkg and apt alone, so a minimal container that has no package lists yet works too.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from .errors import LabError
from .plan import Step
from .release import os_release

LISTS_GROW_OLD_S = 24 * 3600
LOCK_PATIENCE_S = 300
LOCK_RETRY_S = 3

QUERY = ["dpkg-query", "-W", "-f", "${Package}\\t${Version}\\t${db:Status-Status}\\n"]
APT_GET = ["apt-get", "-o", f"DPkg::Lock::Timeout={LOCK_PATIENCE_S}", "-o", "Dpkg::Use-Pty=0"]
KEEP_CONFIGURATION = ["-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold"]
INSTALL = [*APT_GET, *KEEP_CONFIGURATION, "-y", "--no-install-recommends", "install"]
# Without these apt writes its caches and a log even when it is only asked.
READ_ONLY = ["-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache=", "-o", "Dir::Log::Planner=/dev/null"]
ENVIRONMENT = {
    "LC_ALL": "C.UTF-8",
    "LANGUAGE": "",
    "DEBIAN_FRONTEND": "noninteractive",
    # Ubuntu's needrestart would restart services of the machine that are none of ours.
    "NEEDRESTART_MODE": "l",
}
LOCKED = re.compile(r"could not get lock|unable to lock|lock was locked by another process", re.IGNORECASE)


class Run(Protocol):
    """Runs a command: ``AnsibleModule.run_command``, or a transcript in a test."""

    def __call__(self, args: list[str], *, environ_update: dict[str, str] | None = None) -> tuple[int, str, str]: ...


@dataclass(frozen=True)
class Host:
    """Where the machine keeps what we look at; tests point it elsewhere."""

    lists: Path = Path("/var/lib/apt/lists")
    journal: Path = Path("/var/lib/dpkg/updates")
    os_release: Path = Path("/etc/os-release")
    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def release(self) -> str:
        """The release's own name for itself."""
        return os_release(self.os_release.read_text()).get("PRETTY_NAME", "this release")

    def has_lists(self) -> bool:
        return any(self.lists.glob("*_Packages*"))

    def lists_are_old(self) -> bool:
        """Whether no refresh touched the lists for a day (single lists keep their server's time)."""
        touched = [path.stat().st_mtime for path in (self.lists, self.lists / "partial") if path.is_dir()]
        return not touched or self.now() - max(touched) > LISTS_GROW_OLD_S

    def dpkg_was_cut_off(self) -> bool:
        """What dpkg itself tests before it says 'dpkg was interrupted'."""
        return self.journal.is_dir() and any(entry.name.isdigit() for entry in self.journal.iterdir())


@dataclass(frozen=True)
class State:
    """The asked items (``clang``, or ``linux-tools-generic|bpftool``) and what stands for each."""

    present: dict[str, tuple[str, str]]  # item -> (package, version)
    missing: tuple[str, ...]  # items for which no package is installed
    # only looked at when items are missing: whether a dpkg run was cut off and left packages half done, and
    # package -> version that apt would install
    unfinished: bool = False
    available: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Apt:
    """apt and dpkg on one machine: asked in English, and waited for while another apt holds a lock."""

    run: Run
    host: Host

    def command(self, args: list[str]) -> tuple[int, str, str]:
        return self.run(args, environ_update=ENVIRONMENT)

    def patiently(self, args: list[str]) -> tuple[int, str, str]:
        """Run; wait while another apt or dpkg holds a lock (apt itself waits for only one of its three)."""
        give_up = self.host.now() + LOCK_PATIENCE_S
        while True:
            code, out, errors = self.command(args)
            if not code or not LOCKED.search(errors) or self.host.now() > give_up:
                return code, out, errors
            self.host.sleep(LOCK_RETRY_S)

    def available(self, names: Sequence[str]) -> dict[str, str]:
        """Those of the packages that apt could install, each with its version; none where there are no lists yet."""
        if not self.host.has_lists():
            return {}
        _, policy, _ = self.command(["apt-cache", *READ_ONLY, "policy", *names])
        return parse_candidates(policy)

    def refresh(self) -> None:
        """Fetch the package lists anew."""
        code, _, errors = self.patiently([*APT_GET, "update"])
        if code:
            raise LabError(
                asked="fresh package lists (apt-get update)",
                found=f"apt says: {apt_errors(errors)}",
                fix="look at the archives in /etc/apt/sources.list and /etc/apt/sources.list.d and at the network, "
                "then run again",
            )

    def fresh(self) -> bool:
        """Whether there are package lists that were refreshed in the last day."""
        return self.host.has_lists() and not self.host.lists_are_old()

    def was_cut_off(self) -> bool:
        """Whether a dpkg run was cut off and left packages half done."""
        return self.host.dpkg_was_cut_off() or bool(self.command(["dpkg", "--audit"])[1].strip())

    def finish(self) -> None:
        """Finish the dpkg run that was cut off.

        Raises:
            LabError: neither dpkg nor apt can.
        """
        code, _, errors = self.patiently(["dpkg", "--force-confdef", "--force-confold", "--configure", "-a"])
        if code:
            # What is left waits for packages that the cut-off run had not unpacked yet: apt brings those.
            code, _, errors = self.patiently([*INSTALL, "--fix-broken"])
        if code:
            raise LabError(
                asked="finish the dpkg run that was cut off (dpkg --configure -a, apt-get install --fix-broken)",
                found=f"apt says: {apt_errors(errors)}",
                fix="finish it by hand as that message says, then run again",
            )

    def unknown(self, items: Sequence[str]) -> LabError:
        """What to say of packages that the lists do not have."""
        return LabError(
            asked=f"the package(s) {', '.join(item.replace('|', ' or ') for item in items)}",
            found=f"the package lists of {self.host.release()} have no package of that name to install",
            fix="correct the name for this release, or enable the archive component that holds it (of Ubuntu: "
            "universe) in /etc/apt and run apt-get update",
        )


class Packages:
    """The asked packages on one machine: ``read``, ``plan`` and ``predict`` for ``converge``.

    Args:
        wanted: package names; ``a|b`` is satisfied by either, and installs the first that the release has.
        run: runs a command.
        host: the machine's files.
        check: nothing will be installed; so what cannot be installed has to be found by asking apt.
        predicted: packages that count as installed in check mode, because an earlier task would have brought them.
    """

    def __init__(
        self, wanted: Iterable[str], run: Run, host: Host, *, check: bool, predicted: Iterable[str] = ()
    ) -> None:
        self.wanted = tuple(dict.fromkeys(wanted))
        self._apt = Apt(run, host)
        self._check = check
        self._predicted = dict.fromkeys(predicted if check else (), "newest")

    def read(self) -> State:
        if not self.wanted:
            return State({}, ())
        names = [name for item in self.wanted for name in _alternatives(item)]
        # dpkg-query fails when it does not know one of the names, and still prints the others.
        _, listed, _ = self._apt.command([*QUERY, *names])
        installed = self._predicted | parse_installed(listed)
        present = {}
        for item in self.wanted:
            found = [(name, installed[name]) for name in _alternatives(item) if name in installed]
            if found:
                present[item] = found[0]
        missing = tuple(item for item in self.wanted if item not in present)
        if not missing:
            return State(present, ())
        return State(present, missing, self._apt.was_cut_off(), self._available(missing))

    def plan(self, state: State) -> list[Step]:
        if not state.missing:
            return []
        if self._check:
            self._refuse_in_check_mode(state)
        steps = []
        if state.unfinished:
            steps.append(Step("finish the dpkg run that was cut off", self._apt.finish))
        names = [_choose(item, state.available) for item in state.missing]
        steps.append(Step(f"install {' '.join(names)}", lambda: self._install(state)))
        return steps

    def predict(self, state: State) -> State:
        chosen = {item: _choose(item, state.available) for item in state.missing}
        coming = {item: (name, state.available.get(name, "newest")) for item, name in chosen.items()}
        return replace(state, present=state.present | coming, missing=(), unfinished=False)

    def _available(self, items: Sequence[str]) -> dict[str, str]:
        return self._apt.available([name for item in items for name in _alternatives(item)])

    def _refuse_in_check_mode(self, state: State) -> None:
        """Refuse what the real run would refuse, as far as that can be known without refreshing the lists."""
        if not self._apt.fresh() or state.unfinished:
            return
        names = self._names(state.missing, state.available)
        code, _, errors = self._apt.command([*INSTALL, "--simulate", *READ_ONLY, *names])
        if code:
            raise self._refused(names, errors)

    def _names(self, items: Sequence[str], available: dict[str, str]) -> list[str]:
        if unknown := _unknown(items, available):
            raise self._apt.unknown(unknown)
        return [_choose(item, available) for item in items]

    def _install(self, state: State) -> None:
        available = state.available
        fresh = False
        if _unknown(state.missing, available) or not self._apt.fresh():
            self._apt.refresh()
            fresh = True
            available = self._available(state.missing)
        names = self._names(state.missing, available)
        code, _, errors = self._apt.patiently([*INSTALL, *names])
        if code and "Failed to fetch" in errors and not fresh:
            # The lists are young, and yet name a version that the mirror has already replaced.
            self._apt.refresh()
            code, _, errors = self._apt.patiently([*INSTALL, *names])
        if code:
            raise self._refused(names, errors)

    def _refused(self, names: Sequence[str], errors: str) -> LabError:
        return LabError(
            asked=f"install {' '.join(names)} on {self._apt.host.release()}",
            found=f"apt says: {apt_errors(errors)}",
            fix="mend what apt names (space, network, a held package, another apt that runs), then run again",
        )


def render(state: State) -> str:
    """A state as text: one asked item a line."""
    lines = [f"{name} {version}" for name, version in state.present.values()]
    lines += [f"{item} absent" for item in state.missing]
    return "".join(f"{line}\n" for line in sorted(lines))


def parse_installed(listed: str) -> dict[str, str]:
    """Packages that are wholly installed, with their versions, from ``dpkg-query``."""
    rows = (line.split("\t") for line in listed.splitlines())
    return {name: version for name, version, status in rows if status == "installed"}


def parse_candidates(policy: str) -> dict[str, str]:
    """Packages that apt could install, with the version, from ``apt-cache policy``."""
    candidates = {}
    name = ""
    for line in policy.splitlines():
        if line and not line.startswith(" "):
            name = line.rstrip(":")
        elif line.startswith("  Candidate: ") and not line.endswith("(none)"):
            candidates[name] = line.removeprefix("  Candidate: ")
    return candidates


def apt_errors(errors: str) -> str:
    """What apt and dpkg call errors, in their own words; all they said where nothing is called that."""
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    marked = [line for line in lines if line.startswith(("E:", "dpkg: error"))]
    return " ".join(marked or lines[-10:]).rstrip(".") or "nothing on its error output"


def _alternatives(item: str) -> list[str]:
    return [name.strip() for name in item.split("|")]


def _unknown(items: Sequence[str], available: dict[str, str]) -> list[str]:
    return [item for item in items if not any(name in available for name in _alternatives(item))]


def _choose(item: str, available: dict[str, str]) -> str:
    """The first alternative that can be had; the first of all where that is not known."""
    names = _alternatives(item)
    return next((name for name in names if name in available), names[0])
