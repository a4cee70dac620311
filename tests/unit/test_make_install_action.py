"""The controller's half of make_install: which files are sources, and the refusals."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible.errors import AnsibleActionFail

PLUGIN = Path(__file__).resolve().parents[2] / "plugins" / "action" / "make_install.py"


@pytest.fixture
def read_sources() -> Callable[[Path], dict[str, str]]:
    # The plugin has the module's name, which tests import already.
    spec = importlib.util.spec_from_file_location("make_install_action", PLUGIN)
    assert spec is not None
    assert spec.loader is not None
    plugin = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(plugin)
    found: Callable[[Path], dict[str, str]] = plugin.read_sources
    return found


def test_sources_are_the_folders_text_without_what_a_build_leaves(
    read_sources: Callable[[Path], dict[str, str]], tmp_path: Path
) -> None:
    for name in ["Makefile", "main.c", "lib/part.c", "build/main.o", "lib/build/part.o", ".hidden", ".git/config"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    assert read_sources(tmp_path) == {name: name for name in ["Makefile", "lib/part.c", "main.c"]}


def test_a_folder_without_makefile(read_sources: Callable[[Path], dict[str, str]], tmp_path: Path) -> None:
    with pytest.raises(AnsibleActionFail) as error:
        read_sources(tmp_path / "nowhere")
    assert error.value.message == (
        f"Asked: the sources in '{tmp_path}/nowhere' on the controller. Found: no Makefile in it. "
        "Do: let src name the folder that holds the Makefile."
    )


def test_a_file_that_is_no_text(read_sources: Callable[[Path], dict[str, str]], tmp_path: Path) -> None:
    (tmp_path / "Makefile").touch()
    (tmp_path / "main.o").write_bytes(b"\x7fELF\xff")
    with pytest.raises(AnsibleActionFail) as error:
        read_sources(tmp_path)
    assert error.value.message == (
        f"Asked: the sources in {tmp_path}. Found: main.o is no UTF-8 text (invalid start byte). "
        f"Do: keep what a build leaves in {tmp_path}/build, or remove it."
    )
