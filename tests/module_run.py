"""Runs a module of library/ inside the test's process, as Ansible would."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable, Mapping
from typing import Any

from ansible.module_utils.testing import patch_module_args


def run_module(main: Callable[[], None], params: Mapping[str, Any], *, check: bool = False) -> dict[str, Any]:
    """The result of one run, with --diff; ``failed`` is set when it failed."""
    output = io.StringIO()
    arguments = {**params, "_ansible_check_mode": check, "_ansible_diff": True}
    with patch_module_args(arguments), contextlib.redirect_stdout(output), contextlib.suppress(SystemExit):
        main()
    result: dict[str, Any] = json.loads(output.getvalue().splitlines()[-1])
    return result
