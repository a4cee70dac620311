"""What modules take is what they document, read without PyYAML; the role that hands options on takes the same."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, NoReturn

import pytest
from ansible.module_utils.hello_ebpf.arguments import arguments, mapping, text
from ansible.module_utils.hello_ebpf.spdk_target.options import BDEVS

from conftest import ROOT, loaded

script = loaded("scripts/argument_specs.py")
LIBRARY = sorted((ROOT / "library").glob("*.py"))
# Files' contents, which the log does not get.
CONTENTS = {mapping: "dict", text: "str"}
STALE = "run .venv/bin/python scripts/argument_specs.py"


def test_the_bdevs_of_both_modules_are_the_documented_ones() -> None:
    assert script.arguments("spdk_target")["bdevs"] == BDEVS, STALE
    assert script.SERVICE.read_text() == script.service(), STALE


def test_scalars_and_lists_are_read_as_yaml_reads_them() -> None:
    options = """
options:
  one:
    description: text with a colon: and
      a second line
    type: str
    default: '4420'
  # A comment.
  two:
    type: list
    elements: dict
    default: []
    suboptions:
      three:
        type: float
        default: 0.5
        choices: [0.5, 1, true, word, 'null']
"""
    three = {"type": "float", "default": 0.5, "choices": [0.5, 1, True, "word", "null"]}
    assert arguments(options, files=("one",)) == {
        "one": {"type": text, "default": "4420"},
        "two": {"type": "list", "elements": "dict", "default": [], "options": {"three": three}},
    }


def test_the_role_takes_what_it_hands_on() -> None:
    assert script.ROLE.read_text() == script.role(), STALE


def test_a_key_that_a_module_gets_the_role_has_too(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {module: script.documentation(module) for module in set(script.HANDED_ON.values())}
    color = "      color:\n        description: Like O(bdevs[].name).\n      nqn:\n"
    texts["spdk_target"] = texts["spdk_target"].replace("      nqn:\n", color, 1)
    monkeypatch.setattr(script, "documentation", texts.get)
    added = "          color:\n            description: Like O(csd_target_bdevs[].name).\n          nqn:\n"
    assert added in script.role()


def plain(spec: dict[str, Any]) -> dict[str, Any]:
    """A specification without what goes without saying."""
    return {
        name: {
            key: plain(value) if key == "options" else CONTENTS.get(value, value) if callable(value) else value
            for key, value in {"type": "str", **option}.items()
            if (key, value) != ("required", False)
        }
        for name, option in spec.items()
    }


@pytest.mark.parametrize("path", LIBRARY, ids=[path.stem for path in LIBRARY])
def test_every_module_takes_what_it_documents(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module(path.stem)
    taken: list[dict[str, Any]] = []

    def ansible_module(argument_spec: dict[str, Any], **_: Any) -> NoReturn:
        taken.append(plain(argument_spec))
        raise SystemExit

    monkeypatch.setattr(module, "AnsibleModule", ansible_module)
    with pytest.raises(SystemExit):
        module.main()
    assert taken == [plain(script.arguments(path.stem))]
