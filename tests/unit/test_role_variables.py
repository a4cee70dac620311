"""Every declared variable of every role, read from its specification: what is wrong in it is refused, at any depth."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
import yaml
from ansible.module_utils.hello_ebpf.bench.settings import PROGRAMS

from conftest import ROOT, loaded

# Their keys are the user's own: numbers of NUMA nodes.
OPEN = {"hugepages_nodes"}


CHECK = loaded("plugins/action/check_variables.py")
ROLES: dict[str, dict[str, dict[str, Any]]] = CHECK.specifications(ROOT / "roles")
VARIABLES = {name: option for options in ROLES.values() for name, option in options.items()}


@pytest.fixture(autouse=True)
def any_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here a text is a text; what a name may be, test_names.py holds."""
    monkeypatch.setattr(CHECK, "RULES", {})


class Place(NamedTuple):
    """An option somewhere inside a variable: the keys that lead there, and what is declared of it."""

    variable: str
    path: tuple[str, ...]
    option: dict[str, Any]

    def value(self, here: Any) -> Any:
        """A whole value of the variable, right but for what is here."""
        return _around(VARIABLES[self.variable], self.path, here)


def _around(option: dict[str, Any], path: tuple[str, ...], here: Any) -> Any:
    if not path:
        return here
    inside = _right_keys(option["options"]) | {path[0]: _around(option["options"][path[0]], path[1:], here)}
    return [inside] if option["type"] == "list" else inside


def _right_keys(options: dict[str, Any]) -> dict[str, Any]:
    return {key: right(option) for key, option in options.items() if option.get("required")}


def right(option: dict[str, Any]) -> Any:
    """A value that the specification takes."""
    if "choices" in option and option["type"] != "list":
        return option["choices"][0]
    if option["type"] == "list":
        elements = {**option, "type": option["elements"]}
        return [right(elements)]
    return {"str": "text", "path": "/a", "int": 1, "float": 0.5, "bool": True, "raw": "text"}.get(
        option["type"], _right_keys(option.get("options", {}))
    )


def places(options: dict[str, Any], variable: str = "", path: tuple[str, ...] = ()) -> Iterator[Place]:
    for name, option in options.items():
        where = Place(variable or name, (*path, name) if variable else (), option)
        yield where
        yield from places(option.get("options", {}), where.variable, where.path)


ALL = list(places(VARIABLES))


def some(*types: str) -> pytest.MarkDecorator:
    found = [place for place in ALL if place.option["type"] in types and place.variable not in CHECK.FORMS]
    return pytest.mark.parametrize("place", found, ids=[".".join((place.variable, *place.path)) for place in found])


def wrong(place: Place, here: Any) -> list[str]:
    found: list[str] = list(CHECK.wrong_values(place.variable, place.value(here), VARIABLES[place.variable]))
    return found


def test_the_sweep_reaches_every_depth() -> None:
    assert {len(place.path) for place in ALL} == {0, 1, 2}
    assert ("csd_target_subsystems", ("listeners", "service_id")) in {place[:2] for place in ALL}
    assert ("csd_target_subsystems", ("hosts", "programs")) in {place[:2] for place in ALL}


@pytest.mark.parametrize("place", ALL, ids=[".".join((place.variable, *place.path)) for place in ALL])
def test_a_right_value_is_taken(place: Place) -> None:
    forms = {"csd_target_core_mask": "0xF", "hugepages_nodes": {0: 512, "1": 512}}
    here = forms.get(place.variable, right(place.option))
    assert wrong(place, here) == []


def test_every_structure_declares_its_keys() -> None:
    structures = [place for place in ALL if "dict" in (place.option["type"], place.option.get("elements"))]
    assert {place.variable for place in structures if "options" not in place.option} == OPEN
    assert len(structures) > 12


STRUCTURES = [place for place in ALL if place.option.get("options")]


@pytest.mark.parametrize("place", STRUCTURES, ids=[".".join((place.variable, *place.path)) for place in STRUCTURES])
def test_a_misspelt_key_is_named_with_the_right_one(place: Place) -> None:
    """`tipe:` in a bdev, `listners:` in a subsystem: with every key of every structure, one letter too many."""
    for key in place.option["options"]:
        item = _right_keys(place.option["options"]) | {f"{key}z": 1}
        found = wrong(place, [item] if place.option["type"] == "list" else item)
        assert len(found) == 1
        assert f".{key}z. Found: there is no such key. Do: did you mean {key}?" in found[0]


