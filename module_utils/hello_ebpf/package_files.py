# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Single files out of a Debian package that is not installed: what is there, what apt can give, and the taking.

For a library of which one archive and two headers are needed, while the package would bring hundreds of files, other
packages, and headers that are mistaken for those of another version.
"""

from __future__ import annotations

import json
import subprocess
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path

from .errors import LabError
from .folders import digest_file, halves, swap
from .packages import APT_GET, Apt, apt_errors
from .plan import Step
from .removal import claim, claim_of, foreign, remove, strangers, tidy, unclaim

STAMP = ".debian_package_files.json"


@dataclass(frozen=True)
class Request:
    """What is wanted.

    Attributes:
        package: the package's name.
        dest: the folder that holds the files and nothing else.
        files: name below ``dest`` -> path in the package; ``*`` stands for any part of a path's name.
        version: the package's version; empty for any that was taken, or else the newest.
    """

    package: str
    dest: Path
    files: dict[str, str] = field(default_factory=dict)
    version: str = ""


@dataclass(frozen=True)
class State:
    """What is there.

    Attributes:
        package: what the files were taken from; empty where nothing is there.
        version: the package's version.
        wanted: the files that were asked for then.
        files: each file and its digest, as they were taken.
        spoilt: files that are missing or no longer as they were taken.
        foreign: the destination holds something that was not taken from a package.
        leftovers: halves of a run that was cut off.
        strangers: files in the destination that were not taken.
    """

    package: str = ""
    version: str = ""
    wanted: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    spoilt: tuple[str, ...] = ()
    foreign: bool = False
    leftovers: tuple[Path, ...] = ()
    strangers: tuple[str, ...] = ()


class PackageFiles:
    """The files of one request: ``read``, ``plan`` (or ``plan_absent``) and ``predict`` for ``converge``.

    Args:
        request: what is asked for.
        apt: the machine's apt.
        check: nothing will be taken, so what cannot be had is found by asking apt.
    """

    def __init__(self, request: Request, apt: Apt, *, check: bool) -> None:
        self._request = request
        self._apt = apt
        self._check = check
        self._available = ""

    def read(self) -> State:
        dest = self._request.dest
        leftovers = tuple(path for path in halves(dest) if claim_of(path))
        if dest.is_symlink() or (dest.exists() and not dest.is_dir()):
            return State(foreign=True, leftovers=leftovers)
        stamp = dest / STAMP
        if not stamp.is_file():
            return State(foreign=dest.is_dir() and any(dest.iterdir()), leftovers=leftovers)
        try:
            taken = json.loads(stamp.read_text())
            files = dict(taken["files"])
            spoilt = tuple(name for name, digest in files.items() if digest_file(dest / name) != digest)
            others = tuple(strangers(dest))
            return State(
                taken["package"], taken["version"], dict(taken["wanted"]), files, spoilt, False, leftovers, others
            )
        except (ValueError, KeyError, TypeError):
            return State(spoilt=(STAMP,), leftovers=leftovers)

    def plan(self, state: State) -> list[Step]:
        request = self._request
        if state.foreign:
            raise self._foreign()
        why = self._why(state)
        if not why:
            return [Step(f"remove {path}", partial(tidy, path)) for path in state.leftovers]
        if state.strangers:
            raise foreign(request.dest, f"files of {request.package} alone ({why})", list(state.strangers))
        if self._check:
            self._refuse_in_check_mode()
        taken = f"take {', '.join(request.files)} out of {request.package} into {request.dest}"
        return [Step(f"{taken} ({why})", self._take)]

    def plan_absent(self, state: State) -> list[Step]:
        """What was taken goes; what others have put beside or in its place stays."""
        there = [path for path in (self._request.dest, *state.leftovers) if claim_of(path)]
        return [Step(f"remove {path}", partial(tidy, path)) for path in there]

    def predict(self, state: State) -> State:
        request = self._request
        if not self._why(state):
            return State(state.package, state.version, state.wanted, state.files)
        version = request.version or self._available or "newest"
        return State(request.package, version, request.files, dict.fromkeys(request.files, "as in the package"))

    def predict_absent(self, state: State) -> State:
        return State()

    def _why(self, state: State) -> str:
        """Why the files have to be taken; empty where they need not be."""
        request = self._request
        if state.spoilt:
            return f"changed or missing: {', '.join(state.spoilt)}"
        if not state.package:
            return "nothing is there"
        if (state.package, state.wanted) != (request.package, request.files):
            return f"{', '.join(state.files)} of {state.package} is there"
        if request.version and state.version != request.version:
            return f"version {state.version} is there, asked is {request.version}"
        return ""

    def _refuse_in_check_mode(self) -> None:
        """Refuse what the real run would refuse, as far as that can be known without refreshing the lists."""
        host = self._apt.host
        self._available = self._apt.available([self._request.package]).get(self._request.package, "")
        if not self._available and host.has_lists() and not host.lists_are_old():
            raise self._apt.unknown([self._request.package])

    def _take(self) -> None:
        request = self._request
        new, old = halves(request.dest)
        for path in (new, old):
            remove(path)
        claim(new)
        try:
            package = self._download(new)
            version = self._field(package, "Version")
            for name in request.files:
                (new / name).parent.mkdir(parents=True, exist_ok=True)
            _extract(package, request.files, new)
            package.unlink()
        except BaseException:
            tidy(new)
            raise
        stamp = {
            "package": request.package,
            "version": version,
            "wanted": request.files,
            "files": {name: digest_file(new / name) for name in request.files},
        }
        (new / STAMP).write_text(json.dumps(stamp, indent=1) + "\n")
        unclaim(new)
        swap(new, request.dest, old)

    def _download(self, folder: Path) -> Path:
        """The package's file. apt holds it against the archive's signed lists before it gives it out."""
        request = self._request
        if self._apt.host.lists_are_old() or not self._apt.available([request.package]):
            self._apt.refresh()
            if not self._apt.available([request.package]):
                raise self._apt.unknown([request.package])
        wanted = f"{request.package}={request.version}" if request.version else request.package
        # apt-get puts what it downloads into the folder that it runs in.
        command = ["env", f"--chdir={folder}", *APT_GET, "download", wanted]
        code, _, errors = self._apt.command(command)
        if code and "Failed to fetch" in errors:
            # The lists are young, and yet name a version that the mirror has already replaced.
            self._apt.refresh()
            code, _, errors = self._apt.command(command)
        found = sorted(folder.glob("*.deb"))
        if code or not found:
            raise LabError(
                asked=f"the package {wanted} from this machine's archives",
                found=f"apt says: {apt_errors(errors)}",
                fix="mend what apt names (space, network, a version that the archive no longer has), then run again",
            )
        return found[0]

    def _field(self, package: Path, name: str) -> str:
        code, out, errors = self._apt.command(["dpkg-deb", "--field", str(package), name])
        if code:
            raise LabError(f"the {name} of {package.name}", f"dpkg-deb says: {apt_errors(errors)}", "run again")
        return out.strip()

    def _foreign(self) -> LabError:
        dest = self._request.dest
        return LabError(
            asked=f"{dest} for files of {self._request.package} alone",
            found=f"{dest} holds what was not taken from a package (it has no {STAMP})",
            fix="move it away, or name another folder",
        )


def render(state: State) -> str:
    """A state as text: one file a line."""
    if not state.package:
        return "".join(f"leftover {path}\n" for path in state.leftovers) or "absent\n"
    lines = [f"from {state.package} {state.version}"]
    lines += [f"{name}: {'spoilt' if name in state.spoilt else digest}" for name, digest in state.files.items()]
    return "".join(f"{line}\n" for line in lines)


def _extract(package: Path, wanted: dict[str, str], folder: Path) -> None:
    """Write the wanted files of a package into a folder.

    Raises:
        LabError: one of them is not in it, or is no plain file, or its pattern fits several.
    """
    command = ["dpkg-deb", "--fsys-tarfile", str(package)]
    taken: dict[str, list[str]] = {name: [] for name in wanted}
    # It also speaks when we stop reading early, which we never do: nothing it says would be of use.
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as unpacked:
        assert unpacked.stdout is not None
        with tarfile.open(fileobj=unpacked.stdout, mode="r|") as archive:
            for member in archive:
                path = member.name.removeprefix("./")
                for name in [name for name, pattern in wanted.items() if _fits(path, pattern)]:
                    content = archive.extractfile(member) if member.isreg() else None
                    if content is not None:
                        taken[name].append(path)
                        (folder / name).write_bytes(content.read())
                        (folder / name).chmod(0o644)
    wrong = [f"{wanted[name]} ({_count(paths)})" for name, paths in taken.items() if len(paths) != 1]
    if wrong:
        raise LabError(
            asked=f"{', '.join(wanted.values())} out of {package.name}",
            found=f"not exactly one plain file fits {', '.join(wrong)}",
            fix=f"correct the path; dpkg-deb --contents {package.name} lists what there is",
        )


def _fits(path: str, pattern: str) -> bool:
    """Whether a path is meant; a ``*`` does not reach over a slash."""
    parts, patterns = path.split("/"), pattern.split("/")
    return len(parts) == len(patterns) and all(map(fnmatchcase, parts, patterns))


def _count(paths: Sequence[str]) -> str:
    return "none" if not paths else " and ".join(paths)
