#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
# All C tests, under AddressSanitizer and UBSan.
set -euo pipefail
cd "$(dirname "$0")/.."

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

# Each target's words stay together.
make --no-print-directory -C src -j"$(nproc)" --output-sync=target check
