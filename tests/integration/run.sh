#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
# The lab's life on a machine that is there for nothing else: tests/fresh/run.py makes one, runs README's first command
# there, and calls this. HELLO_EBPF_BEGAN is a folder with what was seen before and during that.
set -euo pipefail
cd "$(dirname "$0")/../.."

began=${HELLO_EBPF_BEGAN:?is set by tests/fresh/run.py, which makes the machine that this needs}
mkdir -p build
. tests/integration/parts.sh

say() { printf '\n=== %s (%s)\n' "$1" "$(date -u +%H:%M:%SZ)"; }

tools

say "from the lab that README's first command brought up, back to the untouched host"
tested lifecycle -s tests/integration/test_lifecycle.py

say "runs that are cut off"
tested interrupts -s tests/integration/test_interrupts.py

say "parts against real targets of their own"
rm -rf "$drive"
before_drive=$SECONDS
sanitized_drive
say "the sanitized drive took $((SECONDS - before_drive)) s"
devices
room_for_targets
parts=(tests/integration --ignore=tests/integration/verify --ignore=tests/integration/test_interrupts.py
	--ignore=tests/integration/test_lifecycle.py)
# It fetches 400 MB, of a suite of Debian that changes from day to day.
[ -n "${HELLO_EBPF_ALL:-}" ] || parts+=(--ignore=tests/integration/test_spdk_archives_live.py)
tested live "${parts[@]}"

say "the untouched host again"
make --no-print-directory teardown
python3 tests/integration/machine.py | diff "$began/untouched.json" -
