# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""What the measuring machine is, and which SPDK it has."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from ..files import sha256_of, text_in
from ..release import os_release

# What systemd-detect-virt calls machines whose processor is a program.
EMULATORS = ("qemu", "bochs")


def facts(root: Path = Path("/"), hypervisor: str | None = None) -> dict[str, str | int | bool]:
    """Kernel, CPU, memory, distribution; whether the CPU is emulated, so that its figures say nothing."""
    cpu = [line for line in text_in(root / "proc/cpuinfo").splitlines() if line.startswith("model name")]
    memory = [line for line in text_in(root / "proc/meminfo").splitlines() if line.startswith("MemTotal:")]
    release = os_release(text_in(root / "etc/os-release"))
    model = cpu[0].partition(":")[2].strip() if cpu else platform.machine()
    hypervisor = _hypervisor() if hypervisor is None else hypervisor
    return {
        "kernel": platform.release(),
        "cpu": model,
        "emulated": hypervisor in EMULATORS or "QEMU TCG" in model,
        "cores": os.cpu_count() or 1,
        "memory_bytes": int(memory[0].split()[1]) * 1024 if memory else 0,
        "distribution": release.get("PRETTY_NAME", "unknown"),
    }


def _hypervisor() -> str:
    """What runs this machine, by systemd's word for it; empty where systemd cannot tell."""
    try:
        done = subprocess.run(["systemd-detect-virt", "--vm"], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip()


def spdk_build(stamp: Path) -> dict[str, str]:
    """Version, source and its digest of the installed SPDK, from its stamp; empty texts where it is not there."""
    try:
        made: dict[str, Any] = json.loads(stamp.read_text())
    except (OSError, ValueError):
        made = {}
    source = made.get("source", {})
    return {
        "version": str(made.get("version", "")),
        "source": str(source.get("kind", "")),
        "sha256": str(source.get("sha256") or source.get("commit", "")),
        "stamp": str(made.get("stamp", "")),
    }


def digest(path: Path) -> str:
    """SHA-256 of a file; empty where it is not there."""
    try:
        return sha256_of(path)
    except OSError:
        return ""
