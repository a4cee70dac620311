"""How the pages come back after a reboot: a script that adds the lab's pages to those of others, run by systemd.

Why not sysctl.d or tmpfiles.d: both set the whole pool to one number. That number would have to hold what everybody
else reserves at boot (kernel command line, sysctl.d, units, per node or not), and takes pages away from whomever it
does not know, at boot and again at every ``sysctl --system``. Adding needs to know nobody.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .hugepages_state import BootLine

UNIT_NAME = "hello_ebpf-hugepages.service"
SCRIPT = "/etc/hello_ebpf/hugepages-at-boot"
UNIT = f"/etc/systemd/system/{UNIT_NAME}"
LINK = f"/etc/systemd/system/sysinit.target.wants/{UNIT_NAME}"
RECORD = "/var/lib/hello_ebpf/hugepages.json"
# The script's word on what it found and added in which boot.
NOTE = "/run/hello_ebpf-hugepages"
FSTAB = "/etc/fstab"
# The first field of our line in fstab; hugetlbfs has no device that could stand there.
FSTAB_SOURCE = "hello_ebpf_hugepages"

# What tells our script and unit from those of somebody else.
HEADER = "# Written by the role hugepages of hello_eBPF"

_SCRIPT = """\
#!/bin/sh
# Written by the role hugepages of hello_eBPF; hugepages_state: absent takes it back.
# Adds the lab's hugepages to those that others reserved earlier in this boot. Without systemd, have your init run it.
set -eu

# Units of type oneshot may be started again: not twice in one boot, and not after the role did it.
boot=$(cat /proc/sys/kernel/random/boot_id)
if grep -qsF "$boot" {note} {record}; then
	exit 0
fi
echo "$boot" >{note}

missing=0
add() { # directory of the pool, pages
	found=$(cat "$1/nr_hugepages")
	echo "$1 $found $2" >>{note}
	echo $((found + $2)) >"$1/nr_hugepages"
	granted=$(($(cat "$1/nr_hugepages") - found))
	if [ "$granted" -lt "$2" ]; then
		echo "asked for $2 more pages in $1, the kernel granted $granted: run the role hugepages again" >&2
		missing=1
	fi
}

{lines}
exit $missing
"""

_UNIT = f"""\
# Written by the role hugepages of hello_eBPF; hugepages_state: absent takes it back.
[Unit]
Description=Hugepages of hello_eBPF, on top of those of others
DefaultDependencies=no
# What others set at boot comes first, and the record is readable.
After=systemd-sysctl.service systemd-tmpfiles-setup.service local-fs.target
Before=sysinit.target shutdown.target
Conflicts=shutdown.target
# A container's pool is its host's.
ConditionVirtualization=!container

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={SCRIPT}

[Install]
WantedBy=sysinit.target
"""


def unit() -> str:
    """The systemd unit that runs the script once a boot, before services start."""
    return _UNIT


def script(lines: Sequence[BootLine]) -> str:
    """The script that adds these pages."""
    calls = "\n".join(f"add {directory(line.kilobytes, line.node)} {line.pages}" for line in lines)
    text = _SCRIPT
    for name, value in (("{note}", NOTE), ("{record}", RECORD), ("{lines}", calls)):
        text = text.replace(name, value)
    return text


def foreign(text: str) -> bool:
    """Whether a file in the place of our script or unit is somebody else's."""
    return bool(text) and HEADER not in text


def script_lines(text: str) -> list[BootLine]:
    """What a script adds, read back from it."""
    return [
        BootLine(*_scope(where), int(pages)) for where, pages in re.findall(r"^add (/\S+) (\d+)$", text, re.MULTILINE)
    ]


def note_lines(text: str, boot_id: str) -> list[BootLine] | None:
    """What the script did in this boot, from the note that it left; None when it did not run."""
    if not boot_id or boot_id not in text:
        return None
    return [
        BootLine(*_scope(where), int(pages), int(found))
        for where, found, pages in re.findall(r"^(/\S+) (\d+) (\d+)$", text, re.MULTILINE)
    ]


def directory(kilobytes: int, node: int | None) -> str:
    """Where the kernel shows a pool; of all nodes together when ``node`` is None."""
    base = "/sys/kernel/mm" if node is None else f"/sys/devices/system/node/node{node}"
    return f"{base}/hugepages/hugepages-{kilobytes}kB"


def _scope(where: str) -> tuple[int, int | None]:
    size = re.search(r"hugepages-(\d+)kB", where)
    node = re.search(r"/node(\d+)/", where)
    return (int(size[1]) if size else 0, int(node[1]) if node else None)
