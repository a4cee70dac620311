# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Packages from a builder to the controller to a node, {check, run, run again}: the real dpkg and apt, and both halves.

Builder and node are this machine: a package is installed in a dpkg database of the test's own, below the test's folder.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import distribution
import pytest
from ansible.errors import AnsibleActionFail
from ansible.module_utils.hello_ebpf.distribution.folder import heading, read_sums, sources_digest
from ansible.module_utils.hello_ebpf.distribution.node import Machine, Node, Request
from ansible.module_utils.hello_ebpf.errors import LabError
from ansible.module_utils.hello_ebpf.packages import Apt, Host
from ansible.module_utils.hello_ebpf.release import platform_name
from ansible.module_utils.hello_ebpf.removal import claim, seal

from conftest import ROOT, loaded
from dpkg_database import dpkg_database
from module_run import run_module

HERE = platform_name(Path("/etc/os-release").read_text())
V2 = "flags\t\t: fpu cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3\n"
SPDK, TARGET = "hello-ebpf-spdk", "hello-ebpf-target"


ACTION = loaded("plugins/action/distribution.py")


class Controller(ACTION.ActionModule):  # type: ignore[misc,name-defined]
    """The plugin, with this machine at the other end of its connection."""

    def __init__(self, root: Path, args: dict[str, Any], *, check: bool, spoil: Callable[[Path], object]) -> None:
        shell = SimpleNamespace(tmpdir=str(root / "sent"), join_path=lambda *parts: "/".join(parts))
        self._connection = SimpleNamespace(_shell=shell, fetch_file=self._transfer_file)
        self._task = SimpleNamespace(args=args, check_mode=check, async_val=0)
        self._spoil = spoil

    def _execute_module(self, *, module_args: dict[str, Any], **_more: object) -> dict[str, Any]:
        return run_module(distribution.main, module_args, check=self._task.check_mode)

    def _make_tmp_path(self, *_more: object) -> str:
        folder: str = self._connection._shell.tmpdir
        Path(folder).mkdir()
        return folder

    def _transfer_file(self, source: str, dest: str) -> None:
        shutil.copyfile(source, dest)
        self._spoil(Path(dest))

    def _fixup_perms2(self, *_more: object) -> None:
        pass

    def _remove_tmp_path(self, path: str, **_more: object) -> None:
        shutil.rmtree(path)


class Fleet:
    """Folders of a builder, of the controller and of a node."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.opt = root / "hello_ebpf/opt"
        self.parts = [self.opt / "spdk", self.opt / "csd_target"]
        self.here = root / "controller/build1"
        self.cache = root / "hello_ebpf/cache/distribution"
        self.record = self.opt / "distribution.json"
        self.spoil: Callable[[Path], object] = lambda _path: None
        # What debian_build returned.
        self.built: dict[str, dict[str, Any]] = {}

    def build(self, package: str, version: str, platform: str = HERE, more: str = "") -> None:
        """What a builder packs: SPDK's current build with the link to it, or a target with its program."""
        stage = self.root / "stage"
        part = Path(f"{stage}{self.parts[package == TARGET]}")
        build = part / "bin" if package == TARGET else part / f"20.07-{version}"
        build.mkdir(parents=True)
        (build / "program.py").write_text(version)
        if package == SPDK:
            (part / "current").symlink_to(build.name)
        (stage / "DEBIAN").mkdir()
        (stage / "DEBIAN/control").write_text(
            f"Package: {package}\nVersion: {version}\nArchitecture: all\nMaintainer: nobody <nobody@invalid>\n"
            f"Description: a test's\nHello-Ebpf-Platform: {platform}\nHello-Ebpf-Cpu: x86-64-v2\n{more}"
        )
        sums = "find . -path ./DEBIAN -prune -o -type f -printf '%P\\0' | xargs -0 md5sum >DEBIAN/md5sums"
        subprocess.run(["sh", "-c", sums], cwd=stage, check=True)
        file = self.root / "packages" / f"{package}_{version}_all.deb"
        file.parent.mkdir(exist_ok=True)
        subprocess.run(["dpkg-deb", "-Zgzip", "--root-owner-group", "--build", stage, file], check=True)
        shutil.rmtree(stage)
        self.built[package] = {"package": package, "version": version, "file": str(file)}

    def run(self, *, check: bool = False, **args: Any) -> dict[str, Any]:
        own = {"folders": list(map(str, self.parts)), "cache": str(self.cache), "record": str(self.record)}
        work = Controller(self.root, own | args, check=check, spoil=self.spoil)
        result: dict[str, Any] = work.run(task_vars={})
        return result

    def fetch(self, *, check: bool = False) -> dict[str, Any]:
        return self.run(check=check, state="fetched", built=list(self.built.values()), folder=str(self.here))

    def install(self, *, check: bool = False) -> dict[str, Any]:
        """As the role does, with a builder in this run."""
        packages = {name: one["version"] for name, one in self.built.items()}
        return self.run(check=check, folder=str(self.here), packages=packages)

    def brought(self) -> list[str]:
        return sorted(path.name for path in self.cache.iterdir()) if self.cache.is_dir() else []

    def tree(self) -> list[str]:
        paths = [path for path in self.opt.rglob("*") if path.is_symlink() or not path.is_dir()]
        return sorted(str(path.relative_to(self.opt)) for path in paths)


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    for name, value in dpkg_database(tmp_path / "dpkg").items():
        monkeypatch.setenv(name, value)
    # Nothing of the machine's own is needed, and apt is faster without.
    (tmp_path / "dpkg/status").write_text("")
    with (tmp_path / "dpkg/apt.conf").open("a") as file:
        file.write(f'Dir::State::lists "{tmp_path}/dpkg/lists/";\n')
    made = Fleet(tmp_path)
    made.build(SPDK, "1+a")
    made.build(TARGET, "1+a")
    return made


