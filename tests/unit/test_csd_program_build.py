"""csd_program_build with clang itself: what it makes, when that is another, and every refusal's words."""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
from pathlib import Path
from typing import Any

import csd_program_build
import pytest
from ansible.errors import AnsibleActionFail
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.hello_ebpf.csd_program import compile as compiler

from conftest import ROOT, loaded
from module_run import run_module

SHIPPED = ROOT / "src/programs"
SOURCE = """\
#include "csd_bpf.h"
#include "limit.h"

struct reading { __u64 id; __s64 value; };
CSD_RECORD(struct reading, sizeof(struct reading), CSD_EMIT_RECORD);

CSD_PROGRAM
int hot(const struct reading *reading)
{
	return reading->value >= LIMIT ? CSD_KEEP : CSD_DROP;
}
"""

action = loaded("plugins/action/csd_program_build.py")


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """The folder beside an inventory, with a program of the user's own."""
    folder = tmp_path / "programs"
    folder.mkdir()
    (folder / "hot.bpf.c").write_text(SOURCE)
    (folder / "limit.h").write_text("#define LIMIT 40\n")
    (folder / "bare.bin").write_bytes(b"\x95" + bytes(7))
    return folder


def build(folder: Path, *sources: str, check: bool = False, **more: Any) -> dict[str, Any]:
    """What the task returns, its controller's half included."""
    asked = {"sources": list(sources), "folders": [str(folder)]}
    return run_module(csd_program_build.main, {**asked, **action.gather(**asked), **more}, check=check)


def digest(folder: Path, source: str = "hot.bpf.c", **more: Any) -> str:
    made: str = build(folder, source, **more)["programs"][source]["sha256"]
    return made


def sections(elf: bytes, folder: Path) -> set[str]:
    """Names of an ELF's sections."""
    path = folder / "sections.o"
    path.write_bytes(elf)
    shown = subprocess.run(["readelf", "-SW", str(path)], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"^ +\[ *\d+\] (\S+)", shown, re.MULTILINE))


def test_c_is_compiled_and_all_else_is_taken_as_it_is(programs: Path) -> None:
    for check in (True, False):
        result = build(programs, "hot.bpf.c", "bare.bin", str(programs / "bare.bin"), check=check)
        assert result["changed"] is False
        assert list(result["programs"]) == ["bare.bin", str(programs / "bare.bin"), "hot.bpf.c"]
        hot, bare = result["programs"]["hot.bpf.c"], result["programs"]["bare.bin"]
        elf = base64.b64decode(hot["content"])
        assert (elf[:4], len(elf), hashlib.sha256(elf).hexdigest()) == (b"\x7fELF", hot["bytes"], hot["sha256"])
        assert base64.b64decode(bare["content"]) == b"\x95" + bytes(7)


def test_every_shipped_program_compiles(tmp_path: Path) -> None:
    names = sorted(path.name for path in SHIPPED.glob("*.bpf.c"))
    assert {"aggregate", "histogram", "sample", "search", "threshold", "top"} <= {name.split(".")[0] for name in names}
    made = build(tmp_path, *names)["programs"]
    assert list(made) == names
    assert all(one["bytes"] > 0 for one in made.values())


def test_the_inventorys_folder_wins_over_the_shipped_one(programs: Path) -> None:
    shipped = digest(programs, "top.bpf.c")
    (programs / "top.bpf.c").write_text(SOURCE)
    assert digest(programs, "top.bpf.c") != shipped


def test_a_changed_header_is_another_program(programs: Path) -> None:
    before = digest(programs)
    (programs / "limit.h").write_text("#define LIMIT 41\n")
    assert digest(programs) != before


def test_it_has_btf_and_no_path(programs: Path, tmp_path: Path) -> None:
    made = build(programs, "hot.bpf.c")["programs"]["hot.bpf.c"]
    elf = base64.b64decode(made["content"])
    assert {".BTF", ".BTF.ext"} <= sections(elf, tmp_path)
    assert {name for name in sections(elf, tmp_path) if ".debug" in name} == set()
    assert b"hot.bpf.c" in elf
    assert str(tmp_path).encode() not in elf
    assert b"csd_program_build" not in elf


