#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
# The lab on this very machine: cut off and taken up again, its parts held against real targets, and its whole life
# from the untouched host and back to it. Everything that was set up is taken down again, also after a failure.
set -euo pipefail
cd "$(dirname "$0")/../.."

pytest=(.venv/bin/python -m pytest -v --durations=5)
finished=false
mkdir -p build
leave() { "$finished" || make --no-print-directory teardown; }
trap leave EXIT

say() { printf '\n=== %s (%s)\n' "$1" "$(date -u +%H:%M:%SZ)"; }

say "runs that are cut off"
"${pytest[@]}" -s tests/integration/test_interrupts.py

say "parts against real targets of their own"
# The drive as it is installed, and once more under AddressSanitizer and UBSan.
drive=$PWD/build/drive
rm -rf "$drive"
make --no-print-directory -j2 -C roles/csd_target/files BUILD="$drive" csd_tgt csd_tgt_checked install \
	PREFIX=/csd_target DESTDIR="$drive/installed" >"$drive.log" 2>&1 || { tail -40 "$drive.log"; exit 1; }
export HELLO_EBPF_CSD_TGT=$drive/installed/csd_target/bin/csd_tgt HELLO_EBPF_CSD_TGT_CHECKED=$drive/checked/csd_tgt
# Pages for the tests' targets, and the lab's own target out of the way of theirs: it would keep a whole core busy.
.venv/bin/ansible-playbook -i inventory/local playbooks/target.yml \
	-e hugepages_megabytes=2560 -e csd_target_state=absent
"${pytest[@]}" tests/integration --ignore=tests/integration/verify \
	--ignore=tests/integration/test_interrupts.py --ignore=tests/integration/test_lifecycle.py

say "from the untouched host and back"
"${pytest[@]}" -s tests/integration/test_lifecycle.py
finished=true
