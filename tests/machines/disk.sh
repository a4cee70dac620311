#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0
# What a guest's disk has beside its packages. Called by mmdebstrap with the disk's root folder.
# KEY: the public key that may log in as root.
set -eu
root=$1

mkdir -p "$root/root/.ssh"
chmod 700 "$root/root/.ssh"
cp "$KEY" "$root/root/.ssh/authorized_keys"
chroot "$root" passwd --quiet --delete root

echo guest >"$root/etc/hostname"
printf '127.0.0.1 localhost guest\n::1 localhost\n' >"$root/etc/hosts"
# QEMU's user network answers DNS here.
printf 'nameserver 10.0.2.3\n' >"$root/etc/resolv.conf"
printf '[Match]\nName=e*\n[Network]\nDHCP=ipv4\n' >"$root/etc/systemd/network/10-wired.network"
printf '/dev/vda / ext4 defaults 0 1\n' >"$root/etc/fstab"
chroot "$root" systemctl enable --quiet systemd-networkd.service
# Timers that would run apt beside the roles; /tmp stays on the disk, where there is room.
chroot "$root" systemctl mask --quiet apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
	fstrim.timer man-db.timer systemd-timesyncd.service tmp.mount

# An emulated machine unpacks a small initramfs sooner: only what finds the disk.
printf 'MODULES=list\nCOMPRESS=gzip\n' >"$root/etc/initramfs-tools/conf.d/small"
printf '%s\n' virtio_pci virtio_blk ext4 crc32c_generic >>"$root/etc/initramfs-tools/modules"
chroot "$root" update-initramfs -u -k all >/dev/null

# Told apart from what an older kernel would have left there.
mkdir -p "$root/boot/guest"
cp "$root"/boot/vmlinuz-* "$root/boot/guest/vmlinuz"
cp "$root"/boot/initrd.img-* "$root/boot/guest/initrd.img"
# It boots from these two, so nothing is gained when a package that a role installs makes the initramfs anew.
printf 'update_initramfs=no\n' >"$root/etc/initramfs-tools/update-initramfs.conf"
