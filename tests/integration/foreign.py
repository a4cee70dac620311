"""What others have on a machine where the lab runs: beside, inside and in the place of what is ours."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
from pathlib import Path

from machine import TRACES

TEXT = "years of somebody's work\n"
#: The lab's own folders; in each that there is, and in each in it, something foreign is put.
FOLDERS = [Path(path) for path in TRACES if path.endswith("/hello_ebpf")]
NAME = "theirs"
BESIDE = [
    Path("/opt/theirs.txt"),
    Path("/usr/local/bin/theirs"),
    Path("/etc/hello_ebpf/csd.json"),
    Path("/etc/hello_ebpf/csd_target.json.theirs"),
    Path("/etc/modules-load.d/hello_ebpf-theirs.conf"),
    Path("/etc/modules-load.d/hello_ebpf-nvme_tcp.conf"),
    Path("/etc/systemd/system/hello_ebpf-nvme-theirs-01234567.service"),
    Path("/etc/systemd/system/csd_target.service"),
    Path("/etc/systemd/system/hello_ebpf-hugepages.service"),
    Path("/dev/shm/theirs"),
    Path("/dev/shm/csd_tgt_trace.4421"),
    Path("/var/log/hello_ebpf.log"),
]
#: In the place of a link and of a file that the lab made.
INSTEAD = [Path("/usr/local/bin/csd"), Path("/opt/hello_ebpf/csd_host.json")]
SOCKETS = [Path("/var/tmp/spdk.sock"), Path("/run/hello_ebpf/theirs.sock")]
MOUNT = Path("/var/lib/hello_ebpf/theirs-mounted")
FSTAB = Path("/etc/fstab")
FSTAB_LINE = "/dev/theirs /mnt/theirs ext4 noauto 0 0"  # without a newline at its end


class Foreign:
    """All of it: ``put`` there once, ``seen`` as often as wanted, ``take`` away at the end."""

    def __init__(self) -> None:
        self._files: list[Path] = []
        self._folders: list[Path] = []
        self._servers: list[socket.socket] = []
        self._fstab = ""

    def put(self) -> None:
        """Into every folder of the lab, and around it."""
        there = [Path(place) for top in FOLDERS for place, _, _ in os.walk(top)]
        for path in [*(folder / f"{NAME}.txt" for folder in there), *BESIDE]:
            self._write(path)
        for path in INSTEAD:
            path.unlink()
            self._write(path)
        for path in SOCKETS:
            server = socket.socket(socket.AF_UNIX)
            server.bind(str(path))
            server.listen()
            self._servers.append(server)
        MOUNT.mkdir(parents=True)
        subprocess.run(["mount", "-t", "tmpfs", NAME, str(MOUNT)], check=True)
        (MOUNT / "inside").write_text(TEXT)
        self._fstab = FSTAB.read_text()
        with FSTAB.open("a") as file:
            file.write(FSTAB_LINE)

    def _write(self, path: Path) -> None:
        self._folders += [folder for folder in path.parents if not folder.exists()]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(TEXT)
        path.chmod(0o604)
        self._files.append(path)

    def seen(self) -> dict[str, object]:
        """Each as it is now: content, mode, owner and inode number of a file, whether a server answers."""
        found: dict[str, object] = {str(path): _look(path) for path in self._files}
        for path in SOCKETS:
            with contextlib.closing(socket.socket(socket.AF_UNIX)) as client:
                client.connect(str(path))
            found[str(path)] = _look(path)
        found[str(MOUNT)] = (MOUNT.is_mount(), _look(MOUNT / "inside"))
        found[str(FSTAB)] = FSTAB.read_text().endswith(FSTAB_LINE)
        said = subprocess.run(["dpkg-query", "--show"], capture_output=True, text=True, check=True).stdout
        # The lab's own come and go.
        found["packages"] = [line for line in said.splitlines() if not line.startswith("hello-ebpf-")]
        return found

    def paths(self) -> set[str]:
        """Where it lies."""
        return {*map(str, self._files), *map(str, SOCKETS), str(MOUNT / "inside")}

    def take(self) -> None:
        """Everything is as it was without it."""
        for server in self._servers:
            server.close()
        if MOUNT.is_mount():
            subprocess.run(["umount", str(MOUNT)], check=True)
        for path in [*self._files, *SOCKETS]:
            path.unlink(missing_ok=True)
        for folder in FOLDERS:
            shutil.rmtree(folder, ignore_errors=True)
        for folder in self._folders:
            with contextlib.suppress(OSError):
                folder.rmdir()
        FSTAB.write_text(self._fstab)


def left_in_our_folders() -> set[str]:
    """Every file in the lab's own folders."""
    return {
        str(Path(place) / name)
        for top in FOLDERS
        for place, folders, files in os.walk(top)
        for name in (*files, *(name for name in folders if (Path(place) / name).is_symlink()))
    }


def _look(path: Path) -> tuple[object, ...]:
    status = path.lstat()
    content = path.read_text() if path.is_file() else ""
    return content, oct(status.st_mode), status.st_uid, status.st_gid, status.st_ino
