"""Packages of another version on the nodes: one whose target runs, one whose does not. At last all is removed."""

from __future__ import annotations

import json
import subprocess
import tempfile
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import pytest
import yaml
from fleet import BUILDER, HOSTS, TARGETS, TRACES, drive, listening, machine, play, programs, target

from lab import ROOT

PACKAGE = "hello-ebpf-target"
PROGRAM = "opt/hello_ebpf/csd_target/bin/csd_tgt"
DOES_NOT_START = "#!/bin/sh\necho 'this version does not start' >&2\nexit 1\n"
# As packaging/debian/rules has it.
MD5SUMS = "find . -path ./DEBIAN -prune -o -type f -printf '%P\\0' | LC_ALL=C sort -z | xargs -0 md5sum >DEBIAN/md5sums"

FIRST, *OTHERS = TARGETS
FILE = "/var/lib/hello_ebpf/kept/data.img"
NSID = 4
MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Archive:
    """A folder of packages for distribution_archive, and the version of the target in it."""

    folder: Path
    version: str

    @property
    def asked(self) -> tuple[str, str]:
        return "-e", f"distribution_archive={self.folder}"


def archive(folder: Path, mark: str, program: str = "") -> Archive:
    """What the builder packed, the target in another version, with another program where one is given."""
    folder.mkdir()
    packages = sorted((ROOT / "build/distribution" / BUILDER).glob("*.deb"))
    [original] = [path for path in packages if path.name.startswith(f"{PACKAGE}_")]
    _, version, architecture = original.stem.split("_")
    other = f"{version}.{mark}"
    with tempfile.TemporaryDirectory() as scratch:
        stage = Path(scratch) / "stage"
        subprocess.run(["dpkg-deb", "--raw-extract", original, stage], check=True)
        control = stage / "DEBIAN/control"
        control.write_text(control.read_text().replace(f"\nVersion: {version}\n", f"\nVersion: {other}\n"))
        if program:
            (stage / PROGRAM).write_text(program)
        subprocess.run(["sh", "-c", MD5SUMS], cwd=stage, check=True)
        file = folder / f"{PACKAGE}_{other}_{architecture}.deb"
        subprocess.run(["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", stage, file], check=True)
    for path in packages:
        if path != original:
            (folder / path.name).symlink_to(path)
    subprocess.run(["sh", "-c", "sha256sum *.deb >SHA256SUMS"], cwd=folder, check=True)
    return Archive(folder, other)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """An inventory beside the scenario's: the first node's drive has one more namespace, whose data lie in a file."""
    groups = ROOT / "molecule/fleet/group_vars"
    [subsystem] = yaml.safe_load((groups / "targets.yml").read_text())["csd_target_subsystems"]
    bdevs = yaml.safe_load((groups / "containers.yml").read_text())["csd_target_bdevs"]
    bdevs.append({"type": "aio", "name": "csd0_kept", "filename": FILE, "block_size": 512})
    subsystem["namespaces"].append({"nsid": NSID, "bdev": "csd0_kept", "uuid": "{{ 'kept' | to_uuid }}"})
    variables = {
        "csd_target_subsystems": [subsystem],
        "csd_target_bdevs": bdevs,
        "csd_target_backing_files": [{"path": FILE, "megabytes": 4}],
    }
    path = tmp_path_factory.mktemp("kept") / "kept.json"
    sensors = {"sensors": {"hosts": {FIRST: variables}}}
    path.write_text(json.dumps({"all": {"children": {"targets": {"children": sensors}}}}))
    return ["-i", str(path)]


def installed(name: str) -> str:
    """The target's version on a machine, and its state, as dpkg says."""
    show = "dpkg-query -W -f '${Version} ${db:Status-Status}'"
    said: str = machine(name).check_output(f"{show} {PACKAGE}")
    return said


def loaded(node: str) -> dict[int, tuple[str, str]]:
    """State and digest of each program of a node's drive, as a host sees them."""
    seen = programs(HOSTS[0], node)
    return {slot: (program["state"], program["sha256"]) for slot, program in seen.items()}


def first_megabyte() -> str:
    """SHA-256 of what a host reads from the namespace in the file, by way of the drive's memory."""
    host, csd = machine(HOSTS[0]), f"csd {drive(HOSTS[0], FIRST)} --json --data-nsid {NSID}"
    host.check_output(f"{csd} slm copy --lba 0 --blocks {MEGABYTE // 512} --to 0")
    read = json.loads(host.check_output(f"{csd} slm read --length {MEGABYTE} --output /dev/null"))
    return str(read["sha256"])


def test_another_version_goes_to_one_node_after_the_other(tmp_path: Path, kept: list[str]) -> None:
    """Another version from an archive goes to one node after the other, then to the hosts; programs are as before."""
    before = {name: (target(name), loaded(name)) for name in TARGETS}
    other = archive(tmp_path / "other", "1")
    run = play(tmp_path, "playbooks/upgrade.yml", *kept, *other.asked).succeeded()
    turns = groupby(task["host"] for task in run.tasks if task["play"] == "Upgrade the targets")
    assert [host for host, _ in turns] == TARGETS
    for name in [*TARGETS, *HOSTS]:
        assert installed(name) == f"{other.version} installed"
    for name in TARGETS:
        assert target(name) != before[name][0]
        assert loaded(name) == before[name][1]


def test_a_node_whose_target_does_not_come_back_gets_the_packages_of_before(tmp_path: Path, kept: list[str]) -> None:
    """A node whose target does not come back gets the packages of before, and keeps programs and data."""
    first = machine(FIRST)
    first.check_output("dd if=/dev/urandom of=%s bs=64k count=16 conv=notrunc,fsync status=none", FILE)
    data = first.check_output("sha256sum < %s", FILE)
    seen = first_megabyte()
    assert seen == first.check_output("head -c %s %s | sha256sum", str(MEGABYTE), FILE).split()[0]
    before = {name: (target(name), installed(name), loaded(name)) for name in TARGETS}

    broken = archive(tmp_path / "broken", "2", DOES_NOT_START)
    run = play(tmp_path, "playbooks/upgrade.yml", *kept, *broken.asked)

    assert run.code != 0
    said = run.output.partition("\nONE AFTER THE OTHER: Upgrade the targets ")[2]
    assert f"failed: {FIRST}\nnot touched: {', '.join(OTHERS)}\n" in said
    assert f"{FIRST} failed in: csd_target: Keep the target running (play: Upgrade the targets)\n" in said
    assert "this version does not start" in said
    assert (
        f"Asked: {FIRST} upgraded, and healthy. Found: it did not come back healthy, as told above; the packages of "
        "before are installed again, and it is healthy with them. Do: mend the cause, then run again."
    ) in said
    assert {host for host, _, _ in run.changed} == {FIRST}
    assert target(FIRST) != before[FIRST][0]
    assert (installed(FIRST), loaded(FIRST)) == before[FIRST][1:]
    assert first.check_output("dpkg --verify %s", PACKAGE) == ""
    assert first.check_output("sha256sum < %s", FILE) == data
    assert first_megabyte() == seen
    for name in OTHERS:
        assert (target(name), installed(name), loaded(name)) == before[name]


def test_removal_leaves_nothing_on_any_machine(tmp_path: Path, kept: list[str]) -> None:
    play(tmp_path, "playbooks/teardown.yml", *kept, "-e", "csd_target_remove_data=true").succeeded()
    for name in [BUILDER, *TARGETS, *HOSTS]:
        assert [path for path in TRACES if machine(name).file(path).exists] == [], name
        assert listening(name) == []
        assert machine(name).check_output("systemctl --failed --no-legend --plain") == "", name
