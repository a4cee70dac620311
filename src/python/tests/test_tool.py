"""The tool csd without a drive: what its command line means, which way it takes, and what it shows."""

from __future__ import annotations

import argparse
import json
import struct
from pathlib import Path

import pytest

from csd.device import Device
from csd.errors import LabError
from csd.tool import arguments, trace
from csd.tool.actions import ACTIONS
from csd.tool.connect import connect
from csd.tool.show import show, size, table
from csd_double import DriveDouble, Slots, result


@pytest.mark.parametrize(
    ("text", "value"), [("0", 0), ("4096", 4096), ("0x10", 16), ("4KiB", 4096), ("2MiB", 2 << 20), ("1GiB", 1 << 30)]
)
def test_numbers(text: str, value: int) -> None:
    assert arguments.number(text) == value


@pytest.mark.parametrize("text", ["", "KiB", "4KB", "-1", "1.5"])
def test_what_is_no_number(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        arguments.number(text)


def test_parameters_are_64_bits() -> None:
    assert arguments.parameter("-1") == (1 << 64) - 1
    assert arguments.parameter("0xffffffffffffffff") == (1 << 64) - 1
    for text in (str(1 << 64), str(-(1 << 63) - 1), "a"):
        with pytest.raises(argparse.ArgumentTypeError):
            arguments.parameter(text)


def test_program_data(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"\0\1")
    assert arguments.program_data("hex:00ff") == b"\0\xff"
    assert arguments.program_data("text:a:b") == b"a:b"
    assert arguments.program_data(f"@{tmp_path}/data") == b"\0\1"
    for text in ("hex:0", "abc", f"@{tmp_path}/none"):
        with pytest.raises(argparse.ArgumentTypeError):
            arguments.program_data(text)


def options(*words: str) -> argparse.Namespace:
    return arguments.parser().parse_args(words)


def test_json_may_stand_anywhere() -> None:
    assert options("--json", "list").json
    assert options("list", "--json").json
    assert options("slm", "read", "--length", "4", "--json").json
    assert not options("list").json


def test_which_drive(tmp_path: Path) -> None:
    """Nothing there, nothing named: what is missing is named; and two ways at once are one too many."""
    nowhere = tmp_path / "etc" / "csd.json"
    with pytest.raises(LabError) as nothing:
        connect(options("list"), nowhere, tmp_path)
    assert nothing.value.found.startswith(
        "this kernel has connected none, and --traddr, --subnqn, --hostnqn are neither"
    )
    with pytest.raises(LabError) as both:
        connect(options("--device", "/dev/nvme0", "--subnqn", "x", "list"), nowhere, tmp_path)
    assert both.value.asked == "--device /dev/nvme0 together with --subnqn"
    nowhere.parent.mkdir()
    named = {"traddr": "127.0.0.1", "subnqn": "nqn.2026-11.io.x:a", "hostnqn": "nqn.2026-11.io.x:b"}
    nowhere.write_text(json.dumps({**named, "subnqn": "nqn.2026-11.io.x:a b"}))
    with pytest.raises(LabError, match=r"Asked: --subnqn nqn.2026-11.io.x:a b\. Found: ' ' in it, which "):
        connect(options("list"), nowhere, tmp_path)
    nowhere.write_text(json.dumps({**named, "program": str(tmp_path / "none")}))
    with pytest.raises(LabError) as program:
        connect(options("list"), nowhere, tmp_path)
    assert program.value.asked == f"SPDK's initiator, {tmp_path}/none"
    nowhere.write_text("[]")
    with pytest.raises(LabError, match=r"Found: it is no JSON object"):
        connect(options("list"), nowhere, tmp_path)


def test_a_scan_from_the_command_line_to_the_table() -> None:
    drive = DriveDouble()
    drive.scans = [result(1, 1024, 1536, matches=1, data=b"a" * 64), result(2, 64, 512, matches=1, data=b"b" * 64)]
    asked = options("scan", "--slot", "0", "--lba", "1", "--blocks", "3", "--cparam1", "-2", "--show", "1")
    data = ACTIONS["scan"](Device(drive), asked)
    first, second = drive.sent
    assert (first.cdw10, first.cdw12, first.cdw14, first.cdw15) == (512, 1536, 0xFFFFFFFE, 0xFFFFFFFF)
    assert (second.cdw10, second.cdw12) == (1536, 512)
    assert (data["end"], data["matches"], data["commands"], data["kept_bytes"]) == ("stopped", 2, 2, 128)
    said = show("scan", data)
    assert "2 of 16 records kept: the program stopped there" in said
    assert f"first 1 kept\n{'61' * 64}" in said


RECORD = ("--record", "device:u2@0, temperature:>i4@4,value:f4@8,name:S8@16", "--size", "64")


def test_a_question_from_the_command_line_to_the_table() -> None:
    drive = Slots()
    kept = struct.pack("<H2x", 3) + struct.pack(">i", -7) + struct.pack("<f4x8s40x", float("nan"), b"\xffer")
    drive.scans = [result(0, 512, 512, matches=1, data=kept)]
    asked = options("scan", "--where", "device == 3 or temperature < -5", *RECORD, "--lba", "1", "--blocks", "1")
    data = ACTIONS["scan"](Device(drive), asked)
    assert drive.slots() == [(0x85, 2), (0x88, 2), (0x82, 2), (0x88, 2), (0x85, 2)]
    [scan] = [one for one in drive.sent if one.opcode == 0x82]
    assert (scan.cdw10, scan.cdw12, scan.cdw14) == (512, 512, 3)
    assert bytes(drive.memory[0x8000:0x8008]) == struct.pack("<q", -5)
    assert data["rows"] == [{"device": 3, "temperature": -7, "value": "nan", "name": "\\xffer"}]
    assert json.loads(json.dumps(data, allow_nan=False))["where"] == "device == 3 or temperature < -5"
    said = show("scan", data)
    assert "1 of 8 records kept: the whole range was gone through" in said
    assert said.endswith("kept\ndevice  temperature  value  name\n     3           -7  nan    \\xffer")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (
            [],
            "Asked: --where without --record. Found: fields have to have places. Do: name them: temperature:i4@20.",
        ),
        (
            [*RECORD, "--cparam1", "5"],
            "Asked: --where together with --cparam1, --data or --memory-at. Found: a question makes its own "
            "parameters. Do: give one of the two.",
        ),
    ],
)
def test_what_does_not_go_with_a_question_is_refused(words: list[str], text: str) -> None:
    drive = Slots()
    with pytest.raises(LabError) as refused:
        ACTIONS["scan"](Device(drive), options("scan", "--where", "device == 3", *words))
    assert str(refused.value) == text
    assert drive.sent == []


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--record", "device"], "'device' is no list of fields (such as device:u4@16,temperature:i4@20)"),
        (["--record", "a:u4@0;b:u4@4"], "'a:u4@0;b:u4@4' is no list of fields"),
        (["--slot", "3"], "argument --slot: not allowed with argument --where"),
    ],
)
def test_a_command_line_that_asks_wrongly_is_refused(
    words: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        options("scan", "--where", "device == 3", *words)
    assert text in capsys.readouterr().err


FAULT_ENTRY = struct.pack("<H6x9Q3QIB19x", 0, 3, 0, 0, 0, 0, 0, 0, 3, 0, 3, 1500, 1795806600, 11, 1)
STATISTICS = struct.pack("<IIQ", 1, 128, 1) + FAULT_ENTRY


def test_how_a_program_ended_is_shown() -> None:
    """With the drive's words; without, where this host may not read them; and not at all where it never did."""
    drive = DriveDouble(deactivated=True)
    assert "last_fault" not in ACTIONS["activate"](Device(drive), options("activate", "--slot", "0"))["program"]
    drive.logs[0xD2] = STATISTICS
    words = "deactivated: 3 faults within 1 s; the last: the program ended: a rule that it broke"
    drive.logs[0xD3] = words.encode().ljust(512, b"\0")
    data = ACTIONS["list"](Device(drive), options("list"))
    assert data["compute"][0]["programs"][0]["deactivated"]
    assert show("list", data).count(f"slot 0: 2026-11-27T19:10:00Z: {words}") == 1
    drive.denied_logs = {0xD3}
    said = show("list", ACTIONS["list"](Device(drive), options("list")))
    assert "slot 0: 2026-11-27T19:10:00Z: deactivated by faults; the last: fault, signal 11 (hosts that may" in said
    head, row = show("stats", ACTIONS["stats"](Device(drive), options("stats"))).splitlines()
    assert head.split()[-3:] == ["faults", "CPU", "seconds"]
    assert row.split()[-2:] == ["3", "0.000002"]


class Target:
    """Answers the calls of csd trace, in their order; then somebody interrupts."""

    def __init__(self, answers: list[object]) -> None:
        self.answers = answers
        self.calls: list[tuple[str, object]] = []
        self.path = "/a/socket"

    def __call__(self, path: str, **options: object) -> Target:
        assert path == arguments.RPC_SOCKET
        return self

    def __enter__(self) -> Target:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def call(self, method: str, params: object = None) -> object:
        self.calls.append((method, params))
        if not self.answers:
            raise KeyboardInterrupt
        return self.answers.pop(0)


def part(text: str, following: int, missed: int = 0, lost: int = 0) -> dict[str, object]:
    return {"text": text, "next": following, "missed": missed, "lost": lost}


def test_lines_are_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    """From where the last answer ended; what went by before anybody asked is not missed."""
    target = Target([part("a\n", 10, missed=8, lost=5), part("", 10, lost=5), part("b\n", 40, missed=28, lost=6)])
    monkeypatch.setattr(trace, "Client", target)
    monkeypatch.setattr(trace, "_POLL_S", 0)
    said: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        trace.trace(options("trace", "--slot", "3", "--name", "c", "--follow"), said.append)
    assert said == [
        "[5 bytes more were written at a time than there is room for]\na\n",
        "[28 characters went by before they were read]\n"
        "[1 bytes more were written at a time than there is room for]\nb\n",
    ]
    assert [params["from"] for _, params in target.calls if isinstance(params, dict)] == [0, 10, 10, 40]


def test_whose_lines_are_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    """The only compute namespace's; else they are named."""
    target = Target([[{"name": "one"}], True])
    monkeypatch.setattr(trace, "Client", target)
    trace.trace(options("trace", "--slot", "3", "--clear"), str)
    assert target.calls == [("csd_get_programs", None), ("csd_clear_trace", {"name": "one", "pind": 3})]
    for names, words in ((["one", "two"], "there are several: one, two"), ([], "there is none")):
        monkeypatch.setattr(trace, "Client", Target([[{"name": name} for name in names]]))
        with pytest.raises(LabError, match=words):
            trace.trace(options("trace", "--slot", "3"), str)


def test_tables() -> None:
    assert table(("n", "name"), [(1, "a"), (100, "bc")]) == "  n  name\n  1  a\n100  bc"
    assert [size(count) for count in (0, 1023, 1536, 4 << 20)] == ["0 B", "1023 B", "1.5 KiB", "4 MiB"]
