# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""No test sleeps in the hope that something is done by then, and none is decided by how fast the machine is.

Read from the files themselves, so that the next test is looked at too. What may stay: a poll inside tests/waiting.py,
and a process that is there to be ended (it sleeps for a minute or more).
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from machines.console import ROOT
from waiting import SHELL, until, within

FOLDERS = [ROOT / "tests", ROOT / "src/python/tests", ROOT / "molecule"]
HELPER = ROOT / "tests/waiting.py"
# tests/measure/ decides nothing.
PYTHON = sorted(
    path
    for folder in FOLDERS
    for path in folder.rglob("*.py")
    if path not in {HELPER, Path(__file__)} and path.parent.name != "measure"
)
SHELLS = sorted(
    itertools.chain(
        *(folder.rglob(name) for folder in FOLDERS for name in ("*.sh", "*.yml")),
    )
)
C = sorted(itertools.chain((ROOT / "src").glob("**/tests/*.c"), (ROOT / "tests").rglob("*.c")))
# A sleep of a line of shell or of a small program in a string; below a minute it is one that ends by itself.
SLEEP = re.compile(r"\bsleep[ (]+(?P<seconds>[\d.]+|\{)")
CLOCKS = {"monotonic", "perf_counter", "time", "monotonic_ns", "perf_counter_ns", "time_ns"}
# What sleeps and is no wait, with the reason.
EXCEPTIONS = {
    ("tests/integration/verify/test_ebpf.py", "sleep {"): "a process that lasts, for the tracer to tell its duration",
    ("tests/fuzz/host.c", "usleep"): "between two tries to connect, until ANSWER_S have passed",
    ("tests/fuzz/link.c", "usleep"): "between two looks at CSTS",
    ("tests/fuzz/guests.c", "usleep"): "a guest that stays for a while; whatever it sees or misses fails nothing",
    ("src/engine/compiler/tests/test_compile.c", "nanosleep"): "between two looks at /proc, 20 s at most",
    ("src/engine/compiler/tests/test_blob_get.c", "usleep"): "when a compiler is killed, by chance; then "
    "60 s at most until its last process is gone",
    (
        "src/engine/worker/tests/lab.c",
        "usleep",
    ): "between two looks at a spawner or an answer, until LAB_TIMEOUT_MS have passed",
    ("tests/integration/aio_watch.c", "usleep"): "a device that stays slow until a file has gone",
}


def guesses(text: str) -> list[str]:
    """Sleeps in a string that are no process to be ended."""
    return [
        found[0]
        for found in SLEEP.finditer(text)
        if found["seconds"] == "{" or float(found["seconds"].rstrip(".")) < 60
    ]


def called(node: ast.AST) -> str:
    """The last name of what is called."""
    if isinstance(node, ast.Call):
        return getattr(node.func, "attr", getattr(node.func, "id", ""))
    return ""


def faults(source: str) -> Iterator[tuple[int, str]]:
    """Sleeps, and assertions that look at a clock, with their lines."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if called(node) in {"sleep", "Timer"}:
            yield node.lineno, called(node)  # type: ignore[attr-defined]
        if isinstance(node, ast.Assert):
            clocks = [called(inside) for inside in ast.walk(node.test) if called(inside) in CLOCKS]
            yield from ((node.lineno, f"assert … {clock}()") for clock in clocks)
        if isinstance(node, ast.JoinedStr):
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else "{" for part in node.values)
            yield from ((node.lineno, guess) for guess in guesses(text) if guess.endswith("{"))
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from ((node.lineno, guess) for guess in guesses(node.value))


@pytest.mark.parametrize("path", PYTHON, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_test_waits_for_a_state(path: Path) -> None:
    name = str(path.relative_to(ROOT))
    found = [(line, what) for line, what in faults(path.read_text()) if (name, what) not in EXCEPTIONS]
    assert found == [], (
        f"Asked: {name} waits for states, with a ceiling. Found (line, what): {found}. "
        "Do: use until() or within() of tests/waiting.py; let no clock decide."
    )


def test_shell_and_playbooks_wait_under_a_ceiling() -> None:
    """A poll of a shell's stands in one line with the `timeout` that ends it."""
    assert SHELLS
    for path in SHELLS:
        for line in path.read_text().splitlines():
            assert "timeout" in line or not guesses(line), f"{path.relative_to(ROOT)}: {line.strip()}"
            assert "ansible.builtin.pause" not in line, f"{path.relative_to(ROOT)}: {line.strip()}"


def test_c_sleeps_only_where_it_is_said_why() -> None:
    assert C
    found = {
        (str(path.relative_to(ROOT)), call)
        for path in C
        for call in re.findall(r"\b(usleep|nanosleep|sleep)\(", path.read_text())
    }
    assert found == {place for place in EXCEPTIONS if place[0].endswith(".c")}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import time\ntime.sleep(1)", ["sleep"]),
        ("from time import sleep\nsleep(1)", ["sleep"]),
        ("threading.Timer(0.3, target.kill).start()", ["Timer"]),
        ("assert time.monotonic() - begun < 5", ["assert … monotonic()"]),
        ("run(f'begin; sleep 0.3; kill {pid}')", ["sleep 0.3"]),
        ("run(f'sleep {seconds}')", ["sleep {"]),
        ("run('import time; time.sleep(2)')", ["sleep(2"]),
        ("run('sleep 60'); run(['sleep', 'infinity']); until('it is there', path.exists)", []),
    ],
)
def test_a_guess_is_found(source: str, found: list[str]) -> None:
    assert [what for _, what in faults(source)] == found


def test_what_hung_is_said() -> None:
    with pytest.raises(AssertionError, match=r"^the target answers: not within 0\.05 s\. It said: no$"):
        until("the target answers", lambda: False, 0.05, found=lambda: "It said: no")


def test_a_state_is_looked_at_until_it_is_there() -> None:
    looks = iter([0, 0, 7])
    assert until("seven", lambda: next(looks)) == 7
    assert within(0, lambda: 0) == 0
    assert SHELL.startswith("reached() { timeout ")