@pytest.fixture
def node(fleet: Fleet) -> Fleet:
    """One that has everything installed."""
    fleet.fetch()
    assert fleet.install()["stale"] == [SPDK, TARGET]
    return fleet


def version_of(package: str) -> str:
    """What dpkg says."""
    asked = ["dpkg-query", "-W", "-f", "${Version} ${db:Status-Status}", package]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout


WHOLE = ["csd_target/bin/program.py", "spdk/20.07-1+a/program.py", "spdk/current"]


# ---- from the builder to the controller


def test_fetched_once_and_sha256sum_agrees(fleet: Fleet) -> None:
    predicted = fleet.fetch(check=True)
    assert not fleet.here.exists()
    done = fleet.fetch()
    assert predicted["actions"] == done["actions"]
    assert done["actions"][:2] == [f"fetch {SPDK}_1+a_all.deb", f"fetch {TARGET}_1+a_all.deb"]
    assert done["packages"] == {SPDK: "1+a", TARGET: "1+a"}
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=fleet.here, check=True)
    assert read_sums(fleet.here)[0] == heading(HERE, "x86-64-v2", ROOT)
    assert fleet.fetch()["changed"] is fleet.fetch(check=True)["changed"] is False


def test_another_version_takes_the_old_ones_place_and_what_is_not_ours_stays(fleet: Fleet) -> None:
    fleet.fetch()
    for name in ("notes.txt", "theirs.deb", "hello_ebpf-debian-12-x86-64-v2-0123.tar.gz"):
        (fleet.here / name).touch()
    fleet.build(TARGET, "1+b")
    assert fleet.fetch()["actions"][0] == f"fetch {TARGET}_1+b_all.deb"
    names = [f"{SPDK}_1+a_all.deb", f"{TARGET}_1+b_all.deb", "SHA256SUMS", "notes.txt", "theirs.deb"]
    assert sorted(path.name for path in fleet.here.iterdir()) == sorted(names)


def test_what_arrives_damaged_on_the_controller_is_no_package(fleet: Fleet) -> None:
    fleet.spoil = lambda path: path.write_bytes(b"half")
    with pytest.raises(AnsibleActionFail, match=r"Found: what arrived has [0-9a-f]{64}\. Do: run again"):
        fleet.fetch()
    assert list(fleet.here.iterdir()) == []


def test_what_was_altered_on_the_controller_is_fetched_again(fleet: Fleet) -> None:
    fleet.fetch()
    (fleet.here / f"{TARGET}_1+a_all.deb").write_bytes(b"half")
    assert fleet.fetch()["actions"] == [f"fetch {TARGET}_1+a_all.deb"]
    assert fleet.fetch()["changed"] is False


def test_a_package_that_is_not_made_is_to_come_in_check_mode(fleet: Fleet) -> None:
    fleet.built[TARGET] |= {"version": "", "file": ""}
    predicted = fleet.fetch(check=True)
    assert predicted["actions"][0] == f"fetch {TARGET}"
    assert predicted["packages"] == {SPDK: "1+a", TARGET: ""}


