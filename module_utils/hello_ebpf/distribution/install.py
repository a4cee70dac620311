# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""A distribution put in place: what is there, whether it can run here, and the folders that are exchanged."""

from __future__ import annotations

import json
import subprocess
import tarfile
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ..errors import LabError
from ..folders import halves, swap
from ..plan import Step
from ..release import missing_flags
from ..removal import claim, claim_of, foreign, remove, seal, strangers, tidy
from .content import CURRENT, MANIFEST, Manifest, content, read_json, sha256_of, spoilt

# What tells that a folder came from a role of this project, compiled here before.
OWN_STAMPS = (".make_install.json", f"{CURRENT}/share/hello_ebpf/stamp.json")
ELF = b"\x7fELF"


@dataclass(frozen=True)
class Machine:
    """What a machine is, as far as a binary cares."""

    platform: str
    cpuinfo: str


@dataclass(frozen=True)
class Request:
    """A distribution.

    Attributes:
        parts: name -> the folder that it is expected in.
        record: the file that says what is installed.
        archive: its path on this machine; None where it was not sent.
        sha256: its digest.
        manifest: what it holds; None, in check mode, where it is not made yet.
        renewed: the parts that it will bring anew; in check mode, where it is not made yet.
    """

    parts: dict[str, Path]
    record: Path
    archive: Path | None = None
    sha256: str = ""
    manifest: Manifest | None = None
    renewed: tuple[str, ...] = ()


@dataclass(frozen=True)
class State:
    """What is installed.

    Attributes:
        sha256: the archive that it came from; empty where nothing did.
        manifest: what that held.
        spoilt: part -> its files that are missing or altered.
        foreign: folders that hold what this project did not put there.
        leftovers: what a run that was cut off left.
    """

    sha256: str = ""
    manifest: Manifest | None = None
    spoilt: dict[str, tuple[str, ...]] = field(default_factory=dict)
    foreign: tuple[Path, ...] = ()
    leftovers: tuple[Path, ...] = ()


class Install:
    """``read``, ``plan`` (or ``plan_absent``) and ``predict`` for ``converge``."""

    def __init__(self, request: Request, machine: Machine) -> None:
        self._request = request
        self._machine = machine

    def read(self) -> State:
        request = self._request
        sha256, manifest = recorded(request.record)
        paths = manifest.paths if manifest else {}
        files = manifest.files if manifest else {}
        return State(
            sha256,
            manifest,
            {name: lost for name in files if (lost := spoilt(Path(paths[name]), files[name]))},
            tuple(folder for name, folder in request.parts.items() if name not in files and is_foreign(folder)),
            tuple(path for path in self._halves() if claim_of(path) or path.is_file()),
        )

    def plan(self, state: State) -> list[Step]:
        request, wanted = self._request, self._request.manifest
        if state.foreign:
            raise self._foreign(state)
        if wanted:
            self._check(wanted)
        stale = self.stale(state)
        steps = [Step(f"remove {path}", partial(tidy, path)) for path in state.leftovers]
        for folder in (request.parts[name] for name in stale if name in request.parts):
            if folder.is_dir() and (names := strangers(folder)):
                raise foreign(folder, "what the builder compiled alone", names)
        if stale or (wanted and state.sha256 != request.sha256):
            return [*steps, Step(f"install {', '.join(stale) or 'nothing new'} of {self._named()}", self._install)]
        return steps

    def stale(self, state: State) -> list[str]:
        """The parts that are not as they should be."""
        wanted = self._request.manifest
        if wanted is None:
            other = self._request.sha256 and state.sha256 != self._request.sha256
            return sorted({*self._request.renewed, *state.spoilt, *(self._request.parts if other else ())})
        there = state.manifest.files if state.manifest else {}
        return [name for name in wanted.files if name in state.spoilt or there.get(name) != wanted.files[name]]

    def plan_absent(self, state: State) -> list[Step]:
        """Only what came with an archive: what was compiled here goes with the role that compiled it."""
        paths = [Path(path) for path in state.manifest.paths.values()] if state.manifest else []
        gone = [*paths, self._request.record, *state.leftovers]
        return [Step(f"remove {path}", partial(tidy, path)) for path in gone if claim_of(path) or path.is_file()]

    def predict(self, state: State) -> State:
        return State(self._request.sha256, self._request.manifest)

    def predict_absent(self, state: State) -> State:
        return State()

    def _check(self, wanted: Manifest) -> None:
        """Refuse what cannot run here, before anything is changed."""
        asked = f"{self._named()} on this machine"
        if wanted.platform != self._machine.platform:
            raise LabError(
                asked=asked,
                found=f"it was compiled on {wanted.platform}, and this machine is {self._machine.platform}",
                fix="let distribution_builder (or distribution_archive) be of this release",
            )
        if missing := missing_flags(wanted.cpu, self._machine.cpuinfo):
            raise LabError(
                asked=asked,
                found=f"it needs {wanted.cpu}, and this machine's CPU lacks {', '.join(missing)}",
                fix="take the machine out of the inventory, or give the virtual machine a CPU model that has them",
            )
        expected = {name: str(folder) for name, folder in self._request.parts.items()}
        if wanted.paths != expected:
            raise LabError(
                asked=f"{asked} in {', '.join(expected.values())}",
                found=f"it was made for {', '.join(wanted.paths.values())}",
                fix="let spdk_prefix, csd_target_prefix and the like be the same on the builder (group_vars/all.yml)",
            )

    def _install(self) -> None:
        request, wanted = self._request, self._request.manifest
        if request.archive is None or wanted is None:
            raise LabError(self._named(), "it was not sent", "run the role distribution, which sends it")
        if (sha256 := sha256_of(request.archive)) != request.sha256:
            raise LabError(
                asked=f"{self._named()} with SHA-256 {request.sha256}",
                found=f"what arrived has {sha256}",
                fix="run again; where it stays, compare the archive on the controller with its .sha256",
            )
        stale = self.stale(self.read())
        stage = request.record.parent / f".{request.record.name}.new"
        remove(stage)
        claim(stage)
        unpack(request.archive, stage)
        for name in stale:
            if content(stage / name) != wanted.files[name]:
                raise LabError(self._named(), f"{name} in it is not what its manifest says", "do not trust it")
        check_libraries(stage)
        for name in stale:
            folder = request.parts[name]
            folder.parent.mkdir(parents=True, exist_ok=True)
            new, old = halves(folder)
            remove(new)
            remove(old)
            claim(stage / name)
            seal(stage / name)
            (stage / name).rename(new)
            swap(new, folder, old)
        half = request.record.with_name(f".{request.record.name}.partial")
        half.write_text(json.dumps({"sha256": request.sha256, "manifest": wanted.to_json()}, indent=1) + "\n")
        half.rename(request.record)
        remove(stage)

    def _halves(self) -> list[Path]:
        record = self._request.record
        places = [record.with_name(f".{record.name}.new"), record.with_name(f".{record.name}.partial")]
        return places + [half for folder in self._request.parts.values() for half in halves(folder)]

    def _named(self) -> str:
        return f"the distribution {self._request.sha256[:12]}".rstrip()

    def _foreign(self, state: State) -> LabError:
        return LabError(
            asked=f"{', '.join(map(str, state.foreign))} for what the builder compiled",
            found="there are files that this project did not put there",
            fix="move them away, or name other folders",
        )


