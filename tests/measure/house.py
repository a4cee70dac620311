# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""How large the project is, room by room, as a Markdown table: python tests/measure/house.py [--commit REF]

Without --commit it looks at the working tree, files that are not ignored included. The seconds of a verb are what
--seconds says (`--seconds lab=145`), what --measure finds by running it (`--measure check`), or, for `make check` and
`make test`, what build/stages.txt holds. What is told by none of these has no number.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from machines.console import ROOT, MachineError

#: What a line may be, beside the code of a room.
KINDS = ("code", "tests", "C tests", "docs", "pins")
#: Folders of which each folder is a room of its own.
SPLIT = ("roles", "module_utils/hello_ebpf", "src")
#: What counts as a place where the schema of csd_target_subsystems is written: a file that has at least so many of its
#: keys. They are those that hardly anything else has. Tests, inventories and defaults only use the schema.
SUBSYSTEM_KEYS = ("serial", "max_namespaces", "allow_any_host", "nsid", "bdev", "nguid", "eui64", "service_id")
SUBSYSTEM_KEYS_LEAST = 5
#: The way of csd_target_subsystems from the inventory to the target's socket, found by reading: file and name.
HOPS = (
    ("roles/csd_target/defaults/main.yml", "csd_target_subsystems"),
    ("roles/csd_target/meta/argument_specs.yml", "csd_target_subsystems"),
    ("plugins/action/check_variables.py", "wrong_values"),
    ("roles/csd_target/tasks/objects.yml", "csd_target_subsystems"),
    ("module_utils/hello_ebpf/arguments.py", "arguments"),
    ("library/spdk_target.py", "main"),
    ("module_utils/hello_ebpf/spdk_target/tree.py", "declared"),
    ("module_utils/hello_ebpf/spdk_target/subsystems.py", "Subsystem"),
    ("module_utils/hello_ebpf/plan.py", "converge"),
    ("module_utils/hello_ebpf/spdk_target/reconcile.py", "plan"),
    ("module_utils/hello_ebpf/spdk_target/goal.py", "goal"),
    ("module_utils/hello_ebpf/spdk_target/changes.py", "changes"),
    ("module_utils/hello_ebpf/spdk_target/changes.py", "_subsystem"),
    ("module_utils/hello_ebpf/spdk_target/reconcile.py", "write"),
    ("module_utils/hello_ebpf/jsonrpc.py", "batch"),
)
#: Verbs whose time is told, and what is run for each.
VERBS = {
    "lab": ("`make lab`", ["make", "lab"]),
    "second": ("`make lab`, second run", ["make", "lab"]),
    "check": ("`make check`", ["make", "check"]),
    "test": ("`make test`", ["make", "test"]),
}


@dataclass
class House:
    """What a tree holds.

    Attributes:
        lines: by room and kind.
        symlinks: their number.
        schemas: files that write down the schema of csd_target_subsystems.
        missing: hops that are not there.
    """

    lines: dict[str, Counter[str]] = field(default_factory=dict)
    symlinks: int = 0
    modules: int = 0
    actions: int = 0
    schemas: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def git(*words: str) -> bytes:
    """What git says."""
    done = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, check=False)
    if done.returncode:
        found = done.stderr.decode(errors="replace").strip()
        raise MachineError(f"git {' '.join(words)}", found, "name a commit that this clone has")
    return done.stdout


def unpacked(commit: str, folder: Path) -> list[str]:
    """Put a commit's files into a folder; their names."""
    subprocess.run(["tar", "-x", "-C", str(folder)], input=git("archive", commit), check=True)
    return [name for name in git("ls-tree", "-r", "-z", "--name-only", commit).decode().split("\0") if name]


def working_files() -> list[str]:
    """The names of the working tree's files: those that git has or would take."""
    names = git("ls-files", "-z", "--cached", "--others", "--exclude-standard").decode().split("\0")
    return [name for name in names if name and ((ROOT / name).is_symlink() or (ROOT / name).is_file())]


def room(name: str) -> str:
    """Where a file belongs: its top folder, or one folder deeper in those that are split."""
    parts = PurePosixPath(name).parts
    for split in SPLIT:
        depth = len(PurePosixPath(split).parts)
        if name.startswith(f"{split}/"):
            return "/".join(parts[: depth + 1]) if len(parts) > depth + 1 else f"{split}/*"
    return parts[0] if len(parts) > 1 else "(top)"


def kind(name: str) -> str:
    """What the lines of a file are."""
    path = PurePosixPath(name)
    if re.fullmatch(r"requirements.*\.txt", name) or path.suffix == ".sha256":
        return "pins"
    if path.parts[0] == "docs" or path.suffix == ".md" or name == "LICENSE":
        return "docs"
    if path.parts[0] in ("tests", "molecule"):
        return "C tests" if path.suffix in (".c", ".h") else "tests"
    if {"test", "tests"} & set(path.parts[:-1]) or re.match(r"((test|check|fuzz)_.*|check)\.[ch]$", path.name):
        return "C tests"
    return "code"


def text_of(path: Path) -> str | None:
    """A file's text; None for a picture."""
    raw = path.read_bytes()
    return None if b"\0" in raw else raw.decode(errors="replace")


