"""csd_tgt as far as csd_program talks to it: slots in memory, behind a real unix socket."""

from __future__ import annotations

import base64
import errno
import hashlib
import json
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rpc_doubles import _Server, writes

COMPUTE = {"slots": 8, "max_active": 8, "max_program_bytes": 65536, "program_type": 0xC0}
# What runs of a program left.
RUNS = {"reason": None, "runs_in": "worker", "deactivated": None, "faults": 1, "last_fault": {"kind": "fault"}}


def joined(loads: Sequence[Mapping[str, Any]]) -> bytes:
    """A program, from the parameters of the RPCs that loaded it."""
    return b"".join(base64.b64decode(params["program"]) for params in loads)


class RefusedError(Exception):
    """An error answer."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class FakeCsdTarget(_Server):
    """A target with compute namespaces.

    Attributes:
        computes: bdev name -> its options.
        slots: (bdev name, slot) -> what csd_get_programs tells, and the parameters of its load.
        refused: what the verifier refuses: a program's bytes -> why.
        busy: how often a deactivation or unload is answered with EBUSY.
        tells_reason: the answer to a refused load names the reason itself.
        hides: the saved configuration does not hold the programs.
        asked: every request.
    """

    def __init__(self, path: Path, computes: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        super().__init__(path)
        self.computes = {"csd0_compute": dict(COMPUTE)} if computes is None else {**computes}
        self.slots: dict[tuple[str, int], dict[str, Any]] = {}
        self.refused: dict[bytes, str] = {}
        self.busy = 0
        self.verifying = 0
        self.tells_reason = False
        self.hides = False
        self.fails: str = ""
        self.reasons: dict[tuple[str, int], str] = {}
        self.asked: list[dict[str, Any]] = []

    def handle(self, connection: socket.socket) -> None:
        for values in self.requests(connection):
            for request in values:
                params = request.get("params", {})
                self.asked.append({"method": request["method"], "params": params})
                answer: dict[str, Any] = {"jsonrpc": "2.0", "id": request["id"]}
                try:
                    answer["result"] = self._answer(request["method"], params)
                except RefusedError as error:
                    answer["error"] = {"code": error.code, "message": str(error)}
                connection.sendall(json.dumps(answer).encode())

    @property
    def written(self) -> list[str]:
        """Writing requests in short: method, slot."""
        short = [f"{one['method'].split('_')[1]} {one['params'].get('pind')}" for one in self._writes()]
        self.asked.clear()
        return short

    def state(self) -> dict[int, tuple[str, bytes]]:
        """Slot -> state and program of the first compute namespace."""
        return {pind: (slot["state"], joined(slot["loads"])) for (_, pind), slot in self.slots.items()}

    def load(
        self, pind: int, content: bytes, *, state: str = "active", compute: str = "csd0_compute", **more: Any
    ) -> None:
        """A program is there."""
        params = {"name": compute, "pind": pind, "program": base64.b64encode(content).decode(), **more}
        self._load(params)
        self.slots[compute, pind]["state"] = state

    def _writes(self) -> Sequence[dict[str, Any]]:
        names = set(writes(self.asked))
        return [one for one in self.asked if one["method"] in names]

    def _answer(self, method: str, params: dict[str, Any]) -> Any:
        if method == self.fails:
            raise RefusedError(-errno.EIO, "the drive is on fire")
        match method:
            case "framework_get_subsystems":
                return [{"subsystem": "bdev"}, {"subsystem": "nvmf"}]
            case "framework_get_config":
                return self._config() if params["name"] == "bdev" else None
            case "nvmf_get_transports" | "bdev_get_bdevs" | "nvmf_get_subsystems":
                return []
            case "csd_get_programs":
                return self._programs()
            case "csd_load_program":
                return self._load(params)
            case "csd_activate_program":
                self._slot(params)["state"] = "active"
            case "csd_deactivate_program":
                self._wait()
                self._slot(params)["state"] = "loaded"
            case "csd_unload_program":
                self._unload(params)
            case _:
                raise RefusedError(-32601, "Method not found")
        return True

    def _config(self) -> list[dict[str, Any]]:
        calls: list[dict[str, Any]] = [
            {"method": "bdev_csd_compute_create", "params": {"name": name, **options}}
            for name, options in self.computes.items()
        ]
        for (name, pind), slot in self.slots.items():
            if not self.hides and slot["state"] in {"loaded", "active"}:
                calls += [{"method": "csd_load_program", "params": params} for params in slot["loads"]]
            if not self.hides and slot["state"] == "active":
                calls.append({"method": "csd_activate_program", "params": {"name": name, "pind": pind}})
        return calls

    def _programs(self) -> list[dict[str, Any]]:
        verifying, self.verifying = self.verifying > 0, self.verifying - 1
        answer = []
        for name, options in self.computes.items():
            found = [
                {**slot["told"], **RUNS, "pind": pind, "state": "verifying" if verifying else slot["state"]}
                for (compute, pind), slot in self.slots.items()
                if compute == name
            ]
            found += [
                {"pind": pind, "state": "empty", "reason": reason}
                for (compute, pind), reason in self.reasons.items()
                if compute == name and (compute, pind) not in self.slots
            ]
            answer.append({"name": name, **options, "programs": found})
        return answer

    def _load(self, params: dict[str, Any]) -> bool:
        place = params["name"], params["pind"]
        loads = [params]
        if params.get("offset"):
            loads = [*self.slots.pop(place)["loads"], params]
        content = joined(loads)
        if place in self.slots:
            raise RefusedError(-errno.EEXIST, "the slot is not empty")
        if len(content) < params.get("size", 0):
            self.slots[place] = {"state": "loading", "loads": loads, "told": {}}
            return True
        if content in self.refused:
            self.reasons[place] = self.refused[content]
            raise RefusedError(-errno.EINVAL, self.refused[content] if self.tells_reason else "Invalid Program Data")
        self.slots[place] = {
            "state": "loaded",
            "loads": loads,
            "told": {
                "bytes": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
                "pid": params.get("pid"),
                "program_type": params.get("program_type", 0xC0),
                "engine": "worker",
                "record_bytes": params.get("record_bytes", 64),
                "stride_bytes": params.get("stride_bytes", 64),
                "state_bytes": params.get("state_bytes", 64),
                "emit": params.get("emit", "record"),
            },
        }
        return True

    def _unload(self, params: dict[str, Any]) -> None:
        if self._slot(params)["state"] == "active":
            raise RefusedError(-errno.EPERM, "the program is active")
        self._wait()
        del self.slots[params["name"], params["pind"]]

    def _slot(self, params: dict[str, Any]) -> dict[str, Any]:
        place = params["name"], params["pind"]
        if place not in self.slots:
            raise RefusedError(-errno.ENOENT, "the slot is empty")
        return self.slots[place]

    def _wait(self) -> None:
        if self.busy > 0:
            self.busy -= 1
            raise RefusedError(-errno.EBUSY, "the program runs")
