"""A machine of packages: dpkg and apt as far as the module debian_packages asks them, for its tests."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ansible.module_utils.hello_ebpf.packages import Host, Packages, State
from ansible.module_utils.hello_ebpf.plan import Outcome, converge

NOW = 1_800_000_000.0
DAY = 24 * 3600


@dataclass
class Debian:
    """What is installed, what the mirror has, and every command that was run.

    Attributes:
        folder: an empty folder for the machine's files.
        mirror: package -> version.
        installed: package -> version.
        half_done: packages that a cut-off dpkg run left behind.
        failures: words of a command -> what it prints on its error output as it fails, once each.
        configures: dpkg --configure -a mends what is half done.
        installs: apt-get install really installs.
        commands: what was run, one line each.
    """

    folder: Path
    mirror: dict[str, str] = field(default_factory=dict)
    installed: dict[str, str] = field(default_factory=dict)
    half_done: set[str] = field(default_factory=set)
    failures: list[tuple[str, str]] = field(default_factory=list)
    configures: bool = True
    installs: bool = True
    commands: list[str] = field(default_factory=list)
    clock: float = NOW

    def __post_init__(self) -> None:
        self.lists = self.folder / "lists"
        self.lists.mkdir()
        self.release = self.folder / "os-release"
        self.release.write_text('NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n')

    def refreshed(self, seconds_ago: float) -> None:
        """Package lists are there, of that age."""
        (self.lists / "mirror_dists_bookworm_main_binary-amd64_Packages.lz4").touch()
        self._age(seconds_ago)

    def converge(self, *wanted: str, check: bool = False, predicted: Sequence[str] = ()) -> Outcome[State]:
        packages = Packages(wanted, self.run, self.host(), check=check, predicted=predicted)
        return converge(packages.read, packages.plan, packages.predict, check=check)

    def host(self) -> Host:
        return Host(self.lists, self.folder / "updates", self.release, now=lambda: self.clock, sleep=self._sleep)

    def ran(self, *words: str) -> list[str]:
        """The commands that hold one of these words."""
        return [command for command in self.commands if any(word in command.split() for word in words)]

    def run(self, args: list[str], *, environ_update: dict[str, str] | None = None) -> tuple[int, str, str]:
        assert environ_update is not None
        assert environ_update["LC_ALL"] == "C.UTF-8"
        assert environ_update["DEBIAN_FRONTEND"] == "noninteractive"
        command = " ".join(args)
        self.commands.append(command)
        for index, (words, errors) in enumerate(self.failures):
            if words in command:
                del self.failures[index]
                return 100, "", errors
        return self._answer(args)

    def _answer(self, args: list[str]) -> tuple[int, str, str]:
        match args:
            case ["dpkg-query", "-W", "-f", _, *names]:
                return self._query(names)
            case ["dpkg", "--audit"]:
                return 0, "".join(f" {name}  half installed\n" for name in sorted(self.half_done)), ""
            case ["dpkg", *_]:
                return self._configure()
            case ["apt-cache", *_]:
                return 0, "".join(self._policy(name) for name in args[args.index("policy") + 1 :]), ""
            case [*_, "update"]:
                self.refreshed(0)
            case [*_, "--fix-broken"]:
                self.half_done.clear()
            case _:
                return self._install(args)
        return 0, "", ""

    def _query(self, names: list[str]) -> tuple[int, str, str]:
        known = self.installed | dict.fromkeys(self.half_done, "1")
        lines = [
            f"{name}\t{known[name]}\t{'half-configured' if name in self.half_done else 'installed'}\n"
            for name in names
            if name in known
        ]
        unknown = [name for name in names if name not in known]
        return int(bool(unknown)), "".join(lines), "".join(f"no packages found matching {name}\n" for name in unknown)

    def _policy(self, name: str) -> str:
        if name not in self.mirror:
            return ""
        return f"{name}:\n  Installed: (none)\n  Candidate: {self.mirror[name]}\n  Version table:\n     1 500\n"

    def _configure(self) -> tuple[int, str, str]:
        if self.half_done and not self.configures:
            return 1, "", "dpkg: error processing package x (--configure): dependency problems"
        self.half_done.clear()
        return 0, "", ""

    def _install(self, args: list[str]) -> tuple[int, str, str]:
        names = [word for word in args[args.index("install") + 1 :] if word in self.mirror]
        if self.half_done and "--simulate" not in args:
            return 100, "", "E: dpkg was interrupted, you must manually run 'dpkg --configure -a'"
        if self.installs and "--simulate" not in args:
            self.installed |= {name: self.mirror[name] for name in names}
        return 0, "", ""

    def _sleep(self, seconds: float) -> None:
        self.clock += seconds

    def _age(self, seconds: float) -> None:
        os.utime(self.lists, (self.clock - seconds, self.clock - seconds))
