"""The module spdk_build over {check, run, diff, run again}: its stages, its stamp, its archive, its way back.

Fetching, unpacking, packing and installing are real, on a source in a few files; what compilers would leave is put
there by hand.
"""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest
import spdk_build
from ansible.module_utils.hello_ebpf.removal import claim
from ansible.module_utils.hello_ebpf.spdk_build.compile import ELF_HEADER, Compiler, is_whole_object
from ansible.module_utils.hello_ebpf.spdk_build.layout import pkg_config_files
from ansible.module_utils.hello_ebpf.spdk_build.request import STAGES, Request
from ansible.module_utils.hello_ebpf.spdk_build.shell import Shell

from module_run import run_module
from small_spdk import PATCH, arguments, pretend_compiled, request, sha256, tree_of
from waiting import until


def run(asked: dict[str, Any], stage: str, *, check: bool = False) -> dict[str, Any]:
    return run_module(spdk_build.main, {**asked, "stage": stage}, check=check)


def build(asked: dict[str, Any]) -> dict[str, Any]:
    """Bring a build through every stage."""
    run(asked, "fetch")
    run(asked, "unpack")
    pretend_compiled(asked)
    run(asked, "pack")
    return run(asked, "install")


def missing(asked: dict[str, Any]) -> list[str]:
    result: list[str] = run(asked, "plan", check=True)["missing"]
    return result


# ---- stages


def test_nothing_is_there_and_everything_is_missing(tmp_path: Path) -> None:
    asked = arguments(tmp_path)
    before = tree_of(tmp_path)
    planned = run(asked, "plan")
    assert planned["changed"] is False
    assert planned["missing"] == list(STAGES)
    assert planned["path"] == ""
    assert tree_of(tmp_path) == before


def test_check_mode_predicts_every_stage_and_writes_nothing(tmp_path: Path) -> None:
    asked = arguments(tmp_path)
    before = tree_of(tmp_path)
    for stage in STAGES:
        predicted = run(asked, stage, check=True)
        assert predicted["changed"] is True
        assert predicted["actions"] == [f"{stage} SPDK 20.07"]
        assert f"to do: {stage}\n" in predicted["diff"]["before"]
        assert f"to do: {stage}\n" not in predicted["diff"]["after"]
    assert tree_of(tmp_path) == before


def test_each_stage_is_done_once(tmp_path: Path) -> None:
    asked = arguments(tmp_path)
    for number, stage in enumerate(STAGES):
        if stage == "configure":
            pretend_compiled(asked)
        if stage in {"configure", "dpdk", "lib", "module", "app"}:
            continue
        done = run(asked, stage)
        assert done["changed"] is True, done
        assert done["missing"] == list(STAGES[number + 1 :])
        again = run(asked, stage)
        assert (again["changed"], again["actions"]) == (False, [])
        assert again["diff"]["before"] == again["diff"]["after"]
    installed = run(asked, "plan")
    assert installed["path"] == str(tmp_path / "prefix" / request(asked).name)
    assert installed["stamp"]["source"] == {"kind": "archive", "sha256": asked["sha256"]}
    assert installed["archive_sha256"] == sha256(Path(installed["archive"]))


def test_a_stage_out_of_order_is_refused(tmp_path: Path) -> None:
    assert run(arguments(tmp_path), "lib")["msg"] == (
        "Asked: stage lib of SPDK 20.07. Found: the stage fetch before it is not done. Do: run the stages in order: "
        "fetch, unpack, configure, dpdk, lib, module, app, pack, install (the role spdk does)."
    )


def test_all_of_an_archive_is_unpacked_and_patches_are_applied(tmp_path: Path) -> None:
    asked = arguments(tmp_path, patches=[{"name": "0001-answer.patch", "content": PATCH}])
    run(asked, "fetch")
    assert run(asked, "unpack")["changed"] is True
    src = request(asked).src
    assert (src / "lib/log/log.c").read_text() == "int answer = 42;\n"
    assert (src / "dpdk/drivers/bus/pci/pci.c").is_file()
    assert not (src / "dpdk/drivers/net/tap/tap.c").exists()
    assert (src / "scripts/rpc.py").stat().st_mode & 0o111


