# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""A status of NVMe has one form in messages, logs and docs: 01h/98h, status code type and status code."""

from __future__ import annotations

import re

import pytest

from conftest import ROOT

# In C one macro writes it: src/common/csd_status.h. nvme_tcp_trace takes nothing of other rooms, and has the same text.
WRITERS = {"src/common/csd_status.h", "src/trace/nvme_tcp_show.c"}
FORMAT = "%02Xh/%02Xh"
# Two numbers in hexadecimal side by side, a status as one number, and its fields by their short names.
HEX = r"%[#0-9]*[xX]h?"
IN_C = re.compile(rf"{HEX}[ /,:]+(?:sc |code )?{HEX}(?!\w)|status (?:code |type )?(?:0x)?{HEX}|\bsct\b[^\"\\]*%")
IN_TEXT = re.compile(
    r"(?<![\w./-])(?:0x)?[0-7]/(?:0x)?[0-9A-Fa-f]{2}(?![\w/-])|(?<!\w)0?[0-7]h/[0-9a-f]*[a-f][0-9a-f]*h"
)
SOURCES = sorted(
    path
    for pattern in ("target/*.[ch]", "common/*.[ch]", "bench/*.[ch]", "host/*.[ch]", "trace/*.[ch]", "protocol/*.h")
    for path in (ROOT / "src").glob(pattern)
)
TEXTS = sorted([*(ROOT / "docs").glob("*.md"), ROOT / "docs/faults.yml", ROOT / "README.md"])


def strings(text: str) -> list[str]:
    return re.findall(r'"(?:\\.|[^"\\\n])*"', text)


def test_c_writes_a_status_in_one_form() -> None:
    found = {
        f"{path.relative_to(ROOT)}: {string}"
        for path in SOURCES
        for string in strings(path.read_text())
        if IN_C.search(string) and not (str(path.relative_to(ROOT)) in WRITERS and FORMAT in string)
    }
    assert not found, f"Asked: a status as CSD_STATUS of csd_status.h. Found: {sorted(found)}. Do: use the macro."


def test_each_writer_writes_it() -> None:
    without = [name for name in WRITERS if FORMAT not in (ROOT / name).read_text()]
    assert not without, f"Asked: {FORMAT} in {WRITERS}. Found: none in {without}. Do: take it off the list."


def test_texts_write_a_status_in_one_form() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {match[0]}"
        for path in TEXTS
        for number, line in enumerate(path.read_text().splitlines(), 1)
        for match in IN_TEXT.finditer(line)
    ]
    assert not found, f"Asked: a status as 01h/98h. Found: {found}. Do: write it so."


@pytest.mark.parametrize(
    "string",
    ["%02xh/%02xh", "%x/%02x", "sct %u sc %u", "(%02x/%02x)", "status %#x", "status 0x%x", "type %xh code %02xh"],
)
def test_what_it_finds_in_c(string: str) -> None:
    assert IN_C.search(f'"{string}"')


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("is 0/02, as", True),
        ("(1/98)", True),
        ("01h/8eh", True),
        ("01h/98h", False),
        ("10.0.0.1/24", False),
        ("7/8", False),
    ],
)
def test_what_it_finds_in_texts(text: str, other: bool) -> None:
    assert bool(IN_TEXT.search(text)) == other
