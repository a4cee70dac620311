#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
"""Images that no registry has: made from the machine's own package sources, cached by the digest of their definition.

images.py container 12|13     prints a docker image's name: systemd as PID 1, python3, what Ansible needs
images.py fresh 12|13         prints a docker image's name: a minimal Debian with python3, make, git, certificates
images.py disk 12|13          prints a folder: disk.ext4, vmlinuz, initrd.img and id_vm (root's ssh key)
images.py all 12|13           makes every image that a test run takes, with a guest of this release; installs engines
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import fcntl
import hashlib
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from machines import apt, engines
from machines.console import ROOT, MachineError, must, output, say, step

HERE = Path(__file__).resolve().parent
SYSTEMD = ["systemd-sysv", "dbus", "udev", "python3", "ca-certificates", "iproute2", "procps", "kmod", "netbase"]
GUEST = [
    *SYSTEMD,
    "linux-image-amd64",
    "initramfs-tools",
    "openssh-server",
    "e2fsprogs",
    "util-linux",
    "mount",
    "less",
]
FRESH = ["python3", "make", "git", "ca-certificates"]
#: What the tests install besides the roles' packages: independent tools, and what these need.
TESTS_INSTALL: dict[str, list[str]] = {
    "container": [],
    "fresh": ["chromium"],
    "disk": ["nvme-cli", "fio", "daemon", "tcpdump", "curl"],
}
HOOKS = {"container": ["container.sh"], "fresh": ["container.sh", "warm.sh"], "disk": ["disk.sh", "warm.sh"]}
#: What mmdebstrap does not clean away. A fresh machine has no package lists yet.
KEPT: dict[str, list[str]] = {"container": [], "fresh": ["cleanup/apt/cache"], "disk": ["cleanup/apt"]}
DISK_SIZE = 8 << 30
#: Debian 13's systemd starts on a host with the old cgroup hierarchy only when told so; on others it changes nothing.
LEGACY_CGROUPS = {"13": ["ENV SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1"]}


@dataclass(frozen=True)
class Definition:
    """All that decides what is in an image."""

    kind: str
    release: str
    packages: list[str]
    warm: list[str]
    hooks: list[str]
    sources: str
    settings: list[str]
    size: int = 0
    changes: list[str] = dataclasses.field(default_factory=list)

    @property
    def name(self) -> str:
        """The image's name, without its digest."""
        return {"container": "debian", "fresh": "fresh", "disk": "disk"}[self.kind] + self.release

    @property
    def repository(self) -> str:
        """Its name in docker, without its tag."""
        return f"hello_ebpf/{self.name}"

    @property
    def docker_name(self) -> str:
        """Its name in docker."""
        return f"{self.repository}:{self.digest}"

    @property
    def digest(self) -> str:
        """The digest by which the image is kept."""
        whole = json.dumps(dataclasses.asdict(self), sort_keys=True)
        return hashlib.sha256(whole.encode()).hexdigest()[:12]


def role_packages(roles: Path = ROOT / "roles") -> list[str]:
    """The packages that the roles install, as their variables list them.

    Only names are looked for, below any key that says ``packages``; Jinja stays out. That is enough for a cache: a
    package that is not found here is fetched when a role installs it.
    """
    found: set[str] = set()
    for path in sorted([*roles.glob("*/vars/*.yml"), *roles.glob("*/defaults/main.yml")]):
        inside = False
        for line in path.read_text().splitlines():
            if re.match(r"\w", line):
                inside = bool(re.match(r"\w*packages\w*:", line))
            if not inside or line.lstrip().startswith("#") or "{{" in line or "}}" in line or "+ (" in line:
                continue
            listed = re.search(r"\[([^]]*)\]", line)
            words = listed[1].split(",") if listed else re.findall(r"^\s+- (.*)$", line)
            for word in words:
                package = word.split(" #")[0].strip().strip("\"'")
                if re.fullmatch(r"[a-z0-9][a-z0-9+.|-]+", package):
                    found.add(package)
    return sorted(found)


def define(kind: str, release: str) -> Definition:
    """What the image of this kind is made of, on this machine."""
    packages = {"container": SYSTEMD, "fresh": FRESH, "disk": GUEST}[kind]
    disk = kind == "disk"
    command = "/lib/systemd/systemd" if kind == "container" else "/bin/bash"
    changes = [f'CMD ["{command}"]', "ENV container=docker LANG=C.UTF-8", *LEGACY_CGROUPS.get(release, [])]
    return Definition(
        kind=kind,
        release=release,
        packages=sorted(packages),
        # A fresh machine shows that the roles fetch what they install.
        warm=sorted({*(role_packages() if disk else ()), *TESTS_INSTALL[kind]}),
        hooks=[(HERE / name).read_text() for name in HOOKS[kind]],
        sources=apt.machine_sources(release),
        # Descriptions in other languages are half of what a refresh fetches.
        settings=apt.machine_settings() + ([] if kind == "fresh" else ['Acquire::Languages "none";']),
        size=DISK_SIZE if disk else 0,
        changes=[] if disk else changes,
    )


