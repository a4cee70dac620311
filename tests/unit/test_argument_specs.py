"""The options of the target's modules, which are written once and read in three places."""

from __future__ import annotations

import importlib.util

import pytest
from ansible.module_utils.hello_ebpf import arguments

from conftest import ROOT

_spec = importlib.util.spec_from_file_location("argument_specs", ROOT / "scripts/argument_specs.py")
assert _spec is not None
assert _spec.loader is not None
script = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(script)
STALE = "run .venv/bin/python scripts/argument_specs.py"


@pytest.mark.parametrize("module", script.MODULES)
def test_a_module_takes_what_it_documents(module: str) -> None:
    assert getattr(arguments, module.upper()) == script.arguments(module), STALE


def test_the_role_takes_what_it_hands_on() -> None:
    assert script.ROLE.read_text() == script.role(), STALE


def test_a_key_that_a_module_gets_the_role_has_too(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {module: script.documentation(module) for module in script.MODULES}
    color = "      color:\n        description: Like O(bdevs[].name).\n      nqn:\n"
    texts["spdk_target"] = texts["spdk_target"].replace("      nqn:\n", color, 1)
    monkeypatch.setattr(script, "documentation", texts.get)
    added = "          color:\n            description: Like O(csd_target_bdevs[].name).\n          nqn:\n"
    assert added in script.role()
