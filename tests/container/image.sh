#!/bin/sh
# Builds the image of the Dockerfile without a daemon and without a registry.
#   image.sh DIRECTORY     keeps the image's layers in it, so a second call builds only what has changed; nothing else stays, however it ends
# What this machine needs to reach its package indexes (a mirror, a certificate) comes from its own configuration through mounts that are there
# while the image is built; none of it is in the Dockerfile or in the image.
set -eu
cd "$(dirname "$0")/../.."
place=$(realpath -m "$1")
base=debian:12-slim
image=localhost/penny-sandbox:latest
mirror=${PENNY_DEBIAN_MIRROR:-http://deb.debian.org/debian}
needed=8 # GB: layers of three stages, and while one is made its files twice
kept=10  # GB: past that the layers of former builds are given up
mkdir -p "$place/net"
say() { printf '  %-8s %s\n' "$1" "$2" >&2; }
store() { buildah --root "$place/storage" --runroot "$place/runroot" --storage-driver "$driver" "$@"; }

# What a build leaves that was cut is a container that nobody goes on with, and its temporary files.
export TMPDIR="$place/tmp"
clean() {
    store rm --all >/dev/null 2>&1 || :
    rm -rf "$place/tmp" "$place/context" "$place/net" "$place/base" "$place/try" "$place/runroot"
}
driver=overlay
trap clean EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# Layers on top of each other where the kernel lets us; else each is a copy of all before it, which takes long and 40 GB.
mkdir -p "$place/try/lower" "$place/try/upper" "$place/try/work" "$place/try/all"
if mount -t overlay overlay -o "lowerdir=$place/try/lower,upperdir=$place/try/upper,workdir=$place/try/work" "$place/try/all" 2>/dev/null; then
    umount "$place/try/all"
else
    driver=vfs
    needed=40
    kept=60
fi
rm -rf "$place/try"

if [ "$(du -sm "$place" | cut -f 1)" -gt $((kept * 1000)) ]; then
    say CLEAN "$place: more than $kept GB of former builds"
    rm -rf "$place/storage"
fi
rm -rf "$place/runroot" "$place/tmp" # of a build that was killed
mkdir -p "$TMPDIR"
free=$(($(df -Pm "$place" | sed -n '2s/^[^ ]* *[0-9]* *[0-9]* *\([0-9]*\).*/\1/p') / 1000))
[ "$free" -ge "$needed" ] || [ -e "$place/image.json" ] || { say FAILED "a first build needs $needed GB in $place, where $free are free" >&2; exit 1; }

# ---- The base, under its name: what debootstrap makes, without what slim images leave out --------------------------------
make_base() {
    say BASE "$base by debootstrap from $mirror"
    rm -rf "$place/base"
    debootstrap --variant=minbase bookworm "$place/base" "$mirror" >"$place/base.log" 2>&1 || { tail -n 20 "$place/base.log" >&2; exit 1; }
    printf 'deb %s bookworm main\ndeb %s bookworm-updates main\ndeb %s-security bookworm-security main\n' "$mirror" "$mirror" "$mirror" >"$place/base/etc/apt/sources.list"
    printf 'path-exclude /usr/share/%s/*\n' doc man info locale >"$place/base/etc/dpkg/dpkg.cfg.d/slim"
    (cd "$place/base" && rm -rf var/lib/apt/lists/* var/cache/apt/* var/log/*.log usr/share/doc/* usr/share/man/* usr/share/info/* usr/share/locale/*)
    empty=$(store from scratch)
    store add -q "$empty" "$place/base" / >/dev/null
    store config --cmd /bin/sh "$empty"
    store commit -q "$empty" "docker.io/library/$base" >/dev/null
    store rm "$empty" >/dev/null
    rm -rf "$place/base"
}
store inspect --type image "docker.io/library/$base" >/dev/null 2>&1 || make_base

# ---- The way to the package indexes, as this machine has it ------------------------------------------------------------------
cp -L "${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}" "$place/net/ca.crt"
{
    echo '[global]'
    echo 'cert = /run/build-net/ca.crt'
    [ -z "${PIP_INDEX_URL:-}" ] || echo "index-url = $PIP_INDEX_URL"
} >"$place/net/pip.conf"
{
    echo 'cafile=/run/build-net/ca.crt'
    registry=$(npm config get registry 2>/dev/null || :)
    [ -z "$registry" ] || echo "registry=$registry"
} >"$place/net/npmrc"

# As it is at this moment: a build takes minutes, in which the tree may change.
rm -rf "$place/context"
mkdir "$place/context"
tar -c --exclude=node_modules --exclude=dist --exclude=__pycache__ .dockerignore Dockerfile Makefile clients deploy policies runtime server web | tar -x -C "$place/context"

say BUILD "$image (log: $place/build.log)"
store bud --isolation chroot --pull-never --layers --format docker --network host \
    -v "$place/net:/run/build-net:ro" -v "$place/net/pip.conf:/etc/pip.conf:ro" -v "$place/net/npmrc:/root/.npmrc:ro" \
    -t "$image" "$place/context" >"$place/build.log" 2>&1 || { tail -n 40 "$place/build.log" >&2; exit 1; }

store inspect --type image "$image" >"$place/image.json"
echo "$driver" >"$place/driver"
say KEPT "$(du -sh "$place" | cut -f 1) in $place: the next build begins with them, and nothing else needs them"
