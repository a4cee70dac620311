# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""The tree is as docs/architecture.md says: which room of src/ includes what, what is a link, what rooms there are."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from conftest import ROOT, loaded

SRC = ROOT / "src"
PAGE = (ROOT / "docs/architecture.md").read_text()
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)
# Folders of the page's table, and those of whose headers each may include.
ALLOWED = {
    room: set(re.findall(r"`([^`]+)`", others))
    for room, others in re.findall(r"^\| `([a-z/]+)` \|(.*)\|$", PAGE, re.MULTILINE)
}
# The checks and the chances of the engine's tests.
SHARED = "engine/translator/tests"
# Measured with the data of tests.
BENCHES = {
    "engine/translator/csd_translator_bench.c": {"engine/translator/tests/loops"},
    "programs/bench/csd_bench_run.h": {"programs/buffer/tests"},
}
# Made by the build, of this machine or of SPDK.
MADE = re.compile(r"^(spdk/|spdk_internal/|vmlinux\.h$)|\.(inc|skel\.h)$")
# What the package csd shares with the modules, which may import from module_utils alone; and its copy of the licence.
LINKS = {"python/LICENSE", "python/csd/errors.py", "python/csd/jsonrpc.py", "python/csd/names.py"}
PRODUCTS = ("csd_bench", "csd_host", "csd_target", "ebpf_examples")


def files(*endings: str) -> list[Path]:
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "src"]
    said = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    found = [ROOT / name for name in said.split("\0") if name.endswith(endings)]
    return sorted(path for path in found if path.exists() and not path.is_symlink())


SOURCES = files(".c", ".h")
FOLDERS: dict[str, set[str]] = {}
for one in SOURCES:
    FOLDERS.setdefault(one.name, set()).add(str(one.parent.relative_to(SRC)))


def room_of(folder: str) -> str:
    """The room of the table that a folder is in; tests are in the room that they test."""
    return max((room for room in ALLOWED if f"{folder}/".startswith(f"{room}/")), key=len, default="")


def may_include(name: str, folder: str, other: str) -> bool:
    """Whether a file in a folder may include a header of another folder."""
    room = room_of(folder)
    plain = "/tests" not in folder
    if other == folder or other in ALLOWED[room] or other in BENCHES.get(name, ()):
        return True
    if plain:
        return other == room
    tested = {room, "common", *ALLOWED[room]}
    if room.startswith("engine/"):
        tested |= {one for one in ALLOWED if one.startswith("engine/")}
    return room_of(other) in tested or f"{other}/".startswith(f"{SHARED}/")


def wrong(path: Path) -> Iterator[str]:
    name, folder = str(path.relative_to(SRC)), str(path.parent.relative_to(SRC))
    for header in INCLUDE.findall(path.read_text()):
        if MADE.search(header):
            continue
        others = FOLDERS.get(Path(header).name, set())
        if folder not in others and not any(may_include(name, folder, other) for other in others):
            yield f'{name} includes "{header}" of {", ".join(sorted(others)) or "nowhere"}'


def test_a_room_includes_what_it_may() -> None:
    assert len(SOURCES) > 300
    assert [one for path in SOURCES for one in wrong(path)] == []


def test_the_table_has_no_circle() -> None:
    left = dict(ALLOWED)
    while left:
        free = [room for room, others in left.items() if not others & left.keys()]
        assert free, f"a circle among {', '.join(sorted(left))}"
        for room in free:
            del left[room]


@pytest.mark.parametrize(
    ("name", "other", "may"),
    [
        ("target/csd_tgt.c", "engine/worker", True),
        ("target/csd_tgt.c", "programs", False),
        ("target/csd_tgt.c", "target/tests", False),
        ("engine/worker/csd_ring.c", "target", False),
        ("engine/worker/tests/test_ring.c", "target", False),
        ("engine/worker/tests/test_ring.c", "engine/translator/tests", True),
        ("host/csd_nvme.c", "bench", False),
        ("programs/bench/csd_bench_code.h", "programs/buffer/tests", False),
    ],
)
def test_what_may_be_included(name: str, other: str, may: bool) -> None:
    assert may_include(name, str(Path(name).parent), other) is may


def test_every_room_is_in_the_page() -> None:
    rooms = {path.name for path in SRC.iterdir() if path.is_dir() and path.name != "build"}
    assert [room for room in rooms if f"\n  {room}/ " not in PAGE] == []
    folders = {folder for folders in FOLDERS.values() for folder in folders}
    assert [folder for folder in folders if not room_of(folder)] == []
    assert [room for room in ALLOWED if not (SRC / room).is_dir()] == []


def test_no_source_is_a_link() -> None:
    found = {str(path.relative_to(SRC)) for path in SRC.rglob("*") if path.is_symlink() and "build" not in path.parts}
    assert found == LINKS


def rooms_of(product: str) -> list[str]:
    """The rooms that the product's role names."""
    tasks = yaml.safe_load((ROOT / f"roles/{product}/tasks/build.yml").read_text())
    [rooms] = [task["debian_build"]["rooms"] for task in tasks if "debian_build" in task]
    return list(rooms)


def read_sources(src: Path, rooms: list[str]) -> dict[str, str]:
    """As the action plugin does."""
    found: dict[str, str] = loaded("plugins/action/debian_build.py").read_sources(src, rooms)
    return found


def test_a_product_names_the_rooms_that_it_needs() -> None:
    """Those that it names, with all that these include: otherwise its build finds no header."""
    named: set[str] = set()
    for product in PRODUCTS:
        rooms = rooms_of(product)
        for room in rooms:
            assert (SRC / room).is_dir(), f"{product} names {room}"
        inside = [room for room in ALLOWED if room.split("/")[0] in rooms]
        # What is in common/ is compiled by those alone that need it.
        needed = {other.split("/")[0] for room in inside if room != "common" for other in ALLOWED[room]}
        assert needed <= set(rooms), product
        named |= {room.split("/")[0] for room in rooms}
    assert named == {room.split("/")[0] for room in ALLOWED} | {"python"}


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_product_is_made_of_its_rooms_alone(product: str, tmp_path: Path) -> None:
    for name, text in read_sources(SRC, rooms_of(product)).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    # Without SPDK's flags: nothing is compiled.
    command = ["make", "--dry-run", "-C", str(tmp_path), "spdk=", f"install_{product}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"/opt/hello_ebpf/{product.removeprefix('ebpf_')}/bin" in done.stdout


def test_no_role_reaches_into_the_sources_by_a_path() -> None:
    for path in (ROOT / "roles").rglob("*.yml"):
        assert not re.search(r"\.\./(\.\./)?src\b", path.read_text()), path


def test_roles_hold_no_c() -> None:
    assert list((ROOT / "roles").rglob("*.[ch]")) == []
