"""The target as a running service: preflight, start, wait until its RPC answers, stop, leave nothing."""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path

from .errors import LabError
from .hugepages_pool import SYS
from .jsonrpc import Client
from .made import Made
from .plan import Step
from .processes import PROC, Process, link_of, lock_holder, reactors, running
from .removal import remove_named, rmdir, tidy
from .service_access import check_access, group_number, missing_layers
from .service_unit import Service
from .spdk_target.tree import Tree
from .supervisors import Supervisor, stop_process
from .target_blobs import OWN, Blobs, forget
from .target_start import Memory, Start, check_memory, start
from .target_workers import CACHE_FILES, CACHES, Workers

EMPTY_CONFIG = '{"subsystems": []}\n'
SHARED_MEMORY_ID = 4420  # SPDK's --shm-id: any number that no other SPDK application of this machine uses
# What DPDK keeps in its run folder.
DPDK_FILES = ("config", "fbarray_*", "hugepage_*", "mp_socket*", "dpdk_telemetry*")
# One that is silent for so long is restarted. On a machine with more to do than cores it may take seconds, and its data
# in memory would be lost.
ANSWER_SECONDS = 30
DEATHS = 2  # once may be chance: a port that the one before has not given back yet
CORE_MASK = re.compile("0x[0-9a-fA-F]+")
CORE_LOCK = "/var/tmp/spdk_cpu_lock_{core:03d}"  # SPDK 21.07 and newer hold one for each core


@dataclass(frozen=True)
class Target:
    """What is asked of the service."""

    rpc_socket: Path  # path of the JSON-RPC socket; also what tells our process from other SPDK applications
    config_file: Path  # the configuration it starts with; made empty when missing
    cores: tuple[int, ...]  # the cores its reactors spin on
    memory: Memory  # hugepage memory it takes at start
    ready_seconds: int  # how long RPC may take to answer after a start
    share_cores: bool  # accept a core on which another SPDK application spins
    state: str  # ``started`` or ``absent``
    # in check mode, files of its data that a task before would have given to its user
    given_before: tuple[Path, ...] = ()
    # the bdevs that it is to have; nothing starts anew only because they are others
    declared: Tree = field(default_factory=Tree)
    recreate: str = "never"  # which of them may be made anew, as spdk_target has it
    workers: Workers | None = None  # programs run in processes of their own; None: inside the target


@dataclass(frozen=True)
class Found:
    """What is there."""

    definition: str | None  # what the supervisor was told to run; None when nothing
    process: Process | None  # the process that serves our RPC socket
    current: bool  # that process runs the declared command, from the file that lies there now
    version: str | None  # what its RPC answers; None when it does not
    leftovers: tuple[Path, ...]  # files and folders that are noted as made by a target of ours
    readable: bool = True  # the configuration is for root and the service's group; True where there is none yet
    missing: tuple[str, ...] = ()  # the layers of protection that were asked for and do not hold of the process
    unnoted: tuple[Path, ...] = ()  # such that a target of ours runs with, and that no note tells of


def parse_core_mask(mask: str, online: frozenset[int]) -> tuple[int, ...]:
    """Core numbers of a mask such as ``0x3``.

    Raises:
        LabError: not a hexadecimal number with 0x, empty, or names a core that this machine does not have.
    """
    # SPDK would take 15 for 0x15, which nobody means who counts cores.
    bits = int(mask, 16) if CORE_MASK.fullmatch(mask) else 0
    cores = tuple(core for core in range(bits.bit_length()) if bits >> core & 1)
    if not cores:
        raise LabError(
            asked=f"core mask {mask!r}",
            found="not a hexadecimal mask with 0x and at least one core",
            fix="write it like 0x1 (core 0) or 0x6 (cores 1 and 2)",
        )
    if missing := [core for core in cores if core not in online]:
        raise LabError(
            asked=f"core mask {mask} (cores {_list(cores)})",
            found=f"core {_list(missing)} is not among this machine's cores {_list(sorted(online))}",
            fix="set csd_target_core_mask to cores that are there",
        )
    return cores


