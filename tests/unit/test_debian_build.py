# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""The module debian_build with real builds and the real dpkg and apt: {run, check, diff, run again}, cuts, removal."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import debian_build
import pytest
from ansible.module_utils.hello_ebpf.building import telling_lines
from ansible.module_utils.hello_ebpf.debian_build import OLD_OWNER, OLD_STAMP
from ansible.module_utils.hello_ebpf.debian_files import INGREDIENTS
from ansible.module_utils.hello_ebpf.made import Made

from conftest import ROOT
from dpkg_database import dpkg_database
from module_run import run_module
from waiting import until

MAKEFILE = """\
all: build/hello
build/hello: hello.c
	mkdir -p build && $(CC) $(FLAGS) -Wall -Werror -o $@ $<
install_hello: all
	install -D -m 755 build/hello $(DESTDIR)$(PREFIX)/bin/hello
	install -D -m 644 hello.c $(DESTDIR)$(PREFIX)/share/hello.c
"""
PACKAGING = {f"debian/{path.name}": path.read_text() for path in sorted((ROOT / "packaging/debian").iterdir())}
PACKAGE = "hello-ebpf-examples"


class Folder:
    """The sources on the controller, and the machine's folders under one that is named like the project's."""

    def __init__(self, root: Path, database: Path) -> None:
        self.root = root / "hello_ebpf"
        self.database = database
        self.dest = self.root / "opt" / "hello"
        self.program = self.dest / "bin" / "hello"
        self.log = self.root / "log" / "hello-build.log"
        self.packages = self.root / "packages"
        self.sources = {"Makefile": MAKEFILE, "hello.c": "int main(void)\n{\n\treturn 3;\n}\n", **PACKAGING}
        self.more: dict[str, Any] = {}

    def install(self, state: str = "present", *, check: bool = False) -> dict[str, Any]:
        params = {
            "name": "hello",
            "package": PACKAGE,
            "rooms": ["hello"],
            "sources": self.sources,
            "dest": str(self.dest),
            "cache": str(self.root / "cache"),
            "packages": str(self.packages),
            "log": str(self.log),
            "tool_versions": ["gcc --version"],
            "state": state,
        }
        return run_module(debian_build.main, params | self.more, check=check)

    def exit_code(self) -> int:
        return subprocess.run([self.program], check=False).returncode

    def everything(self) -> list[str]:
        return sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*"))

    def debs(self) -> list[str]:
        return sorted(path.name for path in self.packages.glob("*"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    for name, value in dpkg_database(tmp_path / "dpkg").items():
        monkeypatch.setenv(name, value)
    return Folder(tmp_path, tmp_path / "dpkg")


def said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def steps(folder: Folder, why: str, *, built: bool = True) -> list[str]:
    """The steps of a build and its install, or of the install alone."""
    build = [f"build {PACKAGE} ({why})"] if built else []
    return [*build, f"install {PACKAGE} in {folder.dest} ({why})"]


def test_built_and_installed_once(folder: Folder) -> None:
    predicted = folder.install(check=True)
    assert not folder.root.exists()
    done = folder.install()
    assert predicted["actions"] == done["actions"] == steps(folder, "nothing is installed")
    assert folder.exit_code() == 3
    for result in (predicted, done):
        assert result["package"] == PACKAGE
        assert result["file"] == f"{folder.packages}/{PACKAGE}_{result['version']}_amd64.deb"
    assert predicted["version"] == done["version"]
    assert folder.debs() == [Path(done["file"]).name]
    assert done["log"] == str(folder.log)
    before = folder.log.stat().st_mtime_ns
    assert folder.install()["actions"] == folder.install(check=True)["actions"] == []
    assert folder.log.stat().st_mtime_ns == before, "make ran again"


def test_dpkg_says_what_is_installed_and_of_what_it_was_made(folder: Folder) -> None:
    done = folder.install()
    status = said("dpkg-query", "-W", "-f", "${Version} ${db:Status-Abbrev} ${Depends}", PACKAGE)
    assert status.startswith(f"{done['version']} ii  libc6 (>= ")
    fields = "${Hello-Ebpf-Platform} ${Hello-Ebpf-Cpu}"
    assert said("dpkg-deb", "--show", "--showformat", fields, done["file"]).split()[1] == "x86-64-v2"
    listed = said("dpkg-query", "-L", PACKAGE).split()
    assert {str(folder.program), f"{folder.dest}/{INGREDIENTS}", f"{folder.dest}/share/hello.c"} < set(listed)
    assert said("dpkg", "--verify", PACKAGE) == ""
    ingredients = json.loads((folder.dest / INGREDIENTS).read_text())
    assert {"source hello.c", "source debian/rules", "gcc --version", "release", "make"} < set(ingredients)


def test_the_same_sources_give_the_same_bytes(folder: Folder) -> None:
    file = Path(folder.install()["file"])
    first = file.read_bytes()
    file.unlink()
    folder.program.unlink()
    assert folder.install()["actions"] == steps(folder, "changed or missing: bin/hello")
    assert file.read_bytes() == first


def test_the_diff_names_every_ingredient(folder: Folder) -> None:
    predicted, done = folder.install(check=True)["diff"], folder.install()["diff"]
    assert predicted == done
    assert done["before"] == "absent\n"
    compiler = said("gcc", "--version").splitlines()[0]
    lines = done["after"].splitlines()
    assert lines[0].startswith("version 0.1.0+")
    assert f"gcc --version: {compiler}" in lines
    assert [line.partition(": ")[0] for line in lines[1:3]] == ["source Makefile", "source hello.c"]


def test_each_ingredient_makes_it_build_again(folder: Folder, tmp_path: Path) -> None:
    library = tmp_path / "stamp.json"
    library.write_text("1")
    folder.more["inputs"] = [str(library)]
    folder.install()

    folder.sources["hello.c"] = "int main(void)\n{\n\treturn 4;\n}\n"
    expected = steps(folder, "changed: source hello.c")
    assert folder.install(check=True)["actions"] == folder.install()["actions"] == expected
    assert folder.exit_code() == 4

    folder.more["make_args"] = ["FLAGS=-O2"]
    assert folder.install()["actions"] == steps(folder, "changed: make")
    assert "-O2" in folder.log.read_text()

    folder.more["environment"] = {"FLAGS": "-O1"}
    assert folder.install()["actions"] == steps(folder, "changed: environment FLAGS")

    library.write_text("2")
    assert folder.install()["actions"] == steps(folder, f"changed: input {library}")

    folder.more["tool_versions"] = ["gcc --version", "make --version"]
    assert folder.install()["actions"] == steps(folder, "changed: make --version")
    assert folder.install()["actions"] == []


def test_the_package_of_before_stays_to_go_back_to(folder: Folder) -> None:
    first = folder.install()
    original = folder.sources["hello.c"]
    folder.sources["hello.c"] = original.replace("3", "4")
    second = folder.install()
    assert folder.debs() == sorted(Path(done["file"]).name for done in (first, second))
    folder.sources["hello.c"] = original
    assert folder.install()["actions"] == steps(folder, "changed: source hello.c", built=False)
    assert folder.exit_code() == 3
    folder.sources["hello.c"] = original.replace("3", "5")
    third = folder.install()
    assert folder.debs() == sorted(Path(done["file"]).name for done in (first, third))


def test_a_file_that_the_sources_no_longer_make_is_gone(folder: Folder) -> None:
    folder.install()
    folder.sources["Makefile"] = "".join(MAKEFILE.splitlines(keepends=True)[:-1])
    folder.install()
    assert folder.program.exists()
    assert not (folder.dest / "share").exists()


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_bytes(b"spoilt")])
def test_an_installed_file_that_is_altered_is_put_back(folder: Folder, spoil: Any) -> None:
    folder.install()
    spoil(folder.program)
    expected = steps(folder, "changed or missing: bin/hello", built=False)
    assert folder.install(check=True)["actions"] == folder.install()["actions"] == expected
    assert folder.exit_code() == 3
    assert folder.install()["actions"] == []


