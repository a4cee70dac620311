#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
# csd_tgt with SPDK's own libraries, all of it under AddressSanitizer and UBSan: FOLDER/checked/csd_tgt.
#
#	tests/sanitized/build.sh FOLDER
#
# Needs what the roles spdk and csd_target install. Downloads, and DPDK where the plain build is there, are taken from there.
set -euo pipefail
folder=$(realpath -m "${1:?a folder for what is built}")
cd "$(dirname "$0")/../.."
mkdir -p "$folder"
export ANSIBLE_CONFIG=$PWD/ansible.cfg

.venv/bin/ansible-playbook -i inventory/local tests/sanitized/playbook.yml
spdk=$(readlink -f "${HELLO_EBPF_SPDK:-/opt/hello_ebpf/spdk}/sanitized")
# Objects know nothing of headers of another build of SPDK.
[ "$(cat "$folder/spdk" 2>/dev/null)" = "$spdk" ] || rm -rf "$folder/checked"
echo "$spdk" >"$folder/spdk"
make --no-print-directory -j"$(nproc)" -C src BUILD="$folder" SPDK="$spdk" csd_tgt_checked csd_workers csd_compile \
	>"$folder/make.log" 2>&1 || { tail -40 "$folder/make.log"; exit 1; }
# Where csd_tgt --workers finds them, as in an installed target: beside it.
cp "$folder"/worker/csd_worker "$folder"/worker/csd_spawner "$folder"/csd_compile "$folder/checked/"