@dataclass
class TargetService:
    """Reads, plans and predicts for ``plan.converge``."""

    target: Target
    supervisor: Supervisor
    check: bool
    replaced: bool = False  # in check mode, the program's file would be another one by now
    proc: Path = PROC
    sys: Path = SYS
    made: Made = field(default_factory=Made)
    # What SPDK and DPDK keep outside the run folder, under SHARED_MEMORY_ID.
    shared: tuple[Path, ...] = (
        Path(f"/dev/shm/nvmf_trace.{SHARED_MEMORY_ID}"),
        Path(f"/dev/shm/csd_tgt_trace.{SHARED_MEMORY_ID}"),
        Path(f"/run/dpdk/spdk{SHARED_MEMORY_ID}"),
    )

    @property
    def service(self) -> Service:
        return self.supervisor.service

    # ---- read

    def read(self) -> Found:
        """The present state, from the processes, the supervisor and the RPC itself."""
        process = self._process()
        definition = self.supervisor.definition()
        looked_at = None if self.target.state == "absent" else process
        return Found(
            definition=definition,
            process=process,
            current=process is not None and self._is_current(process),
            version=self._version(ANSWER_SECONDS) if process else None,
            leftovers=tuple(self._leftovers()),
            readable=self._is_readable(),
            missing=missing_layers(self.service, looked_at, systemd=self.supervisor.sandboxes),
            unnoted=self._unnoted(process, definition),
        )

    def _config_mode(self) -> tuple[int, int]:
        """Group and mode of the configuration: whoever may command the target may read it, and nobody else."""
        group = group_number(self.service.group)
        return (group, 0o640) if group else (0, 0o600)

    def _is_readable(self) -> bool:
        if self.target.state == "absent":
            return True
        try:
            found = self.target.config_file.stat()
        except OSError:
            return True
        return (found.st_gid, stat.S_IMODE(found.st_mode)) == self._config_mode() or os.geteuid() != 0

    def _process(self) -> Process | None:
        """Our process: the one that our supervisor started with our RPC socket."""
        wanted = ("-r", str(self.target.rpc_socket))
        for process in running(self.proc):
            if wanted in pairwise(process.argv) and self.supervisor.owns(process):
                return process
        return None

    def _program(self) -> Path:
        return Path(os.path.realpath(self.service.argv[0]))

    def _is_current(self, process: Process) -> bool:
        arguments = self.service.argv[1:]
        return process.argv[1:] == arguments and process.executable == str(self._program()) and not self.replaced

    def _version(self, seconds: float) -> str | None:
        try:
            with Client(str(self.target.rpc_socket), timeout=seconds) as client:
                return str(client.call("spdk_get_version")["version"])
        except LabError:
            return None

    def _leftovers(self) -> list[Path]:
        """What is noted, with another declaration than today's too; not what another process works with now."""
        kept: set[Path] = set()
        if self._foreign(self._process()) is not None:
            kept |= {*self.service.run_files, self.service.run_folder}
        if self._other() is not None:
            kept |= set(self.shared)
        return [path for path in map(Path, self.made.of(self.service.name)) if path not in kept]

    def _places(self) -> list[Path]:
        """What the target makes where others could have made something before it."""
        logs = [] if self.supervisor.sandboxes else [self.service.log]
        caches = [self.service.cache] if self.service.cache is not None else []
        return [self.service.run_folder, self.target.config_file, *logs, *caches]

    def _unnoted(self, process: Process | None, definition: str | None) -> tuple[Path, ...]:
        """What our target runs with, or was told to: it is ours, though the notes of it were lost."""
        ours = process is not None or str(self.target.rpc_socket) in (definition or "")
        if self.target.state == "absent" or not ours:
            return ()
        noted = self.made.of(self.service.name)
        return tuple(path for path in self._places() if path.exists() and str(path) not in noted)

    def _note(self, *paths: Path) -> None:
        """What the target makes, with the folders that have to be made for it."""
        for path in paths or (*self._places(), *self.service.run_files, *self.shared):
            for one in (path, *(folder for folder in path.parents if not folder.exists())):
                self.made.note(self.service.name, one)

    def _other(self) -> Process | None:
        """Another SPDK application under our shared-memory id."""
        ours = ("-r", str(self.target.rpc_socket))
        number = next((value for name, value in pairwise(self.service.argv) if name == "--shm-id"), None)
        for process in running(self.proc) if number else ():
            words = set(pairwise(word for argument in process.argv for word in argument.split("=", 1)))
            same = ("--shm-id", number) in words or ("-i", number) in words
            if same and ours not in words and self._is_here(process):
                return process
        return None

    def _is_here(self, process: Process) -> bool:
        """Not in a container of this machine, which has shared memory of its own."""
        with contextlib.suppress(OSError):
            return link_of(self.proc / str(process.pid) / "ns/pid") == link_of(self.proc / "self/ns/pid")
        return False

    def _foreign(self, ours: Process | None) -> Process | None:
        """The process that serves our socket and is not ours. SPDK keeps a lock on <socket>.lock as long as it does."""
        holder = lock_holder(Path(f"{self.target.rpc_socket}.lock"), self.proc)
        return None if holder is None or (ours and holder.pid == ours.pid) else holder

    # ---- plan

    def plan(self, found: Found) -> Sequence[Step]:
        """The missing steps.

        Raises:
            LabError: the socket, a core or the memory is somebody else's, or the configuration is not JSON.
        """
        return self._plan_absent(found) if self.target.state == "absent" else self._plan_started(found)

    def _plan_started(self, found: Found) -> list[Step]:
        self._check_place(found)
        blobs = self._blobs()
        steps = self._plan_blobs(blobs) if blobs is not None else []
        if found.unnoted:
            steps.append(Step(f"note that {', '.join(map(str, found.unnoted))} is of {self.service.name}", self._note))
        if not self.target.config_file.exists():
            steps.append(Step(f"write an empty configuration to {self.target.config_file}", self._write_config))
        elif not found.readable:
            steps.append(Step(f"let {self.service.group} read {self.target.config_file}", self._share_config))
        defined = found.definition == self.supervisor.wanted()
        if not defined:
            steps.append(Step(f"define {self.service.name} as declared", self.supervisor.install))
        if not (defined and found.current and found.version):
            coming = self._preflight(found)
            if coming.anew:
                steps.append(Step(coming.summary, coming.write))
            if blobs is not None and (places := blobs.forgotten(self.target.config_file)):
                what = f"take {', '.join(map(str, places))} out of {self.target.config_file}: what is declared follows"
                steps.append(Step(what, lambda: forget(self.target.config_file, places)))
            what = "start" if found.process is None else "restart"
            steps.append(Step(f"{what} {self.service.name} and wait until its RPC answers", lambda: self._start(found)))
        return steps

    def _blobs(self) -> Blobs | None:
        """What the builder compiled; None where the machine compiles.

        In check mode, None also where it is to come anew, and where nobody tells what is declared.
        """
        blobs = self.target.workers.blobs if self.target.workers is not None else None
        if blobs is None or not self.check:
            return blobs
        return blobs if blobs.declared and not self.replaced and self._program().exists() else None

    def _plan_blobs(self, blobs: Blobs) -> list[Step]:
        """Programs that did not come with the target."""
        missing = [] if blobs.own.is_dir() else [Step(f"make {blobs.own}", partial(self._make_folder, blobs.own))]
        return missing + [
            Step(f"keep {source} as the builder compiled it", partial(blobs.write, source, entry))
            for source, entry in blobs.to_write().items()
        ]

    def _make_folder(self, folder: Path) -> None:
        self._note(folder)
        folder.mkdir(mode=0o755, parents=True)

    def _plan_absent(self, found: Found) -> list[Step]:
        steps = []
        if found.definition is not None or found.process is not None:
            steps.append(Step(f"stop and remove {self.service.name}", lambda: self._stop(found)))
        if found.leftovers:
            names = ", ".join(str(path) for path in found.leftovers if path.exists()) or "the notes of what is gone"
            steps.append(Step(f"remove {names}", lambda: self._clean(found.leftovers)))
        return steps

    def _preflight(self, found: Found) -> Start:
        """Everything that would make a start fail or harm somebody, before anything is changed."""
        self._check_socket(found)
        self._check_cores(found)
        self._check_config()
        self._check_held(found)
        check_access(
            self.service,
            check=self.check,
            sandboxed=self.supervisor.sandboxes,
            given_before=self.target.given_before,
        )
        coming = start(self.target.config_file, self.target.declared, self.target.recreate)
        if not (self.check and not self._program().exists()):
            # In check mode on an untouched machine the roles before this one have built and reserved nothing yet.
            self._check_program()
            if not self.check:
                memory = coming.memory(self.target.memory)
                check_memory(memory, found.process, hides=self.supervisor.sandboxes, proc=self.proc, sys=self.sys)
                if self.target.workers is not None:
                    self.target.workers.check_programs(self.service.user, self.service.group)
        return coming

    def _check_held(self, found: Found) -> None:
        """The programs of a target that runs, which its next start loads again."""
        if self.target.workers is None or found.version is None:
            return
        try:
            with Client(str(self.target.rpc_socket), timeout=self.target.ready_seconds) as client:
                computes = client.call("csd_get_programs")
        except LabError:
            # It has gone, or it is no csd_tgt.
            return
        self.target.workers.check_held(computes)

    def _check_place(self, found: Found) -> None:
        """Refuse places of somebody else. What is not the lab's is neither written nor closed to others."""
        self._check_socket(found)
        if (path := self.supervisor.foreign()) is not None:
            raise LabError(
                asked=f"the unit {path}",
                found="there is one that the lab did not write",
                fix="rename it, or set csd_target_manage_service: false where it runs the target",
            )
        noted = self.made.of(self.service.name)
        for path in self._places():
            if str(path) in noted or path in found.unnoted or not (path.is_symlink() or path.exists()):
                continue
            if path == self.service.run_folder:
                raise LabError(
                    asked=f"the RPC socket {self.target.rpc_socket}",
                    found=f"the folder {path} is not the lab's, and that of the socket is closed to all but root and "
                    f"the group {self.service.group}",
                    fix="set csd_target_rpc_socket to a path in a folder of its own, like /run/hello_ebpf/spdk.sock; "
                    "SPDK's rpc.py takes it with -s",
                )
            raise LabError(
                asked=f"{path} for {self.service.name}",
                found="it is there, and the lab did not make it",
                fix="move it away"
                if path == self.service.cache
                else "move it away, or set csd_target_config_file and csd_target_log to other paths",
            )
        if (other := self._other()) is not None:
            raise LabError(
                asked=f"{self.service.name} with its RPC socket {self.target.rpc_socket}",
                found=f"{other} has the same shared-memory id, and a machine has one such target",
                fix="declare the drives of both in one csd_target_subsystems, or take that one down first",
            )

    def _check_socket(self, found: Found) -> None:
        if holder := self._foreign(found.process):
            raise LabError(
                asked=f"serve RPC on {self.target.rpc_socket}",
                found=f"it is served by {holder}",
                fix="stop that process, or set csd_target_rpc_socket to another path",
            )

    def _check_cores(self, found: Found) -> None:
        if self.target.share_cores:
            return
        ours = found.process.pid if found.process else None
        for core in self.target.cores:
            holders = reactors(core, self.proc)
            locked = lock_holder(Path(CORE_LOCK.format(core=core)), self.proc)
            for holder in [*holders, *([locked] if locked else [])]:
                if holder.pid != ours:
                    raise LabError(
                        asked=f"run a reactor on core {core}",
                        found=f"core {core} is taken by {holder}",
                        fix="stop that process, give csd_target_core_mask another core, or accept a shared core "
                        "with csd_target_share_cores: true (both will be slow)",
                    )

    def _check_config(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            try:
                json.loads(self.target.config_file.read_text())
            except ValueError as error:
                raise LabError(
                    asked=f"start with the configuration in {self.target.config_file}",
                    found=f"the file is not JSON: {error}",
                    fix="restore it, or remove it: the next run writes it again from what is declared",
                ) from error

    def _check_program(self) -> None:
        program = self.service.argv[0]
        if not os.access(program, os.X_OK):
            raise LabError(
                asked=f"run {program}",
                found="no such program" if not Path(program).exists() else "it is not executable",
                fix="let the role csd_target build it (do not skip its tag 'install'), or run the role spdk for SPDK's "
                "own, or set csd_target_program",
            )

    # ---- steps

    def _write_config(self) -> None:
        self._note(self.target.config_file)
        self.target.config_file.parent.mkdir(parents=True, exist_ok=True)
        self.target.config_file.write_text(EMPTY_CONFIG)
        self._share_config()

    def _share_config(self) -> None:
        group, mode = self._config_mode()
        if os.geteuid() == 0:
            os.chown(self.target.config_file, 0, group)
        self.target.config_file.chmod(mode)

    def _start(self, found: Found) -> None:
        if found.process is not None:
            # Also ends an orphan, whose supervisor was killed and that nothing would restart.
            self.supervisor.stop()
            stop_process(found.process.pid)
        self._note()
        self._drop_shared()
        self.supervisor.start()
        deadline = time.monotonic() + self.target.ready_seconds
        while self._version(5) is None:
            if (deaths := self.supervisor.deaths()) >= DEATHS:
                raise LabError(
                    asked=f"{self.service.name} answers RPC",
                    found=f"it has died {deaths} times since its start; its last words: {self.supervisor.last_words()}",
                    fix="mend what they name, and run again",
                )
            if time.monotonic() > deadline:
                raise LabError(
                    asked=f"{self.service.name} answers RPC within {self.target.ready_seconds} s",
                    found=f"no answer; its last words: {self.supervisor.last_words()}",
                    fix="mend what they name; csd_target_ready_seconds sets the limit",
                )
            time.sleep(0.05)

    def _drop_shared(self) -> None:
        """A trace buffer that another user's target has left could not be opened."""
        for path in self.shared[:-1]:
            with contextlib.suppress(FileNotFoundError, KeyError):
                if path.owner() != self.service.user:
                    path.unlink()

    def _stop(self, found: Found) -> None:
        self.supervisor.stop()
        self.supervisor.remove()
        if found.process is not None:
            stop_process(found.process.pid)

    def _clean(self, leftovers: Sequence[Path]) -> None:
        """Files by their names, then the folders that are empty; what others have put there stays."""
        folders = sorted((path for path in leftovers if path.is_dir() and not path.is_symlink()), reverse=True)
        for path in (path for path in leftovers if path not in folders):
            tidy(path)
        for folder in folders:
            dpdk, cache = folder.parent.name == "dpdk", folder == OWN or folder.parent == CACHES
            remove_named(folder, DPDK_FILES if dpdk else CACHE_FILES if cache else ())
            if dpdk or cache:
                rmdir(folder.parent)
        for path in leftovers:
            self.made.forget(self.service.name, path)

    # ---- render

    def predict(self, found: Found) -> Found:
        """The state after the planned steps."""
        if self.target.state == "absent":
            return Found(None, None, False, None, ())
        process = Process(0, self.service.argv, str(self._program()))
        return Found(self.supervisor.wanted(), process, True, "answers", ())


def render(found: Found) -> str:
    """The state as text for ``--diff``."""
    process = " ".join(found.process.argv) if found.process else "none"
    lines = [f"process: {process}", f"rpc: {'answers' if found.version else 'no answer'}"]
    lines += [] if found.readable else ["configuration: not for root and the service's group"]
    lines += ["definition:"]
    lines += [f"  {line}" for line in (found.definition or "none").splitlines()]
    return "\n".join(lines) + "\n"


def online_cores(path: Path = Path("/sys/devices/system/cpu/online")) -> frozenset[int]:
    """The cores that this process may use, out of the machine's."""
    cores: set[int] = set()
    for part in path.read_text().strip().split(","):
        first, _, last = part.partition("-")
        cores |= set(range(int(first), int(last or first) + 1))
    return frozenset(cores & os.sched_getaffinity(0))


def _list(cores: Sequence[int]) -> str:
    return ", ".join(map(str, cores))
