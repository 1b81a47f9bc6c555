#!/bin/sh
# boot.sh ROOT: the systemd of that root as process 1 of namespaces of its own, with control groups of its own below ours. It shares the
# network with us. Ends with its first process; boot.sh's pid is the pid of unshare, whose only child that is.
set -eu
if [ "${2:-}" != inside ]; then
    for path in $(awk '$3 ~ /^cgroup2?$/ {print $2}' /proc/mounts); do
        group=$path/penny-boot-$$
        mkdir -p "$group"
        case $path in */cpuset*) for f in cpus mems; do cat "$path/cpuset.$f" >"$group/cpuset.$f"; done ;; esac
        echo $$ >"$group/cgroup.procs"
    done
    exec unshare --mount --propagation private --pid --fork --kill-child --uts --ipc --cgroup "$0" "$1" inside
fi
cgroups=$(awk '$3 ~ /^cgroup2?$/ {sub(".*/", "", $2); print $2 " " $3 " " $4}' /proc/mounts)
mount --bind "$1" "$1"
cd "$1"
mount -t proc proc proc
mount -t sysfs sysfs sys
if [ "${cgroups#cgroup }" != "$cgroups" ]; then
    mount -t cgroup2 cgroup2 sys/fs/cgroup
else
    mount -t tmpfs -o mode=755 tmpfs sys/fs/cgroup
    echo "$cgroups" | while read -r name type options; do
        mkdir "sys/fs/cgroup/$name"
        case $type:$name in
        cgroup2:*) mount -t cgroup2 cgroup2 "sys/fs/cgroup/$name" ;;
        cgroup:systemd) mount -t cgroup -o none,name=systemd cgroup sys/fs/cgroup/systemd ;;
        *) mount -t cgroup -o "$(echo "$options" | sed 's/^rw,//; s/relatime,//; s/nosuid,nodev,noexec,//')" cgroup "sys/fs/cgroup/$name" ;;
        esac
    done
fi
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do : >"dev/$device" && mount --bind "/dev/$device" "dev/$device"; done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mount -t tmpfs tmpfs dev/shm
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs tmpfs tmp
mkdir run/old
pivot_root . run/old
umount -l /run/old
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --log-target=console </dev/null
