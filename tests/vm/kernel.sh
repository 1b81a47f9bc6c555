#!/bin/sh
# One of Debian's kernels, from the package's archive, extracted and not installed.
#   kernel.sh DIRECTORY SUITE      makes DIRECTORY/kernel-SUITE with vmlinuz, modules that a disk needs in their order, and the version
set -eu
place=$(realpath -m "$1")
suite=$2
mirror=${PENNY_DEBIAN_MIRROR:-http://deb.debian.org/debian}
kernel="$place/kernel-$suite"
[ ! -e "$kernel/version" ] || exit 0
apt="$place/apt-$suite"
rm -rf "$kernel" "$apt"
mkdir -p "$kernel/deb" "$apt/lists/partial" "$apt/cache/archives/partial"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >"$apt/sources.list"
set -- -q -q -o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null -o Dir::State::lists="$apt/lists" -o Dir::Cache="$apt/cache" \
    -o Dir::State::status=/dev/null -o Acquire::Languages=none -o APT::Sandbox::User=root
apt-get "$@" update
# the metapackage names the kernel of the day; the small flavour for virtual machines
name=$(apt-cache "$@" depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: *\(linux-image-[0-9].*\)/\1/p' | head -n 1)
(cd "$kernel/deb" && apt-get "$@" download "$name")
dpkg-deb -x "$kernel"/deb/*.deb "$kernel/files"
version=${name#linux-image-}
cp "$kernel/files/boot/vmlinuz-$version" "$kernel/vmlinuz"
[ ! -d "$kernel/files/usr/lib/modules" ] || { mkdir -p "$kernel/files/lib" && cp -R "$kernel/files/usr/lib/modules" "$kernel/files/lib/"; }
depmod -b "$kernel/files" "$version"
mkdir "$kernel/modules"
count=0
for module in virtio_pci virtio_blk ext4; do
    modprobe -d "$kernel/files" -S "$version" --show-depends "$module" | sed -n 's/^insmod \([^ ]*\).*/\1/p'
done | awk '!seen[$0]++' | while read -r path; do
    count=$((count + 1))
    target="$kernel/modules/$(printf %02d "$count")-$(basename "$path" .xz)"
    case $path in *.xz) xz -dc "$path" >"$target" ;; *) cp "$path" "$target" ;; esac
done
rm -rf "$kernel/files" "$kernel/deb" "$apt"
echo "$version" >"$kernel/version"
