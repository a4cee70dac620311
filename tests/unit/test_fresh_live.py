"""`make live`: what it makes where nothing was kept, what it asks docker for, and what a renewed clone holds."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fresh import live
from fresh.run import HUGEPAGE_MEGABYTES, NAME
from machines import engines, images, turns
from machines.console import ROOT

# Notes what it was called with; answers from files beside it.
DOCKER = """\
#!/bin/sh
cd {folder}
echo "$*" >>calls
case "$1" in
info) cat version 2>/dev/null || exit 1 ;;
run) echo hello_ebpf-fresh >left ;;
ps) case "$*" in *--quiet*) cat left ;; *) cat names ;; esac ;;
cp) case "$*" in *tree.tar) cp "$3" tree.tar ;; esac ;;
exec) case "$*" in
	*"git clone"*) [ ! -e no_clone ] ;;
	*renew.py*) cat changed ;;
	*live.sh*) exit "$(cat code)" ;;
	esac ;;
esac
"""


class Machine:
    """A folder with a docker of our own; what it was asked for, and how many megabytes of pages were taken."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.megabytes: list[int] = []
        (folder / "docker").write_text(DOCKER.format(folder=folder))
        (folder / "docker").chmod(0o755)
        self.tell(version="27.1\n", names=f"{NAME}\n", left="", changed="tests/unit/test_names.py\n", code="0")

    def tell(self, **answers: str) -> None:
        for name, text in answers.items():
            (self.folder / name).write_text(text)

    def calls(self) -> list[str]:
        return (self.folder / "calls").read_text().splitlines()

    @contextlib.contextmanager
    def pages(self, megabytes: int) -> Iterator[None]:
        self.megabytes.append(megabytes)
        yield


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr(engines, "PIDFILE", tmp_path / "dockerd.pid")
    monkeypatch.setattr(engines, "hugepages", made.pages)
    monkeypatch.setattr(images, "image", lambda name, release: f"{name}-{release}")
    monkeypatch.setattr(turns, "RUN", tmp_path / "run")
    monkeypatch.setattr(live, "ROOT", small_tree(tmp_path / "tree"))
    monkeypatch.setattr("fresh.container.ROOT", tmp_path / "tree")
    return made


def small_tree(folder: Path) -> Path:
    (folder / "tests/fresh").mkdir(parents=True)
    (folder / "tests/fresh/renew.py").write_text("")
    (folder / ".gitignore").write_text("/build/\n")
    (folder / "site.yml").write_text("---\n")
    (folder / "build").mkdir()
    (folder / "build/big").write_text("")
    (folder / "link").symlink_to("site.yml")
    subprocess.run(["git", "init", "--quiet", folder], check=True)
    return folder


def ask(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["live.py", *words])
    return live.main()


