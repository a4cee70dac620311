"""The fleet as its tests reach it: by docker alone; and the production playbooks with its inventory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import testinfra

from lab import ROOT, Run, ended

Host = Any  # testinfra.host.Host, which comes without types

BUILDER = "fleet-builder"
SENSORS = ["fleet-node1", "fleet-node2"]
ARCHIVE = ["fleet-node3"]
TARGETS = [*SENSORS, *ARCHIVE]
HOSTS = ["fleet-host1", "fleet-host2"]
# Has no compiler (host_vars): it runs what the builder compiled, the fleet's own hot.bpf.c too.
WITHOUT_COMPILER = "fleet-node2"
SPARE = "fleet-node4"
ADDRESSES = {f"fleet-node{number}": f"198.18.44.1{number}" for number in (1, 2, 3, 4)}
# What each host declares (host_vars); the other pairs are not allowed.
CONNECTIONS = {"fleet-host1": TARGETS, "fleet-host2": ["fleet-node1", "fleet-node3"]}
# Slots and states that group_vars of inventory/fleet.example declare.
PROGRAMS = {
    **{name: {0: "threshold", 1: "hot", 2: "aggregate"} for name in SENSORS},
    **{name: {0: "threshold", 1: "search", 2: "sample"} for name in ARCHIVE},
}

# What the lab makes on a machine.
TRACES = ["/opt/hello_ebpf", "/etc/hello_ebpf", "/var/cache/hello_ebpf", "/var/lib/hello_ebpf", "/var/log/hello_ebpf"]
TRACES += ["/run/hello_ebpf", "/etc/systemd/system/csd_target.service", "/usr/local/bin/csd"]
TRACES += ["/usr/local/share/man/man1/csd.1", "/usr/local/share/bash-completion/completions/csd"]

#: SPDK's build of the scenario default, where that ran before (prepare.yml).
HANDED = ROOT / "build/spdk/debian12/archives"

FOLDER = ROOT / "build/fleet"
REPORTS = FOLDER / "reports"


def machine(name: str) -> Host:
    return testinfra.get_host(f"docker://{name}")


def docker(*words: str) -> str:
    return subprocess.run(["docker", *words], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def report() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((REPORTS / "latest/report.json").read_text())
    return found


def records() -> list[list[dict[str, str]]]:
    """What check, converge and idempotence recorded, in this order."""
    return [ended(path) for path in sorted((FOLDER / "records").glob("run.*.jsonl"))]


def changed(tasks: list[dict[str, str]]) -> set[tuple[str, str, str]]:
    return Run(0, "", tasks).changed


def started(folder: Path, book: str, *arguments: str) -> subprocess.Popen[str]:
    """A playbook that begins to run; its record grows in folder/run.jsonl."""
    words = [
        str(Path(sys.executable).parent / "ansible-playbook"),
        *("-i", str(Path(os.environ["MOLECULE_INVENTORY_FILE"]).parent)),
        *arguments,
        book,
    ]
    print(f"--- {' '.join(words)}")
    return subprocess.Popen(
        words,
        cwd=ROOT,
        env=os.environ | {"LAB_RUN_FILE": str(folder / "run.jsonl"), "COLUMNS": "1000", "ANSIBLE_FORCE_COLOR": "0"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finished(process: subprocess.Popen[str], folder: Path) -> Run:
    output, _ = process.communicate()
    print(output)
    return Run(process.returncode, output, ended(folder / "run.jsonl"))


def play(folder: Path, book: str, *arguments: str) -> Run:
    """Run a playbook of the project on the scenario's machines."""
    return finished(started(folder, book, *arguments), folder)


def listening(name: str, port: int = 4420) -> list[str]:
    """Addresses on which a machine accepts connections at a port, from the kernel's table."""
    found = []
    for line in machine(name).check_output("cat /proc/net/tcp").splitlines()[1:]:
        local, state = line.split()[1], line.split()[3]
        address, at = local.split(":")
        if state == "0A" and int(at, 16) == port:
            found.append(".".join(str(byte) for byte in reversed(bytes.fromhex(address))))
    return found


def target(name: str) -> tuple[str, str]:
    """Process number of a machine's target, and when it was started in ticks: is it the same one?"""
    pid = machine(name).check_output("systemctl show --property MainPID --value csd_target.service")
    assert pid != "0", f"no target runs on {name}"
    stat = machine(name).check_output(f"cat /proc/{pid}/stat")
    return pid, stat.rpartition(")")[2].split()[19]


def drive(host: str, node: str) -> str:
    """How `csd` on a host is told which drive."""
    nqn = "nqn.2026-11.io.hello-ebpf"
    return f"--traddr {ADDRESSES[node]} --trsvcid 4420 --subnqn {nqn}:{node} --hostnqn {nqn}:{host}"


def programs(host: str, node: str) -> dict[int, dict[str, Any]]:
    """What a drive holds, by slot, as a host sees it over the network."""
    said = json.loads(machine(host).check_output(f"csd {drive(host, node)} --json list"))
    [compute] = said["compute"]
    return {program["pind"]: program for program in compute["programs"] if program["state"] != "empty"}
