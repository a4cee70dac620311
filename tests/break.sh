#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
# Tests of the tests: variables of the roles are set wrongly, and the scenarios have to notice. By hand, or by
# make test-all.
#
#	tests/break.sh                      all cases of all scenarios
#	tests/break.sh default [CASE...]    those of one scenario (default, fleet, vm, fresh)
#	tests/break.sh --list
exec python3 "$(dirname "$0")/machines/broken.py" "$@"
