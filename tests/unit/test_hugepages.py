"""The hugepages module on a machine of files: pools, whose pages are whose, mount, boot, refusals."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import hugepages as library
import pytest
from ansible.module_utils.hello_ebpf.errors import LabError
from ansible.module_utils.hello_ebpf.hugepages_boot import LINK, NOTE, RECORD, SCRIPT, UNIT, UNIT_TEXT
from ansible.module_utils.hello_ebpf.hugepages_host import FSTAB, Host

from hugepages_machine import MOUNTS, Killed, Machine
from module_run import run_module
from refusals import refusal

LAB: dict[str, Any] = {"count": 768}
ABSENT: dict[str, Any] = {"state": "absent"}
NODES: dict[str, Any] = {"nodes": {"0": 100, "1": 300}}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """One node, systemd, 3072 pages of others."""
    machine = Machine(tmp_path)
    machine.set_pool(3072)
    return machine


@pytest.fixture
def numa(tmp_path: Path) -> Machine:
    """Two nodes, with 50 pages of others on each."""
    machine = Machine(tmp_path, nodes=2)
    machine.set_pool(100)
    return machine


@pytest.fixture
def plain(tmp_path: Path) -> Machine:
    """One node, no systemd, nothing mounted."""
    machine = Machine(tmp_path, systemd=False)
    machine.set_pool(3072)
    return machine


def sizes(machine: Machine) -> list[int]:
    return [node.pool for node in machine.nodes.values()]


def refused(machine: Machine, **asked: Any) -> str:
    """The text of a refusal, in check mode and in a run alike; nothing was changed by it."""
    before = (machine.files(), sizes(machine), machine.text(MOUNTS))
    texts = set()
    for check in (True, False):
        with pytest.raises(LabError) as error:
            machine.converge(check=check, **asked)
        texts.add(str(error.value))
    assert (machine.files(), sizes(machine), machine.text(MOUNTS)) == before
    assert len(texts) == 1
    return texts.pop()


# ---- run, check, diff, run again


@pytest.mark.parametrize("kind", ["machine", "plain", "numa"])
@pytest.mark.parametrize(
    "asked",
    [
        {"count": 768},
        {"megabytes": 1535},
        {"count": 8, "mount": "/mnt/huge"},
        {"nodes": {"0": 7}},
    ],
)
def test_check_predicts_run_and_a_second_run_changes_nothing(
    kind: str, asked: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    machine: Machine = request.getfixturevalue(kind)
    untouched = (machine.files(), sizes(machine), machine.text(MOUNTS))
    for wish in (asked, ABSENT):
        hugepages = machine.hugepages(**wish)
        predicted = machine.converge(check=True, **wish)
        assert predicted.changed
        done = machine.converge(**wish)
        assert done.actions == predicted.actions
        assert hugepages.render(done.before) == hugepages.render(predicted.before)
        assert hugepages.render(done.after) == hugepages.render(predicted.after)
        assert hugepages.render(done.after) != hugepages.render(done.before)
        assert not machine.converge(check=True, **wish).changed
        assert not machine.converge(**wish).changed
    assert (machine.files(), sizes(machine), machine.text(MOUNTS)) == untouched


def test_check_writes_nothing(machine: Machine) -> None:
    before = machine.files()
    machine.converge(check=True, **LAB)
    assert (machine.files(), machine.pool, machine.commands) == (before, 3072, [])


def test_actions_and_diff_say_what_is_done(plain: Machine) -> None:
    done = plain.converge(count=768, mount="/mnt/huge")
    assert done.actions == [
        f"write down what is the lab's ({RECORD})",
        "add 768 pages of 2048 kB: 3072 -> 3840",
        "mount hugetlbfs of 2048 kB pages at /mnt/huge",
        f"add 768 pages at boot ({SCRIPT})",
        f"mount hugetlbfs at boot ({FSTAB})",
    ]
    before, after = (plain.hugepages(count=768).render(state) for state in (done.before, done.after))
    assert before.splitlines()[:3] == [
        "pool of 2048 kB pages: 3072 (0 of the lab)",
        "pool of 1048576 kB pages: 0 (0 of the lab)",
        f"hello_ebpf-hugepages.service: not there; {SCRIPT}:",
    ]
    assert after.splitlines()[:4] == [
        "pool of 2048 kB pages: 3840 (768 of the lab)",
        "pool of 1048576 kB pages: 0 (0 of the lab)",
        "hugetlbfs: /mnt/huge (2048 kB pages)",
        f"hello_ebpf-hugepages.service: enabled; {SCRIPT}:",
    ]
    assert "  add /sys/kernel/mm/hugepages/hugepages-2048kB 768\n" in after
    assert plain.converge(state="absent").actions == [
        "unmount /mnt/huge",
        "take back 768 pages of 2048 kB: 3840 -> 3072",
        f"add no pages at boot ({SCRIPT})",
        f"do not mount hugetlbfs at boot ({FSTAB})",
        f"forget what was the lab's ({RECORD})",
    ]


def test_megabytes_are_rounded_up_to_whole_pages(machine: Machine) -> None:
    machine.converge(megabytes=1537)
    assert machine.pool == 3072 + 769


def test_nodes_are_shown_where_nodes_were_asked_for(numa: Machine) -> None:
    hugepages = numa.hugepages(**NODES)
    assert "  node 1: 350 (300 of the lab)\n" in hugepages.render(numa.converge(**NODES).after)


# ---- whose pages are whose


def test_record_says_what_was_found(machine: Machine) -> None:
    machine.converge(**LAB)
    record = json.loads(machine.record())
    assert record["pools"]["2048"]["found"] == {"0": 3072}
    assert record["pools"]["2048"]["added"] == {"0": 768}


def test_pages_that_our_own_target_holds_are_not_asked_for_again(machine: Machine) -> None:
    machine.converge(**LAB)
    machine.use(3800)
    assert not machine.converge(**LAB).changed


def test_little_memory_left_is_no_obstacle_to_a_second_run(machine: Machine) -> None:
    machine.converge(**LAB)
    machine.available_megabytes = 10
    machine.show()
    assert not machine.converge(**LAB).changed


@pytest.mark.parametrize(("count", "pool"), [(1000, 4072), (10, 3082)])
def test_changed_request_grows_and_shrinks_only_our_part(machine: Machine, count: int, pool: int) -> None:
    machine.converge(**LAB)
    machine.converge(count=count)
    assert machine.pool == pool
    assert not machine.converge(count=count).changed
    machine.converge(**ABSENT)
    assert machine.pool == 3072


def test_pages_that_another_user_adds_meanwhile_stay_theirs(machine: Machine) -> None:
    machine.converge(**LAB)
    machine.set_pool(machine.pool + 100)
    assert not machine.converge(**LAB).changed
    machine.converge(count=500)
    assert machine.pool == 3072 + 100 + 500
    machine.converge(**ABSENT)
    assert machine.pool == 3172


def test_pool_that_another_user_shrank_is_theirs_as_it_is(machine: Machine) -> None:
    machine.converge(**LAB)
    machine.set_pool(1000)
    machine.converge(**LAB)
    assert machine.pool == 1768
    assert not machine.converge(**LAB).changed
    machine.converge(**ABSENT)
    assert machine.pool == 1000


def test_part_of_our_pages_that_somebody_took_comes_back(machine: Machine) -> None:
    machine.converge(**LAB)
    machine.set_pool(3500)
    machine.converge(**LAB)
    assert machine.pool == 3840
    machine.converge(**ABSENT)
    assert machine.pool == 3072


def test_lost_record_is_made_up_for_by_the_boot_script(machine: Machine) -> None:
    machine.converge(**LAB)
    machine.path(RECORD).unlink()
    done = machine.converge(**LAB)
    assert machine.pool == 3840
    assert done.actions == [f"write down what is the lab's ({RECORD})"]
    machine.path(RECORD).unlink()
    machine.converge(**ABSENT)
    assert machine.pool == 3072


def test_script_of_an_earlier_boot_does_not_make_up_for_a_lost_record(plain: Machine) -> None:
    """What is in the pool now may be all of others."""
    plain.converge(**LAB)
    plain.boot(3072)
    plain.path(RECORD).unlink()
    plain.converge(**ABSENT)
    assert plain.pool == 3072


def test_pages_in_use_and_reserved_stay(machine: Machine) -> None:
    machine.converge(**LAB)
    machine.use(3200)
    machine.reserved = 40
    machine.process(77, "/usr/bin/database", 3200)
    machine.show()
    done = machine.converge(**ABSENT)
    assert machine.pool == 3240
    assert machine.nodes[0].surplus == 0
    assert machine.hugepages(**ABSENT).warnings(done.after, changed=True) == [
        "168 pages of 2048 kB that the lab added are in use (pid 77 (/usr/bin/database) holds 3200) and stay until "
        "their users have ended and this role runs again, or until a reboot"
    ]
    assert not machine.there(SCRIPT)
    assert not machine.converge(**ABSENT).changed
    machine.reserved = 0
    machine.use(-3200)
    machine.converge(**ABSENT)
    assert machine.pool == 3072
    assert not machine.there(RECORD)


def test_smaller_request_leaves_pages_in_use(machine: Machine) -> None:
    machine.converge(**LAB)
    machine.use(3600)
    machine.converge(count=100)
    assert machine.pool == 3600
    assert not machine.converge(count=100).changed
    machine.use(-3600)
    machine.converge(count=100)
    assert machine.pool == 3172


def test_surplus_pages_of_others_do_not_count_as_ours(machine: Machine) -> None:
    machine.use(3080)  # 8 beyond the pool
    machine.converge(**LAB)
    node = machine.nodes[0]
    assert node.pool - node.used == 768
    assert not machine.converge(**LAB).changed
    machine.converge(**ABSENT)
    assert (node.pool, node.surplus) == (3072, 8)


def test_another_page_size_gives_the_old_pages_back(machine: Machine) -> None:
    machine.converge(**LAB)
    with pytest.raises(LabError, match=r"2 more pages of 1048576 kB, 2048 MiB .*the kernel granted 0 of 2") as error:
        machine.converge(size_kilobytes=1048576, count=2, mount="/mnt/1g")
    assert "earlier step(s) were undone" in str(error.value)
    assert machine.pool == 3840
    assert not machine.converge(**LAB).changed


# ---- sizes


def test_pages_of_1_gib_are_added_kept_over_a_reboot_and_given_back(tmp_path: Path) -> None:
    """Case A10. The 2 MiB pages beside them are others'."""
    machine = Machine(tmp_path, kilobytes=1048576, others=300)
    machine.set_pool(1)
    asked: dict[str, Any] = {"size_kilobytes": 1048576, "megabytes": 1536, "mount": "/dev/hugepages-1G"}
    machine.converge(**asked)
    assert machine.pool == 3
    assert not machine.converge(**asked).changed
    machine.boot(1)
    assert machine.pool == 3
    assert not machine.converge(**asked).changed
    machine.converge(**ABSENT)
    assert machine.pool == 1
    assert machine.text("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages") == "300\n"


