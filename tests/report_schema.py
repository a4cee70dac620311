"""Holds a report against docs/report.schema.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # its stubs are another dependency

SCHEMA = json.loads((Path(__file__).resolve().parents[1] / "docs/report.schema.json").read_text())


def problems(report: Mapping[str, Any]) -> list[str]:
    """What is wrong with it; empty where it is valid."""
    validator = jsonschema.Draft202012Validator(SCHEMA)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(report)]
