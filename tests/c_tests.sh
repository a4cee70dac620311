#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
# All C tests, under AddressSanitizer and UBSan.
#
#	tests/c_tests.sh            all of them
#	tests/c_tests.sh changed    nothing where all passed here before and nothing has changed since; says so
set -euo pipefail
cd "$(dirname "$0")/.."
passed=build/passed/c-tests

packages=(gcc libc6-dev make pkg-config libaio-dev libssl-dev clang llvm)
if ! dpkg-query --show "${packages[@]}" >/dev/null 2>&1; then
	echo "installing ${packages[*]}"
	# One at a time with tests/machines/apt.py: apt's lists have a lock that it does not wait for.
	mkdir -p /run/hello_ebpf_tests
	(
		flock --timeout 600 9 || { echo "another run of the tests installs packages for 600 s already" >&2; exit 1; }
		apt-get update -qq
		DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends -o DPkg::Lock::Timeout=300 \
			"${packages[@]}" >/dev/null
	) 9>/run/hello_ebpf_tests/apt.turn
fi

# What decides how they end: the sources, what builds them, this kernel, the user, and what they are asked. Make's variables
# come from the environment or, behind `--`, in MAKEFLAGS.
inputs() {
	find src -name build -prune -o -path src/python -prune -o -type f -print0 | sort -z | xargs -0 sha256sum tests/c_tests.sh
	dpkg-query --show "${packages[@]}" libc6
	uname -rm
	id -u
	env | grep -E '^(CC|CFLAGS|CLANG|TRANSLATED_MARCH|[A-Z_]*PROGRAMS|[A-Z_]*SEED|[A-Z_]*MUTANTS|COMPILER_KILLS|KILL_ROUNDS)=' || true
	case ${MAKEFLAGS:-} in *'-- '*) echo "${MAKEFLAGS#*-- }" ;; esac
}

digest=$(inputs | sha256sum | cut -c1-16)
case ${1:-} in
'') ;;
changed)
	if [ "$(cut -d' ' -f1 "$passed" 2>/dev/null)" = "$digest" ] && [ "${HELLO_EBPF_FUZZ_SEED:-}" != random ]; then
		echo "not run: all C tests passed at $(cut -d' ' -f2 "$passed"), and neither src/ nor compilers have changed; make c-tests runs them"
		exit
	fi
	;;
*)
	echo "Asked: the C tests $1. Found: there are none of that name. Do: say changed, or nothing for all." >&2
	exit 1
	;;
esac

# Each target's words stay together.
make --no-print-directory -C src -j"$(nproc)" --output-sync=target check
mkdir -p "${passed%/*}"
# Of what was tested: a file may have been changed meanwhile.
echo "$digest $(date +%Y-%m-%dT%H:%M)" >"$passed"
