"""Lets tests import the package from the tree, as it is there."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

# Of the project's tests: one that passes has asserted something.
pytest_plugins = ["machines.assertions"]
