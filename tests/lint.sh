#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
# Every linter over the whole tree; the first complaint ends it.
#
#	tests/lint.sh               all of them
#	tests/lint.sh CHECK...      those that are named
#	tests/lint.sh --list        their names; .pre-commit-config.yaml has a hook for each
set -euo pipefail
cd "$(dirname "$0")/.."
PATH="$PWD/.venv/bin:$PATH"
export ANSIBLE_CONFIG=$PWD/ansible.cfg
checks=(ansible-config ruff ruff-format mypy yamllint shellcheck syntax ansible-lint)

check() {
	case $1 in
	ansible-config) ansible-config validate ;;
	ruff) ruff check . ;;
	ruff-format) ruff format --check . ;;
	mypy)
		mypy library/*.py scripts/*.py
		mypy module_utils/hello_ebpf plugins tests
		mypy src/python/csd src/python/tests
		MYPYPATH=molecule/fleet/tests mypy molecule
		;;
	yamllint) yamllint --strict . ;;
	shellcheck) git ls-files '*.sh' '*.bash' .ci/run | xargs shellcheck ;;
	syntax) ansible-playbook --syntax-check site.yml playbooks/*.yml ;;
	ansible-lint) ansible-lint ;;
	*)
		echo "Asked: the check $1. Found: there is none of that name. Do: name one of ${checks[*]}." >&2
		exit 1
		;;
	esac
}

if [ "${1:-}" = --list ]; then
	printf '%s\n' "${checks[@]}"
	exit
fi
[ $# -gt 0 ] || set -- "${checks[@]}"
for name; do
	echo "=== $name"
	check "$name"
done