def test_pages_of_2_mib_where_1_gib_is_the_default(tmp_path: Path) -> None:
    """Case A10: default_hugepagesz=1G. systemd's own mount is of 1 GiB pages then, and the role says so."""
    machine = Machine(tmp_path, default_kilobytes=1048576, others=4)
    assert refused(machine, **LAB) == (
        "Asked: a hugetlbfs of 2048 kB pages at /dev/hugepages. "
        "Found: hugetlbfs of 1048576 kB pages is mounted there. Do: set hugepages_mount to another folder."
    )
    asked = {**LAB, "mount": "/dev/hugepages-2M"}
    machine.converge(**asked)
    assert machine.pool == 768
    machine.boot(0)
    assert machine.pool == 768
    assert not machine.converge(**asked).changed
    machine.converge(**ABSENT)
    assert machine.pool == 0
    assert machine.text("/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages") == "4\n"


def test_free_pages_of_another_size_are_none_of_those_that_are_asked_for(tmp_path: Path) -> None:
    machine = Machine(tmp_path, others=4)
    machine.process(700, "/opt/hello_ebpf/csd_target/bin/csd_tgt", 2, kilobytes=1048576)
    said = refused(machine, manage=False, **LAB)
    assert "Found: 0 of 0 are free, the lab's own processes hold 0 (no process that /proc shows)." in said


