"""csd_tgt's own bdevs in spdk_target: what is declared, what is read, and the RPCs between."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import spdk_target
from ansible.module_utils.hello_ebpf.errors import LabError
from ansible.module_utils.hello_ebpf.jsonrpc import Client
from ansible.module_utils.hello_ebpf.spdk_target.bdevs import Bdev
from ansible.module_utils.hello_ebpf.spdk_target.changes import changes
from ansible.module_utils.hello_ebpf.spdk_target.goal import Options, goal
from ansible.module_utils.hello_ebpf.spdk_target.options import BDEVS
from ansible.module_utils.hello_ebpf.spdk_target.tree import Tree, as_data, declared, read_tree, render, tree_from_saved

from module_run import run_module
from rpc_doubles import Exchange, ReplayServer

UUID = "6c1f2d7e-5a0b-4c6e-9a57-0e8bff0e0002"
COMPUTE = {
    "slots": 16,
    "max_active": 16,
    "max_range_sets": 16,
    "max_program_bytes": 65536,
    "max_total_bytes": 1048576,
    "program_type": 0xC0,
}
SLM = {"type": "csd_slm", "name": "memory", "size_megabytes": 64, "uuid": UUID}
SLOTS = {"type": "csd_compute", "name": "compute"}
RAM = {"type": "csd_ram", "name": "data", "size_megabytes": 512}
NO_RIGHTS: Exchange = {
    "method": "csd_get_host_rights",
    "params": {},
    "error": {"code": -32601, "message": "Method not found"},
}


def asked(*bdevs: dict[str, Any]) -> Tree:
    """A declaration, as the module's arguments make it."""
    every = dict.fromkeys(BDEVS["options"])
    return declared({"bdevs": [{**every, **bdev} for bdev in bdevs]}, check=False)


def reported(**options: Any) -> list[Exchange]:
    """What csd_tgt answers when it is read."""
    bdevs = [
        {
            "name": "memory",
            "product_name": "CSD SLM",
            "block_size": 4096,
            "num_blocks": 16384,
            "uuid": UUID,
            "claimed": False,
            "driver_specific": {"csd_slm": {"megabytes": 64}},
        },
        {
            "name": "compute",
            "product_name": "CSD compute",
            "block_size": 4096,
            "num_blocks": 1,
            "uuid": UUID,
            "claimed": False,
            "driver_specific": {"csd_compute": {**COMPUTE, **options}},
        },
        {
            "name": "data",
            "product_name": "CSD RAM disk",
            "block_size": 512,
            "num_blocks": 1048576,
            "uuid": UUID,
            "claimed": False,
            "driver_specific": {"csd_ram": {"huge_pages": True}},
        },
    ]
    return [
        {"method": "nvmf_get_transports", "params": {}, "result": []},
        {"method": "bdev_get_bdevs", "params": {}, "result": bdevs},
        {"method": "nvmf_get_subsystems", "params": {}, "result": []},
    ]


def found(folder: Path, **options: Any) -> Tree:
    with ReplayServer(folder / "s", reported(**options)) as server, Client(str(server.path)) as client:
        return read_tree(client)


def sent(tree: Tree, wanted: Tree, **options: Any) -> list[tuple[str, str, dict[str, Any]]]:
    """Summary, method and parameters of each RPC."""
    steps = changes(tree, goal(tree, wanted, Options(**options)))
    return [(step.summary, step.call.method, dict(step.call.params)) for step in steps]


def test_they_are_made_by_their_own_rpcs() -> None:
    assert sent(Tree(), asked(RAM, SLM, SLOTS, {**SLOTS, "name": "small", "slots": 4})) == [
        (
            "create csd_ram bdev data, 512 MiB (1048576 blocks of 512)",
            "bdev_csd_ram_create",
            {"name": "data", "num_blocks": 1048576, "block_size": 512},
        ),
        (
            "create csd_slm bdev memory, 64 MiB (16384 blocks of 4096)",
            "bdev_csd_slm_create",
            {"name": "memory", "megabytes": 64, "uuid": UUID},
        ),
        ("create csd_compute bdev compute, as csd_tgt makes it", "bdev_csd_compute_create", {"name": "compute"}),
        (
            "create csd_compute bdev small, slots 4",
            "bdev_csd_compute_create",
            {"name": "small", "slots": 4},
        ),
    ]