def cache() -> Path:
    """The folder of all images."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "hello_ebpf/images"


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Only one run at a time; the kernel frees the lock of a run that was killed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another run that makes {path.stem.lstrip('.')}")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def mark(definition: Definition) -> str:
    """A word in the environment of what makes an image."""
    return f"HELLO_EBPF_MAKING={cache() / definition.name}"


def in_use(folder: Path) -> bool:
    """Whether a process has a file of the folder open: a guest that runs on an older disk."""
    for handle in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if handle.readlink().is_relative_to(folder):
                return True
    return False


def bootstrap(definition: Definition, folder: Path, target: Path, env: dict[str, str]) -> None:
    """Unpack and set up the image's packages: into a folder, or into a tar archive where the name ends so."""
    sources = folder / "image.sources"
    sources.write_text(definition.sources)
    hooks = []
    for number, text in enumerate(definition.hooks):
        hook = folder / f"hook{number}.sh"
        hook.write_text(text)
        hook.chmod(0o755)
        hooks.append(hook)
    must(
        f"Debian {definition.release} from this machine's package sources",
        [
            # As root it mounts /proc, /sys and parts of /dev in the image's root. In a namespace of its own they end
            # with it, and whoever removes the folder of a run that was cut off cannot reach through them.
            *("unshare", "--mount", "--propagation", "private"),
            *("mmdebstrap", "--mode=root", "--variant=minbase", f"--include={','.join(definition.packages)}"),
            *(f"--aptopt={line.rstrip(';')}" for line in definition.settings),
            *(f"--skip={name}" for name in KEPT[definition.kind]),
            *(f"--customize-hook={hook}" for hook in hooks),
            *(apt.SUITES[definition.release], target, sources),
        ],
        env={
            **env,
            "WARM": " ".join(definition.warm),
            "TMPDIR": str(folder),
            "LC_ALL": "C.UTF-8",
            **dict([mark(definition).split("=", 1)]),
        },
        fix="see that the machine's apt works (apt-get update) and that its mirror has this release",
    )


def make_disk(definition: Definition, folder: Path) -> None:
    """A guest's disk: one ext4 file system, sparse, with kernel and initramfs beside it."""
    key = folder / "id_vm"
    must("an ssh key", ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "hello_ebpf guest", "-f", key])
    root = folder / "root"
    bootstrap(definition, folder, root, {"KEY": f"{key}.pub"})
    for name in ("vmlinuz", "initrd.img"):
        (root / "boot/guest" / name).rename(folder / name)
    disk = folder / "disk.ext4"
    with disk.open("wb") as handle:
        handle.truncate(definition.size)
    must("an ext4 file system", ["mkfs.ext4", "-q", "-F", "-L", "guest", "-d", root, disk])
    engines.remove_folder(root)


def ensure(definition: Definition) -> Path:
    """The folder of an image, made when it is not there: whole or not at all."""
    folder = cache() / f"{definition.name}-{definition.digest}"
    if folder.is_dir():
        return folder
    if os.geteuid():
        raise MachineError(f"an image of Debian {definition.release}", "this is not root", "run it as root")
    tools = {
        "mmdebstrap": "mmdebstrap",
        "apt-get": "apt",
        "unshare": "util-linux",
        apt.KEYRING: "debian-archive-keyring",
    }
    if definition.kind == "disk":
        tools |= {"ssh-keygen": "openssh-client", "mkfs.ext4": "e2fsprogs"}
    with locked(cache() / f".{definition.name}.lock"):
        if folder.is_dir():
            return folder
        apt.need(tools)
        # Of a run that was killed, mmdebstrap may still be at work.
        engines.end_marked(mark(definition))
        for left in cache().glob(f".{definition.name}.making-*"):
            engines.remove_folder(left)
        making = Path(tempfile.mkdtemp(prefix=f".{definition.name}.making-", dir=cache()))
        making.chmod(0o755)
        try:
            with step(f"making the image {definition.name}-{definition.digest} (about 1 to 4 minutes, once)"):
                if definition.kind == "disk":
                    make_disk(definition, making)
                else:
                    bootstrap(definition, making, making / "image.tar", {})
                (making / "definition.json").write_text(json.dumps(dataclasses.asdict(definition), indent=1) + "\n")
            making.rename(folder)
        except BaseException:
            with engines.uninterrupted():
                engines.end_marked(mark(definition))
                engines.remove_folder(making)
            raise
        for old in cache().glob(f"{definition.name}-????????????"):
            if old != folder and not in_use(old):
                say(f"removing {old.name}: its definition has changed")
                engines.remove_folder(old)
    return folder


def imported(definition: Definition) -> str:
    """The name of a docker image, in the daemon that answers."""
    repository, name = definition.repository, definition.docker_name
    if output(["docker", "image", "inspect", name]) is None:
        archive = ensure(definition) / "image.tar"
        with step(f"importing {name} into docker"):
            changes = [word for change in definition.changes for word in ("--change", change)]
            must(f"the image {name} in docker", ["docker", "import", *changes, archive, name])
    listed = output(["docker", "image", "ls", "--format", "{{.Tag}}", repository]) or ""
    for tag in listed.split():
        if re.fullmatch(r"[0-9a-f]{12}", tag) and tag != definition.digest:
            # One that a container still uses stays: docker refuses, and the next run tries again.
            output(["docker", "image", "rm", f"{repository}:{tag}"])
    return name


def docker_name(kind: str, release: str) -> str:
    """The name that an image has, or would have, in docker."""
    return define(kind, release).docker_name


def image(kind: str, release: str) -> str:
    """What the command prints: a docker image's name, or a disk's folder."""
    definition = define(kind, release)
    return str(ensure(definition)) if kind == "disk" else imported(definition)


def prepare(release: str) -> None:
    """All that is slow in a machine's first run; needs no docker daemon."""
    engines.install_docker()
    engines.qemu()
    for definition in (define(kind, number) for kind in ("container", "fresh") for number in apt.SUITES):
        ensure(definition)
    ensure(define("disk", release))


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=["container", "fresh", "disk", "all"])
    parser.add_argument("release", choices=sorted(apt.SUITES))
    asked = parser.parse_args()
    engines.end_like_interrupts()
    try:
        if asked.kind == "all":
            prepare(asked.release)
        else:
            print(image(asked.kind, asked.release))
    except MachineError as failure:
        print(failure, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; nothing is left of the image", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
