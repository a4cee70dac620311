# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""The installed parts of a builder in one archive: the same bytes from the same files."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ..errors import LabError
from ..plan import Step
from ..removal import remove, remove_named, rmdir
from .content import MANIFEST, Manifest, content, files_of, sha256_of

# Packing takes a second at this level, and a higher one saves little.
LEVEL = 4
# What this module writes into a folder; another file there is somebody else's.
WRITTEN = ("hello_ebpf-*.tar.gz", "hello_ebpf-*.tar.gz.sha256", ".hello_ebpf-*.tar.gz.partial")


@dataclass(frozen=True)
class State:
    """What the builder has.

    Attributes:
        wanted: the manifest of what is installed.
        lacking: parts that are not installed.
        packed: the manifest in the archive; None where there is none.
        sha256: the archive's digest; empty where it is not what it was when it was packed.
        leftovers: other archives, and what a run that was cut off left.
    """

    wanted: Manifest
    lacking: tuple[str, ...] = ()
    packed: Manifest | None = None
    sha256: str = ""
    leftovers: tuple[Path, ...] = ()


class Pack:
    """The archive of the installed parts: ``read``, ``plan`` (or ``plan_absent``) and ``predict`` for ``converge``.

    Args:
        archive: its path. Others of its kind in the folder are older ones, and go.
        parts: name -> folder.
        platform: the builder's release.
        cpu: the level that the parts were compiled for.
        renewed: parts that would have been made anew by now; in check mode alone.
        check: parts that are not there yet are made before, in a run.
    """

    def __init__(
        self,
        archive: Path,
        parts: dict[str, Path],
        *,
        platform: str = "",
        cpu: str = "",
        renewed: tuple[str, ...] = (),
        check: bool = False,
    ) -> None:
        self._archive = archive
        self._parts = parts
        self._platform = platform
        self._cpu = cpu
        self.renewed = renewed
        self._check = check

    def read(self) -> State:
        there = {name: folder for name, folder in self._parts.items() if folder.is_dir()}
        wanted = Manifest(
            self._platform,
            self._cpu,
            {name: str(folder) for name, folder in there.items()},
            {name: content(folder) for name, folder in there.items()},
        )
        folder = self._archive.parent
        beside = digest_file(self._archive)
        own = {self._archive, beside}
        leftovers = tuple(sorted(path for path in written(folder) if path not in own))
        lacking = tuple(name for name in self._parts if not wanted.files.get(name))
        if not self._archive.is_file() or not beside.is_file():
            return State(wanted, lacking, leftovers=leftovers)
        sha256 = sha256_of(self._archive)
        if beside.read_text().partition(" ")[0] != sha256:
            return State(wanted, lacking, leftovers=leftovers)
        return State(wanted, lacking, manifest_of(self._archive), sha256, leftovers)

    def plan(self, state: State) -> list[Step]:
        steps = [Step(f"remove {path}", partial(remove, path)) for path in state.leftovers]
        if state.lacking and not self._check:
            raise LabError(
                asked=f"one archive of {', '.join(self._parts)}",
                found=f"{', '.join(str(self._parts[name]) for name in state.lacking)} holds nothing",
                fix="run the roles that compile them on this machine first (playbooks/build.yml does)",
            )
        if state.packed != state.wanted or self.renewed or state.lacking:
            return [*steps, Step(f"pack {', '.join(self._parts)} into {self._archive}", self._pack)]
        return steps

    def plan_absent(self, state: State) -> list[Step]:
        folder = self._archive.parent
        return [Step(f"remove the archives in {folder}", partial(_drop, folder))] if written(folder) else []

    def predict(self, state: State) -> State:
        return State(state.wanted, packed=state.wanted)

    def predict_absent(self, state: State) -> State:
        return State(state.wanted)

    def _pack(self) -> None:
        write_archive(self._archive, self.read().wanted)


def written(folder: Path) -> set[Path]:
    """The archives in a folder, and what belongs to them."""
    return {path for pattern in WRITTEN for path in folder.glob(pattern)}


def _drop(folder: Path) -> None:
    remove_named(folder, WRITTEN)
    rmdir(folder.parent)


def write_archive(archive: Path, manifest: Manifest) -> None:
    """Write the archive of what a manifest names, and beside it its digest in sha256sum's form."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    half = archive.with_name(f".{archive.name}.partial")
    with (
        half.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0, compresslevel=LEVEL) as compressed,
        tarfile.open(fileobj=compressed, mode="w|", format=tarfile.GNU_FORMAT) as tar,
    ):
        text = json.dumps(manifest.to_json(), indent=1).encode()
        info = tarfile.TarInfo(MANIFEST)
        info.size = len(text)
        tar.addfile(info, io.BytesIO(text))
        for part, folder in manifest.paths.items():
            for name, path in files_of(Path(folder)).items():
                _add(tar, path, f"{part}/{name}")
    digest_file(archive).unlink(missing_ok=True)
    half.rename(archive)
    digest_file(archive).write_text(f"{sha256_of(archive)}  {archive.name}\n")


def _add(tar: tarfile.TarFile, path: Path, name: str) -> None:
    info = tar.gettarinfo(path, arcname=name)
    info.uid = info.gid = 0
    info.uname = info.gname = "root"
    info.mtime = 0
    info.mode = 0o755 if info.mode & 0o100 else 0o644
    if info.issym():
        tar.addfile(info)
        return
    # Two names of one file are two files.
    info.type = tarfile.REGTYPE
    info.size = path.stat().st_size
    with path.open("rb") as handle:
        tar.addfile(info, handle)


def digest_file(archive: Path) -> Path:
    return archive.with_name(f"{archive.name}.sha256")


def manifest_of(archive: Path) -> Manifest | None:
    """The manifest of an archive; None where it has none."""
    try:
        with tarfile.open(archive, "r|gz") as tar:
            member = tar.next()
            handle = tar.extractfile(member) if member and member.name == MANIFEST else None
            return Manifest.from_json(json.loads(handle.read())) if handle else None
    except (tarfile.TarError, EOFError, OSError, ValueError):
        return None


def render(state: State) -> str:
    """A state as text, for --diff: one file a line."""
    if state.packed is None:
        return "".join(f"leftover {path}\n" for path in state.leftovers) or "absent\n"
    lines = [f"{part}/{name}: {value}" for part, files in state.packed.files.items() for name, value in files.items()]
    lines += [f"leftover {path}" for path in state.leftovers]
    return "".join(f"{line}\n" for line in lines)