def writes_schema(name: str, text: str) -> bool:
    """Whether enough of the schema's keys stand there as words, in a file that does not merely use it."""
    if kind(name) not in ("code", "docs") or name.startswith("inventory/") or "/defaults/" in name:
        return False
    return sum(bool(re.search(rf"\b{key}\b", text)) for key in SUBSYSTEM_KEYS) >= SUBSYSTEM_KEYS_LEAST


def defines(text: str, name: str) -> bool:
    """Whether a file has this function, class or constant; a YAML file this word."""
    return bool(
        re.search(rf"^\s*(def |class )?{re.escape(name)}\b\s*[:(=]|\b{re.escape(name)} \}}\}}", text, re.MULTILINE)
    )


def look(folder: Path, names: Iterable[str]) -> House:
    """Count what these files of a folder hold."""
    house = House()
    for name in sorted(names):
        path = folder / name
        if path.is_symlink():
            house.symlinks += 1
            continue
        text = text_of(path)
        if text is None:
            continue
        house.lines.setdefault(room(name), Counter())[kind(name)] += len(text.splitlines())
        house.modules += bool(re.fullmatch(r"library/(?!_)\w+\.py", name))
        house.actions += bool(re.fullmatch(r"plugins/action/(?!_)\w+\.py", name))
        if writes_schema(name, text):
            house.schemas.append(name)
    for name, symbol in HOPS:
        path = folder / name
        if not path.is_file() or not defines(path.read_text(), symbol):
            house.missing.append(f"{name}:{symbol}")
    return house


def stage_seconds(stages: Path) -> dict[str, int]:
    """The last time of each stage of `make test`."""
    lines = stages.read_text().splitlines() if stages.is_file() else []
    found = [re.fullmatch(r"\s*(\d+) s  (\S+)", line) for line in lines]
    return {match[2]: int(match[1]) for match in found if match}


def recipe(makefile: str, target: str) -> list[list[str]]:
    """What a target of the Makefile makes, in order; what stands together is made beside each other."""
    rule = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    return [words.split() for words in re.findall(r"tests/together\.sh (.*)", rule[1])] if rule else []


def verb_seconds(stages: Mapping[str, int], makefile: str) -> dict[str, int]:
    """The time of `make check` and `make test` as their stages tell it: of those beside each other the longest."""
    found = {}
    for verb in ("check", "test"):
        groups = recipe(makefile, verb)
        if groups and all(stage in stages for group in groups for stage in group):
            found[verb] = sum(max(stages[stage] for stage in group) for group in groups)
    return found


def measured(verb: str) -> int:
    """Run a verb, and say how long it took."""
    begun = time.monotonic()
    done = subprocess.run(VERBS[verb][1], cwd=ROOT, stdout=sys.stderr, check=False)
    if done.returncode:
        raise MachineError(
            f"the seconds of {VERBS[verb][0]}", f"exit code {done.returncode}", "mend what it says above"
        )
    return round(time.monotonic() - begun)


def told(word: str) -> tuple[str, int]:
    """VERB=SECONDS."""
    verb, _, seconds = word.partition("=")
    if verb not in VERBS or not seconds.isdigit():
        raise argparse.ArgumentTypeError(f"{word}: write one of {', '.join(VERBS)}, = and whole seconds: lab=145")
    return verb, int(seconds)


def table(house: House, seconds: Mapping[str, int]) -> Iterator[str]:
    """Markdown: the rooms, then everything else."""
    yield f"| room | {' | '.join(KINDS)} |"
    yield f"|---|{'--:|' * len(KINDS)}"
    rows = sorted(house.lines.items())
    for name, lines in [*rows, ("**all**", sum(house.lines.values(), Counter()))]:
        yield f"| {name} | {' | '.join(str(lines[one] or '') for one in KINDS)} |"
    yield ""
    yield "| what | number |"
    yield "|---|--:|"
    yield f"| symbolic links | {house.symlinks} |"
    yield f"| modules | {house.modules} |"
    yield f"| action plugins | {house.actions} |"
    yield f"| files that write the schema of csd_target_subsystems | {len(house.schemas)} |"
    yield f"| hops of csd_target_subsystems from the inventory to the socket | {len(HOPS) - len(house.missing)} |"
    for verb, (title, _) in VERBS.items():
        yield f"| {title}, seconds | {seconds.get(verb, '')} |"
    yield ""
    yield "The schema is in: " + ", ".join(house.schemas)
    yield ""
    yield "The hops: " + " → ".join(f"{name}:{symbol}" for name, symbol in HOPS)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commit", help="look at this commit instead of the working tree")
    parser.add_argument("--seconds", type=told, nargs="+", action="extend", default=[], metavar="VERB=SECONDS")
    parser.add_argument("--measure", choices=VERBS, nargs="+", default=[], help="run these now; in this order")
    asked = parser.parse_args()
    try:
        seconds = (
            {}
            if asked.commit
            else verb_seconds(stage_seconds(ROOT / "build/stages.txt"), (ROOT / "Makefile").read_text())
        )
        seconds |= dict(asked.seconds)
        for verb in asked.measure:
            seconds[verb] = measured(verb)
        if asked.commit:
            with tempfile.TemporaryDirectory() as name:
                house = look(Path(name), unpacked(asked.commit, Path(name)))
        else:
            house = look(ROOT, working_files())
        print("\n".join(table(house, seconds)))
        if house.missing:
            found = f"no {', no '.join(house.missing)}"
            raise MachineError("the way of csd_target_subsystems", found, "read where it goes now, and mend HOPS")
    except MachineError as failure:
        print(failure, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