def test_a_patch_that_does_not_apply_leaves_no_tree(tmp_path: Path) -> None:
    patch = {"name": "0001-answer.patch", "content": PATCH.replace("41", "40")}
    asked = arguments(tmp_path, patches=[patch])
    run(asked, "fetch")
    failed = run(asked, "unpack")["msg"]
    assert "Asked: SPDK 20.07 with the patch 0001-answer.patch. Found: patch ended with 1: " in failed
    assert f"make 0001-answer.patch for SPDK 20.07; the whole output is in {tmp_path}/build.log" in failed
    assert missing(asked)[0] == "unpack"


def test_half_a_fetch_or_half_a_tree_is_begun_anew(tmp_path: Path) -> None:
    asked = arguments(tmp_path)
    claim(request(asked).cache)  # as a run that was cut off leaves it
    partial = request(asked).downloads / "partial" / "archive"
    partial.parent.mkdir(parents=True)
    partial.write_bytes(b"half")
    assert missing(asked)[0] == "fetch"
    run(asked, "fetch")
    assert not partial.exists()
    claim(request(asked).cache)
    half = request(asked).tree / "src.partial" / "lib"
    half.mkdir(parents=True)
    (half / "half.c").write_text("")
    # Cut off between the rename and the note of it.
    (request(asked).src / "lib").mkdir(parents=True)
    assert missing(asked)[0] == "unpack"
    run(asked, "unpack")
    assert missing(asked)[0] == "configure"
    assert not (request(asked).src / "lib" / "half.c").exists()


# ---- stamp


@pytest.mark.parametrize(
    "other",
    [
        {"sha256": "0" * 64},
        {"source": "git"},
        {"patches": [{"name": "a.patch", "content": ""}]},
        {"cpu": "x86-64-v3"},
        {"debug_info": True},
        {"sanitize": True},
    ],
    ids=lambda other: next(iter(other)),
)
def test_the_stamp_changes_with_what_the_build_is_made_of(tmp_path: Path, other: dict[str, Any]) -> None:
    asked = arguments(tmp_path)
    assert request(asked).stamp != request({**asked, **other}).stamp


def test_the_stamp_knows_the_release_and_the_order_of_patches() -> None:
    assert Request("20.07", "debian", platform="debian-12").stamp != Request("20.07", "debian").stamp
    patches = [{"name": name, "content": ""} for name in ("a.patch", "b.patch")]
    one, other = ({"version": "20.07", "sha256": "", "patches": order} for order in (patches, patches[::-1]))
    assert request(one).stamp != request(other).stamp


def test_the_stamp_does_not_change_with_how_it_is_made(tmp_path: Path) -> None:
    asked = arguments(tmp_path)
    how: list[dict[str, Any]] = [
        {"jobs": 7},
        {"prefix": "/x"},
        {"cache": "/x"},
        {"log": "/x"},
        {"suite": "sid"},
        {"archive": "/x"},
    ]
    for other in how:
        assert request(asked).stamp == request({**asked, **other}).stamp


def test_another_stamp_is_another_build_beside_the_first(tmp_path: Path) -> None:
    asked = arguments(tmp_path)
    first = build(asked)["path"]
    second = build({**asked, "debug_info": True})["path"]
    assert first != second
    assert (tmp_path / "prefix/current").resolve() == Path(second)
    assert Path(first).is_dir()
    # And back: the first one's archive is still there, nothing is built.
    assert missing(asked) == ["install"]
    assert run(asked, "install")["path"] == first


