"""What spdk_target refuses before any RPC: the exact texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import spdk_target

from module_run import run_module
from spdk_target_scenarios import BDEV, HOST, LAB, NQN, SUBSYSTEM, UUID, lab


def bdevs(*items: dict[str, Any]) -> dict[str, Any]:
    return {"bdevs": list(items)}


def null(**changes: Any) -> dict[str, Any]:
    return bdevs({"name": "b", "type": "null", "size_megabytes": 1, **changes})


NAMESPACE = {"nsid": 1, "bdev": "csd0_data"}
SECOND = {"nqn": f"{NQN}-2"}

CASES: dict[str, tuple[dict[str, Any], str]] = {
    "duplicate NQN": (
        {"subsystems": [SUBSYSTEM, {"nqn": NQN}]},
        f"Asked: subsystem NQN {NQN}. Found: it is declared more than once. Do: declare each once.",
    ),
    "duplicate bdev": (
        bdevs(BDEV, BDEV),
        "Asked: bdev name csd0_data. Found: it is declared more than once. Do: declare each once.",
    ),
    "duplicate transport": (
        {"transports": [{}, {}]},
        "Asked: transport TCP. Found: it is declared more than once. Do: declare each once.",
    ),
    "duplicate nsid": (
        lab(namespaces=[NAMESPACE, {"nsid": 1, "bdev": "second"}]),
        f"Asked: namespace id of subsystem {NQN} 1. Found: it is declared more than once. Do: declare each once.",
    ),
    "duplicate host": (
        lab(hosts=[HOST, HOST]),
        f"Asked: host of subsystem {NQN} {HOST}. Found: it is declared more than once. Do: declare each once.",
    ),
    "duplicate listener": (
        lab(listeners=[{"address": "::1"}, {"address": "0:0:0:0:0:0:0:1", "service_id": "4420"}]),
        f"Asked: listener of subsystem {NQN} TCP [::1]:4420. Found: it is declared more than once. "
        "Do: declare each once.",
    ),
    "one bdev in two namespaces": (
        {**LAB, "subsystems": [SUBSYSTEM, {**SECOND, "namespaces": [NAMESPACE]}]},
        "Asked: bdev of a namespace csd0_data. Found: it is declared more than once. Do: declare each once.",
    ),
    "one UUID in two namespaces": (
        lab(namespaces=[{**NAMESPACE, "uuid": UUID}, {"nsid": 2, "bdev": "b", "uuid": UUID.upper()}]),
        f"Asked: uuid of a namespace {UUID}. Found: it is declared more than once. Do: declare each once.",
    ),
    "NQN without a name": (
        {"subsystems": [{"nqn": "nqn.2026-11.io.hello-ebpf"}]},
        "Asked: subsystem nqn.2026-11.io.hello-ebpf. Found: this is not the form of an NQN. "
        "Do: write nqn.YYYY-MM.REVERSE.DOMAIN:NAME, or nqn.2014-08.org.nvmexpress:uuid:UUID.",
    ),
    "NQN of month 13": (
        {"subsystems": [{"nqn": "nqn.2026-13.io.hello-ebpf:x"}]},
        "Asked: subsystem nqn.2026-13.io.hello-ebpf:x. Found: this is not the form of an NQN. "
        "Do: write nqn.YYYY-MM.REVERSE.DOMAIN:NAME, or nqn.2014-08.org.nvmexpress:uuid:UUID.",
    ),
    "host NQN": (
        lab(hosts=["host0"]),
        f"Asked: subsystem {NQN}: host host0. Found: this is not the form of an NQN. "
        "Do: write nqn.YYYY-MM.REVERSE.DOMAIN:NAME, or nqn.2014-08.org.nvmexpress:uuid:UUID.",
    ),
    "long NQN": (
        {"subsystems": [{"nqn": NQN + "x" * 200}]},
        f"Asked: subsystem {NQN}{'x' * 200}. Found: 230 bytes; an NQN has at most 223. Do: shorten it.",
    ),
    "discovery NQN": (
        {"subsystems": [{"nqn": "nqn.2014-08.org.nvmexpress.discovery"}]},
        "Asked: subsystem nqn.2014-08.org.nvmexpress.discovery. "
        "Found: the name of the discovery subsystem, which every target has. Do: choose another.",
    ),
    "serial": (
        lab(serial="S" * 21),
        f"Asked: subsystem {NQN}: serial 'SSSSSSSSSSSSSSSSSSSSS'. Found: 21 characters; NVMe has room for 20. "
        "Do: shorten it.",
    ),
    "model": (
        lab(model="M" * 41),
        f"Asked: subsystem {NQN}: model '{'M' * 41}'. Found: 41 characters; NVMe has room for 40. Do: shorten it.",
    ),
    "serial in another script": (
        lab(serial="sérial"),
        f"Asked: subsystem {NQN}: serial 'sérial'. Found: empty, or not printable ASCII. Do: use printable ASCII.",
    ),
    "block size": (
        null(block_size=520),
        "Asked: bdev b with block_size 520. Found: a block size that is not a power of two of at least 512. "
        "Do: use 512 or 4096.",
    ),
    "size and block size": (
        null(size_megabytes=3, block_size=2 * 1024 * 1024),
        "Asked: bdev b of 3145728 bytes in blocks of 2097152. Found: 1048576 bytes too many for whole blocks. "
        "Do: make the size a multiple of block_size.",
    ),
    "two sizes": (
        null(blocks=1),
        "Asked: bdev b with size_megabytes and blocks. Found: two sizes. Do: give one of them.",
    ),
    "no size": (
        null(size_megabytes=None),
        "Asked: bdev b of type null. Found: no size. Do: give size_megabytes or blocks.",
    ),
    "size 0": (
        null(size_megabytes=0),
        "Asked: bdev b of 0 bytes. Found: a size that is not above 0. Do: give a size above 0.",
    ),
    "bdev name": (
        null(name="a b"),
        "Asked: bdev 'a b'. Found: a name that is empty, or not printable ASCII without spaces. Do: rename it.",
    ),
    "file of a null bdev": (
        null(filename="/x"),
        "Asked: bdev b of type null with filename /x. Found: filename is for aio. Do: drop it.",
    ),
    "UUID of an aio bdev": (
        bdevs({"name": "b", "type": "aio", "filename": "/x", "uuid": UUID}),
        f"Asked: bdev b of type aio with uuid {UUID}. Found: SPDK 20.07 gives an aio bdev a new UUID at each start. "
        "Do: set the uuid on its namespace: that is the one that hosts see.",
    ),
    "aio without file": (
        bdevs({"name": "b", "type": "aio"}),
        "Asked: bdev b of type aio. Found: no filename. Do: give the absolute path of a file or device.",
    ),
    "UUID": (
        null(uuid="6c1f2d7e"),
        "Asked: bdev b: UUID 6c1f2d7e. Found: not a UUID, or the one of zeros. "
        "Do: write 32 hexadecimal digits, 8-4-4-4-12; uuidgen makes one.",
    ),
    "UUID of zeros": (
        null(uuid="00000000-0000-0000-0000-000000000000"),
        "Asked: bdev b: UUID 00000000-0000-0000-0000-000000000000. Found: not a UUID, or the one of zeros. "
        "Do: write 32 hexadecimal digits, 8-4-4-4-12; uuidgen makes one.",
    ),
    "NGUID": (
        lab(namespaces=[{**NAMESPACE, "nguid": "12"}]),
        f"Asked: subsystem {NQN}: namespace 1: nguid 12. Found: not 32 hexadecimal digits, or all zeros. "
        "Do: give 32 digits.",
    ),
    "namespace 0": (
        lab(namespaces=[{**NAMESPACE, "nsid": 0}]),
        f"Asked: subsystem {NQN}: namespace 0. Found: a namespace id outside 1 to 4294967294. "
        "Do: number namespaces from 1.",
    ),
    "namespace above the limit": (
        lab(namespaces=[{**NAMESPACE, "nsid": 9}], max_namespaces=8),
        f"Asked: subsystem {NQN}: namespace 9. Found: max_namespaces is 8, which is also the highest namespace id. "
        "Do: raise max_namespaces.",
    ),
    "host name as address": (
        lab(listeners=[{"address": "localhost"}]),
        f"Asked: subsystem {NQN}: listener localhost:4420. Found: an address that is not an IP address. "
        "Do: give the IPv4 or IPv6 address.",
    ),
    "every address": (
        lab(listeners=[{"address": "0.0.0.0"}]),
        f"Asked: subsystem {NQN}: listener 0.0.0.0:4420. "
        "Found: SPDK compares the address that a host reached with the listener's, so at this one it lets nobody in. "
        "Do: declare each address that hosts are to use.",
    ),
    "family": (
        lab(listeners=[{"address": "::1", "family": "ipv4"}]),
        f"Asked: subsystem {NQN}: listener ::1:4420, family ipv4. Found: an IPv6 address. Do: drop family, or mend it.",
    ),
    "port": (
        lab(listeners=[{"address": "127.0.0.1", "service_id": "70000"}]),
        f"Asked: subsystem {NQN}: listener 127.0.0.1:70000. "
        "Found: a service id that is not a TCP port (1 to 65535). Do: the usual one is 4420.",
    ),
    "I/O unit": (
        {"transports": [{"io_unit_size": 8192, "max_io_size": 4096}]},
        "Asked: transport TCP with io_unit_size 8192 and max_io_size 4096. "
        "Found: an I/O unit larger than the largest I/O. Do: make io_unit_size at most max_io_size.",
    ),
}


@pytest.mark.parametrize("check", [False, True], ids=["run", "check"])
@pytest.mark.parametrize("case", CASES)
def test_refused_before_any_rpc(case: str, check: bool, tmp_path: Path) -> None:
    params, message = CASES[case]
    # There is no target: any RPC would end in another message.
    result = run_module(spdk_target.main, {**params, "socket": str(tmp_path / "none")}, check=check)
    assert (result.get("failed"), result["msg"]) == (True, message)


def test_an_unknown_option_is_refused(tmp_path: Path) -> None:
    result = run_module(spdk_target.main, {**null(sise=1), "socket": str(tmp_path / "none")})
    assert "Unsupported parameters" in result["msg"]
    assert "sise" in result["msg"]


class TestFileOfAnAioBdev:
    """The file is checked, never made or resized."""

    @staticmethod
    def run(tmp_path: Path, *, check: bool = False, **more: Any) -> str:
        item = {"name": "b", "type": "aio", "filename": str(tmp_path / "disk"), **more}
        result = run_module(spdk_target.main, {**bdevs(item), "socket": str(tmp_path / "none")}, check=check)
        return str(result.get("msg"))

    def test_missing(self, tmp_path: Path) -> None:
        assert self.run(tmp_path) == (
            f"Asked: bdev b over {tmp_path}/disk. Found: no such file or block device (this module never makes one). "
            f"Do: make it first, for example: truncate -s SIZE {tmp_path}/disk."
        )
        assert self.run(tmp_path, check=True) == "None"
        assert not (tmp_path / "disk").exists()

    def test_of_another_size(self, tmp_path: Path) -> None:
        (tmp_path / "disk").write_bytes(bytes(8192))
        assert self.run(tmp_path, size_megabytes=1) == (
            f"Asked: bdev b of 1048576 bytes over {tmp_path}/disk. Found: 8192 bytes. "
            "Do: declare the size that the file has, or none; this module never resizes a file."
        )

    def test_not_whole_blocks(self, tmp_path: Path) -> None:
        (tmp_path / "disk").write_bytes(bytes(5000))
        assert self.run(tmp_path, block_size=4096) == (
            f"Asked: bdev b over {tmp_path}/disk in blocks of 4096. Found: 5000 bytes, 904 too many for whole blocks. "
            "Do: make the file's size a multiple of block_size."
        )

    def test_a_folder(self, tmp_path: Path) -> None:
        (tmp_path / "disk").mkdir()
        assert self.run(tmp_path) == (
            f"Asked: an aio bdev over {tmp_path}/disk. Found: neither a file nor a block device. Do: name one of these."
        )

    def test_behind_two_bdevs(self, tmp_path: Path) -> None:
        (tmp_path / "disk").write_bytes(bytes(4096))
        (tmp_path / "link").symlink_to(tmp_path / "disk")
        items = [{"name": name, "type": "aio", "filename": str(tmp_path / name)} for name in ("disk", "link")]
        result = run_module(spdk_target.main, {**bdevs(*items), "socket": str(tmp_path / "none")})
        assert result["msg"] == (
            f"Asked: file behind an aio bdev {tmp_path}/disk. Found: it is declared more than once. "
            "Do: declare each once."
        )
