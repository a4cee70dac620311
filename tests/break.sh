#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
# Tests of the tests: each case sets variables of the roles wrongly, and the scenario has to fail, at the step and with the
# words of whoever ought to notice. By hand or at night; each case takes as long as its scenario takes to get there.
#
#	tests/break.sh                      all cases of all scenarios
#	tests/break.sh default [CASE...]    those of one scenario (default, fleet, vm, fresh)
#	tests/break.sh --list
set -euo pipefail
cd "$(dirname "$0")/.."

# scenario | case | step that has to fail | what it has to say (extended regular expression) | variables (YAML)
#
# misspelt and cores are refused before anything is changed. The others converge, and change nothing a second time: only
# the verification can notice.
cases() {
	local scenario
	for scenario in default fleet vm fresh; do
		local first=check verify="verify ../../tests/integration/verify"
		[ "$scenario" != fresh ] || first="README's first command" verify="the integration tests"
		cat <<-CASES
			$scenario|misspelt|$first|no such variable.*did you mean csd_target_program|{csd_target_programz: []}
		CASES
		# A fleet and the guest have other drives: theirs are below.
		case $scenario in fleet | vm) continue ;; esac
		cat <<-CASES
			$scenario|serial|$verify|FAILED [^ ]*::test_the_subsystem_has_the_declared_identity|$(another_serial)
			$scenario|slot5|$verify|FAILED [^ ]*::test_three_namespaces_and_six_active_programs|$(without_slot_5)
		CASES
	done
	cat <<-CASES
		fleet|hosts|verify|FAILED [^ ]*::test_a_host_that_is_not_on_a_subsystems_list_is_refused|$(all_to_all)
		fleet|programs|verify|FAILED [^ ]*::test_a_host_sees_the_programs_that_the_targets_group_declares|$(one_program)
		vm|serial|verify tests/works|FAILED [^ ]*::test_the_subsystem_has_the_declared_identity|{vm_serial: HELLOEBPF9999999}
		vm|slot5|verify tests/works|FAILED [^ ]*::test_three_namespaces_and_six_active_programs|$(guest_without_slot_5)
		vm|pages|verify tests/works|FAILED [^ ]*::test_pool_holds_the_labs_pages|{hugepages_megabytes: 1600}
		fresh|cores|README's first command|Asked: [^.]*core|{csd_target_core_mask: "0xf00000"}
	CASES
}

another_serial() {
	local nsid=0 name
	printf '{csd_target_subsystems: [{nqn: "nqn.2026-11.io.hello-ebpf:csd0", serial: HELLOEBPF9999999, '
	printf 'model: hello_eBPF CSD, max_namespaces: 16, hosts: ["nqn.2026-11.io.hello-ebpf:host0"], '
	printf 'listeners: [{address: 127.0.0.1, service_id: "4420"}], namespaces: ['
	for name in csd0_data csd0_memory csd0_compute; do
		nsid=$((nsid + 1))
		printf '{nsid: %d, bdev: %s, uuid: 6c1f2d7e-5a0b-4c6e-9a57-0e8bff0e000%d}, ' "$nsid" "$name" "$nsid"
	done
	printf ']}]}\n'
}

all_to_all() {
	local nodes="[fleet-node1, fleet-node2, fleet-node3]"
	printf '{connects: {fleet-host1: %s, fleet-host2: %s}}\n' "$nodes" "$nodes"
}

one_program() {
	printf '{csd_target_programs: [{compute: csd0_compute, slot: 0, source: threshold.bpf.c}], '
	printf 'measured_programs: {threshold: 0}}\n'
}

without_slot_5() {
	local slot=0 name
	printf '{csd_target_programs: ['
	for name in threshold search aggregate histogram sample; do
		printf '{compute: csd0_compute, slot: %d, source: %s.bpf.c}, ' "$slot" "$name"
		slot=$((slot + 1))
	done
	printf '], csd_bench_programs: {threshold: 0, search: 1, aggregate: 2, histogram: 3, sample: 4}}\n'
}

guest_without_slot_5() {
	printf '{csd_target_programs: "{{ vm_programs[:5] }}", '
	printf 'csd_bench_programs: {threshold: 0, search: 1, aggregate: 2, histogram: 3, sample: 4}}\n'
}

run() { # SCENARIO
	case $1 in
	fresh) python3 tests/fresh/run.py ;;
	*) python3 tests/machines/scenario.py "$1" ;;
	esac
}

if [ "${1:-}" = --list ]; then
	cases | while IFS='|' read -r scenario name step words variables; do
		printf '%-8s %-9s fails at "%s" with "%s"\n' "$scenario" "$name" "$step" "$words"
	done
	exit
fi
asked=${1:-}
[ $# -eq 0 ] || shift
mkdir -p build/break
tried=0 unnoticed=0
while IFS='|' read -r scenario name step words variables <&3; do
	[ -z "$asked" ] || [ "$scenario" = "$asked" ] || continue
	[ $# -eq 0 ] || [[ " $* " == *" $name "* ]] || continue
	tried=$((tried + 1))
	file=$PWD/build/break/$scenario-$name
	printf '%s\n' "$variables" >"$file.yml"
	printf '%s, %s broken: ' "$scenario" "$name"
	began=$SECONDS
	if HELLO_EBPF_BREAK=$file.yml run "$scenario" >"$file.log" 2>&1 </dev/null; then
		verdict="NOT NOTICED: the scenario passed"
	elif ! grep -q "FAILED at $step" "$file.log"; then
		verdict="failed, but not at \"$step\": $(grep 'FAILED' "$file.log" | tail -1)"
	elif ! grep -qE "$words" <(tr '\n' ' ' <"$file.log" | tr -s ' '); then
		verdict="failed at \"$step\", but not with \"$words\""
	else
		printf 'noticed at "%s" after %d s\n' "$step" $((SECONDS - began))
		continue
	fi
	printf '%s; see %s.log\n' "$verdict" "build/break/$scenario-$name"
	unnoticed=$((unnoticed + 1))
done 3< <(cases)

printf '%d passed, %d failed\n' $((tried - unnoticed)) "$unnoticed"
[ "$tried" -gt 0 ] || { echo "there is no such case: tests/break.sh --list" >&2; exit 2; }
[ "$unnoticed" -eq 0 ]
