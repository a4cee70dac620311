# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""C source to an eBPF ELF, in a folder that is gone afterwards: the same source gives the same bytes anywhere.

And an ELF to machine code, by the csd_compile of csd_tgt on a builder, for nodes that have no compiler.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ..building import ENVIRONMENT
from ..errors import LabError

# As src/programs/programs.mk has them; a test holds the two against each other. What maps are, and
# which line an instruction is of, the drive reads from .BTF and .BTF.ext. clang makes DWARF beside them, several times
# as large, which nobody reads: llvm-strip takes it away. Programs are told apart by their bytes: no path of this
# machine is in them.
FLAGS = ("-O2", "-target", "bpf", "-mcpu=v3", "-Wall", "-Wextra", "-g", "-fdebug-compilation-dir=.")
# One line for each thing that clang says.
BRIEF = ("-fno-caret-diagnostics", "-fno-color-diagnostics")
TELLING_LINES = 6
SECONDS = 120
# What is needed, and the package where it is not named like the tool.
TOOLS = {"clang": "", "llvm-strip": " (package llvm)"}


@dataclass(frozen=True)
class Unit:
    """One program to compile."""

    source: str  # the name under which it was asked for
    folder: str  # the folder of the controller that it lies in
    name: str  # its file name


@dataclass(frozen=True)
class Compiled:
    """A program's ELF, and what the compiler warned of."""

    elf: bytes
    warnings: str


def find(tool: str) -> str:
    """Where a tool is; empty where there is none."""
    return shutil.which(tool, path=ENVIRONMENT["PATH"]) or ""


def missing_tool() -> str:
    """The first of the tools that there is not; empty where all are there."""
    return next((tool for tool in TOOLS if not find(tool)), "")


def compile_units(
    units: Sequence[Unit],
    texts: Mapping[str, Mapping[str, str]],
    include: Sequence[str],
    scratch: Path,
) -> dict[str, Compiled]:
    """Compile programs.

    Args:
        units: the programs.
        texts: folder of the controller -> file name in it -> text: sources and headers.
        include: folders among these whose headers every program may include.
        scratch: an empty folder.

    Returns:
        Source as it was asked for -> its ELF.

    Raises:
        LabError: there is no clang or llvm-strip, or clang refuses one of them; with its own words.
    """
    if missing := missing_tool():
        package = TOOLS[missing]
        raise LabError(
            asked=f"compile {', '.join(unit.source for unit in units)} on {os.uname().nodename}",
            found=f"there is no {missing} in {ENVIRONMENT['PATH']}",
            fix=f"let the role ebpf_toolchain install it there{package}, or name another machine with "
            "csd_target_builder",
        )
    places = _write(texts, scratch)
    headers = [f"-I{places[folder]}" for folder in include]
    # clang's bpf target does not look where Debian keeps <asm/types.h>.
    headers += ["-isystem", f"/usr/include/{os.uname().machine}-linux-gnu"]

    def compile_one(numbered: tuple[int, Unit]) -> tuple[str, Compiled]:
        number, unit = numbered
        result = scratch / f"{number}.o"
        source = places[unit.folder] / unit.name
        flags = [*FLAGS, *BRIEF, *(f"-ffile-prefix-map={place}/=" for place in places.values())]
        command = [find("clang"), *flags, *headers, "-c", str(source), "-o", str(result)]
        done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
        words = _as_asked(done.stderr, places)
        if done.returncode:
            raise LabError(
                asked=f"compile {unit.source}",
                found=f"clang says: {' | '.join(words.splitlines()[:TELLING_LINES])}",
                fix="mend the program; nothing was changed",
            )
        _run_strip(result, unit.source)
        return unit.source, Compiled(result.read_bytes(), words)

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        return dict(pool.map(compile_one, enumerate(units)))


def _run_strip(path: Path, source: str) -> None:
    done = subprocess.run(
        [find("llvm-strip"), "-g", str(path)], env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise LabError(
            asked=f"compile {source}",
            found=f"llvm-strip says: {done.stderr.strip()}",
            fix="see that clang and llvm-strip are of one release of LLVM; nothing was changed",
        )


def _write(texts: Mapping[str, Mapping[str, str]], scratch: Path) -> dict[str, Path]:
    """Lay the controller's folders out; returns where each is."""
    places = {}
    for number, (folder, files) in enumerate(texts.items()):
        places[folder] = scratch / f"folder{number}"
        places[folder].mkdir()
        for name, text in files.items():
            path = places[folder] / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return places


def _as_asked(words: str, places: Mapping[str, Path]) -> str:
    """The compiler's words with the controller's paths in place of the scratch folder's."""
    for folder, place in places.items():
        words = words.replace(f"{place}/", f"{folder}/")
    return "\n".join(line for line in words.splitlines() if line.strip() and not line.endswith(" generated."))


def identity(compiler: Path) -> str:
    """What a csd_compile says of itself.

    Raises:
        LabError: it is not there, or does not work.
    """
    return _csd_compile([str(compiler), "--identity"], b"", "compile programs for nodes without a compiler").decode()


def compile_elf(compiler: Path, source: str, elf: bytes) -> bytes:
    """A program's blob.

    Raises:
        LabError: csd_compile refuses it.
    """
    return _csd_compile([str(compiler)], elf, f"compile {source} for nodes without a compiler")


def _csd_compile(command: list[str], given: bytes, asked: str) -> bytes:
    try:
        done = subprocess.run(command, input=given, env={}, cwd="/", capture_output=True, timeout=SECONDS, check=False)
    except OSError as error:
        raise LabError(
            asked, f"{command[0]}: {error.strerror}", "let the builder build csd_tgt (playbooks/build.yml)"
        ) from None
    except subprocess.TimeoutExpired:
        raise LabError(asked, f"{command[0]} has not ended after {SECONDS} s", "run it again") from None
    if done.returncode != 0:
        words = done.stderr.decode(errors="replace").strip() or f"nothing, and ended with {done.returncode}"
        raise LabError(asked, f"{command[0]} says: {words}", "mend what it names; nothing was changed")
    return done.stdout
