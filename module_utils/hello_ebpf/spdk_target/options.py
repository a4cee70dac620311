# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""The bdevs that can be declared. scripts/argument_specs.py writes it from spdk_target's DOCUMENTATION."""

from __future__ import annotations

from typing import Any

BDEVS: dict[str, Any] = {
    "type": "list",
    "elements": "dict",
    "options": {
        "name": {"type": "str", "required": True},
        "type": {
            "type": "str",
            "choices": ["malloc", "csd_ram", "aio", "null", "csd_slm", "csd_compute"],
            "required": True,
        },
        "size_megabytes": {"type": "int"},
        "blocks": {"type": "int"},
        "block_size": {"type": "int"},
        "uuid": {"type": "str"},
        "filename": {"type": "path"},
        "slots": {"type": "int"},
        "max_active": {"type": "int"},
        "max_range_sets": {"type": "int"},
        "max_program_bytes": {"type": "int"},
        "max_total_bytes": {"type": "int"},
        "program_type": {"type": "int"},
    },
}
