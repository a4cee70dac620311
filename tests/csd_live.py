"""A csd_tgt of our own for tests: subsystems with data, SLM and compute namespaces, and hosts that connect to them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest
from ansible.module_utils.hello_ebpf.jsonrpc import Client

import sanitizers
from csd.device import Device
from csd.spdk import Place, SpdkTransport
from target_answers import wait_for_rpc

ROOT = Path(__file__).resolve().parents[1]
BINARY = Path(os.environ.get("HELLO_EBPF_CSD_TGT", "/opt/hello_ebpf/csd_target/bin/csd_tgt"))
BRIDGE = os.environ.get("HELLO_EBPF_CSD_NVME", "/opt/hello_ebpf/csd_host/bin/csd_nvme")
PROGRAMS = ROOT / "src/programs"
# What every program may include.
HEADERS = (ROOT / "src/protocol", PROGRAMS)
CORE_MASK = os.environ.get("HELLO_EBPF_TEST_CORE_MASK", "0x2" if (os.cpu_count() or 1) > 1 else "0x1")
HOST_CORE = 0 if CORE_MASK == "0x2" else -1
BLOCK = 4096


@dataclass(frozen=True)
class Subsystem:
    """What a host has to know, and what lies behind it."""

    nqn: str
    host_nqn: str
    port: str
    image: Path

    def place(self, host_nqn: str | None = None) -> Place:
        return Place("127.0.0.1", self.port, self.nqn, host_nqn or self.host_nqn)

    def options(self) -> list[str]:
        """For the tool csd."""
        place = self.place()
        return [
            *("--traddr", place.traddr, "--trsvcid", place.trsvcid),
            *("--subnqn", place.subnqn, "--hostnqn", place.hostnqn),
        ]

    @contextmanager
    def device(self, host_nqn: str | None = None, *, queues: int = 1) -> Iterator[Device]:
        transport = SpdkTransport(
            self.place(host_nqn), program=BRIDGE, core=HOST_CORE, queues=queues, timeout_seconds=120
        )
        try:
            yield Device(transport)
        finally:
            transport.close()


class CsdTarget:
    """One csd_tgt process.

    Args:
        folder: for its socket, its log and the data.
        binary: csd_tgt.
        port: of its first subsystem; the next ones follow.
        megabytes: of huge pages.
        transport: options of the TCP transport beyond those of the tests.
        early: calls of RPC (method, parameters) before its parts come up, for what cannot be changed later.
    """

    def __init__(
        self,
        folder: Path,
        port: int,
        *,
        binary: Path = BINARY,
        megabytes: int = 512,
        transport: dict[str, Any] | None = None,
        early: Sequence[tuple[str, dict[str, Any]]] = (),
    ) -> None:
        self.socket = folder / "spdk.sock"
        self.log = folder / "csd_tgt.log"
        self._folder = folder
        self._binary = binary
        self._port = port
        self._megabytes = megabytes
        self._transport = transport or {}
        self._early = early
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> CsdTarget:
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.stop()
            return
        self.kill()
        if self.log.exists():
            sys.stderr.write(self.log.read_text(errors="replace")[-3000:])

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self, environment: dict[str, str] | None = None, *, transport: bool = True) -> None:
        if not self._binary.exists():
            pytest.fail(f"no csd_tgt at {self._binary}: run the csd_target role first, or set HELLO_EBPF_CSD_TGT")
        memory = ["-s", str(self._megabytes), "--huge-unlink", "-u", "--iova-mode", "va", "--num-trace-entries", "1024"]
        wait = ["--wait-for-rpc"] if self._early else []
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._binary), "-m", CORE_MASK, *memory, "-r", str(self.socket), *wait],
                stdout=log,
                stderr=log,
                env={**sanitizers.environment(), **(environment or {})},
            )
        try:
            wait_for_rpc(self._process, self.socket, self.log)
        except BaseException:
            self.kill()
            raise
        if self._early:
            for method, parameters in self._early:
                self.call(method, parameters)
            self.call("framework_start_init")
        if transport:
            self.call("nvmf_create_transport", {"trtype": "TCP", "c2h_success": False, **self._transport})

    def call(self, method: str, params: dict[str, Any] | None = None) -> Any:
        with Client(str(self.socket)) as client:
            return client.call(method, params)

    def add_subsystem(
        self, name: str, data: bytes, *, slm_megabytes: int = 2, compute: dict[str, Any] | None = None
    ) -> Subsystem:
        """A subsystem as the lab has it: 1 the data (a file that the test can look into), 2 SLM, 3 compute."""
        image = self._folder / f"{name}.image"
        image.write_bytes(data)
        port, self._port = str(self._port), self._port + 1
        nqn, host = f"nqn.2026-11.io.hello-ebpf:{name}", f"nqn.2026-11.io.hello-ebpf:{name}-host"
        self.call("bdev_aio_create", {"name": f"{name}_data", "filename": str(image), "block_size": BLOCK})
        self.call("bdev_csd_slm_create", {"name": f"{name}_memory", "megabytes": slm_megabytes})
        self.call("bdev_csd_compute_create", {"name": f"{name}_compute", **(compute or {})})
        self.call("nvmf_create_subsystem", {"nqn": nqn, "max_namespaces": 16, "serial_number": name[:20]})
        for nsid, kind in enumerate(("data", "memory", "compute"), 1):
            namespace = {"bdev_name": f"{name}_{kind}", "nsid": nsid}
            self.call("nvmf_subsystem_add_ns", {"nqn": nqn, "namespace": namespace})
        self.call("nvmf_subsystem_add_host", {"nqn": nqn, "host": host})
        address = {"trtype": "TCP", "adrfam": "IPv4", "traddr": "127.0.0.1", "trsvcid": port}
        self.call("nvmf_subsystem_add_listener", {"nqn": nqn, "listen_address": address})
        return Subsystem(nqn, host, port, image)

    def stop(self) -> None:
        """End it as its service does; it has to end without complaint, and nothing may have leaked."""
        if self._process is not None:
            self._process.terminate()
            self.ended()

    def ended(self) -> int:
        """Wait until it has ended by itself, asked by a signal or an RPC, without complaint and without a leak.

        Its exit code.
        """
        process, self._process = self._process, None
        assert process is not None
        try:
            sanitizers.ended(process, self.log)
            return process.returncode
        finally:
            Path(f"/dev/shm/csd_tgt_trace.pid{process.pid}").unlink(missing_ok=True)

    def kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            Path(f"/dev/shm/csd_tgt_trace.pid{process.pid}").unlink(missing_ok=True)


def processes_below(top: int, name: str) -> list[int]:
    """Processes of this name below another one."""
    parents, names = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:
            continue
        pid = int(stat.parent.name)
        names[pid] = text[text.index("(") + 1 : text.rindex(")")]
        parents[pid] = int(text.rpartition(")")[2].split()[1])

    def below(pid: int) -> bool:
        while pid in parents:
            pid = parents[pid]
            if pid == top:
                return True
        return False

    return sorted(pid for pid, found in names.items() if found == name and below(pid))


def compile_program(source: Path, folder: Path, *options: str) -> bytes:
    """A program that is shipped, or one that a test wrote, as clang makes it."""
    made = folder / f"{source.name.removesuffix('.c')}.o"
    multiarch = subprocess.run(["gcc", "-print-multiarch"], capture_output=True, text=True, check=True).stdout.strip()
    clang = shutil.which("clang") or pytest.fail("no clang: run the ebpf_toolchain role first")
    flags = [*options, "-O2", "-target", "bpf", "-mcpu=v2", f"-I/usr/include/{multiarch}"]
    flags += [f"-I{folder}" for folder in HEADERS]
    subprocess.run([clang, *flags, "-c", str(source), "-o", str(made)], check=True)
    return made.read_bytes()


def program(name: str, folder: Path) -> bytes:
    """One of the shipped programs."""
    return compile_program(PROGRAMS / f"{name}.bpf.c", folder)
