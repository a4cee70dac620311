# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""A csd_tgt to be put under load and taken apart: any data bdev, reactors and transport; it has to end cleanly."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import pytest
from ansible.module_utils.hello_ebpf.jsonrpc import Client

import sanitizers
from csd.spdk import Place, SpdkTransport
from csd_live import BINARY, BRIDGE, compile_program, processes_below
from target_answers import wait_for_rpc

HOSTNQN = "nqn.2014-08.org.nvmexpress:uuid:2f2c9e33-0000-4000-8000-00000000c5d0"
NQN = "nqn.2026-11.io.hello-ebpf:csd-compute-test"
DATA, SLM, COMPUTE = 1, 2, 3
MALLOC: Mapping[str, Any] = {"method": "bdev_malloc_create", "num_blocks": 131072, "block_size": 512}
RAM: Mapping[str, Any] = {**MALLOC, "method": "bdev_csd_ram_create"}


def compiled(source: str, folder: Path, *options: str) -> bytes:
    """An ELF from source text that includes csd_bpf.h; what has maps needs the option -g."""
    path = folder / "program.bpf.c"
    path.write_text(source)
    return compile_program(path, folder, *options)


class ComputeTarget:
    """One csd_tgt process.

    Args:
        folder: for its socket, log and data.
        port: where it listens, on the loopback interface.
        core_mask: its reactors.
    """

    def __init__(self, folder: Path, port: int, core_mask: str = "0x2") -> None:
        self.folder = folder
        self.port = port
        self.core_mask = core_mask
        self.socket = folder / "spdk.sock"
        self.log = folder / "csd_tgt.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, *arguments: str) -> None:
        """Start it and wait until it answers: SPDK does that when its saved configuration is loaded."""
        if not BINARY.exists():
            pytest.fail(f"no csd_tgt at {BINARY}: run the csd_target role first, or set HELLO_EBPF_CSD_TGT")
        command = [str(BINARY), "-m", self.core_mask, "-s", "768", "--huge-unlink", "-u", "--iova-mode", "va"]
        command += ["--num-trace-entries", "1024", "-r", str(self.socket), *arguments]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=sanitizers.environment())
        try:
            wait_for_rpc(self._process, self.socket, self.log)
        except BaseException:
            self.kill()
            raise

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None
        return self._process.pid

    def processes(self, name: str) -> list[int]:
        """Processes of this name below it."""
        return processes_below(self.pid, name)

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def log_text(self) -> str:
        return self.log.read_text(errors="replace")

    def stop(self) -> None:
        """End it as its service does. It has to end by itself and without complaint: a leak check comes last."""
        process, self._process = self._process, None
        if process is None:
            return
        try:
            sanitizers.end(process, self.log)
        finally:
            Path(f"/dev/shm/csd_tgt_trace.pid{process.pid}").unlink(missing_ok=True)

    def kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            Path(f"/dev/shm/csd_tgt_trace.pid{process.pid}").unlink(missing_ok=True)

    def call(self, method: str, **params: Any) -> Any:
        with Client(str(self.socket)) as client:
            return client.call(method, params or None)

    def set_up(
        self,
        *,
        data: Mapping[str, Any] = MALLOC,
        compute: Mapping[str, Any] | None = None,
        transport: Mapping[str, Any] | None = None,
        slm_megabytes: int = 16,
    ) -> None:
        """One subsystem. ``data``: method and parameters that make the bdev csd0_data, unless it is there already."""
        made = dict(data)
        method = made.pop("method")
        self.call("nvmf_create_transport", trtype="TCP", **(transport or {}))
        if not self.has_bdev("csd0_data"):
            self.call(method, name="csd0_data", **made)
        self.call("bdev_csd_slm_create", name="csd0_memory", megabytes=slm_megabytes)
        self.call("bdev_csd_compute_create", name="csd0_compute", **(compute or {}))
        self.expose()

    def has_bdev(self, name: str) -> bool:
        return any(bdev["name"] == name for bdev in self.call("bdev_get_bdevs"))

    def expose(self) -> None:
        """The three bdevs as a subsystem that listens."""
        self.call("nvmf_create_subsystem", nqn=NQN, allow_any_host=True, max_namespaces=16, serial_number="CSDTEST")
        for bdev in ("csd0_data", "csd0_memory", "csd0_compute"):
            self.call("nvmf_subsystem_add_ns", nqn=NQN, namespace={"bdev_name": bdev})
        address = {"trtype": "TCP", "adrfam": "IPv4", "traddr": "127.0.0.1", "trsvcid": str(self.port)}
        self.call("nvmf_subsystem_add_listener", nqn=NQN, listen_address=address)

    def load(self, pind: int, program: bytes, *, activate: bool = True, **params: Any) -> None:
        """Load over RPC."""
        encoded = base64.b64encode(program).decode()
        self.call("csd_load_program", name="csd0_compute", pind=pind, program=encoded, **params)
        if activate:
            self.call("csd_activate_program", name="csd0_compute", pind=pind)

    def stats(self, pind: int) -> dict[str, int]:
        programs = self.call("csd_get_stats", name="csd0_compute")[0]["programs"]
        found: dict[str, int] = next(program for program in programs if program["pind"] == pind)
        return found

    def connect(
        self, *, queues: int = 1, core: int = 0, memory_megabytes: int = 64, hostnqn: str = HOSTNQN
    ) -> SpdkTransport:
        place = Place("127.0.0.1", str(self.port), NQN, hostnqn)
        return SpdkTransport(
            place, program=BRIDGE, queues=queues, core=core, memory_megabytes=memory_megabytes, timeout_seconds=60
        )

    @contextmanager
    def host(
        self, *, queues: int = 1, core: int = 0, memory_megabytes: int = 64, hostnqn: str = HOSTNQN
    ) -> Iterator[SpdkTransport]:
        transport = self.connect(queues=queues, core=core, memory_megabytes=memory_megabytes, hostnqn=hostnqn)
        try:
            yield transport
        finally:
            transport.close()


class WorkerTarget(ComputeTarget):
    """A csd_tgt whose programs run in workers: those that lie beside it."""

    cpu_milliseconds = 1000

    def start(self, *arguments: str) -> None:
        budget = str(self.cpu_milliseconds)
        super().start("--workers", str(BINARY.parent), "--program-cpu-milliseconds", budget, *arguments)
