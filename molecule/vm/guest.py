#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""One guest on QEMU, known by the folder that it lives in: overlay disk, process, serial log.

guest.py create FOLDER IMAGE   boots a guest over the disk in IMAGE, waits for its ssh, prints how to reach it (JSON)
guest.py wait FOLDER BOOT_ID   waits until it has booted again after BOOT_ID
guest.py destroy FOLDER        ends the guest of this folder, and only that, and removes the folder

With KVM where a probe shows that it boots the guest's kernel, else emulated (TCG). Its processor is a named model of
the level x86-64-v2, with either: what is built on another one has to run on it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from machines.console import MachineError, must
from waiting import within

QEMU = "qemu-system-x86_64"
#: Of 2008, without AVX: the level x86-64-v2 and nothing beyond.
CPU = "Nehalem"
CORES = 2
MEMORY_MEGABYTES = 3584
DISK = "16G"
#: What an emulated guest may take on a machine that is busy with other things too.
BOOT_SECONDS = 420
PROBE_SECONDS = 15
#: The kernel's last words before it hands over to the initramfs.
BOOTED = b"Run /init as init process"
TERMINATE_SECONDS = 10
#: What it waits for a CPU of this machine counts to the guest as CPU time, and a compiler in it has 10 s of that.
NICENESS = -5


class Guest:
    """The guest of a folder.

    Attributes:
        overlay: its disk; the name in the process' command line by which the process is known.
        pidfile, serial, key, hosts: files of the folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.overlay = self.folder / "overlay.qcow2"
        self.pidfile = self.folder / "qemu.pid"
        self.serial = self.folder / "serial.log"
        self.state = self.folder / "guest.json"

    # ---- processes

    def processes(self) -> list[int]:
        """Every QEMU that runs on this folder's disk, whatever the pidfile says."""
        disk = f"file={self.overlay},".encode()
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                words = path.read_bytes().split(b"\0")
                if words[0].endswith(b"qemu-system-x86_64") and any(word.startswith(disk) for word in words):
                    found.append(int(path.parent.name))
        return found

    def is_up(self) -> bool:
        try:
            return int(self.pidfile.read_text()) in self.processes()
        except (OSError, ValueError):
            return False

    # ---- create

    def create(self, image: Path) -> dict[str, object]:
        """Boot a new guest over the image's disk; what an earlier run left in the folder is removed."""
        self.destroy()
        for name in ("disk.ext4", "vmlinuz", "initrd.img", "id_vm"):
            if not (image / name).is_file():
                raise MachineError(
                    f"a guest from {image}", f"no {name} there", "give a folder that images.py disk made"
                )
        self.folder.mkdir(parents=True)
        acceleration = "kvm" if kvm_boots(image, self.folder) else "tcg,thread=multi"
        backing = ["-b", str(image / "disk.ext4"), "-F", "raw"]
        must("an overlay disk", ["qemu-img", "create", "-q", "-f", "qcow2", *backing, self.overlay, DISK])
        port = free_port()
        must(
            "a QEMU process",
            [
                *machine(acceleration, image),
                # An emulated CPU that waits for a real one looks stuck to the kernel: after 120 s here, not after 20.
                *("-append", "root=/dev/vda rw console=ttyS0 mitigations=off watchdog_thresh=60"),
                *("-drive", f"file={self.overlay},if=virtio,format=qcow2,cache=unsafe,discard=unmap"),
                *("-nic", f"user,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:{port}-:22"),
                *("-device", "virtio-rng-pci", "-serial", f"file:{self.serial}"),
                *("-pidfile", str(self.pidfile), "-daemonize"),
            ],
        )
        go_first(int(self.pidfile.read_text()))
        begun = time.monotonic()
        told: dict[str, object] = {
            "address": "127.0.0.1",
            "port": port,
            "identity_file": str(image / "id_vm"),
            "acceleration": acceleration,
            "cpu": CPU,
        }
        self.state.write_text(json.dumps(told))
        self._wait(lambda: answers(port), "its ssh answers", begun)
        self._wait(lambda: self.boot_id() is not None, "root can log in", begun)
        return {**told, "boot_seconds": round(time.monotonic() - begun)}

    # ---- wait

    def wait(self, boot_id: str) -> int:
        """Wait until the guest runs under another boot id; the seconds that it took."""
        begun = time.monotonic()
        self._wait(lambda: self.boot_id() not in (None, boot_id), "it has booted again", begun)
        return round(time.monotonic() - begun)

    def boot_id(self) -> str | None:
        told = json.loads(self.state.read_text())
        words = ["ssh", "-F", "none", "-i", told["identity_file"], "-p", str(told["port"]), "-o", "BatchMode=yes"]
        words += ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
        words += ["-o", "ConnectTimeout=10", "root@127.0.0.1", "cat", "/proc/sys/kernel/random/boot_id"]
        try:
            done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
        except subprocess.TimeoutExpired:
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    def _wait(self, reached: Callable[[], bool], what: str, begun: float) -> None:
        def over() -> bool:
            if reached():
                return True
            if not self.is_up():
                raise MachineError(f"the guest boots and {what}", f"QEMU has ended:\n{self.last_words()}", "mend it")
            return False

        if not within(begun + BOOT_SECONDS - time.monotonic(), over, every=1):
            raise MachineError(
                f"the guest boots and {what} within {BOOT_SECONDS} s",
                f"not so; the end of {self.serial}:\n{self.last_words()}",
                "see what the log says; on a busy machine, run again when it is not",
            )

    def last_words(self) -> str:
        """The end of the serial log."""
        try:
            return "\n".join(self.serial.read_text(errors="replace").splitlines()[-40:])
        except OSError:
            return "(no serial log)"

    # ---- destroy

    def destroy(self) -> bool:
        """End the guest, remove the folder. False: there was neither."""
        found = self.processes()
        for pid in found:
            self._terminate(pid)
        if self.folder.exists():
            shutil.rmtree(self.folder)
            return True
        return bool(found)

    def _terminate(self, pid: int) -> None:
        """SIGTERM, and SIGKILL where it does not help; only while the process is still the one that was meant."""
        for sent in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                if pid in self.processes():
                    os.kill(pid, sent)
            if within(TERMINATE_SECONDS, lambda: pid not in self.processes()):
                return
        raise MachineError(
            f"process {pid}, our QEMU, ends", "it is still there after SIGKILL", "see why: it hangs in the kernel"
        )


