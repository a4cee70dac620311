"""What spdk_target is tested with, live and from transcripts: a state of the target, a declaration, what follows.

``tests/record_transcripts.py`` runs each against a real target and keeps the conversation; unit tests replay it.
``@TMP@`` in a declaration is the test's own folder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

NQN = "nqn.2026-11.io.hello-ebpf:csd0"
HOST = "nqn.2026-11.io.hello-ebpf:host0"
GUEST = "nqn.2026-11.io.hello-ebpf:guest"
OTHER = "nqn.2019-01.com.example:other"
UUID = "6c1f2d7e-5a0b-4c6e-9a57-0e8bff0e0001"
BDEV_UUID = "6c1f2d7e-5a0b-4c6e-9a57-0e8bff0eb001"
PORT = "4519"

Params = Mapping[str, Any]


@dataclass(frozen=True)
class Scenario:
    """A case.

    Attributes:
        name: file name of its transcript.
        params: the declaration.
        actions: what the run does, in words; empty where nothing is to do.
        error: what the run says instead.
        before: the RPCs that bring a fresh target to the state that is met.
        unchanged: the run leaves the target as it found it (errors always do).
    """

    name: str
    params: Params
    actions: Sequence[str] = ()
    error: str = ""
    before: Sequence[tuple[str, Params]] = field(default=())


def listen(address: str = "127.0.0.1", port: str = PORT) -> dict[str, str]:
    """A listener's address in an RPC."""
    return {"trtype": "TCP", "adrfam": "ipv4", "traddr": address, "trsvcid": port}


def malloc(name: str, blocks: int = 32768, **more: Any) -> tuple[str, Params]:
    """The RPC that makes a malloc bdev."""
    return "bdev_malloc_create", {"name": name, "num_blocks": blocks, "block_size": 512, **more}


BDEV = {"name": "csd0_data", "type": "malloc", "size_megabytes": 16, "uuid": BDEV_UUID}
SUBSYSTEM: dict[str, Any] = {
    "nqn": NQN,
    "serial": "HELLOEBPF0000001",
    "model": "hello_eBPF CSD",
    "hosts": [HOST],
    "namespaces": [{"nsid": 1, "bdev": "csd0_data", "uuid": UUID}],
    "listeners": [{"address": "127.0.0.1", "service_id": PORT}],
}
LAB = {"transports": [{"type": "TCP"}], "bdevs": [BDEV], "subsystems": [SUBSYSTEM]}

LAB_RPCS: tuple[tuple[str, Params], ...] = (
    malloc("csd0_data", uuid=BDEV_UUID),
    (
        "nvmf_create_subsystem",
        {
            "nqn": NQN,
            "allow_any_host": False,
            "serial_number": "HELLOEBPF0000001",
            "model_number": "hello_eBPF CSD",
        },
    ),
    ("nvmf_subsystem_add_ns", {"nqn": NQN, "namespace": {"nsid": 1, "bdev_name": "csd0_data", "uuid": UUID}}),
    ("nvmf_subsystem_add_host", {"nqn": NQN, "host": HOST}),
    ("nvmf_create_transport", {"trtype": "TCP", "c2h_success": False}),
    ("nvmf_subsystem_add_listener", {"nqn": NQN, "listen_address": listen()}),
)
FOREIGN_RPCS: tuple[tuple[str, Params], ...] = (
    malloc("other_data", 2048),
    ("nvmf_create_subsystem", {"nqn": OTHER, "serial_number": "OTHER"}),
    ("nvmf_subsystem_add_ns", {"nqn": OTHER, "namespace": {"nsid": 1, "bdev_name": "other_data"}}),
    ("nvmf_subsystem_add_host", {"nqn": OTHER, "host": GUEST}),
)
LAB_ACTIONS = (
    "create malloc bdev csd0_data, 16 MiB (32768 blocks of 512)",
    f"create subsystem {NQN} (serial HELLOEBPF0000001, model hello_eBPF CSD)",
    f"add namespace 1 (bdev csd0_data) to {NQN}",
    f"allow host {HOST} to connect to {NQN}",
    "create transport TCP (c2h_success false)",
    f"listen on TCP 127.0.0.1:{PORT} for {NQN}",
)


def lab(**changes: Any) -> dict[str, Any]:
    """The lab's declaration with its subsystem changed."""
    return {**LAB, "subsystems": [{**SUBSYSTEM, **changes}]}


