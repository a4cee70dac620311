"""A target of our own for tests: SPDK's nvmf_tgt or csd_tgt, on its own socket, stopped by its process id."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from types import TracebackType

import pytest

import sanitizers
from target_answers import wait_for_rpc

BINARY = Path(os.environ.get("HELLO_EBPF_NVMF_TGT", "/opt/hello_ebpf/spdk/current/bin/nvmf_tgt"))
CSD_TGT = Path(os.environ.get("HELLO_EBPF_CSD_TGT", "/opt/hello_ebpf/csd_target/bin/csd_tgt"))
CORE_MASK = os.environ.get("HELLO_EBPF_TEST_CORE_MASK", "0x2" if (os.cpu_count() or 1) > 1 else "0x1")
MEGABYTES = 512


class LiveTarget:
    """One target process; restart it with other arguments by ``start``."""

    def __init__(self, folder: Path, binary: Path = BINARY) -> None:
        self.binary = binary
        self.socket = folder / "spdk.sock"
        self.log = folder / f"{binary.name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> LiveTarget:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.stop()
        else:
            self.kill()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self, *arguments: str) -> None:
        """Start it and wait until RPC answers, which SPDK does once its saved configuration is loaded."""
        if not self.binary.exists():
            setting = f"HELLO_EBPF_{self.binary.name.upper()}"
            pytest.fail(f"no target at {self.binary}: run the roles spdk and csd_target first, or set {setting}")
        memory = ["-s", str(MEGABYTES), "--huge-unlink", "-u", "--num-trace-entries", "1024"]
        command = [str(self.binary), "-m", CORE_MASK, *memory, "-r", str(self.socket), *arguments]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=sanitizers.environment())
        try:
            wait_for_rpc(self._process, self.socket, self.log)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """End it as its service does; it has to end without complaint."""
        process, self._process = self._process, None
        if process is not None:
            try:
                sanitizers.end(process, self.log)
            finally:
                _forget(process)

    def kill(self) -> None:
        """End it as a crash would."""
        # Taken out first: a test may end it from a thread while the fixture ends it too.
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            _forget(process)


def _forget(process: subprocess.Popen[bytes]) -> None:
    """A killed target leaves its trace buffer in memory, under its application's name."""
    for name in ("nvmf", "csd_tgt"):
        Path(f"/dev/shm/{name}_trace.pid{process.pid}").unlink(missing_ok=True)
