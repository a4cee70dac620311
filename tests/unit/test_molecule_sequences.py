"""The scenarios' sequences: no step is empty, and no test is left out of one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

MOLECULE = Path(__file__).resolve().parents[2] / "molecule"
SCENARIOS = sorted(path.parent for path in MOLECULE.glob("*/molecule.yml"))


def steps(scenario: Path, action: str) -> list[Path]:
    """What the steps of an action are given, as paths; the scenario's own tests or playbook where it is nothing."""
    asked: dict[str, Any] = yaml.safe_load((scenario / "molecule.yml").read_text())
    default = {"verify": "tests", "side_effect": "side_effect.yml"}[action]
    sequence = (step.split() for step in asked["scenario"]["test_sequence"])
    return [scenario / name for word, *names in sequence if word == action for name in names or [default]]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda path: path.name)
def test_every_verify_finds_tests(scenario: Path) -> None:
    """Molecule calls it a success when there are none."""
    found = steps(scenario, "verify")
    assert found
    for folder in found:
        tests = [path for path in folder.rglob("test_*.py") if "\ndef test_" in path.read_text()]
        assert tests, folder


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda path: path.name)
def test_every_test_of_a_scenario_is_run(scenario: Path) -> None:
    run = {path.resolve() for folder in steps(scenario, "verify") for path in folder.rglob("test_*.py")}
    assert {path.resolve() for path in scenario.rglob("test_*.py")} <= run


def test_every_side_effect_is_there() -> None:
    for playbook in (playbook for scenario in SCENARIOS for playbook in steps(scenario, "side_effect")):
        assert yaml.safe_load(playbook.read_text())
