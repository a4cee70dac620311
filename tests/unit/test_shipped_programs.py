"""Each program that is shipped has a test beside the same answer by other means, a verdict, and a line in the pages."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import ROOT

PROGRAMS = ROOT / "src/programs"
TRANSLATOR = "src/engine/translator/tests"
HOW = "docs/programs.md, One more shipped program"
#: Of a name: the files that have to name it, and how.
OF_BOTH = ((f"{TRANSLATOR}/test_proof.c", '\t{{"{name}", '),)
OF_RECORDS = (*OF_BOTH, (f"{TRANSLATOR}/test_programs.c", '\t{{"{name}", '), ("docs/programs.md", " | `{name}` | "))
OF_BUFFERS = (
    *OF_BOTH,
    ("src/programs/buffer/tests/test_{name}.c", "reference_{name}"),
    ("src/programs/buffer/tests/reference_{name}.c", "reference_{name}"),
    ("docs/engine.md", "`{name}`"),
)


def names(folder: Path) -> list[str]:
    return sorted(path.name.removesuffix(".bpf.c") for path in folder.glob("*.bpf.c"))


CASES = [(name, *place) for name in names(PROGRAMS) for place in OF_RECORDS]
CASES += [(name, *place) for name in names(PROGRAMS / "buffer") for place in OF_BUFFERS]


@pytest.mark.parametrize(("name", "file", "words"), CASES)
def test_what_follows_from_a_shipped_program_is_there(name: str, file: str, words: str) -> None:
    path, wanted = ROOT / file.format(name=name), words.format(name=name)
    assert path.is_file(), f"the program {name} has no {path.relative_to(ROOT)}: {HOW}"
    assert wanted in path.read_text(), f"{path.relative_to(ROOT)} has no {wanted.strip()!r} of the program: {HOW}"
