"""The finished lab in its container: service, files, listener, report. The rest is in tests/integration/verify."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest

import record_reference as reference
from lab_machine import KEPT, listeners

Host = Any  # testinfra.host.Host, which comes without types

UNIT = "csd_target.service"
S32 = 6  # of enum csd_integer in csd_programs.h
PLACES = ["/opt/hello_ebpf", "/etc/hello_ebpf", "/var/cache/hello_ebpf", "/var/lib/hello_ebpf", "/run/hello_ebpf"]
PROGRAMS = {"threshold", "search", "aggregate", "histogram", "sample", "top"}


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((KEPT / "reports/latest/report.json").read_text())
    return found


def test_systemd_runs_the_target(host: Host) -> None:
    """csd_target.service is enabled, valid, and runs; systemd supervises the process that listens."""
    service = host.service(UNIT)
    assert service.is_enabled
    assert service.is_running
    assert host.run(f"systemd-analyze verify {UNIT}").stderr == ""
    pid = host.check_output(f"systemctl show --property MainPID --value {UNIT}")
    assert f"pid={pid}," in host.check_output("ss -Hlntp sport = 4420")
    assert host.check_output(f"systemctl show --property Restart --value {UNIT}") in {"always", "on-failure"}


def test_no_listener_beyond_loopback(host: Host) -> None:
    """The target listens on loopback, and nothing in the container listens anywhere else."""
    assert listeners(host) == ["127.0.0.1:4420"]


def test_the_unit_is_closed(host: Host) -> None:
    """By systemd's own measure the target's exposure is 2.5 of 10 or less."""
    done = host.run(f"systemd-analyze security --no-pager --threshold=25 {UNIT}")
    assert done.rc == 0, done.stdout


def test_the_target_runs_as_its_user_and_can_gain_nothing(host: Host) -> None:
    """The running target is csd_target's, without capabilities, new privileges and core files, behind a filter."""
    pid = host.check_output(f"systemctl show --property MainPID --value {UNIT}")
    status = dict(line.split(":\t", 1) for line in host.check_output(f"cat /proc/{pid}/status").splitlines())
    user, group = host.check_output("id -u csd_target"), host.check_output("id -g csd_target")
    assert (set(status["Uid"].split()), set(status["Gid"].split())) == ({user}, {group})
    assert set(status["Groups"].split()) <= {group}
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[name], 16) == 0, name
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    [core] = [line for line in host.check_output(f"cat /proc/{pid}/limits").splitlines() if "core file" in line]
    assert core.split()[4:6] == ["0", "0"]
    assert host.check_output(f"readlink /proc/{pid}/ns/mnt") != host.check_output("readlink /proc/1/ns/mnt")


def status_of(host: Host, pid: str) -> dict[str, str]:
    return dict(line.split(":\t", 1) for line in host.check_output(f"cat /proc/{pid}/status").splitlines())


def test_each_program_runs_in_a_process_of_its_own(host: Host, report: dict[str, Any]) -> None:
    """A program with loops counts on the drive what a reference counts, in a process of its own without rights."""
    slot, seen = 6, json.loads(host.check_output("csd list --json"))["compute"][0]["programs"]
    assert {program["pind"]: program["state"] for program in seen}[slot] == "active"
    # More than one part: of this drive a program gets 1 MiB at a time.
    records = reference.generate(report["dataset"]["records"], report["dataset"]["seed"], 20_000)
    expected = sum(-20_000 <= reference.temperature(record) <= 20_000 for record in records)
    where = struct.pack("<4I", 64, 20, S32, 0).hex()
    words = f"--slot {slot} --cparam1 -20000 --cparam2 20000 --data hex:{where} --length {64 * len(records)}"
    state = bytes.fromhex(json.loads(host.check_output(f"csd exec {words} --json"))["state"])
    assert struct.unpack("<4Q", state) == (0, len(records), expected, 0)

    pid = host.check_output(f"systemctl show --property MainPID --value {UNIT}")
    assert "--workers\0/opt/hello_ebpf/csd_target/bin\0" in host.check_output(f"cat /proc/{pid}/cmdline")
    # A host's worker stays for a next command of its.
    [spawner] = host.check_output(f"pgrep -x -P {pid} csd_spawner").split()
    workers = host.check_output(f"pgrep -x -P {spawner} csd_worker").split()
    target = status_of(host, pid)
    for status in [status_of(host, worker) for worker in workers]:
        assert (int(status["CapPrm"], 16), status["NoNewPrivs"], status["Uid"]) == (0, "1", target["Uid"])
        assert int(status["Seccomp_filters"]) > int(target["Seccomp_filters"])
    assert "programs are shut in " in host.check_output(f"journalctl --no-pager --unit {UNIT}")


def test_a_file_behind_an_odd_name_is_open_to_the_target(host: Host) -> None:
    """The target has a file open whose folder's name has blanks, quotes and a percent sign."""
    pid = host.check_output(f"systemctl show --property MainPID --value {UNIT}")
    files = host.check_output(f"find /proc/{pid}/fd -printf '%l\\n'").splitlines()
    assert "/var/lib/hello_ebpf/50 % 'of' it/data.img" in files