def test_in_place_nothing_is_sent(tmp_path: Path) -> None:
    tree = found(tmp_path)
    assert sent(tree, asked(RAM, SLM, SLOTS)) == []
    assert (
        sent(tree, asked({**SLOTS, **COMPUTE}, {**RAM, "size_megabytes": None, "blocks": 1048576, "uuid": UUID})) == []
    )


def test_the_diff_and_the_result_show_what_they_are_made_of(tmp_path: Path) -> None:
    tree = found(tmp_path)
    assert render(tree).splitlines()[1:] == [
        "bdevs:",
        "  - name: compute",
        "    type: csd_compute",
        f"    uuid: {UUID}",
        *(f"    {name}: {str(value).lower()}" for name, value in COMPUTE.items()),
        "  - name: data",
        "    type: csd_ram",
        "    block_size: 512",
        "    num_blocks: 1048576",
        f"    uuid: {UUID}",
        "  - name: memory",
        "    type: csd_slm",
        "    block_size: 4096",
        "    num_blocks: 16384",
        f"    uuid: {UUID}",
        "subsystems: []",
    ]
    assert as_data(tree)["bdevs"][1] == {
        "name": "compute",
        "type": "csd_compute",
        "uuid": UUID,
        "claimed": False,
        **COMPUTE,
    }


@pytest.mark.parametrize(
    ("bdev", "lost", "said"),
    [
        (
            {**RAM, "block_size": 4096},
            "its data is lost",
            "Asked: bdev data: 512 MiB (131072 blocks of 4096). "
            "Found: csd_ram bdev data has 512 MiB (1048576 blocks of 512). ",
        ),
        (
            {**SLM, "size_megabytes": 32},
            "its data is lost",
            "Asked: bdev memory: 32 MiB (8192 blocks of 4096). "
            "Found: csd_slm bdev memory has 64 MiB (16384 blocks of 4096). ",
        ),
        (
            {**SLOTS, "slots": 4},
            "its programs are lost",
            "Asked: bdev compute: slots 4. Found: csd_compute bdev compute has slots 16. ",
        ),
    ],
)
def test_another_size_loses_what_is_in_it(bdev: dict[str, Any], lost: str, said: str, tmp_path: Path) -> None:
    tree = found(tmp_path)
    for recreate in ("never", "keep_data"):
        with pytest.raises(LabError) as refused:
            goal(tree, asked(bdev), Options(recreate=recreate))
        assert str(refused.value) == (
            f"{said}Do: declare what is there, choose another name, or let it be made anew with "
            f"csd_target_recreate: lose_data ({lost})."
        )
    methods = [method for _, method, _ in sent(tree, asked(bdev), recreate="lose_data")]
    gone = "bdev_csd_ram_delete" if bdev["type"] == "csd_ram" else "bdev_csd_delete"
    assert methods == [gone, f"bdev_{bdev['type']}_create"]


def test_a_malloc_bdev_of_a_lab_of_before_becomes_one_of_csd_tgts_own_memory_only_when_told() -> None:
    lab = Tree(bdevs={"data": Bdev("data", "malloc", 512, 1048576, UUID)})
    for recreate in ("never", "keep_data"):
        with pytest.raises(LabError) as refused:
            goal(lab, asked(RAM), Options(recreate=recreate))
        assert str(refused.value) == (
            "Asked: bdev data: type 'csd_ram'. Found: malloc bdev data has type 'malloc'. Do: declare what is there, "
            "choose another name, or let it be made anew with csd_target_recreate: lose_data (its data is lost)."
        )
    assert [method for _, method, _ in sent(lab, asked(RAM), recreate="lose_data")] == [
        "bdev_malloc_delete",
        "bdev_csd_ram_create",
    ]
    # A teardown takes it as it is; another's bdev of that name it does not.
    assert [method for _, method, _ in sent(lab, asked(RAM), absent=True)] == ["bdev_malloc_delete"]
    with pytest.raises(LabError) as refused:
        goal(Tree(bdevs={"data": Bdev("data", "aio")}), asked(RAM), Options(absent=True))
    assert str(refused.value) == (
        "Asked: remove csd_ram bdev data. Found: bdev data is of type aio. Do: check whose it is; it was left as it is."
    )


