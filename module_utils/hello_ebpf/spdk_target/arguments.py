# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""What a module takes as a declared bdev."""

from __future__ import annotations

from typing import Any

from .model import COMPUTE_OPTIONS, TYPES

INT = {"type": "int"}
BDEV: dict[str, dict[str, Any]] = {
    "name": {"type": "str", "required": True},
    "type": {"type": "str", "choices": list(TYPES), "required": True},
    "size_megabytes": INT,
    "blocks": INT,
    "block_size": INT,
    "uuid": {"type": "str"},
    "filename": {"type": "path"},
    **dict.fromkeys(COMPUTE_OPTIONS, INT),
}
