# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Programs in processes of their own: what the target is told of them, and what they need of the machine."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import LabError
from .service_access import group_number
from .target_blobs import Blobs

# A service's compiled programs lie in a folder of its own below it, and there under these names (csd_cache.c).
CACHES = Path("/var/cache/hello_ebpf")
CACHE_FILES = ("[0-9a-f]" * 64, "identity", "unfinished")
# They lie beside the target.
PROGRAMS = ("csd_worker", "csd_spawner", "csd_compile")
MOST_MILLISECONDS = 3_600_000
# csd_faults.h: CSD_FAULTS_DEFAULT, CSD_FAULTS_MOST.
FAULTS = 3
MOST_FAULTS = 16
# csd_tgt.c: REST_MICROSECONDS, REST_MICROSECONDS_MOST.
REST_MICROSECONDS = 1000
MOST_REST_MICROSECONDS = 10_000
# csd_tgt's own limit (csd_workers.c): so many workers, and their spawner, of each of its threads that run programs:
# one a core, and the first core has another. Besides, the target's own threads, and a compiler's processes.
WORKERS_OF_A_THREAD = 64 + 1
OTHER_TASKS = 128
COMPILER_SECONDS = 60
# Policies: csd_policy.h.
ISOLATED, VERIFIED = "isolated", "verified"


@dataclass(frozen=True)
class Workers:
    """What is asked of programs' processes."""

    folder: Path  # where csd_worker, csd_spawner and csd_compile lie
    cpus: tuple[int, ...]  # where they run; empty: on every CPU that no reactor has
    cpu_milliseconds: int  # CPU time that a command's program may take
    cache: Path | None = None  # where what was compiled is kept; None: nowhere
    policy: str = ISOLATED  # which programs run: ``isolated`` or ``verified``
    faults: int = FAULTS  # so many of a slot within a second deactivate it; 0: never
    rest_microseconds: int = REST_MICROSECONDS  # for which a reactor without work rests at a time, at most; 0: it spins
    blobs: Blobs | None = None  # what the builder compiled, for a machine that compiles nothing; None: it compiles

    @property
    def programs(self) -> tuple[Path, ...]:
        return tuple(self.folder / name for name in PROGRAMS)

    @property
    def arguments(self) -> tuple[str, ...]:
        """Of the target's command line."""
        cpus = ("--worker-cpus", ",".join(map(str, self.cpus))) if self.cpus else ()
        time = ("--program-cpu-milliseconds", str(self.cpu_milliseconds))
        cache = ("--program-cache", str(self.cache)) if self.cache else ()
        blobs = self.blobs.arguments if self.blobs else ()
        policy = () if self.policy == ISOLATED else ("--programs-policy", self.policy)
        faults = () if self.faults == FAULTS else ("--program-faults", str(self.faults))
        other = self.rest_microseconds != REST_MICROSECONDS
        rest = ("--rest-microseconds", str(self.rest_microseconds)) if other else ()
        return ("--workers", str(self.folder), *cpus, *time, *cache, *blobs, *policy, *faults, *rest)

    def check(self, online: Collection[int]) -> None:
        """Refuse what csd_tgt would refuse, before anything is changed.

        Raises:
            LabError: a CPU is not this machine's, or the time or the number of faults is none.
        """
        if missing := sorted({cpu for cpu in self.cpus if cpu not in online}):
            raise LabError(
                asked=f"programs on the CPUs {_list(self.cpus)}",
                found=f"CPU {_list(missing)} is not among this machine's {_list(sorted(online))}",
                fix="set csd_target_worker_cpus to CPUs that are there, or to [] for every one that no reactor has",
            )
        if not 1 <= self.cpu_milliseconds <= MOST_MILLISECONDS:
            raise LabError(
                asked=f"{self.cpu_milliseconds} ms of CPU time for a command's program",
                found=f"csd_tgt takes 1 to {MOST_MILLISECONDS}",
                fix="correct csd_target_program_cpu_milliseconds",
            )
        if not 0 <= self.faults <= MOST_FAULTS:
            raise LabError(
                asked=f"to deactivate a slot after {self.faults} faults within a second",
                found=f"csd_tgt takes 0, which is never, to {MOST_FAULTS}",
                fix="correct csd_target_program_faults",
            )
        if not 0 <= self.rest_microseconds <= MOST_REST_MICROSECONDS:
            raise LabError(
                asked=f"reactors that rest for {self.rest_microseconds} µs at a time, at most",
                found=f"csd_tgt takes 0, which is never, to {MOST_REST_MICROSECONDS}",
                fix="correct csd_target_rest_microseconds",
            )

    def check_held(self, computes: Iterable[Mapping[str, Any]]) -> None:
        """Refuse a policy under which a target would not start with the programs that it has.

        Args:
            computes: what its ``csd_get_programs`` answers.

        Raises:
            LabError: it holds one that is not proved.
        """
        if self.policy != VERIFIED:
            return
        for compute in computes:
            for program in compute["programs"]:
                if program.get("not_proved"):
                    raise LabError(
                        asked="programs that are proved, and no others",
                        found=f"slot {program['pind']} of {compute['name']} holds one that is not: "
                        f"{program['not_proved']}",
                        fix="unload it, or take it out of csd_target_programs and run the role, before you set "
                        "csd_target_programs_policy: verified; or set csd_target_programs_policy: isolated",
                    )

    def tasks(self, cores: Sequence[int]) -> int:
        """Processes and threads that a target with reactors on these cores may have, with room."""
        return OTHER_TASKS + (len(cores) + 1) * WORKERS_OF_A_THREAD

    def check_programs(self, user: str, group: str) -> None:
        """Refuse a target that could compile nothing, or run nothing of what the builder compiled.

        Raises:
            LabError: one of the programs is not there, or the compiler does not work for this user, or it is another
                one than the builder's.
        """
        for path in self.programs:
            if not os.access(path, os.X_OK):
                raise LabError(
                    asked="each program in a process of its own",
                    found=f"{path} is not there, or not executable",
                    fix="let the role csd_target install it with csd_tgt (do not skip its tag 'install')",
                )
        compiler = self.folder / "csd_compile"
        said, found = _identity(compiler, user, group)
        if self.blobs is not None:
            self.blobs.check_made_for(compiler, said, found)
        elif found is not None:
            raise LabError(
                asked=f"compile programs on this machine, as {user}",
                found=f"{compiler} says: {found}",
                fix="let the role csd_target install gcc and binutils (do not skip its tag 'install'), or mend what is "
                "named",
            )


def _identity(compiler: Path, user: str, group: str) -> tuple[str, str | None]:
    """What the compiler says of itself, and why it does not work when it is shut in; None when all is well."""
    account = pwd.getpwnam(user)
    becomes: dict[str, Any] = {}
    if os.geteuid() == 0 and account.pw_uid != 0:
        becomes = {"user": account.pw_uid, "group": group_number(group) or account.pw_gid, "extra_groups": []}
    words = [str(compiler), "--identity"]
    limits: dict[str, Any] = {"env": {}, "cwd": "/", "timeout": COMPILER_SECONDS}
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, **limits, **becomes)
    except subprocess.TimeoutExpired:
        return "", f"nothing for {COMPILER_SECONDS} s"
    if done.returncode == 0:
        return done.stdout, None
    return done.stdout, done.stderr.strip() or f"nothing, and ended with {done.returncode}"


def _list(cpus: Sequence[int]) -> str:
    return ", ".join(map(str, cpus))
