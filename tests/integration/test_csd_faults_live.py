# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""csd_tgt --workers: what is seen of programs in processes of their own, and who faults again and again is stopped."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from csd import commands, results
from csd.device import Device
from csd.spdk import SpdkTransport
from csd.tool.actions import ACTIONS
from csd.tool.arguments import parser
from csd.tool.main import main
from csd.tool.show import show
from csd_compute_target import COMPUTE, DATA, HOSTNQN, NQN, WorkerTarget
from csd_live import BINARY, compile_program
from waiting import until

PORT = 24123
FAULT, NOT_ACTIVE, ABORTED = 0x7C0, 0x198, 0x007
RECORDS = 4
MOST_FAULTS = 4
# What cparam1 asks for, together: a line for each record; then a fault; then a loop without end.
LINES, WRONG, LOOP = 1, 2, 4
SOURCE = """
#include "csd_bpf.h"
struct record { __u64 word[8]; };
struct totals { __u64 seen; };
CSD_RECORD_STATE(struct record, 64, CSD_EMIT_NOTHING, struct totals);
static __u64 never = 1;
CSD_PROGRAM
int told(const struct record *record)
{
	csd_state.seen++;
	if (csd_parameters.cparam1 & 1)
		bpf_printk("record %llu: %c%llx", csd_state.seen, 7, record->word[0]);
	if (csd_parameters.cparam1 & 2)
		csd_state.seen = *(volatile __u64 *)0x123456789000ULL;
	if (csd_parameters.cparam1 & 4)
		while (*(volatile __u64 *)&never)
			csd_state.seen++;
	return CSD_DROP;
}
"""
PLACE = (
    r"instruction \d+ of csd/record, in told: told\.bpf\.c:14: "
    r"csd_state\.seen = \*\(volatile __u64 \*\)0x123456789000ULL;"
)
WORDS = "the program ended: memory that it has not"


class StrictTarget(WorkerTarget):
    def start(self, *arguments: str) -> None:
        super().start("--program-faults", str(MOST_FAULTS), *arguments)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("program")
    source = folder / "told.bpf.c"
    source.write_text(SOURCE)
    return compile_program(source, folder, "-g")


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory, program: bytes) -> Iterator[WorkerTarget]:
    """Its first slot is right in the end of each test."""
    with StrictTarget(tmp_path_factory.mktemp("target"), PORT) as target:
        target.set_up()
        for slot in range(3):
            target.load(slot, program)
        yield target


def scan(slot: int, what: int) -> commands.Command:
    return commands.scan(COMPUTE, slot, DATA, 0, 64 * RECORDS, room=4096, cparam1=what)


def right(host: SpdkTransport, slot: int) -> None:
    completion = host.io(scan(slot, 0))
    assert completion.status == 0, f"{completion.status:03x}h"
    assert results.result(completion.data).records == RECORDS


def shown(target: WorkerTarget, slot: int) -> dict[str, Any]:
    programs = target.call("csd_get_programs", name="csd0_compute")[0]["programs"]
    found: dict[str, Any] = next(one for one in programs if one["pind"] == slot)
    return found


def lines(target: WorkerTarget, slot: int, start: int = 0) -> dict[str, Any]:
    answer: dict[str, Any] = target.call("csd_get_trace", name="csd0_compute", pind=slot, **{"from": start})
    return answer


