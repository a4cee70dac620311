# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""csd_tgt --programs-policy: the verifier's verdict on programs in workers, and what is taken."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import pytest
from ansible.module_utils.hello_ebpf.errors import LabError

from csd import commands, results
from csd.spdk import SpdkTransport
from csd_compute_target import COMPUTE, DATA, ComputeTarget, compiled
from csd_live import BINARY, ROOT, compile_program

PORT = 24127
REFUSED = 0x18E
SHIPPED = ROOT / "src/programs"
PROVED = ("search", "threshold")

# Count records: one as it is, one by a function that is not inlined.
RECORD = """
#include "csd_bpf.h"
struct record { __u64 word[8]; };
struct totals { __u64 seen; };
CSD_RECORD_STATE(struct record, 64, CSD_EMIT_NOTHING, struct totals);
"""
COUNTS = RECORD + "CSD_PROGRAM int counts(const struct record *record) { csd_state.seen++; return CSD_DROP; }\n"
CALLS = (
    RECORD
    + "static __attribute__((noinline)) void add(__u64 word) { csd_state.seen += word | 1; }\n"
    + "CSD_PROGRAM int calls(const struct record *record) { add(record->word[0]); return CSD_DROP; }\n"
)
BEYOND = RECORD + "CSD_PROGRAM int beyond(const struct record *record) { return record->word[8] == 7; }\n"
CALLS_WORDS = "of csd/record, in calls: calls a function (__always_inline helps)"
POLICY_WORDS = "policy verified takes what is proved alone: change the program, or the policy to isolated; not proved: "
BEYOND_WORDS = "instruction 0 of csd/record, in beyond: load of 8 bytes at offset 64 of a record of 64"


class PolicyTarget(ComputeTarget):
    """A csd_tgt whose programs run in workers, with this policy; empty: with none that it was told."""

    policy = ""

    def start(self, *arguments: str) -> None:
        policy = ("--programs-policy", self.policy) if self.policy else ()
        super().start("--workers", str(BINARY.parent), *policy, *arguments)


class VerifiedTarget(PolicyTarget):
    policy = "verified"


def shown(target: ComputeTarget, pind: int) -> dict[str, object]:
    [compute] = target.call("csd_get_programs", name="csd0_compute")
    [program] = [one for one in compute["programs"] if one["pind"] == pind]
    return {name: program[name] for name in ("state", "verdict", "not_proved", "reason")}


def status_of_load(host: SpdkTransport, pind: int, program: bytes) -> int:
    (chunk,) = commands.load_program(COMPUTE, pind, program, chunk=1 << 17)
    return host.admin(chunk).status


def told(host: SpdkTransport, pind: int) -> str:
    """What log D1h says of a slot."""
    return results.text(host.admin(commands.get_log(results.LOG_REASON, COMPUTE, 256, specific=pind)).data)


def verdicts(host: SpdkTransport) -> list[str]:
    """What log C0h says of all."""
    head = host.admin(commands.get_log(results.LOG_PROGRAMS, COMPUTE, 16)).data
    page = host.admin(commands.get_log(results.LOG_PROGRAMS, COMPUTE, results.log_length(head))).data
    return [program.verdict for program in results.programs(page)]


def seen(host: SpdkTransport, pind: int) -> int:
    completion = host.io(commands.scan(COMPUTE, pind, DATA, 0, 64 * 100, room=4096, cparam1=0))
    assert completion.status == 0
    (count,) = struct.unpack("<Q", results.result(completion.data).state)
    return int(count)


def test_isolated_runs_what_is_not_proved_and_refuses_what_is_wrong_for_certain(tmp_path: Path) -> None:
    """It is the policy unless another one is asked for."""
    with PolicyTarget(tmp_path, PORT) as target:
        target.set_up()
        target.load(0, compiled(COUNTS, tmp_path))
        target.load(1, compiled(CALLS, tmp_path))
        with target.host() as host:
            assert status_of_load(host, 2, compiled(BEYOND, tmp_path)) == REFUSED
            assert told(host, 2) == BEYOND_WORDS
            assert (seen(host, 0), seen(host, 1)) == (100, 100)
            assert verdicts(host)[:3] == ["proved", "not proved", ""]
            assert told(host, 0) == ""
            words = told(host, 1)
        assert words.startswith("instruction ")
        assert words.endswith(CALLS_WORDS)
        [compute] = target.call("csd_get_programs", name="csd0_compute")
        assert compute["programs_policy"] == "isolated"
        assert shown(target, 0) == {"state": "active", "verdict": "proved", "not_proved": None, "reason": None}
        assert shown(target, 1) == {"state": "active", "verdict": "not proved", "not_proved": words, "reason": None}
        assert shown(target, 2) == {"state": "empty", "verdict": None, "not_proved": None, "reason": BEYOND_WORDS}
        log = target.log_text()
        assert "csd0_compute: slot 0: program loaded: proved\n" in log
        assert f"csd0_compute: slot 1: program loaded: not proved: {words}\n" in log
        assert f"csd0_compute: slot 2: program refused: {BEYOND_WORDS}\n" in log


def test_verified_takes_what_is_proved_alone(tmp_path: Path) -> None:
    """A program that is not proved is refused, and the host learns what to do."""
    with VerifiedTarget(tmp_path, PORT) as target:
        target.set_up()
        for pind, name in enumerate(PROVED):
            target.load(pind, compile_program(SHIPPED / f"{name}.bpf.c", tmp_path))
        target.load(8, compiled(COUNTS, tmp_path))
        calls = compiled(CALLS, tmp_path)
        with target.host() as host:
            assert status_of_load(host, 9, calls) == REFUSED
            words = told(host, 9)
            assert words.startswith(POLICY_WORDS)
            assert words.endswith(CALLS_WORDS)
            assert status_of_load(host, 10, compiled(BEYOND, tmp_path)) == REFUSED
            assert told(host, 10) == BEYOND_WORDS
            assert seen(host, 8) == 100
            assert verdicts(host)[:11] == ["proved", "proved", *[""] * 6, "proved", "", ""]
        with pytest.raises(LabError, match="policy verified takes what is proved alone"):
            target.load(9, calls)
        [compute] = target.call("csd_get_programs", name="csd0_compute")
        assert compute["programs_policy"] == "verified"
        assert f"csd0_compute: slot 9: program refused: {words}\n" in target.log_text()


def test_a_policy_that_is_none() -> None:
    ended = subprocess.run(
        [str(BINARY), "--programs-policy", "both"], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode != 0
    assert "--programs-policy both: isolated and verified are known\n" in ended.stderr
