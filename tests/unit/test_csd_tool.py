"""The tool csd without a drive: what its command line means, which way it takes, and what it shows."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest
from ansible.module_utils.hello_ebpf.csd.device import Device
from ansible.module_utils.hello_ebpf.csd.tool import arguments
from ansible.module_utils.hello_ebpf.csd.tool.actions import ACTIONS
from ansible.module_utils.hello_ebpf.csd.tool.connect import connect
from ansible.module_utils.hello_ebpf.csd.tool.show import show, size, table
from ansible.module_utils.hello_ebpf.errors import LabError

from csd_double import DriveDouble, result

ROOT = Path(__file__).resolve().parents[2]


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


def test_tables() -> None:
    assert table(("n", "name"), [(1, "a"), (100, "bc")]) == "  n  name\n  1  a\n100  bc"
    assert [size(count) for count in (0, 1023, 1536, 4 << 20)] == ["0 B", "1023 B", "1.5 KiB", "4 MiB"]


def test_the_role_installs_every_module_of_the_tool() -> None:
    """Each is a link to the one source; the Makefile installs what is linked."""
    source = ROOT / "module_utils/hello_ebpf"
    role = ROOT / "roles/csd_host/files/hello_ebpf"
    needed = {path.relative_to(source) for path in source.glob("csd/**/*.py")} | {
        Path("__init__.py"),
        Path("errors.py"),
        Path("names.py"),
    }
    linked = {path.relative_to(role) for path in role.glob("**/*.py")}
    assert linked == needed
    for name in linked:
        assert (role / name).is_symlink()
        assert (role / name).resolve() == source / name
