"""The target as it is declared, in the words of SPDK's own rpc.py and of the kernel's table of sockets."""

from __future__ import annotations

import json
from typing import Any

Host = Any  # testinfra.host.Host, which comes without types

RPC = "python3 /opt/hello_ebpf/spdk/current/scripts/rpc.py -s /run/hello_ebpf/spdk.sock"
SUBSYSTEM = "nqn.2026-11.io.hello-ebpf:csd0"
UUID = "6c1f2d7e-5a0b-4c6e-9a57-0e8bff0e000{}"


def subsystem(host: Host) -> dict[str, Any]:
    """The lab's subsystem; there is no other but discovery."""
    [found] = [one for one in json.loads(host.check_output(f"{RPC} nvmf_get_subsystems")) if one["subtype"] == "NVMe"]
    assert isinstance(found, dict)
    return found


def test_the_subsystem_has_the_declared_identity(host: Host) -> None:
    """The one subsystem has the declared name, serial number and model."""
    seen = subsystem(host)
    assert (seen["nqn"], seen["serial_number"], seen["model_number"]) == (
        SUBSYSTEM,
        "HELLOEBPF0000001",
        "hello_eBPF CSD",
    )


def test_only_the_declared_host_is_let_in(host: Host) -> None:
    """The subsystem is closed but to the declared host."""
    seen = subsystem(host)
    assert seen["allow_any_host"] is False
    assert [one["nqn"] for one in seen["hosts"]] == ["nqn.2026-11.io.hello-ebpf:host0"]


def test_its_namespaces_have_the_declared_numbers_and_uuids(host: Host) -> None:
    """Three namespaces: data, memory, compute, each with its number and UUID."""
    seen = {one["nsid"]: (one["bdev_name"], one["uuid"]) for one in subsystem(host)["namespaces"]}
    names = ("csd0_data", "csd0_memory", "csd0_compute")
    assert seen == {nsid: (name, UUID.format(nsid)) for nsid, name in enumerate(names, 1)}


def test_it_listens_on_loopback_alone(host: Host) -> None:
    """The target listens on loopback, port 4420, and on no other address."""
    [address] = subsystem(host)["listen_addresses"]
    assert (address["trtype"], address["traddr"], address["trsvcid"]) == ("TCP", "127.0.0.1", "4420")
    sockets = [line.split() for line in host.file("/proc/net/tcp").content_string.splitlines()[1:]]
    listening = [words[1] for words in sockets if words[3] == "0A" and words[1].endswith(f":{4420:04X}")]
    assert set(listening) == {"0100007F:1144"}


def test_the_rpc_socket_is_for_root_and_one_group(host: Host) -> None:
    """Nobody but root and the target's own group reaches its RPC socket."""
    found = host.file("/run/hello_ebpf/spdk.sock")
    folder = host.file("/run/hello_ebpf")
    assert found.is_socket
    assert found.user == folder.user == found.group == folder.group == "csd_target"
    assert (oct(found.mode), oct(folder.mode)) == (oct(0o660), oct(0o750))
