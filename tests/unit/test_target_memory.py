"""The hugepages that a target takes: of one size, counted for itself; others' stay theirs (case A10)."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible.module_utils.hello_ebpf.errors import LabError
from ansible.module_utils.hello_ebpf.processes import Process
from ansible.module_utils.hello_ebpf.service_unit import Service, unit
from ansible.module_utils.hello_ebpf.target_start import Memory, check_memory, other_pools

from hugepages_machine import Machine
from refusals import refusal

SMALL, LARGE = 2048, 1048576


def check(machine: Machine, memory: Memory, ours: Process | None = None, *, hides: bool = True) -> None:
    check_memory(memory, ours, hides=hides, proc=machine.path("/proc"), sys=machine.path("/sys"))


def test_pages_of_the_asked_size_count_whatever_the_default_is(tmp_path: Path) -> None:
    for number, default in enumerate((SMALL, LARGE)):
        machine = Machine(tmp_path / f"small{number}", kilobytes=SMALL, default_kilobytes=default)
        machine.set_pool(512)
        check(machine, Memory(1024, SMALL))
        machine.reserved = 1
        machine.show()
        assert refusal(check, machine, Memory(1024, SMALL)) == (
            "Asked: 1024 MiB of hugepages (512 pages of 2048 kB). Found: 511 of 512 pages of that size are free. "
            "Do: raise hugepages_megabytes, lower csd_target_memory_megabytes, or stop what holds the pages."
        )
        large = Machine(tmp_path / f"large{number}", kilobytes=LARGE, default_kilobytes=default)
        large.set_pool(2)
        check(large, Memory(1536, LARGE))
        with pytest.raises(LabError, match=r"\(3 pages of 1048576 kB\)\. Found: 2 of 2 pages of that size are free\."):
            check(large, Memory(2049, LARGE))


def test_a_size_that_the_kernel_does_not_have(tmp_path: Path) -> None:
    with pytest.raises(
        LabError, match=r"Found: this kernel has pages of 1048576, 2048 kB\. Do: set csd_target_page_kil"
    ):
        check(Machine(tmp_path), Memory(1024, 4096))


def test_what_the_one_before_gives_back_counts_by_its_size_too(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.set_pool(512)
    machine.use(512)
    ours = Process(77, ("csd_tgt",), "/opt/csd_tgt")
    memory = "2000-40002000 rw-s 00000000 00:01 9 /memfd:a (deleted)\nSize: 1048576 kB\nKernelPageSize:    2048 kB\n"
    machine.put("/proc/77/smaps", f"7f00-8f00 rw-p 00000000 00:00 0\nKernelPageSize:       4 kB\n{memory}")
    check(machine, Memory(1024, SMALL), ours)
    machine.put("/proc/77/smaps", memory.replace("2048", "1048576"))
    with pytest.raises(LabError, match=r"Found: 0 of 512 pages of that size are free"):
        check(machine, Memory(1024, SMALL), ours)


def test_pages_that_the_one_before_has_reserved_and_not_touched_count_once(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.set_pool(16)
    machine.use(2)
    machine.reserved = 14
    machine.show()
    ours = Process(77, ("csd_tgt",), "/opt/csd_tgt")
    size = "Size: 4 kB\nKernelPageSize:     2048 kB\nMMUPageSize:     2048 kB\n"
    machine.put(
        "/proc/77/smaps",
        # 10 MiB of a csd_ram bdev, mapped twice, 22 MiB without a file.
        f"1000000-1a00000 rw-s 00000000 00:0f 41 /memfd:csd0_data (deleted)\n{size}"
        f"3000000-3a00000 r--s 00000000 00:0f 41 /memfd:csd0_data (deleted)\n{size}"
        f"5000000-6600000 rw-p 00000000 00:00 0 \n{size}",
    )
    check(machine, Memory(32, SMALL), ours)
    with pytest.raises(LabError, match=r"\(17 pages of 2048 kB\)\. Found: 16 of 16 pages of that size are free"):
        check(machine, Memory(34, SMALL), ours)


def test_bdevs_with_memory_of_their_own_take_pages_beside_those_of_the_start(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.set_pool(512)
    own = (("csd_ram bdev csd0_data", 512 << 20), ("csd_slm bdev csd0_memory", (62 << 20) + 4096))
    check(machine, Memory(448, SMALL, own))
    machine.use(1)
    assert refusal(check, machine, Memory(448, SMALL, own)) == (
        "Asked: 1024 MiB of hugepages (512 pages of 2048 kB): 448 for the start (csd_target_memory_megabytes), "
        "512 for csd_ram bdev csd0_data, 64 for csd_slm bdev csd0_memory. Found: 511 of 512 pages of that size are "
        "free. Do: raise hugepages_megabytes, lower csd_target_memory_megabytes, make those bdevs smaller, or stop "
        "what holds the pages."
    )
    # Where the target's pages are of another size, they lie in ordinary memory.
    large = Machine(tmp_path / "large", kilobytes=LARGE)
    large.set_pool(1)
    check(large, Memory(1024, LARGE, own))


def test_free_pages_of_another_size_stay_others(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "small", nodes=2, others=1)
    machine.set_pool(512)
    check(machine, Memory(1024, SMALL))
    assert refusal(check, machine, Memory(1024, SMALL), hides=False) == (
        "Asked: 1024 MiB of hugepages (512 pages of 2048 kB). Found: 1 pages of 1048576 kB are free too, and DPDK "
        "would take of those, the largest first. Do: run it under systemd, whose unit hides them from it; or have "
        "whoever reserved them give them back; or, where they are for the lab, set hugepages_size_kilobytes and "
        "csd_target_page_kilobytes to 1048576."
    )
    # Less than such a page DPDK takes of the smaller ones.
    check(machine, Memory(1023, SMALL), hides=False)
    large = Machine(tmp_path / "large", kilobytes=LARGE, others=600)
    large.set_pool(2)
    check(large, Memory(2048, LARGE), hides=False)
    with pytest.raises(LabError, match=r"Found: 600 pages of 2048 kB are free too"):
        check(large, Memory(1536, LARGE), hides=False)


def test_the_unit_hides_the_pools_of_all_other_sizes(tmp_path: Path) -> None:
    machine = Machine(tmp_path, nodes=2)
    hidden = other_pools(SMALL, machine.path("/sys"))
    assert [str(path.relative_to(tmp_path)) for path in hidden] == [
        f"sys/devices/system/node/node0/hugepages/hugepages-{LARGE}kB",
        f"sys/devices/system/node/node1/hugepages/hugepages-{LARGE}kB",
        f"sys/kernel/mm/hugepages/hugepages-{LARGE}kB",
    ]
    text = unit(Service("csd_test", "test", ("/bin/true",), Path("/run/t"), Path("/log"), hides=hidden))
    assert [line for line in text.splitlines() if "Inaccessible" in line] == [
        f"InaccessiblePaths=-{path}" for path in hidden
    ]
