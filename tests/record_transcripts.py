"""Records tests/unit/transcripts/ anew from a real target: python tests/record_transcripts.py

Needs root, hugepages, and HELLO_EBPF_NVMF_TGT or an installed lab.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from conftest import ROOT  # Before all others: it makes them importable.

# isort: split
import spdk_target
from ansible.module_utils.hello_ebpf.jsonrpc import Client

from live_target import LiveTarget
from module_run import run_module
from rpc_doubles import Exchange, RecordingProxy
from spdk_target_scenarios import SCENARIOS, Scenario

FOLDER = ROOT / "tests" / "unit" / "transcripts"


def record(scenario: Scenario, folder: Path) -> dict[str, list[Exchange]]:
    """The conversations of a check, a run and a second run of one scenario."""
    phases: dict[str, list[Exchange]] = {}
    with LiveTarget(folder) as target:
        with Client(str(target.socket)) as client:
            for method, params in scenario.before:
                client.call(method, params)
        for phase in ("check", "run", "again"):
            with RecordingProxy(folder / "proxy.sock", target.socket) as proxy:
                params = placed(scenario.params, folder)
                run_module(spdk_target.main, {**params, "socket": str(proxy.path)}, check=phase == "check")
            phases[phase] = proxy.exchanges
    return phases


def placed(value: Any, folder: Path) -> Any:
    """A declaration with the test's folder in place of @TMP@."""
    return json.loads(json.dumps(value).replace("@TMP@", str(folder)))


def dump(phases: dict[str, list[Exchange]], folder: Path) -> str:
    """One exchange a line, so that a new recording differs readably from the old one."""
    parts = []
    for phase, exchanges in phases.items():
        lines = ",\n".join(f"  {json.dumps(one, sort_keys=True)}" for one in exchanges)
        parts.append(f' "{phase}": [\n{lines}\n ]')
    return ("{\n" + ",\n".join(parts) + "\n}\n").replace(str(folder), "@TMP@")


def main() -> None:
    """Record every scenario, or those named."""
    FOLDER.mkdir(exist_ok=True)
    for scenario in SCENARIOS:
        if sys.argv[1:] and scenario.name not in sys.argv[1:]:
            continue
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "disk.img").write_bytes(bytes(1024 * 1024))
            (FOLDER / f"{scenario.name}.json").write_text(dump(record(scenario, folder), folder))
        print(scenario.name)


if __name__ == "__main__":
    main()
