"""The guest of scenario vm: known by its folder, ended with an identity check; KVM only where it boots."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import loaded
from machines.console import MachineError
from waiting import until

vm = loaded("molecule/vm/guest.py")


@pytest.fixture
def pretenders() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes that say they are QEMU; gone afterwards."""
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in started:
        process.kill()
        process.wait()


def pretend(disk: Path) -> subprocess.Popen[bytes]:
    words = [vm.QEMU, "-c", "import time; time.sleep(60)", "-drive", f"file={disk},if=virtio"]
    process = subprocess.Popen(words, executable=sys.executable)
    # Until the new program is in place, the command line is the old one.
    command_line = Path(f"/proc/{process.pid}/cmdline")
    until("the new program is in place", lambda: vm.QEMU.encode() in command_line.read_bytes())
    # Nobody waits for QEMU's own process, which is a daemon.
    threading.Thread(target=process.wait, daemon=True).start()
    return process


def test_only_the_guest_of_the_folder_is_ended(tmp_path: Path, pretenders: list[subprocess.Popen[bytes]]) -> None:
    """Also where its pidfile was lost, and where a pidfile names somebody else's process."""
    ours, theirs = vm.Guest(tmp_path / "ours"), vm.Guest(tmp_path / "theirs")
    for guest in (ours, theirs):
        guest.folder.mkdir()
        pretenders.append(pretend(guest.overlay))
    ours.pidfile.write_text(str(os.getpid()))
    assert not ours.is_up()
    assert ours.processes() == [pretenders[0].pid]
    assert ours.destroy()
    assert not ours.folder.exists()
    assert ours.processes() == []
    assert theirs.processes() == [pretenders[1].pid]
    assert not ours.destroy()


def test_a_folder_that_is_no_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MachineError) as refused:
        vm.Guest(tmp_path / "guest").create(tmp_path)
    assert str(refused.value) == (
        f"Asked: a guest from {tmp_path}. Found: no disk.ext4 there. Do: give a folder that images.py disk made."
    )


@pytest.mark.parametrize(("banner", "answer"), [(b"SSH-2.0-OpenSSH_9.2\r\n", True), (b"", False), (b"220 mail", False)])
def test_an_ssh_server_shows_its_banner(banner: bytes, answer: bool) -> None:
    """QEMU takes the connection long before there is a server in the guest."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(banner)

        thread = threading.Thread(target=serve)
        thread.start()
        assert vm.answers(server.getsockname()[1]) is answer
        thread.join()
    assert vm.answers(vm.free_port()) is False


@pytest.mark.parametrize(
    ("allowed", "script", "boots"),
    [
        (False, "exit 1", False),
        (True, "exit 1", False),
        (True, "exec sleep 600", False),
        (True, 'echo "[ 1.5] Run /init as init process" > {serial}; exec sleep 600', True),
    ],
    ids=["no KVM", "QEMU refuses", "it hangs", "it boots"],
)
def test_kvm_is_used_where_it_boots(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, allowed: bool, script: str, boots: bool
) -> None:
    """A probe that hangs is ended after its time, which this test's ceiling is less than."""
    qemu = tmp_path / "qemu"
    qemu.write_text(f"#!/bin/sh\n{script.format(serial=tmp_path / 'probe.log')}\n")
    qemu.chmod(0o755)
    monkeypatch.setattr(vm, "QEMU", str(qemu))
    monkeypatch.setattr(vm, "PROBE_SECONDS", 60 if boots else 0.1)
    monkeypatch.setattr(os, "access", lambda *_: allowed)
    assert vm.kvm_boots(tmp_path, tmp_path) is boots


def test_the_processor_is_a_named_one_with_kvm_too(tmp_path: Path) -> None:
    """What was compiled elsewhere has to run on it."""
    for acceleration in ("kvm", "tcg,thread=multi"):
        words = vm.machine(acceleration, tmp_path)
        assert words[words.index("-cpu") + 1] == "Nehalem"
        assert words[words.index("-accel") + 1] == acceleration


def test_the_guest_goes_before_the_rest_of_the_machine() -> None:
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as process:
        vm.go_first(process.pid)
        try:
            assert os.getpriority(os.PRIO_PROCESS, process.pid) == vm.NICENESS < 0
            session = Path(f"/proc/{process.pid}/autogroup")
            assert not session.exists() or session.read_text().endswith(f" nice {vm.NICENESS}\n")
        finally:
            process.kill()
