"""The role nvme_tcp with what is no longer declared: named, or with nvme_tcp_purge taken down, and always at removal.

Its modules are stand-ins that write down what they were asked: what they do is tested where they are.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT

NQN = "nqn.2026-11.io.hello-ebpf:csd"
HOST = "nqn.2026-11.io.hello-ebpf:host0"
LEFT: dict[str, list[Any]] = {
    "connections": [{"subsystem_nqn": f"{NQN}1", "address": "192.0.2.1", "service_id": "4421", "host_nqn": HOST}],
    "mounts": ["/mnt/old"],
}
STAND_IN = """\
#!/usr/bin/python
import json
from ansible.module_utils.basic import AnsibleModule

words = ["state", "mount", "subsystem_nqn", "address", "service_id", "host_nqn", "connections", "mounts"]
spec = {{word: {{"type": "raw"}} for word in [*words, "unmounted_before"]}}
module = AnsibleModule(spec, supports_check_mode=True)
asked = {{name: value for name, value in module.params.items() if value is not None}}
with open({log!r}, "a") as log:
    log.write(json.dumps(["{name}", asked]) + "\\n")
module.exit_json(changed=False, devices=[], **{answer!r})
"""


def ran(folder: Path, tasks_from: str, **variables: Any) -> tuple[list[tuple[str, dict[str, Any]]], str]:
    """Run one task file of the role; what its modules were asked, and what ansible-playbook printed."""
    log = folder / "asked"
    (folder / "library").mkdir()
    for name in ("nvme_tcp_left", "nvme_tcp_filesystem", "nvme_tcp_connection"):
        answer = LEFT if name == "nvme_tcp_left" else {}
        (folder / f"library/{name}.py").write_text(STAND_IN.format(log=str(log), name=name, answer=answer))
    include = {"ansible.builtin.include_role": {"name": "nvme_tcp", "tasks_from": tasks_from}}
    (folder / "play.yml").write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": [include]}]))
    declared = [{"subsystem_nqn": f"{NQN}0", "address": "127.0.0.1", "host_nqn": HOST}]
    words = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", str(folder / "play.yml")]
    words += ["-e", json.dumps({"nvme_tcp_connections": declared, "ansible_become": False, **variables})]
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
        "LAB_RUN_FILE": str(folder / "run.jsonl"),
        "ANSIBLE_ROLES_PATH": str(ROOT / "roles"),
        "ANSIBLE_LIBRARY": str(folder / "library"),
        "COLUMNS": "1000",
    }
    words += ["-c", "local", "-e", f"ansible_python_interpreter={sys.executable}"]
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return [tuple(json.loads(line)) for line in log.read_text().splitlines()], done.stdout


def test_what_is_no_longer_declared_is_named(tmp_path: Path) -> None:
    """Case A11: without purge it is named as left over, and nothing is taken down."""
    asked, said = ran(tmp_path, "left")
    assert [name for name, _ in asked] == ["nvme_tcp_left"]
    assert asked[0][1]["connections"] == [{"subsystem_nqn": f"{NQN}0", "address": "127.0.0.1", "host_nqn": HOST}]
    assert (
        f"Left over, made by this role and no longer declared: /mnt/old, {NQN}1. To have them taken down: "
        "nvme_tcp_purge: true." in said
    )


@pytest.mark.parametrize("purge", [True, "yes"])
def test_with_purge_it_is_taken_down(tmp_path: Path, purge: object) -> None:
    asked, said = ran(tmp_path, "left", nvme_tcp_purge=purge)
    [_, mount, connection] = asked
    assert mount == ("nvme_tcp_filesystem", {"state": "absent", "mount": "/mnt/old"})
    expected = {"state": "absent", **LEFT["connections"][0], "unmounted_before": ["/mnt/old"]}
    assert connection == ("nvme_tcp_connection", expected)
    assert "Left over" not in said


def test_the_removal_finds_it_without_being_told(tmp_path: Path) -> None:
    asked, _ = ran(tmp_path, "absent")
    taken = [(name, one.get("mount") or one["subsystem_nqn"]) for name, one in asked if one.get("state") == "absent"]
    assert taken == [
        ("nvme_tcp_filesystem", "/mnt/old"),
        ("nvme_tcp_connection", f"{NQN}0"),
        ("nvme_tcp_connection", f"{NQN}1"),
    ]
