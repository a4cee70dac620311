"""What a module's run leaves in the managed host's log: Ansible's own line, and no file's contents in it."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import Any
from unittest import mock

import pytest
import yaml
from ansible.module_utils.basic import AnsibleModule

from conftest import ROOT, loaded
from module_run import run_module
from report_sample import report

MODULES = sorted(path.stem for path in (ROOT / "library").glob("*.py"))
# Characters: what rsyslog takes as one message.
LINE = 8000
# Mappings without suboptions that hold a few words, not what files contain.
FEW_WORDS = {
    ("csd_bench", "programs"),
    ("debian_build", "environment"),
    ("distribution", "built"),
    ("distribution", "packages"),
    ("distribution", "sha256"),
    ("hugepages", "nodes"),
    ("nvme_tcp_left", "connections"),
    ("spdk_build", "git_submodule_urls"),
    ("spdk_rpc", "params"),
}


class Told(BaseException):
    """A module has written its line; what it would do next is not this test's."""


def line(module: str, params: Mapping[str, Any]) -> str:
    """What AnsibleModule hands to syslog, or to the journal, when a module begins."""
    said: list[str] = []

    def log(_self: AnsibleModule, message: str, log_args: Mapping[str, Any] | None = None) -> None:
        said.append(message)
        # The journal gets the same, a field for each argument.
        assert sum(len(str(value)) for value in (log_args or {}).values()) <= len(message)
        raise Told

    with mock.patch.object(AnsibleModule, "log", log), pytest.raises(Told):
        run_module(importlib.import_module(module).main, params)
    return said[0]


def specification(module: str) -> dict[str, Any]:
    """A module's arguments, as it declares them."""
    found: list[dict[str, Any]] = []

    def begin(_self: AnsibleModule, argument_spec: dict[str, Any], **_more: object) -> None:
        found.append(argument_spec)
        raise Told

    with mock.patch.object(AnsibleModule, "__init__", begin), pytest.raises(Told):
        importlib.import_module(module).main()
    return found[0]


def mappings(options: Mapping[str, Any]) -> Iterator[str]:
    """The options that are mappings of anything, or lists of such."""
    for name, option in options.items():
        if "options" not in option and (option.get("type") == "dict" or option.get("elements") == "dict"):
            yield name


@pytest.mark.parametrize("module", MODULES)
def test_every_mapping_is_of_few_words_or_is_kept_out_of_the_log(module: str) -> None:
    found = {(module, name) for name in mappings(specification(module))}
    # A new one: give it contents.mapping for a type, or a place in FEW_WORDS.
    assert found == {(owner, name) for owner, name in FEW_WORDS if owner == module}


@pytest.mark.parametrize("role", ["csd_bench", "csd_host", "csd_target", "ebpf_examples"])
def test_the_sources_that_a_role_builds(role: str) -> None:
    tasks = yaml.safe_load((ROOT / f"roles/{role}/tasks/build.yml").read_text())
    [rooms] = [task["debian_build"]["rooms"] for task in tasks if "debian_build" in task]
    sources = loaded("plugins/action/debian_build.py").read_sources(ROOT / "src", rooms)
    said = line("debian_build", {"name": role, "package": "x", "rooms": rooms, "sources": sources, "dest": "/opt/x"})
    assert f"sources=({len(sources)} entries, " in said
    assert len(said) < LINE


def test_the_programs_that_are_compiled() -> None:
    sources = sorted(path.name for path in (ROOT / "src/programs").glob("*.bpf.c"))
    asked = loaded("plugins/action/csd_program_build.py").gather(sources, [])
    asked["contents"] = {"own.o": "f0VMRg" * 10000}
    assert len(line("csd_program_build", {"sources": sources, **asked})) < LINE


def test_the_programs_that_are_loaded() -> None:
    built = {f"{number}.bpf.c": {"content": "f0VMRg" * 1000, "sha256": "0" * 64, "bytes": 4500} for number in range(6)}
    slots = [{"compute": "csd0_compute", "slot": number, "source": f"{number}.bpf.c"} for number in range(6)]
    assert len(line("csd_program", {"programs": slots, "built": built})) < LINE


def test_the_patches_of_spdk() -> None:
    paths = sorted((ROOT / "roles/spdk/files/patches").glob("*.patch"))
    patches = [{"name": path.name, "content": path.read_text()} for path in paths]
    said = line("spdk_build", {"version": "20.07", "patches": patches})
    assert said.count(" characters)") == len(patches) > 0
    assert len(said) < 2 * LINE  # of which nearly all are their names


def test_what_was_measured() -> None:
    whole = report()
    assert len(str(whole)) > LINE
    results = [{"label": "a", "measurement": whole, "changed": True}]
    assert len(line("csd_report", {"folder": "/r", "results": results, "rpc": whole})) < LINE
    asked = {"initiator": "spdk", "records": 1, "seed": 1, "host_name": "h", "measured_inputs": whole}
    assert len(line("csd_bench", asked)) < LINE
