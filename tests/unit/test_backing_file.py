"""The module backing_file over {run, check, diff, run again}, its refusals, and what it never takes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import backing_file
import pytest
from ansible.module_utils.hello_ebpf.backing_file import BackingFile
from ansible.module_utils.hello_ebpf.errors import LabError
from ansible.module_utils.hello_ebpf.plan import converge

from module_run import run_module

MIB = 1024 * 1024


def run(path: Path, size: int = MIB, owner: str | None = None, *, check: bool = False) -> tuple[list[str], str, str]:
    work = BackingFile(path, size, owner)
    outcome = converge(work.read, work.plan, work.predict, check=check)
    return outcome.actions, work.render(outcome.before), work.render(outcome.after)


def gone(*, check: bool = False, remove_data: bool = False) -> dict[str, Any]:
    return run_module(backing_file.main, {"state": "absent", "remove_data": remove_data}, check=check)


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


def test_an_empty_one_that_the_lab_made_is_removed_with_its_folder(tmp_path: Path, notes: Path) -> None:
    path = tmp_path / "some/folder/file"
    run(path)
    expected = [f"remove {path} (empty)"]
    assert gone(check=True)["actions"] == expected
    assert path.exists()
    assert gone()["actions"] == expected
    assert list(tmp_path.iterdir()) == []
    assert not notes.exists()
    assert gone()["actions"] == []


def test_data_go_only_when_told(tmp_path: Path) -> None:
    """Case A7."""
    path = tmp_path / "folder/file"
    run(path)
    with path.open("r+b") as file:
        file.write(b"years of work")
    for _ in range(2):
        kept = gone()
        assert (kept["actions"], kept["kept"]) == ([], [str(path)])
        assert path.read_bytes().startswith(b"years of work")
    assert run(path)[0] == [], "a new lab takes it up"
    (path.parent / "theirs").touch()
    assert gone(remove_data=True, check=True)["actions"] == [f"remove {path} (with data)"]
    assert gone(remove_data=True)["actions"] == [f"remove {path} (with data)"]
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["theirs"]
    assert gone(remove_data=True)["actions"] == []


def test_a_file_of_the_users_own_stays_and_is_given_back(tmp_path: Path, notes: Path) -> None:
    """Case A7: a file with data that was there before the lab."""
    path = tmp_path / "file"
    path.write_bytes(bytes(MIB))
    os.chown(path, 12345, -1)
    assert run(path, owner="nobody")[0] == [f"give {path} to nobody"]
    assert path.owner() == "nobody"
    expected = [f"give {path} back to 12345"]
    assert gone(check=True, remove_data=True)["actions"] == gone(remove_data=True)["actions"] == expected
    assert path.read_bytes() == bytes(MIB)
    assert path.stat().st_uid == 12345
    assert gone(remove_data=True)["actions"] == []
    assert not notes.exists()


def test_a_file_that_the_user_put_in_the_place_of_ours_stays(tmp_path: Path, notes: Path) -> None:
    path = tmp_path / "file"
    run(path)
    (tmp_path / "theirs").write_bytes(b"theirs")
    (tmp_path / "theirs").rename(path)
    for actions in ([f"forget {path}"], []):
        assert gone(remove_data=True, check=True)["actions"] == gone(remove_data=True)["actions"] == actions
        assert path.read_bytes() == b"theirs"
    assert not notes.exists()


def test_what_stays_for_its_data_does_not_stay_with_a_user_that_goes(open_folder: Path) -> None:
    path = open_folder / "file"
    run(path, owner="nobody")
    with path.open("r+b") as file:
        file.write(b"data")
    assert gone()["actions"] == [f"give {path} to root, and keep its data"]
    assert path.stat().st_uid == 0
    assert gone()["actions"] == []
    assert run(path, owner="nobody")[0] == [f"give {path} to nobody"]
    assert gone(remove_data=True)["actions"] == [f"remove {path} (with data)"]


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


def test_a_file_that_its_owner_would_not_get_to_is_not_made(open_folder: Path) -> None:
    closed = open_folder / "closed"
    closed.mkdir(mode=0o700)
    path = closed / "new" / "file"
    for check in (True, False):
        with pytest.raises(
            LabError,
            match=rf"Asked: {path} for daemon\. Found: daemon may not search {closed}\. Do: chmod o\+x {closed}",
        ):
            run(path, owner="daemon", check=check)
    assert list(closed.iterdir()) == []
    closed.chmod(0o711)
    assert run(path, owner="daemon")[0] == [f"make {path} of {MIB} bytes"]


def test_folders_on_its_way_are_open_however_closed_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    before = os.umask(0o077)
    try:
        result = run_module(backing_file.main, {"path": str(path), "megabytes": 1})
    finally:
        os.umask(before)
    assert result["changed"]
    assert path.parent.stat().st_mode & 0o777 == 0o755
