"""The one rule of what may be removed, and a sweep: nothing in the project removes a folder but through it."""

from __future__ import annotations

import ast
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.hello_ebpf.errors import LabError
from ansible.module_utils.hello_ebpf.made import Made, identity
from ansible.module_utils.hello_ebpf.removal import MARK, claim, remove, remove_named, seal, strangers, tidy

from refusals import refusal
from waiting import until

ROOT = Path(__file__).resolve().parents[2]
RULE = "module_utils/hello_ebpf/removal.py"
FILE_CLOCK = 5  # Linux's CLOCK_REALTIME_COARSE, which stamps files
# Who takes single files away by name, and what tells that they are the lab's. A new one has to say so here.
UNLINKS = {
    "module_utils/hello_ebpf/backing_file.py": "noted in made.py, with its identity",
    "module_utils/hello_ebpf/files.py": "a half of its own name, and for whoever calls put, which counts as removing",
    "module_utils/hello_ebpf/hugepages_host.py": "first line or record of the role hugepages",
    "module_utils/hello_ebpf/lab_file.py": "noted in made.py, or a link to the asked target",
    "module_utils/hello_ebpf/made.py": "its own record",
    "module_utils/hello_ebpf/nvme_boot.py": "first line of ours, or a link to such a unit",
    "module_utils/hello_ebpf/nvme_filesystem.py": "links of the unit of a mount that our line in fstab names",
    "module_utils/hello_ebpf/spdk_build/compile.py": "in a claimed folder",
    "module_utils/hello_ebpf/spdk_build/fetch.py": "in a claimed folder",
    "module_utils/hello_ebpf/supervisors.py": "a unit with our first line, a pidfile in the run folder",
    "module_utils/hello_ebpf/target_service.py": "noted in made.py",
    "module_utils/hello_ebpf/distribution/folder.py": "packages by the names that the lab gives them",
    "module_utils/hello_ebpf/distribution/node.py": "packages by the names that the lab gives them",
    "plugins/action/distribution.py": "a half of its own name",
    RULE: "the rule itself",
}


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


# ---- the rule