def test_a_package_without_installing_it(folder: Folder) -> None:
    folder.more["install"] = False
    predicted, done = folder.install(check=True), folder.install()
    assert predicted["actions"] == done["actions"] == [f"build {PACKAGE} (no such package yet)"]
    assert folder.debs() == [Path(done["file"]).name]
    assert not folder.dest.exists()
    assert folder.install()["actions"] == folder.install(check=True)["actions"] == []


def test_a_build_that_fails_tells_the_compilers_words_and_leaves_the_old_one(folder: Folder) -> None:
    folder.install()
    folder.sources["hello.c"] = "int main(void)\n{\n\treturn nothing;\n}\n"
    result = folder.install()
    assert result["msg"].startswith(
        f"Asked: build {PACKAGE} in {folder.root}/cache/hello. "
        "Found: make ended with 2: hello.c:3:16: error: 'nothing' undeclared (first use in this function) "
        "| make[1]: *** [Makefile:3: build/hello] Error 1 | "
    )
    assert (
        f"Do: read {folder.log}, mend the cause and run again; what was installed before is as it was" in result["msg"]
    )
    assert folder.exit_code() == 3
    folder.sources["hello.c"] = "int main(void)\n{\n\treturn 5;\n}\n"
    assert folder.install()["changed"]
    assert folder.exit_code() == 5