def test_they_are_removed_as_declared_and_purged(tmp_path: Path) -> None:
    tree = found(tmp_path)
    gone = [
        (
            "delete csd_slm bdev memory, 64 MiB (16384 blocks of 4096), and the data in it",
            "bdev_csd_delete",
            {"name": "memory"},
        ),
        (
            "delete csd_compute bdev compute, slots 16, max_active 16, max_range_sets 16, max_program_bytes 65536, "
            "max_total_bytes 1048576, program_type 192, and the programs in it",
            "bdev_csd_delete",
            {"name": "compute"},
        ),
        (
            "delete csd_ram bdev data, 512 MiB (1048576 blocks of 512), and the data in it",
            "bdev_csd_ram_delete",
            {"name": "data"},
        ),
    ]
    assert sent(tree, asked(RAM, SLM, SLOTS), absent=True) == gone
    assert sent(tree, Tree(), purge=True) == gone


def test_a_deletion_that_is_taken_back_makes_the_same_again_and_says_what_is_lost(tmp_path: Path) -> None:
    tree = found(tmp_path, slots=4)
    memory, compute, data = changes(tree, goal(tree, Tree(), Options(purge=True)))
    [create] = data.undo
    assert (create.method, create.params) == (
        "bdev_csd_ram_create",
        {"name": "data", "num_blocks": 1048576, "block_size": 512, "uuid": UUID},
    )
    assert [call.params for call in memory.undo] == [{"name": "memory", "megabytes": 64, "uuid": UUID}]
    assert [call.params for call in compute.undo] == [{"name": "compute", **COMPUTE, "slots": 4, "uuid": UUID}]
    assert memory.left == "an empty bdev like it is in its place, without the data in it"
    assert compute.left == "an empty bdev like it is in its place, without the programs in it"


def test_an_aio_bdev_comes_back_without_the_uuid_that_spdk_gave_it() -> None:
    file = Bdev("file", "aio", 512, 2048, UUID, "/srv/csd0.img")
    [change] = changes(Tree(bdevs={"file": file}), Tree())
    [create] = change.undo
    assert create.params == {"name": "file", "block_size": 512, "filename": "/srv/csd0.img"}


def test_a_saved_configuration_holds_them(tmp_path: Path) -> None:
    tree = tree_from_saved(
        [
            {"method": "bdev_csd_slm_create", "params": {"name": "memory", "megabytes": 64, "uuid": UUID}},
            {"method": "bdev_csd_compute_create", "params": {"name": "compute", **COMPUTE}},
            {"method": "csd_load_program", "params": {"name": "compute", "pind": 0, "program": ""}},
            {"method": "bdev_csd_ram_create", "params": {"name": "data", "num_blocks": 1048576, "block_size": 512}},
        ]
    )
    assert sent(tree, asked(RAM, SLM, {**SLOTS, **COMPUTE})) == []


def refusal(bdev: dict[str, Any]) -> str:
    return str(run_module(spdk_target.main, {"bdevs": [bdev], "socket": "/nonexistent"})["msg"])


