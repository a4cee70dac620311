"""The drives as the kernel shows them: namespaces found by model, serial number and namespace id."""

from __future__ import annotations

from typing import Any

from lab_nvme import (
    COMPUTE,
    DATA,
    DATA_MB,
    FILE_MB,
    FILE_NQN,
    FILE_UUID,
    HOST_NQN,
    MODEL,
    MOUNT,
    NQN,
    SERIAL,
    SLM,
    UUID,
    Nodes,
    attributes,
    controller,
    file_block,
)

Host = Any  # testinfra.host.Host, which comes without types


def test_the_kernels_own_driver_holds_the_connections(host: Host) -> None:
    """The kernel's own nvme-tcp holds a live connection to each subsystem, over loopback, with the declared policy."""
    assert host.file("/sys/module/nvme_tcp").is_directory
    for nqn in (NQN, FILE_NQN):
        seen = attributes(host, nqn)
        assert seen["address"].startswith("traddr=127.0.0.1,trsvcid=4420")
        assert (seen["transport"], seen["state"], seen["hostnqn"]) == ("tcp", "live", HOST_NQN)
        assert (seen["reconnect_delay"], seen["ctrl_loss_tmo"]) == ("2", "600")
    assert "127.0.0.1:4420" in host.check_output("ss -Hnt state established")


def test_the_subsystem_has_the_declared_identity(host: Host) -> None:
    """The kernel shows the declared model and serial number."""
    name = controller(host)
    assert host.file(f"/sys/class/nvme/{name}/model").content_string.strip() == MODEL
    assert host.file(f"/sys/class/nvme/{name}/serial").content_string.strip() == SERIAL


def test_the_data_namespaces_are_block_devices(host: Host, nodes: dict[int, Nodes]) -> None:
    """The data namespaces are block devices, found by model, serial and namespace id, of the declared size and UUID."""
    assert set(nodes) == {DATA, SLM, COMPUTE}
    declared = [(nodes[DATA].block, DATA_MB, UUID.format(DATA)), (file_block(host), FILE_MB, FILE_UUID)]
    for block, megabytes, uuid in declared:
        assert int(host.check_output("blockdev --getsize64 %s", block)) == megabytes << 20
        name = block.removeprefix("/dev/")
        assert host.file(f"/sys/block/{name}/uuid").content_string == f"{uuid}\n"
        assert host.check_output("readlink -f /dev/disk/by-id/nvme-uuid.%s", uuid) == block


def test_memory_and_compute_are_generic_nodes(host: Host, nodes: dict[int, Nodes]) -> None:
    """The drive's memory (SLM) and compute namespaces are /dev/ng nodes, and no block devices."""
    for nsid in (SLM, COMPUTE):
        assert nodes[nsid].block == ""
        assert host.run("test -c %s", nodes[nsid].generic).rc == 0


def test_the_whole_stack_is_one_machine(host: Host) -> None:
    """Application, ext4, block layer, nvme-tcp, TCP over lo and csd_tgt are all in this one guest."""
    seen = host.check_output(f"findmnt --noheadings --output FSTYPE,SOURCE {MOUNT}").split()
    assert seen == ["ext4", file_block(host)]
    pid = host.check_output("systemctl show --property MainPID --value csd_target.service")
    assert f"pid={pid}," in host.check_output("ss -Hlntp sport = 4420")
    assert host.check_output(f"cat /proc/{pid}/comm") == "reactor_1"
