"""Tests of tests/integration/verify, held against machines that are not as they should be."""

from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import Any

import pytest

bench = importlib.import_module("integration.verify.test_csd_bench")
HERE = SimpleNamespace(backend=SimpleNamespace(NAME="local"))


def report(baseline: int | None, offload: int | None) -> dict[str, Any]:
    """A report of one host: what two passes over 1000 bytes took on the wire; the second one kept 100."""
    one = {"host": "localhost", "target": "x", "selectivity": 0.01, "matched_bytes": 100}
    counted = {"baseline": baseline, "offload": offload}
    runs = [
        {**one, "name": name, "wire_bytes_to_host": wire, "interface_bytes": {"received": 1100}}
        for name, wire in counted.items()
    ]
    return {"dataset": {"bytes": 1000}, "inputs": {"localhost -> x": {}}, "runs": runs}


def test_bytes_on_the_wire() -> None:
    seen = report(1010, 105)
    bench.test_the_connection_carried_the_data(HERE, seen)
    assert bench.of_host(HERE, seen) == {"localhost -> x": {}}


@pytest.mark.parametrize(
    ("baseline", "offload"),
    [(None, None), (1010, None), (None, 105), (1010, 500), (900, 105), (1500, 105), (1010, 50)],
)
def test_bytes_on_the_wire_that_nobody_counted_or_that_do_not_fit(baseline: int | None, offload: int | None) -> None:
    with pytest.raises((AssertionError, TypeError)):
        bench.test_the_connection_carried_the_data(HERE, report(baseline, offload))
