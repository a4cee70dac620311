# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""What a binary needs of a machine: the distribution's release, and the level of the CPU."""

from __future__ import annotations

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
    """Distribution and release of an os-release, such as debian-12: libraries of another may be incompatible."""
    release = os_release(text)
    return f"{release.get('ID', 'unknown')}-{release.get('VERSION_ID', 'unknown')}"


def missing_flags(level: str, cpuinfo: str) -> list[str]:
    """The flags that a CPU lacks for a level."""
    flags = next((set(line.split()) for line in cpuinfo.splitlines() if line.startswith("flags")), set())
    wanted: set[str] = set()
    for name, adds in CPU_LEVELS.items():
        wanted |= adds
        if name == level:
            break
    return sorted(wanted - flags)
