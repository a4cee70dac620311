"""The module make_install with real builds: {run, check, diff, run again}, what builds again, builds cut off."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import make_install
import pytest
from ansible.module_utils.hello_ebpf.make_install import STAMP, telling_lines
from ansible.module_utils.hello_ebpf.removal import claim

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


class Folder:
    """A source folder on the controller, and the machine's folders under one that is named like the project's."""

    def __init__(self, root: Path) -> None:
        self.root = root / "hello_ebpf"
        self.dest = self.root / "opt" / "hello"
        self.program = self.dest / "bin" / "hello"
        self.log = self.root / "log" / "hello-build.log"
        self.sources = {"Makefile": MAKEFILE, "hello.c": "int main(void)\n{\n\treturn 3;\n}\n"}
        self.more: dict[str, Any] = {}

    def install(self, state: str = "present", *, check: bool = False) -> dict[str, Any]:
        params = {
            "name": "hello",
            "rooms": ["hello"],
            "sources": self.sources,
            "dest": str(self.dest),
            "cache": str(self.root / "cache"),
            "log": str(self.log),
            "tool_versions": ["gcc --version"],
            "state": state,
        }
        return run_module(make_install.main, params | self.more, check=check)

    def everything(self) -> list[str]:
        return sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*"))


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def why(result: dict[str, Any]) -> str:
    """The reason that the one action gives."""
    [action] = result["actions"]
    return str(action).partition("(")[2].rstrip(")")


def test_built_and_installed_once(folder: Folder) -> None:
    predicted = folder.install(check=True)
    assert not folder.root.exists()
    done = folder.install()
    assert (
        predicted["actions"]
        == done["actions"]
        == [f"build hello and install it into {folder.dest} (nothing is installed)"]
    )
    assert subprocess.run([folder.program], check=False).returncode == 3
    assert sorted(done["files"]) == ["bin/hello", "share/hello.c"]
    assert done["log"] == str(folder.log)
    before = folder.log.stat().st_mtime_ns
    assert folder.install()["actions"] == folder.install(check=True)["actions"] == []
    assert folder.log.stat().st_mtime_ns == before, "make ran again"


def test_the_diff_names_every_ingredient_and_file(folder: Folder) -> None:
    predicted, done = folder.install(check=True)["diff"], folder.install()["diff"]
    assert predicted["before"] == done["before"] == "absent\n"
    compiler = subprocess.run(["gcc", "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    ingredients = predicted["after"].splitlines()
    assert [line.partition(": ")[0] for line in ingredients] == ["source Makefile", "source hello.c", "gcc --version"]
    assert ingredients[2] == f"gcc --version: {compiler}"
    assert done["after"].splitlines()[:3] == ingredients
    assert [line.partition(": ")[0] for line in done["after"].splitlines()[3:]] == [
        "file bin/hello",
        "file share/hello.c",
    ]


def test_each_ingredient_makes_it_build_again(folder: Folder, tmp_path: Path) -> None:
    library = tmp_path / "stamp.json"
    library.write_text("1")
    folder.more["inputs"] = [str(library)]
    folder.install()

    folder.sources["hello.c"] = "int main(void)\n{\n\treturn 4;\n}\n"
    assert why(folder.install(check=True)) == why(folder.install()) == "changed: source hello.c"
    assert subprocess.run([folder.program], check=False).returncode == 4

    folder.more["make_args"] = ["FLAGS=-O2"]
    assert why(folder.install()) == "changed: make"
    assert "-O2" in folder.log.read_text()

    folder.more["environment"] = {"FLAGS": "-O1"}
    assert why(folder.install()) == "changed: environment FLAGS"

    library.write_text("2")
    assert why(folder.install()) == f"changed: input {library}"

    folder.more["tool_versions"] = ["gcc --version", "make --version"]
    assert why(folder.install()) == "changed: make --version"
    assert folder.install()["actions"] == []


def test_a_file_that_the_sources_no_longer_make_is_gone(folder: Folder) -> None:
    folder.install()
    folder.sources["Makefile"] = "".join(MAKEFILE.splitlines(keepends=True)[:-1])
    assert sorted(folder.install()["files"]) == ["bin/hello"]
    assert not (folder.dest / "share").exists()


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_bytes(b"spoilt")])
def test_an_installed_file_that_is_altered_is_made_again(folder: Folder, spoil: Any) -> None:
    folder.install()
    spoil(folder.program)
    assert why(folder.install(check=True)) == why(folder.install()) == "changed or missing: bin/hello"
    assert subprocess.run([folder.program], check=False).returncode == 3
    assert folder.install()["actions"] == []


def test_a_stamp_that_cannot_be_read_is_no_install(folder: Folder) -> None:
    folder.install()
    (folder.dest / STAMP).write_text("{")
    assert why(folder.install()) == f"changed or missing: {STAMP}"


def test_a_build_that_fails_tells_the_compilers_words_and_leaves_the_old_one(folder: Folder) -> None:
    folder.install()
    folder.sources["hello.c"] = "int main(void)\n{\n\treturn nothing;\n}\n"
    result = folder.install()
    assert result["msg"] == (
        f"Asked: build hello in {folder.root}/cache/hello. "
        "Found: make ended with 2: hello.c:3:16: error: 'nothing' undeclared (first use in this function) "
        "| make: *** [Makefile:3: build/hello] Error 1. "
        f"Do: read {folder.log}, mend the cause and run again; what was installed before is as it was."
    )
    assert subprocess.run([folder.program], check=False).returncode == 3
    folder.sources["hello.c"] = "int main(void)\n{\n\treturn 5;\n}\n"
    assert folder.install()["changed"]
    assert subprocess.run([folder.program], check=False).returncode == 5


def test_a_tool_that_is_not_there(folder: Folder) -> None:
    folder.more["tool_versions"] = ["no-such-compiler --version"]
    predicted = folder.install(check=True)
    assert predicted["changed"]
    assert "no-such-compiler --version: not there yet" in predicted["diff"]["after"]
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
    why = "(what it is built with is made anew before)"
    assert folder.install(check=True)["actions"] == [f"build hello and install it into {folder.dest} {why}"]
    # In a run the input itself tells whether it is another.
    assert folder.install()["changed"] is False


def test_a_folder_of_somebody_else_is_left_alone(folder: Folder) -> None:
    folder.dest.mkdir(parents=True)
    (folder.dest / "thesis.txt").write_text("years of work")
    expected = (
        f"Asked: {folder.dest} for hello alone. "
        f"Found: {folder.dest} holds files that this project did not put there (it has no {STAMP}). "
        "Do: move them away, or name another folder."
    )
    assert folder.install()["msg"] == folder.install(check=True)["msg"] == expected
    assert folder.install("absent")["actions"] == []
    assert (folder.dest / "thesis.txt").read_text() == "years of work"


def test_an_install_rule_that_installs_nothing(folder: Folder) -> None:
    folder.sources = {"Makefile": "install_hello:\n\t@echo done\n"}
    assert folder.install()["msg"] == (
        f"Asked: build hello. Found: 'make install_hello' put nothing into $(DESTDIR)$(PREFIX); "
        f"its output is in {folder.log}. "
        "Do: let the Makefile's install_hello install into $(DESTDIR)$(PREFIX)."
    )


def test_the_callers_make_variables_take_no_part(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """`make lab` hands its own flags down, and a user may have CFLAGS or FLAGS set."""
    monkeypatch.setenv("MAKEFLAGS", "n")
    monkeypatch.setenv("FLAGS", "-Dmain=nothing")
    assert folder.install()["changed"]
    assert subprocess.run([folder.program], check=False).returncode == 3


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
    assert why(folder.install()) == "nothing is installed"
    assert subprocess.run([folder.program], check=False).returncode == 3
    assert folder.install()["actions"] == []


def test_halves_of_an_install_that_was_cut_off_are_cleared_away(folder: Folder) -> None:
    folder.install()
    halves = [folder.dest.parent / ".hello.new", folder.dest.parent / ".hello.old"]
    for half in halves:
        claim(half)
        (half / "bin").mkdir()
    assert folder.install()["actions"] == [f"remove {half}" for half in halves]
    assert not any(half.exists() for half in halves)
    # Between its two renames a cut-off run leaves the old install aside and nothing in place.
    folder.dest.rename(halves[1])
    assert why(folder.install()) == "nothing is installed"
    assert not halves[1].exists()


def test_absent_takes_everything_away_once(folder: Folder) -> None:
    folder.install()
    everything = folder.everything()
    predicted = folder.install("absent", check=True)
    assert folder.everything() == everything
    done = folder.install("absent")
    assert (
        predicted["actions"]
        == done["actions"]
        == [
            f"remove {folder.dest}",
            f"remove {folder.log}",
            f"remove {folder.root}/cache/hello",
        ]
    )
    assert done["diff"]["after"] == "absent\n"
    assert not folder.root.exists()
    assert folder.install("absent")["actions"] == folder.install("absent", check=True)["actions"] == []


def test_absent_leaves_what_others_have_beside_it(folder: Folder) -> None:
    folder.install()
    (folder.root / "opt" / "other").mkdir()
    folder.install("absent")
    assert folder.everything() == ["opt", "opt/other"]


def test_what_others_have_put_inside_stays_and_is_named_before_a_build(folder: Folder) -> None:
    folder.install()
    inside = [folder.dest / "bin" / "theirs", folder.root / "cache/hello/theirs", folder.dest / "notes.txt"]
    for path in inside:
        path.write_text("years of work")
    (folder.dest / "bin/__pycache__").mkdir()
    (folder.dest / "bin/__pycache__/hello.pyc").touch()
    assert folder.install()["actions"] == []
    folder.sources["hello.c"] = "int main(void)\n{\n\treturn 4;\n}\n"
    assert (
        folder.install()["msg"]
        == folder.install(check=True)["msg"]
        == (
            f"Asked: {folder.dest} for hello alone (changed: source hello.c). Found: there is what the lab did not put "
            "there (bin/theirs, notes.txt). Do: move it away, or name another folder."
        )
    )
    for path in (inside[0], inside[2]):
        path.rename(folder.root / path.name)
    assert folder.install()["changed"]
    for path in (inside[0], inside[2]):
        (folder.root / path.name).rename(path)
    for run in range(2):
        assert bool(folder.install("absent", check=True)["actions"]) == bool(folder.install("absent")["actions"])
        assert folder.install("absent")["actions"] == [], run
        left = sorted(folder.root / name for name in folder.everything())
        assert [path for path in left if path.is_file()] == sorted(inside)


def test_a_log_that_the_lab_did_not_make_is_refused_and_stays(folder: Folder) -> None:
    folder.log.parent.mkdir(parents=True)
    folder.log.write_text("theirs")
    assert (
        folder.install()["msg"]
        == folder.install(check=True)["msg"]
        == (
            f"Asked: {folder.log} for make_install of hello_eBPF. Found: it is there, and the lab did not make it. "
            "Do: move it away, or name another path."
        )
    )
    folder.install("absent")
    assert folder.log.read_text() == "theirs"


def test_the_stamp_says_what_was_built(folder: Folder) -> None:
    folder.install()
    stamp = json.loads((folder.dest / STAMP).read_text())
    assert sorted(stamp) == ["files", "ingredients"]
    assert sorted(stamp["files"]) == ["bin/hello", "share/hello.c"]


def test_telling_lines() -> None:
    assert telling_lines("cc -c x.c\nx.c:1:1: error: no\nmake: *** [Makefile:1: x] Error 1\n") == (
        "x.c:1:1: error: no | make: *** [Makefile:1: x] Error 1"
    )
    assert telling_lines("\n".join(f"error: {number}" for number in range(9))).count("|") == 4
    assert telling_lines("a\nb\n") == "a | b"
    assert telling_lines("Err:1 http://m.example noble\nE: Failed to fetch it\n  Hashes:\n") == "E: Failed to fetch it"
