#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
# Live tests by name, in a container like that of test-fresh; tests/fresh/live.py calls it there:
#
#	tests/integration/live.sh NAME
#
# The first time it brings the lab and the sanitized drive up; again only after build/live.ready was taken away.
set -euo pipefail
cd "$(dirname "$0")/../.."
name=${1:?a word of what pytest calls the tests}
mkdir -p build
. tests/integration/parts.sh

ready=build/live.ready
tools
if [ ! -e "$ready" ]; then
	# What it measures is the least that it can.
	make --no-print-directory lab "ARGS=$(PYTHONPATH=tests/integration .venv/bin/python -c 'import lab; print(lab.LEAST)')"
fi
devices
sanitized_drive
if [ ! -e "$ready" ]; then
	room_for_targets
	touch "$ready"
fi
tested live -k "$name" tests/integration/test_*_live.py
