# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Programs as machine code, made on a builder by the csd_compile of csd_tgt, for nodes that have no compiler."""

from __future__ import annotations

import subprocess
from pathlib import Path

from ..errors import LabError

SECONDS = 120


def identity(compiler: Path) -> str:
    """What a csd_compile says of itself.

    Raises:
        LabError: it is not there, or does not work.
    """
    return _run([str(compiler), "--identity"], b"", "compile programs for nodes without a compiler").decode()


def compile_elf(compiler: Path, source: str, elf: bytes) -> bytes:
    """A program's blob.

    Raises:
        LabError: csd_compile refuses it.
    """
    return _run([str(compiler)], elf, f"compile {source} for nodes without a compiler")


def _run(command: list[str], given: bytes, asked: str) -> bytes:
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
