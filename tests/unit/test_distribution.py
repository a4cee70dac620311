"""The modules distribution_pack and distribution over {check, run, diff, run again}, on real folders and archives."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import distribution
import distribution_pack
import pytest
from ansible.module_utils.hello_ebpf.distribution.content import Manifest
from ansible.module_utils.hello_ebpf.distribution.install import Install, Machine, Request
from ansible.module_utils.hello_ebpf.distribution.pack import manifest_of
from ansible.module_utils.hello_ebpf.distribution.sources import archive_name, sources_digest
from ansible.module_utils.hello_ebpf.errors import LabError
from ansible.module_utils.hello_ebpf.release import platform_name
from ansible.module_utils.hello_ebpf.removal import MARK, claim

from module_run import run_module

V2 = "flags\t\t: fpu cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3\n"
HERE = platform_name(Path("/etc/os-release").read_text())


class Fleet:
    """A builder and a node, each a folder of this machine: what lies in the builder's is put below the same paths."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.opt = folder / "opt/hello_ebpf"
        self.parts = {"spdk": self.opt / "spdk", "csd_target": self.opt / "csd_target"}

    def compile(self, text: str = "one") -> None:
        """What roles leave: one folder with a link to the current build, one with a program and a stamp."""
        build = self.parts["spdk"] / "20.07-abc"
        (build / "bin").mkdir(parents=True, exist_ok=True)
        (build / "bin/tool").write_text("#!/bin/sh\n")
        (build / "bin/tool").chmod(0o755)
        (build / "share/hello_ebpf").mkdir(parents=True, exist_ok=True)
        (build / "share/hello_ebpf/stamp.json").write_text("{}")
        (build / "scripts/__pycache__").mkdir(parents=True, exist_ok=True)
        (build / "scripts/__pycache__/rpc.pyc").write_text("")
        (self.parts["spdk"] / "20.07-old").mkdir(exist_ok=True)
        (self.parts["spdk"] / "20.07-old/share/hello_ebpf").mkdir(parents=True, exist_ok=True)
        (self.parts["spdk"] / "20.07-old/share/hello_ebpf/stamp.json").write_text('{"files": ["old"]}')
        (self.parts["spdk"] / "20.07-old/old").write_text("")
        current = self.parts["spdk"] / "current"
        current.unlink(missing_ok=True)
        current.symlink_to("20.07-abc")
        self.parts["csd_target"].mkdir(parents=True, exist_ok=True)
        (self.parts["csd_target"] / "csd_tgt").write_text(text)
        (self.parts["csd_target"] / ".make_install.json").write_text("{}")

    def pack(self, *, check: bool = False, **further: Any) -> dict[str, Any]:
        asked = {"parts": self._names(), "folder": str(self.folder / "cache"), "sources": "0123", **further}
        return run_module(distribution_pack.main, asked, check=check)

    def forget(self) -> None:
        """From here on the folders are a node's that has nothing yet."""
        shutil.rmtree(self.opt)

    def install(self, packed: dict[str, Any], *, check: bool = False, **further: Any) -> dict[str, Any]:
        """What the action plugin does, with the archive already sent."""
        manifest = manifest_of(Path(packed["archive"]))
        asked = {
            "archive": packed["archive"],
            "sent": packed["archive"],
            "sha256": packed["sha256"],
            "manifest": manifest.to_json() if manifest else None,
            "parts": self._names(),
            "record": str(self.opt / "distribution.json"),
            **further,
        }
        return run_module(distribution.main, asked, check=check)

    def remove(self, *, check: bool = False) -> dict[str, Any]:
        asked = {"parts": self._names(), "record": str(self.opt / "distribution.json"), "state": "absent"}
        return run_module(distribution.main, asked, check=check)

    def tree(self) -> list[str]:
        paths = sorted(path for path in self.opt.rglob("*") if not path.is_dir() or path.is_symlink())
        paths = [path for path in paths if path.name != MARK]
        return [str(path.relative_to(self.opt)) for path in paths]

    def _names(self) -> dict[str, str]:
        return {name: str(folder) for name, folder in self.parts.items()}


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    made = Fleet(tmp_path)
    made.compile()
    return made


# ---- packing


