# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Debian packages of our own, from files: what dpkg says of one, what a .deb holds, installing and purging."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import LabError
from .packages import INSTALL, Apt, apt_errors
from .removal import PROJECT_FOLDER, foreign

# Each package has it right below its prefix.
INGREDIENTS = "ingredients.json"
# A .deb is installed whatever version was there before: the newest of ours is the one that is asked for.
INSTALL_FILES = [*INSTALL, "--reinstall", "--allow-downgrades"]


@dataclass(frozen=True)
class Installed:
    """What dpkg says of a package.

    Attributes:
        version: its version; empty where dpkg does not know it.
        status: dpkg's word: installed, unpacked, half-installed, config-files ...; empty where it does not know it.
        altered: its files that are missing or no longer as they were installed (``dpkg --verify``).
    """

    version: str = ""
    status: str = ""
    altered: tuple[str, ...] = ()

    @property
    def there(self) -> bool:
        """Whether anything of the package is on the machine."""
        return self.status not in ("", "not-installed", "config-files")

    def whole(self, version: str) -> bool:
        """Whether it is this version, wholly installed, and nothing of it altered."""
        return self.status == "installed" and self.version == version and not self.altered


def installed(apt: Apt, package: str) -> Installed:
    """What dpkg says of a package, its files looked at."""
    code, said, _ = apt.command(["dpkg-query", "-W", "-f", "${Version}\\t${db:Status-Status}", package])
    if code:
        return Installed()
    version, _, status = said.partition("\t")
    _, verified, _ = apt.command(["dpkg", "--verify", package])
    # "??5??????   /path" where the content is another, "missing     /path" where it is gone.
    return Installed(version, status, tuple(line[12:].strip() for line in verified.splitlines()))


def owned(apt: Apt, package: str) -> frozenset[str]:
    """The paths that dpkg knows as a package's; none where it does not know the package."""
    _, listed, _ = apt.command(["dpkg-query", "-L", package])
    return frozenset(listed.splitlines())


def paths_in(apt: Apt, file: Path) -> list[str]:
    """The absolute paths of what a .deb installs, without folders.

    Raises:
        LabError: it is no .deb.
    """
    code, listed, errors = apt.command(["dpkg-deb", "--contents", str(file)])
    if code:
        raise LabError(f"install {file}", f"dpkg-deb says: {errors.strip()}", "remove it, then run again")
    rows = (line.split(maxsplit=5) for line in listed.splitlines())
    return [row[5].partition(" -> ")[0][1:] for row in rows if not row[0].startswith("d")]


def field_of(apt: Apt, file: Path, field: str) -> str:
    """A field of a .deb's control file; empty where there is none of that name."""
    return apt.command(["dpkg-deb", "--field", str(file), field])[1].strip()


def refuse_strangers(apt: Apt, package: str, file: Path, ours: Callable[[Path], bool] = lambda _: False) -> None:
    """Refuse a .deb that would replace a file neither of its package nor ``ours``; dpkg itself would not ask.

    Raises:
        LabError: there are such files.
    """
    known = owned(apt, package)
    others = (Path(path) for path in paths_in(apt, file) if path not in known)
    if theirs := [path for path in others if os.path.lexists(path) and not ours(path)]:
        raise foreign(theirs[0].parent, package, [path.name for path in theirs])


def install(apt: Apt, files: Sequence[Path]) -> None:
    """Install .deb files, with what they depend on. A dpkg run that was cut off is finished first.

    Raises:
        LabError: apt's own words.
    """
    names = [str(file) for file in files]
    if apt.was_cut_off():
        # It may have been in the middle of one of these very packages.
        apt.patiently(["dpkg", "--install", *names])
        apt.finish()
    code, told, errors = apt.patiently([*INSTALL_FILES, *names])
    if code and not apt.fresh():
        apt.refresh()
        code, told, errors = apt.patiently([*INSTALL_FILES, *names])
    if code:
        # What is missing stands among what apt tells, not among its errors.
        lacking = [line.strip() for line in told.splitlines() if "Depends: " in line]
        raise LabError(
            asked=f"install {', '.join(file.name for file in files)}",
            found=f"apt says: {' '.join([*lacking, apt_errors(errors)])}",
            fix="mend what apt names (space, network, a held package, another apt that runs), then run again",
        )


def purge(apt: Apt, package: str) -> None:
    """Remove a package with all that it brought, and nothing else.

    Raises:
        LabError: dpkg's own words.
    """
    above = _folders_above(owned(apt, package))
    code, _, errors = apt.patiently(["dpkg", "--purge", package])
    # dpkg takes a folder such as /opt along when it is empty then.
    for folder, was in above.items():
        if not folder.exists():
            folder.mkdir()
            os.chown(folder, was.st_uid, was.st_gid)
            folder.chmod(stat.S_IMODE(was.st_mode))
    if code:
        raise LabError(f"remove {package}", f"dpkg says: {apt_errors(errors)}", "mend what dpkg names, then run again")


def _folders_above(paths: Iterable[str]) -> dict[Path, os.stat_result]:
    """The folders above a package's prefix that are not the project's own, from the root downwards."""
    prefixes = [Path(path).parent for path in paths if Path(path).name == INGREDIENTS]
    above = [folder for prefix in prefixes for folder in reversed(prefix.parents)]
    return {folder: folder.stat() for folder in above if PROJECT_FOLDER not in folder.parts and folder.is_dir()}
