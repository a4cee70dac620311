"""The role csd_target before it changes anything: what it refuses, and which programs it compiles."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from conftest import ROOT, loaded

ROLE = ROOT / "roles/csd_target"

action = loaded("plugins/action/csd_program_build.py")

MINE = """\
#include "csd_bpf.h"
#include "sensor.h"

CSD_RECORD(struct sensor_record, sizeof(struct sensor_record), CSD_EMIT_RECORD);

CSD_PROGRAM
int mine(const struct sensor_record *record)
{
	return record->temperature > 0 ? CSD_KEEP : CSD_DROP;
}
"""


BUILT = {"ansible.builtin.debug": {"msg": "built {{ __csd_target_built.programs | default({}) | list | join(' ') }}"}}


def preflight(
    folder: Path, *more: str, tasks: str = "preflight", show: dict[str, Any] = BUILT, **variables: Any
) -> str:
    """Run the role's preflight alone, with an inventory in a folder; return what ansible-playbook printed."""
    include = {"name": "csd_target", "tasks_from": tasks, "public": True}
    play = {"hosts": "localhost", "gather_facts": False, "tasks": [{"ansible.builtin.include_role": include}, show]}
    book, hosts = folder / "play.yml", folder / "inventory" / "hosts"
    book.write_text(json.dumps([play]))
    hosts.parent.mkdir(exist_ok=True)
    hosts.write_text(f"localhost ansible_connection=local ansible_python_interpreter={sys.executable}\n")
    words = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(hosts.parent), str(book)]
    environment = {
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
        "LAB_RUN_FILE": str(folder / "run.jsonl"),
        "ANSIBLE_ROLES_PATH": str(ROOT / "roles"),
        "COLUMNS": "1000",
    }
    # A target that runs on this machine meanwhile has no say here.
    alone = {"csd_target_share_cores": True, "csd_target_rpc_socket": "/run/hello_ebpf_role/spdk.sock"}
    words += ["-e", json.dumps(alone | variables), *more]
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_the_shipped_programs_are_compiled_in_check_mode_too(tmp_path: Path) -> None:
    names = [one["source"] for one in yaml.safe_load((ROLE / "defaults/main.yml").read_text())["csd_target_programs"]]
    for more in ([], ["--check"]):
        said = preflight(tmp_path, *more)
        assert "failed=0" in said
        assert "changed=0" in said
        assert f"built {' '.join(names)}" in said


def test_a_program_of_ones_own_lies_beside_the_inventory(tmp_path: Path) -> None:
    folder = tmp_path / "inventory" / "programs"
    folder.mkdir(parents=True)
    (folder / "mine.bpf.c").write_text(MINE)
    programs = [
        {"compute": "csd0_compute", "slot": 0, "source": "mine.bpf.c"},
        {"compute": "csd0_compute", "slot": 1, "source": "top.bpf.c", "state": "present"},
        {"compute": "csd0_compute", "slot": 2, "source": "long_gone.bpf.c", "state": "absent"},
        {"compute": "csd0_compute", "slot": 3, "state": "absent"},
    ]
    said = preflight(tmp_path, csd_target_programs=programs)
    assert "built mine.bpf.c top.bpf.c" in said
    assert "WARNING" not in said
    (folder / "mine.bpf.c").write_text(MINE.replace("temperature", "heat"))
    said = preflight(tmp_path, csd_target_programs=programs)
    assert (
        f"Asked: compile mine.bpf.c. Found: clang says: {folder}/mine.bpf.c:9:17: error: no member named 'heat'" in said
    )
    assert "Do: mend the program; nothing was changed." in said


def test_programs_for_buffers_are_found_too(tmp_path: Path) -> None:
    programs = [{"compute": "csd0_compute", "slot": 0, "source": "count_range.bpf.c"}]
    assert "built count_range.bpf.c" in preflight(tmp_path, csd_target_programs=programs)


