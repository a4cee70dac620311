"""Lets tests import module_utils under the name that Ansible gives it, and library/ modules by their own."""

from __future__ import annotations

import sys
from pathlib import Path

import ansible.module_utils

ROOT = Path(__file__).resolve().parents[1]
ansible.module_utils.__path__.append(str(ROOT / "module_utils"))
sys.path.insert(0, str(ROOT / "library"))

# Wherever tests run: one that passes has asserted something.
pytest_plugins = ["machines.assertions"]
