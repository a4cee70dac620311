"""How the pages come back after a reboot: a script that adds the lab's pages to those of others, run by systemd.

Why not sysctl.d or tmpfiles.d: both set the whole pool to one number. That number would have to hold what everybody
else reserves at boot (kernel command line, sysctl.d, units, per node or not), and takes pages away from whomever it
does not know, at boot and again at every ``sysctl --system``. Adding needs to know nobody.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from .files import LEADS_TO
from .hugepages_pool import Pool, evenly
from .hugepages_state import Share

UNIT_NAME = "hello_ebpf-hugepages.service"
SCRIPT = "/etc/hello_ebpf/hugepages-at-boot"
UNIT = f"/etc/systemd/system/{UNIT_NAME}"
LINK = f"/etc/systemd/system/sysinit.target.wants/{UNIT_NAME}"
BOOT_FILES = (SCRIPT, UNIT, LINK)
RECORD = "/var/lib/hello_ebpf/hugepages.json"
# The script's word on what it found and added in which boot.
NOTE = "/run/hello_ebpf-hugepages"

# What tells our script and unit from those of somebody else.
HEADER = "# Written by the role hugepages of hello_eBPF"

_SCRIPT = f"""\
#!/bin/sh
{HEADER}; hugepages_state: absent takes it back.
# Adds the lab's hugepages to those that others reserved earlier in this boot. Without systemd, have your init run it.
set -eu

# Units of type oneshot may be started again: not twice in one boot, and not after the role did it.
boot=$(cat /proc/sys/kernel/random/boot_id)
if grep -qsF "$boot" {NOTE} {RECORD}; then
	exit 0
fi
echo "$boot" >{NOTE}

missing=0
add() {{ # directory of the pool, pages
	found=$(cat "$1/nr_hugepages")
	echo "$1 $found $2" >>{NOTE}
	echo $((found + $2)) >"$1/nr_hugepages"
	granted=$(($(cat "$1/nr_hugepages") - found))
	if [ "$granted" -lt "$2" ]; then
		echo "asked for $2 more pages in $1, the kernel granted $granted: run the role hugepages again" >&2
		missing=1
	fi
}}

"""

UNIT_TEXT = f"""\
{HEADER}; hugepages_state: absent takes it back.
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


def files(pages: Mapping[str, int]) -> dict[str, str]:
    """The files that add so many pages at boot, by the kernel's folder of the pool."""
    calls = (f"add {folder} {number}\n" for folder, number in pages.items() if number)
    return {SCRIPT: f"{_SCRIPT}{''.join(calls)}exit $missing\n", UNIT: UNIT_TEXT, LINK: f"{LEADS_TO}{UNIT}"}


def foreign(boot: Mapping[str, str]) -> dict[str, str]:
    """The files in the place of ours that are somebody else's; a link goes with its unit."""
    theirs = {name for name in (SCRIPT, UNIT) if name in boot and HEADER not in boot[name]}
    return {name: text for name, text in boot.items() if name in theirs or (name == LINK and UNIT in theirs)}


def shares_in(text: str, pools: Mapping[int, Pool]) -> dict[int, Share]:
    """The lab's shares by page size, as the script or its note tells them; only the note knows what was found."""
    shares: dict[int, Share] = {}
    line = r"^(?:add )?/\S*?(?:/node(\d+))?/hugepages/hugepages-(\d+)kB(?: (\d+))? (\d+)$"
    for node, size, found, pages in re.findall(line, text, re.MULTILINE):
        if int(size) in pools:
            nodes = [int(node)] if node else pools[int(size)].nodes
            so_far = shares.get(int(size), Share({}))
            found_by_node = {**so_far.found, **evenly(int(found or 0), nodes)}
            shares[int(size)] = Share(found_by_node, {**so_far.added, **evenly(int(pages), nodes)})
    return shares
