# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
# What run.sh and live.sh share: what the live tests need on a machine that has the lab. Sourced in the project's folder.

# The drive under AddressSanitizer and UBSan, SPDK in it included. What measures takes the installed nvmf_tgt.
drive=$PWD/build/drive
export ANSIBLE_CONFIG=$PWD/ansible.cfg
# Beside the guest the two cores are shared: what a target says at last is no fault.
export HELLO_EBPF_WIRE_TIMEOUT=120
pytest=(.venv/bin/python -m pytest -v --durations=5)

# Built anew where something changed.
sanitized_drive() {
	tests/sanitized/build.sh "$drive"
	export HELLO_EBPF_CSD_TGT=$drive/checked/csd_tgt
}

# Each run of pytest leaves its results where CI looks for them: build/junit/fresh-NAME.xml.
tested() {
	local name=$1
	shift
	"${pytest[@]}" --junitxml="build/junit/fresh-$name.xml" -o junit_suite_name="$name" "$@"
}

tools() {
	# What the tests look with, and no role installs.
	apt-get install -qq -y --no-install-recommends iproute2 >/dev/null
	make --no-print-directory .venv/.test
}

# For tests that add a few pages to this kernel's pool, and take them back; a container has sysfs read-only. And for
# those that want a block device: a container has no nodes of loop devices.
devices() {
	mount -o remount,rw /sys
	[ -e /dev/loop-control ] || mknod /dev/loop-control c 10 237
	for number in {0..31}; do
		[ -e "/dev/loop$number" ] || mknod "/dev/loop$number" b 7 "$number"
	done
}

# Pages for the tests' targets, and the lab's own target out of the way of theirs: it would keep a whole core busy.
room_for_targets() {
	.venv/bin/ansible-playbook -i inventory/local playbooks/target.yml \
		-e hugepages_megabytes=2560 -e csd_target_state=absent
}