def test_how_a_program_ended_is_told(target: WorkerTarget) -> None:
    """To the administrator with everything; to hosts without what may be data, nor source if they may not load."""
    began = int(time.time())
    with target.host() as host:
        right(host, 0)
        before = shown(target, 0)
        assert (before["runs_in"], before["faults"], before["last_fault"], before["deactivated"]) == (
            "worker",
            0,
            None,
            None,
        )
        assert host.io(scan(0, WRONG)).status == FAULT
        after = shown(target, 0)
        fault = after["last_fault"]
        assert (after["faults"], after["state"], after["deactivated"]) == (1, "active", None)
        assert (fault["kind"], fault["signal"], fault["address"], fault["host"]) == (
            "fault",
            11,
            "0x123456789000",
            HOSTNQN,
        )
        assert re.fullmatch(PLACE, fault["place"])
        assert fault["text"] == f"{WORDS} at address 0x123456789000, by {fault['place']}"
        when = datetime.strptime(fault["time"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()
        ended = time.time()
        assert began <= when <= ended
        stats = target.stats(0)
        assert (stats["faults"], stats["failed"], stats["runs"]) == (1, 1, 2)
        # It was compiled, mapped and shut in before: that is not the runs'.
        assert 0 < stats["cpu_nanoseconds"] < 1_000_000_000

        drive = Device(host)
        told = next(one for one in drive.statistics(COMPUTE) if one.pind == 0)
        assert (told.faults, told.fault_kind, told.fault_signal, told.fault_seconds) == (1, "fault", 11, int(when))
        assert told.cpu_nanoseconds == stats["cpu_nanoseconds"]
        assert drive.program(COMPUTE, 0).runs_in == "worker"
        assert drive.fault(COMPUTE, 0) == f"{WORDS}, by {fault['place']}"
        listed = show("list", ACTIONS["list"](drive, parser().parse_args(["list"])))
        assert f"slot 0: {fault['time']}: {WORDS}, by {fault['place']}" in listed
        target.call("csd_set_host_rights", nqn=NQN, host=HOSTNQN, programs="run")
        assert drive.fault(COMPUTE, 0) is None
        listed = show("list", ACTIONS["list"](drive, parser().parse_args(["list"])))
        assert f"slot 0: {fault['time']}: fault, signal 11 (hosts that may load programs see where)" in listed
        target.call("csd_set_host_rights", nqn=NQN, host=HOSTNQN)
    assert f"slot 0: {fault['text']}" in target.log_text()


def test_faults_deactivate_a_slot_and_no_other(target: WorkerTarget) -> None:
    """Commands that wait are refused, those that run end by themselves; Activate takes it back and counts anew."""
    with target.host(queues=2) as host:
        tags = [host.submit(scan(1, WRONG), 0) for _ in range(40)]
        right(host, 0)
        statuses = [host.wait(tag).status for tag in tags]
        assert set(statuses) == {FAULT, NOT_ACTIVE}
        assert statuses.count(FAULT) >= MOST_FAULTS
        assert host.io(scan(1, 0)).status == NOT_ACTIVE
        right(host, 0)
        stopped = shown(target, 1)
        assert stopped["state"] == "loaded"
        words = f"deactivated: {MOST_FAULTS} faults within 1 s; the last: {WORDS}"
        assert stopped["deactivated"].startswith(f"{words} at address 0x123456789000, by instruction ")
        assert f"slot 1: {stopped['deactivated']}, with a command of {HOSTNQN}" in target.log_text()
        drive = Device(host)
        assert drive.program(COMPUTE, 1).deactivated
        assert drive.fault(COMPUTE, 1) == stopped["deactivated"].replace(" at address 0x123456789000", "")
        target.call("csd_set_host_rights", nqn=NQN, host=HOSTNQN, programs="run")
        listed = show("list", ACTIONS["list"](drive, parser().parse_args(["list"])))
        assert ": deactivated by faults; the last: fault, signal 11 (hosts" in listed
        target.call("csd_set_host_rights", nqn=NQN, host=HOSTNQN)

        drive.activate(COMPUTE, 1)
        assert (shown(target, 1)["state"], shown(target, 1)["deactivated"]) == ("active", None)
        right(host, 1)
        assert [host.io(scan(1, WRONG)).status for _ in range(MOST_FAULTS - 1)] == [FAULT] * (MOST_FAULTS - 1)
        right(host, 1)
        assert shown(target, 1)["faults"] == statuses.count(FAULT) + MOST_FAULTS - 1


def test_lines_outlive_a_fault_and_an_abort(target: WorkerTarget) -> None:
    """As they were written, with what cannot be printed escaped; none is shown twice; what is cleared is gone."""
    line = "record {}: \\x07{:x}\n".format
    whole = "".join(line(number + 1, 0x100 + number) for number in range(RECORDS))
    with target.host() as host:
        data = b"".join((0x100 + number).to_bytes(64, "little") for number in range(RECORDS))
        assert host.io(commands.write_blocks(DATA, 0, data.ljust(512, b"\0"), 512)).status == 0
        assert lines(target, 2) == {"text": "", "next": 0, "missed": 0, "lost": 0}
        assert host.io(scan(2, LINES)).status == 0
        first = lines(target, 2)
        assert first == {"text": whole, "next": len(whole), "missed": 0, "lost": 0}
        assert host.io(scan(2, LINES | WRONG)).status == FAULT
        second = lines(target, 2, first["next"])
        assert second["text"] == line(1, 0x100)
        until("a program that was aborted had written its line", lambda: looped(target, host, second["next"]))
        assert target.stats(2)["cpu_nanoseconds"] > 0
    target.call("csd_clear_trace", name="csd0_compute", pind=2)
    third = lines(target, 2)
    assert (third["text"], third["missed"]) == ("", third["next"])


def looped(target: WorkerTarget, host: SpdkTransport, start: int) -> bool:
    """Whether a loop that was aborted left its line: its process may not have begun."""
    runs = target.stats(2)["runs"]
    looping = host.submit(scan(2, LINES | LOOP), 0)
    until("it runs", lambda: target.stats(2)["runs"] == runs + 1)
    host.abort(looping)
    assert host.wait(looping).status == ABORTED
    text: str = lines(target, 2, start)["text"]
    assert text in ("", "record 1: \\x07100\n")
    return text != ""


def test_more_lines_than_there_is_room_for(target: WorkerTarget) -> None:
    """The newest stay; what is lost is counted."""
    before = lines(target, 1)
    assert before["lost"] == 0
    with target.host() as host:
        assert host.io(commands.scan(COMPUTE, 1, DATA, 0, 64 * 1000, room=4096, cparam1=LINES)).status == 0
        answer = lines(target, 1, before["next"])
        assert 3000 < len(answer["text"]) < 16384
        assert answer["lost"] > 0
        for _ in range(10):
            assert host.io(commands.scan(COMPUTE, 1, DATA, 0, 64 * 1000, room=4096, cparam1=LINES)).status == 0
    more = lines(target, 1, answer["next"])
    assert len(more["text"]) == 16384
    assert more["missed"] == more["next"] - answer["next"] - 16384
    assert more["lost"] == 11 * answer["lost"]


def test_the_tool_shows_and_clears_lines(target: WorkerTarget, capsys: pytest.CaptureFixture[str]) -> None:
    """On the target's machine, without a drive."""
    with target.host() as host:
        assert host.io(scan(0, LINES)).status == 0
    words = ["trace", "--slot", "0", "--rpc-socket", str(target.socket)]
    assert main(words, Path("/none")) == 0
    told = capsys.readouterr().out
    assert told == lines(target, 0)["text"]
    assert told.startswith("record 1: ")
    assert main([*words, "--clear"], Path("/none")) == 0
    assert main([*words, "--json", "--name", "csd0_compute"], Path("/none")) == 0
    assert capsys.readouterr().out == '{"text": "", "missed": 0, "lost": 0}\n'
    assert main([*words, "--name", "none"], Path("/none")) == 1
    assert "no compute namespace is named none" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("method", "parameters", "words"),
    [
        ("csd_get_trace", {"name": "none", "pind": 0}, "no compute namespace is named none"),
        ("csd_get_trace", {"name": "csd0_compute", "pind": 16}, "slot 16: there are slots 0 to 15"),
        ("csd_get_trace", {"name": "csd0_compute"}, "expected: name (string), pind (number), and where wanted: from"),
        ("csd_clear_trace", {"name": "none", "pind": 0}, "no compute namespace is named none"),
        ("csd_clear_trace", {"name": "csd0_compute", "pind": 65535}, "slot 65535: there are slots 0 to 15"),
        ("csd_clear_trace", {"name": "csd0_compute", "pind": 0, "from": 1}, "expected: name (string), pind (number)"),
    ],
)
def test_what_is_no_trace(target: WorkerTarget, method: str, parameters: dict[str, Any], words: str) -> None:
    with pytest.raises(Exception, match=re.escape(words)):
        target.call(method, **parameters)


@pytest.mark.parametrize("number", ["17", "-1", "three", ""])
def test_a_number_of_faults_that_is_none_is_refused(number: str) -> None:
    """Before SPDK starts."""
    done = subprocess.run([BINARY, "--program-faults", number], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"csd_tgt: --program-faults {number}: a number from 0 to 16" in done.stderr
