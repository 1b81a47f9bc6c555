#!/bin/sh
# enter.sh ROOT COMMAND...: in a root that has not been booted. In a mount namespace of its own, so that nothing has to be unmounted.
root=$1
shift
mount -t proc proc "$root/proc" && mount --rbind /dev "$root/dev" && exec chroot "$root" "$@"
