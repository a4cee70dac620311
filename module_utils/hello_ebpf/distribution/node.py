# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""A builder's packages on a node: what dpkg says of them, whether they can run here, and their installation by apt."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ..debian_files import Installed, field_of, install, installed, owned, paths_in, purge, refuse_strangers
from ..errors import LabError
from ..packages import Apt
from ..plan import Step
from ..release import missing_flags
from ..removal import claim_of, remove, remove_named, rmdir, tidy
from .folder import WRITTEN, digest_of, package_of

# The .deb files that were brought here: the installed ones, and those that were installed before them.
BROUGHT = "hello-ebpf-*_*.deb"


@dataclass(frozen=True)
class Machine:
    """What a machine is, as far as a binary cares."""

    platform: str
    cpuinfo: str


@dataclass(frozen=True)
class Request:
    """What is to be installed.

    Attributes:
        packages: package -> version; empty, in check mode, where it is not built yet.
        sha256: the .deb files of these -> their digests. One that is not named is taken as it lies in the cache.
        sent: the folder that some of them were sent to.
        cache: the folder that keeps them. What is installed and lies there was brought here, not compiled here.
        folders: where the packages put their files.
        record: what the release before wrote of its archive.
    """

    packages: dict[str, str]
    cache: Path
    record: Path
    folders: tuple[Path, ...] = ()
    sha256: dict[str, str] = field(default_factory=dict)
    sent: Path | None = None


@dataclass(frozen=True)
class State:
    """What is there.

    Attributes:
        packages: what dpkg says of each package.
        owned: the paths that dpkg knows as theirs.
        brought: the .deb files in the cache.
        lacking: asked .deb files that are not among them.
        old: folders that the release before filled without dpkg.
    """

    packages: dict[str, Installed] = field(default_factory=dict)
    owned: frozenset[str] = frozenset()
    brought: tuple[Path, ...] = ()
    lacking: tuple[str, ...] = ()
    old: tuple[Path, ...] = ()