def test_a_sanitized_build_lies_beside_the_plain_one(tmp_path: Path) -> None:
    asked = arguments(tmp_path)
    sanitized = {**asked, "sanitize": True}
    plain = build(asked)["path"]
    assert missing(sanitized)[0] == "unpack", "the source is fetched once"
    beside = build(sanitized)["path"]
    assert (tmp_path / "prefix/current").resolve() == Path(plain)
    assert (tmp_path / "prefix/sanitized").resolve() == Path(beside)
    # Neither takes anything from the other that is in place.
    assert missing(asked) == missing(sanitized) == []
    stamp = json.loads((Path(beside) / "share/hello_ebpf/stamp.json").read_text())
    assert (stamp["configuration"]["ASAN"], stamp["configuration"]["UBSAN"]) == ("y", "y")
    assert run_module(spdk_build.main, {**asked, "state": "absent"})["changed"] is True
    assert not (tmp_path / "prefix").exists()


@pytest.mark.parametrize("there", [True, False], ids=["plain build", "no plain build"])
def test_a_sanitized_build_takes_the_plain_ones_dpdk(
    tmp_path: Path, there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = arguments(tmp_path)
    if there:
        build(asked)
    sanitized = {**asked, "sanitize": True}
    for stage in STAGES[: STAGES.index("configure")]:
        run(sanitized, stage)
    ran: list[str] = []
    shell = Shell(tmp_path / "build.log", -1)
    monkeypatch.setattr(shell, "run", lambda argv, **_: ran.append(f"{argv[0]}"))
    compiler = Compiler(request(sanitized), shell)
    dpdk = request(sanitized).src / "dpdk"
    if not there:
        (dpdk / "build-tmp").mkdir()
        (dpdk / "build-tmp/rte_build_config.h").write_text("#define RTE_USE_LIBBSD 1\n")
        monkeypatch.setattr("ansible.module_utils.hello_ebpf.spdk_build.compile.remove", lambda path: None)
        (dpdk / "build-tmp/meson-info").mkdir()
        (dpdk / "build-tmp/meson-info/intro-installed.json").write_text("{}")
    compiler.configure()
    compiler.dpdk()
    assert ("meson" in ran, "ninja" in ran) == (not there, not there)
    taken = [str(path.relative_to(dpdk / "build")) for path in (dpdk / "build").rglob("*") if path.is_file()]
    assert sorted(taken) == (["include/rte_eal.h", "lib/librte_eal.a"] if there else [])


# ---- result


def test_the_stamp_file_says_what_the_build_is_made_of(tmp_path: Path) -> None:
    asked = arguments(tmp_path, patches=[{"name": "0001-answer.patch", "content": PATCH}])
    root = Path(build(asked)["path"])
    stamp = json.loads((root / "share/hello_ebpf/stamp.json").read_text())
    assert stamp["schema"] == 1
    assert stamp["version"] == "20.07"
    assert stamp["stamp"] == request(asked).stamp
    assert stamp["patches"] == [{"name": "0001-answer.patch", "sha256": request(asked).patches[0].sha256}]
    assert stamp["compiler"].startswith("gcc")
    assert stamp["files"]["bin/nvmf_tgt"] == sha256(root / "bin/nvmf_tgt")
    assert stamp["files"].keys() == {
        name for name in tree_of(root) if (root / name).is_file() and not name.startswith("share/hello_ebpf")
    }


def test_the_archive_is_the_same_bytes_again(tmp_path: Path) -> None:
    asked = arguments(tmp_path)
    first = build(asked)["archive_sha256"]
    shutil.rmtree(tmp_path / "prefix")
    shutil.rmtree(tmp_path / "cache")
    # gzip and tar note whole seconds.
    before = int(time.time())
    until("another second has begun", lambda: int(time.time()) > before)
    assert build(asked)["archive_sha256"] == first


def test_the_archive_has_nothing_of_the_machine_in_it(tmp_path: Path) -> None:
    done = build(arguments(tmp_path))
    with tarfile.open(done["archive"]) as archive:
        members = archive.getmembers()
    names = [Path(member.name) for member in members]
    assert names == sorted(names)
    assert {(member.mtime, member.uid, member.gid, member.uname, member.gname) for member in members} == {
        (0, 0, 0, "root", "root")
    }
    assert {member.mode for member in members} == {0o755, 0o644}


def test_an_altered_file_is_put_back_without_building(tmp_path: Path) -> None:
    asked = arguments(tmp_path)
    root = Path(build(asked)["path"])
    whole = (root / "bin/nvmf_tgt").read_bytes()
    (root / "bin/nvmf_tgt").write_bytes(whole + b"#")
    (root / "lib/libspdk_log.a").unlink()
    assert missing(asked) == ["install"]
    done = run(asked, "install")
    assert "spoilt: bin/nvmf_tgt\nspoilt: lib/libspdk_log.a\n" in done["diff"]["before"]
    assert (root / "bin/nvmf_tgt").read_bytes() == whole
    assert missing(asked) == []


def test_a_lost_archive_is_packed_again_from_what_is_installed(tmp_path: Path) -> None:
    asked = arguments(tmp_path)
    done = build(asked)
    Path(done["archive"]).unlink()
    assert missing(asked) == ["pack"]
    run(asked, "pack")
    assert sha256(Path(done["archive"])) == done["archive_sha256"]
    assert missing(asked) == []


def test_a_program_that_is_another_version_is_not_installed(tmp_path: Path) -> None:
    asked = arguments(tmp_path)
    run(asked, "fetch")
    run(asked, "unpack")
    pretend_compiled(asked, says="SPDK v19.10")
    run(asked, "pack")
    archive = request(asked).build_archive
    assert run(asked, "install")["msg"] == (
        f"Asked: the build in {archive} on this machine, as SPDK v20.07. Found: its program says: SPDK v19.10. "
        "Do: remove that archive, and run again."
    )
    assert not (tmp_path / "prefix/current").exists()


def test_pkg_config_files_work_wherever_they_lie(tmp_path: Path) -> None:
    texts = pkg_config_files(request(arguments(tmp_path)))
    assert texts.keys() == {"hello_spdk.pc", "hello_spdk_target.pc"}
    for text in texts.values():
        assert str(tmp_path) not in text
        assert text.startswith("prefix=${pcfiledir}/../..\n")
        assert text.count("-Wl,--whole-archive,") == text.count(",--no-whole-archive ") == 1
        assert "sanitize" not in text
    assert "libspdk_nvmf.a" not in texts["hello_spdk.pc"]
    assert "${libdir}/libspdk_event_nvmf.a" in texts["hello_spdk_target.pc"]
    sanitized = pkg_config_files(request(arguments(tmp_path, sanitize=True)))
    assert {text.rpartition(" ")[2] for text in sanitized.values()} == {"-fsanitize=address,undefined\n"}


def test_an_archive_whose_files_are_not_the_stamps_is_refused(tmp_path: Path) -> None:
    asked = arguments(tmp_path)
    archive = Path(build(asked)["archive"])
    root = tmp_path / "repack"
    root.mkdir()
    subprocess.run(["tar", "-xzf", archive, "-C", root], check=True)
    stamp = root / "share/hello_ebpf/stamp.json"
    licence = '"share/licenses/spdk/LICENSE": "'
    stamp.write_text(stamp.read_text().replace(licence, f"{licence}0"))
    subprocess.run(["tar", "-czf", archive, "-C", root, "."], check=True)
    archive.with_name(f"{archive.name}.sha256").write_text(f"{sha256(archive)}  {archive.name}\n")
    shutil.rmtree(tmp_path / "prefix")
    assert "its stamp does not agree with share/licenses/spdk/LICENSE" in run(asked, "install")["msg"]


# ---- lock, objects, way back


def test_another_run_is_waited_for_and_named(tmp_path: Path) -> None:
    asked = arguments(tmp_path, lock_seconds=0)
    lock = tmp_path / "cache/lock"
    lock.parent.mkdir()
    hold = (
        "import fcntl, sys, time; f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_EX); "
        "f.write('process 7: lib SPDK 20.07'); f.flush(); print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", hold, str(lock)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        failed = run(asked, "fetch")["msg"]
        holder.kill()
    assert failed == (
        f"Asked: fetch SPDK 20.07, alone in {tmp_path}/cache. Found: {lock} was held for 0 seconds by process 7: lib "
        "SPDK 20.07, or by what that started. Do: wait for the other run, or end it."
    )
    assert run(asked, "fetch")["changed"] is True


def test_a_half_written_object_is_known() -> None:
    table = 200
    header = ELF_HEADER.pack(b"\x7fELF", table, 64, 3, 2)
    whole = header.ljust(table, b"\0") + bytes(64 * 3)
    assert is_whole_object(whole)
    assert not any(is_whole_object(whole[:size]) for size in range(len(whole)))
    assert not is_whole_object(bytes(len(whole)))
    assert not is_whole_object(struct.pack("<4s", b"\x7fELF").ljust(len(whole), b"\0"))


def test_a_real_object_is_whole(tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text("int answer(void) { return 42; }\n")
    subprocess.run(["gcc", "-c", "a.c"], cwd=tmp_path, check=True)
    content = (tmp_path / "a.o").read_bytes()
    assert is_whole_object(content)
    assert not is_whole_object(content[:-1])


def test_removed_once_and_a_strangers_file_stays(tmp_path: Path) -> None:
    asked = arguments(tmp_path)
    build(asked)
    (tmp_path / "prefix/strange").write_text("")
    absent = {**asked, "state": "absent"}
    before = tree_of(tmp_path)
    predicted = run_module(spdk_build.main, absent, check=True)
    assert tree_of(tmp_path) == before
    done = run_module(spdk_build.main, absent)
    assert predicted["actions"] == done["actions"] != []
    assert predicted["diff"] == done["diff"]
    assert tree_of(tmp_path) == ["prefix", "prefix/strange", "spdk.tar.gz"]
    again = run_module(spdk_build.main, absent)
    assert (again["changed"], again["actions"]) == (False, [])


def test_what_others_have_put_inside_stays(tmp_path: Path) -> None:
    asked = arguments(tmp_path)
    root = Path(build(asked)["path"])
    theirs = [
        root / "lib/theirs",
        tmp_path / "prefix/theirs",
        *(tmp_path / f"cache/{name}theirs" for name in ("", "archives/")),
    ]
    for path in theirs:
        path.write_text("years of work")
    # One file of the build is altered: it is installed anew, over nobody's work.
    (root / "lib/libspdk_log.a").unlink()
    assert run(asked, "install")["msg"] == (
        f"Asked: {root} for this build of SPDK alone. Found: there is what the lab did not put there (lib/theirs). "
        "Do: move it away, or name another folder."
    )
    absent = {**asked, "state": "absent"}
    for changed in (True, False):
        assert run_module(spdk_build.main, absent, check=True)["changed"] is changed
        assert run_module(spdk_build.main, absent)["changed"] is changed
        assert [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "spdk.tar.gz"] != []
        assert sorted(path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".gz") == sorted(theirs)


def test_a_cache_that_holds_others_files_is_refused_and_stays(tmp_path: Path) -> None:
    asked = arguments(tmp_path)
    (tmp_path / "cache/build").mkdir(parents=True)
    (tmp_path / "cache/build/theirs").write_text("years of work")
    before = tree_of(tmp_path)
    assert run(asked, "plan")["msg"] == (
        f"Asked: {tmp_path}/cache for the lab's work alone. Found: there is what the lab did not put there "
        "(build/theirs). Do: move it away, or name another folder."
    )
    assert run_module(spdk_build.main, {**asked, "state": "absent"})["actions"] == []
    assert tree_of(tmp_path) == before


def test_nothing_of_ours_is_left(tmp_path: Path) -> None:
    asked = arguments(tmp_path)
    run(asked, "fetch")
    run(asked, "unpack")
    run_module(spdk_build.main, {**asked, "state": "absent"})
    assert tree_of(tmp_path) == ["spdk.tar.gz"]
