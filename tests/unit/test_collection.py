"""The collection that `make collection` stages: built, installed into an empty folder, used by a foreign playbook."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

import foreign_playbook
from conftest import ROOT, loaded
from sanity_environments import required, sanity

collection = loaded("scripts/collection.py")

NAME = "hello_ebpf.lab"
MODULES = sorted(path.stem for path in (ROOT / "library").glob("*.py"))
# The tests of ansible-test: pylint takes longer than all others. tests/lint.sh runs shellcheck.
SANITY = {"pylint": ["--test", "pylint"], "others": ["--skip-test", "pylint", "--skip-test", "shellcheck"]}
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir())


def run(folder: Path, *words: str, program: str = "ansible-playbook") -> subprocess.CompletedProcess[str]:
    """One of Ansible's programs, in a folder, with no settings but where collections lie."""
    (folder / "ansible.cfg").write_text("[defaults]\ncollections_path = collections\n")
    environment = {
        "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "LC_ALL": "C.UTF-8",
        "COLUMNS": "1000",
    }
    command = [str(Path(sys.executable).with_name(program)), *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def must(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tarball, as `make collection` makes it."""
    folder = tmp_path_factory.mktemp("build")
    staged = collection.stage(ROOT, folder)
    must(run(folder, "collection", "build", "--output-path", str(folder), str(staged), program="ansible-galaxy"))
    [found] = folder.glob("*.tar.gz")
    return found


@pytest.fixture(scope="module")
def user(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that has nothing but the installed collection."""
    folder = tmp_path_factory.mktemp("user")
    words = ["collection", "install", "-p", "collections", "--offline", str(archive)]
    must(run(folder, *words, program="ansible-galaxy"))
    return folder


def test_the_archive_is_named_by_the_one_version(archive: Path) -> None:
    version = yaml.safe_load((ROOT / "scripts/collection.yml").read_text())["version"]
    assert archive.name == f"hello_ebpf-lab-{version}.tar.gz"


def test_it_holds_every_role_module_and_plugin_and_no_link(archive: Path) -> None:
    with tarfile.open(archive) as tar:
        members = tar.getmembers()
    assert [member.name for member in members if member.issym() or member.islnk()] == []
    names = {member.name for member in members}
    assert {f"plugins/modules/{name}.py" for name in MODULES} <= names
    assert {f"roles/{name}/meta/argument_specs.yml" for name in ROLES} <= names
    assert {path.relative_to(ROOT).as_posix() for path in (ROOT / "plugins").rglob("*.py")} <= names
    assert {"LICENSE", "README.md", "meta/runtime.yml", "playbooks/site.yml", "playbooks/vars/fleet.yml"} <= names
    assert [name for name in names if "__pycache__" in name or "/build/" in name] == []


def test_what_is_compiled_comes_with_it(user: Path) -> None:
    """The sources of the roles, or src/, whichever this project has."""
    there = user / "collections/ansible_collections/hello_ebpf/lab"
    for folder in ("roles", "src"):
        for path in (ROOT / folder).rglob("*.[ch]"):
            if "build" not in path.parts:
                assert (there / path.relative_to(ROOT)).read_bytes() == path.read_bytes(), path


def test_no_code_imports_the_projects_own_module_utils(user: Path) -> None:
    for path in (user / "collections").rglob("plugins/**/*.py"):
        assert "ansible.module_utils.hello_ebpf" not in path.read_text(), path


def test_it_runs_with_the_versions_that_the_playbooks_run_with(user: Path) -> None:
    runtime = yaml.safe_load((user / "collections/ansible_collections/hello_ebpf/lab/meta/runtime.yml").read_text())
    assert runtime == {"requires_ansible": ">=2.16.0,<2.22.0"}


def test_the_readme_leads_to_the_documentation(user: Path) -> None:
    there = user / "collections/ansible_collections/hello_ebpf/lab"
    links = re.findall(r"\]\(([^)#]+)\)", (there / "README.md").read_text())
    assert links
    assert [link for link in links if not (there / link).is_file()] == []


def test_every_module_is_documented(user: Path) -> None:
    done = run(user, "--json", *(f"{NAME}.{name}" for name in MODULES), program="ansible-doc")
    told = json.loads(must(done))
    assert sorted(told) == [f"{NAME}.{name}" for name in MODULES]
    for name in MODULES:
        assert f"  {NAME}.{name}:" in told[f"{NAME}.{name}"]["examples"], name
    assert "WARNING" not in done.stderr


def test_every_role_is_documented(user: Path) -> None:
    told = must(run(user, "-t", "role", "--list", NAME, program="ansible-doc"))
    assert [name for name in ROLES if f"{NAME}.{name}" not in told] == []


@pytest.mark.parametrize("name", ["site", "upgrade", "teardown"])
def test_the_labs_playbooks_come_with_it(user: Path, name: str) -> None:
    inventory = str(ROOT / "inventory/fleet.example")
    must(run(user, "--syntax-check", "-i", inventory, f"{NAME}.{name}"))


def test_the_labs_own_check_runs_by_its_full_name(user: Path) -> None:
    """Its play names modules without the collection."""
    done = run(user, "-i", str(ROOT / "inventory/local"), f"{NAME}.preflight", "-e", "spdk_sauce=git")
    assert done.returncode != 0
    assert "did you mean spdk_source?" in done.stdout + done.stderr


def test_a_foreign_playbook_uses_it(user: Path, tmp_path: Path) -> None:
    """Roles, the roles that these include, modules and action plugins; two drives, of which nothing is made."""
    (tmp_path / "collections").symlink_to(user / "collections")
    inventory = str(foreign_playbook.inventory(tmp_path, sys.executable))
    book = str(foreign_playbook.playbook(tmp_path, NAME))
    must(run(tmp_path, "-i", inventory, "--syntax-check", book))
    said = must(run(tmp_path, "-i", inventory, "--check", "-v", book))
    for host, port in foreign_playbook.PORTS.items():
        [recap] = re.findall(rf"^{host} +: (.*)$", said, re.MULTILINE)
        assert "failed=0" in recap
        assert f"nqn.2026-11.example:{host}" in said
        assert f"127.0.0.1:{port}" in said
        assert f"{tmp_path}/{host}/mine" in said
    assert f"{NAME}.nvme_tcp : Note who connects" in said
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(tuple(foreign_playbook.PORTS))] == []


def test_a_foreign_variable_that_is_wrong_is_refused(user: Path, tmp_path: Path) -> None:
    (tmp_path / "collections").symlink_to(user / "collections")
    inventory = str(foreign_playbook.inventory(tmp_path, sys.executable))
    book = str(foreign_playbook.playbook(tmp_path, NAME))
    done = run(tmp_path, "-i", inventory, "--check", book, "-e", "csd_target_prefx=/a")
    assert done.returncode != 0
    assert "did you mean csd_target_prefix?" in done.stdout + done.stderr


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("tests", SANITY)
def test_it_is_as_ansible_wants_collections(tmp_path: Path, tests: str) -> None:
    """With the exceptions of tests/sanity/ignore.txt; one that is not needed is an error too."""
    done = sanity(collection.stage(ROOT, tmp_path), tmp_path, *SANITY[tests])
    must(done)
    # Such as a test that is left out because something is missing.
    assert re.findall("^WARNING: (?!Using locale|Reviewing previous).*", done.stderr, re.MULTILINE) == []


def test_a_module_that_needs_a_package_is_found(tmp_path: Path) -> None:
    """One that this environment has, and a managed machine need not have."""
    staged = collection.stage(ROOT, tmp_path)
    module = staged / "plugins/modules/lab_folders.py"
    module.write_text(module.read_text().replace("\nimport ", "\nimport yaml\nimport ", 1))
    done = sanity(staged, tmp_path, "--test", "import", "plugins/modules/lab_folders.py")
    assert "ModuleNotFoundError: No module named 'yaml'" in done.stdout


@pytest.mark.parametrize("environment", ["sanity.pylint", "sanity.validate-modules", "sanity.pep8"])
def test_the_tools_are_those_that_ansible_test_names(environment: str) -> None:
    tools = {"antsibull-docs-parser", "pycodestyle", "pylint", "voluptuous"}
    named = {name: wanted for name, wanted in required(environment).items() if name in tools}
    assert named == {name: version(name) for name in named} != {}


# ---- the staging itself


def test_a_link_becomes_what_it_points_to(tmp_path: Path) -> None:
    for folder in ("a/build", "a/__pycache__", "a/.git", "a/deep", "b"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "file.c").write_text(folder)
    (tmp_path / "a/link.c").symlink_to("../b/file.c")
    collection.copy(tmp_path / "a", tmp_path / "there")
    found = {str(path.relative_to(tmp_path / "there")): path for path in (tmp_path / "there").rglob("*.c")}
    assert {name: path.read_text() for name, path in found.items()} == {"link.c": "b", "deep/file.c": "a/deep"}
    assert not found["link.c"].is_symlink()


def test_a_link_that_leads_nowhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/link.c").symlink_to("gone.c")
    with pytest.raises(collection.CollectionError) as refused:
        collection.copy(tmp_path / "a", tmp_path / "there")
    assert str(refused.value) == (
        f"Asked: a copy of {tmp_path}/a/link.c. Found: it is a link to gone.c, which is not there. Do: mend it."
    )


def test_a_part_of_the_project_is_refused(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts/collection.yml").write_text((ROOT / "scripts/collection.yml").read_text())
    with pytest.raises(collection.CollectionError) as refused:
        collection.stage(tmp_path, tmp_path / "out")
    assert str(refused.value) == (
        f"Asked: a collection of {tmp_path}. Found: it has no roles. Do: run this in the whole project."
    )


def test_staging_begins_anew(tmp_path: Path) -> None:
    staged = collection.stage(ROOT, tmp_path)
    (staged / "roles/left.yml").write_text("")
    assert collection.stage(ROOT, tmp_path) == staged
    assert not (staged / "roles/left.yml").exists()


@pytest.mark.parametrize(
    ("place", "text", "changed"),
    [
        ("plugins/action/a.py", "import ansible.module_utils.hello_ebpf.x", f"ansible_collections.{NAME}.plugins."),
        (
            "plugins/modules/one.py",
            'EXAMPLES = r"""\n- name: x\n  one:\n    one: 1\n"""\n',
            f"\n  {NAME}.one:\n    one",
        ),
        ("plugins/modules/one.py", 'DOCUMENTATION = r"""\n  one:\n"""\nEXAMPLES = r"""\n"""', '"""\n  one:\n"""'),
        ("plugins/modules/one.py", "of M(one) and M(other)", f"of M({NAME}.one) and M(other)"),
        ("roles/r/tasks/main.yml", "  module_defaults:\n    one: x\n", f"  module_defaults:\n    {NAME}.one: x\n"),
        ("roles/r/tasks/main.yml", "- name: x\n  one:\n", "- name: x\n  one:\n"),
        ("playbooks/site.yml", "import_playbook: playbooks/a.yml", "import_playbook: a.yml"),
    ],
)
def test_what_is_renamed(tmp_path: Path, place: str, text: str, changed: str) -> None:
    for name, content in (("plugins/modules/one.py", ""), (place, text)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    collection.rename(tmp_path, NAME)
    assert changed in (tmp_path / place).read_text()


def test_exceptions_are_told_file_by_file(tmp_path: Path) -> None:
    for name in ("a/one.py", "a/two.py", "b/csd"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    listed = tmp_path / "ignore.txt"
    listed.write_text("# Why\na/*.py no-assert # types\n**/csd shebang # a program\n")
    assert list(collection.exceptions(listed, tmp_path, 16)) == [
        "a/one.py no-assert # types",
        "a/two.py no-assert # types",
        "b/csd shebang # a program",
    ]


def test_an_exception_is_of_versions_and_of_files_with_a_text(tmp_path: Path) -> None:
    for name in ("one.py", "two.py"):
        (tmp_path / name).write_text(name)
    listed = tmp_path / "ignore.txt"
    listed.write_text("2.16 *.py~(o)ne a # why\n2.17-2.19 *.py~\\btwo b # why\n")
    told = {version: list(collection.exceptions(listed, tmp_path, version)) for version in (16, 17, 19, 20)}
    assert told == {16: ["one.py a # why"], 17: ["two.py b # why"], 19: ["two.py b # why"], 20: []}


@pytest.mark.parametrize(
    ("line", "refusal"),
    [
        ("c/*.py no-assert # gone", "Found: no such file. Do: correct or remove it."),
        ("*.txt~other[s] no-assert # gone", "Found: no such file. Do: correct or remove it."),
        ("*.txt no-assert", "Found: no file, rule, # and reason. Do: give all of them."),
    ],
)
def test_an_exception_that_fits_nothing_is_refused(tmp_path: Path, line: str, refusal: str) -> None:
    listed = tmp_path / "ignore.txt"
    listed.write_text(line)
    with pytest.raises(collection.CollectionError) as refused:
        list(collection.exceptions(listed, tmp_path, 16))
    assert str(refused.value) == f"Asked: the exception {line!r} of ignore.txt. {refusal}"
