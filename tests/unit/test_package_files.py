"""debian_package_files with real packages: {check, run, diff, run again}, what is taken again, refusals."""

from __future__ import annotations

import subprocess
from pathlib import Path

import debian_package_files
import pytest
from ansible.module_utils.hello_ebpf.errors import LabError
from ansible.module_utils.hello_ebpf.package_files import STAMP, PackageFiles, Request, State, render
from ansible.module_utils.hello_ebpf.packages import Apt
from ansible.module_utils.hello_ebpf.plan import Outcome, converge
from ansible.module_utils.hello_ebpf.removal import claim

from debian_machine import DAY, Debian
from module_run import run_module

FILES = {"lib/libx.a": "usr/lib/*/libx.a", "include/x.h": "usr/include/x.h"}
CONTROL = "Package: libx-dev\nVersion: {version}\nArchitecture: all\nMaintainer: x\nDescription: x\n"
TAKE = "take lib/libx.a, include/x.h out of libx-dev into"


class Machine(Debian):
    """One whose mirror has libx-dev, in a version of one's choice."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.dest = self.folder / "hello_ebpf" / "x"
        self.publish("1.0-1")

    def publish(self, version: str, extra: str = "") -> None:
        """The mirror has this version, and the machine's lists know it."""
        root = self.folder / f"root-{version}"
        for name, text in {
            "usr/lib/x86_64-linux-gnu/libx.a": f"library {version}",
            "usr/include/x.h": "header",
            "usr/share/doc/x": "much more",
            **({extra: "one more"} if extra else {}),
            "DEBIAN/control": CONTROL.format(version=version),
        }.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        (root / "usr/lib/x86_64-linux-gnu/libx.so").symlink_to("libx.so.1")
        self.package = self.folder / f"libx-dev_{version}_all.deb"
        subprocess.run(
            ["dpkg-deb", "--root-owner-group", "--build", root, self.package], check=True, capture_output=True
        )
        self.mirror = {"libx-dev": version}

    def run(self, args: list[str], *, environ_update: dict[str, str] | None = None) -> tuple[int, str, str]:
        match args:
            case ["dpkg-deb", *_]:
                done = subprocess.run(args, capture_output=True, text=True, check=False)
                return done.returncode, done.stdout, done.stderr
            case ["env", chdir, *_, "download", wanted]:
                answer = super().run(["apt-get", "download"], environ_update=environ_update)
                if answer[0]:
                    return answer
                if "=" in wanted and not wanted.endswith(f"={self.mirror['libx-dev']}"):
                    return 100, "", f"E: Version '{wanted.partition('=')[2]}' for 'libx-dev' was not found\n"
                copy = Path(chdir.removeprefix("--chdir=")) / self.package.name
                copy.write_bytes(self.package.read_bytes())
                return 0, "", ""
        return super().run(args, environ_update=environ_update)

    def _install(self, args: list[str]) -> tuple[int, str, str]:
        return (0, "", "") if args == ["apt-get", "download"] else super()._install(args)

    def take(
        self, state: str = "present", *, check: bool = False, version: str = "", files: dict[str, str] | None = None
    ) -> Outcome[State]:
        request = Request("libx-dev", self.dest, files or FILES, version)
        work = PackageFiles(request, Apt(self.run, self.host()), check=check)
        if state == "absent":
            return converge(work.read, work.plan_absent, work.predict_absent, check=check)
        return converge(work.read, work.plan, work.predict, check=check)

    def everything(self) -> list[str]:
        return sorted(str(path.relative_to(self.dest)) for path in self.dest.rglob("*") if path.is_file())


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path)
    made.refreshed(60)
    return made


def test_check_predicts_the_files_are_taken_and_a_second_run_asks_nobody(machine: Machine) -> None:
    predicted = machine.take(check=True)
    assert not machine.dest.exists()
    done = machine.take()
    assert predicted.actions == done.actions == [f"{TAKE} {machine.dest} (nothing is there)"]
    assert (predicted.after.version, done.after.version) == ("1.0-1", "1.0-1")
    assert machine.everything() == [STAMP, "include/x.h", "lib/libx.a"]
    assert (machine.dest / "lib/libx.a").read_text() == "library 1.0-1"
    assert (machine.dest / "lib/libx.a").stat().st_mode & 0o777 == 0o644
    machine.commands.clear()
    again = machine.take()
    assert (again.actions, machine.commands) == ([], [])
    assert machine.take(check=True).actions == []


def test_the_diff_shows_each_file(machine: Machine) -> None:
    done = machine.take()
    assert render(done.before) == "absent\n"
    assert render(done.after).splitlines()[0] == "from libx-dev 1.0-1"
    assert [line.split(":")[0] for line in render(done.after).splitlines()[1:]] == ["lib/libx.a", "include/x.h"]


def test_a_newer_version_is_taken_only_when_it_is_asked_for(machine: Machine) -> None:
    machine.take()
    machine.publish("2.0-1")
    assert machine.take().actions == []
    done = machine.take(version="2.0-1")
    assert done.actions == [f"{TAKE} {machine.dest} (version 1.0-1 is there, asked is 2.0-1)"]
    assert (machine.dest / "lib/libx.a").read_text() == "library 2.0-1"
    with pytest.raises(LabError) as refused:
        machine.take(version="3.0-1")
    assert str(refused.value) == (
        "Asked: the package libx-dev=3.0-1 from this machine's archives. "
        "Found: apt says: E: Version '3.0-1' for 'libx-dev' was not found. "
        "Do: mend what apt names (space, network, a version that the archive no longer has), then run again."
    )
    assert (machine.dest / "lib/libx.a").read_text() == "library 2.0-1"