SCENARIOS = (
    Scenario("fresh", LAB, LAB_ACTIONS),
    Scenario("in_place", LAB, before=LAB_RPCS),
    Scenario("beside_foreign", LAB, LAB_ACTIONS, before=FOREIGN_RPCS),
    Scenario(
        "access_drifted",
        LAB,
        [
            f"stop listening on TCP 127.0.0.2:{PORT} for {NQN}",
            f"close {NQN} to hosts that are not listed",
            f"no longer allow host {GUEST} to connect to {NQN}",
            f"allow host {HOST} to connect to {NQN}",
            f"listen on TCP 127.0.0.1:{PORT} for {NQN}",
        ],
        before=(
            *LAB_RPCS,
            ("nvmf_subsystem_remove_host", {"nqn": NQN, "host": HOST}),
            ("nvmf_subsystem_add_host", {"nqn": NQN, "host": GUEST}),
            ("nvmf_subsystem_allow_any_host", {"nqn": NQN, "allow_any_host": True}),
            ("nvmf_subsystem_remove_listener", {"nqn": NQN, "listen_address": listen()}),
            ("nvmf_subsystem_add_listener", {"nqn": NQN, "listen_address": listen("127.0.0.2")}),
        ),
    ),
    Scenario(
        "untold_stays",
        {"subsystems": [{"nqn": NQN}]},
        before=(
            *LAB_RPCS,
            malloc("second", 2048),
            ("nvmf_subsystem_add_ns", {"nqn": NQN, "namespace": {"nsid": 2, "bdev_name": "second"}}),
        ),
    ),
    Scenario(
        "purge",
        {**LAB, "purge": True},
        [
            f"no longer allow host {GUEST} to connect to {NQN}",
            f"remove namespace 2 (bdev second) from {NQN}",
            f"delete subsystem {OTHER} with 1 namespace(s)",
            "delete malloc bdev other_data, 1 MiB (2048 blocks of 512), and the data in it",
            "delete malloc bdev second, 1 MiB (2048 blocks of 512), and the data in it",
        ],
        before=(
            *LAB_RPCS,
            *FOREIGN_RPCS,
            malloc("second", 2048),
            ("nvmf_subsystem_add_ns", {"nqn": NQN, "namespace": {"nsid": 2, "bdev_name": "second"}}),
            ("nvmf_subsystem_add_host", {"nqn": NQN, "host": GUEST}),
        ),
    ),
    Scenario(
        "absent",
        {**LAB, "state": "absent"},
        [
            f"delete subsystem {NQN} with 1 namespace(s)",
            "delete malloc bdev csd0_data, 16 MiB (32768 blocks of 512), and the data in it",
        ],
        before=(*LAB_RPCS, *FOREIGN_RPCS),
    ),
    Scenario(
        "absent_bdev_used_by_foreign",
        {"bdevs": [{"name": "other_data", "type": "malloc"}], "state": "absent"},
        error="Asked: remove bdev other_data. "
        f"Found: it is namespace 1 of {OTHER}, which is not declared here. "
        "Do: remove that namespace first, or leave the bdev out of this declaration.",
        before=FOREIGN_RPCS,
    ),
    Scenario(
        "all_bdev_types",
        {
            "transports": [{"type": "TCP", "in_capsule_data_size": 8192, "num_shared_buffers": 1023}],
            "bdevs": [
                {"name": "nothing", "type": "null", "blocks": 1000, "block_size": 4096},
                {"name": "disk", "type": "aio", "filename": "@TMP@/disk.img", "block_size": 4096},
            ],
            "subsystems": [
                {
                    "nqn": "nqn.2014-08.org.nvmexpress:uuid:6c1f2d7e-5a0b-4c6e-9a57-0e8bff0e00aa",
                    "allow_any_host": True,
                    "max_namespaces": 8,
                    "namespaces": [
                        {"nsid": 3, "bdev": "disk", "nguid": "00112233-44556677-8899AABB-CCDDEEFF"},
                        {"nsid": 5, "bdev": "nothing", "eui64": "0011223344556677"},
                    ],
                },
            ],
        },
        [
            "create null bdev nothing, 4096000 bytes (1000 blocks of 4096)",
            "create aio bdev disk over @TMP@/disk.img, as large as its file",
            "create subsystem nqn.2014-08.org.nvmexpress:uuid:6c1f2d7e-5a0b-4c6e-9a57-0e8bff0e00aa "
            "(max_namespaces 8, open to every host)",
            "add namespace 3 (bdev disk) to nqn.2014-08.org.nvmexpress:uuid:6c1f2d7e-5a0b-4c6e-9a57-0e8bff0e00aa",
            "add namespace 5 (bdev nothing) to nqn.2014-08.org.nvmexpress:uuid:6c1f2d7e-5a0b-4c6e-9a57-0e8bff0e00aa",
            "create transport TCP (c2h_success false, in_capsule_data_size 8192, num_shared_buffers 1023)",
        ],
    ),
    Scenario(
        "wrong_size",
        {**LAB, "bdevs": [{**BDEV, "size_megabytes": 32}]},
        error="Asked: bdev csd0_data: 32 MiB (65536 blocks of 512). "
        f"Found: malloc bdev csd0_data has 16 MiB (32768 blocks of 512); it is namespace 1 of {NQN}. "
        "Do: declare what is there, choose another name, or let it be made anew with csd_target_recreate: lose_data "
        "(its data is lost).",
        before=LAB_RPCS,
    ),
    Scenario(
        "wrong_size_keep_data",
        {**LAB, "bdevs": [{**BDEV, "size_megabytes": 32}], "recreate": "keep_data"},
        error="Asked: bdev csd0_data: 32 MiB (65536 blocks of 512). "
        f"Found: malloc bdev csd0_data has 16 MiB (32768 blocks of 512); it is namespace 1 of {NQN}. "
        "Do: declare what is there, choose another name, or let it be made anew with csd_target_recreate: lose_data "
        "(its data is lost).",
        before=LAB_RPCS,
    ),
    Scenario(
        "wrong_size_lose_data",
        {**LAB, "bdevs": [{**BDEV, "size_megabytes": 32}], "recreate": "lose_data"},
        [
            f"remove namespace 1 (bdev csd0_data) from {NQN}",
            "delete malloc bdev csd0_data, 16 MiB (32768 blocks of 512), and the data in it",
            "create malloc bdev csd0_data, 32 MiB (65536 blocks of 512)",
            f"add namespace 1 (bdev csd0_data) to {NQN}",
        ],
        before=LAB_RPCS,
    ),
    Scenario(
        "wrong_serial",
        lab(serial="HELLOEBPF0000002"),
        error=f"Asked: subsystem {NQN}: serial 'HELLOEBPF0000002'. "
        "Found: it has serial 'HELLOEBPF0000001', which SPDK cannot alter. "
        "Do: declare what is there, choose another name, or let it be made anew with csd_target_recreate: keep_data "
        "(hosts are disconnected, no data is lost).",
        before=LAB_RPCS,
    ),
    Scenario(
        "wrong_serial_keep_data",
        {"recreate": "keep_data", "subsystems": [{"nqn": NQN, "serial": "HELLOEBPF0000002"}]},
        [
            f"delete subsystem {NQN} with 1 namespace(s)",
            f"create subsystem {NQN} (serial HELLOEBPF0000002, model hello_eBPF CSD)",
            f"add namespace 1 (bdev csd0_data) to {NQN}",
            f"allow host {HOST} to connect to {NQN}",
            f"listen on TCP 127.0.0.1:{PORT} for {NQN}",
        ],
        before=LAB_RPCS,
    ),
    Scenario(
        "other_bdev_in_namespace",
        {
            "bdevs": [BDEV, {"name": "second", "type": "malloc", "size_megabytes": 1}],
            "subsystems": [{"nqn": NQN, "namespaces": [{"nsid": 1, "bdev": "second"}]}],
        },
        error=f"Asked: namespace 1 of {NQN}: bdev 'second'. "
        "Found: it has bdev 'csd0_data', and hosts that use it would lose it. "
        "Do: declare what is there, choose another name, or let it be made anew with csd_target_recreate: keep_data "
        "(hosts are disconnected, no data is lost).",
        before=LAB_RPCS,
    ),
    Scenario(
        "other_transport_option",
        {**LAB, "transports": [{"type": "TCP", "c2h_success": True}]},
        error="Asked: transport TCP with c2h_success true. "
        "Found: it runs with c2h_success false, and SPDK can neither alter nor remove a transport. "
        "Do: declare what it runs with; or stop the target, remove its saved configuration, and run again.",
        before=LAB_RPCS,
    ),
    Scenario(
        "bdev_in_foreign_namespace",
        {"subsystems": [{"nqn": NQN, "namespaces": [{"nsid": 1, "bdev": "other_data"}]}]},
        error=f"Asked: namespace 1 of {NQN} on bdev other_data. "
        f"Found: the bdev is already namespace 1 of {OTHER}; a bdev can be in one namespace. "
        "Do: use another bdev, or remove that namespace first (purge: true removes what is not declared).",
        before=FOREIGN_RPCS,
    ),
    Scenario(
        "no_such_bdev",
        lab(namespaces=[{"nsid": 1, "bdev": "typo"}]),
        error=f"Asked: namespace 1 of {NQN} on bdev typo. "
        "Found: no bdev typo is declared or on the target. "
        "Do: declare the bdev under bdevs, or mend the name.",
    ),
    Scenario(
        "no_transport",
        {**LAB, "transports": []},
        error=f"Asked: listen on TCP 127.0.0.1:{PORT} for {NQN}. "
        "Found: the target has no transport TCP, and none is declared. "
        "Do: declare it: transports: [{type: TCP}].",
    ),
    Scenario(
        "too_large",
        {**LAB, "bdevs": [BDEV, {"name": "huge", "type": "malloc", "size_megabytes": 1048576}]},
        error='Asked: bdev_malloc_create {"block_size": 512, "name": "huge", "num_blocks": 2147483648}. '
        "Found: the target refused: Cannot allocate memory (code -12, ENOMEM) (1 earlier step(s) were undone). "
        "Do: ask for less, or give the target more hugepage memory at its start (-s); the memory of bdevs that were "
        "deleted may be had again only after a restart.",
    ),
)