def test_a_file_that_the_builder_has_lost_is_the_controllers(fleet: Fleet) -> None:
    fleet.fetch()
    Path(fleet.built[TARGET]["file"]).unlink()
    assert fleet.fetch()["changed"] is False
    (fleet.here / f"{TARGET}_1+a_all.deb").unlink()
    with pytest.raises(AnsibleActionFail) as error:
        fleet.fetch()
    assert error.value.message == (
        f"Asked: the packages {TARGET} of this builder. Found: neither it nor the controller has their files any more. "
        "Do: remove them there (dpkg --purge), so that they are built again."
    )


# ---- from the controller to a node


def test_check_mode_predicts_before_any_package_exists(fleet: Fleet) -> None:
    for one in fleet.built.values():
        one |= {"version": "", "file": ""}
    predicted = fleet.install(check=True)
    assert (predicted["changed"], predicted["stale"]) == (True, [SPDK, TARGET])
    assert fleet.tree() == fleet.brought() == []


def test_installed_once_as_it_was_packed(fleet: Fleet) -> None:
    fleet.fetch()
    predicted = fleet.install(check=True)
    assert fleet.tree() == fleet.brought() == []
    done = fleet.install()
    assert predicted["actions"] == done["actions"]
    assert predicted["stale"] == done["stale"] == [SPDK, TARGET]
    assert predicted["diff"] == done["diff"]
    assert done["sent_bytes"] == sum(path.stat().st_size for path in fleet.here.glob("*.deb"))
    assert fleet.tree() == WHOLE
    assert version_of(SPDK) == version_of(TARGET) == "1+a installed"
    for check in (True, False):
        again = fleet.install(check=check)
        assert (again["actions"], again["stale"], again["sent_bytes"]) == ([], [], 0)


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("how", ["altered", "removed"])
def test_what_was_altered_is_put_back_and_nothing_is_sent(node: Fleet, name: str, how: str) -> None:
    path = node.opt / name
    if path.is_symlink() and how == "altered":
        path.rename(path.with_name("moved"))
    elif how == "altered":
        path.write_text("altered")
    else:
        path.unlink()
    package = TARGET if "csd_target" in name else SPDK
    assert node.install(check=True)["stale"] == [package]
    done = node.install()
    assert (done["actions"], done["sent_bytes"]) == ([f"install {package} 1+a"], 0)
    assert set(WHOLE) <= set(node.tree())
    assert node.install()["changed"] is False


def test_only_the_package_that_is_another_is_sent_and_installed(node: Fleet) -> None:
    spdk = (node.parts[0] / "current/program.py").stat().st_ino
    node.build(TARGET, "1+b")
    node.fetch()
    assert node.install(check=True)["previous"] == {TARGET: "1+a"}
    done = node.install()
    assert (done["stale"], done["previous"]) == ([TARGET], {TARGET: "1+a"})
    assert done["sent_bytes"] == (node.here / f"{TARGET}_1+b_all.deb").stat().st_size
    assert (node.parts[1] / "bin/program.py").read_text() == "1+b"
    assert (node.parts[0] / "current/program.py").stat().st_ino == spdk


def test_another_spdk_takes_the_place_of_the_one_before(node: Fleet) -> None:
    node.build(SPDK, "1+b")
    node.fetch()
    node.install()
    assert node.tree() == ["csd_target/bin/program.py", "spdk/20.07-1+b/program.py", "spdk/current"]


def test_the_packages_of_before_can_be_put_back(node: Fleet) -> None:
    """Of versions that dpkg takes for older and for newer ones; the one before the last is no longer kept."""
    for version in ("1+c", "1+b"):
        node.build(TARGET, version)
        node.fetch()
        done = node.install()
    assert node.brought() == [f"{SPDK}_1+a_all.deb", f"{TARGET}_1+b_all.deb", f"{TARGET}_1+c_all.deb"]
    back = node.run(packages=done["previous"])
    assert back["actions"] == [f"install {TARGET} 1+c"]
    assert version_of(TARGET) == "1+c installed"
    assert version_of(SPDK) == "1+a installed"
    forward = node.install()
    assert (forward["stale"], forward["sent_bytes"]) == ([TARGET], 0)
    assert node.run(packages={TARGET: "1+z"})["msg"].startswith(
        f"Asked: {TARGET} 1+z. Found: {node.cache} has no such package."
    )


def test_what_dpkg_has_but_the_cache_has_lost_is_kept_again_and_not_installed_again(node: Fleet) -> None:
    program = (node.parts[1] / "bin/program.py").stat().st_ino
    shutil.rmtree(node.cache)
    done = node.install()
    assert done["actions"] == [f"keep {SPDK}_1+a_all.deb", f"keep {TARGET}_1+a_all.deb"]
    assert done["stale"] == []
    assert (node.parts[1] / "bin/program.py").stat().st_ino == program


