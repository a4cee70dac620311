"""A machine's NVMe namespaces as its kernel shows them, found by model, serial number and namespace id.

By sysfs and NVME_IOCTL_ID alone: no code of the lab's, and no node's number, which says nothing of the namespace id.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Host = Any  # testinfra.host.Host, which comes without types

MODEL = "hello_eBPF CSD"
SERIAL = "HELLOEBPF0000001"
NQN = "nqn.2026-11.io.hello-ebpf:csd0"
HOST_NQN = "nqn.2026-11.io.hello-ebpf:host0"
DATA, SLM, COMPUTE, FILE = 1, 2, 3, 4
UUID = "6c1f2d7e-5a0b-4c6e-9a57-0e8bff0e000{}"
# As molecule/vm/group_vars declares them.
MEGABYTES = {DATA: 64, SLM: 16, FILE: 256}

# Every namespace node of the machine, on standard output as JSON.
FIND = """
import fcntl, glob, json, os, re
found = []
for folder in glob.glob('/sys/class/nvme-subsystem/nvme-subsys*') + glob.glob('/sys/class/nvme/nvme*'):
    told = {}
    for name in ('model', 'serial', 'subsysnqn'):
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


def namespaces(host: Host) -> dict[int, Nodes]:
    """The lab's drive: its nodes by namespace id."""
    by_nsid: dict[int, dict[str, str]] = {}
    for seen in json.loads(host.check_output("python3 -c %s", FIND)):
        if (seen["model"], seen["serial"], seen["subsysnqn"]) == (MODEL, SERIAL, NQN):
            kind = "generic" if seen["node"].startswith("/dev/ng") else "block"
            by_nsid.setdefault(seen["nsid"], {})[kind] = seen["node"]
    return {nsid: Nodes(nodes.get("block", ""), nodes.get("generic", "")) for nsid, nodes in sorted(by_nsid.items())}


def controller(host: Host) -> str:
    """The kernel's name of the one connection to the drive."""
    [path] = host.check_output("grep -lxF %s /sys/class/nvme/nvme*/subsysnqn", NQN).split()
    return str(path.split("/")[4])


def attribute(host: Host, name: str) -> str:
    """What sysfs says of the connection."""
    return str(host.file(f"/sys/class/nvme/{controller(host)}/{name}").content_string).strip()


def programs(host: Host) -> dict[int, str]:
    """The digest of each active program, by slot, as the host sees it."""
    [compute] = json.loads(host.check_output("csd list --json"))["compute"]
    return {each["pind"]: each["sha256"] for each in compute["programs"] if each["state"] == "active"}


def wait(reached: Callable[[], object], seconds: float, what: str) -> float:
    """Wait until something holds; the seconds that it took."""
    begun = time.monotonic()
    while not reached():
        assert time.monotonic() - begun < seconds, f"not within {seconds} s: {what}"
        time.sleep(0.5)
    return time.monotonic() - begun