def test_the_same_code_is_the_same_bytes_wherever_it_lies(programs: Path, tmp_path: Path) -> None:
    """Whatever is compiled beside it, and in which order."""
    before = digest(programs)
    moved = programs.rename(tmp_path / "elsewhere")
    (moved / "hot.bpf.c").write_text(SOURCE + "/* Another comment. */\n")
    made = build(moved, "grep.bpf.c", "top.bpf.c", "hot.bpf.c")["programs"]
    assert made["hot.bpf.c"]["sha256"] == before
    # A comment that moves lines is another program: a fault is told by its line.
    (moved / "hot.bpf.c").write_text("/* Another comment. */\n" + SOURCE)
    assert digest(moved) != before


def test_the_programs_are_those_that_are_installed(tmp_path: Path) -> None:
    """`make` makes the same bytes, those of programs/buffer too; and they are small enough for a slot."""
    sources = [path.name for path in [*SHIPPED.glob("*.bpf.c"), *SHIPPED.glob("buffer/*.bpf.c")]]
    assert {"top.bpf.c", "grep.bpf.c", "json_filter.bpf.c"} <= set(sources)
    made = build(tmp_path, *sources)["programs"]
    folder = tmp_path / "build/programs"
    goals = [str(folder / source.replace(".c", ".o")) for source in sources]
    command = ["make", "--no-print-directory", "-C", str(SHIPPED.parent), f"BUILD={tmp_path / 'build'}", *goals]
    subprocess.run(command, capture_output=True, check=True)
    for source, goal in zip(sources, goals, strict=True):
        elf = Path(goal).read_bytes()
        assert hashlib.sha256(elf).hexdigest() == made[source]["sha256"], source
        assert len(elf) <= 64 * 1024, source