def test_nvmf_tgt_has_no_workers(tmp_path: Path) -> None:
    """Whatever the inventory says of csd_tgt's."""
    show = {"ansible.builtin.debug": {"msg": "workers {{ __csd_target_workers }}"}}
    for program, workers in (("csd_target/bin/csd_tgt", True), ("spdk/current/bin/nvmf_tgt", False)):
        said = preflight(
            tmp_path,
            show=show,
            csd_target_program=f"/opt/hello_ebpf/{program}",
            csd_target_bdevs=[],
            csd_target_programs=[],
        )
        assert f"workers {workers}" in said


BUILD = "binutils clang dpkg-dev gcc libaio-dev libc6-dev libnuma-dev libssl-dev llvm make pkg-config uuid-dev"


@pytest.mark.parametrize(
    ("supervisor", "variables", "packages"),
    [
        ("Systemd", {}, BUILD),
        ("Daemon", {}, f"daemon {BUILD}"),
        ("Systemd", {"csd_target_compile": False}, "binutils gcc"),
        ("Daemon", {"csd_target_compile": False}, "daemon binutils gcc"),
        ("Daemon", {"csd_target_compile": False, "csd_target_compiler": False}, "daemon"),
        ("Systemd", {"csd_target_compile": False, "csd_target_compiler": False}, ""),
        ("Systemd", {"csd_target_program": "/usr/sbin/nvmf_tgt", "csd_target_bdevs": []}, ""),
    ],
)
def test_every_node_gets_what_its_target_is_compiled_and_run_with(
    supervisor: str, variables: dict[str, Any], packages: str, tmp_path: Path
) -> None:
    show = {"ansible.builtin.debug": {"msg": "packages: {{ __csd_target_packages | join(' ') }}."}}
    told = {"__csd_target_places": {"supervisor": supervisor}, "csd_target_programs": [], **variables}
    assert f"packages: {packages}." in preflight(tmp_path, show=show, **told)


def test_no_programs_no_compiler(tmp_path: Path) -> None:
    said = preflight(tmp_path, csd_target_programs=[])
    assert "failed=0" in said
    assert "skipped=1" in said


@pytest.mark.parametrize("tasks", ["preflight", "places"])
def test_a_node_that_compiles_the_target_cannot_do_without_a_compiler(tasks: str, tmp_path: Path) -> None:
    said = preflight(tmp_path, tasks=tasks, csd_target_compiler=False)
    assert (
        "Asked: localhost without a compiler (csd_target_compiler: false). "
        "Found: it takes nothing from a builder: it compiles csd_tgt itself, with gcc and binutils. "
        "Do: set csd_target_compiler: true for it, or let a builder compile for it: a host of group builder, or "
        "distribution_archive (docs/fleet.md)."
    ) in said
    assert "changed=0" in said


COMPILER = """#!/bin/sh
[ "$1" = --identity ] && { echo csd_compile 00; echo gcc; exit; }
cat >/dev/null; echo compiled >>@/runs; echo blob
"""