@some("bool")
def test_a_boolean_is_one_or_is_refused(place: Place) -> None:
    for taken in ["true", "false", "yes", "no", "on", "off", "True", "False", "1", "0", True, False]:
        assert wrong(place, taken) == []
    for refused in ["maybe", "", 2, [True], "tru"]:
        assert wrong(place, refused) != [], refused


@some("int", "float")
def test_a_number_is_one_or_is_refused(place: Place) -> None:
    if "choices" not in place.option:
        assert wrong(place, "7") == []
    for refused in ["", "seven", True, [7], "0x7z"]:
        assert wrong(place, refused) != [], refused


@some("str", "path")
def test_a_text_that_yaml_reads_as_something_else_is_refused(place: Place) -> None:
    """Without quotes 20.10 is 20.1, 0x10 is 16, 010 is 8, yes is true, 2026-11-27 is a day."""
    for written in ["20.10", "0x10", "010", "yes", "2026-11-27", "[0, 1]", "{nqn.2026-11.io.lab: }", "1e3", "12:30:00"]:
        read = yaml.safe_load(written)
        if isinstance(read, str):  # YAML wants a sign in the exponent
            continue
        [found] = wrong(place, read)
        assert "where a string is wanted; YAML takes" in found
        assert "Do: put it in quotes." in found


@some("list", "dict")
def test_a_structure_is_not_given_as_text(place: Place) -> None:
    """Ansible's own check takes "a,b" for a list and "a=1" for a mapping; the role gets the text all the same."""
    for text in ["a,b", "a=1", ""]:
        found = wrong(place, text)
        assert len(found) == 1
        assert "Found: a string, where a " in found[0]


@pytest.mark.parametrize("name", [name for name, option in VARIABLES.items() if "default" in option])
def test_a_variable_without_a_value_is_refused_unless_it_can_be_null(name: str) -> None:
    found = list(CHECK.wrong_values(name, None, VARIABLES[name]))
    if name in {"hugepages_manage", "hugepages_megabytes"}:
        assert found == []
    else:
        assert found == [f"Asked: {name}: None. Found: it has no value. Do: give it one, or leave it out."]


@pytest.mark.parametrize("mask", [15, 1, [0, 1], "0-3", "[0,1]", "15", "0x", "0x0", "0x1\n", "", True, {"0xF": None}])
def test_a_core_mask_that_yaml_or_spdk_reads_otherwise_is_refused(mask: Any) -> None:
    """Without quotes 0xF is 15, which SPDK takes for 0x15: cores 0, 2 and 4."""
    [found] = CHECK.wrong_values("csd_target_core_mask", mask, VARIABLES["csd_target_core_mask"])
    assert found.endswith(
        'Do: write a hexadecimal mask, in quotes: "0x1" is core 0, "0x6" are cores 1 and 2, "0xF" are cores 0 to 3.'
    )


@pytest.mark.parametrize("mask", ["0xF", "0x1", "0x00A"])
def test_a_core_mask_in_quotes_is_taken(mask: str) -> None:
    assert list(CHECK.wrong_values("csd_target_core_mask", mask, VARIABLES["csd_target_core_mask"])) == []


def test_nodes_have_numbers() -> None:
    option = VARIABLES["hugepages_nodes"]
    assert list(CHECK.wrong_values("hugepages_nodes", {0: 512, "1": 512}, option)) == []
    [found] = CHECK.wrong_values("hugepages_nodes", {"nod0": 512}, option)
    assert "Do: name NUMA nodes by their numbers: {0: 512, 1: 512}." in found


@pytest.mark.parametrize("serial", [1, "2", "30%", [1, "50%"]])
def test_turns_of_an_upgrade(serial: Any) -> None:
    assert list(CHECK.wrong_values("upgrade_serial", serial, CHECK.PLAYBOOKS["upgrade_serial"])) == []


@pytest.mark.parametrize("host", [7, True, ["nqn.2026-11.io.lab:a"], None, {"nqn.2026-11.io.lab:": None}])
def test_a_host_is_an_nqn_or_a_mapping(host: Any) -> None:
    """The last one is what YAML makes of an NQN that ends in a colon."""
    value = [{"nqn": "nqn.2026-11.io.lab:csd", "hosts": ["nqn.2026-11.io.lab:a", host]}]
    [found] = CHECK.wrong_values("csd_target_subsystems", value, VARIABLES["csd_target_subsystems"])
    assert found.startswith("Asked: csd_target_subsystems[0].hosts[1]")