def test_a_tool_that_is_not_there(folder: Folder) -> None:
    folder.more["tool_versions"] = ["no-such-compiler --version"]
    predicted = folder.install(check=True)
    assert predicted["changed"]
    assert "no-such-compiler --version: not there yet" in predicted["diff"]["after"]
    assert predicted["version"] == predicted["file"] == ""
    assert folder.install()["msg"] == (
        "Asked: hello built with what 'no-such-compiler --version' names. "
        "Found: [Errno 2] No such file or directory: 'no-such-compiler'. "
        "Do: install what gives no-such-compiler (role ebpf_toolchain installs the compilers), then run again."
    )
    assert not folder.root.exists()


def test_an_input_that_is_not_there(folder: Folder) -> None:
    folder.more["inputs"] = ["/nonexistent/stamp.json"]
    assert folder.install(check=True)["changed"]
    assert folder.install()["msg"] == (
        "Asked: hello built with /nonexistent/stamp.json. Found: there is no such file. "
        "Do: run the role that makes it first (site.yml does), or correct the path."
    )


def test_an_input_that_a_task_before_would_make_anew(folder: Folder) -> None:
    folder.install()
    folder.more["renewed"] = True
    assert folder.install(check=True)["actions"] == steps(folder, "what it is built with is made anew before")
    # In a run the input itself tells whether it is another.
    assert folder.install()["changed"] is False


def test_a_folder_of_somebody_else_is_left_alone(folder: Folder) -> None:
    folder.dest.mkdir(parents=True)
    (folder.dest / "thesis.txt").write_text("years of work")
    expected = (
        f"Asked: {folder.dest} for hello alone. Found: there is what the lab did not put there (thesis.txt). "
        "Do: move it away, or name another folder."
    )
    assert folder.install()["msg"] == folder.install(check=True)["msg"] == expected
    assert folder.install("absent")["actions"] == []
    assert (folder.dest / "thesis.txt").read_text() == "years of work"


def test_a_file_of_somebody_else_in_a_new_files_place_is_left_alone(folder: Folder) -> None:
    folder.install()
    (folder.dest / "share/more.c").write_text("years of work")
    folder.sources["Makefile"] += "\tinstall -D -m 644 hello.c $(DESTDIR)$(PREFIX)/share/more.c\n"
    assert folder.install()["msg"].startswith(
        f"Asked: {folder.dest}/share for {PACKAGE}. Found: there is what the lab did not put there (more.c) ("
    )
    assert (folder.dest / "share/more.c").read_text() == "years of work"
    assert folder.exit_code() == 3


