#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
# The downloads and the compilation under `make lab`, as somebody who knows them would type them: what the whole run is
# compared with. Prints the seconds of each step; packages that are installed already cost nothing, here as there.
#
# usage: bare_steps.sh [FOLDER]    (an empty folder; a temporary one that is removed again by default)
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
work=${1:-$(mktemp -d)}
# _apt fetches into it.
chmod 755 "$work"
[ $# -gt 0 ] || trap 'rm -rf "$work"' EXIT
cd "$work"

total=0
step() { # NAME COMMAND...
	local name=$1 begin took
	shift
	begin=$(date +%s%3N)
	"$@" >"$work/step.log" 2>&1 || {
		tail -n 20 "$work/step.log" >&2
		echo "failed: $name" >&2
		exit 1
	}
	took=$(($(date +%s%3N) - begin))
	total=$((total + took))
	line "$took" "$name"
}
line() { printf '%6d.%d s  %s\n' $(($1 / 1000)) $(($1 % 1000 / 100)) "$2"; }

packages() {
	apt-get update
	DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends clang llvm bpftool libbpf-dev libelf-dev \
		zlib1g-dev gcc g++ libc6-dev make meson ninja-build pkg-config procps libaio-dev libssl-dev uuid-dev \
		libnuma-dev libncurses-dev python3-venv xz-utils
}

environment() {
	python3 -m venv venv
	venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r "$root/requirements.txt"
}

source_archive() {
	local mirror options
	# shellcheck disable=SC2016 # apt's variables, not the shell's
	mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m 1 -E '/debian/?$')
	mkdir -p lists/partial cache/archives/partial
	echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" >trixie.list
	options=(-oDir::Etc::SourceList="$work/trixie.list" -oDir::Etc::SourceParts=/dev/null
		-oDir::State::Lists="$work/lists" -oDir::Cache="$work/cache")
	apt-get "${options[@]}" update
	apt-get "${options[@]}" source --download-only --tar-only ceph
}

unpack() { tar -xJf ceph_*.orig.tar.xz --wildcards --strip-components=2 '*/src/spdk'; }

configure() {
	cd spdk
	CFLAGS=-DHAVE_ARC4RANDOM ./configure --target-arch=x86-64-v2 --disable-tests --disable-unit-tests \
		--disable-examples --without-vhost --without-virtio --without-isal
}

compile() { CFLAGS=-DHAVE_ARC4RANDOM make -j"$(nproc)"; }

step "packages" packages
step "Python environment" environment
step "SPDK's source" source_archive
step "unpack" unpack
# From here on the shell stands in the source tree, where configure went.
step "configure" configure
step "make" compile
line "$total" "all of it"
build/bin/nvmf_tgt --version