def test_without_llvm_strip_there_is_nothing(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    warnings: list[str] = []
    monkeypatch.setattr(AnsibleModule, "warn", lambda module, text: warnings.append(text))
    tools = programs / "tools"
    tools.mkdir()
    (tools / "clang").symlink_to("/usr/bin/clang")
    monkeypatch.setattr(compiler, "ENVIRONMENT", {"PATH": str(tools)})
    monkeypatch.setattr("os.uname", lambda: type("Uname", (), {"nodename": "build1", "machine": "x86_64"}))
    assert build(programs, "hot.bpf.c")["msg"] == (
        f"Asked: compile hot.bpf.c on build1. Found: there is no llvm-strip in {tools}. Do: let the role "
        "ebpf_toolchain install it there (package llvm), or name another machine with csd_target_builder."
    )
    # In check mode a task before this one may be about to install it.
    assert build(programs, "hot.bpf.c", check=True)["programs"]["hot.bpf.c"]["content"] is None
    assert warnings == ["no llvm-strip on build1 yet: what it will make is not known"]


def test_what_does_not_compile_is_told_in_clangs_words(programs: Path) -> None:
    (programs / "hot.bpf.c").write_text(SOURCE.replace("LIMIT", "LIMITS"))
    for check in (True, False):
        said = build(programs, "threshold.bpf.c", "hot.bpf.c", check=check)["msg"]
        assert said == (
            f"Asked: compile hot.bpf.c. Found: clang says: {programs}/hot.bpf.c:10:27: error: use of undeclared "
            "identifier 'LIMITS'. Do: mend the program; nothing was changed."
        )


def test_what_clang_warns_of_is_passed_on(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    warnings: list[str] = []
    monkeypatch.setattr(AnsibleModule, "warn", lambda module, text: warnings.append(text))
    (programs / "hot.bpf.c").write_text(SOURCE.replace("\treturn", "\tint unused = 1;\n\treturn"))
    assert build(programs, "hot.bpf.c")["programs"]["hot.bpf.c"]["bytes"] > 0
    assert len(warnings) == 1
    assert warnings[0].startswith(f"clang about hot.bpf.c: {programs}/hot.bpf.c:10:6: warning: unused variable")


def test_without_clang_check_mode_goes_on_and_a_run_does_not(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    warnings: list[str] = []
    monkeypatch.setattr(AnsibleModule, "warn", lambda module, text: warnings.append(text))
    monkeypatch.setattr(compiler, "ENVIRONMENT", {"PATH": "/nonexistent"})
    monkeypatch.setattr("os.uname", lambda: type("Uname", (), {"nodename": "build1", "machine": "x86_64"}))
    predicted = build(programs, "hot.bpf.c", "bare.bin", check=True)
    assert predicted["programs"]["hot.bpf.c"] == {"content": None, "sha256": None, "bytes": None}
    assert predicted["programs"]["bare.bin"]["bytes"] == 8
    assert warnings == ["no clang on build1 yet: what it will make is not known"]
    assert build(programs, "hot.bpf.c")["msg"] == (
        "Asked: compile hot.bpf.c on build1. Found: there is no clang in /nonexistent. "
        "Do: let the role ebpf_toolchain install it there, or name another machine with csd_target_builder."
    )


def test_a_source_that_is_nowhere(programs: Path) -> None:
    with pytest.raises(AnsibleActionFail) as refused:
        build(programs, "none.bpf.c")
    assert str(refused.value) == (
        "Asked: the program none.bpf.c. "
        f"Found: the controller has no file {programs}/none.bpf.c, {SHIPPED}/none.bpf.c, "
        f"{SHIPPED}/buffer/none.bpf.c. "
        "Do: put it there, or correct its name."
    )
    with pytest.raises(AnsibleActionFail) as refused:
        build(programs, "/nonexistent/a.bpf.c")
    assert str(refused.value) == (
        "Asked: the program /nonexistent/a.bpf.c. Found: the controller has no file /nonexistent/a.bpf.c. "
        "Do: put it there, or correct its name."
    )


def test_a_source_that_is_no_text(programs: Path) -> None:
    (programs / "hot.bpf.c").write_bytes(b"\xff")
    with pytest.raises(AnsibleActionFail) as refused:
        build(programs, "hot.bpf.c")
    assert str(refused.value) == (
        f"Asked: C source from {programs}/hot.bpf.c. Found: it is no UTF-8 text (invalid start byte). "
        "Do: correct the file."
    )


def test_the_flags_are_those_of_the_makefile() -> None:
    text = (SHIPPED / "programs.mk").read_text()
    told = re.search(r"^BPF_CFLAGS := (.*)$", text, re.MULTILINE)
    assert told, "programs.mk has no line BPF_CFLAGS"
    words = set(text[text.index("-O2") :].split()) - {"\\"}
    assert {flag for flag in compiler.FLAGS if not flag.startswith("-W")} <= words


def test_what_csd_compile_refuses_is_told_in_its_words(programs: Path) -> None:
    """Machine code for nodes without a compiler; neither of a shipped program nor of a bare instruction stream."""
    compiler = programs / "csd_compile"
    compiler.write_text('#!/bin/sh\n[ -z "$1" ] || { echo csd_compile 00; echo flags; exit; }\necho "made $(wc -c)"\n')
    compiler.chmod(0o755)
    asked: dict[str, Any] = {"machine_code": True, "compiler": str(compiler)}
    made = build(programs, "hot.bpf.c", "top.bpf.c", **asked)["programs"]
    hot = made["hot.bpf.c"]
    assert base64.b64decode(hot["blob"]) == f"made {hot['bytes']}\n".encode()
    assert hot["made_by"] == "csd_compile 00\nflags\n"
    assert "blob" not in made["top.bpf.c"], "it comes compiled with csd_tgt"
    assert build(programs, "hot.bpf.c", "bare.bin", **asked)["msg"] == (
        "Asked: compile bare.bin for nodes without a compiler. Found: it is a bare instruction stream, whose geometry "
        "is told when it is loaded. Do: make it an ELF (clang -target bpf), or set csd_target_compiler: true."
    )
    compiler.write_text('#!/bin/sh\n[ -n "$1" ] || { echo too costly to compile >&2; exit 2; }\n')
    assert build(programs, "hot.bpf.c", **asked)["msg"] == (
        f"Asked: compile hot.bpf.c for nodes without a compiler. Found: {compiler} says: too costly to compile. "
        "Do: mend what it names; nothing was changed."
    )
