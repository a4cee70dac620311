# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Print the manifest of SPDK's source: the digest of each file that a build reads or asks for.

    .venv/bin/python scripts/spdk_manifest.py ARCHIVE FOLDER > roles/spdk/files/source.sha256

ARCHIVE is one that can be trusted, of SPDK with its submodule dpdk, or of ceph. It is built in FOLDER, which is empty,
and strace follows the build; that takes 600 MiB. Needs strace, and what the role spdk installs. To be run when the
recipe takes other parts of SPDK than before, or a patch changes another file.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import ansible.module_utils

ROOT = Path(__file__).resolve().parents[1]
ansible.module_utils.__path__.append(str(ROOT / "module_utils"))

from ansible.module_utils.hello_ebpf.files import sha256_of  # noqa: E402
from ansible.module_utils.hello_ebpf.spdk_build.lock import locked  # noqa: E402
from ansible.module_utils.hello_ebpf.spdk_build.request import STAGES, Patch, Request  # noqa: E402
from ansible.module_utils.hello_ebpf.spdk_build.stages import SpdkBuild  # noqa: E402

# `-y` prints the folder that a relative path starts in: openat(AT_FDCWD</folder>, "path", ...
CALL = re.compile(r'\d+ +\w+\((?:[^"<]*<(?P<folder>[^>]*)>, )?"(?P<path>[^"]+)"')
PATCHED = re.compile(r"^--- a/(\S+)", re.MULTILINE)
COMPILE = STAGES.index("configure")


def request(archive: Path, folder: Path, *, patched: bool) -> Request:
    """A build of the archive below a folder, with the role's patches or without."""
    patches = sorted((ROOT / "roles/spdk/files/patches").glob("*.patch")) if patched else []
    return Request(
        version="20.07",
        source="archive",
        archive=str(archive),
        sha256=sha256_of(archive),
        prefix=folder / "prefix",
        cache=folder / "cache",
        log=folder / "build.log",
        jobs=len(os.sched_getaffinity(0)),
        patches=tuple(Patch(path.name, path.read_text()) for path in patches),
    )


def run(build: Request, stages: Sequence[str]) -> None:
    with locked(build.cache / "lock", "trace a build", 0) as lock:
        for stage in stages:
            work = SpdkBuild(build, stage, lock)
            for step in work.plan(work.read()):
                step.apply()


def asked_for(log: Path, top: Path) -> set[str]:
    """The paths below a folder, relative to it, that are named in strace's output."""
    found = set()
    with log.open(errors="replace") as lines:
        for call in filter(None, map(CALL.match, lines)):
            path = os.path.normpath(Path(call["folder"] or "/") / call["path"])
            if path.startswith(f"{top}/"):
                found.add(os.path.relpath(path, top))
    return found


def main() -> None:
    archive, folder = (Path(word).resolve() for word in sys.argv[1:3])
    build, original = (request(archive, folder, patched=patched) for patched in (True, False))
    if sys.argv[3:] == ["--traced"]:
        run(build, STAGES[COMPILE : STAGES.index("install")])
        return
    run(original, STAGES[:COMPILE])
    run(build, STAGES[:COMPILE])
    calls = folder / "calls"
    traced = [sys.executable, __file__, str(archive), str(folder), "--traced"]
    subprocess.run(["strace", "-f", "-y", "-e", "trace=%file", "-o", calls, *traced], check=True)
    names = asked_for(calls, build.src)
    names.update(*(PATCHED.findall(patch.content) for patch in build.patches))
    for name in sorted(names):
        if (original.src / name).is_file():
            print(f"{sha256_of(original.src / name)}  {name}")


if __name__ == "__main__":
    main()
