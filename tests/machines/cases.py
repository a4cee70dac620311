# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""What tests/break.sh breaks: variables of the roles that are wrong, and who ought to notice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Variables = dict[str, Any]

VERIFY = "tests/integration/verify"
NQN = "nqn.2026-11.io.hello-ebpf"
HOST = f"{NQN}:host0"


@dataclass(frozen=True)
class Whole:
    """The scenario itself is run, from nothing: it has to fail at a step, with certain words.

    Attributes:
        scenario: its name.
        name: of the case.
        variables: what is wrong.
        step: where it has to fail.
        says: a regular expression of what it has to say, its lines joined by blanks.
    """

    scenario: str
    name: str
    variables: Variables
    step: str
    says: str


@dataclass(frozen=True)
class Refused:
    """Asked of the lab that runs, in check mode: site.yml has to refuse it.

    Attributes:
        scenario: whose machines.
        name: of the case.
        variables: what is wrong.
        says: a regular expression of what it has to say, its lines joined by blanks.
    """

    scenario: str
    name: str
    variables: Variables
    says: str


@dataclass(frozen=True)
class Noticed:
    """Playbooks of the lab that runs are played again: they succeed, and one test alone has to fail.

    Attributes:
        scenario: whose machines.
        name: of the case.
        variables: what is wrong.
        test: the file and function that has to fail, where all others that a case of the scenario names pass.
        books: what is played, in this order.
        anew: what they made is taken away first, because it cannot be changed while it is in use.
    """

    scenario: str
    name: str
    variables: Variables
    test: str
    books: tuple[str, ...] = ("target",)
    anew: bool = False


Case = Whole | Refused | Noticed


def listeners(*addresses: str) -> list[dict[str, str]]:
    """Where a subsystem is served."""
    return [{"address": address, "service_id": "4420"} for address in addresses]


def subsystem(**wrong: Any) -> Variables:
    """The drive as the role's defaults declare it, but for what is wrong."""
    names = ("csd0_data", "csd0_memory", "csd0_compute")
    declared: dict[str, Any] = {
        "nqn": f"{NQN}:csd0",
        "serial": "HELLOEBPF0000001",
        "model": "hello_eBPF CSD",
        "max_namespaces": 16,
        "hosts": [HOST],
        "listeners": listeners("127.0.0.1"),
        "namespaces": [
            {"nsid": nsid, "bdev": bdev, "uuid": f"6c1f2d7e-5a0b-4c6e-9a57-0e8bff0e000{nsid}"}
            for nsid, bdev in enumerate(names, 1)
        ],
    }
    return {"csd_target_subsystems": [declared | wrong]}


def programs(*names: str) -> Variables:
    """These programs, in slots from 0 on."""
    return {
        "csd_target_programs": [
            {"compute": "csd0_compute", "slot": slot, "source": f"{name}.bpf.c"} for slot, name in enumerate(names)
        ]
    }


NODES = ["fleet-node1", "fleet-node2", "fleet-node3"]
WITHOUT_SLOT_5 = programs("threshold", "search", "aggregate", "histogram", "sample")
ANOTHER_SERIAL = subsystem(serial="HELLOEBPF9999999")
NO_SUCH_CORE: Variables = {"csd_target_core_mask": f"{1 << 1000:#x}"}

IDENTITY = f"{VERIFY}/test_csd_target.py::test_the_subsystem_has_the_declared_identity"
SIX_PROGRAMS = f"{VERIFY}/test_csd_host.py::test_three_namespaces_and_the_six_shipped_programs_active"

#: In this order: what a case leaves, the next one's playbooks put right. So those that begin anew are the last.
CASES: tuple[Case, ...] = (
    *(
        Whole(
            scenario,
            "misspelt",
            {"csd_target_programz": []},
            "README's first command" if scenario == "fresh" else "check",
            "no such variable.*did you mean csd_target_program",
        )
        for scenario in ("default", "fleet", "vm", "fresh")
    ),
    *(
        Refused(scenario, "cores", NO_SUCH_CORE, "Asked: core mask .*core 1000 is not among")
        for scenario in ("default", "fleet", "vm", "fresh")
    ),
    *(Noticed(scenario, "slot5", WITHOUT_SLOT_5, SIX_PROGRAMS) for scenario in ("default", "fresh")),
    Noticed(
        "default",
        "strangers",
        subsystem(hosts=[HOST, f"{NQN}:stranger"]),
        f"{VERIFY}/test_csd_target.py::test_only_the_declared_host_is_let_in",
    ),
    Noticed(
        "default",
        "address",
        subsystem(listeners=listeners("127.0.0.1", "127.0.0.2")),
        f"{VERIFY}/test_csd_target.py::test_it_listens_on_loopback_alone",
    ),
    *(Noticed(scenario, "serial", ANOTHER_SERIAL, IDENTITY, anew=True) for scenario in ("default", "fresh")),
    Noticed(
        "fleet",
        "hosts",
        {"connects": {"fleet-host1": NODES, "fleet-host2": NODES}},
        "molecule/fleet/tests/test_1_state.py::test_a_host_that_is_not_on_a_subsystems_list_is_refused",
    ),
    Noticed(
        "fleet",
        "programs",
        programs("threshold"),
        "molecule/fleet/tests/test_1_state.py::test_a_host_sees_the_programs_that_the_targets_group_declares",
    ),
    Noticed(
        "vm",
        "slot5",
        {"csd_target_programs": "{{ vm_programs[:5] }}"},
        "molecule/vm/tests/works/test_csd_host.py::test_three_namespaces_and_the_six_shipped_programs_active",
    ),
    Noticed(
        "vm",
        "pages",
        {"hugepages_megabytes": 1600},
        "molecule/vm/tests/works/test_hugepages.py::test_pool_holds_the_labs_pages_on_top_of_those_found",
    ),
    Noticed(
        "vm",
        "serial",
        {"vm_serial": "HELLOEBPF9999999"},
        "molecule/vm/tests/works/test_devices.py::test_the_subsystem_has_the_declared_identity",
        # Its own build.yml brings what is compiled, which goes with the target.
        books=("build", "target", "initiator"),
        anew=True,
    ),
)
