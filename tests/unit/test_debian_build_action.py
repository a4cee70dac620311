"""The controller's half of debian_build: which files are sources, and the refusals."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible.errors import AnsibleActionFail
from ansible.module_utils.hello_ebpf.arguments import mapping

from conftest import loaded

plugin = loaded("plugins/action/debian_build.py")
read_sources = plugin.read_sources


def test_what_is_packed_here_the_module_unpacks_and_keeps_out_of_the_log() -> None:
    files = {"main.c": "int main(void)\n", "words": "Grüße\n" * 10000}
    sent = plugin.packed(files)
    assert len(sent) < 1000
    assert mapping(sent) == mapping(files) == files
    assert str(mapping(sent)) == f"(2 entries, {len(str(files))} characters)"


def test_sources_are_the_text_of_the_rooms_without_what_a_build_leaves(tmp_path: Path) -> None:
    ours = ["Makefile", "host/main.c", "host/parts/part.c"]
    others = ["build/main.o", "host/build/part.o", "host/.hidden", ".git/config", "bench/main.c"]
    for name in [*ours, *others]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    assert read_sources(tmp_path, ["host"]) == {name: name for name in ours}


def test_a_file_that_is_a_link_is_read(tmp_path: Path) -> None:
    (tmp_path / "elsewhere.py").write_text("pass")
    (tmp_path / "src/python").mkdir(parents=True)
    (tmp_path / "src/python/names.py").symlink_to("../../elsewhere.py")
    assert read_sources(tmp_path / "src", ["python"]) == {"python/names.py": "pass"}


def test_a_room_that_is_nowhere(tmp_path: Path) -> None:
    for room in ("host", "bench"):
        (tmp_path / room).mkdir()
    with pytest.raises(AnsibleActionFail) as error:
        read_sources(tmp_path, ["host", "hosts"])
    assert error.value.message == (
        f"Asked: the sources in {tmp_path}/hosts on the controller. Found: no such folder; there are bench, host. "
        "Do: correct rooms."
    )


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "host").mkdir()
    (tmp_path / "host/main.o").write_bytes(b"\x7fELF\xff")
    with pytest.raises(AnsibleActionFail) as error:
        read_sources(tmp_path, ["host"])
    assert error.value.message == (
        f"Asked: the sources in {tmp_path}. Found: host/main.o is no UTF-8 text (invalid start byte). "
        f"Do: keep what a build leaves in {tmp_path}/build, or remove it."
    )