def test_packed_once_and_the_same_files_are_the_same_bytes(fleet: Fleet) -> None:
    predicted = fleet.pack(check=True)
    assert (predicted["changed"], predicted["sha256"]) == (True, "")
    assert not (fleet.folder / "cache").exists()
    done = fleet.pack()
    assert done["actions"] == predicted["actions"]
    assert done["diff"]["after"] == predicted["diff"]["after"]
    archive = Path(done["archive"])
    assert archive.name == f"hello_ebpf-{HERE}-x86-64-v2-0123.tar.gz"
    assert done["sha256"] == hashlib.sha256(archive.read_bytes()).hexdigest()
    assert (
        subprocess.run(["sha256sum", "--check", f"{archive.name}.sha256"], cwd=archive.parent, check=False).returncode
        == 0
    )
    again = fleet.pack()
    assert (again["changed"], again["sha256"], again["renewed"]) == (False, done["sha256"], [])
    archive.unlink()
    (fleet.parts["csd_target"] / "csd_tgt").touch()
    assert fleet.pack()["sha256"] == done["sha256"]


def test_only_the_current_build_and_nothing_that_python_left_is_packed(fleet: Fleet) -> None:
    archive = fleet.pack()["archive"]
    with tarfile.open(archive) as tar:
        members = {member.name: member for member in tar}
    assert list(members) == [
        "manifest.json",
        "spdk/20.07-abc/bin/tool",
        "spdk/20.07-abc/share/hello_ebpf/stamp.json",
        "spdk/current",
        "csd_target/.make_install.json",
        "csd_target/csd_tgt",
    ]
    assert members["spdk/20.07-abc/bin/tool"].mode == 0o755
    assert {(member.uid, member.uname, member.mtime) for member in members.values()} <= {(0, "root", 0), (0, "", 0)}


def test_a_changed_program_is_packed_anew_and_old_archives_go(fleet: Fleet) -> None:
    first = fleet.pack()
    fleet.compile("two")
    predicted = fleet.pack(check=True, sources="4567")
    assert predicted["renewed"] == ["csd_target", "spdk"]  # nothing by that name is packed yet
    done = fleet.pack(sources="4567")
    assert done["sha256"] != first["sha256"]
    assert sorted(path.name for path in Path(done["archive"]).parent.iterdir()) == [
        f"hello_ebpf-{HERE}-x86-64-v2-4567.tar.gz",
        f"hello_ebpf-{HERE}-x86-64-v2-4567.tar.gz.sha256",
    ]


def test_check_mode_is_told_what_would_have_been_compiled(fleet: Fleet) -> None:
    fleet.pack()
    predicted = fleet.pack(check=True, renewed=["csd_target"])
    assert (predicted["changed"], predicted["renewed"], predicted["sha256"]) == (True, ["csd_target"], "")
    assert fleet.pack(renewed=["csd_target"])["changed"] is False


def test_a_part_that_is_not_compiled_is_an_error(fleet: Fleet) -> None:
    shutil.rmtree(fleet.parts["csd_target"])
    assert fleet.pack(check=True)["changed"] is True
    assert fleet.pack()["msg"] == (
        f"Asked: one archive of spdk, csd_target. Found: {fleet.parts['csd_target']} holds nothing. Do: run the roles "
        "that compile them on this machine first (playbooks/build.yml does)."
    )


def test_an_altered_archive_is_made_again(fleet: Fleet) -> None:
    done = fleet.pack()
    with Path(done["archive"]).open("ab") as file:
        file.write(b"x")
    assert fleet.pack()["sha256"] == done["sha256"]


# ---- installing


def test_installed_once_as_it_was_packed(fleet: Fleet) -> None:
    packed = fleet.pack()
    fleet.forget()
    predicted = fleet.install(packed, check=True)
    assert (predicted["changed"], predicted["stale"]) == (True, ["spdk", "csd_target"])
    assert fleet.tree() == []
    done = fleet.install(packed)
    assert done["actions"] == predicted["actions"]
    assert done["diff"] == predicted["diff"]
    assert fleet.tree() == [
        "csd_target/.make_install.json",
        "csd_target/csd_tgt",
        "distribution.json",
        "spdk/20.07-abc/bin/tool",
        "spdk/20.07-abc/share/hello_ebpf/stamp.json",
        "spdk/current",
    ]
    assert (fleet.parts["spdk"] / "current/bin/tool").stat().st_mode & 0o777 == 0o755
    again = fleet.install(packed)
    assert (again["changed"], again["stale"], again["sha256"]) == (False, [], packed["sha256"])


