# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Which programs a target takes: what it is told, and what is seen before it is told so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.hello_ebpf.errors import LabError
from ansible.module_utils.hello_ebpf.target_workers import ISOLATED, VERIFIED, Workers

WORDS = "instruction 3 of csd/record, in calls: calls a function (__always_inline helps)"
PROVED = {"pind": 0, "state": "active", "verdict": "proved", "not_proved": None}
NOT_PROVED = {"pind": 6, "state": "loaded", "verdict": "not proved", "not_proved": WORDS}
REFUSAL = (
    f"Asked: programs that are proved, and no others. Found: slot 6 of csd0_compute holds one that is not: {WORDS}. "
    "Do: unload it, or take it out of csd_target_programs and run the role, before you set csd_target_programs_policy: "
    "verified; or set csd_target_programs_policy: isolated."
)


def workers(policy: str) -> Workers:
    return Workers(Path("/bin"), (), 10000, policy=policy)


def computes(*programs: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"name": "csd0_compute", "programs": list(programs)}]


def test_the_target_is_told_a_policy_that_is_not_its_own() -> None:
    assert "--programs-policy" not in workers(ISOLATED).arguments
    assert workers(VERIFIED).arguments[-2:] == ("--programs-policy", "verified")


def test_a_target_that_holds_what_is_not_proved() -> None:
    with pytest.raises(LabError) as refused:
        workers(VERIFIED).check_held(computes(PROVED, NOT_PROVED))
    assert str(refused.value) == REFUSAL
    workers(ISOLATED).check_held(computes(PROVED, NOT_PROVED))
    workers(VERIFIED).check_held(computes(PROVED))
    # An older csd_tgt has no verdicts.
    workers(VERIFIED).check_held(computes({"pind": 0, "state": "active"}))
