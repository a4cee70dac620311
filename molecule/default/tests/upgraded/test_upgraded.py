"""Back to the release before packages, whose target is built from its commit, and forth again; on one machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab_machine import listeners
from lab_record import changed
from waiting import until

Host = Any  # testinfra.host.Host, which comes without types

NAME = "default-debian12"
testinfra_hosts = [f"ansible://{NAME}"]

ROOT = Path(__file__).resolve().parents[4]
BEFORE = ROOT / "build/release_before"
#: The last commit whose roles install without packages.
COMMIT = "2a7ebdefb4"
RECORD = ROOT / "build/default/upgraded.jsonl"

STAMP = "/opt/hello_ebpf/csd_target/.make_install.json"
PACKAGE = "hello-ebpf-target"
LOG = f"/var/log/hello_ebpf/{PACKAGE}-build.log"
DATA = "/var/lib/hello_ebpf/50 % 'of' it/data.img"


def play(tree: Path) -> None:
    """Run a release's own playbook of the target, with its own settings, on the one machine."""
    # Of molecule's settings only where docker's connection is; the others name this release's roles and modules.
    kept = {name: os.environ[name] for name in os.environ if name.startswith("ANSIBLE_COLLECTIONS")}
    own = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")} | kept
    own |= {"ANSIBLE_CONFIG": str(tree / "ansible.cfg"), "LAB_RUN_FILE": str(RECORD)}
    inventory = Path(os.environ["MOLECULE_INVENTORY_FILE"]).parent
    program = Path(sys.executable).parent / "ansible-playbook"
    done = subprocess.run(
        [program, "-i", inventory, "--limit", NAME, "playbooks/target.yml"],
        cwd=tree,
        env=own,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:]


def programs(host: Host) -> dict[int, str]:
    """Slot to state of each program, as a host sees them."""
    until("csd list sees the drive", lambda: host.run("csd list").rc == 0, found=lambda: host.run("csd list").stderr)
    [compute] = json.loads(host.check_output("csd list --json"))["compute"]
    return {program["pind"]: program["state"] for program in compute["programs"] if program["state"] != "empty"}


def installed(host: Host) -> bool:
    return str(host.run("dpkg-query -W -f '${db:Status-Status}' %s", PACKAGE).stdout) == "installed"


@pytest.fixture(scope="module")
def kept(host: Host) -> Iterator[dict[str, Any]]:
    """What is to outlive both ways: the bytes of a drive's file, and the declared programs."""
    size = host.file(DATA).size
    host.check_output("dd if=/dev/urandom of=%s bs=64k count=16 conv=notrunc status=none", DATA)
    yield {"data": host.check_output("sha256sum < %s", DATA), "programs": programs(host)}
    # A file with data outlives a teardown: the tests of that want it empty.
    for left in ("0", str(size)):
        host.check_output("truncate --size %s %s", left, DATA)


def test_back_to_the_release_before(host: Host, kept: dict[str, Any]) -> None:
    """Without its package the release before sets the target up, from its own sources: data and programs are kept."""
    BEFORE.mkdir(parents=True, exist_ok=True)
    archive = subprocess.run(["git", "-C", ROOT, "archive", COMMIT], stdout=subprocess.PIPE, check=True)
    subprocess.run(["tar", "-x", "-C", BEFORE], input=archive.stdout, check=True)
    assert installed(host)
    host.check_output("apt-get purge --yes --quiet %s", PACKAGE)
    play(BEFORE)
    assert host.file(STAMP).exists
    assert not installed(host)
    assert "127.0.0.1:4420" in listeners(host)
    assert programs(host) == kept["programs"]
    assert host.check_output("sha256sum < %s", DATA) == kept["data"]


def test_forth_to_this_release(host: Host, kept: dict[str, Any]) -> None:
    """The new release takes the place of the one before, with the package that is there: data and programs are kept."""
    built = host.file(LOG).mtime
    play(ROOT)
    assert host.file(LOG).mtime == built
    assert not host.file(STAMP).exists
    assert installed(host)
    assert host.check_output("dpkg --verify %s", PACKAGE) == ""
    assert "127.0.0.1:4420" in listeners(host)
    assert programs(host) == kept["programs"]
    assert host.check_output("sha256sum < %s", DATA) == kept["data"]


def test_a_second_run_changes_nothing_more(host: Host) -> None:
    """After the way back and forth the playbook finds everything as declared."""
    play(ROOT)
    assert changed(RECORD, str(host.backend.get_hostname())) == set()
