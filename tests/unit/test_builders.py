"""Who compiles for whom, by the groups of an inventory; also where the group of builders is empty or missing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT

SHOWN = [
    "compiled_here",
    "csd_target_builder",
    "distribution_builder",
    "__distribution_compiles",
    "__distribution_packs",
]
# A play's come after the defaults of its roles.
VARIABLES = [
    "roles/csd_target/defaults/main.yml",
    "roles/distribution/defaults/main.yml",
    "roles/distribution/vars/main.yml",
    "playbooks/vars/fleet.yml",
]
ALONE = {"compiles": True, "packs": False}


def decided(
    folder: Path, groups: dict[str, list[str]], inventory: dict[str, Any] | None = None, **more: Any
) -> dict[str, dict[str, Any]]:
    """Host to the variables that say who compiles, as Ansible evaluates them."""
    hosts = folder / "hosts.yml"
    children: dict[str, Any] = {group: {"hosts": {name: {} for name in names}} for group, names in groups.items()}
    variables = {"ansible_connection": "local", **(inventory or {})}
    hosts.write_text(json.dumps({"all": {"children": children, "vars": variables}}))
    shown = "{{ {'host': inventory_hostname, " + ", ".join(f"'{name}': {name}" for name in SHOWN) + "} | to_json }}"
    play = {
        "hosts": "builder:targets:initiators",
        "gather_facts": False,
        "vars_files": [str(ROOT / path) for path in VARIABLES],
        "tasks": [{"ansible.builtin.debug": {"msg": "SHOWN " + shown}}],
    }
    book = folder / "show.yml"
    book.write_text(json.dumps([play]))
    environment = os.environ | {"LAB_RUN_FILE": str(folder / "run.jsonl"), "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"}
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(hosts), str(book), "-e", json.dumps(more)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line.strip() for line in done.stdout.splitlines() if '"msg": "SHOWN ' in line]
    found = [json.loads(json.loads("{" + line + "}")["msg"].removeprefix("SHOWN ")) for line in lines]
    return {one.pop("host"): one for one in found}


def told(builder: str, *, compiles: bool, packs: bool) -> dict[str, Any]:
    return dict(zip(SHOWN, [compiles, builder, builder, compiles, packs], strict=True))


@pytest.mark.parametrize("builder", [{}, {"builder": []}], ids=["missing", "empty"])
def test_without_builders_every_host_compiles_for_itself_and_packs_nothing(
    tmp_path: Path, builder: dict[str, list[str]]
) -> None:
    found = decided(tmp_path, {**builder, "targets": ["a", "b"], "initiators": ["c"]})
    assert found == {host: told(host, **ALONE) for host in ("a", "b", "c")}


def test_a_builder_packs_for_those_that_are_none(tmp_path: Path) -> None:
    found = decided(tmp_path, {"builder": ["a"], "targets": ["b"], "initiators": ["a", "c"]})
    assert found == {
        "a": told("a", compiles=True, packs=True),
        "b": told("a", compiles=False, packs=False),
        "c": told("a", compiles=False, packs=False),
    }


@pytest.mark.parametrize("groups", [{"builder": ["a"]}, {"builder": ["a"], "targets": ["a"], "initiators": ["a"]}])
def test_a_builder_that_nobody_takes_from_packs_nothing(tmp_path: Path, groups: dict[str, list[str]]) -> None:
    assert decided(tmp_path, groups) == {"a": told("a", **ALONE)}


def test_without_builders_an_archive_takes_their_place(tmp_path: Path) -> None:
    found = decided(tmp_path, {"targets": ["a"]}, distribution_archive="/srv/lab/a.tar.gz")
    assert found == {"a": told("a", compiles=False, packs=False)}


@pytest.mark.parametrize(
    ("name", "value"), [("csd_target_builder", "b"), ("distribution_builders", ["b"]), ("distribution_takers", ["c"])]
)
def test_what_an_inventory_sets_itself_stays(tmp_path: Path, name: str, value: Any) -> None:
    found = decided(tmp_path, {"builder": ["a"]}, {name: value})
    seen = {"distribution_builders": "distribution_builder", "distribution_takers": "__distribution_packs"}.get(
        name, name
    )
    other = told("a", **ALONE)
    assert found["a"][seen] == ("b" if value != ["c"] else True) != other[seen]


@pytest.mark.parametrize("book", ["site.yml", "playbooks/show.yml"])
def test_files_of_the_lab_lie_in_its_folder(tmp_path: Path, book: str) -> None:
    """Where roles of themselves would take the playbook's; alone or from site.yml, wherever it is started."""
    shutil.copytree(ROOT / "playbooks", tmp_path / "playbooks")
    show = {"ansible.builtin.debug": {"msg": "{{ csd_bench_reports }} {{ distribution_folder }}"}}
    play = {"hosts": "localhost", "gather_facts": False, "vars_files": ["vars/fleet.yml"], "tasks": [show]}
    (tmp_path / "playbooks/show.yml").write_text(json.dumps([play]))
    (tmp_path / "site.yml").write_text("- ansible.builtin.import_playbook: playbooks/show.yml\n")
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", str(tmp_path / book)],
        cwd=ROOT,
        env=os.environ | {"LAB_RUN_FILE": str(tmp_path / "run.jsonl"), "COLUMNS": "1000"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"{tmp_path}/reports {tmp_path}/build/distribution" in done.stdout, done.stdout + done.stderr
