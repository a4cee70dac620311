# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""A product's Debian package: what goes into it, what is installed of it, the build, and the install."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from .building import ENVIRONMENT, telling_lines
from .debian_files import INGREDIENTS, Installed, install, installed, purge, refuse_strangers
from .errors import LabError
from .made import Made
from .packages import Apt
from .plan import Step
from .removal import MARK, check_claim, claim, claim_of, foreign, remove, seal, tidy

#: The stamp of the release before, which installed without dpkg; also the owner of its log.
OLD_STAMP, OLD_OWNER = ".make_install.json", "make_install"


@dataclass(frozen=True)
class Request:
    """What is to be built, from what.

    Attributes:
        name: the product; names make's goal, the build folder and the log.
        package: the Debian package that it becomes.
        dest: the folder that the package's files lie in.
        sources: file name below the build folder -> its text.
        make_args: further arguments of make.
        environment: further environment of make.
        tool_versions: commands whose output's first line tells a tool's version.
        inputs: files of this machine that the result depends on.
        renewed: in check mode, some of them would be others by now.
        platform: distribution and release of this machine.
        cpu: the oldest x86-64 level that the product runs on.
        install: install it; else only the .deb is made.
        cache: the folder in which build folders lie.
        packages: the folder of .deb files.
        log: the file that make's output goes to.
    """

    name: str
    package: str
    dest: Path
    sources: dict[str, str] = field(default_factory=dict)
    make_args: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    tool_versions: tuple[str, ...] = ()
    inputs: tuple[Path, ...] = ()
    renewed: bool = False
    platform: str = ""
    cpu: str = "x86-64-v2"
    install: bool = True
    cache: Path = Path("/var/cache/hello_ebpf/build")
    packages: Path = Path("/var/cache/hello_ebpf/packages")
    log: Path = Path("/var/log/hello_ebpf/build.log")

    @property
    def tree(self) -> Path:
        return self.cache / self.name


@dataclass(frozen=True)
class State:
    """What is there.

    Attributes:
        package: what dpkg says of the package.
        ingredients: what the installed package was made of.
        files: the .deb files of the package, whatever their versions.
        foreign: the destination holds files, and none of a package or release of ours.
        old: the release before this one installed the product there, without dpkg.
        leftovers: the build folder and the log.
    """

    package: Installed = field(default_factory=Installed)
    ingredients: dict[str, str] = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    foreign: bool = False
    old: bool = False
    leftovers: tuple[Path, ...] = ()


