"""The fleet after check, converge and idempotence, seen by other means than the roles'."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from fleet import (
    ADDRESSES,
    ARCHIVE,
    BUILDER,
    CONNECTIONS,
    HANDED,
    HOSTS,
    PROGRAMS,
    SENSORS,
    SPARE,
    TARGETS,
    WITHOUT_COMPILER,
    changed,
    drive,
    listening,
    machine,
    play,
    programs,
    records,
    report,
)

from lab import ROOT
from report_schema import problems


def test_check_mode_on_the_untouched_fleet_predicted_exactly_what_converge_changed() -> None:
    check, converge = records()[:2]
    assert changed(converge)
    assert changed(check) == changed(converge)


def test_the_second_run_changed_nothing() -> None:
    assert changed(records()[2]) == set()


def test_a_check_after_it_predicts_nothing(tmp_path: Path) -> None:
    assert play(tmp_path, "site.yml", "--check").succeeded().changed == set()


def test_the_tag_install_alone_packs_on_the_builder_and_changes_nothing(tmp_path: Path) -> None:
    run = play(tmp_path, "site.yml", "--tags", "install").succeeded()
    assert run.changed == set()
    packed = {task["host"] for task in run.tasks if task["task"] == "The packages are on the controller"}
    looked = {task["host"] for task in run.tasks if task["task"] == "What the builder compiled is installed"}
    assert (packed, looked) == ({BUILDER}, {*TARGETS, *HOSTS})


def test_one_host_is_reached_as_a_user_who_becomes_root() -> None:
    """Ansible brings files as the user as whom it connects; what the roles made of them is root's all the same."""
    host = machine("fleet-host2")
    assert host.file("/home/lab/.ansible").user == "lab"
    for path in ("/opt/hello_ebpf/csd_host/bin/csd_nvme", "/var/cache/hello_ebpf/distribution"):
        assert host.file(path).user == "root"
    assert host.exists("sudo")
    assert not machine("fleet-host1").exists("sudo")


def test_nodes_and_hosts_build_nothing() -> None:
    """A storage node has gcc and binutils, with which csd_tgt compiles what is loaded, or has not; no host has."""
    for name in [*TARGETS, *HOSTS]:
        for tool in ("clang", "make", "ninja"):
            assert not machine(name).exists(tool), f"{tool} on {name}"
        for tool in ("gcc", "objcopy"):
            wanted = name in TARGETS and name != WITHOUT_COMPILER
            assert machine(name).exists(tool) == wanted, f"{tool} on {name}"
        assert not machine(name).file("/var/cache/hello_ebpf/spdk").exists, name
    assert machine(BUILDER).exists("gcc")


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_runs_programs_in_processes_of_their_own(name: str) -> None:
    [arguments] = [line for line in machine(name).check_output("ps -eo args=").splitlines() if " --json " in line]
    assert " --workers /opt/hello_ebpf/csd_target/bin " in arguments
    without = name == WITHOUT_COMPILER
    blobs = " --program-blobs /opt/hello_ebpf/csd_target/programs/compiled --program-blobs /var/lib/hello_ebpf/compiled"
    assert (blobs in arguments) == without
    assert (" --program-cache " in arguments) != without
    assert machine(name).file("/var/cache/hello_ebpf/csd_target").exists != without
    kept = machine(name).file("/var/lib/hello_ebpf/compiled")
    assert [len(entry) for entry in kept.listdir()] == [64] if without else not kept.exists


def test_a_node_without_a_compiler_refuses_what_the_builder_has_not_compiled() -> None:
    """One that it runs, with a byte behind it: to a node with a compiler that is a program like others."""
    assert {"threshold", "hot"} <= set(PROGRAMS[WITHOUT_COMPILER].values())
    host, other = machine(HOSTS[0]), "/tmp/other.bpf.o"
    folder = "/opt/hello_ebpf/csd_target/programs"
    host.check_output("sh -c %s", f"cat {folder}/threshold.bpf.o >{other} && printf x >>{other}")
    with_one, without = (f"csd {drive(HOSTS[0], node)}" for node in (SENSORS[0], WITHOUT_COMPILER))
    host.check_output(f"{with_one} load --slot 7 {other}")
    host.check_output(f"{with_one} unload --slot 7")
    done = host.run(f"{without} load --slot 7 {other}")
    assert done.rc == 3
    assert (
        "this node has no compiler, and its builder has not compiled this program: load one of those that it has, "
        "declare it in csd_target_programs, or give the node a compiler (csd_target_compiler: true)"
    ) in done.stderr
    host.check_output(f"{without} load --slot 7 {folder}/grep.bpf.o")
    host.check_output(f"{without} unload --slot 7")
    host.check_output(f"rm {other}")
    assert 7 not in programs(HOSTS[0], WITHOUT_COMPILER)


def test_the_packages_of_the_builder_are_what_every_node_has_installed() -> None:
    folder = ROOT / "build/distribution" / BUILDER
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=folder, check=True)
    built = dict(path.name.split("_")[:2] for path in folder.glob("*.deb"))
    assert set(built) == {f"hello-ebpf-{name}" for name in ("bench", "examples", "host", "spdk", "target")}
    show = "dpkg-query -W -f '${Package} ${Version} ${db:Status-Status}\\n' 'hello-ebpf-*'"
    for name in [*TARGETS, *HOSTS]:
        told = machine(name).check_output(show).splitlines()
        assert sorted(told) == sorted(f"{package} {version} installed" for package, version in built.items()), name
        assert machine(name).check_output(f"dpkg --verify {' '.join(built)}") == "", name
    for program in ("csd_target/bin/csd_tgt", "csd_bench/bin/csd_bench", "csd_host/bin/csd_nvme"):
        found = {
            machine(name).check_output(f"sha256sum /opt/hello_ebpf/{program}").split()[0]
            for name in [BUILDER, *TARGETS, *HOSTS]
        }
        assert len(found) == 1, program