@pytest.mark.parametrize(
    ("bdev", "said"),
    [
        (
            {**SLM, "block_size": 512},
            "memory of type csd_slm with block_size 512. Found: block_size is for malloc and ",
        ),
        (
            {**RAM, "block_size": 8192},
            "data of type csd_ram with block_size 8192. Found: its blocks have 512 or 4096 bytes. Do: use one of ",
        ),
        (
            {**RAM, "size_megabytes": 32769},
            "data of type csd_ram of 34360786944 bytes. Found: one can have 32768 MiB at most. Do: declare several of ",
        ),
        ({**RAM, "size_megabytes": None}, "data of type csd_ram. Found: no size. Do: give size_megabytes or blocks."),
        ({**SLM, "slots": 4}, "memory of type csd_slm with slots 4. Found: slots is for csd_compute. Do: drop it."),
        ({**SLM, "size_megabytes": None}, "memory of type csd_slm. Found: no size. Do: give size_megabytes or blocks."),
        (
            {**SLOTS, "size_megabytes": 1},
            "compute of type csd_compute with size_megabytes 1. Found: size_megabytes is ",
        ),
        ({**SLOTS, "slots": 0}, "compute with slots 0. Found: it can be 1 to 65535. Do: choose one of these."),
        ({**SLOTS, "program_type": 256}, "compute with program_type 256. Found: it can be 0 to 255. Do: choose one "),
        (
            {**SLOTS, "slots": 2, "max_active": 3},
            "compute with max_active 3 and slots 2. Found: more programs that are active than there are slots. "
            "Do: make max_active at most slots.",
        ),
    ],
)
def test_refused_before_any_rpc(bdev: dict[str, Any], said: str) -> None:
    assert refusal(bdev).startswith(f"Asked: bdev {said}")


def test_a_target_that_is_not_csd_tgt_is_found_before_anything_is_sent(tmp_path: Path) -> None:
    empty: list[Exchange] = [{**one, "result": []} for one in reported()]
    methods: list[Exchange] = [{"method": "rpc_get_methods", "params": {}, "result": ["bdev_malloc_create"]}]
    with ReplayServer(tmp_path / "s", [*empty, NO_RIGHTS, *methods]) as server:
        said = run_module(spdk_target.main, {"bdevs": [SLM, SLOTS], "socket": str(server.path)})["msg"]
    server.check()
    assert said == (
        "Asked: create csd_slm bdev memory, 64 MiB (16384 blocks of 4096); "
        "create csd_compute bdev compute, as csd_tgt makes it. "
        f"Found: the target at {tmp_path}/s has no bdev_csd_compute_create and no bdev_csd_slm_create: "
        "it is not csd_tgt. "
        "Do: run csd_tgt (the role csd_target builds it), or declare none of these."
    )
    with ReplayServer(tmp_path / "s", [*empty, *methods]) as server:
        said = run_module(spdk_target.main, {"bdevs": [RAM], "socket": str(server.path)})["msg"]
    server.check()
    assert "has no bdev_csd_ram_create: it is not csd_tgt. Do: run csd_tgt" in said
    # In check mode csd_tgt may take its place before the run.
    with ReplayServer(tmp_path / "s", empty) as server:
        assert run_module(spdk_target.main, {"bdevs": [SLM], "socket": str(server.path)}, check=True)["changed"]
    server.check()


@pytest.mark.parametrize("bdev", [RAM, SLM])
def test_memory_that_the_machine_does_not_have(bdev: dict[str, Any], tmp_path: Path) -> None:
    """It is not of what the target took at its start, so that is not what to raise."""
    method = f"bdev_{bdev['type']}_create"
    reads: list[Exchange] = [{**one, "result": []} for one in reported()]
    [(_, _, params)] = sent(Tree(), asked(bdev))
    told: list[Exchange] = [
        {"method": "rpc_get_methods", "params": {}, "result": [method]},
        {"method": method, "params": params, "error": {"code": -12, "message": "Cannot allocate memory"}},
    ]
    with ReplayServer(tmp_path / "s", [*reads, *told]) as server:
        said = run_module(spdk_target.main, {"bdevs": [bdev], "socket": str(server.path)})["msg"]
    server.check()
    assert said.startswith(f"Asked: {method} {{")
    assert said.endswith(
        "Do: ask for less, or free memory of the machine: it takes free hugepages of 2 MiB beside those of the "
        "target's start, and ordinary memory where they are too few."
    )