def test_the_tests_of_that_name_run_in_the_kept_container(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELLO_EBPF_FUZZ_SEED", "7")
    assert ask(monkeypatch, "tool and not wire") == 0
    run = [call for call in machine.calls() if "live.sh" in call]
    assert len(run) == 1
    assert run[0].startswith("exec -e PYTHONPATH=/root/hello_eBPF/tests ")
    assert " -e HELLO_EBPF_FUZZ_SEED=7 " in run[0]
    assert run[0].endswith("-w /root/hello_eBPF hello_ebpf-fresh sh -c tests/integration/live.sh 'tool and not wire'")
    assert machine.megabytes == [HUGEPAGE_MEGABYTES]


def test_the_working_tree_goes_in_and_what_git_ignores_does_not(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ask(monkeypatch, "tool") == 0
    with tarfile.open(machine.folder / "tree.tar") as archive:
        assert sorted(archive.getnames()) == [".gitignore", "link", "site.yml", "tests/fresh/renew.py"]


@pytest.mark.parametrize(
    ("changed", "anew"), [("tests/csd_live.py\ndocs/csd.md\n", False), ("\n", False), ("library/hugepages.py\n", True)]
)
def test_the_lab_converges_first_where_more_than_tests_changed(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, changed: str, anew: bool
) -> None:
    machine.tell(changed=changed)
    assert ask(monkeypatch, "tool") == 0
    assert any("rm -f build/live.ready" in call for call in machine.calls()) == anew


def test_a_failed_test_is_the_exit_code(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.tell(code="1")
    assert ask(monkeypatch, "tool") == 1


Case = tuple[dict[str, str], str, str]
REFUSED: list[Case] = [
    ({"code": "5"}, "tol", "Asked: live tests that are called tol. Found: none. Do: give a part of a file's"),
    ({}, "", "Asked: live tests by name. Found: no name. Do: give one: make live K=tool."),
]


def test_where_none_was_kept_one_is_made_and_left(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.tell(names="")
    assert ask(monkeypatch, "tool") == 0
    calls = machine.calls()
    made, cloned, tested = (
        [number for number, call in enumerate(calls) if word in call]
        for word in ("run --detach", "git clone --quiet /srv/hello_eBPF.git", "live.sh")
    )
    assert len(made) == len(cloned) == len(tested) == 1
    assert made < cloned < tested
    assert "--name=hello_ebpf-fresh" in calls[made[0]]
    assert calls[made[0]].endswith(" fresh-12 sleep infinity")
    assert not [call for call in calls if call.startswith("rm ")]


def test_what_could_not_be_made_whole_is_not_left(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.tell(names="", no_clone="")
    assert ask(monkeypatch, "tool") == 1
    assert "Asked: a clone." in capsys.readouterr().err
    assert machine.calls()[-1] == "rm --force --volumes hello_ebpf-fresh"


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], case: Case
) -> None:
    answers, name, said = case
    machine.tell(**answers)
    assert ask(monkeypatch, name) == 1
    error = capsys.readouterr().err
    assert re.search(said, error), error


def test_the_verb_hands_the_name_on() -> None:
    argv = ["make", "--no-print-directory", "-n", "live", "K=tool and not wire", "PYTHON=python3"]
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL")}
    done = subprocess.run(argv, cwd=ROOT, env=environment, check=True, capture_output=True, text=True)
    assert done.stdout == "python3 tests/fresh/live.py 'tool and not wire'\n"


# ---- in the container

SHOW = '#!/bin/sh\necho "$(basename "$0") $*" >>"$CALLS"\n'
PYTHON = """\
#!/bin/sh
case "$*" in
-c*) echo "-e '{}'" ;;
*) echo "pytest $HELLO_EBPF_CSD_TGT $*" >>"$CALLS"; exit 5 ;;
esac
"""


def inside(folder: Path) -> list[str]:
    """Run tests/integration/live.sh where nothing that it calls does anything; what it called, in order."""
    files = dict.fromkeys(("bin/make", "bin/apt-get", "bin/mount", "bin/mknod", "tests/sanitized/build.sh"), SHOW)
    files |= {".venv/bin/ansible-playbook": SHOW, ".venv/bin/python": PYTHON}
    files |= {
        f"tests/integration/{name}": (ROOT / "tests/integration" / name).read_text() for name in ("live.sh", "parts.sh")
    }
    files |= {"tests/integration/test_csd_tool_live.py": "", "tests/integration/test_lifecycle.py": ""}
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    (folder / "calls").unlink(missing_ok=True)
    environment = os.environ | {"PATH": f"{folder}/bin:{os.environ['PATH']}", "CALLS": str(folder / "calls")}
    done = subprocess.run([folder / "tests/integration/live.sh", "tool"], check=False, env=environment)
    assert done.returncode == 5
    return [line for line in (folder / "calls").read_text().splitlines() if not line.startswith("mknod ")]


def test_the_first_time_brings_the_lab_up_and_the_next_only_builds_the_drive(tmp_path: Path) -> None:
    drive = tmp_path / "build/drive"
    ends = [
        "mount -o remount,rw /sys",
        f"build.sh {drive}",
        f"pytest {drive}/checked/csd_tgt -m pytest -v --durations=5 --junitxml=build/junit/fresh-live.xml "
        "-o junit_suite_name=live -k tool tests/integration/test_csd_tool_live.py",
    ]
    tools = ["apt-get install -qq -y --no-install-recommends iproute2", "make --no-print-directory .venv/.test"]
    lab = "make --no-print-directory lab ARGS=-e '{}'"
    playbook = "ansible-playbook -i inventory/local playbooks/target.yml"
    room = f"{playbook} -e hugepages_megabytes=2560 -e csd_target_state=absent"
    first = [*tools, lab, *ends[:2], room, ends[2]]
    assert inside(tmp_path) == first
    assert inside(tmp_path) == [*tools, *ends]
    (tmp_path / "build/live.ready").unlink()
    assert inside(tmp_path) == first


# ---- the clone in the container

OLD = 1_000_000_000


def clone(folder: Path) -> Path:
    small_tree(folder)
    (folder / "gone").write_text("")
    (folder / "roles").mkdir()
    (folder / "roles/kept.c").write_text("int kept;\n")
    for path in folder.rglob("*"):
        if not path.is_symlink():
            os.utime(path, (OLD, OLD))
    return folder


def renewed(tmp_path: Path) -> tuple[Path, list[str]]:
    wanted = small_tree(tmp_path / "wanted")
    (wanted / "roles").mkdir()
    (wanted / "roles/kept.c").write_text("int kept;\n")
    (wanted / "site.yml").write_text("--- # changed before the clone was made\n")
    (wanted / "link").unlink()
    (wanted / "link").mkdir()
    (wanted / "link/file").write_text("x")
    (wanted / "new").symlink_to("site.yml")
    with tarfile.open(tmp_path / "tree.tar", "w") as archive:
        for name in ("roles/kept.c", "site.yml", "link/file", "new", ".gitignore", "tests/fresh/renew.py"):
            os.utime(wanted / name, (OLD - 1, OLD - 1), follow_symlinks=False)
            archive.add(wanted / name, name, recursive=False)
    folder = clone(tmp_path / "clone")
    argv = [sys.executable, str(ROOT / "tests/fresh/renew.py"), str(tmp_path / "tree.tar")]
    done = subprocess.run(argv, cwd=folder, check=True, capture_output=True, text=True)
    return folder, done.stdout.split()


def test_a_renewed_clone_holds_what_the_archive_holds(tmp_path: Path) -> None:
    folder, changed = renewed(tmp_path)
    assert sorted(changed) == ["gone", "link", "link/file", "new", "site.yml"]
    assert (folder / "site.yml").read_text() == "--- # changed before the clone was made\n"
    assert (folder / "link/file").read_text() == "x"
    assert (folder / "new").readlink() == Path("site.yml")
    assert not (folder / "gone").exists()
    assert (folder / "build/big").exists()


def test_make_sees_what_differed_as_new_and_nothing_else(tmp_path: Path) -> None:
    folder, _ = renewed(tmp_path)
    assert (folder / "roles/kept.c").stat().st_mtime == OLD
    assert (folder / "site.yml").stat().st_mtime > OLD
