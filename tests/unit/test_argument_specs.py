"""What modules take is what they document; of the target's modules it is written once and read in three places."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any, NoReturn

import pytest
from ansible.module_utils.hello_ebpf import arguments, contents

from conftest import ROOT

_spec = importlib.util.spec_from_file_location("argument_specs", ROOT / "scripts/argument_specs.py")
assert _spec is not None
assert _spec.loader is not None
script = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(script)
LIBRARY = sorted((ROOT / "library").glob("*.py"))
# Files' contents, which the log does not get.
CONTENTS = {contents.mapping: "dict", contents.text: "str"}
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
    documented = plain(script.arguments(path.stem))
    if path.stem == "csd_target_service":
        documented["bdevs"]["options"] = plain(arguments.SPDK_TARGET["bdevs"]["options"])
    assert taken == [documented]
