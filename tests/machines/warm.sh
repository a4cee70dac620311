#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
# Leaves .debs in an image's apt cache. Who installs these packages there still does so, and need not wait for a network.
# Called by mmdebstrap with the image's root folder. WARM: the packages; of a|b the first that there is.
set -eu
root=$1

printf 'APT::Keep-Downloaded-Packages "true";\nBinary::apt::APT::Keep-Downloaded-Packages "true";\n' \
	>"$root/etc/apt/apt.conf.d/90keep"
export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"
apt-get clean
known=
for alternatives in $WARM; do
	for package in $(echo "$alternatives" | tr '|' ' '); do
		if apt-cache policy "$package" | grep -q 'Candidate: [^(]'; then
			known="$known $package"
			break
		fi
	done
done
# shellcheck disable=SC2086 # words are wanted
DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends --download-only $known >/dev/null