# ---- nodes


def test_pages_by_node(numa: Machine) -> None:
    numa.converge(**NODES)
    assert sizes(numa) == [150, 350]
    numa.converge(nodes={"0": 300})
    assert sizes(numa) == [350, 50]
    assert not numa.converge(nodes={"0": 300}).changed
    numa.converge(**ABSENT)
    assert sizes(numa) == [50, 50]


def test_from_any_node_to_chosen_nodes_and_back(numa: Machine) -> None:
    numa.converge(count=200)
    assert sizes(numa) == [150, 150]
    numa.converge(**NODES)
    assert sizes(numa) == [150, 350]
    numa.converge(count=400)
    assert sum(sizes(numa)) == 500
    assert not numa.converge(count=400).changed
    numa.converge(**ABSENT)
    assert sizes(numa) == [50, 50]


def test_pages_that_the_kernel_spread_unevenly_are_taken_back_where_they_are(numa: Machine) -> None:
    """As a lab has left them that asked for a sum."""
    numa.converge(nodes={"0": 190, "1": 10})
    done = numa.converge(count=200)
    assert sizes(numa) == [150, 150]
    assert "take back 90 pages of 2048 kB on node 0: 240 -> 150" in done.actions
    numa.converge(**ABSENT)
    assert sizes(numa) == [50, 50]


def test_node_without_memory_gets_none_of_a_sum(tmp_path: Path) -> None:
    machine = Machine(tmp_path, nodes=2)
    machine.put("/sys/devices/system/node/node1/meminfo", "Node 1 MemTotal:       0 kB\n")
    assert machine.converge(check=True, count=200).actions[1] == "add 200 pages of 2048 kB: 0 -> 200"


def test_a_node_that_grants_only_a_part_leaves_both_as_they_were(numa: Machine) -> None:
    numa.nodes[1].grantable = 299
    before = numa.files()
    assert refusal(numa.converge, **NODES) == (
        "Asked: 300 more pages of 2048 kB on node 1, 600 MiB (pool: 50 -> 350). "
        "Found: the kernel granted 299 of 300, also after compacting memory once; 8192 MiB of memory were left then; "
        "the pool is back at 50 (2 earlier step(s) were undone). "
        "Do: ask for fewer pages, or on other nodes (hugepages_nodes); or free memory and run again; or have the "
        "kernel reserve them at boot, where memory is not fragmented yet (hugepagesz=2048K hugepages=500 on its "
        "command line), and set hugepages_manage: false."
    )
    assert sizes(numa) == [50, 50]
    assert numa.files() == before


# ---- granted in part


def test_pages_granted_only_in_part(machine: Machine) -> None:
    machine.nodes[0].grantable = 500
    before = machine.files()
    assert refusal(machine.converge, **LAB) == (
        "Asked: 768 more pages of 2048 kB, 1536 MiB (pool: 3072 -> 3840). "
        "Found: the kernel granted 500 of 768, also after compacting memory once; 8192 MiB of memory were left then; "
        "the pool is back at 3072 (1 earlier step(s) were undone). "
        "Do: ask for fewer pages; or free memory and run again; or have the kernel reserve them at boot, where memory "
        "is not fragmented yet (hugepagesz=2048K hugepages=3840 on its command line), and set "
        "hugepages_manage: false."
    )
    assert machine.pool == 3072
    assert machine.files() == before


