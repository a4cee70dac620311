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

# Debian packs venv's ensurepip apart from python3.
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
	[ "$(id -u)" -eq 0 ] || fail "a private Python environment" "python3-venv is missing and this is not root" \
		"run it as root, or install python3-venv"
	echo "installing python3-venv"
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends python3-venv >/dev/null
fi

if ! "$folder/bin/python" -m pip --version >/dev/null 2>&1; then
	echo "making the Python environment in $folder"
	rm -rf "$folder"
	"$python" -m venv "$folder"
fi

echo "installing $requirements into $folder"
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --requirement "$requirements"
touch "$stamp"
