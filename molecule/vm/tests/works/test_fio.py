"""fio as an independent judge of the data namespace: what is written reads back, block by block, by its checksum."""

from __future__ import annotations

import json
from typing import Any

from lab_nvme import DATA, Nodes

Host = Any  # testinfra.host.Host, which comes without types

MEBIBYTE = 1 << 20
SIZE = 8
# Behind the data set, before what nvme-cli writes.
OFFSET = 16


def run(host: Host, nodes: dict[int, Nodes], folder: str, words: str) -> Any:
    """Run a job on the data namespace; testinfra's result."""
    return host.run(
        f"cd {folder} && fio --name=verify --filename={nodes[DATA].block} --offset={OFFSET}M --size={SIZE}M --bs=4k"
        f" --direct=1 --ioengine=libaio --iodepth=8 --verify=crc32c --verify_fatal=1 --output-format=json {words}"
    )


def job(output: str) -> Any:
    [found] = json.loads(output[output.index("{") :])["jobs"]
    return found


def test_fio_verifies_what_it_wrote(host: Host, nodes: dict[int, Nodes], folder: str) -> None:
    """With fio, 8 MiB are written at random through the kernel's connection, and each block verified by its crc32c."""
    done = run(host, nodes, folder, "--rw=randwrite --randrepeat=1")
    assert done.rc == 0, done.stdout + done.stderr
    found = job(done.stdout)
    assert found["error"] == 0
    assert found["write"]["io_bytes"] == found["read"]["io_bytes"] == SIZE * MEBIBYTE


def test_fio_finds_a_damaged_block(host: Host, nodes: dict[int, Nodes], folder: str) -> None:
    """One byte written over behind fio's back: its verification fails, so the one before proved something."""
    at = (OFFSET + SIZE // 2) * MEBIBYTE + 2000
    damage = (
        "import os, sys; handle = os.open(sys.argv[1], os.O_RDWR); at = int(sys.argv[2]);"
        " byte = os.pread(handle, 1, at);"
        " os.pwrite(handle, bytes([byte[0] ^ 255]), at); os.fsync(handle)"
    )
    host.check_output("python3 -c %s %s %s", damage, nodes[DATA].block, str(at))
    done = run(host, nodes, folder, "--rw=randwrite --randrepeat=1 --verify_only")
    assert done.rc != 0
    assert "verify" in (done.stdout + done.stderr).lower()