def recorded(record: Path) -> tuple[str, Manifest | None]:
    """The digest of the archive that was installed last, and its manifest."""
    data = read_json(record)
    try:
        return str(data["sha256"]), Manifest.from_json(data["manifest"])
    except (KeyError, TypeError, ValueError):
        return "", None


def is_foreign(folder: Path) -> bool:
    if not folder.is_dir():
        return folder.exists() or folder.is_symlink()
    return any(folder.iterdir()) and not any((folder / stamp).is_file() for stamp in OWN_STAMPS)


def unpack(archive: Path, dest: Path) -> None:
    """Unpack an archive whose digest was verified into an empty folder."""
    with tarfile.open(archive, "r:gz") as tar:
        for member in tar:
            path = dest / member.name
            if member.name == MANIFEST:
                continue
            if not path.resolve().is_relative_to(dest.resolve()) or not (member.isreg() or member.issym()):
                raise LabError("a distribution of this project", f"a member {member.name}", "do not trust it")
            path.parent.mkdir(parents=True, exist_ok=True)
            if member.issym():
                path.symlink_to(member.linkname)
            elif handle := tar.extractfile(member):
                path.write_bytes(handle.read())
                path.chmod(member.mode)


def check_libraries(folder: Path) -> None:
    """Refuse a distribution whose programs this machine has not the libraries for."""
    missing = set()
    for path in sorted(folder.rglob("bin/*")):
        with path.open("rb") as handle:
            if handle.read(len(ELF)) != ELF:
                continue
        said = subprocess.run(["ldd", path], capture_output=True, text=True, check=False).stdout
        missing |= {line.split()[0] for line in said.splitlines() if "not found" in line}
    if missing:
        raise LabError(
            asked="programs that run here",
            found=f"this machine has no {', '.join(sorted(missing))}",
            fix="install the packages that hold them (distribution_packages)",
        )


def render(state: State) -> str:
    """A state as text, for --diff: one file a line."""
    if state.manifest is None:
        return "nothing\n"
    lines = [f"archive {state.sha256}"]
    for part, files in state.manifest.files.items():
        lost = state.spoilt.get(part, ())
        lines += [f"{part}/{name}: {'spoilt' if name in lost else value}" for name, value in files.items()]
    lines += [f"leftover {path}" for path in state.leftovers]
    return "".join(f"{line}\n" for line in lines)
