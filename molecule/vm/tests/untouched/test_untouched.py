"""The guest before anything of the lab has touched it. A look at it is kept: the end is held against it."""

from __future__ import annotations

from typing import Any

from lab_machine import KEPT, boot, keep, lab_processes, listeners, look

Host = Any  # testinfra.host.Host, which comes without types


def test_the_release_is_the_one_asked_for(host: Host) -> None:
    """The guest runs the Debian release that was asked for."""
    release = host.backend.get_hostname().removeprefix("vm-debian")
    assert host.file("/etc/os-release").contains(f'^VERSION_ID="{release}"$')


def test_the_kernel_is_debians_own(host: Host) -> None:
    """The kernel is Debian's stock kernel, with nvme-tcp as a module that is not loaded."""
    release = host.check_output("uname -r")
    assert f"linux-image-{release}" in host.check_output("dpkg-query -S /boot/vmlinuz-%s", release)
    assert "linux-image" in host.check_output("dpkg-query -S '*/nvme/host/nvme-tcp.ko*'")
    assert "/nvme/host/nvme-tcp.ko" in host.check_output("modinfo -n nvme_tcp")
    assert not host.file("/sys/module/nvme_tcp").exists


def test_the_processor_is_a_plain_x86_64_v2(host: Host) -> None:
    """The guest's processor has x86-64-v2 and no AVX: another model than the one that compiled."""
    flags = set(host.check_output("grep -m1 ^flags /proc/cpuinfo").split())
    assert {"cx16", "lahf_lm", "popcnt", "sse4_1", "sse4_2", "ssse3"} <= flags
    assert not {"avx", "avx2", "bmi1", "bmi2", "fma", "movbe"} & flags


def test_nothing_helps_the_lab(host: Host) -> None:
    """The untouched disk has none of the tools that the lab needs: compilers, bpftool, nvme-cli, fio, sudo."""
    tools = "gcc cc clang make bpftool meson nvme fio csd sudo"
    shell, *found = host.check_output(f"for tool in sh {tools}; do command -v $tool || echo none; done").split()
    assert shell.endswith("/sh")
    assert found == ["none"] * len(tools.split())


def test_nothing_of_the_lab_is_there(host: Host) -> None:
    """The untouched disk has nothing of the lab: file, process, listener, hugepage, NVMe device."""
    assert host.check_output(r"find / -xdev \( -name '*hello_ebpf*' -o -name '*csd_*' \)") == ""
    assert lab_processes(host) == []
    assert {address.rpartition(":")[2] for address in listeners(host)} == {"22"}
    assert host.file("/proc/sys/vm/nr_hugepages").content_string == "0\n"
    assert host.check_output(r"find /dev -maxdepth 1 \( -name 'nvme*' -o -name 'ng*' \)") == ""


def test_remember_the_untouched_machine(host: Host) -> None:
    """Every file, mount, unit, listener and kernel setting of the untouched disk is on record."""
    seen = look(host)
    assert len(seen["files"]) > 5000
    assert len(seen["settings"]) > 100
    keep(host, "untouched", seen)
    (KEPT / "untouched/fstab").write_text(host.file("/etc/fstab").content_string)
    (KEPT / "untouched/boot").write_text(boot(host))