def test_only_the_part_that_differs_is_exchanged(fleet: Fleet) -> None:
    old = fleet.pack()
    fleet.compile("two")
    new = fleet.pack(folder=str(fleet.folder / "cache2"))
    fleet.forget()
    fleet.install(old)
    spdk = (fleet.parts["spdk"] / "20.07-abc/bin/tool").stat().st_ino
    done = fleet.install(new)
    assert done["stale"] == ["csd_target"]
    assert (fleet.parts["csd_target"] / "csd_tgt").read_text() == "two"
    assert (fleet.parts["spdk"] / "20.07-abc/bin/tool").stat().st_ino == spdk


def test_what_was_altered_is_put_back(fleet: Fleet) -> None:
    packed = fleet.pack()
    fleet.forget()
    fleet.install(packed)
    (fleet.parts["csd_target"] / "csd_tgt").write_text("altered")
    assert fleet.install(packed, check=True)["stale"] == ["csd_target"]
    assert fleet.install(packed)["actions"] == [f"install csd_target of the distribution {packed['sha256'][:12]}"]
    assert fleet.install(packed)["changed"] is False


def test_what_was_compiled_here_before_is_replaced(fleet: Fleet) -> None:
    packed = fleet.pack()
    assert fleet.install(packed)["stale"] == ["spdk", "csd_target"]
    assert "spdk/20.07-old/old" not in fleet.tree()


def test_a_strangers_folder_is_refused(fleet: Fleet) -> None:
    packed = fleet.pack()
    fleet.forget()
    fleet.parts["csd_target"].mkdir(parents=True)
    (fleet.parts["csd_target"] / "strange").write_text("")
    assert fleet.install(packed)["msg"] == (
        f"Asked: {fleet.parts['csd_target']} for what the builder compiled. Found: there are files that this project "
        "did not put there. Do: move them away, or name other folders."
    )
    assert fleet.tree() == ["csd_target/strange"]


def test_an_archive_that_arrives_damaged_changes_nothing(fleet: Fleet) -> None:
    packed = fleet.pack()
    fleet.forget()
    sent = fleet.folder / "sent"
    sent.write_bytes(Path(packed["archive"]).read_bytes()[:-1])
    failed = fleet.install(packed, sent=str(sent))["msg"]
    assert failed.startswith(f"Asked: the distribution {packed['sha256'][:12]} with SHA-256 {packed['sha256']}.")
    assert "Found: what arrived has " in failed
    assert fleet.tree() == []


def test_a_run_that_was_cut_off_is_taken_up(fleet: Fleet) -> None:
    packed = fleet.pack()
    fleet.forget()
    fleet.install(packed)
    left = fleet.opt / ".csd_target.new"
    claim(left)
    (left / "half").write_text("")
    assert fleet.install(packed)["actions"] == [f"remove {left}"]
    (fleet.opt / "distribution.json").unlink()
    assert fleet.install(packed)["stale"] == ["spdk", "csd_target"]
    assert fleet.install(packed)["changed"] is False


def test_what_is_not_made_yet_is_predicted_from_what_is_made_anew(fleet: Fleet) -> None:
    packed = fleet.pack()
    fleet.forget()
    fleet.install(packed)
    unknown = {"manifest": None, "sha256": ""}
    predicted = fleet.install(packed, check=True, renewed=["csd_target"], **unknown)
    assert (predicted["changed"], predicted["stale"]) == (True, ["csd_target"])
    assert fleet.install(packed, check=True, **unknown)["changed"] is False


def test_removed_once_with_what_came_in_the_archive(fleet: Fleet) -> None:
    packed = fleet.pack()
    fleet.forget()
    fleet.install(packed)
    predicted = fleet.remove(check=True)
    done = fleet.remove()
    assert predicted["actions"] == done["actions"] != []
    assert fleet.tree() == []
    assert fleet.remove()["changed"] is False


def test_what_was_compiled_here_is_not_removed(fleet: Fleet) -> None:
    assert fleet.remove()["changed"] is False
    assert "csd_target/csd_tgt" in fleet.tree()


# ---- refusals


