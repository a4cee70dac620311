# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""What a machine is: the distribution's release, those that the lab runs on, the level of the CPU, and the
kernel's options.
"""

from __future__ import annotations

import gzip
from pathlib import Path

from .errors import LabError
from .files import text_in

# The releases that the lab runs on, by platform_name, and what people call them.
SUPPORTED = {"debian-12": "Debian 12", "debian-13": "Debian 13", "ubuntu-24.04": "Ubuntu 24.04"}
# Their code names, by which a derivative's os-release says whose packages it has.
_CODENAMES = {"bookworm": "debian-12", "trixie": "debian-13", "noble": "ubuntu-24.04"}
# What each level adds to the one before it, as /proc/cpuinfo names it.
CPU_LEVELS = {
    "x86-64-v2": frozenset({"cx16", "lahf_lm", "popcnt", "pni", "sse4_1", "sse4_2", "ssse3"}),
    "x86-64-v3": frozenset({"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"}),
}


def os_release(text: str) -> dict[str, str]:
    """The fields of os-release."""
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {name: value.strip("\"'") for name, _, value in pairs}


def platform_name(text: str) -> str:
    """Distribution and release of an os-release, such as debian-12: libraries of another may be incompatible.

    Of a derivative it is the supported release whose packages it has, where it names that one: Linux Mint 22 is
    ubuntu-24.04 (``ID_LIKE`` and ``UBUNTU_CODENAME``), its Debian edition 6 is debian-12 (``DEBIAN_CODENAME``).
    """
    release = os_release(text)
    name = f"{release.get('ID', 'unknown')}-{release.get('VERSION_ID', 'unknown')}"
    base = _CODENAMES.get(release.get("UBUNTU_CODENAME") or release.get("DEBIAN_CODENAME", ""), "")
    likes = base and base.partition("-")[0] in release.get("ID_LIKE", "").split()
    return base if likes and name not in SUPPORTED else name


def check_release(text: str, asked: str) -> None:
    """Refuse a release that the lab was never tried on.

    Args:
        text: an os-release.
        asked: what is wanted on the machine, for the error.
    """
    if platform_name(text) in SUPPORTED:
        return
    release = os_release(text)
    name = release.get("ID", "a system without a name").capitalize()
    raise LabError(
        asked=asked,
        found=f"it runs {name} {release.get('VERSION_ID', 'without a number')}",
        fix=f"use {', '.join(SUPPORTED.values())}",
    )


def missing_flags(level: str, cpuinfo: str) -> list[str]:
    """The flags that a CPU lacks for a level."""
    flags = next((set(line.split()) for line in cpuinfo.splitlines() if line.startswith("flags")), set())
    wanted: set[str] = set()
    for name, adds in CPU_LEVELS.items():
        wanted |= adds
        if name == level:
            break
    return sorted(wanted - flags)


def read_options(root: Path, release: str) -> dict[str, str]:
    """The options that a kernel was built with, from itself or from /boot; empty where neither has them."""
    packed, plain = root / "proc/config.gz", root / f"boot/config-{release}"
    text = gzip.decompress(packed.read_bytes()).decode() if packed.is_file() else text_in(plain)
    lines = (line.partition("=") for line in text.splitlines() if line.startswith("CONFIG_"))
    return {name: value for name, _, value in lines}
