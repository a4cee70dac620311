# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""The report's table of a fleet: one row for each pair of host and target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .ratios import Run, by_way, label_of

# What a row shows, where it was measured: little is selected, so the difference is plain.
SHOWN = ("threshold", 0.01)


def pairs_of(
    sources: Mapping[str, Mapping[str, Any]],
    previous: Mapping[str, Any],
    unavailable: Mapping[str, Mapping[str, Any]],
    created: str,
) -> list[dict[str, Any]]:
    """The rows, in the order of the pairs; those that could not be measured and never were come last.

    Args:
        sources: measurements by label; those that are taken over from the previous report have no ``label``.
        previous: the report before.
        unavailable: what csd_bench returned of pairs that could not be measured, by label.
        created: the time of this report.
    """
    before = {label_of(row): row for row in previous.get("pairs", [])}
    rows = []
    for label, source in sources.items():
        inputs, old = source["inputs"], {}
        if "label" not in source:
            old = {"measured": previous["created"], "initiator": previous["initiator"]} | before.get(label, {})
        rows.append(
            {
                **_pair(label, inputs.get("place", {}), unavailable.get(label)),
                "initiator": source.get("initiator", old.get("initiator")),
                "measured": old.get("measured", created),
                "dataset_sha256": inputs.get("dataset", {}).get("sha256", ""),
                **_figures(source["runs"]),
                "left_out": dict(source.get("left_out", old.get("left_out", {}))),
            }
        )
    never = {label: one for label, one in unavailable.items() if label not in sources}
    rows += [_pair(label, one["place"], one) | {"measured": None, "left_out": {}} for label, one in never.items()]
    return rows


def _pair(label: str, place: Mapping[str, Any], unavailable: Mapping[str, Any] | None) -> dict[str, Any]:
    """Who and where: a file has no address; and why nothing was measured."""
    host, _, target = label.partition(" -> ")
    reason = str(unavailable["unavailable"]) if unavailable else None
    names = ("initiator", "address", "service_id", "subsystem_nqn", "nsid")
    return {"host": host, "target": target, **{name: place.get(name) for name in names}, "unavailable": reason}


def _figures(runs: Sequence[Run]) -> dict[str, Any]:
    """Of the threshold at 1 %, else of the first program and selectivity that was measured."""
    found = by_way(runs)
    # Whether every way gave the same result, for each program and selectivity.
    agree = (len({(run["matches"], run["matches_sha256"]) for run in ways.values()}) == 1 for ways in found)
    of_key = {(run["program"], run["selectivity"]): ways for ways in found for run in ways.values()}
    program, selectivity = SHOWN if SHOWN in of_key else next(iter(of_key))
    shown = of_key[program, selectivity]
    return {
        "program": program,
        "selectivity": selectivity,
        "programs": list(dict.fromkeys(run["program"] for run in runs)),
        "digests_agree": all(agree),
        "baseline": _figures_of(shown.get("baseline")),
        "offload": _figures_of(shown.get("offload")),
    }


def _figures_of(run: Run | None) -> dict[str, Any] | None:
    names = ("scanned_bytes_per_s", "wire_bytes_to_host", "wire_bytes_to_target", "matches", "matches_sha256")
    return None if run is None else {name: run[name] for name in names}
