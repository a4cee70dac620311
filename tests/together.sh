#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
# Makes several targets beside each other, with the target's name before each line: together.sh TARGET...
# For what leaves each other room on two cores, and shares nothing but the docker daemon. The time of each target is
# told, and kept in build/stages.txt. No target may take longer than HELLO_EBPF_STAGE_SECONDS. The end of what a failed one
# said is repeated last, where it is found.
set -uo pipefail
cd "$(dirname "$0")/.." || exit

ceiling=${HELLO_EBPF_STAGE_SECONDS:-3600}
mkdir -p build/said

stage() {
	local begun=$SECONDS code=0
	# In a process group of its own; SIGINT first, so that a scenario puts its machines away.
	timeout --signal=INT --kill-after=120 "$ceiling" "${MAKE:-make}" --no-print-directory "$1" || code=$?
	[ "$code" -ne 124 ] || echo "$1 hung: it was not done after $ceiling s; its last lines say what it was doing" >&2
	printf '%6d s  %s%s\n' $((SECONDS - begun)) "$1" "$([ "$code" -eq 0 ] || echo " (failed: $code)")" |
		tee -a build/stages.txt
	return "$code"
}

pids=() waited=() failed=()
for target; do
	stage "$target" > >(tee "build/said/$target.txt" | sed -u "s/^/$target | /") 2>&1 &
	pids+=($!)
done
# timeout passes it on to make, and each scenario puts its machines away.
interrupted=
stop() {
	interrupted=yes
	local pid
	for pid in "${pids[@]}"; do pkill -TERM -P "$pid"; done 2>/dev/null
}
trap stop INT TERM

for target; do
	wait "${pids[${#waited[@]}]}" || failed+=("$target")
	waited+=("$target")
	# A signal ends `wait`, not what is waited for.
	[ -z "$interrupted" ] || { wait; exit 130; }
done
# What the stages said is whole now.
wait
[ "${#failed[@]}" -eq 0 ] || {
	for target in "${failed[@]}"; do
		echo "The end of $target:"
		tail -n 60 "build/said/$target.txt"
	done
	echo "FAILED: ${failed[*]}; see the lines that begin with that"
	exit 1
} >&2
