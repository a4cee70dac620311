#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
# Makes several targets beside each other, with the target's name before each line: together.sh TARGET...
# For scenarios that leave each other room on two cores, and share nothing but the docker daemon.
set -uo pipefail
cd "$(dirname "$0")/.." || exit

pids=() failed=()
for target; do
	"${MAKE:-make}" --no-print-directory "$target" > >(sed -u "s/^/$target | /") 2>&1 &
	pids+=($!)
done
# make passes it on, and each scenario puts its machines away.
trap 'kill "${pids[@]}" 2>/dev/null' INT TERM

for target; do
	pid=${pids[0]}
	wait "$pid"
	code=$?
	# A signal ends `wait`, not what is waited for.
	while kill -0 "$pid" 2>/dev/null; do
		wait "$pid"
		code=$?
	done
	[ "$code" -eq 0 ] || failed+=("$target")
	pids=("${pids[@]:1}")
done
[ "${#failed[@]}" -eq 0 ] || { echo "FAILED: ${failed[*]}; see the lines that begin with that" >&2; exit 1; }
