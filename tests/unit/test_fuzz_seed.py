"""HELLO_EBPF_FUZZ_SEED reaches both fuzzers: a number as it is, `random` as another one each time."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from machines.console import ROOT

NAME = "HELLO_EBPF_FUZZ_SEED"


def told(command: list[str], asked: str | None) -> str:
    environment = {name: value for name, value in os.environ.items() if name not in (NAME, "MAKEFLAGS", "MAKELEVEL")}
    if asked is not None:
        environment[NAME] = asked
    return subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True).stdout


def of_the_translator(asked: str | None) -> int:
    """The seed with which `make check` runs the translator's fuzzer."""
    said = told(["make", "-n", "-C", "src", "BUILD=/nonexistent", "check_translator"], asked)
    return int(re.findall(r"/test_source \S+ \S+ \d+ (\d+)$", said, re.MULTILINE)[-1])


def of_the_streams(asked: str | None) -> int:
    """The seed that the live test hands to csd_fuzz."""
    show = "import conftest, test_csd_fuzz_live as live; print(live.SEED)"
    places = f"import sys; sys.path[:0] = ['{ROOT / 'tests'}', '{ROOT / 'tests/integration'}']"
    return int(told([sys.executable, "-c", f"{places}; {show}"], asked))


BOTH = pytest.mark.parametrize("seed", [of_the_translator, of_the_streams])


@BOTH
def test_a_number_is_the_seed(seed: Callable[[str | None], int]) -> None:
    assert [seed("7"), seed("3743346081")] == [7, 3743346081]


@BOTH
def test_random_is_another_one_each_time(seed: Callable[[str | None], int]) -> None:
    assert len({seed("random"), seed("random"), seed(None)}) == 3


@BOTH
def test_without_it_each_run_is_the_same(seed: Callable[[str | None], int]) -> None:
    assert seed(None) == seed(None) == seed("")


@BOTH
def test_what_is_no_number_is_refused(seed: Callable[[str | None], int]) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        seed("ranodm")


def test_test_all_asks_for_random_ones_and_fuzz_for_what_it_is_told(tmp_path: Path) -> None:
    """As make hands it to what it runs."""
    shows = tmp_path / "shows.mk"
    shows.write_text(f'test: ; @echo "seed $${NAME}"\n')
    # None of what these stand for is made here; MAKE is what would run the guest.
    instead = ["-o", ".venv/.test", "-o", ".venv-molecule/.stamp", "MAKE=true"]
    assert "seed random\n" in told(["make", *instead, "-f", "Makefile", "-f", str(shows), "test-all"], None)
    assert f"{NAME}=7 " in told(["make", *instead, "-n", "fuzz", "SEED=7"], None)
    assert f"{NAME}=random " in told(["make", *instead, "-n", "fuzz"], None)


def test_the_tests_in_a_container_are_handed_it() -> None:
    """README's machine (fresh) runs the live tests."""
    from fresh.run import PASSED_ON

    assert NAME in PASSED_ON


def of_runs(*asked: tuple[str, dict[str, str]]) -> list[tuple[int, int]]:
    """The first stream and how many, as runs of these commits, each asked so, send them."""
    show = f"import conftest, test_csd_fuzz_live as live; print([live.streams(d, c) for c, d in {asked!r}])"
    places = f"import sys; sys.path[:0] = ['{ROOT / 'tests'}', '{ROOT / 'tests/integration'}']"
    said = told([sys.executable, "-c", f"{places}; {show}"], None)
    return [(int(first), int(count)) for first, count in re.findall(r"\((\d+), (\d+)\)", said)]


def test_commits_deal_the_streams_among_them() -> None:
    """Each sends a fifth, always the same one; a few commits send all."""
    runs: list[tuple[str, dict[str, str]]] = [(f"commit {number}", {}) for number in range(20)]
    dealt = of_runs(*runs, *runs)
    assert dealt[:20] == dealt[20:]
    assert set(dealt) == {(first, 20_000) for first in range(0, 100_000, 20_000)}


def test_what_is_asked_for_is_sent_whatever_the_commit() -> None:
    asked = [
        {"HELLO_EBPF_ALL": "yes"},
        {"HELLO_EBPF_FUZZ_FIRST": "1234", "HELLO_EBPF_FUZZ_STREAMS": "1"},
        {"HELLO_EBPF_FUZZ_STREAMS": "100000"},
    ]
    assert of_runs(*(("commit 3", one) for one in asked)) == [(0, 100_000), (1234, 1), (0, 100_000)]


def test_a_stream_follows_from_its_seed_and_its_number_alone(tmp_path: Path) -> None:
    """What csd_fuzz draws for it, whatever was drawn before."""
    (tmp_path / "draws.c").write_text(
        """
        #include <stdio.h>
        #include <stdlib.h>
        #include "chance.h"
        int main(int argc, char **argv)
        {
            for (int i = 2; i < argc; i++) {
                chance = chance_of(strtoull(argv[1], NULL, 0), strtoull(argv[i], NULL, 0));
                for (int n = 0; n < 20; n++) {
                    printf("%u ", border());
                }
                printf("\\n");
            }
        }
        """
    )
    folder = ROOT / "tests/fuzz"
    program = tmp_path / "draws"
    compiled = ["cc", f"-I{folder}", str(tmp_path / "draws.c"), str(folder / "chance.c"), "-o", str(program)]
    subprocess.run(compiled, check=True)

    def draws(*words: str) -> list[str]:
        return subprocess.run([program, *words], check=True, capture_output=True, text=True).stdout.splitlines()

    first, second, third = draws("7", "0", "1", "1234")
    assert draws("7", "1234") == [third]
    assert len({first, second, third, *draws("8", "0", "1", "1234")}) == 6
