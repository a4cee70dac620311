#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
# Unit tests of modules, module_utils, plugins and the package csd, two at a time.
#
#	tests/unit.sh               all of them, with coverage
#	tests/unit.sh quick         without those that start other programs for long; says which
#	tests/unit.sh playbooks     prints the files that run ansible-playbook; tests/ansible_core.sh runs them with other versions
set -euo pipefail
cd "$(dirname "$0")/.."
# Each of these tests starts pytest, ansible-playbook or a compiler.
long=(tests/unit/test_{assertions,blows,csd_bench,csd_program_build,questions_engine}.py)

# Not those about molecule (test_machines.py), and about the tests themselves (test_blows.py).
playbooks() {
	grep --files-with-matches '"ansible-playbook"' tests/unit/test_*.py |
		grep --invert-match --extended-regexp "test_(machines|blows)"
}

tests=(.venv/bin/pytest -n 2 --timeout=300 --junitxml=build/junit/unit.xml tests/unit src/python/tests)
case ${1:-} in
'') exec "${tests[@]}" --cov --cov-report=xml:build/coverage/unit.xml ;;
playbooks) playbooks ;;
quick)
	mapfile -t left_out < <(playbooks)
	left_out+=("${long[@]}")
	names=("${left_out[@]##*/test_}")
	echo "left out, make unit runs them: ${names[*]%.py}"
	exec "${tests[@]}" --quiet "${left_out[@]/#/--ignore=}"
	;;
*)
	echo "Asked: the unit tests $1. Found: there are none of that name. Do: say quick or playbooks, or nothing for all." >&2
	exit 1
	;;
esac