def test_what_cannot_be_installed_is_told_in_apts_words(fleet: Fleet) -> None:
    fleet.build(TARGET, "1+b", more="Depends: no-such-package-anywhere\n")
    fleet.fetch()
    assert "no-such-package-anywhere but it is not installable" in fleet.install()["msg"]
    assert version_of(TARGET) == ""


# ---- packages without the builder, and from elsewhere


def test_without_the_builder_what_it_made_of_the_present_sources_is_taken(fleet: Fleet) -> None:
    fleet.fetch()
    done = fleet.run(folder=str(fleet.here))
    assert done["stale"] == [SPDK, TARGET]
    sums = fleet.here / "SHA256SUMS"
    sums.write_text(sums.read_text().replace(sources_digest(ROOT), "000000000000"))
    with pytest.raises(AnsibleActionFail) as error:
        fleet.run(folder=str(fleet.here))
    assert error.value.message == (
        f"Asked: what build1 compiled, without build1 in this run. Found: {fleet.here} on the controller holds no "
        f"packages of the present sources ({sources_digest(ROOT)}). Do: let --limit name build1 too."
    )


def test_packages_from_elsewhere_need_nothing_but_sha256sums(fleet: Fleet) -> None:
    given = fleet.root / "packages"
    with pytest.raises(
        AnsibleActionFail, match=r"Found: there is no SHA256SUMS that names packages\. Do: correct dist"
    ):
        fleet.run(archive=str(given))
    subprocess.run(["sh", "-c", "sha256sum *.deb >SHA256SUMS"], cwd=given, check=True)
    digest = hashlib.sha256((given / "SHA256SUMS").read_bytes()).hexdigest()
    with pytest.raises(AnsibleActionFail) as error:
        fleet.run(archive=str(given), archive_sha256="0" * 64)
    assert error.value.message == (
        f"Asked: what is compiled, from {given} on the controller, whose SHA256SUMS has SHA-256 {'0' * 64}. Found: it "
        f"has {digest}. Do: fetch or make it again."
    )
    assert fleet.run(archive=str(given), archive_sha256=digest)["stale"] == [SPDK, TARGET]


def test_a_package_that_is_not_what_sha256sums_says_is_refused(fleet: Fleet) -> None:
    fleet.fetch()
    file = fleet.here / f"{TARGET}_1+a_all.deb"
    wanted = hashlib.sha256(file.read_bytes()).hexdigest()
    file.write_bytes(b"other")
    with pytest.raises(AnsibleActionFail) as error:
        fleet.run(folder=str(fleet.here))
    assert error.value.message == (
        f"Asked: {TARGET} 1+a from {fleet.here} on the controller, with SHA-256 {wanted}. Found: it has "
        f"{hashlib.sha256(b'other').hexdigest()}. Do: fetch or make it again."
    )
    assert fleet.tree() == []


# ---- refused before anything is changed


def test_what_arrives_damaged_changes_nothing(fleet: Fleet) -> None:
    fleet.fetch()
    fleet.spoil = lambda path: path.write_bytes(path.read_bytes()[:-1])
    said = fleet.install()["msg"]
    assert said.startswith(f"Asked: {SPDK}_1+a_all.deb with SHA-256 ")
    assert "Found: what arrived has " in said
    assert fleet.tree() == fleet.brought() == []


def test_another_release_is_refused(fleet: Fleet) -> None:
    fleet.build(TARGET, "1+a", platform="debian-99")
    fleet.fetch()
    for check in (True, False):
        assert fleet.install(check=check)["msg"] == (
            f"Asked: {TARGET} 1+a on this machine. Found: it was compiled on debian-99, and this machine is {HERE}. "
            "Do: let distribution_builder (or distribution_archive) be of this release."
        )
    assert fleet.tree() == fleet.brought() == []


