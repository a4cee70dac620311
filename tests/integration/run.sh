#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
# The lab's life on a machine that is there for nothing else: tests/fresh/run.py makes one, runs README's first command
# there, and calls this. HELLO_EBPF_BEGAN is a folder with what was seen before and during that.
set -euo pipefail
cd "$(dirname "$0")/../.."

began=${HELLO_EBPF_BEGAN:?is set by tests/fresh/run.py, which makes the machine that this needs}
pytest=(.venv/bin/python -m pytest -v --durations=5)
mkdir -p build
export ANSIBLE_CONFIG=$PWD/ansible.cfg
# Beside the guest the two cores are shared: what a target says at last is no fault.
export HELLO_EBPF_WIRE_TIMEOUT=120

say() { printf '\n=== %s (%s)\n' "$1" "$(date -u +%H:%M:%SZ)"; }

# What the tests look with, and no role installs.
apt-get install -qq -y --no-install-recommends iproute2 >/dev/null
make --no-print-directory .venv/.test

say "from the lab that README's first command brought up, back to the untouched host"
"${pytest[@]}" -s tests/integration/test_lifecycle.py

say "runs that are cut off"
"${pytest[@]}" -s tests/integration/test_interrupts.py

say "parts against real targets of their own"
# The drive under AddressSanitizer and UBSan, SPDK in it included. What measures takes the installed nvmf_tgt.
drive=$PWD/build/drive
rm -rf "$drive"
before_drive=$SECONDS
tests/sanitized/build.sh "$drive"
say "the sanitized drive took $((SECONDS - before_drive)) s"
export HELLO_EBPF_CSD_TGT=$drive/checked/csd_tgt
# For tests that add a few pages to this kernel's pool, and take them back; a container has sysfs read-only. And for
# those that want a block device: a container has no nodes of loop devices.
mount -o remount,rw /sys
[ -e /dev/loop-control ] || mknod /dev/loop-control c 10 237
for number in {0..31}; do
	[ -e "/dev/loop$number" ] || mknod "/dev/loop$number" b 7 "$number"
done
# Pages for the tests' targets, and the lab's own target out of the way of theirs: it would keep a whole core busy.
.venv/bin/ansible-playbook -i inventory/local playbooks/target.yml \
	-e hugepages_megabytes=2560 -e csd_target_state=absent
parts=(tests/integration --ignore=tests/integration/verify --ignore=tests/integration/test_interrupts.py
	--ignore=tests/integration/test_lifecycle.py)
# It fetches 400 MB, of a suite of Debian that changes from day to day.
[ -n "${HELLO_EBPF_ALL:-}" ] || parts+=(--ignore=tests/integration/test_spdk_archives_live.py)
"${pytest[@]}" "${parts[@]}"

say "the untouched host again"
make --no-print-directory teardown
python3 tests/integration/machine.py | diff "$began/untouched.json" -
