"""A machine's NVMe namespaces as its kernel shows them, found by model, serial number and namespace id.

By sysfs and NVME_IOCTL_ID alone: no code of the lab's, and no node's number, which says nothing of the namespace id.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

Host = Any  # testinfra.host.Host, which comes without types

NQN = "nqn.2026-11.io.hello-ebpf:csd0"
HOST_NQN = "nqn.2026-11.io.hello-ebpf:host0"
MODEL, SERIAL = "hello_eBPF CSD", "HELLOEBPF0000001"
DATA, SLM, COMPUTE = 1, 2, 3
UUID = "6c1f2d7e-5a0b-4c6e-9a57-0e8bff0e000{}"

# What molecule/vm/group_vars declares beside it: a drive whose data outlive the target and the machine's boot.
FILE_NQN = "nqn.2026-11.io.hello-ebpf:csd1"
FILE_MODEL, FILE_SERIAL = "hello_eBPF AIO", "HELLOEBPF0000002"
FILE_UUID = "6c1f2d7e-5a0b-4c6e-9a57-0e8bff0e0101"
MOUNT = "/mnt/csd1"
BACKING = "/var/lib/hello_ebpf/csd1_file"
# Sizes of the data namespace, the drive's memory, and the namespace in a file.
DATA_MB, SLM_MB, FILE_MB = 64, 16, 256

# Every namespace node of the machine, on standard output as JSON.
FIND = """
import fcntl, glob, json, os, re
found = []
for folder in glob.glob('/sys/class/nvme-subsystem/nvme-subsys*') + glob.glob('/sys/class/nvme/nvme*'):
    told = {}
    for name in ('model', 'serial'):
        with open(f'{folder}/{name}') as file:
            told[name] = file.read().strip()
    for name in sorted(os.listdir(folder)):
        if re.fullmatch('(nvme|ng)[0-9]+n[0-9]+', name) and os.path.exists(f'/dev/{name}'):
            handle = os.open(f'/dev/{name}', os.O_RDONLY)
            found.append({**told, 'node': f'/dev/{name}', 'nsid': fcntl.ioctl(handle, 0x4E40)})
            os.close(handle)
print(json.dumps(found))
"""


@dataclass(frozen=True)
class Nodes:
    """A namespace's nodes; the block device is empty where the kernel has none."""

    block: str
    generic: str


def namespaces(host: Host, model: str = MODEL, serial: str = SERIAL) -> dict[int, Nodes]:
    """A drive's nodes by namespace id."""
    by_nsid: dict[int, dict[str, str]] = {}
    for seen in json.loads(host.check_output("python3 -c %s", FIND)):
        if (seen["model"], seen["serial"]) == (model, serial):
            kind = "generic" if seen["node"].startswith("/dev/ng") else "block"
            by_nsid.setdefault(seen["nsid"], {})[kind] = seen["node"]
    return {nsid: Nodes(nodes.get("block", ""), nodes.get("generic", "")) for nsid, nodes in sorted(by_nsid.items())}


def file_block(host: Host) -> str:
    """The block device of the namespace that outlives the target."""
    return namespaces(host, FILE_MODEL, FILE_SERIAL)[1].block


def controller(host: Host, nqn: str = NQN) -> str:
    """The kernel's name of the one connection to a subsystem."""
    [path] = host.check_output("grep -lxF %s /sys/class/nvme/nvme*/subsysnqn", nqn).split()
    return str(path.split("/")[4])


def attributes(host: Host, nqn: str = NQN) -> dict[str, str]:
    """What sysfs says of the one connection to a subsystem."""
    names = ("transport", "state", "hostnqn", "address", "reconnect_delay", "ctrl_loss_tmo", "queue_count")
    name = controller(host, nqn)
    said = host.check_output(f"cd /sys/class/nvme/{name} && cat {' '.join(names)}").splitlines()
    return dict(zip(names, said, strict=True))


def programs(host: Host) -> dict[int, str]:
    """The digest of each active program, by slot, as the host sees it."""
    [compute] = json.loads(host.check_output("csd list --json"))["compute"]
    return {each["pind"]: each["sha256"] for each in compute["programs"] if each["state"] == "active"}