class DebianBuild:
    """One product's package: ``read``, ``plan`` (or ``plan_absent``) and ``predict`` for ``converge``.

    Args:
        request: what is asked for.
        apt: asks and changes what is installed.
        check: nothing will be built; a tool or input that is not there yet then counts as a change to come.
    """

    def __init__(self, request: Request, apt: Apt, *, check: bool) -> None:
        self._request = request
        self._apt = apt
        self._check = check

    def read(self) -> State:
        request = self._request
        package = installed(self._apt, request.package) if request.install else Installed()
        old = (request.dest / OLD_STAMP).is_file()
        return State(
            package,
            _read(request.dest / INGREDIENTS) if package.there else {},
            tuple(sorted(request.packages.glob(f"{request.package}_*.deb"))),
            request.install and not package.there and not old and _holds_something(request.dest),
            old and request.install,
            tuple(self._leftovers()),
        )

    def plan(self, state: State) -> list[Step]:
        request = self._request
        if state.foreign:
            raise foreign(request.dest, f"{request.name} alone")
        wanted = self.ingredients()
        why = self._why(state, wanted)
        if not why:
            return []
        file = self.file(wanted)
        steps = []
        if file not in state.files or (self._check and request.renewed):
            check_claim(request.tree)
            Made().check(request.package, request.log)
            steps.append(Step(f"build {request.package} ({why})", self._build))
        if request.install:
            if state.old:
                steps.append(Step(f"remove {request.dest}, of the release before", self._retire))
            steps.append(Step(f"install {request.package} in {request.dest} ({why})", self._install))
        return steps

    def plan_absent(self, state: State) -> list[Step]:
        """What the lab made goes; what others have put beside or in its place stays."""
        request = self._request
        steps = []
        if state.package.there:
            steps.append(Step(f"remove {request.package} from {request.dest}", self._purge))
        if state.old:
            steps.append(Step(f"remove {request.dest}, of the release before", self._retire))
        return steps + [
            Step(f"remove {path}", partial(self._remove, path)) for path in (*state.files, *state.leftovers)
        ]

    def predict(self, state: State) -> State:
        wanted = self.ingredients()
        return State(Installed(self.version(wanted), "installed"), wanted)

    def predict_absent(self, state: State) -> State:
        return State()

    def ingredients(self) -> dict[str, str]:
        """Everything that the package depends on, each with its digest or its own words."""
        request = self._request
        parts = {f"source {name}": _digest(text.encode()) for name, text in request.sources.items()}
        parts |= {f"input {path}": self._input(path) for path in request.inputs}
        parts |= {command: self._version(command) for command in request.tool_versions}
        parts |= {f"environment {name}": value for name, value in request.environment.items()}
        words = [str(request.dest), request.cpu, *request.make_args]
        return parts | {"release": request.platform, "make": shlex.join(words)}

    def version(self, ingredients: dict[str, str]) -> str:
        """The version that these make: the changelog's, and their digest; empty where some of them are to come."""
        if not ingredients or "" in ingredients.values():
            return ""
        found = re.match(r"\S+ \((.+)\)", self._request.sources.get("debian/changelog", ""))
        if not found:
            raise LabError(
                asked=f"the version of {self._request.package}",
                found="debian/changelog does not begin with 'name (version)'",
                fix="mend packaging/debian/changelog",
            )
        return f"{found[1]}+{_digest(json.dumps(ingredients, sort_keys=True).encode())[:12]}"

    def file(self, ingredients: dict[str, str]) -> Path:
        """The .deb file of the package that these make; one that never is where some are to come."""
        request = self._request
        architecture = self._apt.command(["dpkg", "--print-architecture"])[1].strip()
        return request.packages / f"{request.package}_{self.version(ingredients)}_{architecture}.deb"

    def _why(self, state: State, wanted: dict[str, str]) -> str:
        """Why there is something to do; empty where the package is as it should be."""
        request = self._request
        package, version = state.package, self.version(wanted)
        changed = ", ".join(_differences(state.ingredients, wanted)) or "the version"
        if not request.install:
            return "" if self.file(wanted) in state.files and not request.renewed else "no such package yet"
        if not package.there:
            return "nothing is installed"
        if package.status != "installed":
            return f"dpkg says that it is {package.status}"
        if package.altered:
            names = (path.removeprefix(f"{request.dest}/") for path in package.altered)
            return f"changed or missing: {', '.join(names)}"
        if package.version != version:
            return f"changed: {changed}"
        return "what it is built with is made anew before" if request.renewed else ""

    def _input(self, path: Path) -> str:
        if path.is_file():
            return _digest(path.read_bytes())
        if self._check:
            return ""
        raise LabError(
            asked=f"{self._request.name} built with {path}",
            found="there is no such file",
            fix="run the role that makes it first (site.yml does), or correct the path",
        )

    def _version(self, command: str) -> str:
        argv = shlex.split(command)
        try:
            done = subprocess.run(
                argv, env=ENVIRONMENT | self._request.environment, capture_output=True, text=True, check=True
            )
        except (OSError, subprocess.CalledProcessError) as error:
            if self._check:
                return ""
            said = str(getattr(error, "stderr", "") or error).strip()
            raise LabError(
                asked=f"{self._request.name} built with what '{command}' names",
                found=said,
                fix=f"install what gives {argv[0]} (role ebpf_toolchain installs the compilers), then run again",
            ) from error
        return (done.stdout or done.stderr).partition("\n")[0]

    def _build(self) -> None:
        request = self._request
        wanted = self.ingredients()
        file = self.file(wanted)
        with _locked(request.tree):
            claim(request.tree)
            for path in request.tree.iterdir():
                if path.name != MARK:
                    remove(path)
            Made().take(request.package, request.log)
            for name, text in {**request.sources, f"debian/{INGREDIENTS}": json.dumps(wanted, indent=1) + "\n"}.items():
                path = request.tree / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            half = file.with_name(f".{file.name}.part")
            file.parent.mkdir(parents=True, exist_ok=True)
            self._make(half, self.version(wanted))
            half.rename(file)
            seal(request.tree)

    def _make(self, file: Path, version: str) -> None:
        request = self._request
        asked = {
            "PRODUCT": request.name,
            "PACKAGE": request.package,
            "VERSION": version,
            "FILE": file,
            "PREFIX": request.dest,
            "PLATFORM": request.platform,
            "CPU": request.cpu,
        }
        arguments = [f"{name}={value}" for name, value in asked.items()]
        make = ["make", "-C", str(request.tree), "-f", "debian/rules", f"-j{len(os.sched_getaffinity(0))}", "binary"]
        request.log.parent.mkdir(parents=True, exist_ok=True)
        with request.log.open("w") as log:
            code = subprocess.run(
                [*make, *arguments, *request.make_args],
                env=ENVIRONMENT | request.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                umask=0o022,
                check=False,
            ).returncode
        if code:
            remove(file)
            raise LabError(
                asked=f"build {request.package} in {request.tree}",
                found=f"make ended with {code}: {telling_lines(request.log.read_text(errors='replace'))}",
                fix=f"read {request.log}, mend the cause and run again; what was installed before is as it was",
            )

    def _install(self) -> None:
        request = self._request
        before = self.read().package.version
        wanted = self.file(self.ingredients())
        refuse_strangers(self._apt, request.package, wanted)
        install(self._apt, [wanted])
        # The version that was installed before stays, to go back to.
        for file in request.packages.glob(f"{request.package}_*.deb"):
            if file != wanted and f"_{before}_" not in file.name:
                remove(file)

    def _purge(self) -> None:
        purge(self._apt, self._request.package)
        if not self._request.dest.exists():
            tidy(self._request.dest)

    def _retire(self) -> None:
        """Take away what the release before installed here, and the note of its log."""
        for path in Made().of(OLD_OWNER):
            if Path(path).name == f"{self._request.name}-build.log":
                remove(Path(path))
                Made().forget(OLD_OWNER, path)
        tidy(self._request.dest)

    def _leftovers(self) -> Iterator[Path]:
        request = self._request
        yield from request.packages.glob(f".{request.package}_*.part")
        if str(request.log) in Made().of(request.package):
            yield request.log
        if claim_of(request.tree):
            yield request.tree

    def _remove(self, path: Path) -> None:
        tidy(path)
        if path == self._request.log:
            Made().forget(self._request.package, path)


def render(state: State) -> str:
    """A state as text: the package, one ingredient a line, what else is there."""
    if not state.package.there:
        return "".join(f"leftover {path}\n" for path in (*state.files, *state.leftovers)) or "absent\n"
    lines = [f"version {state.package.version}"]
    lines += [f"{name}: {value or 'not there yet'}" for name, value in state.ingredients.items()]
    lines += [f"changed or missing: {path}" for path in state.package.altered]
    return "".join(f"{line}\n" for line in lines)


def _read(path: Path) -> dict[str, str]:
    """The ingredients of an installed package; none where the file is not what it should be (dpkg says that, too)."""
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return {}


def _holds_something(path: Path) -> bool:
    return path.is_symlink() or (any(path.iterdir()) if path.is_dir() else path.exists())


def _differences(before: dict[str, str], after: dict[str, str]) -> list[str]:
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Make the folder and hold it: a run that was killed may still be building in it."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
