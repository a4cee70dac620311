# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""A static C function's name begins with its file's name, so that a name in a backtrace or a profile says where it is.

The prefix is the file's name without its folder and ending. A leading csd_ or nvme_tcp_ may be left out, for a static
function meets nobody outside its file: in csd_ranges.c both ranges_find() and csd_ranges_find() are right.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from conftest import ROOT

SRC = ROOT / "src"
PROJECT = ("csd_", "nvme_tcp_")
# Sources that this is not asked of, and why. Nor is it of headers: their inline functions are what the header offers.
EXEMPT = {
    "*.bpf.c": "an eBPF object is one file of a few functions, whose names the kernel, the verifier and bpftool show",
    "tests/*.c": "a test is a program of its own, and its functions are named for what they check",
}
# The type, on the name's line or the one before: `static const struct x *` and the name that a bracket follows. A call
# of a macro that makes a list's head has no lower case letter.
STATIC = re.compile(
    r"^static\s+(?:(?!__attribute__)[a-z]\w*[\s*]+)+(?:__attribute__\(\(.*\)\)\s+)?((?!__attribute__)[a-z]\w*)\s*\(",
    re.MULTILINE,
)


def prefixes(name: str) -> list[str]:
    stem = name.split(".", maxsplit=1)[0]
    return [stem, *(stem.removeprefix(project) for project in PROJECT if stem.startswith(project))]


def others(name: str, text: str) -> list[str]:
    """The static functions in a file's text that do not begin with its name."""
    allowed = re.compile("(?:" + "|".join(prefixes(name)) + r")(?:_|$)")
    return [function for function in STATIC.findall(text) if not allowed.match(function)]


def is_exempt(path: Path) -> bool:
    return any(path.match(pattern) for pattern in EXEMPT)


# Besides what was built.
ROOMS = sorted(folder for folder in SRC.iterdir() if folder.is_dir() and folder.name != "build")
FILES = sorted(path for room in ROOMS for path in room.rglob("*.c") if not path.is_symlink() and not is_exempt(path))


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(SRC)) for path in FILES])
def test_static_functions_have_their_files_prefix(path: Path) -> None:
    found = others(path.name, path.read_text())
    assert not found, (
        f"Asked: static functions of {path.name} that begin with {' or '.join(prefixes(path.name))}_. "
        f"Found: {', '.join(found)}. Do: rename them."
    )


@pytest.mark.parametrize(
    ("name", "text", "wrong"),
    [
        ("csd_x.c", "static int\nx_find(int a)\n{", []),
        ("csd_x.c", "static int\ncsd_x_find(int a)\n{", []),
        ("csd_x.c", "static void\nx(void)\n{", []),
        ("csd_x.c", "static int\nfind(int a)\n{", ["find"]),
        ("csd_x.c", "static int\nxfind(int a)\n{", ["xfind"]),
        ("csd_x.c", "static const struct name *\nfind(int a)\n{", ["find"]),
        ("csd_x.c", "static inline unsigned long long find(int a) {", ["find"]),
        ("csd_x.c", "static void __attribute__((noreturn, format(printf, 1, 2)))\nfail(const char *how)\n{", ["fail"]),
        ("csd_x.c", "static TAILQ_HEAD(, x) g_list = TAILQ_HEAD_INITIALIZER(g_list);", []),
        ("csd_x.c", "static const uint8_t g_table[sizeof(int)] = {", []),
        ("nvme_tcp_x.c", "static bool\nx_is(void)\n{\nstatic bool\nis(void)\n{", ["is"]),
    ],
)
def test_the_names_that_it_finds(name: str, text: str, wrong: list[str]) -> None:
    assert others(name, text) == wrong


def test_it_looks_at_the_programs_own_files() -> None:
    names = {str(path.relative_to(SRC)) for path in FILES}
    assert {"target/csd_ranges.c", "trace/nvme_tcp_show.c", "examples/minimal.c", "programs/buffer/native.c"} <= names
    assert not {name for name in names if "/tests/" in name or name.endswith(".bpf.c")}
