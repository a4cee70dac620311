#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
# Takes librte_bpf and its two headers out of Debian's libdpdk-dev into a folder; installs nothing, needs no root.
set -eu
folder=${1:?usage: fetch_rte_bpf.sh FOLDER}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$work" && apt-get download libdpdk-dev)
dpkg-deb -x "$work"/libdpdk-dev_*.deb "$work/files"
mkdir -p "$folder/lib" "$folder/include"
cp "$work/files/usr/include/dpdk/rte_bpf.h" "$work/files/usr/include/dpdk/bpf_def.h" "$folder/include/"
# The archive last: its presence means that all is there.
cp "$work"/files/usr/lib/*/librte_bpf.a "$folder/lib/"
