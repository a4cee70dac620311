#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
# Makes several targets beside each other, with the target's name before each line: together.sh TARGET...
# For scenarios that leave each other room on two cores, and share nothing but the docker daemon.
set -uo pipefail
cd "$(dirname "$0")/.." || exit

pids=() waited=() failed=()
for target; do
	"${MAKE:-make}" --no-print-directory "$target" > >(sed -u "s/^/$target | /") 2>&1 &
	pids+=($!)
done
# make passes it on, and each scenario puts its machines away.
interrupted=
trap 'interrupted=yes; kill "${pids[@]}" 2>/dev/null' INT TERM

for target; do
	wait "${pids[${#waited[@]}]}" || failed+=("$target")
	waited+=("$target")
	# A signal ends `wait`, not what is waited for.
	[ -z "$interrupted" ] || { wait; exit 130; }
done
[ "${#failed[@]}" -eq 0 ] || { echo "FAILED: ${failed[*]}; see the lines that begin with that" >&2; exit 1; }