def test_a_claimed_folder_goes_but_for_what_was_there_or_came_later(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    claim(folder)
    (folder / "sub").mkdir()
    (folder / "sub/ours").touch()
    seal(folder)
    (folder / "sub/theirs").touch()
    claim(folder)
    (folder / "more").symlink_to("nowhere")
    seal(folder)
    (folder / "later").touch()
    assert strangers(folder) == ["later", "sub/theirs"]
    remove(folder)
    assert files_in(folder) == ["later", "sub/theirs"]
    with pytest.raises(LabError, match=r"for removal\. Found: there is what the lab did not put there \(later, sub/th"):
        remove(folder)
    assert files_in(folder) == ["later", "sub/theirs"]


def test_work_that_was_cut_off_goes_whole_but_for_what_was_there(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    claim(folder)
    seal(folder)
    (folder / "theirs").touch()
    claim(folder)
    (folder / "half").touch()
    remove(folder / "theirs")
    remove(folder)
    assert files_in(folder) == ["theirs"]


def test_a_folder_of_others_is_refused_for_work_and_for_removal(tmp_path: Path) -> None:
    (tmp_path / "theirs").touch()
    assert refusal(claim, tmp_path) == (
        f"Asked: {tmp_path} for the lab's work alone. Found: there is what the lab did not put there (theirs). "
        "Do: move it away, or name another folder."
    )
    with pytest.raises(LabError):
        remove(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path)
    remove(tmp_path / "link")
    assert files_in(tmp_path) == ["theirs"]


def test_a_link_in_a_claimed_folder_is_not_followed(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "data").touch()
    claim(tmp_path / "work")
    (tmp_path / "work/link").symlink_to(theirs)
    remove(tmp_path / "work")
    assert files_in(tmp_path) == ["theirs/data"]


def test_the_projects_own_folders_go_with_the_last_of_what_is_in_them(tmp_path: Path) -> None:
    folder = tmp_path / "hello_ebpf/build/one"
    for _ in range(2):
        claim(folder)
        tidy(folder)
        assert not (tmp_path / "hello_ebpf").exists()
    claim(folder)
    (tmp_path / "hello_ebpf/theirs").touch()
    tidy(folder)
    assert files_in(tmp_path) == ["hello_ebpf/theirs"]


def test_by_name_only_files_go_and_the_folder_when_it_is_empty(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    (folder / "spdk.sock.lock").mkdir(parents=True)
    for name in ("spdk.sock", "theirs"):
        (folder / name).touch()
    remove_named(folder, ("spdk.sock*",))
    assert sorted(path.name for path in folder.iterdir()) == ["spdk.sock.lock", "theirs"]


def test_a_list_that_cannot_be_read_is_still_ours(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    claim(folder)
    (folder / "half").touch()
    (folder / MARK).write_text("{")
    remove(folder)
    assert not folder.exists()


# ---- notes of single things


def test_what_was_noted_is_ours_and_what_was_there_is_not(tmp_path: Path) -> None:
    made = Made(tmp_path / "notes/made.json")
    there = tmp_path / "there"
    there.touch()
    assert refusal(made.take, "csd_target", there) == (
        f"Asked: {there} for csd_target of hello_eBPF. Found: it is there, and the lab did not make it. "
        "Do: move it away, or name another path."
    )
    made.take("csd_target", tmp_path / "new")
    (tmp_path / "new").touch()
    made.take("csd_target", tmp_path / "new")
    made.note("csd_host", tmp_path / "link", identity(there))
    assert dict(made.of("csd_target")) == {str(tmp_path / "new"): ""}
    assert dict(made.of("csd_host")) == {str(tmp_path / "link"): identity(there)}
    made.forget("csd_target", tmp_path / "new")
    made.forget("csd_host", tmp_path / "link")
    assert not (tmp_path / "notes").exists()


def wait_for_another_file_time() -> None:
    tick = time.clock_gettime_ns(FILE_CLOCK)
    until("the clock of files has ticked", lambda: time.clock_gettime_ns(FILE_CLOCK) != tick)


def test_a_new_file_that_gets_the_old_ones_inode_number_is_another_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    seen = {identity(path)}
    for count in range(2, 5):
        path.unlink()
        wait_for_another_file_time()
        path.touch()
        seen.add(identity(path))
        assert len(seen) == count
    path.rename(tmp_path / "renamed")
    assert identity(tmp_path / "renamed") in seen
    assert identity(path) == ""


def test_notes_that_cannot_be_read_stop_a_removal(tmp_path: Path) -> None:
    record = tmp_path / "made.json"
    record.write_text("{")
    with pytest.raises(json.JSONDecodeError):
        Made(record).of("csd_target")


# ---- the sweep


def python_files() -> list[Path]:
    folders = ("library", "module_utils", "plugins", "roles", "src/python/csd")
    found = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return sorted(path for path in found if not path.is_symlink())


def called(path: Path) -> Iterator[tuple[str, int]]:
    """What a file calls or hands on, by its last name, with the line."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute):
            yield node.attr, node.lineno
        elif isinstance(node, ast.Name):
            yield node.id, node.lineno
        elif isinstance(node, ast.alias):
            yield node.name, getattr(node, "lineno", 0)


def commands(path: Path) -> Iterator[tuple[str, int]]:
    """Words in a file's strings."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value, node.lineno


RECURSIVE = re.compile(r"\brm +-\w*[rR]|\bfind\b.* -delete\b|^rm$")


def test_no_module_removes_a_folder_but_through_the_rule() -> None:
    found = []
    for path in python_files():
        name = str(path.relative_to(ROOT))
        found += [f"{name}:{line} {what}" for what, line in called(path) if what in {"rmtree", "removedirs"}]
        found += [f"{name}:{line} {text}" for text, line in commands(path) if RECURSIVE.search(text)]
    assert found == [], f"removes whole folders past {RULE}"


def test_whoever_removes_single_files_says_how_it_knows_them_for_ours() -> None:
    removing = {
        str(path.relative_to(ROOT))
        for path in python_files()
        if any(what in {"unlink", "remove_file", "os.remove", "put"} for what, _ in called(path))
    }
    assert removing == set(UNLINKS)


def tasks(content: Any) -> Iterator[dict[str, Any]]:
    """Every task of a playbook or task file, those of blocks too."""
    for item in content or []:
        if isinstance(item, dict):
            yield item
            for key in ("tasks", "pre_tasks", "post_tasks", "handlers", "block", "rescue", "always"):
                yield from tasks(item.get(key))


def removes_past_the_rule(task: dict[str, Any]) -> bool:
    """Whether a task removes a path by a module that asks nobody whose it is."""
    for module in ("ansible.builtin.file", "file"):
        arguments = task.get(module)
        if isinstance(arguments, dict) and str(arguments.get("state")) not in {
            "directory",
            "touch",
            "link",
            "hard",
            "file",
        }:
            return True
    # --delete of a folder's copy, and shells.
    return any(
        RECURSIVE.search(json.dumps(task.get(module, "")))
        for name in ("command", "shell", "raw", "script")
        for module in (name, f"ansible.builtin.{name}")
    )


def test_no_task_removes_a_path_but_through_a_module_of_the_lab() -> None:
    paths = [*ROOT.glob("roles/*/tasks/**/*.yml"), *ROOT.glob("roles/*/handlers/*.yml")]
    paths += [*ROOT.glob("playbooks/**/*.yml"), ROOT / "site.yml"]
    assert len(paths) > 40
    found = [
        f"{path.relative_to(ROOT)}: {task.get('name')}"
        for path in paths
        for task in tasks(yaml.safe_load(path.read_text()))
        if removes_past_the_rule(task)
    ]
    assert found == []


@pytest.mark.parametrize(
    "task",
    [
        {"ansible.builtin.file": {"path": "/var/tmp", "state": "absent"}},
        {"ansible.builtin.file": {"path": "/var/tmp", "state": "{{ state }}"}},
        {"file": {"path": "/var/tmp", "state": "absent"}},
        {"ansible.builtin.command": "rm -rf /var/tmp"},
        {"ansible.builtin.shell": {"cmd": "cd /; rm -fr var/tmp"}},
        {"ansible.builtin.command": {"argv": ["find", "/var/tmp", "-delete"], "cmd": "find /var/tmp -delete"}},
    ],
)
def test_the_sweep_sees_a_removal(task: dict[str, Any]) -> None:
    assert [one for one in tasks([{"block": [{"name": "x", **task}]}]) if removes_past_the_rule(one)]