def test_a_cpu_that_lacks_what_is_used_is_refused_by_name(fleet: Fleet) -> None:
    def command(args: list[str], **_more: object) -> tuple[int, str, str]:
        done = subprocess.run(args, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    request = Request({TARGET: "1+a"}, fleet.cache, fleet.record, tuple(fleet.parts), {}, fleet.root / "packages")
    apt = Apt(command, Host())
    fits, lacks = Machine(HERE, V2), Machine(HERE, V2.replace(" popcnt", "").replace(" sse4_2", ""))
    assert len(Node(request, fits, apt).plan(Node(request, fits, apt).read())) == 1
    work = Node(request, lacks, apt)
    with pytest.raises(LabError) as error:
        work.plan(work.read())
    assert str(error.value) == (
        f"Asked: {TARGET} 1+a on this machine. Found: it needs x86-64-v2, and this machine's CPU lacks popcnt, sse4_2. "
        "Do: take the machine out of the inventory, or give the virtual machine a CPU model that has them."
    )


def test_other_folders_than_the_builders_are_refused(fleet: Fleet) -> None:
    fleet.fetch()
    said = fleet.run(folder=str(fleet.here), folders=["/opt/other"])["msg"]
    assert said.startswith(
        f"Asked: {SPDK} 1+a on this machine in /opt/other. Found: it has its files elsewhere ({fleet.parts[0]}/"
    )
    assert fleet.tree() == []


def test_a_strangers_file_is_not_replaced_and_one_beside_stays(fleet: Fleet) -> None:
    fleet.fetch()
    theirs = fleet.parts[1] / "bin/program.py"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("theirs")
    for check in (True, False):
        assert fleet.install(check=check)["msg"] == (
            f"Asked: {theirs.parent} for {TARGET}. Found: there is what the lab did not put there (program.py). "
            "Do: move it away, or name another folder."
        )
    assert fleet.tree() == ["csd_target/bin/program.py"]
    theirs.rename(theirs.with_name("notes.txt"))
    fleet.install()
    assert fleet.tree() == ["csd_target/bin/notes.txt", *WHOLE]


# ---- what the release before had installed


def of_the_release_before(fleet: Fleet) -> None:
    """A sealed folder and the record of an archive; a folder that was compiled here, with its stamp."""
    spdk = fleet.parts[0]
    claim(spdk)
    (spdk / "20.07-old").mkdir()
    (spdk / "20.07-old/program").touch()
    (spdk / "current").symlink_to("20.07-old")
    seal(spdk)
    (spdk / "notes.txt").touch()
    target = fleet.parts[1]
    (target / "bin").mkdir(parents=True)
    (target / "bin/program.py").touch()
    (target / ".make_install.json").write_text(json.dumps({"files": ["bin/program.py"]}))
    fleet.record.write_text(json.dumps({"sha256": "0", "manifest": {"parts": {"spdk": {"path": str(spdk)}}}}))


def test_what_the_release_before_installed_is_taken_over(fleet: Fleet) -> None:
    fleet.fetch()
    of_the_release_before(fleet)
    predicted = fleet.install(check=True)
    done = fleet.install()
    assert predicted["actions"] == done["actions"]
    assert f"remove {fleet.parts[0]}, of the release before" in done["actions"]
    assert fleet.tree() == [*WHOLE, "spdk/notes.txt"]
    assert fleet.install()["changed"] is False


def test_what_the_release_before_installed_from_an_archive_is_removed(fleet: Fleet) -> None:
    of_the_release_before(fleet)
    for changed in (True, False):
        assert fleet.run(state="absent")["changed"] is changed
        assert fleet.tree() == ["csd_target/.make_install.json", "csd_target/bin/program.py", "spdk/notes.txt"]


# ---- removed


def test_removed_once_with_all_that_was_brought(node: Fleet) -> None:
    node.build(TARGET, "1+b")
    node.fetch()
    node.install()
    for part in ("csd_target/bin", "spdk/20.07-1+a"):
        (node.opt / part / "__pycache__").mkdir()
        (node.opt / part / "__pycache__/program.cpython-311.pyc").touch()
    predicted = node.run(state="absent", check=True)
    assert set(WHOLE) <= set(node.tree())
    done = node.run(state="absent")
    assert predicted["actions"] == done["actions"] != []
    assert version_of(TARGET).replace("not-installed", "") in {"", " "}
    assert not node.opt.exists()
    assert not node.cache.exists()
    assert [path.name for path in node.here.glob("*.deb")] != []
    assert node.run(state="absent")["changed"] is False


def test_what_was_compiled_here_and_what_others_put_there_is_not_removed(node: Fleet) -> None:
    """A package that did not come from a builder is not in the cache."""
    (node.cache / f"{SPDK}_1+a_all.deb").unlink()
    (node.cache / "notes.txt").touch()
    (node.parts[1] / "notes.txt").touch()
    node.run(state="absent")
    assert version_of(SPDK) == "1+a installed"
    assert node.brought() == ["notes.txt"]
    assert node.tree() == ["csd_target/notes.txt", *WHOLE[1:]]


# ---- names


def test_the_sources_digest_follows_what_is_compiled_and_nothing_else(tmp_path: Path) -> None:
    files = {
        "src/target/main.c": "int main;",
        "packaging/debian/control": "Source: x",
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