def test_compaction_may_find_the_rest(machine: Machine) -> None:
    machine.nodes[0].grantable = 500
    machine.compaction = 300
    machine.converge(**LAB)
    assert machine.pool == 3840


def test_compaction_that_is_not_allowed_is_not_claimed(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.nodes[0].grantable = 500
    write = machine.write

    def no_compaction(path: Path, text: str) -> None:
        if path.name == "compact_memory":
            raise PermissionError("read-only")
        write(path, text)

    monkeypatch.setattr(machine, "write", no_compaction)
    with pytest.raises(LabError, match=r"granted 500 of 768; 8192 MiB"):
        machine.converge(**LAB)


def test_error_of_the_kernel_leaves_the_pool_as_it_was(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    write = machine.write

    def broken(path: Path, text: str) -> None:
        if int(text) > 3072:
            write(path, str(int(text) - 700))
            raise OSError("Invalid argument")
        write(path, text)

    monkeypatch.setattr(machine, "write", broken)
    with pytest.raises(LabError, match="Invalid argument"):
        machine.converge(**LAB)
    assert machine.pool == 3072


# ---- a run that is killed


@pytest.mark.parametrize("wish", [{"count": 768, "mount": "/mnt/huge"}, {"count": 100, "mount": "/mnt/other"}, ABSENT])
@pytest.mark.parametrize("moment", ["nr_hugepages", "mount", "umount", "systemctl stop", "daemon-reload"])
@pytest.mark.parametrize("found", [{}, {"count": 300, "mount": "/mnt/old"}])
def test_run_after_a_kill_converges_and_absent_gives_back_what_was_found(
    tmp_path: Path, wish: dict[str, Any], moment: str, found: dict[str, Any]
) -> None:
    machine = Machine(tmp_path)
    machine.set_pool(3072)
    untouched = (machine.files(), machine.text(MOUNTS))
    if found:
        machine.converge(**found)
    machine.kill_before = moment
    with contextlib.suppress(Killed):
        machine.converge(**wish)
    machine.kill_before = ""
    machine.converge(**wish)
    assert not machine.converge(**wish).changed
    assert machine.pool == 3072 + wish.get("count", 0)
    machine.converge(**ABSENT)
    assert machine.pool == 3072
    assert (machine.files(), machine.text(MOUNTS)) == untouched


def test_kill_in_the_middle_of_growing(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    write = machine.write

    def cut_off(path: Path, text: str) -> None:
        write(path, str(int(text) - 600))
        raise Killed

    monkeypatch.setattr(machine, "write", cut_off)
    with pytest.raises(Killed):
        machine.converge(**LAB)
    assert machine.pool == 3240
    monkeypatch.setattr(machine, "write", write)
    machine.converge(**LAB)
    assert machine.pool == 3840
    machine.converge(**ABSENT)
    assert machine.pool == 3072


# ---- reboot


def test_after_a_reboot_the_pages_are_there_on_top_of_those_of_others(machine: Machine) -> None:
    machine.converge(**LAB)
    machine.boot(200)
    assert machine.pool == 968
    assert not machine.converge(**LAB).changed
    assert not machine.converge(check=True, **LAB).changed
    machine.converge(count=100)
    assert machine.pool == 300
    machine.converge(**ABSENT)
    assert machine.pool == 200
    assert not machine.there(NOTE)


def test_absent_after_a_reboot(machine: Machine) -> None:
    machine.converge(count=768, mount="/mnt/huge")
    machine.boot(200)
    assert not machine.converge(count=768, mount="/mnt/huge").changed
    machine.converge(**ABSENT)
    assert machine.pool == 200
    assert " /mnt/huge " not in machine.text(MOUNTS)
    assert "hello_ebpf" not in machine.text(FSTAB)
    assert not machine.there("/mnt/huge")


def test_reboot_by_node(numa: Machine) -> None:
    numa.converge(**NODES)
    numa.boot(20)
    assert sizes(numa) == [110, 310]
    assert not numa.converge(**NODES).changed
    numa.converge(**ABSENT)
    assert sizes(numa) == [10, 10]


def test_boot_that_granted_less_is_made_up_for(machine: Machine) -> None:
    machine.converge(**LAB)
    machine.nodes[0].grantable = 700
    machine.boot(200)
    machine.nodes[0].grantable = 1000
    assert machine.pool < 968
    machine.converge(**LAB)
    assert machine.pool == 968
    machine.converge(**ABSENT)
    assert machine.pool == 200


def test_failure_after_a_reboot_leaves_the_account_of_the_boot(machine: Machine) -> None:
    machine.converge(**LAB)
    machine.boot(200)
    machine.path(RECORD).unlink()
    machine.nodes[0].grantable = 10
    with pytest.raises(LabError, match="granted 10 of 132"):
        machine.converge(count=900)
    machine.converge(**ABSENT)
    assert machine.pool == 200


def test_reboot_where_nothing_runs_the_script(plain: Machine) -> None:
    plain.converge(**LAB)
    plain.boot(3072)
    done = plain.converge(**LAB)
    assert plain.pool == 3840
    assert "mount hugetlbfs of 2048 kB pages at /dev/hugepages" in done.actions
    plain.boot(3072)
    plain.converge(**ABSENT)
    assert plain.pool == 3072
    assert not plain.there(RECORD)


def test_init_that_runs_the_script(plain: Machine) -> None:
    plain.converge(**LAB)
    for _ in range(2):
        plain.boot(100)
        plain.run_boot_script()
        plain.run_boot_script()
        assert plain.pool == 868
    done = plain.converge(**LAB)
    assert done.actions == [
        f"write down what is the lab's ({RECORD})",
        "mount hugetlbfs of 2048 kB pages at /dev/hugepages",
    ]
    plain.converge(**ABSENT)
    assert plain.pool == 100


def test_boot_script_is_run_once_a_boot_and_not_after_the_role(machine: Machine) -> None:
    machine.converge(**LAB)
    machine.run_boot_script()
    assert machine.pool == 3840
    machine.boot(0)
    machine.run_boot_script()
    assert machine.pool == 768


def test_boot_script_tells_of_pages_that_were_not_granted(machine: Machine) -> None:
    machine.converge(**LAB)
    machine.boot(0)
    machine.path(NOTE).unlink()
    pool = f"{machine.root}/sys/kernel/mm/hugepages/hugepages-2048kB"
    done = machine.run_boot_script(deaf=True)
    assert done.returncode == 1
    assert done.stderr == (f"asked for 768 more pages in {pool}, the kernel granted 0: run the role hugepages again\n")


def test_boot_script_is_sound(machine: Machine, tmp_path: Path) -> None:
    machine.converge(**LAB)
    assert os.access(machine.path(SCRIPT), os.X_OK)
    checked = subprocess.run(["/bin/sh", "-n", machine.path(SCRIPT)], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert machine.text(UNIT) == UNIT_TEXT
    assert f"ExecStart={SCRIPT}\n" in UNIT_TEXT
    assert str(machine.path(LINK).readlink()) == UNIT


def test_systemd_forgets_a_removed_unit_where_it_runs(
    machine: Machine, tmp_path_factory: pytest.TempPathFactory
) -> None:
    machine.converge(**LAB)
    machine.converge(**ABSENT)
    assert machine.commands == [
        ["systemctl", "stop", "hello_ebpf-hugepages.service"],
        ["systemctl", "daemon-reload"],
    ]
    plain = Machine(tmp_path_factory.mktemp("plain"), systemd=False)
    plain.converge(**LAB)
    assert [command[0] for command in plain.commands] == ["mount"]


def test_boot_script_changed_by_hand_is_written_again(machine: Machine) -> None:
    machine.converge(**LAB)
    text = machine.text(SCRIPT)
    machine.put(SCRIPT, text.replace("768", "9"))
    assert machine.converge(**LAB).actions == [f"add 768 pages at boot ({SCRIPT})"]
    assert machine.text(SCRIPT) == text


# ---- mount


def test_mount_of_somebody_else_stays(machine: Machine) -> None:
    machine.converge(**LAB)
    machine.converge(**ABSENT)
    assert " /dev/hugepages " in machine.text(MOUNTS)


def test_mount_moves_with_the_request(plain: Machine) -> None:
    plain.converge(count=8, mount="/mnt/a")
    plain.converge(count=8, mount="/mnt/b/")
    mounts = plain.text(MOUNTS)
    assert " /mnt/a " not in mounts
    assert " /mnt/b " in mounts
    assert not plain.there("/mnt/a")
    assert plain.text(FSTAB) == (
        "# UNCONFIGURED FSTAB FOR BASE SYSTEM\nhello_ebpf_hugepages /mnt/b hugetlbfs nosuid,nodev,pagesize=2048K 0 0\n"
    )


def test_mount_in_use_does_not_move(plain: Machine) -> None:
    plain.converge(count=8, mount="/mnt/huge")
    plain.put("/mnt/huge/left", "")
    assert refused(plain, count=8, mount="/mnt/other") == (
        "Asked: hugetlbfs at /mnt/other in place of /mnt/huge. Found: /mnt/huge is in use by the file /mnt/huge/left. "
        "Do: end that use, or leave hugepages_mount as it was."
    )


def test_folder_that_was_there_stays(plain: Machine) -> None:
    plain.path("/mnt/huge").mkdir(parents=True)
    plain.converge(count=8, mount="/mnt/huge")
    plain.converge(**ABSENT)
    assert plain.there("/mnt/huge")


def test_mount_in_use_stays_until_it_is_free(plain: Machine) -> None:
    plain.converge(count=8, mount="/mnt/huge")
    plain.process(78, "/usr/bin/other", 1, "7f00-7f20 rw-s 0 00:2a 12 /mnt/huge/map_0 (deleted)\n")
    plain.put("/mnt/huge/left", "")
    done = plain.converge(**ABSENT)
    assert plain.hugepages(**ABSENT).warnings(done.after, changed=True) == [
        "the mount /mnt/huge, in use by the file /mnt/huge/left, pid 78 (/usr/bin/other), stays until it is free and "
        "this role runs again, or until a reboot"
    ]
    assert plain.pool == 3072
    assert not plain.converge(**ABSENT).changed
    plain.path("/mnt/huge/left").unlink()
    plain.process(78, "/usr/bin/other", 0)
    plain.converge(**ABSENT)
    assert not plain.there("/mnt/huge")
    assert not plain.there(RECORD)


def test_mount_that_fails_takes_everything_back(plain: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    before = plain.files()
    monkeypatch.setattr(plain, "run", lambda argv: (32, "", "mount: permission denied\n"))
    with pytest.raises(LabError, match="permission denied"):
        plain.converge(count=8, mount="/mnt/huge")
    assert (plain.files(), plain.pool, plain.there("/mnt/huge")) == (before, 3072, False)


# ---- a pool that somebody else manages


def test_unmanaged_pool_is_only_checked(plain: Machine) -> None:
    plain.use(3072 - 768)
    done = plain.converge(manage=False, **LAB)
    assert done.actions == [
        f"write down what is the lab's ({RECORD})",
        "mount hugetlbfs of 2048 kB pages at /dev/hugepages",
    ]
    assert plain.pool == 3072
    assert not plain.there(SCRIPT)
    plain.use(500)
    plain.process(9, "/opt/hello_ebpf/spdk/current/bin/nvmf_tgt", 500)
    assert not plain.converge(manage=False, **LAB).changed
    plain.converge(**ABSENT)
    assert plain.pool == 3072


def test_memory_that_the_target_and_a_worker_have_mapped_is_the_labs_once_touched_or_not(plain: Machine) -> None:
    """A memfd's pages are reserved when it is made; a process that did not touch them shows none as its own."""
    plain.use(3072 - 600)
    shared = (
        "40000000-80000000 rw-s 00000000 00:01 41 /memfd:csd0_data (deleted)\nSize: 4 kB\nKernelPageSize: 2048 kB\n"
    )
    for pid, program in ((9, "csd_tgt"), (10, "csd_worker")):
        plain.process(pid, f"/opt/hello_ebpf/csd_target/bin/{program}", 0)
        plain.put(f"/proc/{pid}/smaps", f"{shared}Shared_Hugetlb: 0 kB\nPrivate_Hugetlb: 0 kB\n")
    plain.converge(manage=False, count=1112)
    assert refused(plain, manage=False, count=1113) == (
        "Asked: 1113 pages of 2048 kB in a pool that is managed elsewhere (hugepages_manage: false). "
        "Found: 600 of 3072 are free, the lab's own processes hold 512 "
        "(pid 9 (/opt/hello_ebpf/csd_target/bin/csd_tgt) holds 512, "
        "pid 10 (/opt/hello_ebpf/csd_target/bin/csd_worker) holds 512). "
        "Do: have at least 1 more reserved there, or ask for fewer."
    )


def test_unmanaged_pool_with_too_few_free_pages(machine: Machine) -> None:
    machine.use(2400)
    machine.reserved = 100
    machine.process(80, "/usr/bin/database", 2400)
    machine.show()
    assert refused(machine, manage=False, **LAB) == (
        "Asked: 768 pages of 2048 kB in a pool that is managed elsewhere (hugepages_manage: false). "
        "Found: 572 of 3072 are free, the lab's own processes hold 0 (pid 80 (/usr/bin/database) holds 2400). "
        "Do: have at least 196 more reserved there, or ask for fewer."
    )


def test_unmanaged_pool_of_a_node(numa: Machine) -> None:
    assert refused(numa, manage=False, nodes={0: 60}) == (
        "Asked: 60 pages of 2048 kB on node 0, managed elsewhere. Found: the pool of that node has 50. "
        "Do: have more reserved there, or name other nodes in hugepages_nodes."
    )


# ---- refusals


def test_not_enough_memory(machine: Machine) -> None:
    machine.available_megabytes = 2047
    machine.show()
    assert refused(machine, **LAB) == (
        "Asked: 768 more pages of 2048 kB, 1536 MiB. "
        "Found: 2047 MiB of memory are available, of which hugepages_reserve_megabytes leaves 512 to everything else: "
        "room for 1535 MiB. "
        "Do: ask for less (hugepages_megabytes, hugepages_count), free memory, or lower hugepages_reserve_megabytes."
    )
    machine.available_megabytes = 2048
    machine.show()
    machine.converge(**LAB)


def test_not_enough_memory_on_a_node(numa: Machine) -> None:
    assert refused(numa, nodes={1: 2049}) == (
        "Asked: 2049 more pages of 2048 kB on node 1, 4098 MiB. Found: about 4096 MiB are available on that node. "
        "Do: ask for less there or name other nodes in hugepages_nodes."
    )


def test_unknown_page_size(machine: Machine) -> None:
    assert refused(machine, size_kilobytes=4096, count=1) == (
        "Asked: hugepages of 4096 kB. Found: this kernel has pages of 2048, 1048576 kB. "
        "Do: set hugepages_size_kilobytes to one of those."
    )


def test_kernel_without_hugepages(machine: Machine) -> None:
    for folder in ("/sys/kernel/mm/hugepages", "/sys/devices/system/node/node0/hugepages"):
        machine.path(folder).rename(machine.path("/sys") / folder.replace("/", "_"))
    assert refused(machine, **LAB) == (
        "Asked: hugepages of 2048 kB. Found: this kernel has no hugepages at all. Do: boot one with CONFIG_HUGETLBFS."
    )
    assert not machine.converge(**ABSENT).changed


def test_unknown_node(numa: Machine) -> None:
    assert refused(numa, nodes={0: 1, 2: 1, 3: 1}) == (
        "Asked: hugepages on NUMA node 2, 3. Found: this machine has node 0, 1. "
        "Do: name those in hugepages_nodes, or set hugepages_count instead."
    )


def test_kernel_without_numa(tmp_path: Path) -> None:
    machine = Machine(tmp_path, numa=False)
    machine.set_pool(3072)
    assert refused(machine, nodes={0: 1}) == (
        "Asked: hugepages on NUMA node 0. Found: this kernel knows no NUMA nodes. "
        "Do: name those in hugepages_nodes, or set hugepages_count instead."
    )
    machine.converge(**LAB)
    assert machine.pool == 3840
    machine.converge(**ABSENT)
    assert machine.pool == 3072


def test_container(machine: Machine) -> None:
    machine.namespace("pid:[4026532000]")
    assert refused(machine, manage=True, **LAB) == (
        "Asked: reserve 768 pages of 2048 kB. "
        "Found: this is a container: the pool is its host's, and all containers share it. "
        "Do: run this role on the host, and set hugepages_manage: false here (then it only checks that enough pages "
        "are free)."
    )
    assert not machine.converge(manage=False, **LAB).changed
    assert not machine.converge(manage=None, **LAB).changed
    assert not machine.converge(**ABSENT).changed


def test_a_pool_is_managed_where_nothing_is_said_and_this_is_no_container(machine: Machine) -> None:
    assert machine.converge(manage=None, **LAB).changed
    assert machine.pool == 3840


def test_pool_that_cannot_be_written(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    access = os.access

    def read_only(path: str | Path, mode: int) -> bool:
        return access(path, mode) and not (mode == os.W_OK and str(path).endswith("nr_hugepages"))

    monkeypatch.setattr(os, "access", read_only)
    assert refused(machine, **LAB) == (
        "Asked: change the hugepage pool. "
        "Found: /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages cannot be written. "
        "Do: run as root; where somebody else manages the pool (a container's host), set hugepages_manage: false."
    )


@pytest.mark.parametrize("asked", [{"count": 0}, {"megabytes": 0}, {"nodes": {"0": 0}}, {"count": -3}, {}])
def test_nothing_asked_for(machine: Machine, asked: dict[str, Any]) -> None:
    assert refused(machine, **asked) == (
        f"Asked: {asked.get('count', 0)} hugepages. Found: nothing that could be reserved. "
        "Do: set hugepages_megabytes, hugepages_count or hugepages_nodes to something above 0, or hugepages_state: "
        "absent to give the pages back."
    )


def test_more_than_one_amount(machine: Machine) -> None:
    assert refused(machine, count=3, megabytes=7, nodes={0: 3}) == (
        "Asked: hugepages_count: 3 and hugepages_megabytes: 7 and hugepages_nodes: {0: 3}. "
        "Found: more than one amount. Do: keep one of them; the default of hugepages_megabytes steps back by itself."
    )


def test_nodes_that_are_no_numbers(machine: Machine) -> None:
    assert refused(machine, nodes={"zero": 1}) == (
        "Asked: hugepages_nodes: {'zero': 1}. Found: something that is not a node's number and a number of pages. "
        "Do: write it as {0: 512, 1: 512}."
    )


def test_mount_point_that_is_no_path(machine: Machine) -> None:
    assert refused(machine, count=1, mount="mnt/huge") == (
        "Asked: hugetlbfs mounted at 'mnt/huge'. Found: not an absolute path. Do: write it from / on."
    )
    assert "Asked: hugetlbfs mounted at '/mnt/huge pages'. " in refused(machine, count=1, mount="/mnt/huge pages")


def taken_by_tmpfs(machine: Machine) -> None:
    machine.put(MOUNTS, "50 1 0:40 / /mnt/huge rw - tmpfs tmpfs rw\n")


def taken_by_pages_of_another_size(machine: Machine) -> None:
    machine.mount("/mnt/huge", 1048576)


def taken_by_files(machine: Machine) -> None:
    machine.put("/mnt/huge/file", "")


def taken_by_a_file(machine: Machine) -> None:
    machine.put("/mnt/huge", "")


@pytest.mark.parametrize(
    ("taken", "text"),
    [
        (
            taken_by_tmpfs,
            "Asked: a hugetlbfs of 2048 kB pages at /mnt/huge. Found: tmpfs is mounted there. "
            "Do: set hugepages_mount to another folder.",
        ),
        (
            taken_by_pages_of_another_size,
            "Asked: a hugetlbfs of 2048 kB pages at /mnt/huge. Found: hugetlbfs of 1048576 kB pages is mounted there. "
            "Do: set hugepages_mount to another folder.",
        ),
        (
            taken_by_files,
            "Asked: mount hugetlbfs at /mnt/huge. "
            "Found: that is no empty folder, and the mount would hide what is there. "
            "Do: set hugepages_mount to an empty folder, or to one that does not exist yet.",
        ),
        (
            taken_by_a_file,
            "Asked: mount hugetlbfs at /mnt/huge. "
            "Found: that is no empty folder, and the mount would hide what is there. "
            "Do: set hugepages_mount to an empty folder, or to one that does not exist yet.",
        ),
    ],
)
def test_mount_point_that_is_taken(machine: Machine, taken: Callable[[Machine], None], text: str) -> None:
    taken(machine)
    assert refused(machine, count=1, mount="/mnt/huge") == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "JSONDecodeError: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        ('{"schema": 9}', "ValueError: schema 9"),
        ('{"schema": 1}', "KeyError: 'pools'"),
        ("[]", "TypeError: list indices must be integers or slices, not str"),
    ],
)
def test_record_that_is_broken(machine: Machine, text: str, reason: str) -> None:
    machine.put(RECORD, text)
    assert refused(machine, **LAB) == (
        f"Asked: read in {RECORD} which hugepages are the lab's. "
        f"Found: the file is not what this version writes ({reason}). "
        "Do: restore it, or remove it: the lab's share is then taken from the boot script, where there is one, and "
        "otherwise every page counts as somebody else's."
    )


# ---- what a reader is told


def told(machine: Machine, **asked: Any) -> list[str]:
    done = machine.converge(check=True, **asked)
    return machine.hugepages(**asked).warnings(done.after, changed=done.changed)


def test_without_systemd_it_says_that_a_reboot_loses_the_pages(plain: Machine) -> None:
    assert told(plain, **LAB) == [
        f"systemd does not run this machine: after a reboot the pages are back only if your init runs {SCRIPT}"
    ]
    plain.converge(**LAB)
    assert told(plain, **LAB) == []


def test_foreign_sysctl_setting_is_named(machine: Machine) -> None:
    machine.put("/etc/sysctl.d/90-database.conf", "# pages\nvm.nr_hugepages = 1000\n")
    machine.put("/usr/lib/sysctl.d/95-vendor.conf", "vm/nr_hugepages=2000\n")
    machine.put("/etc/sysctl.d/95-vendor.conf", "-vm.nr_hugepages=3000\nvm.nr_hugepages_mempolicy=1\n")
    assert told(machine, **LAB) == [
        "/etc/sysctl.d/95-vendor.conf sets vm.nr_hugepages = 3000: at boot the lab's pages come on top of that; but "
        "sysctl --system sets the whole pool back to it, until this role runs again"
    ]


def test_nothing_to_tell_on_a_plain_machine_with_systemd(machine: Machine) -> None:
    assert told(machine, **LAB) == []


def test_diff_keeps_other_lines_of_fstab_to_itself(plain: Machine) -> None:
    plain.put(FSTAB, "//server/share /mnt/share cifs password=secret 0 0\n")
    done = plain.converge(count=8, mount="/mnt/huge")
    text = plain.hugepages(count=8).render(done.after)
    assert f"{FSTAB}: hello_ebpf_hugepages /mnt/huge hugetlbfs nosuid,nodev,pagesize=2048K 0 0\n" in text
    assert "secret" not in text
    assert plain.text(FSTAB).startswith("//server/share /mnt/share cifs password=secret 0 0\n")


def test_result_tells_pools(numa: Machine) -> None:
    after = numa.converge(**NODES).after
    assert numa.hugepages(**NODES).pools(after) == [
        {"size_kilobytes": 2048, "pages": 500, "lab_pages": 400, "nodes": {"0": 150, "1": 350}}
    ]


# ---- the module itself


def answer(machine: Machine, *, check: bool = False, **asked: Any) -> dict[str, Any]:
    """What library/hugepages.py answers, with the machine of files in place of the real one."""
    with mock.patch.object(library, "Host", return_value=Host(machine.run, machine.root, machine.write)):
        return run_module(library.main, asked, check=check)


def test_module_answers(plain: Machine) -> None:
    predicted = answer(plain, check=True, count=768)
    done = answer(plain, count=768)
    assert predicted["changed"]
    assert predicted["diff"] == done["diff"]
    assert predicted["pools"] == done["pools"]
    assert done["pools"] == [{"size_kilobytes": 2048, "pages": 3840, "lab_pages": 768, "nodes": {"0": 3840}}]
    assert (done["mount"], done["survives_reboot"]) == ("/dev/hugepages", False)
    again = answer(plain, count=768)
    assert (again["changed"], again["actions"]) == (False, [])
    gone = answer(plain, state="absent")
    assert gone["diff"] == {"before": done["diff"]["after"], "after": done["diff"]["before"]}
    assert (gone["pools"][0]["pages"], gone["mount"]) == (3072, "")


def test_module_refuses(machine: Machine) -> None:
    told = answer(machine, size_kilobytes=4, count=1)
    assert told["failed"]
    assert told["msg"].startswith("Asked: hugepages of 4 kB. Found: ")


def test_module_says_that_a_reboot_would_bring_the_pages_back(machine: Machine) -> None:
    assert answer(machine, megabytes=16)["survives_reboot"]


@pytest.mark.parametrize("path", [SCRIPT, UNIT])
def test_what_somebody_else_wrote_for_the_boot_is_refused_and_stays(machine: Machine, path: str) -> None:
    machine.put(path, "#!/bin/sh\n# theirs\n")
    before = machine.files()
    assert refused(machine, **LAB) == (
        f"Asked: {path} for the lab's hugepages at boot. Found: there is one that the lab did not write. "
        "Do: rename it, or set hugepages_manage: false."
    )
    assert machine.converge(**ABSENT).actions == []
    assert machine.files() == before
    # In the place of ours, while ours was there.
    machine.path(path).unlink()
    machine.converge(**LAB)
    machine.put(path, "#!/bin/sh\n# theirs\n")
    for _ in range(2):
        machine.converge(**ABSENT)
        assert machine.text(path) == "#!/bin/sh\n# theirs\n"
    assert machine.converge(**ABSENT).actions == []