def test_for_a_node_without_a_compiler_the_builder_compiles_what_the_role_has_not(tmp_path: Path) -> None:
    """What lies beside the inventory, also in the place of one of the role's; in check mode too."""
    folder = tmp_path / "inventory" / "programs"
    folder.mkdir(parents=True)
    for name in ("mine", "top"):
        (folder / f"{name}.bpf.c").write_text(MINE)
    programs = [
        {"compute": "csd0_compute", "slot": 0, "source": "mine.bpf.c"},
        {"compute": "csd0_compute", "slot": 1, "source": "top.bpf.c"},
        {"compute": "csd0_compute", "slot": 2, "source": "threshold.bpf.c"},
        {"compute": "csd0_compute", "slot": 3, "source": "grep.bpf.c"},
        {"compute": "csd0_compute", "slot": 4, "source": "long_gone.bpf.c", "state": "absent"},
    ]
    asked: dict[str, Any] = {
        "csd_target_compiler": False,
        "csd_target_compile": False,
        "csd_target_prefix": str(tmp_path / "csd_target"),
        "csd_target_programs": programs,
        "show": {
            "ansible.builtin.debug": {
                "msg": "compiled {{ __csd_target_built.programs | dict2items | selectattr('value.blob', 'defined') "
                "| map(attribute='key') | join(' ') }}."
            }
        },
    }
    compiler = tmp_path / "csd_target/bin/csd_compile"
    said = preflight(tmp_path, **asked)
    assert (
        f"Found: {compiler}: No such file or directory. Do: let the builder build csd_tgt (playbooks/build.yml)."
        in said
    )
    said = preflight(tmp_path, "--check", **asked)
    assert "compiled ." in said
    # An older Ansible breaks the lines of a warning, in the midst of a word.
    assert f"no{compiler}on" in "".join(said.split())
    compiler.parent.mkdir(parents=True)
    compiler.write_text(COMPILER.replace("@", str(tmp_path)))
    compiler.chmod(0o755)
    for more in ([], ["--check"]):
        said = preflight(tmp_path, *more, **asked)
        assert "compiled mine.bpf.c top.bpf.c." in said
        assert "changed=0" in said
    assert (tmp_path / "runs").read_text() == "compiled\n" * 4
    # Nor is anything compiled for other nodes.
    assert "compiled ." in preflight(tmp_path, **asked | {"csd_target_compiler": True})
    assert (tmp_path / "runs").read_text() == "compiled\n" * 4


@pytest.mark.parametrize(
    ("variables", "what"),
    [
        ({}, "bdev csd0_data, bdev csd0_memory, bdev csd0_compute, csd_target_programs"),
        ({"csd_target_bdevs": []}, "csd_target_programs"),
        ({"csd_target_programs": []}, "bdev csd0_data, bdev csd0_memory, bdev csd0_compute"),
        (
            {"csd_target_programs": [], "csd_target_bdevs": [{"type": "csd_ram", "name": "d", "size_megabytes": 1}]},
            "bdev d",
        ),
    ],
)
def test_nvmf_tgt_has_neither_memory_nor_programs(variables: dict[str, Any], what: str, tmp_path: Path) -> None:
    said = preflight(tmp_path, csd_target_program="/opt/hello_ebpf/spdk/current/bin/nvmf_tgt", **variables)
    assert (
        f"Asked: {what} on /opt/hello_ebpf/spdk/current/bin/nvmf_tgt. "
        "Found: SPDK's nvmf_tgt knows neither csd_tgt's memory nor programs. "
        "Do: run csd_tgt (the default of csd_target_program), or make csd_ram bdevs of type malloc, leave csd_slm and "
        "csd_compute bdevs out of csd_target_bdevs and csd_target_subsystems, and set csd_target_programs: []."
    ) in said
    assert "changed=0" in said


def test_nvmf_tgt_without_them_is_fine(tmp_path: Path) -> None:
    said = preflight(
        tmp_path,
        csd_target_program="/opt/hello_ebpf/spdk/current/bin/nvmf_tgt",
        csd_target_bdevs=[{"type": "malloc", "name": "csd0_data", "size_megabytes": 512}],
        csd_target_programs=[],
    )
    assert "failed=0" in said


def test_the_inventories_show_programs_that_are_there() -> None:
    defaults = yaml.safe_load((ROLE / "defaults/main.yml").read_text())
    local = yaml.safe_load((ROOT / "inventory/local/group_vars/targets.yml").read_text())
    assert local["csd_target_programs"] == defaults["csd_target_programs"]
    fleet = ROOT / "inventory/fleet.example"
    for group in ("targets", "archive"):
        programs = yaml.safe_load((fleet / f"group_vars/{group}.yml").read_text())["csd_target_programs"]
        for name in [one["source"] for one in programs if "source" in one]:
            assert (fleet / "programs" / name).exists() or list((ROOT / "src/programs").glob(f"**/{name}")), name


