"""tests/lint.sh has one list of checks, and each commit is held to the same list."""

from __future__ import annotations

import subprocess

import yaml

from machines.console import ROOT


def lint(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([ROOT / "tests/lint.sh", *words], check=False, capture_output=True, text=True)


def test_pre_commit_has_a_hook_for_each_check_and_fetches_nothing() -> None:
    repositories = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [one["repo"] for one in repositories] == ["local"]
    hooks = repositories[0]["hooks"]
    assert [hook["id"] for hook in hooks] == lint("--list").stdout.split()
    for hook in hooks:
        assert (hook["entry"], hook["language"]) == (f"tests/lint.sh {hook['id']}", "system")


def test_a_check_can_be_asked_for_alone() -> None:
    done = lint("ansible-config")
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "=== ansible-config")
    assert done.stdout.count("===") == 1


def test_a_check_that_is_not_there_is_refused() -> None:
    done = lint("ruf")
    assert done.returncode == 1
    assert (
        "Asked: the check ruf. Found: there is none of that name. Do: name one of ansible-config ruff " in done.stderr
    )
