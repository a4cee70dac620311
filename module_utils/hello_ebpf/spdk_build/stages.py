"""The state of a build, what is missing of it, and the stages that bring it there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ..errors import LabError
from ..files import write_whole
from ..made import Made
from ..plan import Step
from ..removal import check_claim, claim, claim_of, remove, rmdir, seal, tidy
from . import archive, preflight
from .compile import Compiler
from .fetch import fetch
from .install import ORIGIN, Installed, halves, install, installed
from .layout import STAMP, assemble
from .request import LINKS, STAGES, Request
from .shell import Shell
from .unpack import unpack

PROJECT_FOLDER = "hello_ebpf"
# What may be in the cache before it is claimed: the lock is held by then, and the role has brought an archive.
BEFORE = ("lock", "incoming")
OWNER = "spdk"  # of the log's note
# Measured, with room to spare: 235 + 44 MiB of archive and apt's lists, a tree of 37 MiB when all is compiled, of 125
# where the source is unpacked as a whole, 7 MiB installed.
DOWNLOAD_BYTES = 320 * preflight.MIB
TREE_BYTES = {"ceph": 64 * preflight.MIB, "git": 160 * preflight.MIB, "archive": 160 * preflight.MIB}
DEBUG_TREE_BYTES = 128 * preflight.MIB
BUILD_BYTES = 40 * preflight.MIB
COMPILED = ("unpack", "configure", "dpdk", "lib", "module", "app")


@dataclass(frozen=True)
class State:
    """Which stages are still to do, and what is installed."""

    missing: tuple[str, ...]
    installed: Installed


class SpdkBuild:
    """One stage of one build: ``read``, ``plan`` and ``predict`` for ``converge``.

    Args:
        request: the build.
        stage: the stage to bring it through; "plan" only looks.
        lock: descriptor of the lock that is held; commands inherit it.
    """

    def __init__(self, request: Request, stage: str, lock: int) -> None:
        self._request = request
        self._stage = stage
        shell = Shell(request.log, lock)
        compiler = Compiler(request, shell)
        self._work: dict[str, Callable[[], None]] = {
            "fetch": partial(fetch, request, shell),
            "unpack": partial(unpack, request, shell),
            "configure": compiler.configure,
            "dpdk": compiler.dpdk,
            "lib": compiler.lib,
            "module": compiler.module,
            "app": compiler.app,
            "pack": partial(self._pack, shell),
            "install": self._install,
        }

    def read(self) -> State:
        there = installed(self._request.link)
        return State(missing_stages(self._request, there), there)

    def plan(self, state: State) -> list[Step]:
        if self._stage not in state.missing:
            return []
        return [Step(f"{self._stage} SPDK {self._request.version}", self._apply)]

    def predict(self, state: State) -> State:
        missing = tuple(stage for stage in state.missing if stage != self._stage)
        if self._stage == "install":
            return State(missing, Installed(self._request.name))
        return replace(state, missing=missing)

    def preflight(self, state: State, machine: str, cpuinfo: str) -> None:
        """Refuse what cannot succeed, before anything is changed.

        Raises:
            LabError: with the first reason.
        """
        request = self._request
        preflight.check_platform(request.platform, machine)
        preflight.check_cpu(request.cpu, cpuinfo)
        preflight.check_source(request)
        for folder in (request.prefix, request.cache):
            preflight.check_owner(folder, PROJECT_FOLDER)
        if state.missing:
            check_claim(request.cache, own=BEFORE)
            Made().check(OWNER, request.log)
            preflight.check_space(self._space(state))

    def _space(self, state: State) -> dict[Path, int]:
        needs = {self._request.prefix: BUILD_BYTES, self._request.cache: BUILD_BYTES}
        if "fetch" in state.missing:
            needs[self._request.cache] += DOWNLOAD_BYTES
        if "unpack" in state.missing:
            with_debug_info = self._request.debug_info or self._request.sanitize
            tree = TREE_BYTES[self._request.source] + (DEBUG_TREE_BYTES if with_debug_info else 0)
            needs[self._request.cache] += tree
        return needs

    def _apply(self) -> None:
        missing = missing_stages(self._request, installed(self._request.link))
        if missing[0] != self._stage:
            raise LabError(
                asked=f"stage {self._stage} of SPDK {self._request.version}",
                found=f"the stage {missing[0]} before it is not done",
                fix=f"run the stages in order: {', '.join(STAGES)} (the role spdk does)",
            )
        request = self._request
        claim(request.cache, own=BEFORE)
        Made().take(OWNER, request.log)
        self._work[self._stage]()
        if self._stage in COMPILED:
            write_whole(request.tree / "stage", self._stage)
        if not (request.cache / "build").exists():
            seal(request.cache)

    def _pack(self, shell: Shell) -> None:
        request = self._request
        there = installed(request.link)
        if there.name == request.name and not there.spoilt:
            # Built and installed, but the archive was lost.
            archive.pack(request.prefix / there.name, request.build_archive, leave_out=ORIGIN)
            return
        compiler = shell.run(["gcc", "--version"], asked="the compiler's version", fix="install gcc").partition("\n")[0]
        out = request.tree / "out"
        remove(out)
        out.mkdir()
        assemble(request, out, compiler)
        archive.pack(out, request.build_archive, leave_out=ORIGIN)

    def _install(self) -> None:
        install(self._request)
        remove(self._request.cache / "build")


def missing_stages(request: Request, there: Installed) -> tuple[str, ...]:
    """The stages that are still to do, in order."""
    packed = bool(archive.declared_digest(request.build_archive))
    if there.name == request.name and not there.spoilt:
        return () if packed else ("pack",)
    if packed:
        done = "pack"
    elif request.src.is_dir() and (progress := request.tree / "stage").is_file():
        done = progress.read_text()
    elif request.download.exists():
        done = "fetch"
    else:
        return STAGES
    return STAGES[STAGES.index(done) + 1 :]


class SpdkAbsent:
    """Nothing of any build is left: ``read``, ``plan`` and ``predict`` for ``converge``; the state is what is there."""

    def __init__(self, request: Request) -> None:
        self._request = request

    def read(self) -> tuple[Path, ...]:
        request = self._request
        builds = sorted(path.parents[len(STAMP.parts) - 1] for path in request.prefix.glob(f"*/{STAMP}"))
        links = [path for name in LINKS.values() if (path := request.prefix / name).is_symlink()]
        ours = [*links, *(path for path in builds if path not in links)]
        ours += [path for path in (*halves(request.prefix), request.cache) if claim_of(path) and path not in ours]
        return (*ours, *map(Path, Made().of(OWNER)))

    def plan(self, state: tuple[Path, ...]) -> list[Step]:
        return [Step(f"remove {path}", partial(self._remove, path)) for path in state]

    def predict(self, state: tuple[Path, ...]) -> tuple[Path, ...]:
        return ()

    def _remove(self, path: Path) -> None:
        """Remove, and with it the folders above that are ours and empty now."""
        tidy(path)
        Made().forget(OWNER, path)
        if path.parent == self._request.prefix:
            rmdir(path.parent)


def render(state: State) -> str:
    """A state as text, for --diff."""
    there = state.installed
    lines = [f"installed: {there.name or 'nothing'}"]
    lines += [f"spoilt: {name}" for name in there.spoilt]
    lines += [f"to do: {stage}" for stage in state.missing]
    return "".join(f"{line}\n" for line in lines)


def render_absent(state: tuple[Path, ...]) -> str:
    return "".join(f"{path}\n" for path in state)