@pytest.mark.parametrize("supervisor", ["Systemd", "Daemon", ""])
def test_what_runs_the_target_is_what_places_yml_was_told_or_is_looked_for(supervisor: str, tmp_path: Path) -> None:
    told = {"__csd_target_places": {"supervisor": supervisor}} if supervisor else {}
    said = preflight(tmp_path, "--check", tasks="install", csd_target_program="/usr/sbin/nvmf_tgt", **told)
    entries = [json.loads(line) for line in (tmp_path / "run.jsonl").read_text().splitlines()]
    ran = {entry["task"]: entry["status"] != "skipped" for entry in entries if entry["event"] == "end"}
    assert ran["See whether systemd runs this machine"] == (not supervisor), said
    systemd = supervisor == "Systemd" if supervisor else Path("/run/systemd/system").is_dir()
    assert ran["Install what runs the target"] != systemd, said


@pytest.mark.parametrize("accounts", [True, False, None])
def test_accounts_that_places_yml_has_seen_are_not_looked_for(accounts: bool | None, tmp_path: Path) -> None:
    told = {} if accounts is None else {"__csd_target_places": {"accounts": accounts}}
    said = preflight(tmp_path, "--check", tasks="service", csd_target_user="root", csd_target_rpc_group="root", **told)
    entries = [json.loads(line) for line in (tmp_path / "run.jsonl").read_text().splitlines()]
    ran = {entry["task"]: entry["status"] != "skipped" for entry in entries if entry["event"] == "end"}
    for name in ("See whether the target's user and the group", "Refuse a missing group beside a user of others"):
        assert [done for task, done in ran.items() if task.startswith(name)] == [not accounts], said


def test_what_places_yml_has_seen_holds_no_more_after_a_removal() -> None:
    """Accounts that the role removes it makes again in the same run."""
    [removal] = [one for one in yaml.safe_load((ROLE / "tasks/absent.yml").read_text()) if "csd_target_service" in one]
    assert removal["register"] == "__csd_target_places"


def test_what_the_service_could_not_start_with_is_looked_at_before_anything_is_changed() -> None:
    """The look (playbooks/places.yml) is told all that the start is, but what decides nothing about whether it can."""
    [look] = [task for task in yaml.safe_load((ROLE / "tasks/places.yml").read_text()) if "csd_target_service" in task]
    [start] = [
        task for task in yaml.safe_load((ROLE / "tasks/service.yml").read_text()) if "csd_target_service" in task
    ]
    told, asked = look["csd_target_service"], start["csd_target_service"]
    assert look["check_mode"] is True
    assert look["module_defaults"] == start["module_defaults"] == {"csd_target_service": "{{ __csd_target_service }}"}
    assert told == {name: asked[name] for name in told}
    assert asked.keys() - told.keys() == {
        *("protection", "rebuilt", "ready_seconds"),
        # An archive with what the builder compiled is still to come.
        *("programs", "built"),
    }


def test_the_pages_that_are_reserved_hold_the_target_with_its_memory_and_a_benchmark() -> None:
    """By the roles' defaults: what the target takes at its start, its bdevs' memory, and a host beside it."""
    own = {
        role: yaml.safe_load((ROOT / f"roles/{role}/defaults/main.yml").read_text())
        for role in ("csd_target", "csd_bench", "hugepages")
    }
    bdevs = [one for one in own["csd_target"]["csd_target_bdevs"] if one["type"] in {"csd_ram", "csd_slm"}]
    target = own["csd_target"]["csd_target_memory_megabytes"] + sum(one["size_megabytes"] for one in bdevs)
    assert target == 1024
    words = own["hugepages"]["hugepages_megabytes"].split()
    assert target + own["csd_bench"]["csd_bench_memory_megabytes"] <= int(words[1])