def refusal(platform: str = "debian-12", cpuinfo: str = V2, paths: str = "/opt/a") -> str:
    manifest = Manifest("debian-12", "x86-64-v2", {"a": "/opt/a"}, {"a": {"f": "0"}})
    request = Request({"a": Path(paths)}, Path("/nowhere/record"), sha256="0123456789abcdef", manifest=manifest)
    work = Install(request, Machine(platform, cpuinfo))
    with pytest.raises(LabError) as error:
        work.plan(work.read())
    return str(error.value)


def test_another_release_is_refused() -> None:
    assert refusal(platform="debian-13") == (
        "Asked: the distribution 0123456789ab on this machine. Found: it was compiled on debian-12, and this "
        "machine is debian-13. Do: let distribution_builder (or distribution_archive) be of this release."
    )


def test_a_cpu_that_lacks_what_is_used_is_refused_by_name() -> None:
    assert refusal(cpuinfo=V2.replace(" popcnt", "").replace(" sse4_2", "")) == (
        "Asked: the distribution 0123456789ab on this machine. Found: it needs x86-64-v2, and this machine's CPU "
        "lacks popcnt, sse4_2. Do: take the machine out of the inventory, or give the virtual machine a CPU model that "
        "has them."
    )


def test_other_folders_than_the_builders_are_refused() -> None:
    assert "Asked: the distribution 0123456789ab on this machine in /opt/b. Found: it was made for /opt/a." in refusal(
        paths="/opt/b"
    )


# ---- names


def test_the_sources_digest_follows_what_is_compiled_and_nothing_else(tmp_path: Path) -> None:
    files = {
        "src/target/main.c": "int main;",
        "roles/spdk/files/patches/0001-first.patch": "--- a",
        "src/build/main.o": "object",
        "src/target/.hidden": "",
        "roles/csd_target/tasks/build.yml": "---",
        "roles/csd_target/defaults/main.yml": "---",
        "roles/spdk/vars/main.yml": "---",
        "module_utils/hello_ebpf/spdk_build/recipe.py": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    first = sources_digest(tmp_path)
    has_a_say = {}
    for name, text in files.items():
        (tmp_path / name).write_text("changed")
        has_a_say[name] = sources_digest(tmp_path) != first
        (tmp_path / name).write_text(text)
    assert [name for name, has in has_a_say.items() if not has] == [
        "src/build/main.o",
        "src/target/.hidden",
        "roles/csd_target/defaults/main.yml",
    ]
    assert archive_name("debian-12", "x86-64-v2", first) == f"hello_ebpf-debian-12-x86-64-v2-{first}.tar.gz"


def test_a_manifest_of_another_schema_is_none(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="schema 2, not 1"):
        Manifest.from_json(json.loads('{"schema": 2}'))
    with pytest.raises(ValueError, match="no manifest of a distribution"):
        Manifest.from_json({})


# ---- what is not ours


def test_other_files_beside_the_archive_stay(fleet: Fleet) -> None:
    cache = fleet.folder / "cache"
    cache.mkdir()
    (cache / "notes.txt").write_text("theirs")
    packed = fleet.pack()
    (fleet.parts["csd_target"] / "csd_tgt").write_text("two")
    again = fleet.pack(sources="4567")
    assert f"remove {packed['archive']}" in again["actions"]
    assert sorted(path.name for path in cache.iterdir()) == [
        Path(again["archive"]).name,
        f"{Path(again['archive']).name}.sha256",
        "notes.txt",
    ]
    for changed in (True, False):
        assert fleet.pack(state="absent")["changed"] is changed
        assert [path.name for path in cache.iterdir()] == ["notes.txt"]


def test_what_others_have_put_inside_stays_and_is_named_before_an_exchange(fleet: Fleet) -> None:
    packed = fleet.pack()
    fleet.forget()
    fleet.install(packed)
    for part in fleet.parts.values():
        (part / "notes.txt").write_text("theirs")
    (fleet.parts["csd_target"] / "csd_tgt").write_text("altered")
    assert fleet.install(packed)["msg"] == (
        f"Asked: {fleet.parts['csd_target']} for what the builder compiled alone. Found: there is what the lab did not "
        "put there (notes.txt). Do: move it away, or name another folder."
    )
    for changed in (True, False):
        assert fleet.remove()["changed"] is changed
        assert fleet.tree() == ["csd_target/notes.txt", "spdk/notes.txt"]
