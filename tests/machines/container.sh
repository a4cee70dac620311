#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
# What a container's image has beside its packages. Called by mmdebstrap with the image's root folder.
set -eu
root=$1

rm -f "$root/etc/hostname" "$root/etc/resolv.conf"
[ -x "$root/bin/systemctl" ] || exit 0
# Units that ask for a console, the host's clock, or a machine of their own; and timers that would run apt beside ours.
chroot "$root" systemctl mask --quiet apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
	fstrim.timer console-getty.service getty@.service systemd-timesyncd.service systemd-udevd.service \
	systemd-networkd-wait-online.service sys-kernel-config.mount sys-kernel-debug.mount \
	systemd-udev-trigger.service systemd-modules-load.service
