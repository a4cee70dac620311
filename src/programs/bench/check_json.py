# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Holds what csd_program_bench prints against what docs/benchmark.md says: check_json.py PROGRAM... <JSON"""

from __future__ import annotations

import json
import sys
from typing import Any

SPREADS = ("ns_per_record", "native_ns_per_record", "memory_read_ns_per_record", "bytes_per_s", "speed_of_native")


def check_spread(spread: dict[str, Any]) -> None:
    assert 0 < spread["min"] <= spread["median"] <= spread["max"], spread


def main() -> None:
    """Fails where a program or a figure is missing."""
    found = json.load(sys.stdin)
    programs = set(sys.argv[1:])
    assert {entry["program"] for entry in found["engine"]} == programs
    assert {entry["program"] for entry in found["compile"]} == programs
    assert {entry["kind"] for entry in found["engine"]} == {"csd/record", "csd/buffer"}
    assert sum(entry["program"] == "threshold" and entry["matches"] > 0 for entry in found["engine"]) == 5
    for entry in found["engine"]:
        for name in SPREADS:
            check_spread(entry[name])
    for entry in found["compile"]:
        assert entry["code_bytes"] > 0
        check_spread(entry["wall_seconds"])
        check_spread(entry["cpu_seconds"])
    check_spread(found["memory_read_bytes_per_s"])


if __name__ == "__main__":
    main()