def test_the_target_sees_hugepages_of_its_own_size_alone(host: Host) -> None:
    """The pools of hugepages of other sizes than the lab's are hidden from the target."""
    pid = host.check_output(f"systemctl show --property MainPID --value {UNIT}")
    mounts = {line.split()[4] for line in host.check_output(f"cat /proc/{pid}/mountinfo").splitlines()}
    pools = host.check_output("ls -d /sys/kernel/mm/hugepages/* /sys/devices/system/node/node*/hugepages/*").split()
    assert {pool for pool in pools if not pool.endswith("-2048kB")} == mounts.intersection(pools)


def test_the_rpc_socket_is_for_its_group(host: Host) -> None:
    """A member of the target's group can command it, and another user cannot."""
    socket, folder = host.file("/run/hello_ebpf/spdk.sock"), host.file("/run/hello_ebpf")
    assert (socket.user, socket.group, oct(socket.mode)) == ("csd_target", "csd_target", oct(0o660))
    assert (folder.user, folder.group, oct(folder.mode)) == ("csd_target", "csd_target", oct(0o750))
    connect = "import socket; socket.socket(socket.AF_UNIX).connect('/run/hello_ebpf/spdk.sock')"
    assert host.run("setpriv --reuid 65534 --regid csd_target --clear-groups python3 -c %s", connect).rc == 0


def test_the_configuration_is_for_root_and_the_group(host: Host) -> None:
    """The target can read what it starts with, and cannot change it."""
    file = host.file("/etc/hello_ebpf/csd_target.json")
    assert (file.user, file.group, oct(file.mode)) == ("root", "csd_target", oct(0o640))


@pytest.mark.parametrize(
    ("path", "mode"),
    [
        ("/etc/systemd/system/csd_target.service", 0o644),
        ("/opt/hello_ebpf/csd_target/bin/csd_tgt", 0o755),
        ("/usr/local/bin/csd", None),
        ("/usr/local/share/man/man1/csd.1", None),
        ("/usr/local/share/bash-completion/completions/csd", None),
    ],
)
def test_modes(host: Host, path: str, mode: int | None) -> None:
    """Files are root's."""
    file = host.file(path)
    assert file.exists
    assert (file.user, file.group) == ("root", "root")
    if mode is not None:
        assert oct(file.mode) == oct(mode)


def test_nothing_of_the_lab_can_be_written_by_others(host: Host) -> None:
    """No file of the lab is writable but for root, the target in its run folder, cache and data, and apt in apt's."""
    places = [place for place in PLACES if host.file(place).exists]
    assert len(places) >= 4
    owners = r"\( ! -user root -a ! \( -user _apt -path '*/apt/*/lists/*' \) \)"
    run = r"! \( -path '/run/hello_ebpf*' -user csd_target ! -perm /002 \)"
    data = r"! \( -path '/var/lib/hello_ebpf/*.img' -type f -user csd_target ! -perm /022 \)"
    cache = r"! \( -path '/var/cache/hello_ebpf/csd_target*' -user csd_target ! -perm /077 \)"
    assert (
        host.check_output(rf"find {' '.join(places)} ! -type l {run} {data} {cache} \( -perm /022 -o {owners} \)") == ""
    )


def test_others_cannot_reach_the_rpc_socket(host: Host) -> None:
    """A user who is neither root nor in the target's group cannot connect to its RPC socket."""
    connect = "import socket; socket.socket(socket.AF_UNIX).connect('/run/hello_ebpf/spdk.sock')"
    assert host.run("python3 -c %s", connect).rc == 0
    done = host.run("setpriv --reuid 65534 --regid 65534 --clear-groups python3 -c %s", connect)
    assert done.rc != 0
    assert "PermissionError" in done.stderr


def test_baseline_offload_and_standard_flow_agree(host: Host, report: dict[str, Any]) -> None:
    """For every program and selectivity, baseline, offload and standard flow select the same records, by digest."""
    name = host.backend.get_hostname()
    answers: dict[tuple[str, float], dict[str, tuple[int, str]]] = {}
    for run in report["runs"]:
        if run.get("host", name) == name:
            answer = run["matches"], run["matches_sha256"]
            answers.setdefault((run["program"], run["selectivity"]), {})[run["name"]] = answer
    assert {program for program, _ in answers} == PROGRAMS
    for what, by_way in answers.items():
        assert set(by_way) == {"baseline", "offload", "slm"}, what
        assert len(set(by_way.values())) == 1, (what, by_way)


def test_the_report_is_not_the_projects(report: dict[str, Any]) -> None:
    """The scenario's report lies in build/, and both containers are in it."""
    assert Path(KEPT / "reports/latest").is_symlink()
    assert {run["host"] for run in report["runs"]} == {"default-debian12", "default-debian13"}
