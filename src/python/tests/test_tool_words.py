# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""The man page and bash's completion of the tool csd, held to what it understands."""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from csd.tool import arguments

HOST = Path(__file__).resolve().parents[2] / "host"
PAGE = (HOST / "csd.1").read_text()
COMPLETION = HOST / "csd.bash"


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """One and those of its commands, at any depth."""
    yield parser
    for command in commands(parser).values():
        yield from parsers(command)


def commands(parser: argparse.ArgumentParser) -> Mapping[str, argparse.ArgumentParser]:
    found = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return found[0].choices if found else {}


def options(parser: argparse.ArgumentParser) -> dict[str, bool]:
    """Each, and whether it takes a value."""
    return {option: action.nargs is None for action in parser._actions for option in action.option_strings}


EVERY = {parser.prog: parser for parser in parsers(arguments.parser())}
OPTIONS = {option: value for parser in EVERY.values() for option, value in options(parser).items()}


def complete(line: str) -> set[str]:
    """What bash offers for the last word of a line."""
    words = line.split(" ")
    script = f"""
        source {shlex.quote(str(COMPLETION))}
        COMP_WORDS=({shlex.join(words)}) COMP_CWORD={len(words) - 1}
        _csd csd {shlex.join([words[-1], words[-2]])}
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done
    return set(done.stdout.split())


def test_the_page_has_its_sections() -> None:
    assert re.findall(r"^\.Sh (.*)", PAGE, re.MULTILINE) == [
        "NAME",
        "SYNOPSIS",
        "DESCRIPTION",
        "COMMANDS",
        "WHICH DRIVE",
        "FILES",
        "EXIT STATUS",
        "EXAMPLES",
    ]


def test_the_page_has_every_command_and_option_and_no_other() -> None:
    described = {f"csd {command}" for command in re.findall(r"^\.It Cm ([a-z ]*[a-z])", PAGE, re.MULTILINE)}
    assert described == {name for name, parser in EVERY.items() if not commands(parser)}
    assert {f"-{option}" for option in re.findall(r"\bFl (-?[a-z0-9-]+)", PAGE)} == set(OPTIONS)


@pytest.mark.parametrize("command", EVERY)
def test_commands_and_options_are_completed(command: str) -> None:
    long = options(EVERY[command]).keys() - {"-h"}
    assert complete(f"{command} --") == long
    # The file that load takes comes from bash itself.
    assert complete(f"{command} ") == (set() if command == "csd load" else long | commands(EVERY[command]).keys())


@pytest.mark.parametrize("option", sorted(OPTIONS.keys() - {"-h", "--help"}))
def test_a_value_is_left_to_bash(option: str) -> None:
    assert (complete(f"csd scan {option} ") == set()) is OPTIONS[option]


def test_what_stands_before_counts() -> None:
    """The command, behind options and their values; a file's name is left to bash."""
    assert complete("csd de") == {"deactivate"}
    assert complete("csd --device /dev/nvme0 --json slm re") == {"read"}
    assert complete("csd slm read --start 0 --l") == {"--length"}
    assert complete("csd load --slot 3 hot") == complete("csd scan --output = ") == set()
