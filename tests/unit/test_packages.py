"""The module debian_packages over {run, check, diff, run again}, cut-off runs, locks, and its refusals."""

from __future__ import annotations

import subprocess
from pathlib import Path

import debian_packages
import pytest
from ansible.module_utils.hello_ebpf.errors import LabError
from ansible.module_utils.hello_ebpf.packages import apt_errors, parse_candidates, parse_installed, render

from debian_machine import DAY, Debian
from module_run import run_module
from refusals import refusal

CLANG = {"clang": "1:14.0-55.7~deb12u1", "make": "4.3-4.1"}


@pytest.fixture
def debian(tmp_path: Path) -> Debian:
    """A machine with fresh package lists, and nothing of ours installed."""
    machine = Debian(tmp_path, mirror=dict(CLANG))
    machine.refreshed(60)
    return machine


def test_what_is_missing_is_installed_and_nothing_else_is_run(debian: Debian) -> None:
    debian.installed["make"] = "4.3-4.1"
    outcome = debian.converge("make", "clang")
    assert outcome.actions == ["install clang"]
    assert outcome.after.present == {"clang": ("clang", CLANG["clang"]), "make": ("make", "4.3-4.1")}
    assert debian.ran("install", "update") == [
        "apt-get -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confdef "
        "-o Dpkg::Options::=--force-confold -y --no-install-recommends install clang"
    ]


def test_a_second_run_asks_dpkg_once_and_changes_nothing(debian: Debian) -> None:
    debian.converge("clang", "make")
    debian.commands.clear()
    outcome = debian.converge("clang", "make")
    assert outcome.actions == []
    assert [command.split()[0] for command in debian.commands] == ["dpkg-query"]


def test_check_mode_writes_nothing_and_predicts_what_the_run_does(debian: Debian) -> None:
    predicted = debian.converge("clang", check=True)
    assert debian.installed == {}
    writes = [command for command in debian.ran("install", "update", "--configure") if "--simulate" not in command]
    assert writes == []
    done = debian.converge("clang")
    assert (predicted.actions, predicted.after.present) == (done.actions, done.after.present)


def test_check_mode_predicts_a_package_once_in_a_run(debian: Debian) -> None:
    assert debian.converge("clang", "make", check=True, predicted=["clang"]).actions == ["install make"]
    assert debian.converge("clang", check=True, predicted=["clang"]).actions == []
    # Said of a run that really installs, it would be a lie.
    assert debian.converge("clang", predicted=["clang"]).actions == ["install clang"]


def test_the_diff_shows_each_package_with_its_version(debian: Debian) -> None:
    debian.installed["make"] = "4.3-4.1"
    outcome = debian.converge("make", "clang", check=True)
    assert render(outcome.before) == "clang absent\nmake 4.3-4.1\n"
    assert render(outcome.after) == "clang 1:14.0-55.7~deb12u1\nmake 4.3-4.1\n"


def test_a_container_without_package_lists(tmp_path: Path) -> None:
    debian = Debian(tmp_path, mirror=dict(CLANG))
    predicted = debian.converge("clang", check=True)
    assert render(predicted.after) == "clang newest\n"
    assert debian.ran("update", "install") == []
    assert debian.converge("clang").actions == predicted.actions == ["install clang"]
    assert [command.split()[-1] for command in debian.ran("update", "install")] == ["update", "clang"]


@pytest.mark.parametrize(("age", "refreshes"), [(60, 0), (DAY - 60, 0), (DAY + 60, 1)])
def test_lists_are_refreshed_when_they_are_older_than_a_day(debian: Debian, age: float, refreshes: int) -> None:
    debian.refreshed(age)
    assert debian.converge("clang").changed
    assert len(debian.ran("update")) == refreshes


def test_old_lists_alone_are_no_reason_to_refresh(debian: Debian) -> None:
    debian.installed["clang"] = CLANG["clang"]
    debian.refreshed(10 * DAY)
    assert not debian.converge("clang").changed
    assert debian.ran("update") == []


def test_a_version_that_the_mirror_has_replaced_is_looked_up_again(debian: Debian) -> None:
    debian.failures = [("install clang", "E: Failed to fetch http://mirror/clang.deb  404  Not Found")]
    assert debian.converge("clang").changed
    assert [command.split()[-1] for command in debian.ran("install", "update")] == ["clang", "update", "clang"]


UNKNOWN = (
    "Asked: the package(s) nosuch, this or that. Found: the package lists of Debian GNU/Linux 12 (bookworm) have no "
    "package of that name to install. Do: correct the name for this release, or enable the archive component that "
    "holds it (of Ubuntu: universe) in /etc/apt and run apt-get update."
)


def test_an_unknown_name_is_refused_by_the_run_after_a_refresh(debian: Debian) -> None:
    assert refusal(debian.converge, "clang", "nosuch", "this|that") == UNKNOWN
    assert len(debian.ran("update")) == 1
    assert debian.installed == {}


def test_an_unknown_name_is_refused_in_check_mode(debian: Debian) -> None:
    assert refusal(debian.converge, "clang", "nosuch", "this|that", check=True) == UNKNOWN
    assert debian.ran("update") == []


def test_an_install_that_cannot_be_is_refused_in_check_mode(debian: Debian) -> None:
    debian.failures = [("--simulate", "E: Unable to correct problems, you have held broken packages.")]
    assert refusal(debian.converge, "clang", check=True) == (
        "Asked: install clang on Debian GNU/Linux 12 (bookworm). "
        "Found: apt says: E: Unable to correct problems, you have held broken packages. "
        "Do: mend what apt names (space, network, a held package, another apt that runs), then run again."
    )


