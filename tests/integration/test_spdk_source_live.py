# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""SPDK itself from a repository and from an archive: what is compiled is, file for file, what ceph's source gives.

The test makes both from the source in ceph's archive, which it fetches as the role spdk does. Nothing is compiled but
one small library: where the trees are the same, so is what comes of them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
import spdk_build
from ansible.module_utils.hello_ebpf import made
from ansible.module_utils.hello_ebpf.spdk_build.compile import Compiler
from ansible.module_utils.hello_ebpf.spdk_build.shell import Shell

from module_run import run_module
from small_spdk import request, sha256

ROOT = Path(__file__).resolve().parents[2]
ROLE = ROOT / "roles/spdk"


def asked_by_the_role(folder: Path) -> dict[str, Any]:
    """The module's arguments as the role's defaults make them."""
    told = folder / "told.json"
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars": {"role_path": str(ROLE), "ansible_python_interpreter": sys.executable},
        "vars_files": [str(ROLE / "defaults/main.yml"), str(ROLE / "vars/main.yml")],
        "tasks": [{"ansible.builtin.copy": {"content": "{{ __spdk_build | to_json }}", "dest": str(told)}}],
    }
    (folder / "play.yml").write_text(json.dumps([play]))
    words = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "localhost,", "-c", "local"]
    environment = os.environ | {"LAB_RUN_FILE": str(folder / "run.jsonl")}
    subprocess.run([*words, folder / "play.yml"], cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)
    asked: dict[str, Any] = json.loads(told.read_text())
    return asked


def run(asked: dict[str, Any], stage: str) -> dict[str, Any]:
    # The notes last as long as the folder, longer than one test.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(made, "RECORD", Path(asked["log"]).with_name("made.json"))
        done = run_module(spdk_build.main, {**asked, "stage": stage})
    assert "msg" not in done, done["msg"]
    return done


def unpacked(asked: dict[str, Any]) -> Path:
    """The source tree of a request, patched."""
    for stage in ("fetch", "unpack"):
        run(asked, stage)
    assert run(asked, "plan")["missing"][0] == "configure"
    return request(asked).src


def files(tree: Path) -> dict[str, tuple[str, bool]]:
    """Every file with its digest, or where it points to, and whether it may be executed."""
    found = {}
    for path in tree.rglob("*"):
        name = str(path.relative_to(tree))
        if path.is_symlink():
            found[name] = (str(path.readlink()), False)
        elif path.is_file():
            found[name] = (sha256(path), bool(path.stat().st_mode & 0o100))
    return found


class Sources:
    """The source in ceph's archive, as the role asks for it; and a plain tree of it, from which others are made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked = asked_by_the_role(folder) | self._places("ceph")
        self.plain = unpacked({**self.asked, "patches": []})
        self.patched = files(unpacked(self.asked))
        assert {"lib/nvmf/ctrlr.c", "dpdk/lib/librte_eal/linux/eal.c"} <= self.patched.keys()

    def other(self, source: str, **further: Any) -> dict[str, Any]:
        """Arguments for the same SPDK from another source, in a cache of its own."""
        return {**self.asked, "source": source, **self._places(source), **further}

    def _places(self, source: str) -> dict[str, str]:
        """The lab's own folders are nobody else's: each source has its own."""
        return {name: str(self.folder / source / name) for name in ("prefix", "cache", "log")}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    return Sources(tmp_path_factory.mktemp("spdk"))


def test_a_repository_gives_the_same_tree(sources: Sources) -> None:
    """A bare repository with the tag and the submodule dpdk, its commit declared; a second look fetches nothing."""
    environment = os.environ | {
        f"GIT_{who}_{what}": "lab@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }

    def git(folder: Path, *words: str | Path) -> str:
        command = ["git", "-c", "protocol.file.allow=always", "-c", "core.autocrlf=false", "-C", folder, *words]
        return subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    checkouts, bare = sources.folder / "checkouts", sources.folder / "bare"
    bare.mkdir()
    shutil.copytree(sources.plain, checkouts / "spdk", symlinks=True)
    (checkouts / "spdk/dpdk").rename(checkouts / "dpdk")
    for name in ("dpdk", "spdk"):
        folder = checkouts / name
        git(folder, "init", "--quiet")
        # What its own .gitignore names is in it too.
        git(folder, "add", "--force", ".")
        if name == "spdk":
            git(folder, "submodule", "--quiet", "add", bare / "dpdk.git", "dpdk")
        git(folder, "commit", "--quiet", "--message=as ceph has it")
        git(folder, "tag", "v20.07")
        git(bare, "clone", "--quiet", "--bare", folder, f"{name}.git")
    commit = git(checkouts / "spdk", "rev-parse", "HEAD")

    asked = sources.other("git", git_url=f"file://{bare}/spdk.git", git_commit=commit)
    found = files(unpacked(asked))
    # Where git notes the submodule's place; nothing is built from it.
    without = {".gitmodules"}
    assert {name: found[name] for name in found.keys() - without} == {
        name: sources.patched[name] for name in sources.patched.keys() - without
    }
    assert run(asked, "plan")["missing"][0] == "configure"
    assert request(asked).stamp not in {request(sources.asked).stamp, request({**asked, "git_commit": ""}).stamp}


def test_an_archive_gives_the_same_tree(sources: Sources) -> None:
    archive = sources.folder / "spdk-20.07.tar.xz"
    # Not by tar: a minimal Debian has no xz.
    with tarfile.open(archive, "w:xz", preset=0) as packed:
        packed.add(sources.plain, "spdk-20.07")
    asked = sources.other("archive", archive=str(archive), sha256=sha256(archive))
    assert files(unpacked(asked)) == sources.patched
    assert run(asked, "plan")["missing"][0] == "configure"
    assert request(asked).stamp != request(sources.asked).stamp
    assert archive.is_file(), "the user's own is left alone"


@pytest.mark.parametrize("debug_info", [False, True])
def test_debug_information_is_there_where_it_is_asked_for(
    sources: Sources, monkeypatch: pytest.MonkeyPatch, debug_info: bool
) -> None:
    """One library stands for all of SPDK's; symbols for backtraces are there either way."""
    asked = {**sources.asked, "debug_info": debug_info}
    build = request(asked)
    tree = unpacked(asked)
    monkeypatch.setattr(Compiler, "_configure_dpdk", lambda _: None)
    with (sources.folder / "lock").open("w") as lock:
        compiler = Compiler(build, Shell(build.log, lock.fileno()))
        compiler.configure()
        compiler._make("build one library", {"lib/log": "log"})
    archive = tree / "build/lib/libspdk_log.a"
    sections = subprocess.run(["readelf", "--sections", "--wide", archive], capture_output=True, text=True, check=True)
    assert (".debug_info" in sections.stdout) is debug_info
    names = subprocess.run(["nm", "--defined-only", archive], capture_output=True, text=True, check=True).stdout
    assert " T spdk_log\n" in names
