#!/bin/sh
# The virtual machine's disk: Debian by debootstrap with what the service links to, and this tree as it was built, as /penny.
#   disk.sh DIRECTORY      prints nothing; makes DIRECTORY/disk.img
set -eu
cd "$(dirname "$0")/../.."
place=$(realpath -m "$1")
mirror=${PENNY_DEBIAN_MIRROR:-http://deb.debian.org/debian}
packages=python3,libpython3.11,libevent-2.1-7,libevent-openssl-2.1-7,libevhtp0,libjansson4,libonig5,libseccomp2,libssl3,libuuid1,busybox-static
say() { printf '  %-8s %s\n' "$1" "$2" >&2; }

if [ ! -e "$place/debian/.made" ]; then
    say DEBIAN "by debootstrap from $mirror"
    rm -rf "$place/debian"
    debootstrap --variant=minbase --include="$packages" bookworm "$place/debian" "$mirror" >"$place/debian.log" 2>&1 || { tail -n 20 "$place/debian.log" >&2; exit 1; }
    rm -rf "$place/debian/var/lib/apt/lists" "$place/debian/var/cache/apt" "$place/debian/usr/share/doc" "$place/debian/usr/share/locale" "$place/debian/usr/share/man"
    touch "$place/debian/.made"
fi

say DISK "$place/disk.img"
tree="$place/debian/penny"
rm -rf "$tree" "$place/disk.img"
mkdir -p "$tree/build"
cp -R server runtime policies tests "$tree/"
for program in build/penny-*; do [ ! -x "$program" ] || cp "$program" "$tree/build/"; done
for venv in venv venv-test; do
    mkdir -p "$tree/build/$venv"
    cp -al "build/$venv/." "$tree/build/$venv/" 2>/dev/null || cp -a "build/$venv/." "$tree/build/$venv/" # links where it is one file system
done
size=$(du -sm "$place/debian" | cut -f 1)
mke2fs -q -F -t ext4 -O ^has_journal -m 0 -d "$place/debian" "$place/disk.img" "$((size * 12 / 10 + 1024))M" >/dev/null
rm -rf "$tree"
