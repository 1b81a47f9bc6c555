#!/bin/busybox sh
# The first program of a virtual machine: finds the disk and goes on with the program there that the kernel's command line names behind "--".
/bin/busybox --install -s /bin
mount -t devtmpfs none /dev
mount -t proc none /proc
for module in /modules/*; do insmod "$module"; done
until [ -b /dev/vda ]; do sleep 0.1; done
mount -t ext4 -o rw,noatime /dev/vda /disk || exec sh
umount /proc
mount --move /dev /disk/dev
exec switch_root /disk "$@"
