#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
# Make the private Python environment and install pinned requirements into it.
#
# usage: python_environment.sh PYTHON FOLDER REQUIREMENTS STAMP
# The stamp is written last: a run that was cut off is taken up by the next one.
set -eu

python=$1 folder=$2 requirements=$3 stamp=$4

fail() {
	printf 'Asked: %s. Found: %s. Do: %s.\n' "$1" "$2" "$3" >&2
	exit 1
}

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
	fail "Python 3.11 or newer" "$("$python" --version 2>&1)" "set PYTHON=/path/to/a/newer/python3"

# Debian and Ubuntu pack venv's ensurepip apart from each of their Pythons.
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
	package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
	[ "$(id -u)" -eq 0 ] || fail "a private Python environment" "$package is missing and this is not root" \
		"run it as root, or install $package (sudo apt-get install $package)"
	echo "installing $package"
	apt-get update -qq
	# Ubuntu's needrestart would restart services of the machine that are none of ours.
	DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l apt-get install -qq -y --no-install-recommends \
		-o DPkg::Lock::Timeout=300 "$package" >/dev/null
fi

if ! "$folder/bin/python" -m pip --version >/dev/null 2>&1; then
	echo "making the Python environment in $folder"
	rm -rf "$folder"
	"$python" -m venv "$folder"
fi

echo "installing $requirements into $folder"
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --requirement "$requirements"
touch "$stamp"