def test_the_packages_went_to_each_node_once() -> None:
    for number, expected in ((1, sorted([*TARGETS, *HOSTS])), (2, [])):
        sent = [
            task["host"]
            for task in records()[number]
            if task["role"] == "distribution" and task["task"] == "What the builder compiled is installed"
            if task["status"] == "changed"
        ]
        assert sorted(sent) == expected


def test_only_the_builder_compiled() -> None:
    compiled = {task["host"] for task in _compiling() if task["status"] == "changed"}
    assert compiled == {BUILDER}


def test_spdk_is_compiled_where_no_scenario_has_done_so() -> None:
    """The builder installs the build that it was handed, by digest; it compiles SPDK where that is of other sources."""
    folder = "/opt/hello_ebpf/spdk/current"
    stamp = machine(BUILDER).check_output(f"readlink {folder}").strip()
    digest = machine(BUILDER).file(f"{folder}/share/hello_ebpf/build_archive.sha256").content_string.strip()
    handed = [path.read_text().split()[0] for path in HANDED.glob(f"spdk-{stamp}-*.sha256")]
    compiled = {task["task"] for task in _compiling() if task["role"] == "spdk" and task["status"] == "changed"}
    assert ("Compile SPDK's libraries" in compiled) == (handed == [])
    assert not handed or handed == [digest]


def _compiling() -> list[dict[str, str]]:
    """The tasks of the first run that compile, SPDK or what lies in src/."""
    words = ("Compile ", "Link ", "Configure")
    return [
        task for task in records()[1] if task["task"].startswith(words) or task["task"].endswith("built and installed")
    ]


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_listens_on_its_own_address_alone(name: str) -> None:
    assert listening(name) == [ADDRESSES[name]]


def test_the_machine_that_is_no_part_of_the_fleet_is_untouched() -> None:
    assert listening(SPARE) == []
    assert not machine(SPARE).file("/opt/hello_ebpf").exists
    assert not machine(SPARE).file("/etc/hello_ebpf").exists


@pytest.mark.parametrize(("host", "node"), [(host, node) for host in HOSTS for node in CONNECTIONS[host]])
def test_a_host_sees_the_programs_that_the_targets_group_declares(host: str, node: str) -> None:
    seen = programs(host, node)
    assert set(seen) == set(PROGRAMS[node])
    for slot, name in PROGRAMS[node].items():
        assert seen[slot]["state"] == ("loaded" if name == "sample" else "active")
        if name != "hot":
            file = f"/opt/hello_ebpf/csd_target/programs/{name}.bpf.o"
            assert seen[slot]["sha256"] == machine(node).check_output(f"sha256sum {file}").split()[0]


def test_the_groups_run_different_programs() -> None:
    by_group = [
        {program["sha256"] for program in programs(HOSTS[0], names[0]).values()} for names in (SENSORS, ARCHIVE)
    ]
    assert by_group[0] != by_group[1]


def test_a_host_that_is_not_on_a_subsystems_list_is_refused() -> None:
    assert "fleet-node2" not in CONNECTIONS["fleet-host2"]
    done = machine("fleet-host2").run(f"csd {drive('fleet-host2', 'fleet-node2')} --json list")
    assert done.rc != 0
    assert "does not allow this host" in json.loads(done.stdout)["error"]["found"]


def test_one_report_has_a_row_for_each_declared_pair_and_is_valid() -> None:
    found = report()
    assert problems(found) == []
    rows = [(row["host"], row["subsystem_nqn"].rpartition(":")[2], row["address"]) for row in found["pairs"]]
    assert rows == [(host, node, ADDRESSES[node]) for host in HOSTS for node in CONNECTIONS[host]]
    for row in found["pairs"]:
        assert row["unavailable"] is None
        assert row["initiator"] == "spdk"
        assert row["measured"] == found["created"]


def test_baseline_and_offload_agree_in_each_pair() -> None:
    for row in report()["pairs"]:
        node = row["subsystem_nqn"].rpartition(":")[2]
        assert set(row["programs"]) == {"threshold", "aggregate" if node in SENSORS else "search"}
        assert row["digests_agree"]
        assert row["baseline"]["matches"] == row["offload"]["matches"] == round(report()["dataset"]["records"] / 100)
        assert row["baseline"]["matches_sha256"] == row["offload"]["matches_sha256"]
        assert row["dataset_sha256"] == report()["dataset"]["sha256"]
        assert row["offload"]["wire_bytes_to_host"] < row["baseline"]["wire_bytes_to_host"] / 10


def test_what_the_network_hides_is_left_out_by_name() -> None:
    for row in report()["pairs"]:
        assert set(row["left_out"]) == {"target_cpu", "engine"}
        assert row["address"] in row["left_out"]["target_cpu"]
    assert {run["target_cpu_s"] for run in report()["runs"]} == {None}


def test_the_data_set_was_written_once_and_verified_by_the_others() -> None:
    verified = [task for task in records()[1] if task["task"] == "The data set is on the device, verified"]
    assert {task["host"]: task["status"] for task in verified} == {"fleet-host1": "changed", "fleet-host2": "ok"}
