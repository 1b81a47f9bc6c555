#!/bin/sh
# build/deb/penny-sandbox_VERSION_ARCHITECTURE.deb out of what was built. Its version and changelog are CHANGELOG.md's.
set -eu
cd "$TREE"
version=$(build/penny-sandbox --version | cut -d ' ' -f 2)
place=build/deb/source
log=build/deb/build.log

rm -rf "$place" build/deb/*.deb
mkdir -p "$place"
cp -r deploy/debian "$place/debian"
/usr/bin/python3 -B deploy/deb_changelog.py CHANGELOG.md >"$place/debian/changelog"
head -n 1 "$place/debian/changelog" | grep -qF "($version)" || { echo "the first entry of CHANGELOG.md is not of version $version" >&2; exit 1; }
printf '  %-8s %s\n' DEB "penny-sandbox $version"
(cd "$place" && env -u MAKEFLAGS -u MAKELEVEL dpkg-buildpackage -b -us -uc) >"$log" 2>&1 || { tail -n 30 "$log" >&2; echo "the package could not be built ($log)" >&2; exit 1; }
rm -rf "$place"
printf '           %s, %s MB\n' "$(ls build/deb/*.deb)" "$(du -m build/deb/*.deb | cut -f 1)"