class Node:
    """``read``, ``plan`` (or ``plan_absent``) and ``predict`` for ``converge``."""

    def __init__(self, request: Request, machine: Machine, apt: Apt) -> None:
        self._request = request
        self._machine = machine
        self._apt = apt

    def read(self) -> State:
        request, apt = self._request, self._apt
        brought = tuple(sorted(request.cache.glob(BROUGHT)))
        names = dict.fromkeys([*request.packages, *(package_of(path.name)[0] for path in brought)])
        packages = {name: installed(apt, name) for name in names}
        paths = frozenset(path for name in names if packages[name].there for path in owned(apt, name))
        return State(
            packages,
            paths,
            brought,
            tuple(name for name, digest in request.sha256.items() if digest_of(request.cache / name) != digest),
            tuple(folder for folder in request.folders if str(folder) not in paths and claim_of(folder)),
        )

    def stale(self, state: State) -> list[str]:
        """The packages that are not as they should be."""
        # dpkg --verify looks at the content of files: a link that is gone is seen here.
        lost = any(not os.path.lexists(path) for path in state.owned)
        return [
            name
            for name, version in self._request.packages.items()
            if not state.packages[name].whole(version) or (lost and self._lost(name))
        ]

    def previous(self, state: State) -> dict[str, str]:
        """The versions to go back to, of the packages that are replaced by others."""
        there = {name: state.packages[name] for name in self.stale(state)}
        return {
            name: one.version
            for name, one in there.items()
            if one.there and one.version != self._request.packages[name]
        }

    def plan(self, state: State) -> list[Step]:
        stale = self.stale(state)
        for name in stale:
            file = self._file(name)
            if file is not None:
                self._check(name, file, state)
        steps = [Step(f"keep {name}", partial(self._keep, name)) for name in state.lacking]
        if stale:
            steps += [Step(f"remove {folder}, of the release before", partial(tidy, folder)) for folder in state.old]
            named = ", ".join(f"{name} {self._request.packages[name]}".rstrip() for name in stale)
            steps.append(Step(f"install {named}", partial(self._install, stale, self.previous(state))))
        if self._request.record.is_file():
            steps.append(Step(f"remove {self._request.record}", partial(remove, self._request.record)))
        return steps

    def plan_absent(self, state: State) -> list[Step]:
        """Only what was brought here: what was compiled here goes with the role that compiled it."""
        request = self._request
        brought = {package_of(path.name) for path in state.brought}
        names = [name for name, one in state.packages.items() if one.there and (name, one.version) in brought]
        steps = [Step(f"remove {name}", partial(self._purge, name)) for name in names]
        if any(path for pattern in WRITTEN for path in request.cache.glob(pattern)):
            steps.append(Step(f"remove the packages in {request.cache}", self._drop))
        old = [*paths_of(request.record), request.record]
        return steps + [Step(f"remove {path}", partial(tidy, path)) for path in old if claim_of(path) or path.is_file()]

    def predict(self, state: State) -> State:
        wanted = {name: Installed(version, "installed") for name, version in self._request.packages.items()}
        return State({**state.packages, **wanted}, brought=state.brought)

    def predict_absent(self, _state: State) -> State:
        return State()

    def _file(self, name: str) -> Path | None:
        """A package's .deb file on this machine; None where it was not sent."""
        request = self._request
        places = [request.sent, request.cache] if request.sent else [request.cache]
        version = request.packages[name]
        return next((path for place in places for path in place.glob(f"{name}_{version or ' '}_*.deb")), None)

    def _check(self, name: str, file: Path, state: State) -> None:
        """Refuse what cannot be installed here, before anything is changed."""
        asked = f"{name} {self._request.packages[name]} on this machine"
        expected = self._request.sha256.get(file.name)
        if expected and (found := digest_of(file)) != expected and file.parent == self._request.sent:
            raise LabError(
                asked=f"{file.name} with SHA-256 {expected}",
                found=f"what arrived has {found}",
                fix="run again; where it stays, compare the file on the controller with its line in SHA256SUMS",
            )
        if (platform := field_of(self._apt, file, "Hello-Ebpf-Platform")) != self._machine.platform:
            raise LabError(
                asked=asked,
                found=f"it was compiled on {platform}, and this machine is {self._machine.platform}",
                fix="let distribution_builder (or distribution_archive) be of this release",
            )
        cpu = field_of(self._apt, file, "Hello-Ebpf-Cpu")
        if missing := missing_flags(cpu, self._machine.cpuinfo):
            raise LabError(
                asked=asked,
                found=f"it needs {cpu}, and this machine's CPU lacks {', '.join(missing)}",
                fix="take the machine out of the inventory, or give the virtual machine a CPU model that has them",
            )
        paths = [Path(path) for path in paths_in(self._apt, file)]
        if not any(path.is_relative_to(folder) for path in paths for folder in self._request.folders):
            raise LabError(
                asked=f"{asked} in {' or '.join(map(str, self._request.folders))}",
                found=f"it has its files elsewhere ({', '.join(map(str, paths[:1]))})",
                fix="let spdk_prefix, csd_target_prefix and the like be the same on the builder (group_vars/all.yml)",
            )
        refuse_strangers(self._apt, name, file, partial(self._ours, state))

    def _ours(self, state: State, path: Path) -> bool:
        claims = ((folder, claim_of(folder)) for folder in state.old if path.is_relative_to(folder))
        return str(path) in state.owned or any(one and one.has(str(path.relative_to(at))) for at, one in claims)

    def _lost(self, name: str) -> bool:
        return any(not os.path.lexists(path) for path in owned(self._apt, name))

    def _keep(self, name: str) -> None:
        sent = self._request.sent
        if sent is None:
            raise LabError(name, "it was not sent", "run the role distribution, which sends it")
        self._request.cache.mkdir(parents=True, exist_ok=True)
        half = self._request.cache / f".{name}.partial"
        shutil.copyfile(sent / name, half)
        half.rename(self._request.cache / name)

    def _install(self, names: Sequence[str], previous: dict[str, str]) -> None:
        request = self._request
        files = {name: file for name in names for file in [self._file(name)] if file}
        if lacking := [name for name in names if name not in files]:
            raise LabError(
                asked=", ".join(f"{name} {request.packages[name]}" for name in lacking),
                found=f"{request.cache} has no such package",
                fix="run the role distribution, which sends it",
            )
        install(self._apt, [request.cache / file.name for file in files.values()])
        # The version that was installed before stays, to go back to.
        for name, before in previous.items():
            for path in request.cache.glob(f"{name}_*.deb"):
                if package_of(path.name)[1] not in {request.packages[name], before}:
                    path.unlink()

    def _purge(self, name: str) -> None:
        # What Python compiled beside a package's sources is known to no package.
        sources = [Path(path) for path in owned(self._apt, name) if path.endswith(".py")]
        for path in sources:
            remove_named(path.parent / "__pycache__", (f"{path.stem}.*.pyc",))
        purge(self._apt, name)

    def _drop(self) -> None:
        remove_named(self._request.cache, WRITTEN)
        rmdir(self._request.cache.parent)


def paths_of(record: Path) -> list[Path]:
    """The folders that the release before filled from its archive."""
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        return [Path(part["path"]) for part in json.loads(record.read_text())["manifest"]["parts"].values()]
    return []


def render(state: State) -> str:
    """A state as text, for --diff."""
    lines = [f"{name} {one.version}" for name, one in state.packages.items() if one.there]
    lines += [f"altered {path}" for one in state.packages.values() for path in one.altered]
    return "".join(f"{line}\n" for line in [*lines, *(f"of the release before {path}" for path in state.old)])
