"""The module backing_file over {run, check, diff, run again}, and its refusals."""

from __future__ import annotations

import os
from pathlib import Path

import backing_file
import pytest
from ansible.module_utils.hello_ebpf.backing_file import BackingFile
from ansible.module_utils.hello_ebpf.errors import LabError
from ansible.module_utils.hello_ebpf.plan import converge

from module_run import run_module

MIB = 1024 * 1024


def run(path: Path, size: int = MIB, state: str = "present", *, check: bool = False) -> tuple[list[str], str, str]:
    work = BackingFile(path, size, state)
    outcome = converge(work.read, work.plan, work.predict, check=check)
    return outcome.actions, work.render(outcome.before), work.render(outcome.after)


def test_made_once(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "file"
    predicted = run(path, check=True)
    assert not path.exists()
    done = run(path)
    assert (
        done
        == predicted
        == ([f"make {path} of {MIB} bytes"], f"{path}: absent\n", f"{path}: {MIB} bytes, of {path.owner()}\n")
    )
    assert path.stat().st_size == MIB
    assert path.stat().st_mode & 0o777 == 0o600
    assert run(path)[0] == run(path, check=True)[0] == []


def test_removed_once(tmp_path: Path) -> None:
    path = tmp_path / "file"
    run(path)
    assert run(path, state="absent", check=True)[0] == [f"remove {path}"]
    assert path.exists()
    assert run(path, state="absent")[0] == [f"remove {path}"]
    assert not path.exists()
    assert run(path, state="absent")[0] == []


def test_another_size_is_refused_and_the_data_stays(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"data")
    with pytest.raises(LabError) as error:
        run(path)
    assert str(error.value) == (
        f"Asked: {path} of {MIB} bytes. Found: it is there with 4 bytes, and its data would be lost. "
        "Do: declare the size it has, choose another path, or remove it yourself."
    )
    assert path.read_bytes() == b"data"


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"Found: something else lies there"):
        run(tmp_path)


def test_no_room_is_refused_with_numbers(tmp_path: Path) -> None:
    size = 1 << 60
    with pytest.raises(LabError, match=rf"Asked: .* of {size} bytes\. Found: \d+ bytes are free in {tmp_path}"):
        run(tmp_path / "file", size)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_run_leaves_no_file_of_the_right_name(tmp_path: Path) -> None:
    (tmp_path / ".file.part").write_bytes(b"cut off")
    run(tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_file_that_its_owner_would_not_get_to_is_not_made(tmp_path: Path) -> None:
    """Pytest's folders are root's alone."""
    path = tmp_path / "new" / "file"
    work = BackingFile(path, MIB, "present", "daemon")
    for check in (True, False):
        with pytest.raises(
            LabError, match=rf"Asked: {path} for daemon\. Found: daemon may not search /.*\. Do: chmod o\+x"
        ):
            converge(work.read, work.plan, work.predict, check=check)
    assert not path.parent.exists()


def test_folders_on_its_way_are_open_however_closed_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    before = os.umask(0o077)
    try:
        result = run_module(backing_file.main, {"path": str(path), "megabytes": 1})
    finally:
        os.umask(before)
    assert result["changed"]
    assert path.parent.stat().st_mode & 0o777 == 0o755
