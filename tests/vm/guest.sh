#!/bin/busybox sh
# Inside the virtual machine: version 2 of control groups and nothing of version 1, then the tests that the kernel's command line names
# (penny.run=..., words with commas between). What they print goes to the second serial line.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 HOME=/root
mount -t proc none /proc
mount -t sysfs none /sys
mkdir -p /dev/pts /dev/shm
mount -t devpts none /dev/pts
mount -t tmpfs none /dev/shm
mount -t tmpfs -o mode=1777 none /tmp
mount -t tmpfs none /run
mount -t cgroup2 none /sys/fs/cgroup
busybox ip link set lo up
busybox hostname vm
# as systemd does: the controllers for all, and a group of its own for what is to be started
echo '+memory +pids +cpu' >/sys/fs/cgroup/cgroup.subtree_control
mkdir /sys/fs/cgroup/tests.service
echo $$ >/sys/fs/cgroup/tests.service/cgroup.procs
# With the first group whose processor time is limited, and again after the last, the kernel writes over its own code. An emulated processor that runs there in
# that moment may go on in the middle of an instruction, and the kernel panics: so this is once, now, while nothing runs.
mkdir /sys/fs/cgroup/limited
echo '50000 100000' >/sys/fs/cgroup/limited/cpu.max
ulimit -n 20000
# for what hibernates
fallocate -l 512M /swap && chmod 600 /swap && mkswap /swap >/dev/null && swapon /swap
ln -sf /proc/self/fd /dev/fd
exec </dev/null >/dev/ttyS1 2>&1
stty -F /dev/ttyS1 raw 2>/dev/null
words=$(sed -n 's/.*penny\.run=\([^ ]*\).*/\1/p' /proc/cmdline | tr ',' ' ')
cd /penny || busybox poweroff -f
echo "vm: Linux $(uname -r), controllers of version 2: $(cat /sys/fs/cgroup/tests.service/cgroup.controllers)"
# shellcheck disable=SC2086
PENNY_IN_VM=1 PENNY_PATIENCE=5 PYTHONDONTWRITEBYTECODE=1 build/venv-test/bin/python -m pytest --color=no -p no:cacheprovider --timeout 600 -q -rfs $words
echo "vm: exit $?"
busybox sync
busybox poweroff -f