def machine(acceleration: str, image: Path) -> list[str]:
    """QEMU's words that probe and guest share."""
    return [
        *(QEMU, "-machine", "q35,sata=off", "-accel", acceleration, "-cpu", CPU, "-smp", str(CORES)),
        *("-m", str(MEMORY_MEGABYTES), "-display", "none", "-nodefaults"),
        *("-kernel", str(image / "vmlinuz"), "-initrd", str(image / "initrd.img")),
    ]


def go_first(pid: int) -> None:
    """Before what else this machine does: a process's threads, and its session where the kernel weighs sessions."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.setpriority(os.PRIO_PROCESS, int(thread.name), NICENESS)
    session = Path(f"/proc/{pid}/autogroup")
    if session.exists():
        session.write_text(str(NICENESS))


def kvm_boots(image: Path, folder: Path) -> bool:
    """Whether the guest's kernel boots under KVM. /dev/kvm may be there and a guest still hang."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    serial = folder / "probe.log"
    serial.unlink(missing_ok=True)
    words = [*machine("kvm", image), "-append", "console=ttyS0 panic=-1", "-no-reboot", "-serial", f"file:{serial}"]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as probe:

        def booted() -> bool:
            return serial.exists() and BOOTED in serial.read_bytes()

        try:
            within(PROBE_SECONDS, lambda: booted() or probe.poll() is not None)
            return booted()
        finally:
            probe.kill()


def free_port() -> int:
    """A port of the loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    """Whether an ssh server shows its banner; QEMU itself takes the connection long before."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb, words in (("create", ["image"]), ("wait", ["boot_id"]), ("destroy", [])):
        of_verb = verbs.add_parser(verb)
        of_verb.add_argument("folder", type=Path)
        for word in words:
            of_verb.add_argument(word, type=Path if word == "image" else str)
    asked = parser.parse_args()
    guest = Guest(asked.folder)
    try:
        if asked.verb == "create":
            print(json.dumps(guest.create(asked.image)))
        elif asked.verb == "wait":
            print(guest.wait(asked.boot_id))
        else:
            print("removed" if guest.destroy() else "nothing there")
    except MachineError as failure:
        print(failure, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
