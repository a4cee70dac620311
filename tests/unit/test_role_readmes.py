"""Each role's README.md says what its argument specification says."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import ROOT, loaded

readmes = loaded("scripts/role_readmes.py")

PAGES: dict[Path, str] = readmes.pages(ROOT)
WRITES = ".venv/bin/python scripts/role_readmes.py"


def test_every_role_has_one() -> None:
    assert {path.parent for path in PAGES} == {path for path in (ROOT / "roles").iterdir() if path.is_dir()}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.parent.name))
def test_it_is_not_stale(path: Path) -> None:
    assert path.is_file(), f"run {WRITES}: there is no {path}"
    assert path.read_text() == PAGES[path], f"run {WRITES}: {path} is stale"


def test_what_a_page_says() -> None:
    options = {
        "one_state": {
            "description": ["V(absent) removes what M(thing) made;", "see O(one_list)."],
            "type": "str",
            "choices": ["present", "absent"],
            "default": "present",
        },
        "one_list": {"description": "a | b", "type": "list", "elements": "dict", "required": True, "default": []},
        "one_flag": {"description": "C({}) or C(f(x)).", "type": "bool", "default": False},
    }
    main = {"short_description": "One", "description": ["Does\n  one thing."], "options": options}
    told = readmes.page("one", {"argument_specs": {"main": main}})
    assert told.startswith("# one\n\nOne.\n\n- Does one thing.\n\n| variable |")
    assert (
        "| `one_state` | str | `absent` removes what `thing` made; see `one_list`. One of `present`, `absent`. "
        "Default: `present`. |\n"
        "| `one_list` | list of dict | a \\| b Required. |\n"
        "| `one_flag` | bool | `{}` or `f(x)`. Default: `false`. |\n"
    ) in told