def test_an_altered_file_and_an_altered_stamp_are_mended(machine: Machine) -> None:
    machine.take()
    (machine.dest / "include/x.h").write_text("altered")
    assert machine.take().actions == [f"{TAKE} {machine.dest} (changed or missing: include/x.h)"]
    (machine.dest / "lib/libx.a").unlink()
    assert machine.take().actions == [f"{TAKE} {machine.dest} (changed or missing: lib/libx.a)"]
    (machine.dest / STAMP).write_text("{")
    assert machine.take().actions == [f"{TAKE} {machine.dest} (changed or missing: {STAMP})"]
    assert machine.take().actions == []


def test_other_files_are_asked_for(machine: Machine) -> None:
    machine.take()
    done = machine.take(files={"x.h": "usr/include/x.h"})
    assert done.actions == [
        f"take x.h out of libx-dev into {machine.dest} (lib/libx.a, include/x.h of libx-dev is there)"
    ]
    assert machine.everything() == [STAMP, "x.h"]


def test_what_a_run_that_was_cut_off_left_is_removed(machine: Machine) -> None:
    machine.take()
    left = machine.dest.parent / ".x.new"
    claim(left)
    assert machine.take().actions == [f"remove {left}"]
    assert machine.take().actions == []


def test_lists_are_refreshed_where_there_are_none_or_they_are_old(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    assert machine.take(check=True).after.version == "newest"
    machine.take()
    assert len(machine.ran("update")) == 1
    machine.take("absent")
    machine.refreshed(2 * DAY)
    machine.take()
    assert len(machine.ran("update")) == 2


def test_lists_that_name_what_the_mirror_has_replaced_are_refreshed(machine: Machine) -> None:
    machine.failures = [("download", "E: Failed to fetch libx-dev  404  Not Found")]
    assert machine.take().after.version == "1.0-1"
    assert len(machine.ran("update")) == 1


def test_a_package_that_the_release_does_not_have(machine: Machine) -> None:
    machine.mirror = {}
    for check in (True, False):
        with pytest.raises(LabError) as refused:
            machine.take(check=check)
        assert str(refused.value) == (
            "Asked: the package(s) libx-dev. "
            "Found: the package lists of Debian GNU/Linux 12 (bookworm) have no package of that name to install. "
            "Do: correct the name for this release, or enable the archive component that holds it (of Ubuntu: "
            "universe) in /etc/apt and run apt-get update."
        )
    assert not machine.dest.parent.exists()


@pytest.mark.parametrize(
    ("pattern", "wrong"),
    [
        ("usr/include/y.h", "usr/include/y.h (none)"),
        ("usr/lib/x86_64-linux-gnu/libx.so", "usr/lib/x86_64-linux-gnu/libx.so (none)"),
        ("usr/*/x.h", "usr/*/x.h (usr/include/x.h and usr/other/x.h)"),
        ("usr/*", "usr/* (none)"),
    ],
)
def test_a_path_that_fits_not_exactly_one_file(pattern: str, wrong: str, machine: Machine) -> None:
    machine.publish("1.0-2", "usr/other/x.h")
    with pytest.raises(LabError) as refused:
        machine.take(files={"file": pattern})
    assert str(refused.value) == (
        f"Asked: {pattern} out of libx-dev_1.0-2_all.deb. Found: not exactly one plain file fits {wrong}. "
        "Do: correct the path; dpkg-deb --contents libx-dev_1.0-2_all.deb lists what there is."
    )
    assert not machine.dest.parent.exists()


def test_a_folder_that_holds_something_else(machine: Machine) -> None:
    machine.dest.mkdir(parents=True)
    (machine.dest / "mine").touch()
    with pytest.raises(LabError) as refused:
        machine.take()
    assert str(refused.value) == (
        f"Asked: {machine.dest} for files of libx-dev alone. "
        f"Found: {machine.dest} holds what was not taken from a package (it has no {STAMP}). "
        "Do: move it away, or name another folder."
    )
    assert machine.take("absent").actions == []
    assert (machine.dest / "mine").exists()


def test_what_others_have_put_inside_stays_and_is_named_before_a_taking(machine: Machine) -> None:
    machine.take()
    (machine.dest / "mine").touch()
    assert machine.take().actions == []
    with pytest.raises(
        LabError, match=r"\(.* is there\)\. Found: there is what the lab did not put there \(mine\)\. Do: move"
    ):
        machine.take(files={"x.h": "usr/include/x.h"})
    assert len(machine.take("absent").actions) == 1
    assert machine.take("absent").actions == []
    assert machine.everything() == ["mine"]


def test_absent_removes_it_and_the_projects_empty_folder(machine: Machine) -> None:
    machine.take()
    predicted = machine.take("absent", check=True)
    assert machine.dest.exists()
    done = machine.take("absent")
    assert predicted.actions == done.actions == [f"remove {machine.dest}"]
    assert not machine.dest.parent.exists()
    assert machine.take("absent").actions == []


def test_the_module_itself(machine: Machine) -> None:
    machine.take()
    asked = {"package": "libx-dev", "dest": str(machine.dest), "files": FILES}
    result = run_module(debian_package_files.main, asked)
    assert (result["changed"], result["version"], sorted(result["files"])) == (False, "1.0-1", sorted(FILES))
    assert "missing: files" in run_module(debian_package_files.main, {"package": "x", "dest": "/x"})["msg"]
    assert run_module(debian_package_files.main, {**asked, "state": "absent"})["actions"] == [f"remove {machine.dest}"]
