"""A machine as it stands, read by find, ss, ps and the like; what two such looks differ in; and what a run recorded.

The scenarios keep a look at each machine, and the record of each run, in `build/<scenario>/`, where a later stage's
tests find it.
"""

from __future__ import annotations

import json
import os
import posixpath
import re
from pathlib import Path
from typing import Any

Host = Any  # testinfra.host.Host, which comes without types
Look = dict[str, dict[str, str]]

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / "build" / os.environ.get("MOLECULE_SCENARIO_NAME", "default")

# What moves on a machine that nobody touches, and the folder in which Ansible itself works.
MOVES = re.compile(
    r"/(dev|proc|run|sys)/"
    r"|/var/(log|lib/wtmpdb|lib/lastlog)/(lastlog2?|[wb]tmp)(\.db)?$"
    r"|/var/(log/journal|lib/systemd|tmp/systemd-private-[^/]*|cache/ldconfig)(/|$)"
    r"|/tmp/systemd-private-"
    r"|/root/\.ansible(/|$)"
    r"|/etc/(hosts|hostname|resolv\.conf|mtab)$"
)
# What installing and using Debian packages leaves: they stay by design.
OF_PACKAGES = re.compile(
    r"/var/(lib/(apt|dpkg|ucf|pam|polkit-1|python|dbus|private)|cache/(apt|debconf|man|fontconfig|ldconfig))(/|$)"
    r"|/var/log/(apt|dpkg\.log|alternatives\.log|fontconfig\.log)"
    r"|/etc/(alternatives/|ld\.so\.cache$|ssl/certs/|ca-certificates\.conf|passwd-?$|group-?$|g?shadow-?$|sub[ug]id-?$)"
    r"|/etc/apt/sources\.list"
    r"|.*/__pycache__(/|$)"
)

# What counts by itself, and the hugepage pool: a container's is the host's.
COUNTERS = re.compile(
    r"fs\.(dentry|inode|file-nr|quota|aio-nr)|kernel\.(random|ns_last_pid|pty\.nr)|vm\.(stat|nr_hugepages)"
)
# The kernel mounts tracefs here by itself as soon as anybody looks.
AUTOMOUNT = "/sys/kernel/debug/tracing"

FILES = r"find / -xdev -printf '%p\t%y %m %U:%G %s %T@ %l\n'"
# Every file that a package brought which is not the lab's own.
OWNED = "cat $(ls /var/lib/dpkg/info/*.list | grep -v /hello-ebpf-)"


def look(host: Host) -> Look:
    """Files, mounts, listeners, processes, units and kernel settings."""
    files = {}
    for line in host.check_output(FILES).splitlines():
        path, _, what = line.partition("\t")
        if not MOVES.match(path + ("/" if what.startswith("d") else "")):
            # A folder's time and size follow from what is in it.
            files[path] = " ".join(what.split()[:3]) if what.startswith("d") else what
    mounts = (line.split() for line in host.file("/proc/mounts").content_string.splitlines())
    return {
        "files": files,
        "mounts": {mount[1]: f"{mount[0]} {mount[2]}" for mount in mounts if mount[1] != AUTOMOUNT},
        "listeners": dict.fromkeys(listeners(host), ""),
        "processes": dict.fromkeys(lab_processes(host), ""),
        "units": {
            line.split()[0]: " ".join(line.split()[1:])
            for line in host.check_output("systemctl list-unit-files --no-legend --no-pager").splitlines()
        },
        "settings": settings(host),
        "shared memory": dict.fromkeys(host.check_output("ls -A /dev/shm").splitlines(), ""),
    }


def listeners(host: Host) -> list[str]:
    """Addresses at which something accepts TCP connections."""
    return sorted({line.split()[3] for line in host.check_output("ss -Hlnt").splitlines()})


def lab_processes(host: Host) -> list[str]:
    """Commands of processes that only the lab starts; SPDK names its threads after their cores."""
    shown = host.check_output("ps -eo comm=").split("\n")
    return sorted(name for name in shown if name.startswith(("reactor_", "csd_", "nvmf_tgt", "nvme_tcp_trace")))


def settings(host: Host) -> dict[str, str]:
    """Kernel settings."""
    lines = (line.partition(" = ") for line in host.run("sysctl -a 2>/dev/null").stdout.splitlines())
    return {name: value for name, _, value in lines if not COUNTERS.match(name)}


def packaged(host: Host) -> set[str]:
    """Paths that belong to a Debian package of others, with the folders above them."""
    paths = set(host.check_output("sh -c %s", OWNED).splitlines())
    # /lib is a link to /usr/lib: a package may say either.
    return paths | {f"/usr{path}" for path in paths if path.startswith(("/lib", "/bin", "/sbin"))}


# What enables a unit.
ENABLES = re.compile(r"/etc/systemd/system/[^/]+\.(wants|requires|upholds)/")


def of_packages(path: str, files: dict[str, str], owned: set[str]) -> bool:
    """Whether a file that no package lists is one that packages leave by design, or enables a unit of theirs.

    Args:
        path: the file.
        files: of a look: what it is.
        owned: what `packaged` says.
    """
    if ENABLES.match(path):
        unit = posixpath.normpath(posixpath.join(posixpath.dirname(path), files[path].split()[-1]))
        return bool({unit, f"/usr{unit}"} & owned)
    return bool(OF_PACKAGES.match(path))


def differences(before: Look, after: Look) -> list[str]:
    """One line for each thing that is new, gone or otherwise than before."""
    found = []
    for kind, was in before.items():
        now = after[kind]
        for name in sorted(was.keys() | now.keys()):
            if was.get(name) != now.get(name):
                found.append(f"{kind}: {name}: {was.get(name, 'absent')} -> {now.get(name, 'absent')}")
    return found


def boot(host: Host) -> str:
    """Which boot of the machine this is."""
    return str(host.file("/proc/sys/kernel/random/boot_id").content_string).strip()


def keep(host: Host, name: str, seen: Look) -> None:
    """Keep a look for a later stage."""
    path = KEPT / name / f"{host.backend.get_hostname()}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(seen, indent=1, sort_keys=True))


def kept(host: Host, name: str) -> Look:
    """What an earlier stage has kept; its absence is an error, for nothing would be compared then."""
    found: Look = json.loads((KEPT / name / f"{host.backend.get_hostname()}.json").read_text())
    return found