def test_a_day_is_told_as_such() -> None:
    [found] = CHECK.wrong_values("spdk_version", datetime.date(2026, 11, 27), VARIABLES["spdk_version"])
    assert "Found: a date, where a string is wanted" in found


def test_keys_are_seen_although_values_are_not_known_yet() -> None:
    """A value that refers to a role's default is evaluated by the role; its keys are known."""
    value = [{"name": "{{ some_default }}", "tipe": "malloc", "type": "{{ another }}", "slots": "{{ 3 }}"}]
    assert list(CHECK.wrong_shapes("csd_target_bdevs", value, VARIABLES["csd_target_bdevs"])) == [
        "Asked: csd_target_bdevs[0].tipe. Found: there is no such key. Do: did you mean type?"
    ]


@pytest.mark.parametrize("name", [*VARIABLES, *CHECK.PLAYBOOKS])
def test_a_misspelt_variable_is_refused_wherever_the_letter_is(name: str) -> None:
    known = [*VARIABLES, *CHECK.PLAYBOOKS]
    for place in range(len(name)):
        misspelt = name[:place] + name[place + 1 :]
        said = CHECK.unknown_variable(misspelt, ROLES, known)
        assert said is not None, misspelt
        assert said.startswith(f"Asked: variable {misspelt}. Found: ")


def test_an_inventorys_own_variables_are_its_own() -> None:
    own = set()
    for path in [*ROOT.glob("inventory/**/*.yml"), *ROOT.glob("molecule/**/group_vars/*.yml")]:
        found = yaml.safe_load(path.read_text())
        own |= set(found) - VARIABLES.keys() if path.parent.name == "group_vars" else set()
    assert own >= {"connects", "nqn", "subsystem_nqn", "data_uuid", "measured_programs"}
    magic = {"groups", "hostvars", "inventory_hostname", "play_hosts", "playbook_dir", "ansible_user", "role_names"}
    for name in own | magic:
        assert CHECK.unknown_variable(name, ROLES, VARIABLES) is None, name


def test_a_roles_private_variables_are_not_set_from_outside() -> None:
    assert CHECK.unknown_variable("__csd_target_builds", ROLES, VARIABLES) == (
        "Asked: variable __csd_target_builds. Found: it is the role csd_target's own. "
        "Do: set those of roles/csd_target/defaults/main.yml."
    )


def test_the_benchmark_takes_the_connections_of_nvme_tcp() -> None:
    bench = dict(VARIABLES["csd_bench_connections"]["options"])
    assert tuple(VARIABLES["csd_bench_programs"]["options"]) == PROGRAMS
    assert bench.pop("programs")["options"] == VARIABLES["csd_bench_programs"]["options"]
    assert bench == VARIABLES["nvme_tcp_connections"]["options"]


def given() -> Iterator[tuple[str, dict[str, Any]]]:
    """The variables that this project's own inventories set, and those that its documentation shows."""
    for path in [*ROOT.glob("inventory/**/*.yml"), *ROOT.glob("molecule/**/*_vars/*.yml")]:
        yield str(path.relative_to(ROOT)), yaml.safe_load(path.read_text())
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]:
        for number, block in enumerate(re.findall(r"^```yaml\n(.*?)^```", path.read_text(), re.M | re.S)):
            read = yaml.safe_load(block.replace("…", "x"))
            if isinstance(read, dict):
                yield f"{path.relative_to(ROOT)}, block {number + 1}", read


GIVEN = list(given())


@pytest.mark.parametrize("variables", [read for _, read in GIVEN], ids=[name for name, _ in GIVEN])
def test_what_inventories_and_documentation_show_is_right(variables: dict[str, Any]) -> None:
    for name, value in variables.items():
        if name in VARIABLES:
            assert list(CHECK.wrong_shapes(name, value, VARIABLES[name])) == []
        else:
            assert CHECK.unknown_variable(name, ROLES, VARIABLES) is None


def test_the_documentation_has_examples() -> None:
    shown = {name for place, read in GIVEN if ".md" in place for name in read}
    assert {"csd_target_programs", "csd_target_subsystems", "distribution_archive"} <= shown
