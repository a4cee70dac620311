#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
# Runs a bpftool that works. Ubuntu's command wants the tools of the very kernel that runs, and any version's will do.
for tool in bpftool /usr/lib/linux-tools/*/bpftool; do
	if "$tool" version >/dev/null 2>&1; then
		exec "$tool" "$@"
	fi
done
echo "error: no bpftool works here: neither the one on PATH nor /usr/lib/linux-tools/*/bpftool" >&2
exit 1
