#!/bin/busybox sh
# The first program of the virtual machine: finds the disk, and hands it to its systemd.
/bin/busybox --install -s /bin
mount -t devtmpfs none /dev
mount -t proc none /proc
for module in /modules/*; do insmod "$module"; done
until [ -b /dev/vda ]; do sleep 0.1; done
mount -t ext4 -o rw,noatime /dev/vda /disk || exec sh
umount /proc
mount --move /dev /disk/dev
exec switch_root /disk /lib/systemd/systemd
