"""The tool csd, as the role installs it, against a csd_tgt of its own: what it does, says, and ends with."""

from __future__ import annotations

import json
import os
import re
import shlex
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from csd_live import ROOT, CsdTarget, Subsystem, program

CSD = os.environ.get("HELLO_EBPF_CSD", "/opt/hello_ebpf/csd_host/bin/csd")
PORT = 24136
MIB = 1 << 20


def record(number: int) -> bytes:
    payload = (number % 251, number % 241, 0, 0, 0)
    return struct.pack("<QQIi5Q", number, 1000 * number, number % 7, number * 389 % 1000, *payload)


# 4 MiB: a scan that keeps everything takes some thirty commands.
RECORDS = [record(number) for number in range(4 * MIB // 64)]
DATA = b"".join(RECORDS)


def temperature(piece: bytes) -> int:
    value: int = struct.unpack_from("<i", piece, 20)[0]
    return value


@dataclass(frozen=True)
class Host:
    """Someone who calls csd."""

    target: CsdTarget
    subsystem: Subsystem
    folder: Path

    def csd(self, *words: str, code: int = 0) -> str:
        """What it says, on both streams."""
        done = subprocess.run([CSD, *self.subsystem.options(), *words], capture_output=True, text=True, check=False)
        said = done.stdout + done.stderr
        assert done.returncode == code, said
        assert "Traceback" not in said
        return said

    def json(self, *words: str, code: int = 0) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.csd(*words, "--json", code=code))
        return told

    def file(self, name: str) -> str:
        return str(self.folder / f"{name}.bpf.o")


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    folder = tmp_path_factory.mktemp("tool")
    with CsdTarget(folder, PORT) as target:
        subsystem = target.add_subsystem("tool", DATA, slm_megabytes=8)
        host = Host(target, subsystem, folder)
        for slot, name in enumerate(("threshold", "search", "aggregate", "sample", "top")):
            program(name, folder)
            host.csd("load", "--slot", str(slot), host.file(name), "--activate")
        yield host


LINES = ["disk full", "error: timeout", "warn: error errors", "all is well", "errors, er, and e"]


@pytest.fixture(scope="module")
def log(host: Host) -> Host:
    """A second subsystem of the same target, whose data are a log."""
    text = "".join(f"{number:08} {LINES[number * 7 % 5]}\n" for number in range(10000)).encode()
    subsystem = host.target.add_subsystem("log", text.ljust(-(-len(text) // 4096) * 4096, b"\n"), slm_megabytes=8)
    log = Host(host.target, subsystem, host.folder)
    log.csd("load", "--slot", "1", log.file("search"), "--activate")
    return log


def test_list(host: Host) -> None:
    told = host.json("list")
    assert [(one["nsid"], one["kind"]) for one in told["namespaces"]] == [(1, "NVM"), (2, "SLM"), (3, "compute")]
    assert [one["bytes"] for one in told["namespaces"][:2]] == [4 * MIB, 8 * MIB]
    [compute] = told["compute"]
    assert [(one["pind"], one["state"]) for one in compute["programs"]] == [(slot, "active") for slot in range(5)]
    assert {(one["program_type"], one["pid"]) for one in compute["programs"]} == {(0xC0, None)}
    assert "worker" in host.csd("list")


def test_scan_and_exec_find_what_a_host_that_reads_everything_finds(host: Host) -> None:
    wanted = [piece for piece in RECORDS if temperature(piece) >= 990]
    out = host.folder / "out"
    for command in ("scan", "exec"):
        told = host.json(command, "--slot", "0", "--cparam1", "990", "--output", str(out))
        assert out.read_bytes() == b"".join(wanted)
        assert (told["end"], told["records"], told["matches"]) == ("whole", len(RECORDS), len(wanted))
        assert told["first_items"][0] == wanted[0].hex()


@pytest.mark.holds("wire-6")
def test_a_word_in_a_log_is_found_as_often_by_scan_exec_and_grep(log: Host) -> None:
    """Words of every length: a scan's data have a length, and padding is no part of the pattern."""
    for word, times in (("error", 3), ("errors", 1), ("timeout", 1), ("disk full", 1)):
        grep = ["grep", "--only-matching", "--text", "--fixed-strings", word, str(log.subsystem.image)]
        found = len(subprocess.run(grep, capture_output=True, check=True).stdout.splitlines())
        assert found > 0
        for _ in range(times):
            counts = [log.json(how, "--slot", "1", "--data", f"text:{word}")["matches"] for how in ("scan", "exec")]
            assert counts == [found, found], word


def test_a_scan_goes_on_until_everything_came(host: Host) -> None:
    """Everything is kept: many commands; and a state that decides (every third record) survives each of them."""
    out = host.folder / "all"
    told = host.json("scan", "--slot", "0", "--cparam1", "-1000", "--output", str(out))
    assert told["commands"] > 30
    assert out.read_bytes() == DATA
    told = host.json("scan", "--slot", "3", "--cparam1", "3", "--start", "64", "--output", str(out))
    assert told["commands"] > 10
    assert out.read_bytes() == b"".join(RECORDS[1::3])
    # What a scan borrowed is given back.
    assert host.json("ranges", "list") == {"range_sets": []}


def test_ranges_of_bytes_and_blocks(host: Host) -> None:
    told = host.json("scan", "--slot", "0", "--cparam1", "-1000", "--start", "100", "--length", "1000")
    assert (told["records"], told["first_items"][0]) == (15, DATA[100:164].hex())
    blocks = host.json("scan", "--slot", "0", "--cparam1", "990", "--lba", "3", "--blocks", "2")
    as_bytes = host.json("scan", "--slot", "0", "--cparam1", "990", "--start", "12288", "--length", "8KiB")
    assert blocks["kept_sha256"] == as_bytes["kept_sha256"]
    part = host.json(
        "exec", "--slot", "0", "--cparam1", "990", "--start", "12352", "--length", "8KiB", "--memory-at", "64"
    )
    wanted = b"".join(piece for piece in RECORDS[193:321] if temperature(piece) >= 990)
    assert part["kept_bytes"] == len(wanted)


def test_a_question_is_answered_as_the_page_shows(host: Host) -> None:
    """docs/questions.md: without a program of one's own, whose slot is given back."""
    page = (ROOT / "docs/questions.md").read_text()
    [line, shown, first] = re.findall(r"^\$ csd (scan .*)\n(.*)\n\[\.\.\.\]\n(first [^`]*)```$", page, re.MULTILINE)[0]
    said = host.csd(*shlex.split(line))
    assert f"{shown}\n" in said
    assert f"\n{first}" in said
    out = host.folder / "asked"
    told = host.json(*shlex.split(line), "--output", str(out))
    wanted = [piece for piece in RECORDS if temperature(piece) >= 990 and piece[16] in {3, 5}]
    assert out.read_bytes() == b"".join(wanted)
    assert (told["records"], told["matches"]) == (len(RECORDS), len(wanted))
    [compute] = host.json("list")["compute"]
    assert [one["pind"] for one in compute["programs"]] == [0, 1, 2, 3, 4]


def test_state_and_offsets(host: Host) -> None:
    temperatures = [temperature(piece) for piece in RECORDS]
    state = struct.pack("<Qqii", len(RECORDS), sum(temperatures), min(temperatures), max(temperatures)).hex()
    assert host.json("scan", "--slot", "2")["state"] == state
    assert host.json("exec", "--slot", "2")["state"] == state
    needle = RECORDS[777][8:24]
    told = host.json("scan", "--slot", "1", "--data", f"hex:{needle.hex()}", "--start", "4096")
    assert [struct.unpack("<Q", bytes.fromhex(item))[0] for item in told["first_items"]] == [777 * 64 + 8]
    # A scan's data are filled up to 16 bytes; 13 of them count.
    thirteen = host.csd("scan", "--slot", "1", "--data", f"hex:{needle[:13].hex()}", "--cparam1", "13")
    assert "byte 49736" in thirteen
    assert "byte 49736" in host.csd("exec", "--slot", "1", "--data", f"hex:{needle[:13].hex()}")


def test_output_to_a_pipe(host: Host) -> None:
    command = [CSD, *host.subsystem.options(), "scan", "--slot", "0", "--cparam1", "999", "--output", "-"]
    done = subprocess.run(command, capture_output=True, check=True)
    assert done.stdout == b"".join(piece for piece in RECORDS if temperature(piece) >= 999)
    assert b"records kept" in done.stderr


def test_memory_and_ranges(host: Host) -> None:
    host.csd("slm", "write", "--start", "64", "text:computation here")
    host.csd("slm", "copy", "--from", "64", "--to", "128", "--length", "16")
    host.csd("slm", "fill", "--start", "64", "--length", "8")
    assert bytes.fromhex(host.json("slm", "read", "--start", "64", "--length", "16")["data"]) == bytes(8) + b"ion here"
    assert "computation here" in host.csd("slm", "read", "--start", "128", "--length", "16")
    out = host.folder / "memory"
    host.csd("slm", "copy", "--lba", "5", "--blocks", "64", "--to", "0")
    host.csd("slm", "read", "--length", "256KiB", "--output", str(out))
    assert out.read_bytes() == DATA[5 * 4096 : 69 * 4096]
    rsid = host.json("ranges", "create", "0:4KiB", "8KiB:64")["rsid"]
    assert f"{rsid}  no" in host.csd("ranges", "list")
    host.csd("ranges", "delete", str(rsid))


def test_stats_count(host: Host) -> None:
    before = {entry["pind"]: entry for entry in host.json("stats")["statistics"]}
    host.csd("scan", "--slot", "0", "--cparam1", "990", "--length", "64KiB")
    after = {entry["pind"]: entry for entry in host.json("stats")["statistics"]}
    assert [after[0][name] - before[0][name] for name in ("runs", "records", "scanned_bytes")] == [1, 1024, 65536]
    assert host.csd("stats").startswith("slot  runs")


def test_the_life_of_a_program(host: Host) -> None:
    host.csd("load", "--slot", "9", host.file("top"))
    assert "loaded" in host.csd("list")
    refused = host.csd("scan", "--slot", "9", code=3)
    assert "found: the drive answered Program Not Activated (01h/98h)" in refused
    assert "do:    activate it first (csd activate)" in refused
    host.csd("activate", "--slot", "9")
    assert "Program In Use (01h/99h)" in host.csd("load", "--slot", "9", host.file("top"), code=3)
    host.csd("load", "--slot", "9", host.file("threshold"), "--replace", "--activate")
    host.csd("deactivate", "--slot", "9")
    # What is loaded is in the way too, until it is unloaded; and 01h still means eBPF.
    assert "Program In Use (01h/99h)" in host.csd("load", "--slot", "9", host.file("top"), code=3)
    told = host.json("load", "--slot", "9", host.file("top"), "--replace", "--type", "1", "--pid", "7")["program"]
    assert (told["program_type"], told["pid"]) == (1, 7)
    host.csd("unload", "--slot", "9")
    assert "No Program (01h/96h)" in host.csd("unload", "--slot", "9", code=3)


def test_a_refused_program(host: Host) -> None:
    bad = host.folder / "none.bin"
    bad.write_bytes(bytes.fromhex("ff00000000000000"))
    said = host.csd("load", "--slot", "10", str(bad), code=3)
    assert "found: the drive answered Invalid Program Data (01h/8Eh): " in said
    assert "slot 10: its last load was refused: " in host.csd("list")
    error = host.json("load", "--slot", "10", str(bad), code=3)["error"]
    assert (error["status"], error["asked"].startswith("load 8 bytes into slot 10 (")) == (0x18E, True)


@pytest.mark.parametrize(
    ("words", "code", "found"),
    [
        (["scan", "--slot", "77"], 3, "Invalid Program Index (01h/8Fh)"),
        (["scan", "--slot", "0", "--start", "5MiB", "--length", "64"], 3, "LBA Out of Range (00h/80h)"),
        (["scan", "--slot", "0", "--lba", "1", "--start", "1"], 1, "both say where it begins"),
        (["exec", "--slot", "0", "--memory-at", "5MiB"], 1, "it has 8388608 bytes; copied input ends at 9437184"),
        (["scan", "--slot", "0", "--output", "/nowhere/file"], 1, "No such file or directory"),
        (["load", "--slot", "0", "/nowhere/file"], 1, "No such file or directory"),
        (
            ["scan", "--slot", "0", "--length", "12 apples"],
            2,
            "'12 apples' is no number (such as 4096, 0x1000 or 4KiB)",
        ),
        (["scan", "--slot", "0", "--data", "ERROR"], 2, "'ERROR' is neither hex:00ff nor text:ERROR nor @file"),
        (["--compute", "2", "stats"], 1, "its namespaces are 1 (NVM), 2 (SLM), 3 (compute)"),
        (["--device", "/dev/nvme9", "list"], 1, "the first is a drive that the kernel has connected"),
        (["slm", "read", "--start", "2", "--length", "4"], 3, "Invalid Field in Command (00h/02h)"),
        (["dance"], 2, "invalid choice: 'dance'"),
    ],
)
def test_what_cannot_be_done(host: Host, words: list[str], code: int, found: str) -> None:
    assert found in host.csd(*words, code=code)


def test_nobody_there(host: Host) -> None:
    words = [*host.subsystem.options(), "--trsvcid", "24139", "list"]
    done = subprocess.run([CSD, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "found: Connection refused" in done.stderr


def test_the_configured_drive(host: Host) -> None:
    """Without a drive on the command line: the one that a file names; and a file that cannot be read says so."""
    place = host.subsystem.place()
    config = host.folder / "csd.json"
    names = ("traddr", "trsvcid", "subnqn", "hostnqn")
    config.write_text(json.dumps({name: getattr(place, name) for name in names} | {"memory_megabytes": 48}))
    done = subprocess.run([CSD, "--config", str(config), "list"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"{place.subnqn} at 127.0.0.1 port {place.trsvcid}")
    config.write_text("not JSON")
    done = subprocess.run([CSD, "--config", str(config), "list"], capture_output=True, text=True, check=False)
    assert (done.returncode, "do:    mend it" in done.stderr) == (1, True)
