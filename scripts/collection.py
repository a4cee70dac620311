# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Stage this project's roles, modules and plugins as an Ansible collection, for `ansible-galaxy collection build`.

    .venv/bin/python scripts/collection.py FOLDER

writes FOLDER/ansible_collections/<namespace>/<name> anew and prints its path. What a link points to is copied. Texts
are altered only where a collection wants another name than the project: imports of module_utils, the modules in
module_defaults, in examples and in references of the documentation, and paths between playbooks.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
# Folder or file of the project to where a collection has it. `src` holds the C sources where the roles do not.
PARTS = {
    "roles": "roles",
    "library": "plugins/modules",
    "module_utils": "plugins/module_utils",
    "plugins": "plugins",
    "src": "src",
    "packaging": "packaging",
    "playbooks": "playbooks",
    "site.yml": "playbooks/site.yml",
    "docs": "docs",
    "LICENSE": "LICENSE",
    "CHANGELOG.md": "CHANGELOG.md",
}
OPTIONAL = {"src"}
LEFT_OUT = {"build", "__pycache__"}
RANGE = re.compile(r"version\('2\.(\d+)', '(>=|<)'\)")
# Of managed machines.
PYTHON = ">=3.11"
# The form of an exception: tests/sanity/ignore.txt.
EXCEPTION = re.compile(r"(?:2\.(\d+)(?:-2\.(\d+))? )?([^ ~]+)(?:~(\S+))? (\S+ # .+)")


class CollectionError(Exception):
    """What was asked, what was found, what to do."""

    def __init__(self, asked: str, found: str, fix: str) -> None:
        super().__init__(f"Asked: {asked}. Found: {found}. Do: {fix}.")


def stage(root: Path, folder: Path) -> Path:
    """Write the collection of the project in ``root`` below ``folder``, and return its path.

    Raises:
        CollectionError: a part of the project is missing, or a link leads nowhere.
    """
    galaxy = yaml.safe_load((root / "scripts/collection.yml").read_text())
    there: Path = folder / "ansible_collections" / galaxy["namespace"] / galaxy["name"]
    if there.exists():
        shutil.rmtree(there)
    for part, place in PARTS.items():
        if (root / part).exists():
            copy(root / part, there / place)
        elif part not in OPTIONAL:
            raise CollectionError(f"a collection of {root}", f"it has no {part}", "run this in the whole project")
    rename(there, f"{galaxy['namespace']}.{galaxy['name']}")
    (there / "README.md").write_text(readme(root))
    (there / "galaxy.yml").write_text(dump(galaxy))
    first, after = versions(root)
    (there / "meta").mkdir()
    (there / "meta/runtime.yml").write_text(dump({"requires_ansible": f">=2.{first}.0,<2.{after}.0"}))
    (there / "tests/sanity").mkdir(parents=True)
    # Without it, ansible-core 2.16 asks for what Python 2 needs.
    (there / "tests/config.yml").write_text(dump({"modules": {"python_requires": PYTHON}}))
    for version in range(first, after):
        entries = exceptions(root / "tests/sanity/ignore.txt", there, version)
        (there / f"tests/sanity/ignore-2.{version}.txt").write_text("".join(f"{entry}\n" for entry in entries))
    return there


def copy(source: Path, target: Path) -> None:
    """Copy a file, or a folder without hidden files and what builds leave there; links become what they point to."""
    for path in [source] if source.is_file() else sources(source):
        if not path.is_file():
            raise CollectionError(
                f"a copy of {path}", f"it is a link to {path.readlink()}, which is not there", "mend it"
            )
        place = target / path.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)


def sources(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name in LEFT_OUT or path.name.startswith("."):
            continue
        if path.is_dir():
            yield from sources(path)
        else:
            yield path


def rename(collection: Path, name: str) -> None:
    """Give what the texts refer to the names that it has in the collection."""
    modules = "|".join(sorted(path.stem for path in (collection / "plugins/modules").glob("*.py")))
    reference = (re.compile(rf"\bM\(({modules})\)"), rf"M({name}.\1)")
    imports = (
        re.compile(r"\bansible\.module_utils\.hello_ebpf\b"),
        f"ansible_collections.{name}.plugins.module_utils.hello_ebpf",
    )
    # A task of an example: two spaces, the module, a colon.
    task = re.compile(rf"^(  )({modules}):$", re.MULTILINE)
    examples = re.compile(r'(?<=^EXAMPLES = r""").*?(?=""")', re.MULTILINE | re.DOTALL)
    # Ansible takes no role's own collection into account there.
    defaults = (re.compile(rf"^( *module_defaults:\n +)({modules}):", re.MULTILINE), rf"\1{name}.\2:")
    playbooks = (re.compile(r"(import_playbook: )playbooks/"), r"\1")
    for paths, (pattern, replacement) in (
        ("plugins/**/*.py", imports),
        ("plugins/modules/*.py", reference),
        ("plugins/modules/*.py", (examples, lambda found: task.sub(rf"\1{name}.\2:", found[0]))),
        ("roles/*/tasks/*.yml", defaults),
        ("roles/*/meta/argument_specs.yml", reference),
        ("playbooks/site.yml", playbooks),
    ):
        for path in collection.glob(paths):
            text = path.read_text()
            if (changed := pattern.sub(replacement, text)) != text:
                path.write_text(changed)


def readme(root: Path) -> str:
    """The page about the collection, whose links lead into docs."""
    text = (root / "docs/collection.md").read_text()
    return re.sub(r"\]\((?!https?:|#)(\.\./)?", lambda link: "](" if link[1] else "](docs/", text)


def versions(root: Path) -> tuple[int, int]:
    """The first series 2.x of ansible-core that playbooks/preflight.yml takes, and the one after the last."""
    found = {sign: int(minor) for minor, sign in RANGE.findall((root / "playbooks/preflight.yml").read_text())}
    return found[">="], found["<"]


def exceptions(listed: Path, collection: Path, version: int) -> Iterator[str]:
    """The lines of ansible-test 2.version's ignore file, which takes no patterns, from one with patterns.

    Raises:
        CollectionError: a line has another form, or fits nothing in the collection.
    """
    for line in listed.read_text().splitlines():
        if line.startswith("#"):
            continue
        asked = f"the exception {line!r} of {listed.name}"
        found = EXCEPTION.fullmatch(line)
        if found is None:
            raise CollectionError(asked, "no file, rule, # and reason", "give all of them")
        first, last, pattern, text, rest = found.groups()
        if first and not int(first) <= version <= int(last or first):
            continue
        paths = [
            path
            for path in sorted(collection.glob(pattern))
            if path.is_file() and (text is None or re.search(text, path.read_text()))
        ]
        if not paths:
            raise CollectionError(asked, "no such file", "correct or remove it")
        yield from (f"{path.relative_to(collection)} {rest}" for path in paths)


def dump(data: dict[str, Any]) -> str:
    return "---\n" + yaml.safe_dump(data, sort_keys=False, width=120)


def main() -> int:
    try:
        print(stage(ROOT, Path(sys.argv[1])))
    except CollectionError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