RAM = {**BDEV, "type": "csd_ram"}
RAM_LAB = {**LAB, "bdevs": [RAM]}
# One target is brought to all of these: its transport is there already, for nothing removes one.
MALLOC_RPCS = tuple(one for one in LAB_RPCS if one[0] != "nvmf_create_transport")
RAM_RPCS: tuple[tuple[str, Params], ...] = (
    ("bdev_csd_ram_create", {"name": "csd0_data", "num_blocks": 32768, "block_size": 512, "uuid": BDEV_UUID}),
    *MALLOC_RPCS[1:],
)
# What csd_tgt alone can do; live only.
DRIVE_SCENARIOS = (
    Scenario(
        "ram_fresh",
        RAM_LAB,
        [
            "create csd_ram bdev csd0_data, 16 MiB (32768 blocks of 512)",
            *(action for action in LAB_ACTIONS[1:] if not action.startswith("create transport")),
        ],
    ),
    Scenario("ram_in_place", RAM_LAB, before=RAM_RPCS),
    Scenario(
        "ram_of_a_lab_of_before",
        RAM_LAB,
        error="Asked: bdev csd0_data: type 'csd_ram'. "
        f"Found: malloc bdev csd0_data has type 'malloc'; it is namespace 1 of {NQN}. "
        "Do: declare what is there, choose another name, or let it be made anew with csd_target_recreate: lose_data "
        "(its data is lost).",
        before=MALLOC_RPCS,
    ),
    Scenario(
        "ram_of_a_lab_of_before_lose_data",
        {**RAM_LAB, "recreate": "lose_data"},
        [
            f"remove namespace 1 (bdev csd0_data) from {NQN}",
            "delete malloc bdev csd0_data, 16 MiB (32768 blocks of 512), and the data in it",
            "create csd_ram bdev csd0_data, 16 MiB (32768 blocks of 512)",
            f"add namespace 1 (bdev csd0_data) to {NQN}",
        ],
        before=MALLOC_RPCS,
    ),
    Scenario(
        "ram_of_other_blocks",
        {**RAM_LAB, "bdevs": [{**RAM, "block_size": 4096}]},
        error="Asked: bdev csd0_data: 16 MiB (4096 blocks of 4096). "
        f"Found: csd_ram bdev csd0_data has 16 MiB (32768 blocks of 512); it is namespace 1 of {NQN}. "
        "Do: declare what is there, choose another name, or let it be made anew with csd_target_recreate: lose_data "
        "(its data is lost).",
        before=RAM_RPCS,
    ),
    Scenario(
        "ram_of_other_blocks_lose_data",
        {**RAM_LAB, "bdevs": [{**RAM, "block_size": 4096}], "recreate": "lose_data"},
        [
            f"remove namespace 1 (bdev csd0_data) from {NQN}",
            "delete csd_ram bdev csd0_data, 16 MiB (32768 blocks of 512), and the data in it",
            "create csd_ram bdev csd0_data, 16 MiB (4096 blocks of 4096)",
            f"add namespace 1 (bdev csd0_data) to {NQN}",
        ],
        before=RAM_RPCS,
    ),
    Scenario(
        "ram_absent",
        {**RAM_LAB, "state": "absent"},
        [
            f"delete subsystem {NQN} with 1 namespace(s)",
            "delete csd_ram bdev csd0_data, 16 MiB (32768 blocks of 512), and the data in it",
        ],
        before=(*RAM_RPCS, *FOREIGN_RPCS),
    ),
)
