"""The module lab_file over {run, check, diff, run again}, with what others have beside and in its files' places."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lab_file
import pytest

from module_run import run_module


def cut_off(*_asked: object) -> None:
    raise KeyboardInterrupt


def run(path: Path | None, *, check: bool = False, state: str = "present", **asked: str) -> dict[str, Any]:
    files = [{"path": str(path), **asked}] if path else []
    return run_module(lab_file.main, {"owner": "tool", "files": files, "state": state}, check=check)


@pytest.mark.parametrize("asked", [{"target": "/opt/tool/bin/tool"}, {"content": "text\n"}])
def test_made_once_and_removed_once(tmp_path: Path, notes: Path, asked: dict[str, Any]) -> None:
    path = tmp_path / "bin/tool"
    predicted = run(path, check=True, **asked)
    assert list(tmp_path.iterdir()) == []
    done = run(path, **asked)
    assert predicted["actions"] == done["actions"] != []
    assert predicted["diff"] == done["diff"]
    assert (path.is_symlink(), path.is_file()) == (("target" in asked), ("content" in asked))
    assert run(path, **asked)["actions"] == run(path, check=True, **asked)["actions"] == []
    gone = [f"remove {path}", f"remove {path.parent} if it is empty"]
    assert run(path, state="absent", check=True, **asked)["actions"] == gone
    assert run(path, state="absent", **asked)["actions"] == gone
    assert run(path, state="absent", **asked)["actions"] == []
    assert list(tmp_path.iterdir()) == []
    assert not notes.exists()


def test_folders_of_others_stay(tmp_path: Path, notes: Path) -> None:
    """Those that were there before, and those that somebody else has put something into since."""
    (tmp_path / "before").mkdir()
    run(tmp_path / "before/one/two/tool", target="/opt/tool")
    run(tmp_path / "before/one/three/tool", target="/opt/tool")
    run(tmp_path / "four/five/tool", target="/opt/tool")
    (tmp_path / "four/theirs").touch()
    run(None, state="absent")
    assert sorted(tmp_path.rglob("*")) == [tmp_path / name for name in ("before", "four", "four/theirs")]
    assert not notes.exists()


def test_folders_that_a_run_made_before_it_was_cut_off_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as cut:
        cut.setattr(Path, "symlink_to", cut_off)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "one/two/tool", target="/opt/tool")
    assert (tmp_path / "one/two").is_dir()
    predicted = run(None, state="absent", check=True)
    assert run(None, state="absent")["actions"] == predicted["actions"] != []
    assert list(tmp_path.iterdir()) == []


def test_what_was_made_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "tool.json"
    run(path, content="one")
    assert run(path, content="two")["changed"]
    assert path.read_text() == "two"
    link = tmp_path / "tool"
    run(link, target="/opt/one")
    assert run(link, target="/opt/two")["changed"]
    assert str(link.readlink()) == "/opt/two"


@pytest.mark.parametrize("check", [True, False])
def test_another_program_of_that_name_is_refused_and_stays(tmp_path: Path, *, check: bool) -> None:
    """Case A8: another program at /usr/local/bin/csd."""
    path = tmp_path / "csd"
    path.write_text("theirs")
    assert run(path, target="/opt/tool", check=check)["msg"] == (
        f"Asked: a link {path} to /opt/tool. Found: another file of somebody else is there. "
        "Do: move it away, or name another path."
    )
    path.unlink()
    path.symlink_to("/opt/theirs")
    assert (
        "Found: a link to /opt/theirs of somebody else is there." in run(path, target="/opt/tool", check=check)["msg"]
    )
    assert run(path, target="/opt/tool", state="absent", check=check)["actions"] == []
    assert str(path.readlink()) == "/opt/theirs"


def test_what_others_have_put_in_its_place_stays(tmp_path: Path, notes: Path) -> None:
    path = tmp_path / "tool.json"
    run(path, content="ours")
    theirs = tmp_path / "theirs"
    theirs.write_text("theirs")
    theirs.rename(path)
    assert "of somebody else is there" in run(path, content="ours")["msg"]
    for actions in ([f"forget {path}"], []):
        assert run(None, state="absent", check=True)["actions"] == run(None, state="absent")["actions"] == actions
        assert path.read_text() == "theirs"
    assert not notes.exists()


def test_what_a_run_that_was_cut_off_left_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut_off_in_place(part: Path, to: Path) -> Path:
        if to.parent == tmp_path:
            raise KeyboardInterrupt
        return part.rename(to)

    with monkeypatch.context() as cut:
        cut.setattr(Path, "replace", cut_off_in_place)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "tool", target="/opt/tool")
    assert [path.name for path in tmp_path.iterdir()] == [".tool.part"]
    assert run(None, state="absent")["actions"] == [f"forget {tmp_path / 'tool'}"]
    assert list(tmp_path.iterdir()) == []


def test_a_link_of_ours_whose_note_was_lost_is_ours(tmp_path: Path, notes: Path) -> None:
    path = tmp_path / "tool"
    run(path, target="/opt/tool")
    notes.unlink()
    assert run(path, target="/opt/tool", state="absent")["actions"] == [f"remove {path}"]


def test_what_is_no_longer_declared_goes_too(tmp_path: Path) -> None:
    run(tmp_path / "one", target="/opt/tool")
    run(tmp_path / "two", target="/opt/tool")
    assert run(tmp_path / "two", target="/opt/tool", state="absent")["actions"] == [
        f"remove {tmp_path / 'one'}",
        f"remove {tmp_path / 'two'}",
    ]
    assert list(tmp_path.iterdir()) == []


def test_several_are_made_together_or_none(tmp_path: Path, notes: Path) -> None:
    """Those of others are looked for before the first is made."""
    files: list[dict[str, str]] = [
        {"path": str(tmp_path / "bin/tool"), "target": "/opt/tool"},
        {"path": str(tmp_path / "tool.json"), "content": "{}\n"},
    ]
    asked = {"owner": "tool", "files": files}
    (tmp_path / "tool.json").write_text("theirs")
    assert "of somebody else is there" in run_module(lab_file.main, asked)["msg"]
    assert list(tmp_path.iterdir()) == [tmp_path / "tool.json"]
    (tmp_path / "tool.json").unlink()
    done = run_module(lab_file.main, asked)
    assert done["actions"] == [f"write a link {tmp_path}/bin/tool to /opt/tool", f"write the file {tmp_path}/tool.json"]
    assert done["diff"]["after"] == f"{tmp_path}/bin/tool: -> /opt/tool\n{tmp_path}/tool.json: {{}}\n"
    assert not run_module(lab_file.main, asked)["changed"]
    gone = run_module(lab_file.main, {**asked, "state": "absent"})["actions"]
    assert gone == [
        *(f"remove {tmp_path / name}" for name in ("bin/tool", "tool.json")),
        f"remove {tmp_path}/bin if it is empty",
    ]
    assert list(tmp_path.iterdir()) == []
    assert not notes.exists()


@pytest.mark.parametrize(
    ("asked", "found"),
    [({}, "neither target nor content is"), ({"target": "/a", "content": "b"}, "both target and content are")],
)
def test_a_file_is_a_link_or_a_text(tmp_path: Path, asked: dict[str, str], found: str) -> None:
    files = [{"path": str(tmp_path / "tool"), **asked}]
    assert run_module(lab_file.main, {"owner": "tool", "files": files})["msg"] == (
        f"Asked: {tmp_path / 'tool'} for tool. Found: {found} given. Do: give one of them."
    )
