"""Linux' passthrough: the structure that goes into the ioctl, and nodes found by asking, never by their number."""

from __future__ import annotations

from pathlib import Path

import pytest

from csd import kernel
from csd.commands import Command
from csd.errors import LabError


def test_the_passthrough_structure() -> None:
    """Written by hand from <linux/nvme_ioctl.h>, struct nvme_passthru_cmd64."""
    command = Command(0x85, 3, cdw2=2, cdw3=3, cdw10=10, cdw11=11, cdw12=12, cdw13=13, cdw14=14, cdw15=15)
    assert kernel.passthrough(command, 0x1122334455667788, 0x40, 5000).hex(" ", 4) == (
        "85000000 03000000 02000000 03000000 00000000 00000000 88776655 44332211 00000000 40000000 "
        "0a000000 0b000000 0c000000 0d000000 0e000000 0f000000 88130000 00000000 00000000 00000000"
    )
    assert (kernel.IOCTL_ADMIN64, kernel.IOCTL_IO64, kernel.IOCTL_ID) == (0xC0504E47, 0xC0504E48, 0x4E40)


def machine(folder: Path, *, multipath: bool) -> Path:
    """Two controllers; the nodes of the first lie below it, or with native multipath below its subsystem."""
    sysfs = folder / "class"
    for controller in ("nvme0", "nvme1"):
        (sysfs / "nvme" / controller).mkdir(parents=True)
        subsystem = sysfs / "nvme-subsystem" / f"nvme-subsys{controller[-1]}"
        (subsystem / controller).mkdir(parents=True)
        holder = subsystem if multipath else sysfs / "nvme" / controller
        for node in ("n1", "n2"):
            (holder / f"ng{controller[-1]}{node}").mkdir()
    return sysfs


@pytest.mark.parametrize("multipath", [False, True])
def test_nodes_are_found_by_sysfs(tmp_path: Path, multipath: bool) -> None:
    sysfs = machine(tmp_path, multipath=multipath)
    assert kernel.controllers(sysfs) == ["nvme0", "nvme1"]
    assert kernel.generic_nodes("nvme1", sysfs) == ["ng1n1", "ng1n2"]
    for path, controller in (("/dev/nvme0", "nvme0"), ("/dev/ng1n2", "nvme1"), ("/dev/nvme1n1", "nvme1")):
        assert kernel.controller_of(path, sysfs) == controller


def test_what_is_no_drive_of_this_kernel(tmp_path: Path) -> None:
    with pytest.raises(LabError) as none:
        kernel.controller_of("/dev/nvme0", tmp_path)
    assert none.value.found == "this kernel has no NVMe controller"
    sysfs = machine(tmp_path, multipath=False)
    with pytest.raises(LabError) as other:
        kernel.controller_of("/dev/ng7n1", sysfs)
    assert str(other.value) == (
        "Asked: the drive at /dev/ng7n1. Found: this kernel has /dev/nvme0, /dev/nvme1. Do: name one of these, connect "
        "first (nvme connect), or use SPDK's initiator (--traddr)."
    )


def test_what_the_kernel_cannot_send(tmp_path: Path) -> None:
    sysfs = machine(tmp_path, multipath=False)
    transport = kernel.KernelTransport("/dev/nvme0", sysfs=sysfs, dev=tmp_path)
    with pytest.raises(LabError, match=r"Found: Linux' passthrough has no field for this dword"):
        transport.admin(Command(0x01, 3, cdw4=64))
    with pytest.raises(LabError, match=r"Do: see that it is connected \(nvme list\)"):
        transport.admin(Command(0x06))