@pytest.mark.parametrize(
    ("mirror", "installed", "actions"),
    [
        ({"bpftool": "7"}, {}, ["install bpftool"]),
        ({"bpftool": "7", "linux-tools-generic": "6.8"}, {}, ["install linux-tools-generic"]),
        ({"bpftool": "7", "linux-tools-generic": "6.8"}, {"bpftool": "7"}, []),
    ],
)
def test_the_first_of_two_names_that_can_be_had(
    debian: Debian, mirror: dict[str, str], installed: dict[str, str], actions: list[str]
) -> None:
    debian.mirror, debian.installed = mirror, installed
    assert debian.converge("linux-tools-generic|bpftool", check=True).actions == actions
    assert debian.converge("linux-tools-generic|bpftool").actions == actions
    assert debian.converge("linux-tools-generic|bpftool").actions == []


@pytest.mark.parametrize("configures", [True, False])
def test_a_cut_off_dpkg_run_is_finished_first(debian: Debian, configures: bool) -> None:
    debian.half_done, debian.configures = {"clang", "libllvm14"}, configures
    predicted = debian.converge("clang", check=True)
    done = debian.converge("clang")
    assert predicted.actions == done.actions == ["finish the dpkg run that was cut off", "install clang"]
    mended = [command.split()[-1] for command in debian.ran("--configure", "install") if "--simulate" not in command]
    assert mended == (["-a", "clang"] if configures else ["-a", "--fix-broken", "clang"])


def test_a_dpkg_journal_counts_as_cut_off(debian: Debian) -> None:
    (debian.folder / "updates").mkdir()
    (debian.folder / "updates" / "0000").touch()
    assert debian.converge("clang", check=True).actions[0] == "finish the dpkg run that was cut off"


LOCK = (
    "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 4711 (unattended-upgr)\n"
    "E: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), is another process using it?"
)


def test_another_apts_lock_is_waited_for(debian: Debian) -> None:
    debian.failures = [("install clang", LOCK)] * 3
    started = debian.clock
    assert debian.converge("clang").changed
    assert len(debian.ran("install")) == 4
    assert debian.clock - started == 9


def test_a_lock_that_stays_is_told_with_its_holder(debian: Debian) -> None:
    debian.failures = [("install clang", LOCK)] * 1000
    started = debian.clock
    with pytest.raises(LabError, match=r"Found: apt says: .* held by process 4711 \(unattended-upgr\)"):
        debian.converge("clang")
    assert 300 < debian.clock - started < 310


def test_apts_own_reason_is_passed_on(debian: Debian) -> None:
    debian.failures = [
        ("install clang", "W: a warning\nE: You don't have enough free space in /var/cache/apt/archives/.")
    ]
    assert refusal(debian.converge, "clang") == (
        "Asked: install clang on Debian GNU/Linux 12 (bookworm). "
        "Found: apt says: E: You don't have enough free space in /var/cache/apt/archives/. "
        "Do: mend what apt names (space, network, a held package, another apt that runs), then run again."
    )


def test_lists_that_cannot_be_refreshed(tmp_path: Path) -> None:
    debian = Debian(tmp_path, mirror=dict(CLANG), failures=[("update", "E: The repository has no Release file.")])
    assert refusal(debian.converge, "clang") == (
        "Asked: fresh package lists (apt-get update). Found: apt says: E: The repository has no Release file. "
        "Do: look at the archives in /etc/apt/sources.list and /etc/apt/sources.list.d and at the network, "
        "then run again."
    )


def test_an_install_that_installs_nothing_is_no_success(debian: Debian) -> None:
    debian.installs = False
    with pytest.raises(LabError, match=r"every step succeeded, and still missing is: install clang"):
        debian.converge("clang")


def test_nothing_asked_is_nothing_done(debian: Debian) -> None:
    assert not debian.converge().changed
    assert debian.commands == []


def test_half_installed_packages_do_not_count() -> None:
    assert parse_installed("a\t1\tinstalled\nb\t\tnot-installed\nc\t2\thalf-configured\n") == {"a": "1"}


def test_virtual_packages_are_no_candidates() -> None:
    policy = (
        "awk:\n  Installed: (none)\n  Candidate: (none)\n  Version table:\nmake:\n  Installed: (none)\n  Candidate: 4\n"
    )
    assert parse_candidates(policy) == {"make": "4"}


def test_what_apt_says_without_the_word_error() -> None:
    assert apt_errors("first\n\nlast\n") == "first last"
    assert apt_errors("") == "nothing on its error output"


def test_this_machine_in_check_mode() -> None:
    """The live one: dpkg itself is installed everywhere, and its version is what dpkg says."""
    version = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Version}", "dpkg"], capture_output=True, text=True, check=True
    ).stdout
    result = run_module(debian_packages.main, {"name": ["dpkg"]}, check=True)
    assert result["changed"] is False
    assert result["packages"] == {"dpkg": {"name": "dpkg", "version": version}}
    assert result["diff"] == {"before": f"dpkg {version}\n", "after": f"dpkg {version}\n"}


def test_a_machine_without_dpkg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    result = run_module(debian_packages.main, {"name": ["clang"]})
    assert result["failed"]
    assert result["msg"] == (
        "Asked: the packages clang. Found: this machine has no dpkg-query. Do: use Debian 12, Debian 13, Ubuntu 24.04."
    )
