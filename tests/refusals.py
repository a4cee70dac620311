"""What a call refuses, as its user reads it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible.module_utils.hello_ebpf.errors import LabError


def refusal(call: Callable[..., object], *args: Any, **kwargs: Any) -> str:
    """The text of the LabError that a call with these arguments ends in."""
    with pytest.raises(LabError) as error:
        call(*args, **kwargs)
    return str(error.value)