def test_an_install_rule_that_installs_nothing(folder: Folder) -> None:
    folder.sources["Makefile"] = "install_hello:\n\t@echo done\n"
    assert "error: install_hello put nothing into $(DESTDIR)$(PREFIX)" in folder.install()["msg"]


def test_the_callers_make_variables_take_no_part(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """`make lab` hands its own flags down, and a user may have CFLAGS or FLAGS set."""
    monkeypatch.setenv("MAKEFLAGS", "n")
    monkeypatch.setenv("FLAGS", "-Dmain=nothing")
    assert folder.install()["changed"]
    assert folder.exit_code() == 3


def test_what_is_installed_is_for_everybody(folder: Folder) -> None:
    umask = os.umask(0o077)
    try:
        folder.install()
    finally:
        os.umask(umask)
    assert folder.program.stat().st_mode & 0o777 == 0o755
    assert folder.dest.stat().st_mode & 0o777 == 0o755


def test_a_build_that_was_killed_converges(folder: Folder) -> None:
    """Kill -9 of everything in the middle of the compiler, then the same run again."""
    slow = folder.sources["Makefile"]
    folder.sources["Makefile"] = slow.replace("mkdir -p build", "mkdir -p build && touch $@ && sleep 60")
    killed = os.fork()
    if not killed:
        os.setsid()
        folder.install()
        os._exit(0)
    until("the compiler is at work", (folder.root / "cache/hello/build/hello").exists)
    os.killpg(killed, 9)
    os.waitpid(killed, 0)
    assert not folder.dest.exists()
    folder.sources["Makefile"] = slow
    assert folder.install()["actions"] == steps(folder, "nothing is installed")
    assert folder.exit_code() == 3
    assert folder.install()["actions"] == []


def test_a_package_that_dpkg_has_only_unpacked_is_finished(folder: Folder) -> None:
    """As a dpkg that was killed between its two steps leaves it."""
    done = folder.install()
    subprocess.run(["dpkg", "--unpack", done["file"]], check=True)
    expected = steps(folder, "dpkg says that it is unpacked", built=False)
    assert folder.install(check=True)["actions"] == folder.install()["actions"] == expected
    assert folder.install()["actions"] == []
    assert said("dpkg-query", "-W", "-f", "${db:Status-Status}", PACKAGE) == "installed"


def test_absent_takes_everything_away_once(folder: Folder) -> None:
    done = folder.install()
    everything = folder.everything()
    predicted = folder.install("absent", check=True)
    assert folder.everything() == everything
    gone = folder.install("absent")
    assert (
        predicted["actions"]
        == gone["actions"]
        == [
            f"remove {PACKAGE} from {folder.dest}",
            f"remove {done['file']}",
            f"remove {folder.log}",
            f"remove {folder.root}/cache/hello",
        ]
    )
    assert gone["diff"]["after"] == "absent\n"
    assert not folder.root.exists()
    assert subprocess.run(["dpkg-query", "-W", PACKAGE], capture_output=True, check=False).returncode == 1
    assert folder.install("absent")["actions"] == folder.install("absent", check=True)["actions"] == []


def test_an_empty_folder_that_was_there_before_stays(folder: Folder, tmp_path: Path) -> None:
    """Such as /opt, which belongs to no package of Debian's: dpkg would take it along."""
    theirs = tmp_path / "theirs"
    theirs.mkdir(mode=0o751)
    os.chown(theirs, 0, 7)
    folder.more["dest"] = str(theirs / "hello")
    folder.install()
    assert (theirs / "hello" / INGREDIENTS).is_file()
    folder.install("absent")
    assert list(theirs.iterdir()) == []
    assert (theirs.stat().st_mode & 0o777, theirs.stat().st_gid) == (0o751, 7)


def test_what_others_have_put_beside_and_inside_stays(folder: Folder) -> None:
    folder.install()
    theirs = [
        folder.root / "opt/other.txt",
        folder.dest / "bin/theirs",
        folder.dest / "notes.txt",
        folder.root / "cache/hello/theirs",
    ]
    for path in theirs:
        path.write_text("years of work")
    assert folder.install()["actions"] == []
    folder.sources["hello.c"] = folder.sources["hello.c"].replace("3", "4")
    assert folder.install()["changed"]
    folder.install("absent")
    assert folder.install("absent")["actions"] == []
    left = sorted(path for path in folder.root.rglob("*") if path.is_file() and path.name != ".hello_ebpf.json")
    assert left == sorted(theirs)


def test_what_the_release_before_installed_gives_way(folder: Folder) -> None:
    """That one installed without dpkg, by a stamp, and noted its log."""
    (folder.dest / "bin").mkdir(parents=True)
    (folder.dest / "bin/old").write_text("old")
    (folder.dest / OLD_STAMP).write_text(json.dumps({"ingredients": {}, "files": {"bin/old": "digest"}}))
    log = folder.log.with_name("hello-build.log")
    folder.more["log"] = str(folder.log.with_name("examples-build.log"))
    Made().take(OLD_OWNER, log)
    log.parent.mkdir(parents=True)
    log.write_text("old")
    retire = f"remove {folder.dest}, of the release before"
    build, install = steps(folder, "nothing is installed")
    predicted, done = folder.install(check=True), folder.install()
    assert predicted["actions"] == done["actions"] == [build, retire, install]
    assert not log.exists()
    assert not (folder.dest / "bin/old").exists()
    assert folder.exit_code() == 3
    assert folder.install()["actions"] == []


def test_what_the_release_before_installed_is_removed(folder: Folder) -> None:
    (folder.dest / "bin").mkdir(parents=True)
    (folder.dest / OLD_STAMP).write_text(json.dumps({"ingredients": {}, "files": {}}))
    assert folder.install("absent")["actions"] == [f"remove {folder.dest}, of the release before"]
    assert not folder.root.exists()


def test_a_log_that_the_lab_did_not_make_is_refused_and_stays(folder: Folder) -> None:
    folder.log.parent.mkdir(parents=True)
    folder.log.write_text("theirs")
    assert (
        folder.install()["msg"]
        == folder.install(check=True)["msg"]
        == (
            f"Asked: {folder.log} for {PACKAGE} of hello_eBPF. Found: it is there, and the lab did not make it. "
            "Do: move it away, or name another path."
        )
    )
    folder.install("absent")
    assert folder.log.read_text() == "theirs"


def test_a_changelog_without_a_version(folder: Folder) -> None:
    folder.sources["debian/changelog"] = "nothing\n"
    assert folder.install()["msg"] == (
        f"Asked: the version of {PACKAGE}. Found: debian/changelog does not begin with 'name (version)'. "
        "Do: mend packaging/debian/changelog."
    )


def test_every_package_has_its_paragraph_and_the_projects_version() -> None:
    declared = [line.split()[1] for line in PACKAGING["debian/control"].splitlines() if line.startswith("Package:")]
    assert declared == [f"hello-ebpf-{part}" for part in ("target", "host", "bench", "examples", "spdk")]
    version = (ROOT / "src/python/pyproject.toml").read_text().partition('version = "')[2].partition('"')[0]
    assert PACKAGING["debian/changelog"].startswith(f"hello-ebpf ({version}) ")


def test_telling_lines() -> None:
    assert telling_lines("cc -c x.c\nx.c:1:1: error: no\nmake: *** [Makefile:1: x] Error 1\n") == (
        "x.c:1:1: error: no | make: *** [Makefile:1: x] Error 1"
    )
    assert telling_lines("\n".join(f"error: {number}" for number in range(9))).count("|") == 4
    assert telling_lines("a\nb\n") == "a | b"
    assert telling_lines("Err:1 http://m.example noble\nE: Failed to fetch it\n  Hashes:\n") == "E: Failed to fetch it"
