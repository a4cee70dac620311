"""A source of SPDK in a few files: enough to be fetched, unpacked and packed, with nothing to compile in it."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import spdk_build
from ansible.module_utils.hello_ebpf import arguments as documented
from ansible.module_utils.hello_ebpf.spdk_build.request import Request

VERSION_H = """\
#define SPDK_VERSION_MAJOR\t20
#define SPDK_VERSION_MINOR\t7
#define SPDK_VERSION_PATCH\t0
"""
SOURCE = {
    "include/spdk/version.h": VERSION_H,
    "include/spdk_internal/log.h": "",
    "LICENSE": "BSD\n",
    "mk/spdk.common.mk": "include mk/config.mk\n",
    "dpdk/meson.build": "project('DPDK')\n",
    "dpdk/license/README": "BSD\n",
    "dpdk/drivers/bus/pci/pci.c": "int pci;\n",
    "scripts/rpc.py": "#!/usr/bin/env python3\n",
    "scripts/rpc/client.py": "",
    "lib/log/log.c": "int answer = 41;\n",
}
PATCH = """\
--- a/lib/log/log.c
+++ b/lib/log/log.c
@@ -1 +1 @@
-int answer = 41;
+int answer = 42;
"""


def source_archive(path: Path, files: dict[str, str] = SOURCE, top: str = "spdk-20.07") -> str:
    """Write a source archive and return its SHA-256."""
    with tarfile.open(path, "w:gz") as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(f"{top}/{name}")
            info.size = len(text)
            info.mode = 0o755 if name.endswith(".py") else 0o644
            archive.addfile(info, io.BytesIO(text.encode()))
    return sha256(path)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def arguments(folder: Path, **further: Any) -> dict[str, Any]:
    """Arguments of the module for a build below a folder, from an archive that is there."""
    archive = folder / "spdk.tar.gz"
    if not archive.exists():
        source_archive(archive)
    return {
        "version": "20.07",
        "source": "archive",
        "archive": str(archive),
        "sha256": sha256(archive),
        "prefix": str(folder / "prefix"),
        "cache": str(folder / "cache"),
        "log": str(folder / "build.log"),
        "lock_seconds": 1,
        **further,
    }


def request(asked: dict[str, Any]) -> Request:
    """The request that the module makes of its arguments."""
    defaults = {name: option.get("default") for name, option in documented.arguments(spdk_build.DOCUMENTATION).items()}
    return spdk_build.request_of({**defaults, **asked})


def pretend_compiled(asked: dict[str, Any], says: str = "SPDK v20.07") -> None:
    """Leave behind what the compiling stages leave, without compilers. The program is a script."""
    build = request(asked)
    program = build.src / "build/bin/nvmf_tgt"
    for path, text in {
        program: f"#!/bin/sh\necho '{says}'\n",
        build.src / "build/lib/libspdk_log.a": "library",
        build.src / "dpdk/build/lib/librte_eal.a": "library",
        build.src / "dpdk/build/include/rte_eal.h": "header",
    }.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    program.chmod(0o755)
    (build.tree / "stage").write_text("app")


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A filesystem of 16 MiB in a new folder."""
    folder.mkdir(mode=0o755)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m,mode=755", "small_disk", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def tree_of(folder: Path) -> list[str]:
    """Every path below a folder, for comparing before and after."""
    return sorted(os.path.relpath(path, folder) for path in folder.rglob("*"))
