# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""What the measuring machine is, and which SPDK it has."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from pathlib import Path
from typing import Any


def facts(root: Path = Path("/")) -> dict[str, str | int]:
    """Kernel, CPU, memory, distribution."""
    cpu = [line for line in _lines(root / "proc/cpuinfo") if line.startswith("model name")]
    memory = [line for line in _lines(root / "proc/meminfo") if line.startswith("MemTotal:")]
    release = dict(line.split("=", 1) for line in _lines(root / "etc/os-release") if "=" in line)
    return {
        "kernel": platform.release(),
        "cpu": cpu[0].partition(":")[2].strip() if cpu else platform.machine(),
        "cores": os.cpu_count() or 1,
        "memory_bytes": int(memory[0].split()[1]) * 1024 if memory else 0,
        "distribution": release.get("PRETTY_NAME", "unknown").strip('"'),
    }


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except OSError:
        return []


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
        with path.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError:
        return ""
