"""The drive's namespaces as the kernel shows them: found by model, serial number and namespace id."""

from __future__ import annotations

from typing import Any

from lab_nvme import COMPUTE, DATA, FILE, HOST_NQN, MEGABYTES, NQN, SLM, UUID, Nodes, attribute

Host = Any  # testinfra.host.Host, which comes without types


def test_the_kernels_own_driver_holds_the_connection(host: Host) -> None:
    """The kernel's own nvme-tcp holds one live connection to the drive, over loopback, with the declared policy."""
    assert host.file("/sys/module/nvme_tcp").is_directory
    assert attribute(host, "transport") == "tcp"
    assert attribute(host, "state") == "live"
    assert attribute(host, "hostnqn") == HOST_NQN
    assert attribute(host, "address").startswith("traddr=127.0.0.1,trsvcid=4420")
    assert (attribute(host, "reconnect_delay"), attribute(host, "ctrl_loss_tmo")) == ("2", "600")
    assert "127.0.0.1:4420" in host.check_output("ss -Hnt state established")


def test_data_namespaces_are_block_devices(host: Host, nodes: dict[int, Nodes]) -> None:
    """The data namespaces are block devices, found by model, serial and namespace id, of the declared size and UUID."""
    assert set(nodes) == {DATA, SLM, COMPUTE, FILE}
    for nsid in (DATA, FILE):
        block = nodes[nsid].block
        assert int(host.check_output("blockdev --getsize64 %s", block)) == MEGABYTES[nsid] << 20
        name = block.removeprefix("/dev/")
        assert host.file(f"/sys/block/{name}/uuid").content_string == f"{UUID.format(nsid)}\n"
        assert host.check_output("readlink -f /dev/disk/by-id/nvme-uuid.%s", UUID.format(nsid)) == block


def test_memory_and_compute_are_generic_nodes(host: Host, nodes: dict[int, Nodes]) -> None:
    """The drive's memory (SLM) and compute namespaces are /dev/ng nodes, and no block devices."""
    for nsid in (SLM, COMPUTE):
        assert nodes[nsid].block == ""
        assert host.run("test -c %s", nodes[nsid].generic).rc == 0


def test_the_whole_stack_is_one_machine(host: Host) -> None:
    """Application, ext4, block layer, nvme-tcp, TCP over lo and csd_tgt are all in this one guest."""
    assert host.check_output("findmnt --noheadings --output FSTYPE,TARGET /mnt/csd0").split() == ["ext4", "/mnt/csd0"]
    source = host.check_output("findmnt --noheadings --output SOURCE /mnt/csd0")
    subsystem = host.check_output("cat /sys/block/%s/device/subsysnqn", source.removeprefix("/dev/"))
    assert subsystem == NQN
    pid = host.check_output("systemctl show --property MainPID --value csd_target.service")
    assert f"pid={pid}," in host.check_output("ss -Hlntp sport = 4420")
